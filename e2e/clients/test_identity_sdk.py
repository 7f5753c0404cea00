"""azure-storage-blob over TLS with every kind of credential, and what signatures may not do."""

import asyncio

import pytest
import requests
from azure.core.exceptions import ClientAuthenticationError, ServiceRequestError
from azure.storage.blob import (
    AccessPolicy, AccountSasPermissions, BlobClient, BlobSasPermissions, BlobServiceClient, ContainerClient,
    ContainerSasPermissions, ResourceTypes, generate_account_sas, generate_blob_sas, generate_container_sas,
)  # fmt: skip
from azure.storage.blob.aio import ContainerClient as AsyncContainerClient

from identity import OWNER, AsyncMintedCredential, later
from payload import KIB, MIB, payload
from refusal import refused

EVERYTHING = ContainerSasPermissions(
    read=True, add=True, create=True, write=True, delete=True, list=True, tag=True, filter_by_tags=True
)


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
    policy = AccessPolicy(EVERYTHING, expiry=later(), start=later(-5))
    _by_key(harbor, name).set_container_access_policy({"all": policy})
    sas = generate_container_sas("harbor", name, account_key=harbor.keys()[0], policy_id="all")
    return ContainerClient(harbor.url(), name, credential=sas, **options(harbor))


def _by_user_delegation_sas(harbor, name):
    sas = generate_container_sas(
        "harbor", name, user_delegation_key=harbor.delegation_key(OWNER), permission=EVERYTHING, expiry=later()
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


def test_tags_need_a_letter_of_their_own(harbor, box):
    for letters, name in (("cw", "untagged"), ("cwt", "tagged")):
        sas = generate_blob_sas(
            "harbor", box.container_name, name, account_key=harbor.keys()[0], permission=letters, expiry=later()
        )
        blob = BlobClient(harbor.url(), box.container_name, name, credential=sas, **harbor.options)
        blob.upload_blob(b"1")
        if "t" in letters:
            blob.upload_blob(b"2", overwrite=True, tags={"colour": "red"})
            assert blob.get_blob_tags() == {"colour": "red"}
            continue
        for refusal in (lambda: blob.upload_blob(b"2", overwrite=True, tags={"colour": "red"}), blob.get_blob_tags,
                        lambda: blob.set_blob_tags({"colour": "red"})):  # fmt: skip
            with refused(403, "AuthorizationPermissionMismatch"):
                refusal()


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
