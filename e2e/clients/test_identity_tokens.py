"""Tokens of Entra ID and what is made with them: roles, refused tokens, user delegation."""

import time

import pytest
import requests
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError
from azure.storage.blob import (
    AccessPolicy, BlobClient, BlobServiceClient, ContainerClient, ContainerSasPermissions, generate_blob_sas,
)  # fmt: skip

from identity import (
    CONTRIBUTOR, DELEGATOR, OTHER_TENANT, OWNER, READER, STRANGER, MintedCredential, Principal, later,
)  # fmt: skip
from issuer import STORAGE, TENANT
from refusal import refused


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
    trusted = str(harbor.authority.certificate)
    good = requests.get(harbor.node.tls_url + url, headers=headers, verify=trusted, timeout=30)
    assert (good.status_code, good.content) == (200, b"kept")
    plain = requests.get(harbor.node.blob_url + url, headers=headers, timeout=30)
    assert (plain.status_code, plain.headers["x-ms-error-code"]) == (403, "AuthenticationFailed")


def test_user_delegation_signatures_have_the_rights_of_their_principal(harbor, box):
    somebody = Principal(f"delegating-in-{box.container_name}")
    with refused(403, "AuthorizationPermissionMismatch"):
        harbor.delegation_key(somebody)
    delegating = harbor.assign(somebody, "delegator")
    key = harbor.delegation_key(somebody)
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
        service.get_user_delegation_key(later(-5), later())
    assert caught.value.status_code == 403
    too_long = harbor.service(harbor.credential(OWNER))
    with pytest.raises(HttpResponseError) as caught:
        too_long.get_user_delegation_key(later(0), later(8 * 24 * 60))
    assert caught.value.status_code == 400


def test_signatures_for_one_user(harbor, box):
    """With `sduoid` a signature is good together with a token of that user alone, who needs no role."""
    sas = generate_blob_sas(
        "harbor", box.container_name, "kept", user_delegation_key=harbor.delegation_key(OWNER), permission="r",
        expiry=later(), user_delegation_oid=STRANGER.object_id,
    )  # fmt: skip

    def status(sas, principal=None):
        headers = {"x-ms-version": "2025-07-05"}
        if principal:
            headers["Authorization"] = f"Bearer {principal.mint(harbor.issuer)}"
        trusted = str(harbor.authority.certificate)
        return requests.get(f"{box.url}/kept?{sas}", headers=headers, verify=trusted, timeout=30).status_code

    assert [status(sas, who) for who in (STRANGER, None, READER, OWNER)] == [200, 403, 403, 403]
    # Without it the token decides and the signature is not looked at.
    plain = generate_blob_sas(
        "harbor", box.container_name, "kept", user_delegation_key=harbor.delegation_key(OWNER), permission="r",
        expiry=later(),
    )  # fmt: skip
    assert [status(plain, who) for who in (None, READER, STRANGER)] == [200, 200, 403]


def test_a_delegation_key_has_its_time(harbor, box):
    service = harbor.service(harbor.credential(OWNER))
    early = service.get_user_delegation_key(later(30), later(60))
    sas = generate_blob_sas(
        "harbor", box.container_name, "kept", user_delegation_key=early, permission="r", expiry=later(), start=later(-9)
    )
    with refused(403, "AuthenticationFailed", ClientAuthenticationError):
        BlobClient(harbor.url(), box.container_name, "kept", credential=sas, **harbor.options).download_blob()
    for start, expiry in ((later(-5), later(-1)), (later(5), later(1))):
        with pytest.raises(HttpResponseError) as caught:
            service.get_user_delegation_key(start, expiry)
        assert caught.value.status_code == 400


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
