"""`UseDevelopmentStorage=true`: the one line that most samples begin with."""

import asyncio

from azure.storage.blob import BlobServiceClient
from azure.storage.blob.aio import BlobServiceClient as AsyncBlobServiceClient

from node import DEV_ACCOUNT, DEV_KEY
from payload import payload

CONNECTION = "UseDevelopmentStorage=true"


def test_synchronous(emulator, container_name):
    with BlobServiceClient.from_connection_string(CONNECTION, retry_total=0) as service:
        assert service.account_name == DEV_ACCOUNT
        container = service.create_container(container_name)
        container.upload_blob("dir/a b.txt", payload(100_000), metadata={"a": "1"})
        blob = container.get_blob_client("dir/a b.txt")
        assert blob.download_blob().readall() == payload(100_000)
        assert blob.get_blob_properties().metadata == {"a": "1"}
        assert [item.name for item in container.list_blobs()] == ["dir/a b.txt"]
        container.delete_container()
        assert not container.exists()


def test_asynchronous(emulator, container_name):
    async def scenario():
        async with AsyncBlobServiceClient.from_connection_string(CONNECTION, retry_total=0) as service:
            container = await service.create_container(container_name)
            await container.upload_blob("b", b"content")
            assert await (await container.download_blob("b")).readall() == b"content"
            await container.delete_container()

    asyncio.run(scenario())


def test_spelled_out(emulator, container_name):
    connection = (
        f"DefaultEndpointsProtocol=http;AccountName={DEV_ACCOUNT};AccountKey={DEV_KEY};"
        f"BlobEndpoint=http://127.0.0.1:10000/{DEV_ACCOUNT};"
    )
    with BlobServiceClient.from_connection_string(connection, retry_total=0) as service:
        container = service.create_container(container_name)
        container.upload_blob("b", b"content")
        assert container.download_blob("b").readall() == b"content"


def test_by_the_name_localhost(emulator, container_name):
    url = f"http://localhost:10000/{DEV_ACCOUNT}"
    with BlobServiceClient(url, credential=DEV_KEY, retry_total=0) as service:
        container = service.create_container(container_name)
        container.upload_blob("b", b"content")
        assert container.download_blob("b").readall() == b"content"
