"""PROXY protocol v2 in front of HTTP and of TLS: whose address counts, and who may not come without a header.

Source of the layout: the PROXY protocol specification, and Azure's private link TLV.
"""

import ipaddress
import json
import ssl
import struct
import time
from datetime import datetime, timedelta, timezone
from urllib.parse import urlsplit

import pytest
from azure.storage.blob import generate_blob_sas

from identity import Deployment
from wire import Account, Broken, Client, Connection, Hung, head_bytes, target_of

SIGNATURE = bytes.fromhex("0D0A0D0A000D0A515549540A")
CLIENT, FRONT = "192.0.2.10", "198.51.100.5"
LINK_ID = 0x12345678
NO_OP = b"\x04\x00\x03abc"


def link_tlv(link):
    return b"\xee" + struct.pack(">H", 5) + b"\x01" + struct.pack("<I", link)


def crc32c(data):
    """Castagnoli, reflected: RFC 3720, appendix B.4."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def header(source=CLIENT, target=FRONT, port=50000, tlvs=b"", command=0x21):
    source, target = ipaddress.ip_address(source), ipaddress.ip_address(target)
    family = 0x11 if source.version == 4 else 0x21
    body = source.packed + target.packed + struct.pack(">HH", port, 443) + tlvs
    return SIGNATURE + bytes([command, family]) + struct.pack(">H", len(body)) + body


def with_checksum(source=CLIENT):
    empty = header(source, tlvs=b"\x03\x00\x04" + bytes(4))
    return empty[:-4] + struct.pack(">I", crc32c(empty))


VECTOR = bytes.fromhex("0D0A0D0A000D0A515549540A21110014C000020AC6336405C35001BBEE00050178563412")


@pytest.fixture(scope="module")
def behind(authority, issuer, tmp_path_factory):
    """A node that only this machine's proxies may speak to, and the file of its audit lines."""
    audit = tmp_path_factory.mktemp("audit") / "audit.log"
    options = ("--proxy-protocol-from", "127.0.0.0/8", "--audit", str(audit))
    with Deployment(authority, issuer, *options) as deployment:
        deployment.audit = audit
        deployment.account = Account("harbor", deployment.keys()[0])
        with client(deployment, "http", header()) as first:
            target = first.target("box", restype="container")
            assert first.call("PUT", target).status == 201
            put = [("x-ms-blob-type", "BlockBlob")]
            assert first.call("PUT", first.target("box", "kept"), put, b"kept").status == 201
        yield deployment


def client(deployment, scheme, prefix):
    """A signing client whose connection begins with `prefix`; with https the handshake comes after it."""
    url = urlsplit(deployment.node.blob_url if scheme == "http" else deployment.node.tls_url)
    made = Client(url.hostname, url.port, deployment.account, timeout=20)
    made.connection.open()
    made.connection.send(prefix)
    if scheme == "https":
        context = ssl.create_default_context(cafile=str(deployment.authority.certificate))
        made.connection.socket = context.wrap_socket(made.connection.socket, server_hostname=url.hostname)
    return made


def audited(deployment, request_id):
    """The audit line of an answer; lines are written a little later than answers."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        for line in deployment.audit.read_text().splitlines():
            record = json.loads(line)
            if record["CorrelationId"] == request_id:
                return record
        time.sleep(0.05)
    raise AssertionError(f"no audit line for {request_id}")


HEADERS = {
    "address": (header(), f"{CLIENT}:50000", None),
    "vector": (VECTOR, f"{CLIENT}:50000", LINK_ID),
    "link": (header(tlvs=NO_OP + link_tlv(LINK_ID)), f"{CLIENT}:50000", LINK_ID),
    "largest-link": (header(tlvs=link_tlv(0xFFFFFFFF)), f"{CLIENT}:50000", 0xFFFFFFFF),
    "unknown-fields": (header(tlvs=b"\xe5\x00\x02hi" + NO_OP), f"{CLIENT}:50000", None),
    "checksum": (with_checksum(), f"{CLIENT}:50000", None),
    "version-6": (header("2001:db8::7", "2001:db8::1"), "[2001:db8::7]:50000", None),
    "local": (header(command=0x20), "127.0.0.1:", None),
}  # fmt: skip


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("case", HEADERS)
def test_the_address_of_the_header_counts(behind, scheme, case):
    prefix, address, link = HEADERS[case]
    with client(behind, scheme, prefix) as reader:
        # Two requests on one connection: the header is the connection's.
        for _ in range(2):
            answer = reader.call("GET", reader.target("box", "kept"))
            assert (answer.status, answer.body) == (200, b"kept")
            record = audited(behind, answer.get("x-ms-request-id"))
            if address.endswith(":"):
                assert record["CallerIpAddress"].startswith(address)
            else:
                assert record["CallerIpAddress"] == address
            assert record.get("PrivateLinkId") == link
            assert record["Protocol"] == scheme.upper()


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_addresses_of_a_signature(behind, scheme):
    for allowed, status in ((CLIENT, 200), ("192.0.2.1-192.0.2.20", 200), ("127.0.0.1", 403), ("192.0.2.11", 403)):
        sas = generate_blob_sas(
            "harbor", "box", "kept", account_key=behind.account.key, permission="r", ip=allowed,
            expiry=datetime.now(timezone.utc) + timedelta(hours=1),
        )  # fmt: skip
        with client(behind, scheme, header()) as reader:
            connection = reader.connection
            head = head_bytes("GET", target_of("harbor", "box", "kept") + "?" + sas, [("Host", connection.host)])
            answer = connection.exchange("GET", head)
        assert answer.status == status, allowed
        assert answer.code == (None if status == 200 else "AuthorizationSourceIPMismatch")


REFUSED = {
    "none": b"",
    "version-1": b"PROXY TCP4 192.0.2.10 198.51.100.5 50000 443\r\n",
    "wrong-signature": b"\r\n\r\n\x00\r\nQUIT\r" + header()[12:],
    "other-version": SIGNATURE + bytes([0x11, 0x11]) + header()[14:],
    "unknown-command": header(command=0x2F),
    "wrong-checksum": with_checksum()[:-1] + bytes([with_checksum()[-1] ^ 1]),
    "field-beyond-the-end": header(tlvs=b"\x04\x00\x09ab"),
    "too-short-for-its-family": SIGNATURE + bytes([0x21, 0x11, 0, 4]) + bytes(4),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_connections_without_a_header_are_closed(behind, case):
    url = urlsplit(behind.node.blob_url)
    request = head_bytes("GET", "/harbor/box/kept", [("Host", url.netloc)])
    with Connection(url.hostname, url.port, timeout=30) as connection:
        with pytest.raises(Broken):
            connection.send(REFUSED[case] + request)
            answer = connection.read("GET")
            pytest.fail(f"answered {answer.status} to a connection without a valid header")
    # Nobody else has noticed.
    with client(behind, "http", header()) as reader:
        assert reader.call("GET", reader.target("box", "kept")).status == 200


def test_a_header_may_come_in_pieces(behind):
    url = urlsplit(behind.node.blob_url)
    reader = Client(url.hostname, url.port, behind.account, timeout=20)
    with reader:
        reader.connection.open()
        for byte in header(tlvs=link_tlv(7)):
            reader.connection.send(bytes([byte]))
        answer = reader.call("GET", reader.target("box", "kept"))
        assert answer.status == 200
    assert audited(behind, answer.get("x-ms-request-id"))["PrivateLinkId"] == 7


def test_other_sources_are_closed(authority, issuer):
    """A header from an address that is none of the proxies' is worth nothing."""
    with Deployment(authority, issuer, "--proxy-protocol-from", "203.0.113.0/24") as deployment:
        deployment.account = Account("harbor", deployment.keys()[0])
        for scheme in ("http", "https"):
            with pytest.raises((Broken, Hung, OSError)):
                with client(deployment, scheme, header("203.0.113.5")) as reader:
                    reader.call("GET", reader.target("box", "kept"))
