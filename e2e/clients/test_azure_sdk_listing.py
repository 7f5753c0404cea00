"""azure-storage-blob: listing, flat and by hierarchy, in pages, with what each entry tells."""

import pytest
from azure.storage.blob import BlobPrefix

import by_hand
from node import DEV_ACCOUNT, DEV_KEY
from payload import md5
from refusal import refused

TREE = [
    "a.txt", "b/1.txt", "b/2.txt", "b/c/3.txt", "b/c/d/4.txt", "b-side.txt", "b.txt", "bc/5.txt", "Upper/6.txt",
    "z/7.txt", "ä/8.txt", "漢/9.txt", "🚀.txt", "～.txt",
]  # fmt: skip


@pytest.fixture
def tree(container):
    for name in TREE:
        container.upload_blob(name, name.encode(), metadata={"length": str(len(name))})
    return container


def by_bytes(names):
    return sorted(names, key=lambda name: name.encode())


def names(listing):
    return [item.name for item in listing]


def test_flat_in_order_of_bytes(tree):
    assert names(tree.list_blobs()) == by_bytes(TREE)
    assert list(tree.list_blob_names()) == by_bytes(TREE)


@pytest.mark.parametrize(
    "prefix", ["b", "b/", "b/c", "b/c/", "B", "ä/", "🚀", "a.txt", "a.txt/", "none", "Upper/6.txt"]
)
def test_prefix(tree, prefix):
    expected = by_bytes(name for name in TREE if name.startswith(prefix))
    assert names(tree.list_blobs(name_starts_with=prefix)) == expected
    assert list(tree.list_blob_names(name_starts_with=prefix)) == expected


def expected_walk(prefix, delimiter="/"):
    level = set()
    for name in TREE:
        if name.startswith(prefix):
            head, found, _ = name[len(prefix) :].partition(delimiter)
            level.add(prefix + head + found)
    return by_bytes(level)


@pytest.mark.parametrize("prefix", ["", "b", "b/", "b/c/", "bc/", "none"])
def test_hierarchy(tree, prefix):
    level = list(tree.walk_blobs(name_starts_with=prefix))
    assert by_bytes(names(level)) == expected_walk(prefix)
    for item in level:
        assert isinstance(item, BlobPrefix) == item.name.endswith("/")


@pytest.mark.parametrize("delimiter", [".", "/c", "txt", "漢"])
def test_any_delimiter(tree, delimiter):
    assert by_bytes(names(tree.walk_blobs(delimiter=delimiter))) == expected_walk("", delimiter)


def test_walk_down_to_the_leaves(tree):
    def leaves(items):
        for item in items:
            if isinstance(item, BlobPrefix):
                yield from leaves(item)
            else:
                yield item.name

    assert by_bytes(leaves(tree.walk_blobs())) == by_bytes(TREE)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 14, 100])
def test_pages(tree, size):
    pages = [names(page) for page in tree.list_blobs(results_per_page=size).by_page()]
    assert sum(pages, []) == by_bytes(TREE)
    assert all(0 < len(page) <= size for page in pages)


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("prefix", ["", "b", "b/"])
def test_hierarchy_pages(tree, size, prefix):
    pages = [names(page) for page in tree.walk_blobs(name_starts_with=prefix, results_per_page=size).by_page()]
    assert by_bytes(sum(pages, [])) == expected_walk(prefix)
    assert all(len(page) <= size for page in pages)


def test_continuation_token(tree):
    pages = tree.list_blobs(results_per_page=4).by_page()
    first = names(next(pages))
    token = pages.continuation_token
    again = [names(page) for page in tree.list_blobs(results_per_page=4).by_page(continuation_token=token)]
    assert first + sum(again, []) == by_bytes(TREE)
    last = tree.list_blobs(results_per_page=100).by_page()
    next(last)
    assert not last.continuation_token


def test_changes_between_pages(tree):
    order = by_bytes(TREE)
    pages = tree.list_blobs(results_per_page=4).by_page()
    seen = names(next(pages))
    tree.delete_blob(order[3])
    tree.delete_blob(order[4])
    tree.upload_blob("a0.txt", b"after the first page or before it")
    for page in pages:
        seen += names(page)
    assert [name for name in seen if name != "a0.txt"] == order[:4] + order[5:]
    assert len(seen) == len(set(seen))


def test_pages_of_more_than_5000_are_cut_not_refused(tree):
    assert names(tree.list_blobs(results_per_page=10_000)) == by_bytes(TREE)


@pytest.mark.parametrize("size", ["0", "-1"])
def test_page_size_must_be_positive(node, tree, size):
    path = f"/{DEV_ACCOUNT}/{tree.container_name}?restype=container&comp=list&maxresults={size}"
    answer = by_hand.send(node, "GET", path, account=DEV_ACCOUNT, key=DEV_KEY)
    assert (answer.status, answer.code) == (400, "OutOfRangeQueryParameterValue")


def test_entries_tell_what_head_tells(container):
    blob = container.get_blob_client("told")
    blob.upload_blob(b"content", metadata={"m": "1"}, tags={"t": "1"}, content_settings=None)
    listed = next(iter(container.list_blobs(include=["metadata", "tags", "copy"])))
    head = blob.get_blob_properties()
    for field in (
        "size", "last_modified", "creation_time", "blob_tier", "blob_type", "metadata", "server_encrypted", "tag_count",
    ):  # fmt: skip
        assert getattr(listed, field) == getattr(head, field), field
    assert listed.etag.strip('"') == head.etag.strip('"')
    assert bytes(listed.content_settings.content_md5) == bytes(head.content_settings.content_md5) == md5(b"content")
    assert listed.content_settings.content_type == head.content_settings.content_type == "application/octet-stream"
    for field in ("content_encoding", "content_language", "content_disposition", "cache_control"):
        assert not getattr(listed.content_settings, field)
    assert listed.tags == {"t": "1"}
    assert listed.container == container.container_name
    plain = next(iter(container.list_blobs()))
    assert (plain.metadata, plain.tags) == ({}, None)


def test_includes_that_have_nothing_to_show(tree):
    # Versions, snapshots and soft-deleted blobs do not exist here: the base blobs are listed, once.
    for include in (["snapshots"], ["deleted"], ["versions"], ["metadata", "uncommittedblobs", "copy"], ["legalhold"]):
        assert names(tree.list_blobs(include=include)) == by_bytes(TREE)


def test_unknown_include(tree):
    with refused(400, "InvalidQueryParameterValue"):
        list(tree.list_blobs(include=["nonsense"]))


def test_empty_container(container):
    assert list(container.list_blobs()) == []
    assert list(container.walk_blobs()) == []
    assert list(container.list_blobs(name_starts_with="x", include=["metadata", "tags"])) == []


def test_list_after_delete_and_rewrite(tree):
    tree.delete_blob("b/1.txt")
    assert names(tree.list_blobs(name_starts_with="b/")) == ["b/2.txt", "b/c/3.txt", "b/c/d/4.txt"]
    tree.upload_blob("b/1.txt", b"again")
    assert names(tree.list_blobs(name_starts_with="b/"))[0] == "b/1.txt"
    for name in ("z/7.txt", "ä/8.txt"):
        tree.delete_blob(name)
    assert [n for n in names(tree.walk_blobs()) if n in ("z/", "ä/")] == []


def test_start_from(tree):
    assert names(tree.list_blobs(start_from="b/c/3.txt")) == [n for n in by_bytes(TREE) if n.encode() >= b"b/c/3.txt"]
