"""azure-storage-blob: access tiers, and the archive."""

import pytest
from azure.storage.blob import BlobBlock, StandardBlobTier

from refusal import refused


def stored(container, name="tiered", **options):
    blob = container.get_blob_client(name)
    blob.upload_blob(b"content", **options)
    return blob


def test_default_tier_is_inferred(container):
    properties = stored(container).get_blob_properties()
    assert (properties.blob_tier, properties.blob_tier_inferred) == ("Hot", True)
    listed = next(iter(container.list_blobs()))
    assert (listed.blob_tier, listed.blob_tier_inferred) == ("Hot", True)


@pytest.mark.parametrize("tier", ["Hot", "Cool", "Cold", "Archive"])
@pytest.mark.parametrize("route", ["set", "put", "commit"])
def test_tier_is_read_back(container, tier, route):
    blob = container.get_blob_client("tiered")
    if route == "put":
        blob.upload_blob(b"content", standard_blob_tier=StandardBlobTier(tier))
    elif route == "commit":
        blob.stage_block("1", b"content")
        blob.commit_block_list([BlobBlock("1")], standard_blob_tier=StandardBlobTier(tier))
    else:
        blob.upload_blob(b"content", metadata={"a": "1"})
        before = blob.get_blob_properties()
        blob.set_standard_blob_tier(tier)
        after = blob.get_blob_properties()
        assert (after.etag, after.last_modified, after.metadata) == (before.etag, before.last_modified, {"a": "1"})
        assert after.blob_tier_change_time is not None
    listed = next(iter(container.list_blobs()))
    for properties in (blob.get_blob_properties(), listed):
        assert properties.blob_tier == tier
        assert not properties.blob_tier_inferred
        assert properties.size == len(b"content")
    if tier != "Archive":
        assert blob.download_blob().readall() == b"content"


def test_overwrite_keeps_the_tier_unless_told(container):
    blob = stored(container, standard_blob_tier=StandardBlobTier.COOL)
    blob.upload_blob(b"new", overwrite=True)
    assert blob.get_blob_properties().blob_tier == "Cool"
    blob.upload_blob(b"newer", overwrite=True, standard_blob_tier=StandardBlobTier.HOT)
    assert blob.get_blob_properties().blob_tier == "Hot"


def test_archived_content_cannot_be_read(container):
    blob = stored(container, metadata={"a": "1"}, tags={"t": "1"})
    blob.set_standard_blob_tier(StandardBlobTier.ARCHIVE)
    with refused(409, "BlobArchived"):
        blob.download_blob()
    with refused(409, "BlobArchived"):
        blob.download_blob(offset=0, length=1)
    properties = blob.get_blob_properties()
    assert (properties.blob_tier, properties.size, properties.metadata) == ("Archive", 7, {"a": "1"})
    assert blob.get_blob_tags() == {"t": "1"}
    assert [item.name for item in container.list_blobs()] == ["tiered"]
    blob.delete_blob()
    assert not blob.exists()


def test_rehydration(container):
    blob = stored(container)
    blob.set_standard_blob_tier("Archive")
    answers = []
    blob.set_standard_blob_tier(
        "Hot", rehydrate_priority="High", raw_response_hook=lambda answer: answers.append(answer.http_response)
    )
    assert [answer.status_code for answer in answers] == [202]
    properties = blob.get_blob_properties()
    if properties.blob_tier == "Archive":
        assert properties.archive_status == "rehydrate-pending-to-hot"
        assert properties.rehydrate_priority == "High"
        assert next(iter(container.list_blobs())).archive_status == "rehydrate-pending-to-hot"
        with refused(409, "BlobArchived"):
            blob.download_blob()
        with refused(409, "BlobBeingRehydrated"):
            blob.set_standard_blob_tier("Cool")
    else:
        assert (properties.blob_tier, properties.archive_status) == ("Hot", None)
        assert blob.download_blob().readall() == b"content"


def test_status_of_a_plain_change_is_200(container):
    answers = []
    blob = stored(container)
    for tier in ("Cool", "Cool", "Cold", "Hot"):
        blob.set_standard_blob_tier(tier, raw_response_hook=lambda answer: answers.append(answer.http_response))
    assert [answer.status_code for answer in answers] == [200] * 4


def test_refused_tiers(container):
    blob = stored(container)
    with refused(400, "InvalidHeaderValue"):
        blob.set_standard_blob_tier("Lukewarm")
    with refused(404, "BlobNotFound"):
        container.get_blob_client("missing").set_standard_blob_tier("Cool")
    assert blob.get_blob_properties().blob_tier == "Hot"


def test_conditions_and_leases(container):
    blob = stored(container, tags={"stage": "raw"})
    with refused(412, "ConditionNotMet"):
        blob.set_standard_blob_tier("Cool", if_tags_match_condition="\"stage\" = 'done'")
    lease = blob.acquire_lease(60)
    with refused(412, "LeaseIdMismatchWithBlobOperation"):
        blob.set_standard_blob_tier("Cool", lease="00000000-0000-0000-0000-000000000009")
    # A tier may be set on a leased blob without its lease.
    blob.set_standard_blob_tier("Cool", if_tags_match_condition="\"stage\" = 'raw'")
    assert blob.get_blob_properties().blob_tier == "Cool"
    lease.release()
