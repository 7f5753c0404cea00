"""obstore: Rust's object_store, as polars, delta-rs and others use it."""

import asyncio
import io

import obstore
import pytest
from obstore.exceptions import AlreadyExistsError, BaseError, NotModifiedError, PreconditionError
from obstore.store import AzureStore

from node import DEV_ACCOUNT, DEV_KEY
from payload import KIB, MIB, payload, sha256


def connect(node, name, **options):
    return AzureStore(
        name, account_name=DEV_ACCOUNT, account_key=DEV_KEY, endpoint=node.account_url,
        client_options={"allow_http": True, "timeout": "120s"}, retry_config={"max_retries": 0}, **options,
    )  # fmt: skip


@pytest.fixture
def store(node, container):
    return connect(node, container.container_name)


def listed(store, prefix=None, **options):
    return [item for chunk in obstore.list(store, prefix, **options) for item in chunk]


def paths(items):
    return [item["path"] for item in items]


NAMES = ["a b/c d.txt", "plus+plus", "100%", "hash#tag", "ünïcödé/漢字/🚀", "quote'\"", "a=b&c;d,e", ".hidden", "x" * 300]


@pytest.mark.parametrize("size", [0, 1, 1000, 5 * MIB + 1])
def test_round_trip(store, container, size):
    data = payload(size)
    written = obstore.put(store, "dir/round trip.bin", data)
    result = obstore.get(store, "dir/round trip.bin")
    assert bytes(result.bytes()) == data
    assert result.meta["path"] == "dir/round trip.bin"
    assert (result.meta["size"], result.meta["e_tag"]) == (size, written["e_tag"])
    head = obstore.head(store, "dir/round trip.bin")
    assert (head["size"], head["e_tag"]) == (size, written["e_tag"])
    assert head["last_modified"] == result.meta["last_modified"]
    # The other client sees the same blob under the same ETag.
    properties = container.get_blob_client("dir/round trip.bin").get_blob_properties()
    assert (properties.size, properties.etag, properties.last_modified) == (size, head["e_tag"], head["last_modified"])


def test_ranges(store):
    data = payload(300 * KIB)
    obstore.put(store, "ranged", data)
    assert bytes(obstore.get_range(store, "ranged", start=1000, end=5000)) == data[1000:5000]
    assert bytes(obstore.get_range(store, "ranged", start=len(data) - 1, length=1)) == data[-1:]
    starts, ends = [0, 10, 200_000, 100], [1, 5000, 250_000, 101]
    ranges = obstore.get_ranges(store, "ranged", starts=starts, ends=ends)
    assert [bytes(part) for part in ranges] == [data[s:e] for s, e in zip(starts, ends)]
    rest = obstore.get(store, "ranged", options={"range": {"offset": 299_000}})
    assert (bytes(rest.bytes()), rest.range) == (data[299_000:], (299_000, len(data)))
    with pytest.raises(BaseError):
        obstore.get_range(store, "ranged", start=len(data), length=10)


@pytest.mark.big
def test_multipart(store, container):
    data = payload(100 * MIB)
    obstore.put(store, "large", io.BytesIO(data), chunk_size=8 * MIB, max_concurrency=6)
    assert obstore.head(store, "large")["size"] == len(data)
    assert sha256(bytes(obstore.get(store, "large").bytes())) == sha256(data)
    committed, uncommitted = container.get_blob_client("large").get_block_list("all")
    assert [block.size for block in committed] == [8 * MIB] * 12 + [4 * MIB]
    assert uncommitted == []


def test_streamed_download(store):
    data = payload(3 * MIB + 5)
    obstore.put(store, "streamed", data)
    chunks = [bytes(chunk) for chunk in obstore.get(store, "streamed").stream(min_chunk_size=256 * KIB)]
    assert b"".join(chunks) == data


def test_file_like_reader_and_writer(store):
    data = payload(2 * MIB + 9)
    with obstore.open_writer(store, "written", buffer_size=512 * KIB) as sink:
        for start in range(0, len(data), 100_003):
            sink.write(data[start : start + 100_003])
    reader = obstore.open_reader(store, "written", buffer_size=64 * KIB)
    assert reader.size == len(data)
    reader.seek(MIB)
    assert bytes(reader.read(1000)) == data[MIB : MIB + 1000]
    reader.seek(0)
    assert bytes(reader.readall()) == data


def test_attributes_and_tags(store, container):
    attributes = {
        "Content-Type": "text/csv", "Cache-Control": "no-cache", "Content-Language": "de", "Content-Encoding": "x-enc",
        "Content-Disposition": 'attachment; filename="a.csv"', "colour": "green",
    }  # fmt: skip
    obstore.put(store, "dressed", b"a,b", attributes=attributes, tags={"stage": "raw", "who": "a b+c"})
    assert obstore.get(store, "dressed").attributes == {**attributes, **_storage_class(store, "dressed")}
    blob = container.get_blob_client("dressed")
    assert blob.get_blob_tags() == {"stage": "raw", "who": "a b+c"}
    properties = blob.get_blob_properties()
    assert properties.metadata == {"colour": "green"}
    assert properties.content_settings.content_type == "text/csv"
    # The same through blocks.
    obstore.put(
        store, "dressed2", io.BytesIO(b"x" * MIB), attributes=attributes, tags={"stage": "raw"}, use_multipart=True,
        chunk_size=256 * KIB,
    )  # fmt: skip
    blob = container.get_blob_client("dressed2")
    assert blob.get_blob_tags() == {"stage": "raw"}
    assert blob.get_blob_properties().content_settings.cache_control == "no-cache"
    assert blob.get_blob_properties().metadata == {"colour": "green"}


def _storage_class(store, path):
    """The tier, where this client reports one."""
    return {k: v for k, v in obstore.get(store, path).attributes.items() if k == "Storage-Class"}


def test_put_modes(store):
    first = obstore.put(store, "guarded", b"first", mode="create")
    with pytest.raises(AlreadyExistsError):
        obstore.put(store, "guarded", b"second", mode="create")
    assert bytes(obstore.get(store, "guarded").bytes()) == b"first"
    third = obstore.put(store, "guarded", b"third", mode={"e_tag": first["e_tag"]})
    with pytest.raises(PreconditionError):
        obstore.put(store, "guarded", b"fourth", mode={"e_tag": first["e_tag"]})
    with pytest.raises(BaseError):
        obstore.put(store, "absent", b"x", mode={"e_tag": first["e_tag"]})
    assert bytes(obstore.get(store, "guarded").bytes()) == b"third"
    assert obstore.head(store, "guarded")["e_tag"] == third["e_tag"]
    obstore.put(store, "guarded", b"fifth", mode="overwrite")
    assert bytes(obstore.get(store, "guarded").bytes()) == b"fifth"
    assert paths(listed(store)) == ["guarded"]


def test_conditional_reads(store):
    etag = obstore.put(store, "read", b"content")["e_tag"]
    modified = obstore.head(store, "read")["last_modified"]
    assert bytes(obstore.get(store, "read", options={"if_match": etag}).bytes()) == b"content"
    assert bytes(obstore.get(store, "read", options={"if_unmodified_since": modified}).bytes()) == b"content"
    with pytest.raises(PreconditionError):
        obstore.get(store, "read", options={"if_match": '"0x1234"'})
    with pytest.raises(NotModifiedError):
        obstore.get(store, "read", options={"if_none_match": etag})
    with pytest.raises(NotModifiedError):
        obstore.get(store, "read", options={"if_modified_since": modified})
    with pytest.raises(FileNotFoundError):
        obstore.get(store, "missing")
    with pytest.raises(FileNotFoundError):
        obstore.head(store, "missing")


def test_list(store):
    names = [f"d{index % 3}/s{index % 2}/{index:02d}" for index in range(30)] + ["top", "d1-side"]
    for index, name in enumerate(names):
        obstore.put(store, name, b"x" * index)
    everything = listed(store)
    assert sorted(paths(everything)) == sorted(names)
    assert {item["path"]: item["size"] for item in everything} == {name: index for index, name in enumerate(names)}
    for item in everything[:3]:
        head = obstore.head(store, item["path"])
        assert head["last_modified"] == item["last_modified"]
        assert head["e_tag"].strip('"') == item["e_tag"].strip('"')
    # A prefix is a path here, not the beginning of a name.
    assert sorted(paths(listed(store, "d1"))) == sorted(name for name in names if name.startswith("d1/"))
    assert sorted(paths(listed(store, "d1/s1"))) == sorted(name for name in names if name.startswith("d1/s1/"))
    assert listed(store, "none") == []
    offset = listed(store, offset="d1/s0/10")
    assert sorted(paths(offset)) == sorted(name for name in names if name > "d1/s0/10")

    level = obstore.list_with_delimiter(store)
    assert (sorted(level["common_prefixes"]), paths(level["objects"])) == (["d0", "d1", "d2"], ["d1-side", "top"])
    level = obstore.list_with_delimiter(store, "d2")
    assert (sorted(level["common_prefixes"]), level["objects"]) == (["d2/s0", "d2/s1"], [])


def test_delete_many(store):
    names = [f"many/{index:04d}" for index in range(300)]
    for name in names:
        obstore.put(store, name, b"x")
    obstore.put(store, "kept", b"x")
    # More than one batch of 256.
    obstore.delete(store, names)
    assert paths(listed(store)) == ["kept"]
    obstore.delete(store, "kept")
    assert listed(store) == []


def test_delete_many_odd_names_and_a_missing_one(store):
    for name in NAMES:
        obstore.put(store, name, b"x")
    try:
        obstore.delete(store, [*NAMES, "missing"])
    except FileNotFoundError:
        pass
    assert listed(store) == []


def test_odd_names(store):
    for name in NAMES:
        obstore.put(store, name, name.encode())
    assert sorted(paths(listed(store))) == sorted(NAMES)
    for name in NAMES:
        assert bytes(obstore.get(store, name).bytes()) == name.encode()
        assert obstore.head(store, name)["size"] == len(name.encode())


def test_copy_and_rename(store):
    data = payload(300 * KIB)
    obstore.put(store, "from/a b+c ü", data, attributes={"colour": "green"})
    obstore.copy(store, "from/a b+c ü", "to/copy")
    assert bytes(obstore.get(store, "to/copy").bytes()) == data
    assert obstore.get(store, "to/copy").attributes["colour"] == "green"
    obstore.put(store, "taken", b"taken")
    with pytest.raises(AlreadyExistsError):
        obstore.copy(store, "to/copy", "taken", overwrite=False)
    assert bytes(obstore.get(store, "taken").bytes()) == b"taken"
    obstore.copy(store, "to/copy", "taken")
    assert bytes(obstore.get(store, "taken").bytes()) == data
    obstore.rename(store, "to/copy", "renamed/a b")
    assert bytes(obstore.get(store, "renamed/a b").bytes()) == data
    assert sorted(paths(listed(store))) == sorted(["from/a b+c ü", "taken", "renamed/a b"])
    with pytest.raises(FileNotFoundError):
        obstore.copy(store, "missing", "nowhere")


def test_concurrent(node, container):
    store = connect(node, container.container_name)
    bodies = {f"c/{index:03d}": payload(index * 1009, seed=index) for index in range(100)}

    async def scenario():
        await asyncio.gather(*(obstore.put_async(store, name, data) for name, data in bodies.items()))

        async def read(name):
            return bytes(await (await obstore.get_async(store, name)).bytes_async())

        assert await asyncio.gather(*map(read, bodies)) == list(bodies.values())

    asyncio.run(scenario())
    assert {item["path"]: item["size"] for item in listed(store)} == {name: len(data) for name, data in bodies.items()}


def test_prefixed_store(node, container):
    store = connect(node, container.container_name, prefix="below/here")
    obstore.put(store, "x/y", b"x")
    assert paths(listed(store)) == ["x/y"]
    assert [blob.name for blob in container.list_blobs()] == ["below/here/x/y"]
