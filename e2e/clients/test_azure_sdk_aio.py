"""azure-storage-blob's asynchronous client: its own transport, which spells paths and queries differently."""

import asyncio

import pytest
from azure.core.exceptions import ResourceExistsError, ResourceModifiedError, ResourceNotFoundError
from azure.storage.blob import BlobBlock, ContentSettings
from azure.storage.blob.aio import BlobServiceClient

from node import DEV_KEY
from payload import KIB, MIB, md5, payload, sha256

ODD = [
    "a b/c d", "plus+plus", "a%20b", "100%", "%2F", "hash#tag", "what?", "a=b&c", "quote'\"", "back\\slash", "ünïcödé",
    "漢字/🚀", "semi;colon,comma", "(parens)[brackets]{braces}", "tilde~", "@:!$*", ".hidden", "trailing.dot.",
]  # fmt: skip


@pytest.fixture
def run(node, container_name):
    """Runs one coroutine function with a fresh container of the asynchronous client."""

    def runner(scenario, **options):
        async def wrapped():
            async with BlobServiceClient(node.account_url, credential=DEV_KEY, retry_total=0, **options) as service:
                container = service.get_container_client(container_name)
                await container.create_container()
                await asyncio.wait_for(scenario(container), 600)

        asyncio.run(wrapped())

    return runner


async def content(container, name, **options):
    return await (await container.download_blob(name, **options)).readall()


def test_concurrent_uploads_and_downloads(run):
    bodies = {f"many/{index:03d}": payload(997 * index, seed=index) for index in range(100)}

    async def scenario(container):
        gate = asyncio.Semaphore(16)

        async def upload(name, data):
            async with gate:
                blob = await container.upload_blob(name, data, metadata={"length": str(len(data))})
                properties = await blob.get_blob_properties()
                assert (properties.size, properties.metadata) == (len(data), {"length": str(len(data))})
                assert bytes(properties.content_settings.content_md5) == md5(data)

        async def download(name):
            async with gate:
                return await content(container, name)

        await asyncio.gather(*(upload(*item) for item in bodies.items()))
        read = await asyncio.gather(*(download(name) for name in bodies))
        assert dict(zip(bodies, read)) == bodies
        listed = {blob.name: blob.size async for blob in container.list_blobs()}
        assert listed == {name: len(data) for name, data in bodies.items()}

    run(scenario)


@pytest.mark.big
def test_100_mib_in_concurrent_blocks(run):
    data = payload(100 * MIB, seed="aio")

    async def scenario(container):
        blob = container.get_blob_client("large")
        await blob.upload_blob(data, max_concurrency=8)
        assert sha256(await content(container, "large", max_concurrency=8)) == sha256(data)
        committed, uncommitted = await blob.get_block_list("all")
        assert (len(committed), uncommitted) == (13, [])

    run(
        scenario, max_single_put_size=8 * MIB, max_block_size=8 * MIB, max_single_get_size=8 * MIB,
        max_chunk_get_size=8 * MIB,
    )  # fmt: skip


@pytest.mark.parametrize("size", [0, 1, 64 * KIB, 64 * KIB + 1, MIB + 7])
def test_round_trip_in_pieces(run, size):
    data = payload(size)

    async def scenario(container):
        blob = await container.upload_blob("pieces", data, max_concurrency=4)
        assert await content(container, "pieces", max_concurrency=4) == data
        chunks = [chunk async for chunk in (await blob.download_blob()).chunks()]
        assert b"".join(chunks) == data
        if size > 100:
            assert await content(container, "pieces", offset=10, length=size - 50) == data[10:-40]

    run(
        scenario, max_single_put_size=32 * KIB, max_block_size=64 * KIB, max_single_get_size=32 * KIB,
        max_chunk_get_size=48 * KIB,
    )  # fmt: skip


def test_upload_of_an_asynchronous_stream(run):
    parts = [payload(size, seed=size) for size in (0, 5, 70 * KIB, 64 * KIB, 1)]

    async def stream():
        for part in parts:
            await asyncio.sleep(0)
            yield part

    async def scenario(container):
        await container.upload_blob("stream", stream())
        assert await content(container, "stream") == b"".join(parts)

    run(scenario, max_single_put_size=32 * KIB, max_block_size=64 * KIB)


def test_blocks(run):
    pieces = {f"{index:03d}": payload(10 * KIB + index, seed=index) for index in range(24)}

    async def scenario(container):
        blob = container.get_blob_client("blocks")
        await asyncio.gather(*(blob.stage_block(block_id, data) for block_id, data in pieces.items()))
        order = sorted(pieces, reverse=True)
        await blob.commit_block_list(
            [BlobBlock(block_id) for block_id in order], metadata={"m": "1"},
            content_settings=ContentSettings(content_type="text/x"),
        )  # fmt: skip
        assert await content(container, "blocks") == b"".join(pieces[block_id] for block_id in order)
        committed, uncommitted = await blob.get_block_list("all")
        assert [(block.id, block.size) for block in committed] == [(i, len(pieces[i])) for i in order]
        assert uncommitted == []
        properties = await blob.get_blob_properties()
        assert (properties.metadata, properties.content_settings.content_type) == ({"m": "1"}, "text/x")

    run(scenario)


def test_odd_names_and_prefixes(run):
    async def scenario(container):
        for name in ODD:
            await container.upload_blob(name, name.encode())
        assert [blob.name async for blob in container.list_blobs()] == sorted(ODD, key=str.encode)
        for name in ODD:
            assert await content(container, name) == name.encode()
            # This transport writes a space in a query as `+` and a plus as `%2B`.
            found = [blob.name async for blob in container.list_blobs(name_starts_with=name)]
            assert name in found and all(other.startswith(name) for other in found)
        pages = container.list_blobs(results_per_page=3).by_page()
        assert [blob.name async for page in pages async for blob in page] == sorted(ODD, key=str.encode)
        walked = [item.name async for item in container.walk_blobs()]
        assert {"a b/", "漢字/"} <= set(walked)
        for prefix in ("a b/", "漢字/"):
            assert len([item async for item in container.walk_blobs(name_starts_with=prefix)]) == 1
        parts = [part async for part in await container.delete_blobs(*ODD)]
        assert [part.status_code for part in parts] == [202] * len(ODD)
        assert [blob async for blob in container.list_blobs()] == []

    run(scenario)


def test_tags_leases_tiers_and_conditions(run):
    async def scenario(container):
        blob = await container.upload_blob("b", b"one", tags={"k": "a b+c"})
        assert await blob.get_blob_tags() == {"k": "a b+c"}
        found = [item.name async for item in container.find_blobs_by_tags("\"k\" = 'a b+c'")]
        assert found == ["b"]
        with pytest.raises(ResourceModifiedError):
            await blob.get_blob_properties(if_tags_match_condition="\"k\" = 'other'")

        lease = await blob.acquire_lease(60)
        with pytest.raises(Exception) as caught:
            await blob.upload_blob(b"two", overwrite=True)
        assert (caught.value.status_code, caught.value.error_code) == (412, "LeaseIdMissing")
        await blob.upload_blob(b"two", overwrite=True, lease=lease)
        await lease.release()

        await blob.set_standard_blob_tier("Cool")
        assert (await blob.get_blob_properties()).blob_tier == "Cool"
        with pytest.raises(ResourceExistsError):
            await blob.upload_blob(b"three")
        with pytest.raises(ResourceNotFoundError):
            await container.download_blob("missing")
        assert await content(container, "b") == b"two"

    run(scenario)


def test_copy(run):
    async def scenario(container):
        source = await container.upload_blob("from/a b+ü", payload(100 * KIB))
        target = container.get_blob_client("to/a b+ü")
        answer = await target.start_copy_from_url(source.url)
        assert answer["copy_status"] == "success"
        assert await content(container, "to/a b+ü") == payload(100 * KIB)

    run(scenario)


def test_one_connection_serves_many_requests(run):
    async def scenario(container):
        # Sizes around what a buffer holds, errors among them: an answer must never leak into the next one.
        for index in range(60):
            name = f"n{index % 7}"
            data = payload((index * 3571) % 40_000, seed=index)
            await container.upload_blob(name, data, overwrite=True)
            with pytest.raises(ResourceNotFoundError):
                await container.download_blob("missing")
            assert await content(container, name) == data

    run(scenario)
