"""TLS itself: versions, names, certificates that are renewed under open connections, and the admin port's own."""

import http.client
import os
import shutil
import signal
import ssl
import subprocess
import time

import pytest

import node as nodes
from identity import Deployment
from node import ACCOUNTS, Node

PAGE = "/healthz/ready"


def context(authority, **changes):
    made = ssl.create_default_context(cafile=str(authority.certificate))
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def connect(port, tls, name="localhost"):
    """An open connection to 127.0.0.1 for the server `name`."""
    connection = http.client.HTTPSConnection(name, port, context=tls, timeout=20)
    plain = connection._create_connection(("127.0.0.1", port), 20)
    connection.sock = tls.wrap_socket(plain, server_hostname=name)
    return connection


def ask(connection, path="/harbor?comp=list"):
    """The status of an anonymous request; 401 is the one of an account that is there."""
    connection.request("GET", path, headers={"x-ms-version": "2023-11-03"})
    answer = connection.getresponse()
    answer.read()
    return answer.status


def serial(connection):
    return connection.sock.getpeercert()["serialNumber"]


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_versions(harbor, authority):
    for version, name in ((ssl.TLSVersion.TLSv1_2, "TLSv1.2"), (ssl.TLSVersion.TLSv1_3, "TLSv1.3")):
        connection = connect(harbor.node.tls_port, context(authority, minimum_version=version, maximum_version=version))
        assert (connection.sock.version(), ask(connection)) == (name, 401)
    old = context(authority)
    # What this machine's OpenSSL would refuse by itself, it is to try.
    old.set_ciphers("ALL:@SECLEVEL=0")
    old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError, match="(?i)alert protocol version"):
        connect(harbor.node.tls_port, old)


def test_the_protocol_inside(harbor, authority):
    both = context(authority)
    both.set_alpn_protocols(["h2", "http/1.1"])
    connection = connect(harbor.node.tls_port, both)
    assert connection.sock.selected_alpn_protocol() == "http/1.1"
    assert ask(connection) == 401


def test_plain_http_to_the_tls_port(harbor):
    connection = http.client.HTTPConnection("127.0.0.1", harbor.node.tls_port, timeout=20)
    with pytest.raises((http.client.HTTPException, OSError)):
        ask(connection)


def test_names_have_certificates_of_their_own(authority, issuer):
    certificate, key = authority.issue("harbor.blob.example.test")
    with Deployment(authority, issuer, "--tls-certificate", str(certificate), "--tls-key", str(key)) as deployment:
        port = deployment.node.tls_port
        seen = {name: serial(connect(port, context(authority), name)) for name in
                ("localhost", "quarry.blob.localhost", "harbor.blob.example.test")}  # fmt: skip
        assert seen["localhost"] == seen["quarry.blob.localhost"] != seen["harbor.blob.example.test"]
        # The first certificate is the one for unknown names.
        with pytest.raises(ssl.SSLCertVerificationError):
            connect(port, context(authority), "unknown.example.test")


def test_a_minimum(authority, issuer):
    with Deployment(authority, issuer, "--tls-minimum", "1.3") as deployment:
        port = deployment.node.tls_port
        with pytest.raises(ssl.SSLError):
            connect(port, context(authority, maximum_version=ssl.TLSVersion.TLSv1_2))
        assert ask(connect(port, context(authority))) == 401


def test_renewal_under_an_open_connection(authority, tmp_path):
    """SIGHUP takes the new files; who is connected stays so. Files that do not fit together change nothing."""
    paths = [tmp_path / "server.pem", tmp_path / "server.key"]

    def install(*sources):
        for source, path in zip(sources, paths):
            shutil.copy(source, path.with_suffix(".new"))
            os.replace(path.with_suffix(".new"), path)

    first = authority.issue("localhost", "first.example.test")
    install(*first)
    options = ["--tls-certificate", str(paths[0]), "--tls-key", str(paths[1])]
    with Node(dev=False, accounts=ACCOUNTS, tls_listen="127.0.0.1:0", options=options) as node:
        port, trusted = node.tls_port, context(authority)
        kept = connect(port, trusted)
        before = serial(kept)
        assert ask(kept) == 401

        stray = authority.issue("stray.example.test")
        install(first[0], stray[1])
        os.kill(node.pid, signal.SIGHUP)
        wait(lambda: b"certificates not changed" in node.log_files[1].read_bytes())
        assert serial(connect(port, trusted)) == before

        install(*authority.issue("localhost", "second.example.test"))
        os.kill(node.pid, signal.SIGHUP)
        wait(lambda: serial(connect(port, trusted)) != before)
        assert ask(kept) == 401
        assert node.alive


def wait(condition, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


def test_the_admin_port_with_client_certificates(authority):
    certificate, key = authority.issue("127.0.0.1")
    shown = authority.issue("client.example.test")
    options = [
        "--admin-tls-certificate", str(certificate), "--admin-tls-key", str(key),
        "--admin-client-ca", str(authority.certificate),
    ]  # fmt: skip
    with Node(options=options) as node:
        assert node.admin_url.startswith("https://")
        port = int(node.admin_authority.rsplit(":", 1)[1])
        with_certificate = context(authority)
        with_certificate.load_cert_chain(*shown)
        connection = connect(port, with_certificate, "127.0.0.1")
        # Who has shown a certificate needs no token.
        assert (ask(connection, PAGE), ask(connection, "/accounts")) == (200, 200)
        # With TLS 1.3 the refusal comes after the handshake.
        with pytest.raises((OSError, http.client.HTTPException)):
            ask(connect(port, context(authority), "127.0.0.1"), PAGE)


def test_cert_dev(tmp_path):
    """The node's own certificates, as OpenSSL sees them; run again, the authority stays and the server's is new."""
    folder = tmp_path / "tls"

    def make(*names):
        done = subprocess.run([nodes.binary(), "cert", "dev", "--out", folder, *names], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return {name: (folder / name).read_bytes() for name in ("ca.pem", "ca.key", "server.pem", "server.key")}

    first, second = make(), make("--name", "harbor.blob.core.windows.net")
    assert [first[name] == second[name] for name in first] == [True, True, False, False]
    assert {(folder / name).stat().st_mode & 0o777 for name in ("ca.key", "server.key")} == {0o600}
    verified = subprocess.run(
        ["openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", folder / "ca.pem",
         "-verify_hostname", "harbor.blob.core.windows.net", folder / "server.pem"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert verified.returncode == 0, verified.stderr + verified.stdout
