"""rclone's azureblob backend on the account's real name, with a key, with signatures and as a service principal."""

import json
import shutil
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from azure.storage.blob import (
    AccountSasPermissions, ContainerSasPermissions, ResourceTypes, generate_account_sas, generate_container_sas,
)  # fmt: skip

from issuer import TENANT
from payload import MIB, payload, plant_tree, read_tree
from private_network import CALLER, NOBODY

RELEASES = {
    "debian": shutil.which("rclone", path="/usr/bin:/usr/local/bin"),
    "current": shutil.which("rclone", path=str(Path(sys.executable).parent)),
}
URL = "https://harbor.blob.core.windows.net"


def expiry():
    return datetime.now(timezone.utc) + timedelta(hours=1)


def _key(network, container, home):
    return {"ACCOUNT": "harbor", "KEY": network.key()}


def _account_sas(network, container, home):
    sas = generate_account_sas(
        "harbor", network.key(), ResourceTypes(service=True, container=True, object=True),
        AccountSasPermissions(read=True, write=True, delete=True, list=True, create=True), expiry(), protocol="https",
    )  # fmt: skip
    return {"SAS_URL": f"{URL}/?{sas}"}


def _container_sas(network, container, home):
    sas = generate_container_sas(
        "harbor", container, network.key(), permission=ContainerSasPermissions(
            read=True, write=True, delete=True, list=True, create=True), expiry=expiry(),
    )  # fmt: skip
    return {"SAS_URL": f"{URL}/{container}?{sas}"}


def _service_principal_file(network, container, home, principal=CALLER):
    file = home / "principal.json"
    file.write_text(json.dumps({"appId": principal.client_id, "password": principal.secret, "tenant": TENANT}))
    return {"ACCOUNT": "harbor", "SERVICE_PRINCIPAL_FILE": str(file)}


def _client_secret(network, container, home, principal=CALLER):
    return {
        "ACCOUNT": "harbor", "TENANT": TENANT, "CLIENT_ID": principal.client_id, "CLIENT_SECRET": principal.secret,
    }  # fmt: skip


WAYS = {
    "key": _key, "account-sas": _account_sas, "container-sas": _container_sas,
    "service-principal-file": _service_principal_file, "client-secret": _client_secret,
}  # fmt: skip
# Before 1.62 there were no separate settings for a principal.
CASES = [(release, way) for release in RELEASES for way in WAYS if (release, way) != ("debian", "client-secret")]


class Rclone:
    """Commands against the remote `x:`, without a hidden second try."""

    def __init__(self, network, release, settings, home):
        self._program = RELEASES[release]
        assert self._program, f"no {release} rclone here: install Debian's package and the suite's own environment"
        (home / "rclone.conf").touch()
        self._network, self._home = network, home
        self._env = {"RCLONE_CONFIG": str(home / "rclone.conf"), "RCLONE_CONFIG_X_TYPE": "azureblob"}
        self._env |= {f"RCLONE_CONFIG_X_{name}": value for name, value in settings.items()}

    def run(self, *arguments, check=True, data=None):
        command = [self._program, *map(str, arguments), "--retries", "1", "--low-level-retries", "1"]
        done = self._network.run(*command, env=self._env, home=self._home, data=data)
        if check and done.returncode != 0:
            pytest.fail(f"{' '.join(command)} ended with {done.returncode}\n{done.stderr.decode()[-4000:]}")
        return done


@pytest.fixture
def container(private_network, container_name, tmp_path):
    """Made with the key: a signature for one container makes none."""
    settings = _key(private_network, container_name, tmp_path)
    Rclone(private_network, "current", settings, tmp_path).run("mkdir", f"x:{container_name}")
    return container_name


@pytest.mark.parametrize("release,way", CASES)
def test_a_tree(private_network, container, tmp_path, release, way):
    rclone = Rclone(private_network, release, WAYS[way](private_network, container, tmp_path), tmp_path)
    source, target, remote = tmp_path / "source", tmp_path / "target", f"x:{container}/tree"
    planted = plant_tree(source, 80, large=[9 * MIB])
    rclone.run("copy", source, remote)
    rclone.run("check", source, remote)
    listed = [item for item in json.loads(rclone.run("lsjson", "-R", remote).stdout) if not item["IsDir"]]
    assert {item["Path"]: item["Size"] for item in listed} == {p: (source / p).stat().st_size for p in planted}
    (source / sorted(planted)[0]).unlink()
    (source / "new").write_bytes(b"new")
    rclone.run("sync", source, remote)
    rclone.run("copy", remote, target)
    assert read_tree(target) == read_tree(source)
    data = payload(5 * MIB + 1)
    rclone.run("rcat", f"x:{container}/from/a b+c.bin", data=data)
    rclone.run("copyto", f"x:{container}/from/a b+c.bin", f"x:{container}/to.bin")
    assert rclone.run("cat", f"x:{container}/to.bin").stdout == data
    rclone.run("delete", f"x:{container}")
    assert json.loads(rclone.run("lsjson", "-R", f"x:{container}").stdout) == []


@pytest.mark.parametrize("release", RELEASES)
def test_refusals(private_network, container, tmp_path, release):
    (tmp_path / "file").write_bytes(b"x")
    stranger = Rclone(
        private_network, release, _service_principal_file(private_network, container, tmp_path, NOBODY), tmp_path
    )
    refused = stranger.run("copyto", tmp_path / "file", f"x:{container}/file", check=False)
    assert refused.returncode != 0 and b"AuthorizationPermissionMismatch" in refused.stderr
    read_only = generate_container_sas(
        "harbor", container, private_network.key(), permission=ContainerSasPermissions(read=True, list=True),
        expiry=expiry(),
    )  # fmt: skip
    reader = Rclone(private_network, release, {"SAS_URL": f"{URL}/{container}?{read_only}"}, tmp_path)
    refused = reader.run("copyto", tmp_path / "file", f"x:{container}/file", check=False)
    assert refused.returncode != 0 and b"AuthorizationPermissionMismatch" in refused.stderr
    assert json.loads(reader.run("lsjson", f"x:{container}").stdout) == []


def test_without_the_authority(private_network, container, tmp_path):
    """The machine's own list of authorities does not vouch for the node; --ca-cert does."""
    rclone = Rclone(private_network, "current", _key(private_network, container, tmp_path), tmp_path)
    rclone._env["SSL_CERT_FILE"] = "/etc/ssl/certs/ca-certificates.crt"
    refused = rclone.run("lsjson", f"x:{container}", check=False)
    assert refused.returncode != 0 and b"certificate" in refused.stderr
    bundle = private_network.env["SSL_CERT_FILE"]
    assert json.loads(rclone.run("lsjson", f"x:{container}", "--ca-cert", bundle).stdout) == []
