"""azure-storage-blob: names that are legal but odd come back exactly; names that are not are refused, not bent."""

import pytest

from payload import payload
from refusal import refused

ODD = [
    "a b", " leading space", "trailing space ", "two  spaces", "plus+plus", "a%20b", "100%", "%", "%zz", "%2F",
    "a%2Fb", "hash#tag", "what?", "a?b=c&d=e", "semi;colon", "comma,comma", "quote'", 'double"quote', "back\\slash",
    "back`tick", "less<greater>&amp;", "&amp;", "]]>", "<![CDATA[x]]>", "pipe|", "caret^", "{braces}", "[brackets]",
    "(parens)", "equals=", "at@sign", "dollar$", "star*", "bang!", "tilde~", "colon:", ".hidden", "..two", "...",
    "dir/.gitignore", "trailing.dot.", "deep/" * 20 + "leaf", "ünïcödé", "e\u0301 decomposed", "é composed",
    "漢字/かな", "עברית", "🚀/👩‍👩‍👧.txt", "zero\u200bwidth", "nbsp\u00a0", "line\u2028separator", "\ufeffbom",
    "private\ue000", "～wide", "\U0010fffd", "x" * 1024, "CaseSensitive", "casesensitive", "con", "nul.txt",
    "index.html", "comp=list", "restype=container", "$root", "$web/x", "-", "_", "0",
]  # fmt: skip


@pytest.fixture(scope="module")
def oddities(service):
    """A container with every odd name, each blob holding its own name."""
    container = service.create_container("odd-names")
    for name in ODD:
        container.upload_blob(name, name.encode(), metadata={"length": str(len(name))})
    yield container
    container.delete_container()


@pytest.mark.parametrize("name", ODD, ids=[f"{index:02d}" for index in range(len(ODD))])
def test_an_odd_name_is_itself(oddities, name):
    blob = oddities.get_blob_client(name)
    assert blob.download_blob().readall() == name.encode()
    assert blob.get_blob_properties().metadata == {"length": str(len(name))}
    found = [item for item in oddities.list_blobs(name_starts_with=name) if item.name == name]
    assert [(item.name, item.size) for item in found] == [(name, len(name.encode()))]
    # Every other operation addresses the same blob.
    blob.set_blob_metadata({"length": str(len(name)), "touched": "1"})
    assert oddities.get_blob_client(name).get_blob_properties().metadata["touched"] == "1"
    blob.set_blob_metadata({"length": str(len(name))})


def test_all_odd_names_in_order(oddities):
    expected = sorted(ODD, key=lambda name: name.encode())
    assert [item.name for item in oddities.list_blobs()] == expected
    pages = oddities.list_blobs(results_per_page=1).by_page()
    assert [item.name for page in pages for item in page] == expected


def test_odd_prefixes_by_hierarchy(container):
    for name in ("a b+c/1", "ü&<>/2", "%2F/3", "q?/4", "plain/5"):
        container.upload_blob(name, b"x")
    level = [item.name for item in container.walk_blobs()]
    assert sorted(level) == sorted(["a b+c/", "ü&<>/", "%2F/", "q?/", "plain/"])
    for prefix in level:
        below = [item.name for item in container.walk_blobs(name_starts_with=prefix)]
        assert len(below) == 1 and below[0].startswith(prefix)


@pytest.mark.parametrize("name", ["before\ufffeafter", "\uffff", "dir\ufffe/leaf"])
def test_names_that_xml_cannot_hold_are_listed_encoded(container, name):
    container.upload_blob(name, b"unspeakable")
    container.upload_blob("zzz", b"plain")
    assert container.download_blob(name).readall() == b"unspeakable"
    assert {item.name for item in container.list_blobs()} == {name, "zzz"}
    if "/" in name:
        prefix = name[: name.index("/") + 1]
        assert {item.name for item in container.walk_blobs()} == {prefix, "zzz"}
        assert [item.name for item in container.walk_blobs(name_starts_with=prefix)] == [name]
    pages = container.list_blobs(results_per_page=1).by_page()
    assert {item.name for page in pages for item in page} == {name, "zzz"}
    container.delete_blob(name)
    assert [item.name for item in container.list_blobs()] == ["zzz"]


@pytest.mark.parametrize("character", ["\x01", "\x1f", "\x7f", "\t", "\n", "\r", "\x85"])
def test_control_characters_are_kept_exactly_or_refused(container, character):
    name = f"a{character}b"
    try:
        container.upload_blob(name, b"x")
    except Exception as error:
        assert error.status_code == 400
        assert list(container.list_blobs()) == []
    else:
        assert [item.name for item in container.list_blobs()] == [name]
        assert container.download_blob(name).readall() == b"x"


@pytest.mark.parametrize("name", ["a//b", "/leading", "a/b//", "nul\x00byte"])
def test_refused_names(container, name):
    with refused(400, "InvalidResourceName"):
        container.upload_blob(name, b"x")
    assert list(container.list_blobs()) == []


def test_1025_characters_are_too_many(container):
    for name in ("x" * 1025, "🚀" * 513):
        with pytest.raises(Exception) as caught:
            container.upload_blob(name, b"x")
        assert caught.value.status_code == 400
        assert caught.value.error_code in ("OutOfRangeInput", "InvalidResourceName", "InvalidUri")
    # A character outside the basic plane counts twice.
    container.upload_blob("🚀" * 512, b"x")
    assert [item.name for item in container.list_blobs()] == ["🚀" * 512]


def test_a_file_and_a_directory_exclude_each_other(container):
    container.upload_blob("a", b"file")
    with pytest.raises(Exception) as caught:
        container.upload_blob("a/b", b"below it")
    assert caught.value.status_code == 409
    container.upload_blob("dir/b", b"below")
    with pytest.raises(Exception) as caught:
        container.upload_blob("dir", b"file")
    assert caught.value.status_code == 409
    assert [item.name for item in container.list_blobs()] == ["a", "dir/b"]
    container.delete_blob("dir/b")
    container.upload_blob("dir", b"file now")
    assert container.download_blob("dir").readall() == b"file now"


def test_directory_markers(container):
    # The two ways in which clients mark an empty directory, both beside what the directory holds.
    container.upload_blob("slash/", b"")
    container.upload_blob("slash/leaf", payload(10))
    container.upload_blob("marked", b"", metadata={"hdi_isfolder": "true"})
    container.upload_blob("marked/leaf", payload(10))
    assert [item.name for item in container.list_blobs()] == ["marked", "marked/leaf", "slash/", "slash/leaf"]
    assert container.get_blob_client("slash/").get_blob_properties().size == 0
    container.delete_blobs("slash/", "slash/leaf", "marked/leaf", "marked")
    assert list(container.list_blobs()) == []
