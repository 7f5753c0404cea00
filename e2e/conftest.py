"""Nodes and containers for every end-to-end suite. A node is shared by a session; a container belongs to one test."""

import os
import socket
import uuid

import pytest

import node as nodes
from identity import ROLES, Deployment, Principal
from island import Unavailable
from issuer import Issuer
from node import ACCOUNTS, DEV_KEY, DOMAIN, Node
from private_network import PrivateNetwork
from tls import PrivateAuthority
from wire import free_port

# What a client under test could take from the environment instead of from the test.
for name in list(os.environ):
    if name.startswith(("AZURE_", "RCLONE_", "AZCOPY_", "SSL_CERT_")) or name.lower() in (
        "http_proxy", "https_proxy", "all_proxy", "requests_ca_bundle", "curl_ca_bundle",
    ):  # fmt: skip
        del os.environ[name]


def pytest_collection_finish(session):
    """Without a binary every test would fail with the same sentence: say it once."""
    if session.items and not session.config.option.collectonly:
        try:
            nodes.binary()
        except nodes.NodeError as missing:
            pytest.exit(str(missing), returncode=3)


@pytest.fixture(scope="session")
def node():
    """A node with the development account on a port of its own. Public access is off, as it is by default."""
    try:
        started = Node().start()
    except nodes.NodeError as failure:
        # Nearly every test needs this node: without it one message is worth more than hundreds.
        pytest.exit(str(failure), returncode=3)
    yield started
    started.close()


@pytest.fixture(scope="session")
def emulator():
    """A node where Azure's emulator would be, for clients that know only `UseDevelopmentStorage=true`."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", 10000))
        except OSError as taken:
            pytest.fail(f"127.0.0.1:10000 is needed by clients of the emulator address: {taken}")
    with Node(listen="127.0.0.1:10000") as started:
        yield started


@pytest.fixture(scope="session")
def public_node():
    """A node that permits public containers."""
    with Node(options=["--allow-public-access"]) as started:
        yield started


@pytest.fixture(scope="session")
def accounts_node():
    """A node with the accounts of ACCOUNTS, also reachable as `ACCOUNT.blob.example.test`."""
    with Node(dev=False, accounts=ACCOUNTS, options=["--domain", DOMAIN]) as started:
        yield started


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    """What signs the certificates of nodes and issuers here."""
    return PrivateAuthority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def issuer(authority):
    """A stand-in for Entra ID."""
    certificate, key = authority.issue("127.0.0.1", "localhost")
    with Issuer(certificate=certificate, private_key=key) as started:
        yield started


@pytest.fixture(scope="session")
def harbor(authority, issuer):
    """A node with TLS and the account `harbor`, in which one principal for each role has just that role."""
    with Deployment(authority, issuer) as deployment:
        for role in ROLES:
            deployment.assign(Principal(role), role)
        yield deployment


@pytest.fixture
def box(harbor, container_name):
    """A container in the account `harbor`, made with its key, with one blob."""
    container = harbor.service(harbor.keys()[0]).create_container(container_name)
    container.upload_blob("kept", b"kept", tags={"colour": "green"})
    return container


@pytest.fixture(scope="session")
def private_network(tmp_path_factory):
    """Where `harbor.blob.core.windows.net` is a node: what docs/operations/private-dns.md makes."""
    try:
        network = PrivateNetwork(tmp_path_factory.mktemp("private-network"))
    except Unavailable as reason:
        pytest.skip(f"no namespaces of one's own here: {reason}")
    with network:
        yield network


@pytest.fixture
def own_node():
    """A node for one test alone: the test may kill it or change what is shared by an account.

    Its port is one that no client's outgoing connection can take while the node is down.
    """
    with Node(listen=f"127.0.0.1:{free_port()}") as started:
        yield started


@pytest.fixture
def container_name():
    return f"test-{uuid.uuid4().hex[:16]}"


@pytest.fixture(scope="session")
def service(node):
    """The synchronous Azure client on the shared node. It does not retry: a hidden 500 would pass for a success."""
    from azure.storage.blob import BlobServiceClient

    with BlobServiceClient(node.account_url, credential=DEV_KEY, retry_total=0) as client:
        yield client


@pytest.fixture
def container(service, container_name):
    """A fresh, empty container on the shared node."""
    client = service.get_container_client(container_name)
    client.create_container()
    return client


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.failed:
        for each in nodes.running:
            report.sections.append((f"node {each.authority} (data {each.data})", each.log_tail()))

