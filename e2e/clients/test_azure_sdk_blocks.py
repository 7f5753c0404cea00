"""azure-storage-blob: staged blocks, block lists, and what commits keep and drop."""

import base64
from concurrent.futures import ThreadPoolExecutor

import pytest
from azure.storage.blob import BlobBlock, ContentSettings, StandardBlobTier

import by_hand
from node import DEV_ACCOUNT, DEV_KEY
from payload import KIB, payload
from refusal import refused


def ids(blocks):
    return [(block.id, block.size) for block in blocks]


@pytest.fixture
def blob(container):
    return container.get_blob_client("blocks")


def stage(blob, **blocks):
    for block_id, data in blocks.items():
        blob.stage_block(block_id, data)


def test_stage_list_commit_read(blob):
    pieces = {f"{index:04d}": payload(100 * KIB + index, seed=index) for index in range(8)}
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda item: blob.stage_block(*item), pieces.items()))
    committed, uncommitted = blob.get_block_list("all")
    assert committed == []
    assert ids(uncommitted) == [(block_id, len(data)) for block_id, data in pieces.items()]

    order = list(reversed(pieces))
    written = blob.commit_block_list([BlobBlock(block_id) for block_id in order])
    assert blob.download_blob().readall() == b"".join(pieces[block_id] for block_id in order)
    committed, uncommitted = blob.get_block_list("all")
    assert ids(committed) == [(block_id, len(pieces[block_id])) for block_id in order]
    assert uncommitted == []
    properties = blob.get_blob_properties()
    assert (properties.etag, properties.size) == (written["etag"], sum(map(len, pieces.values())))
    assert properties.content_settings.content_md5 is None


def test_get_block_list_by_kind(blob):
    stage(blob, a=b"1", b=b"22")
    blob.commit_block_list([BlobBlock("a")])
    stage(blob, c=b"333")
    assert [ids(part) for part in blob.get_block_list("committed")] == [[("a", 1)], []]
    assert [ids(part) for part in blob.get_block_list("uncommitted")] == [[], [("c", 3)]]
    assert [ids(part) for part in blob.get_block_list("all")] == [[("a", 1)], [("c", 3)]]


def test_staged_blocks_are_invisible(container, blob):
    stage(blob, a=b"1")
    assert not blob.exists()
    with refused(404, "BlobNotFound"):
        blob.download_blob()
    with refused(404, "BlobNotFound"):
        blob.set_blob_metadata({"a": "1"})
    assert list(container.list_blobs()) == []
    listed = list(container.list_blobs(include=["uncommittedblobs"]))
    assert [(item.name, item.size, item.etag) for item in listed] == [("blocks", 0, None)]
    blob.commit_block_list([BlobBlock("a")])
    assert [(item.name, item.size) for item in container.list_blobs()] == [("blocks", 1)]


def test_staging_leaves_a_committed_blob_alone(blob):
    blob.upload_blob(b"committed", metadata={"a": "1"})
    before = blob.get_blob_properties()
    stage(blob, a=b"staged")
    after = blob.get_blob_properties()
    assert (after.etag, after.last_modified, after.metadata) == (before.etag, before.last_modified, before.metadata)
    assert blob.download_blob().readall() == b"committed"
    assert [ids(part) for part in blob.get_block_list("all")] == [[], [("a", 6)]]


def test_an_id_may_repeat_in_a_list(blob):
    stage(blob, a=b"AA", b=b"b")
    blob.commit_block_list([BlobBlock(block_id) for block_id in "abaab"])
    assert blob.download_blob().readall() == b"AAbAAAAb"
    assert ids(blob.get_block_list("committed")[0]) == [("a", 2), ("b", 1), ("a", 2), ("a", 2), ("b", 1)]


def test_restaging_replaces_a_block(blob):
    stage(blob, a=b"first")
    stage(blob, a=b"second!")
    assert ids(blob.get_block_list("uncommitted")[1]) == [("a", 7)]
    blob.commit_block_list([BlobBlock("a")])
    assert blob.download_blob().readall() == b"second!"


def commit_by_hand(node, blob, *blocks):
    """Put Block List with its elements in the order given: the client itself writes every entry as `Latest`."""
    entries = "".join(f"<{kind}>{base64.b64encode(name.encode()).decode()}</{kind}>" for kind, name in blocks)
    return by_hand.send(
        node, "PUT", f"/{DEV_ACCOUNT}/{blob.container_name}/{blob.blob_name}?comp=blocklist", account=DEV_ACCOUNT,
        key=DEV_KEY, body=f'<?xml version="1.0" encoding="utf-8"?><BlockList>{entries}</BlockList>'.encode(),
    )  # fmt: skip


def test_committed_uncommitted_and_latest(node, blob):
    stage(blob, a=b"old a", b=b"old b")
    blob.commit_block_list([BlobBlock("a"), BlobBlock("b")])
    stage(blob, b=b"new b", c=b"new c")
    answer = commit_by_hand(
        node, blob, ("Latest", "b"), ("Committed", "b"), ("Uncommitted", "c"), ("Committed", "a"), ("Latest", "a"),
        ("Uncommitted", "b"),
    )  # fmt: skip
    assert answer.status == 201
    assert blob.download_blob().readall() == b"new bold bnew cold aold anew b"
    assert [ids(part) for part in blob.get_block_list("all")] == [[(block_id, 5) for block_id in "bbcaab"], []]


def test_commit_drops_what_it_does_not_name(blob):
    stage(blob, a=b"a", b=b"b", c=b"c")
    blob.commit_block_list([BlobBlock("b")])
    assert [ids(part) for part in blob.get_block_list("all")] == [[("b", 1)], []]
    with refused(400, "InvalidBlockList"):
        blob.commit_block_list([BlobBlock("b"), BlobBlock("c")])
    assert blob.download_blob().readall() == b"b"


def test_put_blob_drops_staged_blocks(blob):
    stage(blob, a=b"a")
    blob.upload_blob(b"whole")
    assert blob.get_block_list("all") == ([], [])
    with refused(400, "InvalidBlockList"):
        blob.commit_block_list([BlobBlock("a")])
    assert blob.download_blob().readall() == b"whole"


def test_a_retried_commit_succeeds(blob):
    stage(blob, a=b"a", b=b"b")
    first = blob.commit_block_list([BlobBlock("a"), BlobBlock("b")])
    second = blob.commit_block_list([BlobBlock("a"), BlobBlock("b")])
    assert first["etag"] != second["etag"]
    assert blob.download_blob().readall() == b"ab"


def test_unknown_ids_are_refused(node, blob):
    stage(blob, a=b"a")
    with refused(400, "InvalidBlockList") as caught:
        blob.commit_block_list([BlobBlock("a"), BlobBlock("x")])
    assert "specified block list is invalid" in caught.value.message
    for wrong in (("Committed", "a"), ("Uncommitted", "x"), ("Committed", "x")):
        answer = commit_by_hand(node, blob, ("Latest", "a"), wrong)
        assert (answer.status, answer.code) == (400, "InvalidBlockList")
    assert not blob.exists()
    assert ids(blob.get_block_list("uncommitted")[1]) == [("a", 1)]
    blob.commit_block_list([BlobBlock("a")])
    assert commit_by_hand(node, blob, ("Uncommitted", "a")).code == "InvalidBlockList"
    assert blob.download_blob().readall() == b"a"


def test_an_empty_list_commits_an_empty_blob(blob):
    blob.commit_block_list([])
    assert (blob.get_blob_properties().size, blob.download_blob().readall()) == (0, b"")
    assert blob.get_block_list("all") == ([], [])


def test_commit_sets_and_clears_properties(blob):
    stage(blob, a=b"a")
    settings = ContentSettings(content_type="text/plain", cache_control="no-store", content_language="fr")
    blob.commit_block_list(
        [BlobBlock("a")], content_settings=settings, metadata={"m": "1"}, tags={"t": "1"},
        standard_blob_tier=StandardBlobTier.COOL,
    )  # fmt: skip
    properties = blob.get_blob_properties()
    assert properties.content_settings.content_type == "text/plain"
    assert properties.content_settings.cache_control == "no-store"
    assert (properties.metadata, properties.tag_count, properties.blob_tier) == ({"m": "1"}, 1, "Cool")
    blob.commit_block_list([BlobBlock("a")])
    properties = blob.get_blob_properties()
    assert properties.content_settings.content_type == "application/octet-stream"
    assert properties.content_settings.cache_control is None
    assert properties.content_settings.content_language is None
    assert (properties.metadata, properties.tag_count) == ({}, None)


def test_ids_of_one_blob_have_one_length(blob):
    stage(blob, aa=b"1")
    with refused(400, "InvalidBlobOrBlock"):
        blob.stage_block("aaaa", b"2")
    assert ids(blob.get_block_list("uncommitted")[1]) == [("aa", 1)]


def test_ids_have_at_most_64_bytes(blob):
    blob.stage_block("x" * 64, b"1")
    with pytest.raises(Exception) as caught:
        blob.stage_block("x" * 65, b"1")
    assert (caught.value.status_code, caught.value.error_code) in (
        (400, "InvalidQueryParameterValue"),
        (400, "InvalidBlockId"),
    )
    blob.commit_block_list([BlobBlock("x" * 64)])
    assert blob.download_blob().readall() == b"1"


@pytest.mark.parametrize("block_id", [">>>", "?>?", "a", "a+b/c=?&", "ÿ é 漢", "\x00\x01\x02"])
def test_odd_ids(blob, block_id):
    # Base64 of these holds `+`, `/` and `=`, which must survive query and XML.
    blob.stage_block(block_id, b"1")
    assert ids(blob.get_block_list("uncommitted")[1]) == [(block_id, 1)]
    blob.commit_block_list([BlobBlock(block_id)])
    assert ids(blob.get_block_list("committed")[0]) == [(block_id, 1)]
    assert blob.download_blob().readall() == b"1"


def test_a_thousand_small_blocks(blob):
    pieces = [b"%05d;" % index for index in range(1000)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda item: blob.stage_block("%05d" % item[0], item[1]), enumerate(pieces)))
    blob.commit_block_list([BlobBlock("%05d" % index) for index in range(1000)])
    assert blob.download_blob().readall() == b"".join(pieces)
    assert len(blob.get_block_list("committed")[0]) == 1000
    assert blob.download_blob(offset=2997, length=12).readall() == b"".join(pieces)[2997:3009]


def test_block_lists_of_nothing(container, blob):
    with refused(404, "BlobNotFound"):
        blob.get_block_list("all")
    with refused(404, "ContainerNotFound"):
        container._get_blob_service_client().get_blob_client("no-such-container", "b").stage_block("a", b"1")


def test_block_list_honours_tags_condition(blob):
    blob.upload_blob(b"x", tags={"stage": "raw"})
    blob.get_block_list("all", if_tags_match_condition="\"stage\" = 'raw'")
    with refused(412, "ConditionNotMet"):
        blob.get_block_list("all", if_tags_match_condition="\"stage\" = 'done'")
