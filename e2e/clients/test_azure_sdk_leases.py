"""azure-storage-blob: leases on blobs and containers, every action in every state that needs no waiting."""

import time
import uuid

import pytest
from azure.core import MatchConditions
from azure.core.exceptions import ResourceExistsError
from azure.storage.blob import BlobBlock, BlobLeaseClient, ContentSettings

from refusal import refused

A, B, C = (str(uuid.UUID(int=index)) for index in (1, 2, 3))


@pytest.fixture(params=["blob", "container"])
def leased(request, container):
    """Something that can be leased, not leased yet."""
    if request.param == "container":
        return container
    blob = container.get_blob_client("leasable")
    blob.upload_blob(b"content")
    return blob


def lease_of(leased):
    read = getattr(leased, "get_blob_properties", None) or leased.get_container_properties
    lease = read().lease
    return lease.state, lease.status, lease.duration


def holder(leased, lease_id):
    return BlobLeaseClient(leased, lease_id)


def break_now(leased):
    return BlobLeaseClient(leased).break_lease(0)


def test_infinite_lease_through_its_life(leased):
    assert lease_of(leased) == ("available", "unlocked", None)
    lease = leased.acquire_lease(-1)
    assert uuid.UUID(lease.id)
    assert lease_of(leased) == ("leased", "locked", "infinite")
    lease.renew()
    held = lease.id
    lease.change(B)
    assert lease.id == B != held
    with refused(409, "LeaseIdMismatchWithLeaseOperation"):
        holder(leased, held).renew()
    lease.release()
    assert lease_of(leased) == ("available", "unlocked", None)


def test_fixed_lease_with_a_chosen_id(leased):
    lease = leased.acquire_lease(60, lease_id=A)
    assert lease.id == A
    assert lease_of(leased) == ("leased", "locked", "fixed")
    # The holder may take it again, with another duration.
    assert leased.acquire_lease(-1, lease_id=A).id == A
    assert lease_of(leased) == ("leased", "locked", "infinite")
    lease.release()


def test_lease_keeps_etag_and_last_modified(leased):
    read = getattr(leased, "get_blob_properties", None) or leased.get_container_properties
    before = read()
    lease = leased.acquire_lease(15)
    assert (lease.etag, lease.last_modified) == (before.etag, before.last_modified)
    lease.change(C)
    lease.break_lease(0)
    after = read()
    assert (after.etag, after.last_modified) == (before.etag, before.last_modified)


def test_while_leased(leased):
    leased.acquire_lease(60, lease_id=A)
    with refused(409, "LeaseAlreadyPresent"):
        leased.acquire_lease(15)
    with refused(409, "LeaseAlreadyPresent"):
        leased.acquire_lease(15, lease_id=B)
    for action in ("renew", "release"):
        with refused(409, "LeaseIdMismatchWithLeaseOperation"):
            getattr(holder(leased, B), action)()
    with refused(409, "LeaseIdMismatchWithLeaseOperation"):
        holder(leased, B).change(C)
    # To the id that it has already is no change, and no error.
    holder(leased, A).change(A)
    assert lease_of(leased) == ("leased", "locked", "fixed")


def test_without_a_lease(leased):
    with refused(409, "LeaseNotPresentWithLeaseOperation"):
        break_now(leased)
    with refused(409, "LeaseNotPresentWithLeaseOperation"):
        holder(leased, A).change(B)
    for action in ("renew", "release"):
        with refused(409, "LeaseIdMismatchWithLeaseOperation"):
            getattr(holder(leased, A), action)()


def test_while_breaking(leased):
    lease = leased.acquire_lease(-1, lease_id=A)
    assert 0 < lease.break_lease(60) <= 60
    assert lease_of(leased) == ("breaking", "locked", None)
    with refused(409, "LeaseAlreadyPresent"):
        leased.acquire_lease(15)
    with refused(409, "LeaseAlreadyPresent"):
        leased.acquire_lease(15, lease_id=B)
    with refused(409, "LeaseIsBreakingAndCannotBeAcquired"):
        leased.acquire_lease(15, lease_id=A)
    with refused(409, "LeaseIsBreakingAndCannotBeChanged"):
        lease.change(B)
    with refused(409, "LeaseIsBrokenAndCannotBeRenewed"):
        lease.renew()
    with refused(409, "LeaseIdMismatchWithLeaseOperation"):
        holder(leased, B).release()
    # A shorter break replaces a longer one, not the other way round.
    assert BlobLeaseClient(leased).break_lease(30) <= 30
    assert BlobLeaseClient(leased).break_lease(60) <= 30
    lease.id = A
    lease.release()
    assert lease_of(leased) == ("available", "unlocked", None)


def test_once_broken(leased):
    lease = leased.acquire_lease(60, lease_id=A)
    assert break_now(leased) == 0
    assert lease_of(leased) == ("broken", "unlocked", None)
    with refused(409, "LeaseIsBrokenAndCannotBeRenewed"):
        lease.renew()
    with refused(409, "LeaseNotPresentWithLeaseOperation"):
        lease.change(B)
    assert break_now(leased) == 0
    assert leased.acquire_lease(15, lease_id=B).id == B
    assert lease_of(leased) == ("leased", "locked", "fixed")


def test_break_without_a_period(leased):
    # An infinite lease ends at once, a fixed one runs out.
    leased.acquire_lease(-1, lease_id=A)
    assert BlobLeaseClient(leased).break_lease() == 0
    assert lease_of(leased)[0] == "broken"
    leased.acquire_lease(60, lease_id=A)
    assert 0 < BlobLeaseClient(leased).break_lease() <= 60
    assert lease_of(leased)[0] == "breaking"
    holder(leased, A).release()


@pytest.mark.parametrize("duration", [0, 14, 61, -2])
def test_duration_out_of_range(leased, duration):
    with refused(400, "InvalidHeaderValue"):
        leased.acquire_lease(duration)
    assert lease_of(leased)[0] == "available"


def test_break_period_out_of_range(leased):
    lease = leased.acquire_lease(60)
    with refused(400, "InvalidHeaderValue"):
        BlobLeaseClient(leased).break_lease(61)
    lease.release()


def test_proposed_id_must_be_a_guid(leased):
    with refused(400, "InvalidHeaderValue"):
        leased.acquire_lease(15, lease_id="not-a-guid")


def test_leases_run_out(container):
    """The one wait here: the shortest lease is 15 s. Both kinds wait together."""
    blob = container.get_blob_client("short")
    blob.upload_blob(b"content")
    blob_lease, container_lease = blob.acquire_lease(15), container.acquire_lease(15)
    deadline = time.monotonic() + 120
    while {lease_of(blob)[0], lease_of(container)[0]} != {"expired"}:
        assert time.monotonic() < deadline, (lease_of(blob), lease_of(container))
        time.sleep(0.5)
    assert lease_of(blob)[1] == lease_of(container)[1] == "unlocked"
    # Untouched since, so the holder may still renew.
    blob_lease.renew()
    container_lease.renew()
    assert lease_of(blob) == lease_of(container) == ("leased", "locked", "fixed")
    blob_lease.release()
    container_lease.release()


# What a lease on a blob protects

WRITES = {
    "put": lambda blob, **o: blob.upload_blob(b"new", overwrite=True, **o),
    "stage": lambda blob, **o: blob.stage_block("1", b"new", **o),
    "commit": lambda blob, **o: blob.commit_block_list([BlobBlock("0")], **o),
    "metadata": lambda blob, **o: blob.set_blob_metadata({"a": "1"}, **o),
    "properties": lambda blob, **o: blob.set_http_headers(ContentSettings(content_type="a/b"), **o),
    "delete": lambda blob, **o: blob.delete_blob(**o),
}


@pytest.fixture
def blob(container):
    client = container.get_blob_client("protected")
    client.upload_blob(b"content")
    client.stage_block("0", b"staged")
    return client


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_writes_need_the_lease(blob, write):
    with refused(412, "LeaseNotPresentWithBlobOperation"):
        write(blob, lease=A)
    lease = blob.acquire_lease(60, lease_id=A)
    with refused(412, "LeaseIdMissing"):
        write(blob)
    with refused(412, "LeaseIdMismatchWithBlobOperation"):
        write(blob, lease=B)
    assert blob.download_blob().readall() == b"content"
    write(blob, lease=lease)


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_a_broken_lease_protects_nothing(blob, write):
    blob.acquire_lease(60, lease_id=A)
    break_now(blob)
    with refused(412, "LeaseNotPresentWithBlobOperation"):
        write(blob, lease=A)
    write(blob)


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_a_breaking_lease_still_protects(blob, write):
    lease = blob.acquire_lease(60, lease_id=A)
    lease.break_lease(60)
    with refused(412, "LeaseIdMissing"):
        write(blob)
    write(blob, lease=A)


def test_reads_check_only_a_lease_that_they_name(blob):
    with refused(412, "LeaseNotPresentWithBlobOperation"):
        blob.download_blob(lease=A)
    blob.acquire_lease(60, lease_id=A)
    assert blob.download_blob().readall() == blob.download_blob(lease=A).readall() == b"content"
    with refused(412, "LeaseIdMismatchWithBlobOperation"):
        blob.download_blob(lease=B)
    with refused(412, "LeaseIdMismatchWithBlobOperation"):
        blob.get_blob_properties(lease=B)


def test_a_lease_survives_overwrite(blob):
    lease = blob.acquire_lease(-1)
    blob.upload_blob(b"new", overwrite=True, lease=lease)
    assert lease_of(blob) == ("leased", "locked", "infinite")
    blob.commit_block_list([], lease=lease)
    assert lease_of(blob) == ("leased", "locked", "infinite")
    lease.release()


def test_lease_before_existence(blob):
    lease = blob.acquire_lease(-1)
    with refused(412, "LeaseIdMissing"):
        blob.upload_blob(b"new", match_condition=MatchConditions.IfMissing)
    # What the service does with the right id, odd as it is: the lease wins over `If-None-Match: *`.
    blob.upload_blob(b"new", match_condition=MatchConditions.IfMissing, lease=lease)
    assert blob.download_blob().readall() == b"new"
    lease.release()
    with refused(409, "BlobAlreadyExists", ResourceExistsError):
        blob.upload_blob(b"newer", match_condition=MatchConditions.IfMissing)


def test_lease_on_what_is_not_there(container):
    missing = container.get_blob_client("missing")
    with refused(404, "BlobNotFound"):
        missing.acquire_lease(15)
    with refused(412, "LeaseNotPresentWithBlobOperation"):
        missing.upload_blob(b"x", lease=A)
    assert not missing.exists()
    missing.stage_block("1", b"x")
    with refused(404, "BlobNotFound"):
        missing.acquire_lease(15)


def test_listing_shows_leases(container):
    for name, act in {"fixed": 60, "infinite": -1}.items():
        container.upload_blob(name, b"x").acquire_lease(act)
    container.upload_blob("free", b"x")
    leases = {item.name: item.lease for item in container.list_blobs()}
    assert {name: (lease.state, lease.status, lease.duration) for name, lease in leases.items()} == {
        "fixed": ("leased", "locked", "fixed"),
        "infinite": ("leased", "locked", "infinite"),
        "free": ("available", "unlocked", None),
    }


# What a lease on a container protects


def test_container_lease_guards_its_deletion_alone(service, container):
    blob = container.get_blob_client("inside")
    lease = container.acquire_lease(60, lease_id=A)
    blob.upload_blob(b"x")
    blob.delete_blob()
    container.set_container_metadata({"a": "1"})
    container.set_container_metadata({"a": "2"}, lease=lease)
    assert container.get_container_properties(lease=lease).metadata == {"a": "2"}
    listed = next(iter(service.list_containers(name_starts_with=container.container_name)))
    assert (listed.lease.state, listed.lease.status, listed.lease.duration) == ("leased", "locked", "fixed")

    with refused(412, "LeaseIdMismatchWithContainerOperation"):
        container.get_container_properties(lease=B)
    with refused(412, "LeaseIdMismatchWithContainerOperation"):
        container.set_container_metadata({"a": "3"}, lease=B)
    with refused(412, "LeaseIdMismatchWithContainerOperation"):
        container.delete_container(lease=B)
    with refused(412, "LeaseIdMissing"):
        container.delete_container()
    assert container.exists()
    container.delete_container(lease=lease)
    assert not container.exists()


def test_container_without_a_lease_refuses_an_id(container):
    with refused(412, "LeaseNotPresentWithContainerOperation"):
        container.get_container_properties(lease=A)
    with refused(412, "LeaseNotPresentWithContainerOperation"):
        container.delete_container(lease=A)
    assert container.exists()
