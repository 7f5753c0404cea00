"""SIGKILL in the middle of a client's session: everything that was acknowledged is there afterwards, whole."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from azure.core.exceptions import AzureError, ResourceNotFoundError
from azure.storage.blob import BlobBlock, BlobServiceClient, ContentSettings

from node import DEV_KEY
from payload import KIB, MIB, payload

pytestmark = pytest.mark.crash


def connect(node):
    return BlobServiceClient(
        node.account_url, credential=DEV_KEY, retry_total=0, max_single_put_size=MIB, max_block_size=512 * KIB
    )


def test_everything_acknowledged_is_there(own_node, container_name):
    service = connect(own_node)
    container = service.create_container(container_name, metadata={"owner": "tests"})
    container.upload_blob("small", b"small", metadata={"m": "1"}, tags={"t": "1"},
                          content_settings=ContentSettings(content_type="text/x"))  # fmt: skip
    container.upload_blob("empty", b"")
    container.upload_blob("large", payload(20 * MIB), max_concurrency=4)
    container.upload_blob("overwritten", b"old")
    container.upload_blob("overwritten", payload(100_000), overwrite=True)
    container.upload_blob("deleted", b"gone")
    container.delete_blob("deleted")
    container.upload_blob("cool", b"x").set_standard_blob_tier("Cool")
    staged = container.get_blob_client("staged")
    for block_id in "abc":
        staged.stage_block(block_id, payload(200 * KIB, seed=block_id))
    copied = container.get_blob_client("copied")
    copied.start_copy_from_url(container.get_blob_client("large").url)
    lease = container.get_blob_client("small").acquire_lease(-1)
    names = ["small", "empty", "large", "overwritten", "cool", "copied"]
    etags = {name: container.get_blob_client(name).get_blob_properties().etag for name in names}

    own_node.kill()
    own_node.restart()

    assert container.get_container_properties().metadata == {"owner": "tests"}
    assert sorted(item.name for item in container.list_blobs()) == sorted(names)
    assert {name: container.get_blob_client(name).get_blob_properties().etag for name in names} == etags
    small = container.get_blob_client("small").get_blob_properties()
    assert (small.metadata, small.tag_count, small.content_settings.content_type) == ({"m": "1"}, 1, "text/x")
    assert small.lease.state == "leased"
    lease.renew()
    assert container.get_blob_client("small").get_blob_tags() == {"t": "1"}
    assert [item.name for item in container.find_blobs_by_tags("\"t\" = '1'")] == ["small"]
    assert container.download_blob("small").readall() == b"small"
    assert container.download_blob("empty").readall() == b""
    assert container.download_blob("large").readall() == payload(20 * MIB)
    assert container.download_blob("copied").readall() == payload(20 * MIB)
    assert container.download_blob("overwritten").readall() == payload(100_000)
    assert container.get_blob_client("cool").get_blob_properties().blob_tier == "Cool"
    with pytest.raises(ResourceNotFoundError):
        container.download_blob("deleted")
    # Staged blocks were acknowledged too: they can still be committed.
    staged.commit_block_list([BlobBlock(block_id) for block_id in "cab"])
    assert staged.download_blob().readall() == b"".join(payload(200 * KIB, seed=block_id) for block_id in "cab")


@pytest.mark.parametrize("after", [5, 60, 200])
def test_killed_under_writers(own_node, container_name, after):
    """Eight writers until the kill, each on its own names. What was not acknowledged is there whole or not at all."""
    container = connect(own_node).create_container(container_name)
    acknowledged, attempted = {}, {}
    enough = threading.Event()
    guard = threading.Lock()
    sizes = (0, 100, 10 * KIB, 40 * KIB, 300 * KIB, 1300 * KIB)

    def write(writer):
        index = 0
        while True:
            name = f"w{writer}/{index % 40:02d}"
            data = payload(sizes[index % len(sizes)], seed=f"{writer}.{index}")
            with guard:
                attempted.setdefault(name, []).append(data)
            try:
                container.upload_blob(name, data, overwrite=True)
            except AzureError:
                return
            with guard:
                acknowledged[name] = data
                attempted[name] = [data]
                if len(acknowledged) >= after:
                    enough.set()
            index += 1

    with ThreadPoolExecutor(8) as pool:
        writers = [pool.submit(write, writer) for writer in range(8)]
        enough.wait(300)
        own_node.kill()
        for writer in writers:
            writer.result()
    assert len(acknowledged) >= after

    own_node.restart()
    stored = {item.name: item.size for item in container.list_blobs()}
    assert set(acknowledged) <= set(stored) <= set(attempted)
    for name, size in stored.items():
        data = container.download_blob(name).readall()
        assert len(data) == size
        assert data in attempted[name], f"{name} is neither what was acknowledged nor what was being written"
    container.upload_blob("after", payload(MIB + 1))
    assert container.download_blob("after").readall() == payload(MIB + 1)


def test_a_drained_stop_keeps_everything(own_node, container_name):
    container = connect(own_node).create_container(container_name)
    bodies = {f"b{index}": payload(index * 10_007, seed=index) for index in range(50)}
    for name, data in bodies.items():
        container.upload_blob(name, data)
    assert own_node.terminate() == 0
    own_node.restart()
    assert {name: container.download_blob(name).readall() for name in bodies} == bodies
    assert sorted(item.name for item in container.list_blobs()) == sorted(bodies)
