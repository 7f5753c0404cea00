"""adlfs on the account's real name, with a key, with signatures and as a service principal."""

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from azure.storage.blob import (
    AccountSasPermissions, ContainerSasPermissions, ResourceTypes, generate_account_sas, generate_container_sas,
)  # fmt: skip

from issuer import TENANT
from private_network import CALLER, NOBODY

TOUR = Path(__file__).with_name("adlfs_tour.py")
MAKE = (
    "import sys; from azure.storage.blob import BlobServiceClient; "
    "BlobServiceClient('https://harbor.blob.core.windows.net', sys.argv[1]).create_container(sys.argv[2])"
)


def expiry():
    return datetime.now(timezone.utc) + timedelta(hours=1)


@pytest.fixture
def box(private_network, container_name):
    done = private_network.run("python", "-c", MAKE, private_network.key(), container_name)
    assert done.returncode == 0, done.stderr.decode()[-4000:]
    return container_name


def _account_key(network, container):
    return {"account_name": "harbor", "account_key": network.key()}


def _connection_string(network, container):
    return {
        "connection_string": "DefaultEndpointsProtocol=https;AccountName=harbor;EndpointSuffix=core.windows.net;"
        f"AccountKey={network.key()}"
    }


def _account_sas(network, container):
    letters = AccountSasPermissions(read=True, write=True, delete=True, list=True, create=True)
    types = ResourceTypes(service=True, container=True, object=True)
    return {
        "account_name": "harbor", "sas_token": generate_account_sas("harbor", network.key(), types, letters, expiry()),
    }  # fmt: skip


def _container_sas(network, container, **letters):
    letters = letters or {"read": True, "write": True, "delete": True, "list": True, "create": True}
    sas = generate_container_sas(
        "harbor", container, network.key(), permission=ContainerSasPermissions(**letters), expiry=expiry()
    )
    return {"account_name": "harbor", "sas_token": sas}


def _client_secret(network, container, principal=CALLER):
    return {
        "account_name": "harbor", "tenant_id": TENANT, "client_id": principal.client_id,
        "client_secret": principal.secret,
    }  # fmt: skip


def _credential(network, container):
    return {"account_name": "harbor", "principal": [TENANT, CALLER.client_id, CALLER.secret]}


WAYS = {
    "account-key": _account_key, "connection-string": _connection_string, "account-sas": _account_sas,
    "container-sas": _container_sas, "client-secret": _client_secret, "credential": _credential,
}  # fmt: skip


def tour(network, container, options):
    return network.run("python", TOUR, container, data=json.dumps(options).encode())


@pytest.mark.parametrize("way", WAYS)
def test_a_tour(private_network, box, way):
    done = tour(private_network, box, WAYS[way](private_network, box))
    assert (done.returncode, done.stdout) == (0, b"done\n"), done.stderr.decode()[-4000:]


def test_refusals(private_network, box):
    for options in (
        _client_secret(private_network, box, NOBODY), _container_sas(private_network, box, read=True, list=True),
    ):  # fmt: skip
        done = tour(private_network, box, options)
        assert done.returncode != 0 and b"AuthorizationPermissionMismatch" in done.stderr, done.stderr.decode()[-4000:]
