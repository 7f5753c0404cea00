"""Accounts by host name, `ACCOUNT.blob.example.test`, beside path style on the same listener."""

import socket

import pytest
from azure.storage.blob import BlobServiceClient

import by_hand
from node import ACCOUNTS, DOMAIN


@pytest.fixture
def resolved(monkeypatch):
    """Names under the test domain lead to this machine, for this process."""
    genuine = socket.getaddrinfo

    def getaddrinfo(host, *arguments, **options):
        if isinstance(host, str) and host.endswith(DOMAIN):
            host = "127.0.0.1"
        return genuine(host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


def clients(node, account):
    credential = {"account_name": account, "account_key": ACCOUNTS[account][0]}
    by_host = BlobServiceClient(f"http://{account}.{DOMAIN}:{node.port}", credential=credential, retry_total=0)
    by_path = BlobServiceClient(f"{node.blob_url}/{account}", credential=credential, retry_total=0)
    return by_host, by_path


@pytest.mark.parametrize("account", ACCOUNTS)
def test_both_styles_are_one_account(accounts_node, resolved, account, container_name):
    by_host, by_path = clients(accounts_node, account)
    container = by_host.create_container(container_name)
    name = "dir/a b+c %ü.txt"
    written = container.upload_blob(name, account.encode(), metadata={"a": "1"}).get_blob_properties()
    other = by_path.get_container_client(container_name)
    assert other.download_blob(name).readall() == account.encode()
    assert other.get_blob_client(name).get_blob_properties().etag == written.etag
    assert [item.name for item in container.list_blobs()] == [item.name for item in other.list_blobs()] == [name]
    assert container_name in [item.name for item in by_host.list_containers()]
    parts = container.delete_blobs(name)
    assert [part.status_code for part in parts] == [202]
    assert by_host.get_account_information()["account_kind"] == "StorageV2"
    container.delete_container()
    assert not other.exists()


def test_copy_by_host(accounts_node, resolved, container_name):
    by_host, _ = clients(accounts_node, "harbor")
    container = by_host.create_container(container_name)
    source = container.upload_blob("from/a b", b"copied")
    target = container.get_blob_client("to")
    assert target.start_copy_from_url(source.url)["copy_status"] == "success"
    assert target.download_blob().readall() == b"copied"


def test_service_addresses_in_listings(accounts_node, resolved, container_name):
    by_host, by_path = clients(accounts_node, "harbor")
    by_host.create_container(container_name)
    for service in (by_host, by_path):
        pages = service.list_containers(name_starts_with=container_name).by_page()
        next(pages)
        assert pages.service_endpoint.rstrip("/") == service.url.rstrip("/")


def test_unknown_accounts(accounts_node, resolved, container_name):
    for target, host in ((f"/nobody/{container_name}?restype=container", None),
                         (f"/{container_name}?restype=container", f"nobody.{DOMAIN}:{accounts_node.port}")):  # fmt: skip
        answer = by_hand.send(
            accounts_node, "GET", target, account="nobody", key=ACCOUNTS["harbor"][0], host=host
        )
        assert 400 <= answer.status < 500
        assert answer.code
