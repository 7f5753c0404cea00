"""azure-storage-blob: refusals as the client's own classes, and what is out of scope refused rather than pretended."""

import uuid

import pytest
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ResourceNotFoundError
from azure.storage.blob import BlobServiceClient, BlobType, ImmutabilityPolicy

import by_hand
from node import ACCOUNTS, DEV_ACCOUNT, DEV_KEY
from refusal import refused


def test_missing_things(service, container):
    blob = container.get_blob_client("missing")
    for act in (
        blob.download_blob,
        blob.get_blob_properties,
        blob.delete_blob,
        lambda: blob.set_blob_metadata({"a": "1"}),
        blob.set_http_headers,
        blob.get_blob_tags,
        lambda: blob.set_standard_blob_tier("Cool"),
        lambda: blob.acquire_lease(15),
    ):
        with refused(404, "BlobNotFound", ResourceNotFoundError):
            act()
    with refused(404, "ContainerNotFound", ResourceNotFoundError):
        service.get_blob_client("no-such-container", "b").upload_blob(b"x")


def test_errors_carry_an_xml_body_and_head_carries_none(node, container):
    path = f"/{DEV_ACCOUNT}/{container.container_name}/missing"
    told = by_hand.send(node, "GET", path, account=DEV_ACCOUNT, key=DEV_KEY)
    assert (told.status, told.code) == (404, "BlobNotFound")
    assert told.headers["content-type"].startswith("application/xml")
    assert told.headers["x-ms-request-id"] in told.xml.findtext("Message")
    head = by_hand.send(node, "HEAD", path, account=DEV_ACCOUNT, key=DEV_KEY)
    assert (head.status, head.headers["x-ms-error-code"], head.body) == (404, "BlobNotFound", b"")
    assert "transfer-encoding" not in head.headers


def test_wrong_key(node, container):
    stranger = BlobServiceClient(node.account_url, credential="A" * 86 + "==", retry_total=0)
    blob = stranger.get_blob_client(container.container_name, "b")
    for act in (lambda: blob.upload_blob(b"x"), blob.download_blob, blob.delete_blob, blob.get_blob_properties):
        with refused(403, "AuthenticationFailed", ClientAuthenticationError):
            act()
    assert list(container.list_blobs()) == []


def test_a_skewed_clock_is_refused(node, container):
    path = f"/{DEV_ACCOUNT}/{container.container_name}?restype=container"
    answer = by_hand.send(
        node, "GET", path, account=DEV_ACCOUNT, key=DEV_KEY, headers={"x-ms-date": "Mon, 05 Jan 2015 10:00:00 GMT"}
    )
    assert (answer.status, answer.code) == (403, "AuthenticationFailed")


def test_either_key_of_an_account_and_no_other(accounts_node, container_name):
    first, second = ACCOUNTS["harbor"]
    url = f"{accounts_node.blob_url}/harbor"
    with_first = BlobServiceClient(url, credential={"account_name": "harbor", "account_key": first}, retry_total=0)
    with_second = BlobServiceClient(url, credential={"account_name": "harbor", "account_key": second}, retry_total=0)
    with_first.create_container(container_name).upload_blob("b", b"written with the first")
    assert with_second.get_blob_client(container_name, "b").download_blob().readall() == b"written with the first"

    other_key = BlobServiceClient(
        url, credential={"account_name": "harbor", "account_key": ACCOUNTS["quarry"][0]}, retry_total=0
    )
    with refused(403, "AuthenticationFailed", ClientAuthenticationError):
        other_key.get_blob_client(container_name, "b").download_blob()

    # Accounts do not see each other's containers.
    quarry = BlobServiceClient(
        f"{accounts_node.blob_url}/quarry", credential={"account_name": "quarry", "account_key": ACCOUNTS["quarry"][0]},
        retry_total=0,
    )  # fmt: skip
    assert container_name not in [item.name for item in quarry.list_containers()]
    quarry.create_container(container_name)
    assert list(quarry.get_container_client(container_name).list_blobs()) == []


def test_a_key_opens_its_own_account_only(accounts_node, container_name):
    BlobServiceClient(
        f"{accounts_node.blob_url}/harbor",
        credential={"account_name": "harbor", "account_key": ACCOUNTS["harbor"][0]},
    ).create_container(container_name)
    trespass = BlobServiceClient(
        f"{accounts_node.blob_url}/harbor",
        credential={"account_name": "quarry", "account_key": ACCOUNTS["quarry"][0]}, retry_total=0,
    )  # fmt: skip
    with pytest.raises(HttpResponseError) as caught:
        trespass.get_container_client(container_name).get_container_properties()
    assert caught.value.status_code == 403


@pytest.mark.parametrize(
    "version", ["2017-04-17", "2018-11-09", "2019-02-02", "2019-12-12", "2026-12-06", "2031-01-01"]
)
@pytest.mark.parametrize("lite", [False, True])
def test_versions_and_both_shared_key_schemes(node, container, version, lite):
    path = f"/{DEV_ACCOUNT}/{container.container_name}/dir/a%20b%2Bc.txt"
    written = by_hand.send(
        node, "PUT", path, account=DEV_ACCOUNT, key=DEV_KEY, version=version, lite=lite, body=b"content",
        headers={"x-ms-blob-type": "BlockBlob", "Content-Type": "text/plain", "x-ms-meta-a": "1"},
    )  # fmt: skip
    assert written.status == 201, written
    assert written.headers["x-ms-version"] == version
    read = by_hand.send(node, "GET", path, account=DEV_ACCOUNT, key=DEV_KEY, version=version, lite=lite)
    assert (read.status, read.body, read.headers["content-type"]) == (200, b"content", "text/plain")
    listed = by_hand.send(
        node, "GET", f"/{DEV_ACCOUNT}/{container.container_name}?restype=container&comp=list&prefix=dir%2F",
        account=DEV_ACCOUNT, key=DEV_KEY, version=version, lite=lite,
    )  # fmt: skip
    assert [name.text for name in listed.xml.iter("Name")] == ["dir/a b+c.txt"]


@pytest.mark.parametrize("version", ["2099-11-05", "yesterday", "2021-13-45"])
def test_absurd_versions_are_refused(node, container, version):
    path = f"/{DEV_ACCOUNT}/{container.container_name}?restype=container"
    answer = by_hand.send(node, "GET", path, account=DEV_ACCOUNT, key=DEV_KEY, version=version)
    assert (answer.status, answer.code) == (400, "InvalidHeaderValue")
    assert answer.xml.findtext("HeaderName") == "x-ms-version"


def test_ids_of_requests(node, container):
    path = f"/{DEV_ACCOUNT}/{container.container_name}"
    seen = set()
    for target, status in ((f"{path}?restype=container", 200), (f"{path}/missing", 404)):
        for mine in (str(uuid.uuid4()), "not-a-GUID", "x" * 1024):
            answer = by_hand.send(
                node, "GET", target, account=DEV_ACCOUNT, key=DEV_KEY, headers={"x-ms-client-request-id": mine}
            )
            assert (answer.status, answer.headers["x-ms-client-request-id"]) == (status, mine)
            assert uuid.UUID(answer.headers["x-ms-request-id"])
            assert answer.headers["date"] and answer.headers["x-ms-version"] == "2021-08-06"
            seen.add(answer.headers["x-ms-request-id"])
    assert len(seen) == 6


def test_unknown_headers_and_parameters_are_ignored(node, container):
    path = f"/{DEV_ACCOUNT}/{container.container_name}/b?unheard-of=1"
    headers = {"x-ms-blob-type": "BlockBlob", "x-ms-unheard-of": "1", "X-Other": "2"}
    written = by_hand.send(node, "PUT", path, account=DEV_ACCOUNT, key=DEV_KEY, headers=headers, body=b"x")
    assert written.status == 201, written
    assert container.download_blob("b").readall() == b"x"


# Out of scope


def refused_somehow(act):
    with pytest.raises(HttpResponseError) as caught:
        act()
    assert caught.value.status_code in (400, 404, 405, 409, 501), caught.value
    assert caught.value.response.headers.get("x-ms-error-code")


def test_page_and_append_blobs(container):
    blob = container.get_blob_client("other")
    refused_somehow(lambda: blob.create_page_blob(512))
    refused_somehow(lambda: blob.create_append_blob())
    refused_somehow(lambda: blob.upload_blob(b"x" * 512, blob_type=BlobType.PAGEBLOB))
    refused_somehow(lambda: blob.upload_blob(b"x", blob_type=BlobType.APPENDBLOB))
    refused_somehow(lambda: blob.append_block(b"x"))
    refused_somehow(lambda: blob.upload_page(b"x" * 512, 0, 512))
    assert not blob.exists()
    blob.upload_blob(b"block")
    refused_somehow(lambda: blob.append_block(b"x"))
    refused_somehow(lambda: blob.upload_page(b"x" * 512, 0, 512))
    refused_somehow(lambda: blob.get_page_ranges())
    refused_somehow(lambda: blob.resize_blob(512))
    refused_somehow(lambda: blob.seal_append_blob())
    assert blob.download_blob().readall() == b"block"


def test_snapshots_and_versions(service, container):
    blob = container.get_blob_client("plain")
    blob.upload_blob(b"now")
    refused_somehow(blob.create_snapshot)
    moment = "2024-03-01T12:00:00.1234567Z"
    snapshot = service.get_blob_client(container.container_name, "plain", snapshot=moment)
    refused_somehow(snapshot.download_blob)
    refused_somehow(snapshot.get_blob_properties)
    refused_somehow(lambda: blob.download_blob(version_id=moment))
    refused_somehow(lambda: blob.delete_blob(version_id=moment))
    refused_somehow(snapshot.delete_blob)
    assert blob.download_blob().readall() == b"now"


def test_other_features(container):
    from datetime import datetime, timedelta, timezone

    blob = container.get_blob_client("plain")
    blob.upload_blob(b"a,b\n1,2\n")
    later = datetime.now(timezone.utc) + timedelta(days=1)
    refused_somehow(lambda: blob.query_blob("SELECT * from BlobStorage").readall())
    refused_somehow(lambda: blob.set_immutability_policy(ImmutabilityPolicy(expiry_time=later, policy_mode="Unlocked")))
    refused_somehow(lambda: blob.delete_immutability_policy())
    refused_somehow(lambda: blob.set_legal_hold(True))
    refused_somehow(
        lambda: container.upload_blob(
            "held", b"x", immutability_policy=ImmutabilityPolicy(expiry_time=later, policy_mode="Unlocked")
        )
    )
    refused_somehow(lambda: container.upload_blob("held", b"x", legal_hold=True))
    refused_somehow(lambda: container.upload_blob("scoped", b"x", encryption_scope="scope"))
    assert [item.name for item in container.list_blobs()] == ["plain"]
