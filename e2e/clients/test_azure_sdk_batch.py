"""azure-storage-blob: Blob Batch, which deletes and sets tiers of up to 256 blobs in one request."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import PartialBatchErrorException, StandardBlobTier

NAMES = ["plain", "a b/c d.txt", "plus+percent%25.txt", "ünïcödé/漢字/🚀.bin", "q?u#o'te\"s&amp;", ".hidden"]


def fill(container, names):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: container.upload_blob(name, name.encode()), names))


def stored(container):
    return [blob.name for blob in container.list_blobs()]


def statuses(parts):
    return [part.status_code for part in parts]


def code(part):
    return part.headers.get("x-ms-error-code")


def test_delete_by_odd_names(container):
    fill(container, [*NAMES, "kept"])
    parts = list(container.delete_blobs(*NAMES))
    assert statuses(parts) == [202] * len(NAMES)
    assert all(part.headers.get("x-ms-request-id") for part in parts)
    assert stored(container) == ["kept"]


def test_delete_256(container):
    names = [f"many/{index:03d}" for index in range(256)]
    fill(container, [*names, "kept"])
    assert statuses(container.delete_blobs(*names)) == [202] * 256
    assert stored(container) == ["kept"]


def test_257_are_too_many(container):
    fill(container, ["n000"])
    with pytest.raises(HttpResponseError) as caught:
        list(container.delete_blobs(*(f"n{index:03d}" for index in range(257))))
    # The service may refuse the whole request, or answer it with one failed part.
    failed = statuses(getattr(caught.value, "parts", [])) or [caught.value.status_code]
    assert failed == [400], str(caught.value)
    assert stored(container) == ["n000"]


def test_a_missing_blob_fails_alone(container):
    fill(container, ["a", "c"])
    parts = list(container.delete_blobs("a", "b", "c", raise_on_any_failure=False))
    assert [(part.status_code, code(part)) for part in parts] == [(202, None), (404, "BlobNotFound"), (202, None)]
    assert stored(container) == []


def test_a_missing_blob_raises_when_asked(container):
    fill(container, ["a"])
    with pytest.raises(PartialBatchErrorException) as caught:
        container.delete_blobs("a", "b")
    assert statuses(caught.value.parts) == [202, 404]
    assert stored(container) == []


def test_a_missing_container(service):
    with pytest.raises(HttpResponseError) as caught:
        list(service.get_container_client("no-such-container").delete_blobs("a"))
    failed = statuses(getattr(caught.value, "parts", [])) or [caught.value.status_code]
    assert failed == [404]


def test_conditions_per_blob(container):
    for name in "abcd":
        container.upload_blob(name, b"x", tags={"name": name})
    lease = container.get_blob_client("c").acquire_lease(60)
    etag = container.get_blob_client("a").get_blob_properties().etag
    parts = list(
        container.delete_blobs(
            {"name": "a", "etag": etag},
            {"name": "b", "etag": '"0x1234567890ABCDEF"'},
            {"name": "c"},
            {"name": "d", "if_tags_match_condition": "\"name\" = 'x'"},
            raise_on_any_failure=False,
        )
    )
    assert [(part.status_code, code(part)) for part in parts] == [
        (202, None), (412, "ConditionNotMet"), (412, "LeaseIdMissing"), (412, "ConditionNotMet"),
    ]  # fmt: skip
    assert stored(container) == ["b", "c", "d"]
    assert statuses(container.delete_blobs({"name": "c", "lease_id": lease.id})) == [202]
    assert stored(container) == ["b", "d"]


def test_delete_what_a_listing_returned(container):
    fill(container, NAMES)
    assert statuses(container.delete_blobs(*container.list_blobs())) == [202] * len(NAMES)
    assert stored(container) == []


def test_set_tiers(container):
    fill(container, NAMES)
    parts = container.set_standard_blob_tier_blobs(StandardBlobTier.COOL, *NAMES)
    assert statuses(parts) == [200] * len(NAMES)
    assert {blob.name: blob.blob_tier for blob in container.list_blobs()} == dict.fromkeys(NAMES, "Cool")
    # One tier per blob, when none is given for all.
    tiers = ["Hot", "Cold", "Archive", "Hot", "Cool", "Cold"]
    wanted = [{"name": name, "blob_tier": tier} for name, tier in zip(NAMES, tiers)]
    assert statuses(container.set_standard_blob_tier_blobs(None, *wanted)) == [200] * len(NAMES)
    assert {blob.name: blob.blob_tier for blob in container.list_blobs()} == dict(zip(NAMES, tiers))


def test_set_tiers_with_a_missing_blob(container):
    fill(container, ["a", "c"])
    parts = list(container.set_standard_blob_tier_blobs("Cool", "a", "b", "c", raise_on_any_failure=False))
    assert [(part.status_code, code(part)) for part in parts] == [(200, None), (404, "BlobNotFound"), (200, None)]
    assert {blob.name: blob.blob_tier for blob in container.list_blobs()} == {"a": "Cool", "c": "Cool"}


def test_rehydration_in_a_batch_answers_202(container):
    fill(container, ["a"])
    container.get_blob_client("a").set_standard_blob_tier("Archive")
    assert statuses(container.set_standard_blob_tier_blobs("Hot", "a", rehydrate_priority="Standard")) == [202]
