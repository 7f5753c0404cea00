"""A writer of whole containers: create, fill, lease, delete, and create again. Blobs of an earlier life must not return."""

from __future__ import annotations

import random
import uuid
from collections import Counter
from dataclasses import replace
from collections.abc import Callable
from xml.etree import ElementTree

import wire
from content import Comparison, Piece, parse_recipe, recipe, stream
from model import ContainerRecord, ContainerState
from violation import NodeGone, violation

Change = Callable[[ContainerState], list[ContainerState]]


class ContainerWriter:
    def __init__(self, index: int, seed: int, host: str, port: int):
        self.rng = random.Random(f"{seed}/containers/{index}")
        self.account = wire.TESTING
        self.client = wire.Client(host, port, self.account)
        self.records = {name: ContainerRecord(name) for name in (f"side-{index}-{n}" for n in range(3))}
        self.counts: Counter[str] = Counter()
        self.seeds = (0x800000 + index) << 40

    def work(self) -> NodeGone:
        try:
            while True:
                self.once()
        except NodeGone as gone:
            return gone
        finally:
            self.client.close()

    def once(self) -> None:
        record = self.rng.choice(list(self.records.values()))
        state = record.state
        if not state.exists:
            return self.create(record)
        action = self.rng.choices(
            ["metadata", "put", "put", "put", "remove", "lease", "delete", "delete_refused"], [2, 4, 4, 4, 2, 2, 3, 1]
        )[0]
        getattr(self, action)(record, state)

    def target(self, record: ContainerRecord, blob: str | None = None, **query: str) -> str:
        if blob is not None:
            return wire.target_of(self.account.name, record.name, blob, **query)
        return wire.target_of(self.account.name, record.name, restype="container", **query)

    def request(
        self,
        record: ContainerRecord,
        text: str,
        method: str,
        target: str,
        headers: list[tuple[str, str]],
        body: bytes | None,
        expect: int,
        change: Change | None,
        code: str | None = None,
    ) -> None:
        try:
            answer = self.client.call(method, target, headers, body)
        except wire.Broken as broken:
            record.note(f"{text} -> {'unanswered' if broken.sent_all else 'cut short'}")
            if broken.sent_all and change is not None:
                record.unanswered(change)
            raise NodeGone(str(broken)) from None
        record.note(f"{text} -> {answer} {answer.get('etag') or ''}")
        if answer.status == 503 or answer.code == "ContainerBeingDeleted":
            self.counts["busy"] += 1
            return
        if answer.status != expect or (code is not None and answer.code != code):
            raise violation(record, f"{text}: got {answer}, expected {expect} {code or ''}: {answer.body[:300]!r}")
        self.counts[text.split(" ")[0]] += 1
        if change is not None:
            record.allowed = [
                replace(new, etag=answer.get("etag")) if new.exists and new.etag is None else new
                for old in record.allowed
                for new in change(old)
            ]

    def create(self, record: ContainerRecord) -> None:
        metadata = {"life": str(self.rng.getrandbits(32))}
        after = ContainerState(True, metadata)
        self.request(
            record,
            f"create life={metadata['life']}",
            "PUT",
            self.target(record),
            [("x-ms-meta-life", metadata["life"])],
            b"",
            201,
            lambda _: [after],
        )

    def metadata(self, record: ContainerRecord, state: ContainerState) -> None:
        metadata = {"life": str(self.rng.getrandbits(32)), "more": "yes"}
        headers = [(f"x-ms-meta-{key}", value) for key, value in metadata.items()]
        self.request(
            record,
            f"metadata life={metadata['life']}",
            "PUT",
            self.target(record, comp="metadata"),
            headers,
            b"",
            200,
            lambda s: [replace(s, metadata=metadata, etag=None)],
        )

    def put(self, record: ContainerRecord, state: ContainerState) -> None:
        self.seeds += 1
        name = f"p{self.rng.randint(0, 2)}/k{self.rng.randint(0, 9)}"
        piece = Piece(self.seeds, self.rng.randint(1, 40_000))
        headers = [("x-ms-blob-type", "BlockBlob"), ("x-ms-meta-recipe", recipe([piece]))]
        self.request(
            record,
            f"put {name} {piece}",
            "PUT",
            self.target(record, name),
            headers,
            b"".join(stream([piece])),
            201,
            lambda s: [replace(s, blobs={**s.blobs, name: piece})],
        )

    def remove(self, record: ContainerRecord, state: ContainerState) -> None:
        if state.blobs:
            name = self.rng.choice(sorted(state.blobs))
            self.request(
                record,
                f"remove {name}",
                "DELETE",
                self.target(record, name),
                [],
                None,
                202,
                lambda s: [replace(s, blobs={k: v for k, v in s.blobs.items() if k != name})],
            )

    def lease(self, record: ContainerRecord, state: ContainerState) -> None:
        if state.lease is None:
            new = str(uuid.UUID(int=self.rng.getrandbits(128), version=4))
            headers = [("x-ms-lease-action", "acquire"), ("x-ms-lease-duration", "-1"), ("x-ms-proposed-lease-id", new)]
        else:
            new = None
            headers = [("x-ms-lease-action", "release"), ("x-ms-lease-id", state.lease)]
        self.request(
            record,
            f"lease {headers[0][1]} {new or ''}",
            "PUT",
            self.target(record, comp="lease"),
            headers,
            b"",
            201 if new else 200,
            lambda s: [replace(s, lease=new)],
        )

    def delete(self, record: ContainerRecord, state: ContainerState) -> None:
        headers = [("x-ms-lease-id", state.lease)] if state.lease else []
        self.request(record, "delete", "DELETE", self.target(record), headers, None, 202, lambda _: [ContainerState()])

    def delete_refused(self, record: ContainerRecord, state: ContainerState) -> None:
        if state.lease:
            self.request(
                record,
                "delete without the lease id",
                "DELETE",
                self.target(record),
                [],
                None,
                412,
                None,
                "LeaseIdMissing",
            )

    # After a restart

    def verify(self) -> None:
        """Raises Violation unless exactly one allowed state of each container is what is there."""
        for record in self.records.values():
            found = self.observe(record)
            fitting, reasons = [], []
            for state in record.allowed:
                reason = self.difference(state, found)
                if reason is None:
                    fitting.append(replace(state, etag=found[1] if state.exists else None))
                else:
                    reasons.append(f"not [{state}]: {reason}")
            if not fitting:
                raise violation(record, "read back: " + "; ".join(reasons))
            record.allowed = fitting[:1]

    def observe(self, record: ContainerRecord):
        answer = self.client.call("GET", self.target(record))
        if answer.status == 404 and answer.code == "ContainerNotFound":
            return None, None, {}, None, {}
        if answer.status != 200:
            raise violation(record, f"container properties: {answer}")
        listed = self.client.call("GET", self.target(record, comp="list", include="metadata"))
        if listed.status != 200:
            raise violation(record, f"list: {listed}")
        blobs = {}
        for blob in ElementTree.fromstring(listed.body.removeprefix(b"\xef\xbb\xbf")).iter("Blob"):
            name, text = blob.findtext("Name"), blob.findtext("Metadata/recipe") or ""
            blobs[name] = parse_recipe(text)
            comparison = Comparison(blobs[name])
            read = self.client.call("GET", self.target(record, name), sink=comparison.take)
            if read.status != 200 or comparison.end():
                raise violation(record, f"listed blob {name} ({text}): {read}, {comparison.end()}")
        return True, answer.get("etag"), answer.metadata(), answer.get("x-ms-lease-status"), blobs

    def difference(self, state: ContainerState, found) -> str | None:
        exists, etag, metadata, lease, blobs = found
        if not state.exists or not exists:
            return None if state.exists == bool(exists) else f"exists: {bool(exists)}"
        if state.etag is not None and state.etag != etag:
            return f"ETag {etag}"
        if dict(state.metadata) != metadata:
            return f"metadata {metadata}"
        if lease != ("locked" if state.lease else "unlocked"):
            return f"lease status {lease}"
        expected = {name: (piece,) for name, piece in state.blobs.items()}
        if expected != blobs:
            wrong = {n for n in expected.keys() | blobs.keys() if expected.get(n) != blobs.get(n)}
            return f"blobs differ: {[(n, str(expected.get(n)), str(blobs.get(n))) for n in sorted(wrong)]}"
        return None
