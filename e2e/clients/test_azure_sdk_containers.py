"""azure-storage-blob: containers, their metadata, access policies and public access, and listing them."""

from datetime import datetime, timedelta, timezone

import pytest
from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.storage.blob import (
    AccessPolicy,
    BlobClient,
    BlobServiceClient,
    ContainerClient,
    ContainerSasPermissions,
    PublicAccess,
)

import by_hand
from node import DEV_ACCOUNT, DEV_KEY
from refusal import refused


def test_life_of_a_container(service, container_name):
    container = service.get_container_client(container_name)
    assert not container.exists()
    written = container.create_container(metadata={"owner": "tests", "spaced": "a b"})
    assert container.exists()
    properties = container.get_container_properties()
    assert properties.name == container_name
    assert properties.metadata == {"owner": "tests", "spaced": "a b"}
    assert (properties.etag, properties.last_modified) == (written["etag"], written["last_modified"])
    assert (properties.lease.state, properties.lease.status) == ("available", "unlocked")
    assert properties.public_access is None
    assert properties.has_immutability_policy is False
    assert properties.has_legal_hold is False
    assert properties.encryption_scope.default_encryption_scope == "$account-encryption-key"

    with refused(409, "ContainerAlreadyExists", ResourceExistsError):
        container.create_container()
    assert container.get_container_properties().metadata == {"owner": "tests", "spaced": "a b"}

    container.upload_blob("inside", b"x")
    container.delete_container()
    assert not container.exists()
    for act in (
        container.get_container_properties,
        container.delete_container,
        lambda: list(container.list_blobs()),
        lambda: container.upload_blob("inside", b"x"),
        lambda: container.download_blob("inside"),
        container.get_container_access_policy,
        lambda: container.set_container_metadata({"a": "1"}),
    ):
        with refused(404, "ContainerNotFound", ResourceNotFoundError):
            act()

    # The name is free at once, and the new container has nothing of the old one.
    container.create_container()
    assert container.get_container_properties().metadata == {}
    assert list(container.list_blobs()) == []


def test_metadata(container):
    before = container.get_container_properties()
    after = container.set_container_metadata({"a": "1", "b": "x y"})
    properties = container.get_container_properties()
    assert properties.metadata == {"a": "1", "b": "x y"}
    assert properties.etag == after["etag"] != before.etag
    container.set_container_metadata()
    assert container.get_container_properties().metadata == {}


def test_writing_a_blob_leaves_the_container_as_it_was(container):
    before = container.get_container_properties()
    container.upload_blob("inside", b"x")
    container.delete_blob("inside")
    after = container.get_container_properties()
    assert (after.etag, after.last_modified) == (before.etag, before.last_modified)


@pytest.mark.parametrize(
    ("name", "codes"),
    [
        ("ab", {"OutOfRangeInput", "InvalidResourceName"}),
        ("a" * 64, {"OutOfRangeInput", "InvalidResourceName"}),
        ("Upper", {"InvalidResourceName"}),
        ("under_score", {"InvalidResourceName"}),
        ("-leading", {"InvalidResourceName"}),
        ("trailing-", {"InvalidResourceName"}),
        ("double--dash", {"InvalidResourceName"}),
        ("dot.ted", {"InvalidResourceName"}),
        ("ünï", {"InvalidResourceName"}),
        ("$logs", None),
    ],
)
def test_refused_names(service, name, codes):
    with pytest.raises(Exception) as caught:
        service.create_container(name)
    assert 400 <= caught.value.status_code < 500
    if codes is not None:
        assert caught.value.status_code == 400
        assert caught.value.error_code in codes


@pytest.mark.parametrize("name", ["abc", "0-9", "a" * 63])
def test_accepted_names(service, name):
    container = service.create_container(name)
    assert container.exists()
    container.delete_container()


def test_list_containers(service, container_name):
    names = [f"{container_name}-{index:02d}" for index in range(7)]
    for name in reversed(names):
        service.create_container(name, metadata={"name": name})

    listed = list(service.list_containers(name_starts_with=f"{container_name}-"))
    assert [item.name for item in listed] == names
    for item in listed:
        properties = service.get_container_client(item.name).get_container_properties()
        assert item.etag.strip('"') == properties.etag.strip('"')
        assert item.last_modified == properties.last_modified
        assert (item.lease.state, item.lease.status) == ("available", "unlocked")
        assert item.public_access is None
        assert not item.metadata

    with_metadata = service.list_containers(name_starts_with=f"{container_name}-", include_metadata=True)
    assert {item.name: item.metadata for item in with_metadata} == {name: {"name": name} for name in names}

    pages = service.list_containers(name_starts_with=f"{container_name}-", results_per_page=3).by_page()
    first = [item.name for item in next(pages)]
    resumed = service.list_containers(name_starts_with=f"{container_name}-", results_per_page=3).by_page(
        continuation_token=pages.continuation_token
    )
    rest = [[item.name for item in page] for page in resumed]
    assert (first, rest) == (names[:3], [names[3:6], names[6:]])

    service.delete_container(names[2])
    assert names[2] not in [item.name for item in service.list_containers(name_starts_with=container_name)]
    assert set(names) - {names[2]} <= {item.name for item in service.list_containers()}


def test_access_policies(container):
    assert container.get_container_access_policy() == {"public_access": None, "signed_identifiers": []}
    start = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
    policies = {
        "readers": AccessPolicy(
            permission=ContainerSasPermissions(read=True, list=True), start=start, expiry=start + timedelta(days=3)
        ),
        "expiring": AccessPolicy(expiry=start),
        "empty": None,
    }
    before = container.get_container_properties()
    container.set_container_access_policy(policies)
    assert container.get_container_properties().etag != before.etag

    stored = {item.id: item.access_policy for item in container.get_container_access_policy()["signed_identifiers"]}
    assert list(stored) == ["readers", "expiring", "empty"]
    assert stored["readers"].permission == "rl"
    assert datetime.fromisoformat(stored["readers"].start[:19] + "+00:00") == start
    assert datetime.fromisoformat(stored["readers"].expiry[:19] + "+00:00") == start + timedelta(days=3)
    assert stored["expiring"].permission is None
    assert stored["expiring"].expiry.startswith("2026-01-02T03:04:05")
    # An identifier without a policy comes back as one without a policy.
    assert stored["empty"] is None

    container.set_container_access_policy({"only": AccessPolicy(permission="r")})
    assert [item.id for item in container.get_container_access_policy()["signed_identifiers"]] == ["only"]
    container.set_container_access_policy({})
    assert container.get_container_access_policy()["signed_identifiers"] == []


def test_six_access_policies_are_too_many(node, container):
    body = "".join(
        f"<SignedIdentifier><Id>{index}</Id><AccessPolicy><Permission>r</Permission></AccessPolicy></SignedIdentifier>"
        for index in range(6)
    )
    answer = by_hand.send(
        node, "PUT", f"/{DEV_ACCOUNT}/{container.container_name}?restype=container&comp=acl", account=DEV_ACCOUNT,
        key=DEV_KEY, body=f"<SignedIdentifiers>{body}</SignedIdentifiers>".encode(),
    )  # fmt: skip
    assert (answer.status, answer.code) == (400, "InvalidXmlDocument")
    assert container.get_container_access_policy()["signed_identifiers"] == []


@pytest.mark.parametrize("access", [PublicAccess.CONTAINER, PublicAccess.BLOB])
def test_public_access_is_refused_by_default(service, container, access):
    with refused(409, "PublicAccessNotPermitted"):
        service.create_container(f"{container.container_name}-public", public_access=access)
    assert not service.get_container_client(f"{container.container_name}-public").exists()
    with refused(409, "PublicAccessNotPermitted"):
        container.set_container_access_policy({}, public_access=access)
    assert container.get_container_properties().public_access is None


def anonymous(node, name):
    return ContainerClient(node.account_url, name, retry_total=0)


def test_anonymous_requests_are_refused_by_default(node, container):
    container.upload_blob("b", b"x")
    stranger = anonymous(node, container.container_name)
    for act in (
        lambda: stranger.download_blob("b"),
        lambda: list(stranger.list_blobs()),
        lambda: stranger.upload_blob("c", b"x"),
        lambda: stranger.delete_blob("b"),
        stranger.get_container_properties,
    ):
        with pytest.raises(Exception) as caught:
            act()
        assert caught.value.status_code in (401, 403, 404, 409)
    assert [item.name for item in container.list_blobs()] == ["b"]


@pytest.fixture
def public_service(public_node):
    return BlobServiceClient(public_node.account_url, credential=DEV_KEY, retry_total=0)


def test_public_container(public_node, public_service, container_name):
    owner = public_service.create_container(container_name, public_access=PublicAccess.CONTAINER)
    owner.upload_blob("dir/b", b"public", metadata={"a": "1"})
    assert owner.get_container_properties().public_access == "container"
    assert owner.get_container_access_policy()["public_access"] == "container"
    listed = next(iter(public_service.list_containers(name_starts_with=container_name)))
    assert listed.public_access == "container"

    stranger = anonymous(public_node, container_name)
    assert stranger.download_blob("dir/b").readall() == b"public"
    assert stranger.get_blob_client("dir/b").get_blob_properties().metadata == {"a": "1"}
    assert [item.name for item in stranger.list_blobs()] == ["dir/b"]
    assert stranger.get_container_properties().public_access == "container"
    for act in (
        lambda: stranger.upload_blob("c", b"x"),
        lambda: stranger.delete_blob("dir/b"),
        lambda: stranger.set_container_metadata({"a": "1"}),
        stranger.get_container_access_policy,
        stranger.delete_container,
    ):
        with pytest.raises(Exception) as caught:
            act()
        assert caught.value.status_code in (401, 403, 404)
    assert [item.name for item in owner.list_blobs()] == ["dir/b"]


def test_public_blobs(public_node, public_service, container_name):
    owner = public_service.create_container(container_name, public_access=PublicAccess.BLOB)
    owner.upload_blob("b", b"public")
    stranger = anonymous(public_node, container_name)
    assert stranger.download_blob("b").readall() == b"public"
    with pytest.raises(Exception) as caught:
        list(stranger.list_blobs())
    assert caught.value.status_code in (401, 403, 404)

    # Made private again, it is closed at once.
    owner.set_container_access_policy({})
    assert owner.get_container_access_policy()["public_access"] is None
    with refused(401, "NoAuthenticationInformation") as caught:
        stranger.download_blob("b")
    assert caught.value.response.headers["WWW-Authenticate"].startswith("Bearer")
    assert owner.download_blob("b").readall() == b"public"


def test_root_container(own_node):
    service = BlobServiceClient(own_node.account_url, credential=DEV_KEY, retry_total=0)
    root = service.create_container("$root")
    root.upload_blob("top.txt", b"at the root", metadata={"a": "1"})
    assert root.download_blob("top.txt").readall() == b"at the root"
    assert [item.name for item in root.list_blobs()] == ["top.txt"]
    assert [item.name for item in service.list_containers()] == ["$root"]

    # Without the container's name, as clients of $root ask.
    short = by_hand.send(own_node, "GET", f"/{DEV_ACCOUNT}/top.txt", account=DEV_ACCOUNT, key=DEV_KEY)
    assert (short.status, short.body, short.headers["x-ms-meta-a"]) == (200, b"at the root", "1")
    written = by_hand.send(
        own_node, "PUT", f"/{DEV_ACCOUNT}/second.txt", account=DEV_ACCOUNT, key=DEV_KEY, body=b"two",
        headers={"x-ms-blob-type": "BlockBlob"},
    )  # fmt: skip
    assert written.status == 201
    url = f"{own_node.account_url}/$root/second.txt"
    assert BlobClient.from_blob_url(url, credential=DEV_KEY).download_blob().readall() == b"two"
    root.delete_container()
    assert list(service.list_containers()) == []
