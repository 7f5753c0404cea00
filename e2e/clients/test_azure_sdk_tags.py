"""azure-storage-blob: blob index tags, finding by them, and what they leave unchanged."""

import pytest
from azure.core.exceptions import ResourceModifiedError
from azure.storage.blob import BlobBlock

from refusal import refused

TAGS = {"stage": "raw", "Owner": "a b+c", "path:to/x": "=_.-:/+", "empty": ""}


@pytest.mark.parametrize("route", ["put", "commit", "set"])
def test_round_trip(container, route):
    blob = container.get_blob_client("tagged")
    if route == "put":
        blob.upload_blob(b"x", tags=TAGS)
    elif route == "commit":
        blob.stage_block("1", b"x")
        blob.commit_block_list([BlobBlock("1")], tags=TAGS)
    else:
        blob.upload_blob(b"x", tags={"old": "1"})
        blob.set_blob_tags(TAGS)
    assert blob.get_blob_tags() == TAGS
    assert blob.get_blob_properties().tag_count == len(TAGS)
    assert blob.download_blob().properties.tag_count == len(TAGS)
    listed = next(iter(container.list_blobs(include=["tags"])))
    assert (listed.tags, listed.tag_count) == (TAGS, len(TAGS))
    assert next(iter(container.list_blobs())).tags is None


def test_tags_change_neither_etag_nor_time(container):
    blob = container.get_blob_client("tagged")
    blob.upload_blob(b"x", metadata={"a": "1"})
    before = blob.get_blob_properties()
    blob.set_blob_tags(TAGS)
    after = blob.get_blob_properties()
    assert (after.etag, after.last_modified, after.metadata) == (before.etag, before.last_modified, before.metadata)
    blob.set_blob_tags()
    assert blob.get_blob_tags() == {}
    assert blob.get_blob_properties().tag_count is None


def test_metadata_and_properties_writes_keep_tags(container):
    blob = container.get_blob_client("tagged")
    blob.upload_blob(b"x", tags=TAGS)
    blob.set_blob_metadata({"a": "1"})
    blob.set_http_headers()
    blob.set_standard_blob_tier("Cool")
    assert blob.get_blob_tags() == TAGS


def test_conditions(container):
    blob = container.get_blob_client("tagged")
    blob.upload_blob(b"x", tags={"stage": "raw"})
    with refused(412, "ConditionNotMet", ResourceModifiedError):
        blob.get_blob_tags(if_tags_match_condition="\"stage\" = 'done'")
    with refused(412, "ConditionNotMet", ResourceModifiedError):
        blob.set_blob_tags({"stage": "stolen"}, if_tags_match_condition="\"stage\" = 'done'")
    assert blob.get_blob_tags(if_tags_match_condition="\"stage\" = 'raw'") == {"stage": "raw"}
    blob.set_blob_tags({"stage": "done"}, if_tags_match_condition="\"stage\" = 'raw'")
    assert blob.get_blob_tags() == {"stage": "done"}


def test_leases(container):
    blob = container.get_blob_client("tagged")
    blob.upload_blob(b"x", tags={"stage": "raw"})
    lease = blob.acquire_lease(60)
    with refused(412, "LeaseIdMismatchWithBlobOperation"):
        blob.set_blob_tags({"stage": "done"}, lease="00000000-0000-0000-0000-000000000009")
    blob.set_blob_tags({"stage": "done"}, lease=lease)
    assert blob.get_blob_tags(lease=lease) == {"stage": "done"}
    lease.release()


@pytest.mark.parametrize(
    ("tags", "code"),
    [
        ({str(index): "v" for index in range(11)}, "TagsTooLarge"),
        ({"k": "not!allowed"}, "InvalidTag"),
        ({"k": "ü"}, "InvalidTag"),
        ({"": "v"}, "EmptyTagName"),
    ],
)
def test_refused_tags(container, tags, code):
    blob = container.get_blob_client("tagged")
    blob.upload_blob(b"x", tags={"kept": "1"})
    with refused(400, code):
        blob.set_blob_tags(tags)
    with refused(400, code):
        blob.upload_blob(b"y", overwrite=True, tags=tags)
    assert (blob.get_blob_tags(), blob.download_blob().readall()) == ({"kept": "1"}, b"x")


@pytest.mark.parametrize(("key", "value"), [("k" * 129, "v"), ("k", "v" * 257)])
def test_tags_have_a_length(container, key, value):
    blob = container.get_blob_client("tagged")
    blob.upload_blob(b"x", tags={key[:128]: value[:256]})
    assert blob.get_blob_tags() == {key[:128]: value[:256]}
    with pytest.raises(Exception) as caught:
        blob.set_blob_tags({key: value})
    assert caught.value.status_code == 400
    assert blob.get_blob_tags() == {key[:128]: value[:256]}


def test_tags_of_a_missing_blob(container):
    with refused(404, "BlobNotFound"):
        container.get_blob_client("missing").get_blob_tags()
    with refused(404, "BlobNotFound"):
        container.get_blob_client("missing").set_blob_tags(TAGS)


@pytest.fixture
def marked(container):
    """Twelve blobs whose tags carry the container's name, so that other tests' blobs cannot match."""
    mark = container.container_name
    for index in range(12):
        container.upload_blob(
            f"b{index:02d}", b"x",
            tags={"mark": mark, "n": f"{index:02d}", "even": str(index % 2 == 0), "other": "unasked"},
        )  # fmt: skip
    return container


def names(found):
    return [blob.name for blob in found]


def test_find_in_the_account(service, marked, container_name):
    found = list(service.find_blobs_by_tags(f"\"mark\" = '{container_name}'"))
    assert names(found) == [f"b{index:02d}" for index in range(12)]
    assert {blob.container_name for blob in found} == {container_name}
    # Only the tags that the expression names come back.
    assert all(blob.tags == {"mark": container_name} for blob in found)


@pytest.mark.parametrize(
    ("rest", "expected"),
    [
        ("\"n\" = '03'", [3]),
        ("\"n\" > '03' AND \"n\" <= '06'", [4, 5, 6]),
        ("\"n\" >= '10'", [10, 11]),
        ("\"n\" < '02' AND \"even\" = 'True'", [0]),
        ("n = '07'", [7]),
        ("\"n\" = 'absent'", []),
        ("\"absent\" = '1'", []),
    ],
)
def test_find_by_expression(service, marked, container_name, rest, expected):
    expected = [f"b{index:02d}" for index in expected]
    assert names(service.find_blobs_by_tags(f"\"mark\" = '{container_name}' AND {rest}")) == expected
    assert names(marked.find_blobs_by_tags(rest)) == expected


def test_find_is_scoped_to_a_container(service, marked, container_name):
    elsewhere = service.create_container(f"{container_name}-2")
    elsewhere.upload_blob("b00", b"x", tags={"mark": container_name, "n": "00"})
    expression = f"\"mark\" = '{container_name}' AND \"n\" = '00'"
    assert {blob.container_name for blob in service.find_blobs_by_tags(expression)} == {
        container_name, elsewhere.container_name,
    }  # fmt: skip
    scoped = list(service.find_blobs_by_tags(f"@container = '{elsewhere.container_name}' AND {expression}"))
    assert [(blob.container_name, blob.name) for blob in scoped] == [(elsewhere.container_name, "b00")]
    assert names(elsewhere.find_blobs_by_tags(expression)) == ["b00"]


def test_find_by_page(service, marked, container_name):
    expression = f"\"mark\" = '{container_name}'"
    for finder in (service, marked):
        pages = finder.find_blobs_by_tags(expression, results_per_page=5).by_page()
        seen = [names(page) for page in pages]
        assert all(len(page) <= 5 for page in seen)
        assert sum(seen, []) == [f"b{index:02d}" for index in range(12)]


def test_find_follows_changes(marked):
    def find():
        return names(marked.find_blobs_by_tags("\"n\" <= '02'"))

    assert find() == ["b00", "b01", "b02"]
    marked.delete_blob("b00")
    assert find() == ["b01", "b02"]
    marked.get_blob_client("b01").set_blob_tags({"n": "99"})
    assert find() == ["b02"]
    marked.upload_blob("b02", b"y", overwrite=True)
    assert find() == []


@pytest.mark.parametrize("expression", ["", "\"a\" = ", "a b c", "\"a\" = 'b' OR \"c\" = 'd'", "\"a\" LIKE 'b'"])
def test_bad_expressions(service, container, expression):
    for finder in (service, container):
        with pytest.raises(Exception) as caught:
            list(finder.find_blobs_by_tags(expression))
        assert caught.value.status_code == 400
        assert caught.value.response.headers["x-ms-error-code"]
