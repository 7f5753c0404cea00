"""azure-storage-blob: conditional reads and writes. A refused write must leave content, properties and ETag alone."""

from datetime import timedelta

import pytest
from azure.core import MatchConditions
from azure.core.exceptions import ResourceExistsError, ResourceModifiedError, ResourceNotFoundError
from azure.storage.blob import BlobBlock, ContentSettings

from refusal import refused

STALE = '"0x1234567890ABCDEF"'


@pytest.fixture
def blob(container):
    """A blob with known content, metadata and tags."""
    client = container.get_blob_client("guarded")
    client.upload_blob(b"guarded content", metadata={"v": "1"}, tags={"stage": "raw", "rank": "5"})
    return client


READS = {
    "get": lambda blob, **condition: blob.download_blob(**condition).readall(),
    "head": lambda blob, **condition: blob.get_blob_properties(**condition),
}
WRITES = {
    "put": lambda blob, **c: blob.upload_blob(b"new", overwrite=True, **c),
    "commit": lambda blob, **c: blob.commit_block_list([BlobBlock("1")], **c),
    "metadata": lambda blob, **c: blob.set_blob_metadata({"v": "2"}, **c),
    "properties": lambda blob, **c: blob.set_http_headers(ContentSettings(content_type="a/b"), **c),
    "delete": lambda blob, **c: blob.delete_blob(**c),
    "lease": lambda blob, **c: blob.acquire_lease(15, **c),
}


def state(blob):
    properties = blob.get_blob_properties()
    return (
        blob.download_blob().readall(), properties.etag, properties.last_modified, properties.metadata,
        properties.content_settings.content_type, properties.lease.state,
    )  # fmt: skip


@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_reads(blob, read):
    properties = blob.get_blob_properties()
    now, second = properties.last_modified, timedelta(seconds=1)
    fresh, same = MatchConditions.IfModified, MatchConditions.IfNotModified

    for passing in (
        dict(etag=properties.etag, match_condition=same),
        dict(etag=STALE, match_condition=fresh),
        dict(match_condition=MatchConditions.IfPresent),
        dict(if_modified_since=now - second),
        dict(if_unmodified_since=now),
        dict(if_unmodified_since=now + second),
        dict(etag=properties.etag, match_condition=same, if_unmodified_since=now),
        # Either of the two "has it changed" terms is enough.
        dict(etag=properties.etag, match_condition=fresh, if_modified_since=now - second),
        dict(etag=STALE, match_condition=fresh, if_modified_since=now),
        dict(if_tags_match_condition="\"stage\" = 'raw'"),
        dict(if_tags_match_condition="\"stage\" <> 'done' AND \"rank\" >= '5'"),
        dict(if_tags_match_condition="\"stage\" = 'done' OR \"rank\" = '5'"),
    ):
        read(blob, **passing)

    for unchanged in (
        dict(etag=properties.etag, match_condition=fresh),
        dict(if_modified_since=now),
        dict(if_modified_since=now + second),
        dict(etag=properties.etag, match_condition=fresh, if_modified_since=now),
    ):
        with refused(304, "ConditionNotMet"):
            read(blob, **unchanged)

    for failing in (
        dict(etag=STALE, match_condition=same),
        dict(if_unmodified_since=now - second),
        dict(etag=STALE, match_condition=same, if_unmodified_since=now),
        dict(etag=properties.etag, match_condition=same, if_unmodified_since=now - second),
        dict(if_modified_since=now, if_unmodified_since=now - second),
        dict(if_tags_match_condition="\"stage\" = 'done'"),
        dict(if_tags_match_condition="\"missing\" = 'x'"),
    ):
        with refused(412, "ConditionNotMet", ResourceModifiedError):
            read(blob, **failing)

    with refused(400, "UnsatisfiableCondition"):
        read(blob, match_condition=MatchConditions.IfMissing)


@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_a_missing_blob_is_missing_whatever_the_condition(container, read):
    missing = container.get_blob_client("missing")
    for condition in (dict(etag=STALE, match_condition=MatchConditions.IfNotModified), {}):
        with refused(404, "BlobNotFound", ResourceNotFoundError):
            read(missing, **condition)


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_refused_writes_change_nothing(blob, write):
    blob.stage_block("1", b"staged")
    before = state(blob)
    etag, now, second = before[1], before[2], timedelta(seconds=1)
    for condition in (
        dict(etag=STALE, match_condition=MatchConditions.IfNotModified),
        dict(etag=etag, match_condition=MatchConditions.IfModified),
        dict(if_modified_since=now),
        dict(if_unmodified_since=now - second),
        dict(if_tags_match_condition="\"stage\" = 'done'"),
        dict(etag=etag, match_condition=MatchConditions.IfNotModified, if_tags_match_condition="\"rank\" > '5'"),
    ):
        with refused(412, "ConditionNotMet", ResourceModifiedError):
            write(blob, **condition)
        assert state(blob) == before


@pytest.mark.parametrize("passing", ["etag", "other etag", "present", "modified", "unmodified", "tags"])
@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_permitted_writes_happen(blob, write, passing):
    blob.stage_block("1", b"staged")
    before = state(blob)
    condition = {
        "etag": dict(etag=before[1], match_condition=MatchConditions.IfNotModified),
        "other etag": dict(etag=STALE, match_condition=MatchConditions.IfModified),
        "present": dict(match_condition=MatchConditions.IfPresent),
        "modified": dict(if_modified_since=before[2] - timedelta(seconds=1)),
        "unmodified": dict(if_unmodified_since=before[2]),
        "tags": dict(if_tags_match_condition="\"stage\" = 'raw' AND \"rank\" < '6'"),
    }[passing]
    write(blob, **condition)
    assert not blob.exists() or state(blob) != before


@pytest.mark.parametrize("name", ["put", "commit"])
def test_create_only(container, name):
    blob = container.get_blob_client("created")
    blob.stage_block("1", b"staged")
    WRITES[name](blob, match_condition=MatchConditions.IfMissing)
    before = state(blob)
    blob.stage_block("1", b"staged again")
    with refused(409, "BlobAlreadyExists", ResourceExistsError):
        WRITES[name](blob, match_condition=MatchConditions.IfMissing)
    assert state(blob) == before


@pytest.mark.parametrize("name", ["put", "commit"])
def test_update_only(container, name):
    blob = container.get_blob_client("absent")
    blob.stage_block("1", b"staged")
    for condition in (
        dict(etag=STALE, match_condition=MatchConditions.IfNotModified),
        dict(match_condition=MatchConditions.IfPresent),
    ):
        with refused(412, "ConditionNotMet", ResourceModifiedError):
            WRITES[name](blob, **condition)
    assert not blob.exists()


def test_only_one_of_many_conditional_writers_wins(blob):
    from concurrent.futures import ThreadPoolExecutor

    etag = blob.get_blob_properties().etag

    def attempt(index):
        try:
            return blob.upload_blob(
                b"%d" % index, overwrite=True, etag=etag, match_condition=MatchConditions.IfNotModified
            )["etag"]
        except ResourceModifiedError as error:
            assert error.status_code == 412
            return None

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(attempt, range(24)))
    winners = [(index, etag) for index, etag in enumerate(outcomes) if etag]
    assert len(winners) == 1
    index, etag = winners[0]
    assert blob.download_blob().readall() == b"%d" % index
    assert blob.get_blob_properties().etag == etag


def test_container_conditions(container):
    now = container.get_container_properties().last_modified
    second = timedelta(seconds=1)
    with refused(412, "ConditionNotMet", ResourceModifiedError):
        container.set_container_metadata({"a": "1"}, if_modified_since=now)
    with refused(412, "ConditionNotMet", ResourceModifiedError):
        container.delete_container(if_modified_since=now)
    with refused(412, "ConditionNotMet", ResourceModifiedError):
        container.delete_container(if_unmodified_since=now - second)
    with refused(412, "ConditionNotMet", ResourceModifiedError):
        container.set_container_access_policy({}, if_unmodified_since=now - second)
    assert container.get_container_properties().metadata == {}
    container.set_container_metadata({"a": "1"}, if_modified_since=now - second)
    assert container.get_container_properties().metadata == {"a": "1"}
    container.delete_container(if_modified_since=now - second)
    assert not container.exists()
