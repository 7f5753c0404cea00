"""azure-storage-blob: bytes in, the same bytes out, by every route that the client has."""

import io
from concurrent.futures import ThreadPoolExecutor

import pytest
from azure.core.exceptions import ResourceExistsError, ResourceModifiedError
from azure.storage.blob import BlobServiceClient, ContentSettings

from node import DEV_KEY
from payload import KIB, MIB, md5, payload, sha256
from refusal import refused


def small_pieces(node, container_name, **sizes):
    """A client that splits uploads and downloads into small pieces, so that small bodies take the large route."""
    service = BlobServiceClient(node.account_url, credential=DEV_KEY, retry_total=0, **sizes)
    return service.get_container_client(container_name)


@pytest.mark.parametrize("size", [0, 1, 511, 4 * KIB, 16 * KIB, 16 * KIB + 1, MIB - 1, 5 * MIB + 3])
def test_one_put_round_trip(container, size):
    data = payload(size)
    blob = container.get_blob_client(f"put-{size}")
    written = blob.upload_blob(data)

    download = blob.download_blob()
    assert download.readall() == data
    assert download.size == size
    properties = blob.get_blob_properties()
    assert properties.size == size
    assert properties.etag == written["etag"] == download.properties.etag
    assert properties.last_modified == written["last_modified"] == download.properties.last_modified
    assert bytes(properties.content_settings.content_md5) == md5(data)
    assert written["content_md5"] == bytearray(md5(data))
    assert written["request_server_encrypted"] is True
    assert properties.content_settings.content_type == "application/octet-stream"
    assert properties.blob_type == "BlockBlob"
    assert properties.server_encrypted is True
    # A blob written whole has no committed blocks.
    assert blob.get_block_list("all") == ([], [])


@pytest.mark.parametrize("size", [64 * KIB, 64 * KIB + 1, MIB + 7])
@pytest.mark.parametrize("concurrency", [1, 4])
def test_blocks_round_trip(node, container, size, concurrency):
    pieces = small_pieces(
        node, container.container_name, max_single_put_size=32 * KIB, max_block_size=64 * KIB,
        max_single_get_size=32 * KIB, max_chunk_get_size=48 * KIB,
    )  # fmt: skip
    data = payload(size)
    blob = pieces.get_blob_client("blocks")
    written = blob.upload_blob(data, max_concurrency=concurrency)

    assert blob.download_blob(max_concurrency=concurrency).readall() == data
    properties = blob.get_blob_properties()
    assert (properties.size, properties.etag) == (size, written["etag"])
    assert properties.content_settings.content_md5 is None
    committed, uncommitted = blob.get_block_list("all")
    assert sum(block.size for block in committed) == size
    assert len(committed) == -(-size // (64 * KIB))
    assert uncommitted == []


@pytest.mark.big
def test_100_mib_with_concurrency(node, container, tmp_path):
    data = payload(100 * MIB)
    source = tmp_path / "source.bin"
    source.write_bytes(data)
    pieces = small_pieces(
        node, container.container_name, max_single_put_size=8 * MIB, max_block_size=8 * MIB,
        max_single_get_size=8 * MIB, max_chunk_get_size=8 * MIB,
    )  # fmt: skip
    blob = pieces.get_blob_client("large/100.bin")
    with open(source, "rb") as stream:
        blob.upload_blob(stream, max_concurrency=8, metadata={"origin": "file"})

    target = tmp_path / "target.bin"
    with open(target, "wb") as sink:
        assert blob.download_blob(max_concurrency=8).readinto(sink) == len(data)
    assert sha256(target.read_bytes()) == sha256(data)
    properties = blob.get_blob_properties()
    assert properties.size == len(data)
    assert properties.metadata == {"origin": "file"}
    committed, uncommitted = blob.get_block_list("all")
    assert [block.size for block in committed] == [8 * MIB] * 12 + [4 * MIB]
    assert uncommitted == []


@pytest.mark.big
def test_100_mib_with_default_sizes(container):
    data = payload(100 * MIB, seed="default")
    blob = container.get_blob_client("large/default.bin")
    blob.upload_blob(data, max_concurrency=4)
    assert sha256(blob.download_blob(max_concurrency=4).readall()) == sha256(data)
    # The client's own choice above 64 MiB: blocks of 4 MiB.
    assert len(blob.get_block_list("committed")[0]) == 25


def test_upload_of_unknown_length(node, container):
    parts = [payload(size, seed=size) for size in (0, 5, 70 * KIB, 64 * KIB, 1)]
    pieces = small_pieces(node, container.container_name, max_single_put_size=32 * KIB, max_block_size=64 * KIB)
    blob = pieces.get_blob_client("generator")
    blob.upload_blob(part for part in parts)
    assert blob.download_blob().readall() == b"".join(parts)


def test_upload_of_text_and_decoded_download(container):
    text = "grün, naïve, 漢字, 🚀\n" * 100
    blob = container.get_blob_client("text")
    blob.upload_blob(text, encoding="utf-8")
    assert blob.download_blob(encoding="utf-8").readall() == text
    assert blob.get_blob_properties().size == len(text.encode())


@pytest.mark.parametrize(
    ("offset", "length"),
    [(0, 1), (0, 100_000), (1, 99_999), (65_535, 2), (99_999, 1), (50_000, None), (99_990, 1000), (0, 200_000)],
)
def test_ranges(container, offset, length):
    data = payload(100_000)
    container.upload_blob("ranged", data)
    answers = []
    download = container.get_blob_client("ranged").download_blob(
        offset=offset, length=length, raw_response_hook=lambda answer: answers.append(answer.http_response)
    )
    end = len(data) if length is None else min(offset + length, len(data))
    assert download.readall() == data[offset:end]
    assert download.size == end - offset
    assert answers[0].status_code == 206
    assert answers[0].headers["Content-Range"] == f"bytes {offset}-{end - 1}/{len(data)}"
    # The whole blob's MD5 travels beside a part of it.
    assert bytes(download.properties.content_settings.content_md5) == md5(data)


@pytest.mark.parametrize(("size", "offset"), [(10, 10), (10, 11), (10, 10**12), (0, 0), (0, 1)])
def test_range_past_the_end_is_refused(container, size, offset):
    blob = container.get_blob_client("short")
    blob.upload_blob(payload(size))
    with refused(416, "InvalidRange") as caught:
        blob.download_blob(offset=offset, length=5)
    assert caught.value.response.headers["Content-Range"] == f"bytes */{size}"


def test_chunks_and_partial_reads(node, container):
    data = payload(300 * KIB + 11)
    container.upload_blob("streamed", data)
    pieces = small_pieces(node, container.container_name, max_single_get_size=64 * KIB, max_chunk_get_size=64 * KIB)
    blob = pieces.get_blob_client("streamed")

    chunks = list(blob.download_blob().chunks())
    assert [len(chunk) for chunk in chunks] == [64 * KIB] * 4 + [44 * KIB + 11]
    assert b"".join(chunks) == data

    stream, seen = blob.download_blob(), []
    while piece := stream.read(10_007):
        seen.append(piece)
    assert b"".join(seen) == data

    sink = io.BytesIO()
    assert blob.download_blob(offset=1000, length=200 * KIB, max_concurrency=3).readinto(sink) == 200 * KIB
    assert sink.getvalue() == data[1000 : 1000 + 200 * KIB]


def test_a_download_never_mixes_two_blobs(node, container):
    pieces = small_pieces(node, container.container_name, max_single_get_size=64 * KIB, max_chunk_get_size=64 * KIB)
    blob = pieces.get_blob_client("replaced")
    blob.upload_blob(payload(256 * KIB, seed="old"))
    download = blob.download_blob()
    blob.upload_blob(payload(256 * KIB, seed="new"), overwrite=True)
    # The client pins the first piece's ETag on the pieces that follow.
    with refused(412, "ConditionNotMet", ResourceModifiedError):
        download.readall()
    assert blob.download_blob().readall() == payload(256 * KIB, seed="new")


@pytest.mark.parametrize("size", [100, 100 * KIB])
def test_no_overwrite_unless_asked(node, container, size):
    pieces = small_pieces(node, container.container_name, max_single_put_size=32 * KIB, max_block_size=32 * KIB)
    blob = pieces.get_blob_client("kept")
    first = blob.upload_blob(payload(size, seed="first"), metadata={"kept": "yes"})
    with refused(409, "BlobAlreadyExists", ResourceExistsError):
        blob.upload_blob(payload(size, seed="second"))
    assert blob.download_blob().readall() == payload(size, seed="first")
    properties = blob.get_blob_properties()
    assert (properties.etag, properties.metadata) == (first["etag"], {"kept": "yes"})


@pytest.mark.parametrize("size", [100, 100 * KIB])
def test_overwrite_replaces_everything(node, container, size):
    pieces = small_pieces(node, container.container_name, max_single_put_size=32 * KIB, max_block_size=32 * KIB)
    blob = pieces.get_blob_client("replaced")
    settings = ContentSettings(content_type="text/plain", content_language="de", cache_control="no-cache")
    first = blob.upload_blob(b"first", metadata={"a": "1"}, tags={"t": "1"}, content_settings=settings)
    second = blob.upload_blob(payload(size), overwrite=True, metadata={"b": "2"})

    assert second["etag"] != first["etag"]
    assert blob.download_blob().readall() == payload(size)
    properties = blob.get_blob_properties()
    assert (properties.size, properties.metadata, properties.tag_count) == (size, {"b": "2"}, None)
    assert properties.content_settings.content_type == "application/octet-stream"
    assert properties.content_settings.content_language is None
    assert properties.content_settings.cache_control is None
    assert blob.get_blob_tags() == {}


def test_concurrent_writers_of_one_blob_leave_one_whole(container):
    blob = container.get_blob_client("contended")
    bodies = [bytes([index]) * (200_000 + index) for index in range(16)]
    with ThreadPoolExecutor(8) as pool:
        etags = [answer["etag"] for answer in pool.map(lambda body: blob.upload_blob(body, overwrite=True), bodies)]
    assert len(set(etags)) == len(bodies)
    download = blob.download_blob()
    assert (download.properties.etag, download.readall()) in list(zip(etags, bodies))


def test_many_blobs_at_once(container):
    bodies = {f"many/{index:03d}": payload(1000 * index, seed=index) for index in range(64)}
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda item: container.upload_blob(*item), bodies.items()))
        read = dict(zip(bodies, pool.map(lambda name: container.download_blob(name).readall(), bodies)))
    assert read == bodies
    assert {blob.name: blob.size for blob in container.list_blobs()} == {n: len(b) for n, b in bodies.items()}


def test_delete(container):
    blob = container.get_blob_client("deleted")
    blob.upload_blob(b"x")
    assert blob.exists()
    blob.delete_blob()
    assert not blob.exists()
    with refused(404, "BlobNotFound"):
        blob.download_blob()
    with refused(404, "BlobNotFound"):
        blob.delete_blob()
    blob.upload_blob(b"again")
    assert blob.download_blob().readall() == b"again"
