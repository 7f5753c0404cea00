"""pyarrow's AzureFileSystem: Azure's C++ client underneath, both of its authorities pointed at the blob listener."""

import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet
import pytest
from pyarrow import fs

from node import DEV_ACCOUNT, DEV_KEY
from payload import KIB, MIB, payload, sha256


@pytest.fixture(scope="module")
def azure(node):
    return fs.AzureFileSystem(
        account_name=DEV_ACCOUNT, account_key=DEV_KEY, blob_storage_authority=node.authority,
        dfs_storage_authority=node.authority, blob_storage_scheme="http", dfs_storage_scheme="http",
    )  # fmt: skip


@pytest.fixture
def root(azure, container_name):
    azure.create_dir(container_name)
    return container_name


def write(azure, path, data, **options):
    with azure.open_output_stream(path, **options) as sink:
        sink.write(data)


def read(azure, path):
    with azure.open_input_stream(path) as source:
        return source.read()


def listing(azure, path, recursive=False):
    selector = fs.FileSelector(path, recursive=recursive)
    return {info.path: (info.type, info.size if info.is_file else None) for info in azure.get_file_info(selector)}


FILE, DIRECTORY, ABSENT = fs.FileType.File, fs.FileType.Directory, fs.FileType.NotFound


def test_containers(azure, container_name):
    assert azure.get_file_info(container_name).type == ABSENT
    azure.create_dir(container_name)
    azure.create_dir(container_name)
    assert azure.get_file_info(container_name).type == DIRECTORY
    assert container_name in [info.path for info in azure.get_file_info(fs.FileSelector(""))]
    azure.delete_dir(container_name)
    assert azure.get_file_info(container_name).type == ABSENT
    with pytest.raises(FileNotFoundError):
        azure.get_file_info(fs.FileSelector(container_name))


@pytest.mark.parametrize("size", [0, 1, 1000, 5 * MIB + 1])
def test_round_trip(azure, root, container_of, size):
    data = payload(size)
    write(azure, f"{root}/dir/a b+c ü.bin", data, metadata={"colour": "green"})
    assert read(azure, f"{root}/dir/a b+c ü.bin") == data
    info = azure.get_file_info(f"{root}/dir/a b+c ü.bin")
    assert (info.type, info.size) == (FILE, size)
    properties = container_of(root).get_blob_client("dir/a b+c ü.bin").get_blob_properties()
    assert (properties.size, properties.metadata) == (size, {"colour": "green"})
    assert info.mtime == properties.last_modified
    assert azure.get_file_info(f"{root}/dir").type == DIRECTORY
    assert azure.get_file_info(f"{root}/none").type == ABSENT


@pytest.fixture
def container_of(service):
    """The same container through the Azure client."""
    return service.get_container_client


def test_overwrite(azure, root):
    write(azure, f"{root}/x", payload(100_000))
    write(azure, f"{root}/x", b"short")
    assert read(azure, f"{root}/x") == b"short"


def test_content_type(azure, root, container_of):
    write(azure, f"{root}/page", b"<p>", metadata={"Content-Type": "text/html"})
    assert container_of(root).get_blob_client("page").get_blob_properties().content_settings.content_type == "text/html"


def test_append(azure, root, container_of):
    write(azure, f"{root}/log", b"first,")
    for text in (b"second,", b"third"):
        with azure.open_append_stream(f"{root}/log") as sink:
            sink.write(text)
    assert read(azure, f"{root}/log") == b"first,second,third"
    committed, _ = container_of(root).get_blob_client("log").get_block_list("committed")
    assert [block.size for block in committed] == [6, 7, 5]


@pytest.mark.big
def test_large_file_in_many_writes(azure, root):
    data = payload(100 * MIB)
    with azure.open_output_stream(f"{root}/large") as sink:
        for start in range(0, len(data), 3 * MIB):
            sink.write(data[start : start + 3 * MIB])
    assert azure.get_file_info(f"{root}/large").size == len(data)
    assert sha256(read(azure, f"{root}/large")) == sha256(data)


def test_random_access(azure, root):
    data = payload(MIB)
    write(azure, f"{root}/random", data)
    with azure.open_input_file(f"{root}/random") as source:
        assert source.size() == MIB
        assert source.read_at(1000, 500_000) == data[500_000:501_000]
        source.seek(MIB - 10)
        assert source.read(100) == data[-10:]
        assert source.read(1) == b""
    with pytest.raises(FileNotFoundError):
        azure.open_input_file(f"{root}/none")
    with pytest.raises(FileNotFoundError):
        azure.open_input_stream("no-such-container/none")


TREE = {"one": 1, "dir/two": 2, "dir/sub/three": 3, "dir/sub/four": 4, "dir2/five": 5, "dir-side": 6}


@pytest.fixture
def tree(azure, root):
    for path, size in TREE.items():
        write(azure, f"{root}/{path}", b"x" * size)
    return root


def test_selectors(azure, tree):
    assert listing(azure, tree) == {
        f"{tree}/one": (FILE, 1), f"{tree}/dir": (DIRECTORY, None), f"{tree}/dir2": (DIRECTORY, None),
        f"{tree}/dir-side": (FILE, 6),
    }  # fmt: skip
    everything = listing(azure, tree, recursive=True)
    assert {path: size for path, (kind, size) in everything.items() if kind == FILE} == {
        f"{tree}/{path}": size for path, size in TREE.items()
    }
    assert {path for path, (kind, _) in everything.items() if kind == DIRECTORY} == {
        f"{tree}/dir", f"{tree}/dir/sub", f"{tree}/dir2",
    }  # fmt: skip
    assert listing(azure, f"{tree}/dir") == {f"{tree}/dir/two": (FILE, 2), f"{tree}/dir/sub": (DIRECTORY, None)}
    with pytest.raises(FileNotFoundError):
        listing(azure, f"{tree}/none")
    assert azure.get_file_info(fs.FileSelector(f"{tree}/none", allow_not_found=True)) == []


def test_create_dir(azure, root):
    azure.create_dir(f"{root}/made/deep")
    assert azure.get_file_info(f"{root}/made/deep").type == DIRECTORY
    assert listing(azure, f"{root}/made/deep") == {}
    write(azure, f"{root}/made/deep/file", b"x")
    assert listing(azure, f"{root}/made/deep") == {f"{root}/made/deep/file": (FILE, 1)}
    with pytest.raises(OSError):
        azure.create_dir(f"{root}/absent/leaf", recursive=False)


def test_delete_dir(azure, tree):
    azure.delete_dir(f"{tree}/dir")
    assert listing(azure, tree, recursive=True) == {
        f"{tree}/one": (FILE, 1), f"{tree}/dir-side": (FILE, 6), f"{tree}/dir2": (DIRECTORY, None),
        f"{tree}/dir2/five": (FILE, 5),
    }  # fmt: skip
    with pytest.raises(FileNotFoundError):
        azure.delete_dir(f"{tree}/dir")


def test_delete_dir_of_many(azure, root, container_of):
    from concurrent.futures import ThreadPoolExecutor

    names = [f"many/a b ü/{index:04d}" for index in range(300)] + ["kept"]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: container_of(root).upload_blob(name, b"x"), names))
    azure.delete_dir(f"{root}/many")
    assert [blob.name for blob in container_of(root).list_blobs()] == ["kept"]


def test_delete_dir_contents(azure, tree):
    azure.delete_dir_contents(f"{tree}/dir")
    assert azure.get_file_info(f"{tree}/dir").type == DIRECTORY
    assert listing(azure, f"{tree}/dir") == {}
    azure.delete_dir_contents(tree)
    assert listing(azure, tree) == {}
    assert azure.get_file_info(tree).type == DIRECTORY


def test_delete_file(azure, tree):
    azure.delete_file(f"{tree}/one")
    assert azure.get_file_info(f"{tree}/one").type == ABSENT
    # A file in a directory goes under a lease, and its directory stays behind.
    azure.delete_file(f"{tree}/dir2/five")
    assert azure.get_file_info(f"{tree}/dir2/five").type == ABSENT
    assert azure.get_file_info(f"{tree}/dir2").type == DIRECTORY
    with pytest.raises(FileNotFoundError):
        azure.delete_file(f"{tree}/none")
    assert azure.get_file_info(f"{tree}/dir/two").type == FILE


def test_copy_file(azure, tree):
    write(azure, f"{tree}/from/a b+c ü", payload(300 * KIB))
    azure.copy_file(f"{tree}/from/a b+c ü", f"{tree}/to/copy")
    assert read(azure, f"{tree}/to/copy") == payload(300 * KIB)
    assert azure.get_file_info(f"{tree}/from/a b+c ü").type == FILE
    with pytest.raises(OSError):
        azure.copy_file(f"{tree}/none", f"{tree}/to/none")
    assert azure.get_file_info(f"{tree}/to/none").type == ABSENT


def test_move_of_files_needs_a_hierarchical_account(azure, tree):
    """This client renames files only through the other endpoint; on a flat account it refuses by itself."""
    with pytest.raises((NotImplementedError, OSError)):
        azure.move(f"{tree}/one", f"{tree}/moved")
    assert read(azure, f"{tree}/one") == b"x"
    assert azure.get_file_info(f"{tree}/moved").type == ABSENT


def test_move_of_an_empty_container_onto_another(azure, root):
    """Done with leases on both: the source goes, the destination stays."""
    azure.create_dir(f"{root}-2")
    azure.move(root, f"{root}-2")
    assert azure.get_file_info(root).type == ABSENT
    assert azure.get_file_info(f"{root}-2").type == DIRECTORY


def test_rename_of_a_container_is_refused(azure, root):
    write(azure, f"{root}/kept", b"x")
    with pytest.raises(OSError):
        azure.move(root, f"{root}-3")
    assert read(azure, f"{root}/kept") == b"x"


def test_parquet(azure, root):
    table = pa.table(
        {"n": pa.array(range(50_000)), "k": [f"k{index % 5}" for index in range(50_000)], "x": [1.5] * 50_000}
    )
    pa.parquet.write_table(table, f"{root}/one.parquet", filesystem=azure, row_group_size=5000)
    assert pa.parquet.read_table(f"{root}/one.parquet", filesystem=azure) == table
    subset = pa.parquet.read_table(f"{root}/one.parquet", filesystem=azure, columns=["k"], filters=[("n", "<", 12)])
    assert subset.num_rows == 12

    pa.dataset.write_dataset(
        table, f"{root}/dataset", format="parquet", partitioning=["k"], partitioning_flavor="hive", filesystem=azure
    )
    dataset = pa.dataset.dataset(f"{root}/dataset", format="parquet", partitioning="hive", filesystem=azure)
    assert sorted(path.split("/")[2] for path in dataset.files) == [f"k=k{index}" for index in range(5)]
    assert dataset.to_table(columns=["n", "k", "x"]).sort_by("n") == table
    assert dataset.to_table(filter=pa.dataset.field("k") == "k3").num_rows == 10_000
