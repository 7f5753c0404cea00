"""Reads everything back after a restart and holds it against the states that the history allows."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from xml.etree import ElementTree

import wire
from content import Comparison
from model import Blob, BlobRecord, State
from steps import CONTAINER
from violation import violation

CHECKED_PROPERTIES = ("content-type", "cache-control", "content-language", "content-md5")


def xml(answer: wire.Answer) -> ElementTree.Element:
    return ElementTree.fromstring(answer.body.removeprefix(b"\xef\xbb\xbf"))


@dataclass
class Found:
    """One name as the node shows it."""

    head: wire.Answer
    committed: list[tuple[str, int]] = field(default_factory=list)
    uncommitted: dict[str, int] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Listed:
    """What a listing has to say about a name; `length` None for a blob with staged blocks only."""

    length: int | None
    etag: str | None = None
    metadata: tuple[tuple[str, str], ...] = ()
    tags: tuple[tuple[str, str], ...] = ()


def observe(client: wire.Client, record: BlobRecord) -> Found:
    def target(**query: str) -> str:
        return client.target(CONTAINER, record.name, **query)

    def expect(answer: wire.Answer, what: str, *statuses: int) -> wire.Answer:
        if answer.status not in statuses:
            record.note(f"verify: {what} -> {answer}")
            raise violation(record, f"read back: {what}: {answer}: {answer.body[:300]!r}")
        return answer

    found = Found(expect(client.call("HEAD", target()), "HEAD", 200, 404))
    blocks = expect(client.call("GET", target(comp="blocklist", blocklisttype="all")), "block list", 200, 404)
    if blocks.status == 200:
        tree = xml(blocks)
        found.committed = [
            (b.findtext("Name"), int(b.findtext("Size"))) for b in tree.iterfind("CommittedBlocks/Block")
        ]
        found.uncommitted = {
            b.findtext("Name"): int(b.findtext("Size")) for b in tree.iterfind("UncommittedBlocks/Block")
        }
    if found.head.status == 200:
        answer = expect(client.call("GET", target(comp="tags")), "tags", 200)
        found.tags = {t.findtext("Key"): t.findtext("Value") or "" for t in xml(answer).iter("Tag")}
    return found


def staged_difference(state: State, found: Found) -> str | None:
    for block, may in state.staged.items():
        sizes = {None if piece is None else piece.length for piece in may}
        if found.uncommitted.get(block) not in sizes:
            return f"staged block {block} has {found.uncommitted.get(block)} bytes, not one of {sizes}"
    extra = found.uncommitted.keys() - state.staged.keys()
    return f"staged blocks that should not be there: {sorted(extra)}" if extra else None


def blob_difference(blob: Blob, found: Found) -> str | None:
    head = found.head
    if dict(blob.metadata) != head.metadata():
        return f"metadata {head.metadata()}"
    if head.get("content-length") != str(blob.length):
        return f"Content-Length {head.get('content-length')}"
    if blob.etag is not None and (blob.etag, blob.last_modified) != (head.get("etag"), head.get("last-modified")):
        return f"ETag {head.get('etag')}, Last-Modified {head.get('last-modified')}"
    for name in CHECKED_PROPERTIES:
        if blob.properties.get(name) != head.get(name):
            return f"{name} {head.get(name)}"
    if blob.tier is not None and blob.tier != head.get("x-ms-access-tier"):
        return f"tier {head.get('x-ms-access-tier')}"
    if head.get("x-ms-lease-status") != ("locked" if blob.lease else "unlocked"):
        return f"lease status {head.get('x-ms-lease-status')}"
    if [(block, piece.length) for block, piece in blob.blocks] != found.committed:
        return f"committed blocks {found.committed}"
    if dict(blob.tags) != found.tags or head.get("x-ms-tag-count", "0") != str(len(blob.tags)):
        return f"tags {found.tags}, tag count {head.get('x-ms-tag-count')}"
    return None


def difference(state: State, found: Found) -> str | None:
    if (state.blob is not None) != (found.head.status == 200):
        return f"HEAD {found.head}"
    return (blob_difference(state.blob, found) if state.blob is not None else None) or staged_difference(state, found)


def settled(state: State, found: Found) -> State:
    """The state with everything known that was in doubt."""
    staged = {}
    for block, may in state.staged.items():
        size = found.uncommitted.get(block)
        if size is not None:
            staged[block] = frozenset(p for p in may if p is not None and p.length == size)
    blob = state.blob
    if blob is not None and blob.tier is None:
        blob = replace(blob, tier=found.head.get("x-ms-access-tier"))
    if blob is not None and blob.etag is None:
        blob = replace(blob, etag=found.head.get("etag"), last_modified=found.head.get("last-modified"))
    return State(blob, staged)


def verify(client: wire.Client, record: BlobRecord) -> None:
    """Raises Violation unless what is there is an allowed state; leaves the record with that state alone."""
    found = observe(client, record)
    fitting, reasons = [], []
    for state in record.allowed:
        reason = difference(state, found)
        if reason is None:
            fitting.append(settled(state, found))
        else:
            reasons.append(f"not [{state}] because: {reason}")
    if not fitting:
        raise violation(record, "read back: " + "; ".join(reasons))
    if any(state != fitting[0] for state in fitting):
        # Only leases can look alike: acquire, change and renew leave the same status. Ask with the ids.
        fitting = [state for state in fitting if state.blob is not None and holds_lease(client, record, state.blob)]
        if len(fitting) != 1:
            raise violation(record, f"read back: {len(fitting)} lease ids fit")
    elif fitting[0].blob is not None and fitting[0].blob.lease and not holds_lease(client, record, fitting[0].blob):
        raise violation(record, f"read back: the lease {fitting[0].blob.lease} is lost")
    record.settle(fitting[:1])
    if fitting[0].blob is not None:
        verify_bytes(client, record, fitting[0].blob)


def holds_lease(client: wire.Client, record: BlobRecord, blob: Blob) -> bool:
    headers = [("x-ms-lease-action", "renew"), ("x-ms-lease-id", blob.lease or "")]
    return client.call("PUT", client.target(CONTAINER, record.name, comp="lease"), headers, b"").status == 200


def verify_bytes(client: wire.Client, record: BlobRecord, blob: Blob) -> None:
    comparison = Comparison(blob.pieces)
    answer = client.call("GET", client.target(CONTAINER, record.name), sink=comparison.take)
    wrong = comparison.end()
    if answer.status != 200 or wrong or answer.get("etag") != blob.etag or answer.metadata() != dict(blob.metadata):
        record.note(f"verify: GET -> {answer} {wrong}")
        raise violation(
            record,
            f"read back: GET: {answer}, bytes: {wrong or 'right'}, ETag {answer.get('etag')}, "
            f"metadata {answer.metadata()}",
        )


def listed(state: State) -> Listed | None:
    if state.blob is not None:
        blob = state.blob
        return Listed(blob.length, blob.etag, tuple(sorted(blob.metadata.items())), tuple(sorted(blob.tags.items())))
    return Listed(None) if state.staged else None


def read_listing(
    client: wire.Client, page: int, include: str = "metadata,tags,uncommittedblobs", prefix: str = ""
) -> tuple[dict[str, Listed], list[str]]:
    """All names of the container that begin so, by pages, and complaints about the listing itself."""
    entries: dict[str, Listed] = {}
    complaints: list[str] = []
    marker, last = "", ""
    while True:
        query = {"restype": "container", "comp": "list", "maxresults": page, "include": include}
        if marker:
            query["marker"] = marker
        if prefix:
            query["prefix"] = prefix
        answer = client.call("GET", client.target(CONTAINER, **query))
        if answer.status != 200:
            return entries, [*complaints, f"list: {answer}"]
        tree = xml(answer)
        for blob in tree.iter("Blob"):
            name = blob.findtext("Name") or ""
            if name <= last:
                complaints.append(f"{name} after {last}: out of order or twice")
            last = name
            entries[name] = entry(blob)
        marker = tree.findtext("NextMarker") or ""
        if not marker:
            return entries, complaints


def entry(blob: ElementTree.Element) -> Listed:
    etag = blob.findtext("Properties/Etag")
    if not etag:
        return Listed(None)
    metadata = {item.tag.lower(): item.text or "" for item in blob.iterfind("Metadata/*")}
    tags = {tag.findtext("Key") or "": tag.findtext("Value") or "" for tag in blob.iterfind("Tags/TagSet/Tag")}
    return Listed(
        int(blob.findtext("Properties/Content-Length") or -1),
        '"' + etag.strip('"') + '"',
        tuple(sorted(metadata.items())),
        tuple(sorted(tags.items())),
    )


def compare_listing(expected: dict[str, Listed], entries: dict[str, Listed], complaints: list[str]) -> list[str]:
    problems = list(complaints)
    for name in sorted(expected.keys() | entries.keys()):
        if expected.get(name) != entries.get(name):
            problems.append(f"{name}: listed as {entries.get(name)}, reads say {expected.get(name)}")
    return problems


def find_by_tag(client: wire.Client, shelf: int) -> set[str] | wire.Answer:
    """Names with the tag, from the tag index; an answer if there is none to ask."""
    names: set[str] = set()
    marker = ""
    while True:
        query = {"restype": "container", "comp": "blobs", "where": f"\"shelf\" = '{shelf}'"}
        if marker:
            query["marker"] = marker
        answer = client.call("GET", client.target(CONTAINER, **query))
        if answer.status != 200:
            return answer
        tree = xml(answer)
        names |= {blob.findtext("Name") or "" for blob in tree.iter("Blob")}
        marker = tree.findtext("NextMarker") or ""
        if not marker:
            return names
