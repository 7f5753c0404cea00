"""adlfs: the account as an fsspec file system."""

import pytest
from adlfs import AzureBlobFileSystem

from payload import KIB, MIB, payload, plant_tree, read_tree, sha256


@pytest.fixture
def fs(node):
    return AzureBlobFileSystem(connection_string=node.connection_string, skip_instance_cache=True)


@pytest.fixture
def root(fs, container_name):
    fs.mkdir(container_name)
    return container_name


def fresh(fs):
    """The file system without the listings that it keeps."""
    fs.invalidate_cache()
    return fs


TREE = {
    "one.txt": b"1", "two.csv": b"22", "dir/three.txt": b"333", "dir/sub/four.txt": b"4444",
    "dir/sub/five.csv": b"55555", "dir2/a b+c ü 漢.txt": b"666666", "empty.txt": b"",
}  # fmt: skip


@pytest.fixture
def tree(fs, root):
    for path, data in TREE.items():
        fs.pipe_file(f"{root}/{path}", data)
    fresh(fs)
    return root


def below(root, paths):
    return sorted(f"{root}/{path}" for path in paths)


def test_containers(fs, container_name):
    assert not fs.exists(container_name)
    fs.mkdir(container_name)
    assert fresh(fs).exists(container_name)
    assert fs.isdir(container_name) and not fs.isfile(container_name)
    assert container_name in [path.strip("/") for path in fs.ls("")]
    assert fs.info(container_name)["type"] == "directory"
    fs.mkdir(container_name, exist_ok=True)
    with pytest.raises(FileExistsError):
        fs.mkdir(container_name, exist_ok=False)
    fs.rmdir(container_name)
    assert not fresh(fs).exists(container_name)


def test_put_and_get_a_tree(fs, root, tmp_path):
    source, target = tmp_path / "source", tmp_path / "target"
    plant_tree(source, 40, large=[5 * MIB + 3])
    fs.put(f"{source}/", f"{root}/tree/", recursive=True)
    fresh(fs).get(f"{root}/tree/", f"{target}/", recursive=True)
    assert read_tree(target) == read_tree(source)


@pytest.mark.big
def test_large_file(fs, root, tmp_path):
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(payload(100 * MIB))
    fs.put_file(str(source), f"{root}/large.bin")
    fresh(fs).get_file(f"{root}/large.bin", str(target))
    assert sha256(target.read_bytes()) == sha256(source.read_bytes())
    assert fs.size(f"{root}/large.bin") == 100 * MIB


def test_ls(fs, tree):
    assert fs.ls(tree) == below(tree, ["dir", "dir2", "empty.txt", "one.txt", "two.csv"])
    assert fresh(fs).ls(f"{tree}/dir") == below(tree, ["dir/sub", "dir/three.txt"])
    assert fresh(fs).ls(f"{tree}/dir/sub/") == below(tree, ["dir/sub/five.csv", "dir/sub/four.txt"])
    # `dir` is not a prefix of `dir2` here.
    details = {item["name"]: item for item in fresh(fs).ls(f"{tree}/dir", detail=True)}
    assert details[f"{tree}/dir/three.txt"]["size"] == 3
    assert details[f"{tree}/dir/three.txt"]["type"] == "file"
    assert details[f"{tree}/dir/three.txt"]["metadata"] == {"is_directory": "false"}
    assert details[f"{tree}/dir/sub"]["type"] == "directory"
    assert fresh(fs).ls(f"{tree}/one.txt") == [f"{tree}/one.txt"]
    with pytest.raises(FileNotFoundError):
        fresh(fs).ls(f"{tree}/none")
    with pytest.raises(FileNotFoundError):
        fresh(fs).ls("no-such-container/dir")


def test_walk_find_and_glob(fs, tree):
    walked = {path: (sorted(dirs), sorted(files)) for path, dirs, files in fs.walk(tree)}
    assert walked == {
        tree: (["dir", "dir2"], ["empty.txt", "one.txt", "two.csv"]),
        f"{tree}/dir": (["sub"], ["three.txt"]),
        f"{tree}/dir/sub": ([], ["five.csv", "four.txt"]),
        f"{tree}/dir2": ([], ["a b+c ü 漢.txt"]),
    }
    assert fresh(fs).find(tree) == below(tree, TREE)
    assert fresh(fs).find(f"{tree}/dir") == below(tree, [path for path in TREE if path.startswith("dir/")])
    found = fresh(fs).find(tree, detail=True)
    assert {name: item["size"] for name, item in found.items()} == {f"{tree}/{p}": len(d) for p, d in TREE.items()}
    assert fresh(fs).glob(f"{tree}/*.txt") == below(tree, ["one.txt", "empty.txt"])
    assert fresh(fs).glob(f"{tree}/**/*.csv") == below(tree, ["two.csv", "dir/sub/five.csv"])
    assert fresh(fs).du(tree) == sum(map(len, TREE.values()))


def test_info_exists_and_kinds(fs, tree):
    info = fs.info(f"{tree}/dir/three.txt")
    assert (info["size"], info["type"], info["name"]) == (3, "file", f"{tree}/dir/three.txt")
    assert info["etag"].startswith('"0x') and info["etag"].endswith('"')
    assert info["last_modified"] == fs.modified(f"{tree}/dir/three.txt")
    assert info["content_settings"]["content_type"] == "application/octet-stream"
    assert fs.info(f"{tree}/dir")["type"] == "directory"
    for path, file, directory in (("one.txt", True, False), ("dir", False, True), ("none", False, False)):
        assert (fs.isfile(f"{tree}/{path}"), fs.isdir(f"{tree}/{path}")) == (file, directory)
        assert fs.exists(f"{tree}/{path}") == (file or directory)
    with pytest.raises(FileNotFoundError):
        fs.info(f"{tree}/none")


def test_cat(fs, root):
    data = payload(200 * KIB)
    fs.pipe({f"{root}/a": data, f"{root}/b": b"b", f"{root}/empty": b""})
    assert fs.cat([f"{root}/a", f"{root}/b", f"{root}/empty"]) == {
        f"{root}/a": data, f"{root}/b": b"b", f"{root}/empty": b"",
    }  # fmt: skip
    assert fs.cat_file(f"{root}/a", start=1000, end=3000) == data[1000:3000]
    starts = [0, 5, 100_000, 200 * KIB - 10]
    ends = [1, 10_000, 100_001, 200 * KIB]
    assert fs.cat_ranges([f"{root}/a"] * 4, starts, ends) == [data[s:e] for s, e in zip(starts, ends)]
    assert fs.head(f"{root}/a", 100) == data[:100]
    assert fs.tail(f"{root}/a", 100) == data[-100:]
    with pytest.raises(FileNotFoundError):
        fs.cat_file(f"{root}/none")


def test_streaming_write_and_read(fs, root):
    data = payload(3 * MIB + 77)
    with fs.open(f"{root}/dir/stream", "wb", block_size=256 * KIB, metadata={"origin": "stream"}) as sink:
        for start in range(0, len(data), 100_003):
            sink.write(data[start : start + 100_003])
    assert fs.info(f"{root}/dir/stream")["size"] == len(data)
    assert fs.getxattr(f"{root}/dir/stream", "origin") == "stream"
    with fs.open(f"{root}/dir/stream", "rb", block_size=128 * KIB) as source:
        assert source.read(10) == data[:10]
        source.seek(2 * MIB)
        assert source.read(1000) == data[2 * MIB : 2 * MIB + 1000]
        source.seek(0)
        assert source.read() == data
    with fs.open(f"{root}/empty", "wb"):
        pass
    assert fs.cat_file(f"{root}/empty") == b""
    with fs.open(f"{root}/text", "w") as sink:
        sink.write("grün\n漢字\n")
    with fs.open(f"{root}/text") as source:
        assert source.read().decode() == "grün\n漢字\n"


def test_exclusive_creation(fs, root):
    with fs.open(f"{root}/once", "xb") as sink:
        sink.write(b"first")
    with pytest.raises(FileExistsError):
        with fs.open(f"{root}/once", "xb") as sink:
            sink.write(b"second")
    with pytest.raises(FileExistsError):
        fs.pipe_file(f"{root}/once", b"third", mode="create")
    assert fs.cat_file(f"{root}/once") == b"first"


def test_copy_and_move(fs, root):
    data = payload(300 * KIB)
    fs.pipe_file(f"{root}/from/a b+c ü.bin", data)
    fs.cp_file(f"{root}/from/a b+c ü.bin", f"{root}/to/copy.bin")
    assert fs.cat_file(f"{root}/to/copy.bin") == data
    assert fresh(fs).info(f"{root}/to/copy.bin")["metadata"] == {"is_directory": "false"}
    with pytest.raises(FileNotFoundError):
        fs.cp_file(f"{root}/none", f"{root}/to/none")
    fs.mv(f"{root}/to/copy.bin", f"{root}/moved.bin")
    assert fresh(fs).cat_file(f"{root}/moved.bin") == data
    assert not fs.exists(f"{root}/to/copy.bin")
    fs.cp(f"{root}/from/", f"{root}/tree copy/", recursive=True)
    assert fresh(fs).find(f"{root}/tree copy") == [f"{root}/tree copy/a b+c ü.bin"]


def test_rm(fs, tree):
    fs.rm(f"{tree}/one.txt")
    assert fresh(fs).find(tree) == below(tree, [path for path in TREE if path != "one.txt"])
    fs.rm(f"{tree}/dir", recursive=True)
    assert fresh(fs).find(tree) == below(tree, ["two.csv", "dir2/a b+c ü 漢.txt", "empty.txt"])
    assert not fs.exists(f"{tree}/dir")
    with pytest.raises(FileNotFoundError):
        fs.rm_file(f"{tree}/none")
    fs.rm(tree, recursive=True)
    assert not fresh(fs).exists(tree)


def test_extended_attributes(fs, root):
    fs.pipe_file(f"{root}/x", b"x")
    fs.setxattrs(f"{root}/x", colour="green", note="a b")
    assert fresh(fs).info(f"{root}/x")["metadata"] == {"colour": "green", "note": "a b"}
    assert fs.cat_file(f"{root}/x") == b"x"


def test_content_settings(fs, root):
    fs.pipe_file(f"{root}/page", b"<p>", content_settings={"content_type": "text/html", "cache_control": "no-cache"})
    settings = fresh(fs).info(f"{root}/page")["content_settings"]
    assert (settings["content_type"], settings["cache_control"]) == ("text/html", "no-cache")
