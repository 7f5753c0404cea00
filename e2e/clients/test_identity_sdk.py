"""azure-storage-blob over TLS with every kind of credential, and what each of them may not do."""

import asyncio
import contextlib
import time
from datetime import datetime, timedelta, timezone

import pytest
import requests
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ServiceRequestError
from azure.storage.blob import (
    AccessPolicy, AccountSasPermissions, BlobClient, BlobSasPermissions, BlobServiceClient, ContainerClient,
    ContainerSasPermissions, ResourceTypes, generate_account_sas, generate_blob_sas, generate_container_sas,
)  # fmt: skip
from azure.storage.blob.aio import ContainerClient as AsyncContainerClient

from identity import OTHER_TENANT, ROLES, STRANGER, AsyncMintedCredential, MintedCredential, Principal
from issuer import STORAGE, TENANT
from payload import KIB, MIB, payload
from refusal import refused

READER, CONTRIBUTOR, OWNER, DELEGATOR = map(Principal, ROLES)
EVERYTHING = ContainerSasPermissions(
    read=True, add=True, create=True, write=True, delete=True, list=True, tag=True, filter_by_tags=True
)


def now():
    return datetime.now(timezone.utc)


def later(minutes=60):
    return now() + timedelta(minutes=minutes)


@pytest.fixture
def box(harbor, container_name):
    """A container made with the account's key."""
    container = harbor.service(harbor.keys()[0]).create_container(container_name)
    container.upload_blob("kept", b"kept", tags={"colour": "green"})
    return container


def options(harbor):
    """Bodies beyond 1 MiB go up in blocks."""
    return {**harbor.options, "max_single_put_size": MIB, "max_block_size": 4 * MIB}


# What each kind of credential is made into: a client of one container.


def _by_key(harbor, name):
    return ContainerClient(harbor.url(), name, credential=harbor.keys()[0], **options(harbor))


def _by_second_key(harbor, name):
    return ContainerClient(harbor.url(), name, credential=harbor.keys()[1], **options(harbor))


def _by_connection_string(harbor, name):
    return ContainerClient.from_connection_string(harbor.connection_string(harbor.keys()[0]), name, **options(harbor))


def _by_connection_string_with_sas(harbor, name):
    text = f"BlobEndpoint={harbor.url()};SharedAccessSignature={_account_sas(harbor)}"
    return ContainerClient.from_connection_string(text, name, **options(harbor))


def _account_sas(harbor, **changes):
    terms = {
        "permission": AccountSasPermissions(
            read=True, write=True, delete=True, list=True, add=True, create=True, tag=True, filter_by_tags=True
        ),
        "resource_types": ResourceTypes(service=True, container=True, object=True), "expiry": later(),
        "account_key": harbor.keys()[0], **changes,
    }  # fmt: skip
    return generate_account_sas("harbor", **terms)


def _by_account_sas(harbor, name):
    return ContainerClient(harbor.url(), name, credential=_account_sas(harbor), **options(harbor))


def _by_container_sas(harbor, name):
    sas = generate_container_sas("harbor", name, account_key=harbor.keys()[0], permission=EVERYTHING, expiry=later())
    return ContainerClient(harbor.url(), name, credential=sas, **options(harbor))


def _by_stored_policy(harbor, name):
    policy = AccessPolicy(EVERYTHING, expiry=later(), start=now() - timedelta(minutes=5))
    _by_key(harbor, name).set_container_access_policy({"all": policy})
    sas = generate_container_sas("harbor", name, account_key=harbor.keys()[0], policy_id="all")
    return ContainerClient(harbor.url(), name, credential=sas, **options(harbor))


def _delegation_key(harbor, principal):
    service = harbor.service(harbor.credential(principal))
    return service.get_user_delegation_key(now() - timedelta(minutes=5), later(24 * 60))


def _by_user_delegation_sas(harbor, name):
    sas = generate_container_sas(
        "harbor", name, user_delegation_key=_delegation_key(harbor, OWNER), permission=EVERYTHING, expiry=later()
    )
    return ContainerClient(harbor.url(), name, credential=sas, **options(harbor))


def _by_token(harbor, name):
    return ContainerClient(harbor.url(), name, credential=harbor.credential(OWNER), **options(harbor))


def _by_client_secret(harbor, name):
    return ContainerClient(harbor.url(), name, credential=harbor.client_secret(OWNER), **options(harbor))


KINDS = {
    "key": _by_key, "second-key": _by_second_key, "connection-string": _by_connection_string,
    "connection-string-sas": _by_connection_string_with_sas, "account-sas": _by_account_sas,
    "container-sas": _by_container_sas, "stored-policy": _by_stored_policy,
    "user-delegation-sas": _by_user_delegation_sas, "token": _by_token, "client-secret": _by_client_secret,
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_every_credential_does_everything(harbor, box, kind):
    container = KINDS[kind](harbor, box.container_name)
    small, large = payload(64 * KIB), payload(9 * MIB + 1)
    with container:
        container.upload_blob("dir/a b+c ü 漢 %25.txt", small, metadata={"a": "1"})
        blob = container.get_blob_client("large")
        blob.upload_blob(large, max_concurrency=3)
        assert container.download_blob("dir/a b+c ü 漢 %25.txt").readall() == small
        assert container.download_blob("large", max_concurrency=3).readall() == large
        assert container.download_blob("large", offset=MIB, length=77).readall() == large[MIB : MIB + 77]
        assert [item.name for item in container.list_blobs()] == ["dir/a b+c ü 漢 %25.txt", "kept", "large"]
        assert [getattr(item, "name") for item in container.walk_blobs()] == ["dir/", "kept", "large"]
        assert container.get_blob_client("kept").get_blob_tags() == {"colour": "green"}
        blob.set_blob_metadata({"b": "2"})
        assert blob.get_blob_properties().metadata == {"b": "2"}
        copied = container.get_blob_client("copied")
        assert copied.start_copy_from_url(blob.url)["copy_status"] == "success"
        container.delete_blobs("large", "copied")
        container.delete_blob("dir/a b+c ü 漢 %25.txt")
        assert [item.name for item in container.list_blobs()] == ["kept"]


@pytest.mark.parametrize("kind", ["key", "account-sas", "container-sas", "user-delegation-sas", "token"])
def test_asynchronous_client(harbor, box, kind):
    if kind == "token":
        credential = AsyncMintedCredential(harbor.issuer, OWNER, {})
    elif kind == "key":
        credential = harbor.keys()[0]
    else:
        credential = None
    url = harbor.url() if credential else KINDS[kind](harbor, box.container_name).url
    data = payload(5 * MIB + 3)

    async def flow():
        if credential:
            client = AsyncContainerClient(url, box.container_name, credential=credential, **options(harbor))
        else:
            client = AsyncContainerClient.from_container_url(url, **options(harbor))
        async with client as container:
            await container.upload_blob("x", data, max_concurrency=4)
            got = await (await container.download_blob("x", max_concurrency=4)).readall()
            names = [item.name async for item in container.list_blobs()]
            await container.delete_blob("x")
            return got == data, names

    assert asyncio.run(flow()) == (True, ["kept", "x"])


def test_a_blob_sas_is_for_one_blob(harbor, box):
    key = harbor.keys()[0]
    box.upload_blob("other", b"other")
    sas = generate_blob_sas(
        "harbor", box.container_name, "kept", account_key=key, permission=BlobSasPermissions(read=True), expiry=later()
    )
    kept = BlobClient(harbor.url(), box.container_name, "kept", credential=sas, **harbor.options)
    assert kept.download_blob().readall() == b"kept"
    with refused(403, "AuthorizationPermissionMismatch"):
        kept.upload_blob(b"no", overwrite=True)
    with refused(403, "AuthorizationPermissionMismatch"):
        kept.delete_blob()
    other = BlobClient(harbor.url(), box.container_name, "other", credential=sas, **harbor.options)
    with refused(403, "AuthenticationFailed", ClientAuthenticationError):
        other.download_blob()
    with refused(403, "AuthenticationFailed", ClientAuthenticationError):
        list(ContainerClient(harbor.url(), box.container_name, credential=sas, **harbor.options).list_blobs())


def test_response_headers_of_a_sas(harbor, box):
    sas = generate_blob_sas(
        "harbor", box.container_name, "kept", account_key=harbor.keys()[0], permission="r", expiry=later(),
        content_type="text/x-told", content_disposition='attachment; filename="a b.txt"', cache_control="no-store",
        content_language="de", content_encoding="identity",
    )  # fmt: skip
    answer = requests.get(
        f"{harbor.url()}/{box.container_name}/kept?{sas}", verify=str(harbor.authority.certificate), timeout=30
    )
    told = {name: answer.headers[name] for name in ("Content-Type", "Content-Disposition", "Cache-Control",
                                                    "Content-Language", "Content-Encoding")}  # fmt: skip
    assert (answer.status_code, answer.content) == (200, b"kept")
    assert told == {
        "Content-Type": "text/x-told", "Content-Disposition": 'attachment; filename="a b.txt"',
        "Cache-Control": "no-store", "Content-Language": "de", "Content-Encoding": "identity",
    }  # fmt: skip


def test_a_stored_policy_governs_its_signatures(harbor, box):
    sas = generate_container_sas("harbor", box.container_name, account_key=harbor.keys()[0], policy_id="p")
    held = ContainerClient(harbor.url(), box.container_name, credential=sas, **harbor.options)
    with refused(403, "AuthenticationFailed", ClientAuthenticationError):
        held.download_blob("kept")
    box.set_container_access_policy({"p": AccessPolicy(ContainerSasPermissions(read=True), expiry=later())})
    assert held.download_blob("kept").readall() == b"kept"
    with refused(403, "AuthorizationPermissionMismatch"):
        list(held.list_blobs())
    box.set_container_access_policy({"p": AccessPolicy(ContainerSasPermissions(list=True), expiry=later())})
    assert [item.name for item in held.list_blobs()] == ["kept"]
    with refused(403, "AuthorizationPermissionMismatch"):
        held.download_blob("kept")
    box.set_container_access_policy({"p": AccessPolicy(ContainerSasPermissions(list=True), expiry=later(-1))})
    with refused(403, "AuthenticationFailed", ClientAuthenticationError):
        list(held.list_blobs())
    box.set_container_access_policy({})
    with refused(403, "AuthenticationFailed", ClientAuthenticationError):
        list(held.list_blobs())


ACCOUNT_SAS_REFUSALS = {
    "expired": ({"expiry": later(-5)}, "AuthenticationFailed", "Signature not valid in the specified time frame"),
    "not-yet": ({"start": later(30)}, "AuthenticationFailed", "Signature not valid in the specified time frame"),
    "other-address": ({"ip": "203.0.113.1-203.0.113.9"}, "AuthorizationSourceIPMismatch", None),
    "no-list": ({"permission": AccountSasPermissions(read=True)}, "AuthorizationPermissionMismatch", None),
    "no-container": ({"resource_types": ResourceTypes(object=True)}, "AuthorizationResourceTypeMismatch", None),
    "wrong-key": ({"account_key": "bm90IHRoZSBrZXk="}, "AuthenticationFailed", "Signature did not match"),
}


@pytest.mark.parametrize("case", ACCOUNT_SAS_REFUSALS)
def test_refused_account_signatures(harbor, box, case):
    changes, code, detail = ACCOUNT_SAS_REFUSALS[case]
    container = ContainerClient(
        harbor.url(), box.container_name, credential=_account_sas(harbor, **changes), **harbor.options
    )
    with refused(403, code) as caught:
        list(container.list_blobs())
    if detail:
        assert detail in caught.value.response.text()


def test_a_signature_for_tls_alone(harbor, box):
    for protocol, status in (("https", 403), ("https,http", 200)):
        sas = generate_blob_sas(
            "harbor", box.container_name, "kept", account_key=harbor.keys()[0], permission="r", expiry=later(),
            protocol=protocol,
        )  # fmt: skip
        plain = requests.get(f"{harbor.node.blob_url}/harbor/{box.container_name}/kept?{sas}", timeout=30)
        assert plain.status_code == status
        if status == 403:
            assert plain.headers["x-ms-error-code"] == "AuthorizationProtocolMismatch"
        assert BlobClient.from_blob_url(f"{box.url}/kept?{sas}", **harbor.options).download_blob().readall() == b"kept"


def test_clients_without_the_authority_go_away(harbor, box):
    client = BlobServiceClient(harbor.url(), credential=harbor.keys()[0], retry_total=0)
    with pytest.raises(ServiceRequestError, match="(?i)certificate"):
        client.get_account_information()


# Tokens


def test_roles(harbor, box):
    as_reader = harbor.service(harbor.credential(READER)).get_container_client(box.container_name)
    as_writer = harbor.service(harbor.credential(CONTRIBUTOR)).get_container_client(box.container_name)
    as_owner = harbor.service(harbor.credential(OWNER)).get_container_client(box.container_name)
    as_delegator = harbor.service(harbor.credential(DELEGATOR)).get_container_client(box.container_name)
    as_stranger = harbor.service(harbor.credential(STRANGER)).get_container_client(box.container_name)

    assert as_reader.download_blob("kept").readall() == b"kept"
    assert [item.name for item in as_reader.list_blobs()] == ["kept"]
    for write in (
        lambda: as_reader.upload_blob("new", b"no"),
        lambda: as_reader.upload_blob("kept", b"no", overwrite=True),
        lambda: as_reader.delete_blob("kept"),
        lambda: as_reader.get_blob_client("kept").set_blob_metadata({"a": "1"}),
        lambda: as_reader.delete_container(),
        lambda: as_writer.get_container_access_policy(),
        lambda: as_delegator.download_blob("kept"),
        lambda: list(as_delegator.list_blobs()),
        lambda: as_stranger.download_blob("kept"),
        lambda: list(as_stranger.list_blobs()),
        lambda: as_stranger.upload_blob("new", b"no"),
    ):
        with refused(403, "AuthorizationPermissionMismatch"):
            write()
    as_writer.upload_blob("new", b"written")
    assert as_reader.download_blob("new").readall() == b"written"
    as_writer.delete_blob("new")
    as_owner.set_container_access_policy({"p": AccessPolicy(ContainerSasPermissions(read=True), expiry=later())})
    assert [each.id for each in as_owner.get_container_access_policy()["signed_identifiers"]] == ["p"]
    assert box.download_blob("kept").readall() == b"kept"


def test_roles_of_a_part_of_an_account(harbor, box):
    somebody = Principal(f"somebody-of-{box.container_name}")
    box.upload_blob("in/x", b"x")
    box.upload_blob("out/y", b"y")
    client = harbor.service(harbor.credential(somebody)).get_container_client(box.container_name)
    with refused(403, "AuthorizationPermissionMismatch"):
        client.download_blob("in/x")
    assignment = harbor.assign(somebody, "reader", "--container", box.container_name, "--prefix", "in/")
    assert client.download_blob("in/x").readall() == b"x"
    assert [item.name for item in client.list_blobs(name_starts_with="in/")] == ["in/x"]
    for refusal in (lambda: client.download_blob("out/y"), lambda: list(client.list_blobs())):
        with refused(403, "AuthorizationPermissionMismatch"):
            refusal()
    harbor.remove(assignment)
    with refused(403, "AuthorizationPermissionMismatch"):
        client.download_blob("in/x")
    assignment = harbor.assign(somebody, "contributor", "--container", box.container_name)
    client.upload_blob("out/z", b"z")
    assert [item.name for item in client.list_blobs()] == ["in/x", "kept", "out/y", "out/z"]
    harbor.remove(assignment)
    with refused(403, "AuthorizationPermissionMismatch"):
        list(client.list_blobs())


BAD_TOKENS = {
    "expired": {"exp": -7200, "nbf": -9000, "iat": -9000},
    "not-yet": {"nbf": 3600},
    "other-audience": {"audience": "https://vault.azure.net"},
    "other-account": {"audience": "https://quarry.blob.core.windows.net"},
    "other-tenant": {"tid": OTHER_TENANT},
    "other-issuer": {"iss": f"https://sts.windows.net/{OTHER_TENANT}/"},
}


@pytest.mark.parametrize("case", BAD_TOKENS)
def test_refused_tokens(harbor, box, case):
    credential = harbor.credential(OWNER, **BAD_TOKENS[case])
    client = harbor.service(credential).get_container_client(box.container_name)
    with refused(401, "InvalidAuthenticationInfo", ClientAuthenticationError) as caught:
        list(client.list_blobs())
    challenge = caught.value.response.headers["WWW-Authenticate"]
    assert challenge.startswith("Bearer ") and f"resource_id={STORAGE}" in challenge
    assert f"/{TENANT}/oauth2/authorize" in challenge
    # The client has followed the challenge: it asked again, for the tenant and the resource that it was told.
    assert len(credential.asked) == 2
    scopes, asked = credential.asked[1]
    assert scopes == (f"{STORAGE}/.default",) and asked.get("tenant_id") == TENANT


def test_no_credential(harbor, box):
    client = BlobServiceClient(harbor.url(), **harbor.options)
    with refused(401, "NoAuthenticationInformation", ClientAuthenticationError) as caught:
        list(client.list_containers())
    assert caught.value.response.headers["WWW-Authenticate"].startswith("Bearer ")
    with refused(409, "PublicAccessNotPermitted"):
        client.get_blob_client(box.container_name, "kept").download_blob()


def test_a_token_goes_over_tls_alone(harbor, box):
    url = f"/harbor/{box.container_name}/kept"
    headers = {
        "Authorization": f"Bearer {harbor.credential(OWNER).mint()}", "x-ms-version": "2023-11-03",
    }  # fmt: skip
    good = requests.get(harbor.node.tls_url + url, headers=headers, verify=str(harbor.authority.certificate), timeout=30)
    assert (good.status_code, good.content) == (200, b"kept")
    plain = requests.get(harbor.node.blob_url + url, headers=headers, timeout=30)
    assert (plain.status_code, plain.headers["x-ms-error-code"]) == (403, "AuthenticationFailed")


# User delegation


def test_user_delegation_signatures_have_the_rights_of_their_principal(harbor, box):
    somebody = Principal(f"delegating-in-{box.container_name}")
    with refused(403, "AuthorizationPermissionMismatch"):
        _delegation_key(harbor, somebody)
    delegating = harbor.assign(somebody, "delegator")
    key = _delegation_key(harbor, somebody)
    assert (key.signed_oid, key.signed_tid) == (somebody.object_id, TENANT)
    sas = generate_blob_sas(
        "harbor", box.container_name, "kept", user_delegation_key=key, permission="rw", expiry=later()
    )
    blob = BlobClient(harbor.url(), box.container_name, "kept", credential=sas, **harbor.options)
    with refused(403, "AuthorizationPermissionMismatch"):
        blob.download_blob()
    reading = harbor.assign(somebody, "reader", "--container", box.container_name)
    assert blob.download_blob().readall() == b"kept"
    with refused(403, "AuthorizationPermissionMismatch"):
        blob.upload_blob(b"no", overwrite=True)
    listing = ContainerClient(harbor.url(), box.container_name, credential=sas, **harbor.options)
    with refused(403, "AuthenticationFailed", ClientAuthenticationError):
        list(listing.list_blobs())
    harbor.remove(reading)
    with refused(403, "AuthorizationPermissionMismatch"):
        blob.download_blob()
    harbor.remove(delegating)


def test_user_delegation_keys_are_for_tokens_alone(harbor):
    service = harbor.service(harbor.keys()[0])
    with pytest.raises(HttpResponseError) as caught:
        service.get_user_delegation_key(now() - timedelta(minutes=5), later())
    assert caught.value.status_code == 403
    too_long = harbor.service(harbor.credential(OWNER))
    with pytest.raises(HttpResponseError) as caught:
        too_long.get_user_delegation_key(now(), now() + timedelta(days=8))
    assert caught.value.status_code == 400


# Changes of accounts: on accounts of their own, so that nothing else is disturbed.


@contextlib.contextmanager
def account_of_its_own(harbor, name):
    harbor.administer("account", "create", name)
    service = harbor.service(harbor.keys(name)[0], name)
    container = service.create_container("box")
    container.upload_blob("kept", b"kept")
    try:
        yield name
    finally:
        harbor.service(harbor.keys(name)[0], name).delete_container("box")
        harbor.administer("account", "delete", name)


def test_keys_rotate(harbor):
    with account_of_its_own(harbor, "rotating") as name:
        first, second = harbor.keys(name)

        def read(key):
            container = harbor.service(key, name).get_container_client("box")
            return container.download_blob("kept").readall()

        sas = generate_blob_sas(name, "box", "kept", account_key=first, permission="r", expiry=later())
        signed = BlobClient(harbor.url(name), "box", "kept", credential=sas, **harbor.options)
        assert read(first) == read(second) == signed.download_blob().readall() == b"kept"
        harbor.administer("account", "rotate-key", name, "1")
        for refusal in (lambda: read(first), signed.download_blob):
            with refused(403, "AuthenticationFailed", ClientAuthenticationError):
                refusal()
        assert read(second) == b"kept"
        renewed, same = harbor.keys(name)
        assert (renewed != first, same == second) == (True, True)
        assert read(renewed) == b"kept"


def test_delegation_keys_are_revoked(harbor):
    with account_of_its_own(harbor, "revoking") as name:
        harbor.assign(OWNER, "owner", account=name)
        service = harbor.service(harbor.credential(OWNER), name)

        def signed():
            key = service.get_user_delegation_key(now() - timedelta(minutes=5), later())
            sas = generate_blob_sas(name, "box", "kept", user_delegation_key=key, permission="r", expiry=later())
            return BlobClient(harbor.url(name), "box", "kept", credential=sas, **harbor.options)

        old = signed()
        assert old.download_blob().readall() == b"kept"
        harbor.administer("account", "revoke-delegation-keys", name)
        with refused(403, "AuthenticationFailed", ClientAuthenticationError):
            old.download_blob()
        assert signed().download_blob().readall() == b"kept"


def test_switches(harbor):
    with account_of_its_own(harbor, "switched") as name:
        key = harbor.keys(name)[0]
        harbor.assign(OWNER, "owner", account=name)
        sas = generate_blob_sas(name, "box", "kept", account_key=key, permission="r", expiry=later())
        by_key = harbor.service(key, name).get_blob_client("box", "kept")
        by_sas = BlobClient(harbor.url(name), "box", "kept", credential=sas, **harbor.options)
        by_token = harbor.service(harbor.credential(OWNER), name).get_blob_client("box", "kept")
        plain = f"{harbor.node.blob_url}/{name}/box/kept?{sas}"
        assert requests.get(plain, timeout=30).status_code == 200
        for flag, refusal in (("--sas", by_sas), ("--shared-key", by_key)):
            harbor.administer("account", "set", name, flag, "off")
            with refused(403, "KeyBasedAuthenticationNotPermitted"):
                refusal.download_blob()
            assert by_token.download_blob().readall() == b"kept"
            harbor.administer("account", "set", name, flag, "on")
            assert refusal.download_blob().readall() == b"kept"
        harbor.administer("account", "set", name, "--require-tls", "on")
        without = requests.get(plain, timeout=30)
        assert (without.status_code, without.headers["x-ms-error-code"]) == (400, "AccountRequiresHttps")
        assert by_sas.download_blob().readall() == b"kept"
        harbor.administer("account", "disable", name)
        with refused(403, "AccountIsDisabled"):
            by_token.download_blob()
        harbor.administer("account", "enable", name)
        assert by_token.download_blob().readall() == b"kept"


def test_keys_of_the_issuer_rotate_without_a_restart(harbor, box):
    def read(credential):
        client = harbor.service(credential).get_blob_client(box.container_name, "kept")
        return client.download_blob().readall()

    class Replayed(MintedCredential):
        token = harbor.credential(READER).mint()

        def mint(self):
            return self.token

    replayed = Replayed(harbor.issuer, READER, {})
    assert read(replayed) == b"kept"
    harbor.issuer.rotate(keep_old=False)
    # The node asks for unknown keys at most once in a while: until then a new token is refused.
    deadline = time.monotonic() + 60
    while True:
        try:
            assert read(harbor.credential(READER)) == b"kept"
            break
        except ClientAuthenticationError as refusal:
            assert refusal.status_code == 401
            assert time.monotonic() < deadline, "the node never took the issuer's new key"
            time.sleep(1)
    with refused(401, "InvalidAuthenticationInfo", ClientAuthenticationError):
        read(replayed)
