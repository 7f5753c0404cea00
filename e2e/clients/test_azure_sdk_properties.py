"""azure-storage-blob: metadata and content settings, as set, as read back, and as refused."""

from datetime import datetime, timedelta, timezone

import pytest
from azure.storage.blob import BlobBlock, ContentSettings

import by_hand
from node import DEV_ACCOUNT, DEV_KEY
from payload import md5, payload
from refusal import refused

SETTINGS = dict(
    content_type="text/csv; charset=utf-8", content_encoding="x-custom", content_language="en-GB, de",
    content_disposition='attachment; filename="a b.csv"', cache_control="max-age=60, private",
)  # fmt: skip


def as_dict(settings):
    return {name: getattr(settings, name) for name in SETTINGS}


def put(blob, **options):
    return blob.upload_blob(b"content", **options)


def commit(blob, **options):
    blob.stage_block("1", b"content")
    return blob.commit_block_list([BlobBlock("1")], **options)


@pytest.mark.parametrize("write", [put, commit])
def test_everything_set_at_upload_is_read_back(container, write):
    blob = container.get_blob_client("dressed")
    metadata = {"plain": "1", "spaced": "a b c", "punctuated": "a,b;c=d:e/f?\"'", "long": "v" * 2000}
    written = write(blob, content_settings=ContentSettings(**SETTINGS), metadata=metadata)

    for properties in (
        blob.get_blob_properties(),
        blob.download_blob().properties,
        blob.download_blob(offset=0, length=3).properties,
        next(iter(container.list_blobs(include=["metadata"]))),
    ):
        assert as_dict(properties.content_settings) == SETTINGS
        assert properties.metadata == metadata
        assert properties.etag.strip('"') == written["etag"].strip('"')
        assert properties.last_modified == written["last_modified"]
        assert properties.lease.state == "available"
        assert properties.lease.status == "unlocked"
        assert properties.server_encrypted is True
        assert abs(properties.creation_time - datetime.now(timezone.utc)) < timedelta(hours=1)
    assert next(iter(container.list_blobs())).metadata == {}


def test_encoded_content_is_not_touched(node, container):
    import gzip

    packed = gzip.compress(b"content " * 1000, mtime=0)
    blob = container.get_blob_client("packed")
    blob.upload_blob(packed, content_settings=ContentSettings(content_encoding="gzip"))
    assert blob.get_blob_properties().size == len(packed)
    assert blob.download_blob(decompress=False).readall() == packed
    answer = by_hand.send(
        node, "GET", f"/{DEV_ACCOUNT}/{container.container_name}/packed", account=DEV_ACCOUNT, key=DEV_KEY,
        headers={"Accept-Encoding": "gzip"},
    )  # fmt: skip
    assert (answer.body, answer.headers["content-encoding"]) == (packed, "gzip")


def test_put_blob_checks_and_stores_the_md5(container):
    data = payload(5000)
    blob = container.get_blob_client("hashed")
    blob.upload_blob(data, content_settings=ContentSettings(content_md5=bytearray(md5(data))))
    assert bytes(blob.get_blob_properties().content_settings.content_md5) == md5(data)
    with refused(400, "Md5Mismatch"):
        blob.upload_blob(b"other", overwrite=True, content_settings=ContentSettings(content_md5=bytearray(md5(data))))
    assert blob.download_blob().readall() == data


def test_a_committed_list_stores_the_md5_it_is_told(container):
    blob = container.get_blob_client("claimed")
    claimed = md5(b"something else")
    commit(blob, content_settings=ContentSettings(content_md5=bytearray(claimed)))
    properties = blob.get_blob_properties()
    assert bytes(properties.content_settings.content_md5) == claimed
    assert properties.content_settings.content_type == "application/octet-stream"
    assert bytes(next(iter(container.list_blobs())).content_settings.content_md5) == claimed


def test_set_http_headers_replaces_all_of_them(container):
    blob = container.get_blob_client("headed")
    before = put(blob, content_settings=ContentSettings(**SETTINGS), metadata={"kept": "yes"})
    after = blob.set_http_headers(ContentSettings(content_type="text/html", content_md5=bytearray(md5(b"claimed"))))

    properties = blob.get_blob_properties()
    assert as_dict(properties.content_settings) == {**dict.fromkeys(SETTINGS), "content_type": "text/html"}
    assert bytes(properties.content_settings.content_md5) == md5(b"claimed")
    assert properties.metadata == {"kept": "yes"}
    assert properties.etag == after["etag"] != before["etag"]
    assert blob.download_blob().readall() == b"content"


def test_set_metadata_replaces_and_clears(container):
    blob = container.get_blob_client("meta")
    before = put(blob, metadata={"a": "1", "b": "2"}, content_settings=ContentSettings(**SETTINGS))
    after = blob.set_blob_metadata({"b": "3", "c": "4"})
    properties = blob.get_blob_properties()
    assert properties.metadata == {"b": "3", "c": "4"}
    assert as_dict(properties.content_settings) == SETTINGS
    assert properties.etag == after["etag"] != before["etag"]
    blob.set_blob_metadata()
    assert blob.get_blob_properties().metadata == {}
    assert blob.download_blob().readall() == b"content"


def test_metadata_names_keep_their_identity_in_any_case(container):
    blob = container.get_blob_client("cased")
    put(blob, metadata={"CamelCase": "1", "UPPER": "2", "lower": "3", "_under_score9": "4"})
    seen = blob.get_blob_properties().metadata
    assert {name.lower(): value for name, value in seen.items()} == {
        "camelcase": "1", "upper": "2", "lower": "3", "_under_score9": "4",
    }  # fmt: skip


def test_metadata_whose_signing_order_is_not_by_bytes(container):
    # The client sorts signed headers by the service's collation, where `_` weighs less than a digit or a letter.
    metadata = {name: name for name in ("ab", "a_b", "a1", "a_1", "a", "key1", "key_1", "keyA", "key_a", "x__y", "x_y")}
    blob = container.get_blob_client("collated")
    put(blob, metadata=metadata)
    assert {name.lower() for name in blob.get_blob_properties().metadata} == {name.lower() for name in metadata}


def test_metadata_with_runs_of_spaces(container):
    # The client signs such a value as it stands, other clients with the run as one space. Both must be let in.
    blob = container.get_blob_client("spaced")
    put(blob, metadata={"run": "a  b   c"})
    assert blob.get_blob_properties().metadata == {"run": "a  b   c"}


@pytest.mark.parametrize("name", ["with-dash", "with.dot", "1digit"])
def test_metadata_names_must_be_identifiers(container, name):
    with refused(400, "InvalidMetadata"):
        put(container.get_blob_client("bad"), metadata={name: "v"})
    assert not container.get_blob_client("bad").exists()


def test_metadata_has_a_size_limit(container):
    blob = container.get_blob_client("big")
    put(blob, metadata={"a": "v" * 4000, "b": "v" * 4000})
    with refused(400, "MetadataTooLarge"):
        blob.set_blob_metadata({"a": "v" * 4100, "b": "v" * 4100})
    assert set(blob.get_blob_properties().metadata) == {"a", "b"}


def test_last_modified_and_creation_time(container):
    blob = container.get_blob_client("timed")
    put(blob)
    created = blob.get_blob_properties()
    blob.set_blob_metadata({"a": "1"})
    changed = blob.get_blob_properties()
    assert changed.creation_time == created.creation_time
    assert changed.last_modified >= created.last_modified
    assert changed.etag != created.etag
