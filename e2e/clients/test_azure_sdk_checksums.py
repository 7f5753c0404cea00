"""azure-storage-blob: transactional MD5 and CRC-64, sent, checked and returned."""

import base64
import io

import pytest
from azure.storage.blob import BlobBlock, BlobServiceClient
from azure.storage.extensions import checksums

from node import DEV_KEY
from payload import KIB, MIB, md5, md5_base64, payload
from refusal import refused

WRONG_MD5 = md5_base64(b"something else")
WRONG_CRC64 = base64.b64encode(bytes(8)).decode()


@pytest.fixture
def pieces(node, container):
    """The container through a client that splits early."""
    service = BlobServiceClient(
        node.account_url, credential=DEV_KEY, retry_total=0, max_single_put_size=256 * KIB, max_block_size=256 * KIB,
        max_single_get_size=256 * KIB, max_chunk_get_size=256 * KIB,
    )  # fmt: skip
    return service.get_container_client(container.container_name)


def crc64(data):
    return checksums.crc64.compute(data, 0).to_bytes(8, "little")


@pytest.mark.parametrize("size", [1, 1000, MIB + 1])
@pytest.mark.parametrize("validate", [True, "md5"])
def test_md5_both_ways(pieces, size, validate):
    data = payload(size)
    blob = pieces.get_blob_client("validated")
    blob.upload_blob(data, validate_content=validate)
    assert blob.download_blob(validate_content=validate, max_concurrency=2).readall() == data


def test_md5_of_a_range(container):
    data = payload(100 * KIB)
    container.upload_blob("ranged", data)
    answers = []
    stream = container.get_blob_client("ranged").download_blob(
        offset=1000, length=5000, validate_content=True,
        raw_response_hook=lambda answer: answers.append(answer.http_response.headers),
    )  # fmt: skip
    assert stream.readall() == data[1000:6000]
    assert answers[0]["Content-MD5"] == md5_base64(data[1000:6000])
    assert answers[0]["x-ms-blob-content-md5"] == md5_base64(data)


def test_wrong_md5_stores_nothing(container):
    blob = container.get_blob_client("refused")
    for body in (b"small", payload(100 * KIB)):
        with refused(400, "Md5Mismatch"):
            blob.upload_blob(body, headers={"Content-MD5": WRONG_MD5})
        with refused(400, "Md5Mismatch"):
            blob.stage_block("1", body, headers={"Content-MD5": WRONG_MD5})
    assert not blob.exists()
    assert list(container.list_blobs(include=["uncommittedblobs"])) == []


def test_malformed_md5(container):
    blob = container.get_blob_client("refused")
    with refused(400, "InvalidMd5"):
        blob.upload_blob(b"x", headers={"Content-MD5": base64.b64encode(b"short").decode()})
    assert not blob.exists()


def test_wrong_md5_of_a_block_list_commits_nothing(container):
    blob = container.get_blob_client("refused")
    blob.stage_block("1", b"x")
    with refused(400, "Md5Mismatch"):
        blob.commit_block_list([BlobBlock("1")], headers={"Content-MD5": WRONG_MD5})
    assert not blob.exists()
    blob.commit_block_list([BlobBlock("1")], validate_content=True)
    assert blob.download_blob().readall() == b"x"


def test_put_block_returns_what_was_checked(container):
    blob = container.get_blob_client("echoed")
    data = payload(5000)
    with_md5 = blob.stage_block("1", data, validate_content=True)
    assert with_md5["content_md5"] == bytearray(md5(data))
    plain = blob.stage_block("2", data)
    assert plain["content_crc64"] == bytearray(crc64(data))
    assert plain["request_server_encrypted"] is True


def test_crc64_is_checked(container):
    blob = container.get_blob_client("refused")
    for body in (b"small", payload(100 * KIB)):
        with refused(400, "Crc64Mismatch"):
            blob.upload_blob(body, headers={"x-ms-content-crc64": WRONG_CRC64})
        with refused(400, "Crc64Mismatch"):
            blob.stage_block("1", body, headers={"x-ms-content-crc64": WRONG_CRC64})
    assert not blob.exists()
    assert list(container.list_blobs(include=["uncommittedblobs"])) == []


def test_both_checksums_at_once_are_refused(container):
    data = b"data"
    with refused(400, "BothCrc64AndMd5HeaderPresent"):
        container.get_blob_client("refused").upload_blob(
            data,
            headers={"x-ms-content-crc64": base64.b64encode(crc64(data)).decode(), "Content-MD5": md5_base64(data)},
        )


@pytest.mark.parametrize("size", [1, 1000, MIB + 1])
@pytest.mark.parametrize("validate", ["crc64", "auto"])
def test_crc64_uploads(pieces, size, validate):
    data = payload(size)
    blob = pieces.get_blob_client("validated")
    blob.upload_blob(data, validate_content=validate, max_concurrency=2)
    assert blob.download_blob().readall() == data


@pytest.mark.parametrize("size", [0, 1, 1000, MIB + 1])
def test_crc64_downloads(pieces, size):
    """The client asks for a structured body (`x-ms-structured-body`) and takes the checksums out of it."""
    data = payload(size)
    blob = pieces.get_blob_client("structured")
    blob.upload_blob(data)
    assert blob.download_blob(validate_content="crc64").readall() == data
    if size > 10:
        assert blob.download_blob(offset=3, length=size - 5, validate_content="crc64").readall() == data[3:-2]


def test_crc64_of_a_streamed_block(container):
    """A block from a stream goes up as a structured body, its checksums between the segments."""
    data = payload(5 * MIB + 1)
    blob = container.get_blob_client("structured")
    blob.stage_block("1", io.BytesIO(data), length=len(data), validate_content="crc64")
    assert [(block.id, block.size) for block in blob.get_block_list("uncommitted")[1]] == [("1", len(data))]
    blob.commit_block_list([BlobBlock("1")])
    assert blob.download_blob().readall() == data
