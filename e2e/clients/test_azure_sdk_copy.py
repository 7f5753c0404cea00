"""azure-storage-blob: copy inside the account. The source URL is unsigned: the request's own key vouches for it."""

import uuid
from datetime import timedelta

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.storage.blob import BlobBlock, BlobServiceClient, ContentSettings, StandardBlobTier

from node import ACCOUNTS
from payload import KIB, payload
from refusal import refused

pytestmark = pytest.mark.copy

DATA = payload(300 * KIB)
SETTINGS = dict(content_type="text/csv", cache_control="no-cache", content_language="de", content_encoding="x",
                content_disposition="inline")  # fmt: skip


@pytest.fixture
def source(container):
    blob = container.get_blob_client("from/a b+ü.bin")
    blob.upload_blob(DATA, metadata={"m": "1"}, tags={"t": "1"}, content_settings=ContentSettings(**SETTINGS))
    return blob


@pytest.mark.parametrize("sync", [False, True])
def test_copy(container, source, sync):
    target = container.get_blob_client("to/copy")
    answer = target.start_copy_from_url(source.url, **({"requires_sync": True} if sync else {}))
    assert answer["copy_status"] == "success"
    assert uuid.UUID(answer["copy_id"])

    properties = target.get_blob_properties()
    assert target.download_blob().readall() == DATA
    assert properties.etag == answer["etag"] != source.get_blob_properties().etag
    assert properties.metadata == {"m": "1"}
    assert {name: getattr(properties.content_settings, name) for name in SETTINGS} == SETTINGS
    assert properties.content_settings.content_md5 == source.get_blob_properties().content_settings.content_md5
    assert (properties.copy.id, properties.copy.status) == (answer["copy_id"], "success")
    assert properties.copy.progress == f"{len(DATA)}/{len(DATA)}"
    assert properties.copy.source.split("?")[0] == source.url
    assert properties.copy.completion_time is not None
    # Tags stay behind.
    assert target.get_blob_tags() == {}

    listed = {item.name: item for item in container.list_blobs(include=["copy"])}
    assert listed["to/copy"].copy.id == answer["copy_id"]
    assert listed["from/a b+ü.bin"].copy.id is None
    # Writing other content forgets the copy.
    target.upload_blob(b"own", overwrite=True)
    assert target.get_blob_properties().copy.id is None


def test_the_copy_is_its_own_blob(container, source):
    target = container.get_blob_client("copy")
    target.start_copy_from_url(source.url)
    source.upload_blob(b"changed", overwrite=True)
    assert target.download_blob().readall() == DATA
    source.delete_blob()
    assert target.download_blob().readall() == DATA
    assert target.download_blob(offset=100_000, length=1000).readall() == DATA[100_000:101_000]
    again = container.get_blob_client("copy of copy")
    again.start_copy_from_url(target.url)
    target.delete_blob()
    assert again.download_blob().readall() == DATA


def test_what_the_request_says_replaces_what_the_source_has(container, source):
    target = container.get_blob_client("copy")
    target.start_copy_from_url(
        source.url, metadata={"n": "2"}, tags={"u": "2"}, standard_blob_tier=StandardBlobTier.COOL
    )
    properties = target.get_blob_properties()
    assert (properties.metadata, properties.blob_tier) == ({"n": "2"}, "Cool")
    assert target.get_blob_tags() == {"u": "2"}
    assert properties.content_settings.content_type == "text/csv"


def test_committed_blocks_are_copied(container):
    source, target = container.get_blob_client("source"), container.get_blob_client("target")
    for block_id in "abc":
        source.stage_block(block_id, block_id.encode() * 1000)
    source.commit_block_list([BlobBlock(block_id) for block_id in "abac"])
    target.stage_block("z", b"dropped by the copy")
    target.start_copy_from_url(source.url)
    committed, uncommitted = target.get_block_list("all")
    assert [(block.id, block.size) for block in committed] == [("a", 1000), ("b", 1000), ("a", 1000), ("c", 1000)]
    assert uncommitted == []
    assert target.download_blob().readall() == source.download_blob().readall()


def test_across_containers(service, container, source):
    elsewhere = service.create_container(f"{container.container_name}-2")
    target = elsewhere.get_blob_client("copy")
    target.start_copy_from_url(source.url)
    assert target.download_blob().readall() == DATA


@pytest.mark.parametrize("size", [0, 1, 100])
def test_small_and_empty(container, size):
    source, target = container.get_blob_client("source"), container.get_blob_client("target")
    source.upload_blob(payload(size))
    assert target.start_copy_from_url(source.url)["copy_status"] == "success"
    assert target.download_blob().readall() == payload(size)


def test_onto_itself(source):
    source.start_copy_from_url(source.url, metadata={"renewed": "1"})
    assert source.download_blob().readall() == DATA
    assert source.get_blob_properties().metadata == {"renewed": "1"}


@pytest.mark.parametrize("sync", [False, True])
def test_a_missing_source(service, container, sync):
    target = container.get_blob_client("copy")
    options = {"requires_sync": True} if sync else {}
    for url in (
        container.get_blob_client("missing").url,
        service.get_blob_client("no-such-container", "missing").url,
    ):
        with pytest.raises(ResourceNotFoundError) as caught:
            target.start_copy_from_url(url, **options)
        assert caught.value.status_code == 404
        assert caught.value.error_code in ("CannotVerifyCopySource", "BlobNotFound", "ContainerNotFound")
    assert not target.exists()


def test_conditions(container, source):
    target = container.get_blob_client("copy")
    etag = source.get_blob_properties().etag
    stale = '"0x1234567890ABCDEF"'
    now = source.get_blob_properties().last_modified
    for condition in (
        dict(headers={"x-ms-source-if-match": stale}),
        dict(headers={"x-ms-source-if-none-match": etag}),
        dict(source_if_modified_since=now),
        dict(source_if_unmodified_since=now - timedelta(seconds=1)),
    ):
        with pytest.raises(HttpResponseError) as caught:
            target.start_copy_from_url(source.url, **condition)
        assert (caught.value.status_code, caught.value.error_code) in (
            (412, "SourceConditionNotMet"), (412, "ConditionNotMet"), (412, "CannotVerifyCopySource"),
        )  # fmt: skip
    assert not target.exists()
    target.start_copy_from_url(source.url, headers={"x-ms-source-if-match": etag})
    with pytest.raises(HttpResponseError) as caught:
        target.start_copy_from_url(source.url, headers={"If-None-Match": "*"})
    assert caught.value.status_code in (409, 412)
    with pytest.raises(HttpResponseError) as caught:
        target.start_copy_from_url(source.url, headers={"If-Match": stale})
    assert caught.value.status_code == 412
    assert target.download_blob().readall() == DATA


def test_leases(container, source):
    target = container.get_blob_client("copy")
    target.upload_blob(b"guarded")
    lease = target.acquire_lease(-1)
    with refused(412, "LeaseIdMissing"):
        target.start_copy_from_url(source.url)
    assert target.download_blob().readall() == b"guarded"
    target.start_copy_from_url(source.url, destination_lease=lease)
    assert target.download_blob().readall() == DATA
    assert target.get_blob_properties().lease.state == "leased"
    lease.release()
    # A leased source may be read by anyone.
    held = source.acquire_lease(-1)
    container.get_blob_client("second").start_copy_from_url(source.url)
    held.release()


def test_abort_after_the_end(container, source):
    target = container.get_blob_client("copy")
    copy_id = target.start_copy_from_url(source.url)["copy_id"]
    with refused(409, "NoPendingCopyOperation"):
        target.abort_copy(copy_id)
    assert target.download_blob().readall() == DATA


def test_a_foreign_unsigned_source_is_refused(accounts_node, container_name):
    """One account's key vouches for nothing in another account."""
    harbor, quarry = (
        BlobServiceClient(
            f"{accounts_node.blob_url}/{name}", credential={"account_name": name, "account_key": ACCOUNTS[name][0]},
            retry_total=0,
        ).create_container(container_name)
        for name in ("harbor", "quarry")
    )  # fmt: skip
    harbor.upload_blob("secret", b"secret")
    with pytest.raises(HttpResponseError) as caught:
        quarry.get_blob_client("stolen").start_copy_from_url(harbor.get_blob_client("secret").url)
    assert 400 <= caught.value.status_code < 500
    assert not quarry.get_blob_client("stolen").exists()


def test_wrong_key_cannot_copy(node, container, source):
    stranger = BlobServiceClient(node.account_url, credential="A" * 86 + "==", retry_total=0)
    with refused(403, "AuthenticationFailed"):
        stranger.get_blob_client(container.container_name, "stolen").start_copy_from_url(source.url)
    assert not container.get_blob_client("stolen").exists()
