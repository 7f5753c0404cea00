"""Signatures that azure-storage-blob makes, over many combinations of their fields, replayed against the node."""

import random
from datetime import datetime, timedelta, timezone
from urllib.parse import quote

import pytest
import requests
from azure.storage.blob import (
    AccessPolicy, AccountSasPermissions, BlobSasPermissions, ContainerSasPermissions, ResourceTypes, Services,
    generate_account_sas, generate_blob_sas, generate_container_sas,
)  # fmt: skip
from azure.storage.blob._shared_access_signature import BlobSharedAccessSignature

from identity import Principal

NAMES = ["plain", "dir/a b+c.txt", "ü/漢字 🚀", "100%25 & more=?#;,'()", "trailing/"]
HERE, ELSEWHERE = ["127.0.0.1", "127.0.0.0-127.0.0.9"], ["203.0.113.7", "10.0.0.1-10.0.0.9"]
VERSIONS = [
    "2020-12-06", "2021-06-08", "2021-12-02", "2022-11-02", "2023-11-03", "2024-05-04", "2025-07-05", "2026-02-06",
]  # fmt: skip
POLICIES = {
    "whole": AccessPolicy("racwdlt", expiry="2100-01-01T00:00:00Z", start="2020-01-01T00:00:00Z"),
    "p/ü 1": AccessPolicy("r", expiry="2100-01-01T00:00:00Z"),
}
COUNT = 120
MISMATCH = "Signature did not match"


@pytest.fixture(scope="module")
def place(harbor):
    """A container with every name in it, its policies, an open connection, and a user delegation key."""
    key = harbor.keys()[0]
    container = harbor.service(key).create_container("vectors")
    for name in NAMES:
        container.upload_blob(name, b"" if name.endswith("/") else name.encode(), tags={"colour": "green"})
    container.set_container_access_policy(POLICIES)
    now = datetime.now(timezone.utc)
    delegated = harbor.service(harbor.credential(Principal("owner"))).get_user_delegation_key(
        now - timedelta(minutes=5), now + timedelta(days=1)
    )
    with requests.Session() as session:
        session.verify = str(harbor.authority.certificate)
        yield harbor, session, key, delegated
    container.delete_container()


def _times(chance):
    """An expiry and perhaps a start, in the forms that the SDK takes."""
    ahead = datetime.now(timezone.utc) + timedelta(hours=chance.randrange(1, 20))
    behind = datetime.now(timezone.utc) - timedelta(minutes=chance.randrange(1, 300))
    expiry = chance.choice([
        ahead, ahead.strftime("%Y-%m-%dT%H:%M:%SZ"), ahead.strftime("%Y-%m-%dT%H:%MZ"),
        ahead.strftime("%Y-%m-%dT%H:%M:%S.1234567Z"),
    ])  # fmt: skip
    start = chance.choice([
        None, behind, behind.strftime("%Y-%m-%d"), behind.strftime("%Y-%m-%dT%H:%MZ"),
    ])  # fmt: skip
    return expiry, start


def _terms(chance):
    """Fields that every form has, and whether this machine may use the signature over TLS."""
    expiry, start = _times(chance)
    ip = chance.choice([None, None, *HERE, *ELSEWHERE])
    return {
        "expiry": expiry, "start": start, "ip": ip, "protocol": chance.choice([None, "https", "https,http"]),
    }, ip not in ELSEWHERE  # fmt: skip


def _overrides(chance):
    values = {
        "cache_control": "no-cache, max-age=1", "content_disposition": 'attachment; filename="a b+c%20.txt"',
        "content_encoding": "identity", "content_language": "de-DE", "content_type": "text/plain; charset=utf-8",
    }  # fmt: skip
    return {name: value for name, value in values.items() if chance.random() < 0.4}


HEADERS = {
    "cache_control": "Cache-Control", "content_disposition": "Content-Disposition",
    "content_encoding": "Content-Encoding", "content_language": "Content-Language", "content_type": "Content-Type",
}  # fmt: skip


def _replay(place, name, sas, allowed, overrides=(), extra="", headers=None, method="GET"):
    """One request with the signature. `allowed` is False for a signature that is right and for other addresses."""
    harbor, session, _, _ = place
    url = f"{harbor.url()}/vectors" + (f"/{quote(name)}" if name else "") + f"?{extra}{sas}"
    answer = session.request(method, url, headers={"x-ms-version": "2025-07-05", **(headers or {})}, timeout=30)
    told = (answer.status_code, answer.headers.get("x-ms-error-code"))
    assert MISMATCH not in answer.text, f"{name} {sas}\n{answer.text}"
    assert told == ((200, None) if allowed else (403, "AuthorizationSourceIPMismatch")), f"{sas}\n{answer.text}"
    if allowed:
        for field in overrides:
            assert answer.headers[HEADERS[field]] == overrides[field]
    return answer


def _versioned(account, version, **signer):
    maker = BlobSharedAccessSignature(account, **signer)
    maker.x_ms_version = version
    return maker


def test_blob_signatures(place):
    _, _, key, delegated = place
    allowed_seen = set()
    for seed in range(COUNT):
        chance = random.Random(f"blob {seed}")
        name = chance.choice(NAMES)
        terms, allowed = _terms(chance)
        overrides = _overrides(chance)
        letters = BlobSasPermissions(read=True, **{
            each: chance.random() < 0.4
            for each in ("add", "create", "write", "delete", "delete_previous_version", "tag", "move", "execute")
        })  # fmt: skip
        if chance.random() < 0.5:
            agents = chance.choice([{}, {"correlation_id": "5d1e6d5e-6a35-4b1a-8a2f-0c0a4f6f4a11"}])
            sas = generate_blob_sas(
                "harbor", "vectors", name, user_delegation_key=delegated, permission=letters, **terms, **overrides,
                **agents,
            )  # fmt: skip
        elif chance.random() < 0.3:
            policy = {"policy_id": chance.choice(list(POLICIES))}
            kept = {field: terms[field] for field in ("ip", "protocol")}
            sas = generate_blob_sas("harbor", "vectors", name, account_key=key, **kept, **policy, **overrides)
        else:
            maker = _versioned("harbor", chance.choice(VERSIONS), account_key=key)
            sas = maker.generate_blob("vectors", name, permission=letters, **terms, **overrides)
        _replay(place, name, sas, allowed, overrides, method=chance.choice(["GET", "HEAD"]) if allowed else "GET")
        allowed_seen.add(allowed)
    assert allowed_seen == {True, False}


def test_container_signatures(place):
    _, _, key, delegated = place
    for seed in range(COUNT):
        chance = random.Random(f"container {seed}")
        terms, allowed = _terms(chance)
        overrides = _overrides(chance)
        letters = ContainerSasPermissions(read=True, list=True, **{
            each: chance.random() < 0.4
            for each in ("add", "create", "write", "delete", "delete_previous_version", "tag", "filter_by_tags",
                         "move", "execute")
        })  # fmt: skip
        if chance.random() < 0.5:
            sas = generate_container_sas(
                "harbor", "vectors", user_delegation_key=delegated, permission=letters, **terms, **overrides
            )
        elif chance.random() < 0.3:
            kept = {field: terms[field] for field in ("ip", "protocol")}
            sas = generate_container_sas("harbor", "vectors", account_key=key, policy_id="whole", **kept, **overrides)
        else:
            maker = _versioned("harbor", chance.choice(VERSIONS), account_key=key)
            sas = maker.generate_container("vectors", permission=letters, **terms, **overrides)
        if chance.random() < 0.5:
            listed = _replay(place, None, sas, allowed, extra="restype=container&comp=list&")
            assert ("<Name>plain</Name>" in listed.text) == allowed
        else:
            _replay(place, chance.choice(NAMES), sas, allowed, overrides)


def test_account_signatures(place):
    _, _, key, _ = place
    for seed in range(COUNT):
        chance = random.Random(f"account {seed}")
        terms, allowed = _terms(chance)
        letters = AccountSasPermissions(read=True, list=True, **{
            each: chance.random() < 0.4
            for each in ("write", "delete", "delete_previous_version", "add", "create", "update", "process", "tag",
                         "filter_by_tags")
        })  # fmt: skip
        services = Services(blob=True, queue=chance.random() < 0.3, fileshare=chance.random() < 0.3)
        types = ResourceTypes(service=chance.random() < 0.5, container=True, object=True)
        sas = generate_account_sas(
            "harbor", account_key=key, resource_types=types, permission=letters, services=services, **terms
        )
        if chance.random() < 0.5:
            _replay(place, None, sas, allowed, extra="restype=container&comp=list&")
        else:
            _replay(place, chance.choice(NAMES), sas, allowed)


def test_signatures_over_parts_of_the_request(place):
    """`srh` and `srq`: headers and parameters that must be sent as signed."""
    _, _, _, delegated = place
    expiry = datetime.now(timezone.utc) + timedelta(hours=1)
    for headers in ({}, {"x-ms-client-request-id": "one two"}, {"X-Custom-A": "1", "x-ms-client-request-id": "b"}):
        for parameters in ({}, {"timeout": "30"}, {"timeout": "30", "extra": "a b"}):
            sas = generate_blob_sas(
                "harbor", "vectors", "plain", user_delegation_key=delegated, permission="r", expiry=expiry,
                request_headers=headers, request_query_params=parameters,
            )  # fmt: skip
            extra = "".join(f"{name}={quote(value)}&" for name, value in parameters.items())
            _replay(place, "plain", sas, True, extra=extra, headers=headers)
            for name in headers:
                _refuse(place, sas, extra, {**headers, name: "changed"})
            for name in parameters:
                _refuse(place, sas, extra.replace(f"{name}=", f"{name}=9"), headers)


def _refuse(place, sas, extra, headers):
    harbor, session, _, _ = place
    answer = session.get(f"{harbor.url()}/vectors/plain?{extra}{sas}", headers=headers, timeout=30)
    assert (answer.status_code, answer.headers["x-ms-error-code"]) == (403, "AuthenticationFailed"), answer.text
    assert MISMATCH in answer.text


@pytest.mark.parametrize("signer", ["account_key", "user_delegation_key"])
@pytest.mark.parametrize("kind", [
    {"snapshot": "2026-01-02T03:04:05.1234567Z"}, {"version_id": "2026-01-02T03:04:05.1234567Z"},
])  # fmt: skip
def test_snapshots_and_versions(place, signer, kind):
    """There are none here: the signature is right, and then the blob is not found."""
    harbor, session, key, delegated = place
    sas = generate_blob_sas(
        "harbor", "vectors", "plain", permission="r", expiry=datetime.now(timezone.utc) + timedelta(hours=1),
        **{signer: key if signer == "account_key" else delegated}, **kind,
    )  # fmt: skip
    name, value = ("snapshot", kind["snapshot"]) if "snapshot" in kind else ("versionid", kind["version_id"])
    for stamp, status, code in ((value, 404, "BlobNotFound"), (value.replace("05", "06"), 403, "AuthenticationFailed")):
        answer = session.get(f"{harbor.url()}/vectors/plain?{name}={quote(stamp)}&{sas}", timeout=30)
        assert (answer.status_code, answer.headers["x-ms-error-code"]) == (status, code), answer.text


def test_fields_that_are_out_of_range(place):
    """Right signatures for what is not offered are refused in words that name the field."""
    harbor, session, key, _ = place
    expiry = datetime.now(timezone.utc) + timedelta(hours=1)
    for changes, field in (({"encryption_scope": "s"}, "ses"), ({"is_directory": True}, "sr=d")):
        sas = generate_blob_sas(
            "harbor", "vectors", "plain", account_key=key, permission="r", expiry=expiry, **changes
        )
        answer = session.get(f"{harbor.url()}/vectors/plain?{sas}", timeout=30)
        assert (answer.status_code, answer.headers["x-ms-error-code"]) == (403, "AuthenticationFailed")
        assert field in answer.text and MISMATCH not in answer.text


def test_every_signed_field_counts(place):
    """Changing any one field of a right signature makes it wrong."""
    harbor, session, key, delegated = place
    expiry = datetime.now(timezone.utc) + timedelta(hours=1)
    terms = {
        "permission": "r", "expiry": expiry, "start": expiry - timedelta(hours=2), "ip": HERE[1], "protocol": "https",
        "content_type": "text/css", "cache_control": "a", "content_disposition": "b", "content_language": "de",
        "content_encoding": "identity",
    }  # fmt: skip
    changes = {
        "sp": "rw", "se": "2099-01-01T00:00:00Z", "st": "2020-01-01T00:00:00Z", "sip": "127.0.0.0-127.0.0.8",
        "spr": "https,http", "sv": "2023-11-03", "sr": "c", "rsct": "text/js", "rscc": "c", "rscd": "c", "rscl": "en",
        "rsce": "br", "skoid": "5d1e6d5e-6a35-4b1a-8a2f-0c0a4f6f4a11", "sktid": "5d1e6d5e-6a35-4b1a-8a2f-0c0a4f6f4a11",
        "skt": "2020-01-01T00:00:00Z", "ske": "2099-01-01T00:00:00Z", "sks": "f", "skv": "2020-02-10",
        "sig": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    }  # fmt: skip
    for signer in ({"account_key": key}, {"user_delegation_key": delegated}):
        sas = generate_blob_sas("harbor", "vectors", "plain", **signer, **terms)
        _replay(place, "plain", sas, True)
        fields = dict(part.split("=", 1) for part in sas.split("&"))
        for name in fields:
            changed = "&".join(f"{n}={quote(changes[n], safe='') if n == name else v}" for n, v in fields.items())
            answer = session.get(f"{harbor.url()}/vectors/plain?{changed}", timeout=30)
            assert (answer.status_code, answer.headers["x-ms-error-code"]) == (403, "AuthenticationFailed"), changed
