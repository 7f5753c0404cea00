"""rclone's azureblob backend, Debian's release and the current one. A path-style endpoint is an emulator to both."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from payload import MIB, payload, plant_tree, read_tree

RELEASES = {
    "debian": shutil.which("rclone", path="/usr/bin:/usr/local/bin"),
    "current": shutil.which("rclone", path=str(Path(sys.executable).parent)),
}


@pytest.fixture(scope="module", params=RELEASES)
def rclone(request, node, tmp_path_factory):
    """Runs one rclone command against the remote `x:`. It does not retry: a hidden failure would pass for a success."""
    program = RELEASES[request.param]
    assert program, f"no {request.param} rclone here: install Debian's package and the suite's own environment"
    configuration = tmp_path_factory.mktemp("rclone") / "rclone.conf"
    configuration.touch()
    env = {
        "PATH": os.environ["PATH"], "HOME": str(configuration.parent), "RCLONE_CONFIG": str(configuration),
        "RCLONE_CONFIG_X_TYPE": "azureblob", "RCLONE_CONFIG_X_USE_EMULATOR": "true",
        "RCLONE_CONFIG_X_ENDPOINT": node.account_url,
    }  # fmt: skip

    def run(*arguments, check=True, data=None):
        command = [program, *map(str, arguments), "--retries", "1", "--low-level-retries", "1"]
        done = subprocess.run(command, env=env, input=data, capture_output=True, timeout=900)
        if check and done.returncode != 0:
            pytest.fail(f"{' '.join(command)} ended with {done.returncode}\n{done.stderr.decode()[-4000:]}")
        return done

    run.release = request.param
    return run


@pytest.fixture
def container(service, container_name):
    """The container that rclone works in, through the Azure client. rclone makes it when it first writes."""
    return service.get_container_client(container_name)


@pytest.fixture
def remote(container):
    return f"x:{container.container_name}"


def by_path(listing):
    return {item["Path"]: item for item in json.loads(listing) if not item["IsDir"]}


@pytest.mark.big
def test_a_tree(rclone, container, remote, tmp_path):
    source, target = tmp_path / "source", tmp_path / "target"
    if rclone.release == "debian":
        planted = plant_tree(source, 1999, large=[100 * MIB])
        assert len(planted) == 2000
    else:
        planted = plant_tree(source, 500, large=[20 * MIB])

    rclone("copy", source, f"{remote}/tree")
    rclone("check", source, f"{remote}/tree")
    stored = {blob.name: blob.size for blob in container.list_blobs()}
    assert stored == {f"tree/{path}": (source / path).stat().st_size for path in planted}

    # MD5 as stored by the node, against MD5 computed here.
    sums = dict(
        reversed(line.split("  ", 1))
        for line in rclone("hashsum", "MD5", f"{remote}/tree").stdout.decode().splitlines()
    )
    assert sums == {path: hashlib.md5((source / path).read_bytes()).hexdigest() for path in planted}

    listed = by_path(rclone("lsjson", "-R", "--hash", f"{remote}/tree").stdout)
    assert {path: item["Size"] for path, item in listed.items()} == {p: (source / p).stat().st_size for p in planted}
    for path in list(planted)[:50]:
        # The modification time of the file travels as metadata.
        assert abs(_seconds(listed[path]["ModTime"]) - (source / path).stat().st_mtime) < 0.001

    # A second copy has nothing to do.
    again = rclone("copy", source, f"{remote}/tree", "-v", "--stats-one-line", "--use-json-log")
    assert b": Copied" not in again.stderr

    changed = sorted(planted)
    for path in changed[:40]:
        (source / path).write_bytes(b"changed " + path.encode())
    for path in changed[40:90]:
        (source / path).unlink()
    (source / "new").mkdir()
    (source / "new/file").write_bytes(b"new")
    rclone("sync", source, f"{remote}/tree")
    rclone("check", source, f"{remote}/tree")
    assert {blob.name.removeprefix("tree/") for blob in container.list_blobs()} == set(read_tree(source))

    rclone("copy", f"{remote}/tree", target)
    assert read_tree(target) == read_tree(source)

    rclone("purge", remote)
    assert not container.exists()


def _seconds(stamp):
    from datetime import datetime

    head, _, fraction = stamp.rstrip("Z").partition(".")
    if "+" in fraction:
        fraction, zone = fraction.split("+")
        assert zone == "00:00"
    return datetime.fromisoformat(head + "+00:00").timestamp() + float(f"0.{fraction or 0}")


def test_check_notices_a_difference(rclone, container, remote, tmp_path):
    plant_tree(tmp_path / "source", 20)
    rclone("copy", tmp_path / "source", remote)
    victim = next(blob.name for blob in container.list_blobs() if blob.size == 512)
    mtime = container.get_blob_client(victim).get_blob_properties().metadata
    container.upload_blob(victim, payload(512, seed="forged"), overwrite=True, metadata=mtime)
    check = rclone("check", tmp_path / "source", remote, check=False)
    assert check.returncode != 0
    assert victim.encode() in check.stderr


@pytest.mark.parametrize("directory", ["plain", "a b+c", "ünï/漢字 🚀", "per%20cent#?"])
def test_odd_names(rclone, container, remote, tmp_path, directory):
    names = ["x.txt", " y", "z+1&2=3;,@", "quote'\"", "100%"]
    for name in names:
        path = tmp_path / directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    rclone("copy", tmp_path / directory, f"{remote}/{directory}")
    assert {blob.name for blob in container.list_blobs()} == {f"{directory}/{name}" for name in names}
    rclone("check", tmp_path / directory, f"{remote}/{directory}", "--download")
    assert sorted(by_path(rclone("lsjson", f"{remote}/{directory}").stdout)) == sorted(names)


def test_streams(rclone, container, remote):
    data = payload(9 * MIB + 5)
    rclone("rcat", f"{remote}/stream.bin", data=data)
    assert container.download_blob("stream.bin").readall() == data
    assert rclone("cat", f"{remote}/stream.bin").stdout == data
    part = rclone("cat", "--offset", "5000000", "--count", "1000", f"{remote}/stream.bin").stdout
    assert part == data[5_000_000:5_001_000]
    assert json.loads(rclone("size", "--json", remote).stdout)["bytes"] == len(data)


def test_copy_and_move_on_the_server(rclone, container, remote):
    data = payload(5 * MIB + 1)
    rclone("rcat", f"{remote}/from/a b.bin", data=data)
    rclone("copyto", f"{remote}/from/a b.bin", f"{remote}/to/copy.bin")
    assert container.download_blob("to/copy.bin").readall() == data
    rclone("moveto", f"{remote}/to/copy.bin", f"{remote}/moved.bin")
    assert {blob.name for blob in container.list_blobs()} == {"from/a b.bin", "moved.bin"}
    assert container.download_blob("moved.bin").readall() == data


def test_directories_and_deletion(rclone, container, remote, tmp_path):
    plant_tree(tmp_path / "source", 30)
    rclone("mkdir", remote)
    assert container.exists()
    rclone("copy", tmp_path / "source", remote)
    directories = [line.split()[-1] for line in rclone("lsd", remote).stdout.decode().splitlines()]
    assert sorted(directories) == sorted(path.name for path in (tmp_path / "source").iterdir())
    rclone("delete", f"{remote}/d00")
    assert all(not blob.name.startswith("d00/") for blob in container.list_blobs())
    rclone("deletefile", f"{remote}/d01/e1/file 0001.bin")
    assert not container.get_blob_client("d01/e1/file 0001.bin").exists()
    containers = [line.split()[-1] for line in rclone("lsd", "x:").stdout.decode().splitlines()]
    assert container.container_name in containers
    rclone("delete", remote)
    rclone("rmdir", remote)
    assert not container.exists()


def test_tiers(rclone, container, remote):
    rclone("rcat", f"{remote}/x", data=b"x")
    rclone("settier", "Cool", f"{remote}/x")
    assert container.get_blob_client("x").get_blob_properties().blob_tier == "Cool"
    assert by_path(rclone("lsjson", remote).stdout)["x"]["Tier"] == "Cool"


def test_empty_files_and_touch(rclone, container, remote):
    rclone("touch", f"{remote}/dir/empty", "-t", "2020-01-02T03:04:05")
    assert container.get_blob_client("dir/empty").get_blob_properties().size == 0
    assert by_path(rclone("lsjson", f"{remote}/dir").stdout)["empty"]["ModTime"].startswith("2020-01-02T03:04:05")
    assert rclone("cat", f"{remote}/dir/empty").stdout == b""
