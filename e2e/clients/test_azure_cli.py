"""`az storage blob`, where its environment has been made: it is large, and so optional."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from node import ROOT
from payload import MIB, payload, plant_tree, read_tree

AZ = Path(os.environ.get("AZ_BIN") or ROOT / ".venv-azcli/bin/az")

pytestmark = pytest.mark.skipif(
    not os.access(AZ, os.X_OK), reason="no azure-cli: scripts/python-env.sh --azure-cli makes its environment"
)


@pytest.fixture
def az(node, tmp_path_factory):
    home = tmp_path_factory.mktemp("azure-cli")
    env = {
        "PATH": os.environ["PATH"], "HOME": str(home), "AZURE_CONFIG_DIR": str(home / "config"),
        "AZURE_STORAGE_CONNECTION_STRING": node.connection_string, "AZURE_CORE_COLLECT_TELEMETRY": "false",
        "AZURE_CORE_NO_COLOR": "true", "AZURE_CORE_ONLY_SHOW_ERRORS": "true",
    }  # fmt: skip

    def run(*arguments):
        done = subprocess.run(
            [AZ, "storage", *map(str, arguments), "--output", "json"], env=env, capture_output=True, timeout=600
        )
        assert done.returncode == 0, f"{arguments}\n{done.stderr.decode()[-4000:]}"
        return json.loads(done.stdout) if done.stdout.strip() else None

    return run


def test_containers(az, container_name):
    assert az("container", "create", "--name", container_name) == {"created": True}
    assert az("container", "exists", "--name", container_name) == {"exists": True}
    assert az("container", "show", "--name", container_name)["name"] == container_name
    assert container_name in [item["name"] for item in az("container", "list")]
    assert az("container", "delete", "--name", container_name) == {"deleted": True}
    assert az("container", "exists", "--name", container_name) == {"exists": False}


@pytest.mark.parametrize("size", [0, 1000, 100 * MIB])
def test_one_blob(az, container, tmp_path, size):
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(payload(size))
    where = ("--container-name", container.container_name, "--name", "dir/a b ü.bin")
    az("blob", "upload", *where, "--file", source, "--metadata", "a=1", "--tier", "Cool", "--content-type", "text/x")
    shown = az("blob", "show", *where)
    assert shown["properties"]["contentLength"] == size
    assert shown["properties"]["contentSettings"]["contentType"] == "text/x"
    assert (shown["properties"]["blobTier"], shown["metadata"]) == ("Cool", {"a": "1"})
    az("blob", "download", *where, "--file", target)
    assert target.read_bytes() == payload(size)
    az("blob", "delete", *where)
    assert az("blob", "exists", *where) == {"exists": False}


def test_a_tree(az, container, tmp_path):
    source, target = tmp_path / "source", tmp_path / "target"
    plant_tree(source, 30)
    target.mkdir()
    az("blob", "upload-batch", "--destination", container.container_name, "--source", source)
    listed = az("blob", "list", "--container-name", container.container_name)
    assert {item["name"] for item in listed} == set(read_tree(source))
    az("blob", "download-batch", "--source", container.container_name, "--destination", target)
    assert read_tree(target) == read_tree(source)
    az("blob", "delete-batch", "--source", container.container_name)
    assert az("blob", "list", "--container-name", container.container_name) == []


def test_metadata_leases_and_copy(az, container):
    container.upload_blob("b", b"content")
    where = ("--container-name", container.container_name)
    az("blob", "metadata", "update", *where, "--name", "b", "--metadata", "x=1", "y=2")
    assert az("blob", "metadata", "show", *where, "--name", "b") == {"x": "1", "y": "2"}
    lease = az("blob", "lease", "acquire", *where, "--blob-name", "b", "--lease-duration", "60")
    assert container.get_blob_client("b").get_blob_properties().lease.state == "leased"
    az("blob", "lease", "release", *where, "--blob-name", "b", "--lease-id", lease)
    # Given a container and a name the tool would spell the source with Azure's own suffix.
    az("blob", "copy", "start", "--destination-container", container.container_name, "--destination-blob", "c",
       "--source-uri", container.get_blob_client("b").url)  # fmt: skip
    assert container.download_blob("c").readall() == b"content"
