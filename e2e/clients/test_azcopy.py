"""AzCopy, where it is installed. It signs with a SAS or not at all, so it is used on public containers here."""

import os
import shutil
import subprocess

import pytest
from azure.storage.blob import BlobServiceClient, PublicAccess

from node import DEV_KEY
from payload import MIB, plant_tree, read_tree

pytestmark = pytest.mark.skipif(
    not shutil.which("azcopy"), reason="no azcopy on PATH: it is in no package registry, install it by hand"
)


@pytest.fixture
def azcopy(tmp_path):
    env = {
        "PATH": os.environ["PATH"], "HOME": str(tmp_path), "AZCOPY_LOG_LOCATION": str(tmp_path / "logs"),
        "AZCOPY_JOB_PLAN_LOCATION": str(tmp_path / "plans"), "AZCOPY_CRED_TYPE": "Anonymous",
    }  # fmt: skip

    def run(*arguments):
        done = subprocess.run(["azcopy", *map(str, arguments)], env=env, capture_output=True, timeout=600)
        assert done.returncode == 0, done.stdout.decode()[-4000:]
        return done.stdout.decode()

    return run


@pytest.fixture
def published(public_node, container_name, tmp_path):
    service = BlobServiceClient(public_node.account_url, credential=DEV_KEY)
    container = service.create_container(container_name, public_access=PublicAccess.CONTAINER)
    source = tmp_path / "source"
    for path in plant_tree(source, 50, large=[20 * MIB]):
        container.upload_blob(f"tree/{path}", (source / path).read_bytes())
    return container, source


def test_download_a_tree(azcopy, published, tmp_path):
    container, source = published
    azcopy("copy", f"{container.url}/tree/*", tmp_path / "target", "--recursive", "--from-to", "BlobLocal")
    assert read_tree(tmp_path / "target") == read_tree(source)


def test_list(azcopy, published):
    container, source = published
    told = azcopy("list", container.url, "--location", "Blob", "--output-level", "essential")
    for path in read_tree(source):
        assert f"tree/{path}" in told
