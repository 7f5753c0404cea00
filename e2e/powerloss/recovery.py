"""Starts the released binary on the disk that a power loss left and holds what it shows against the allowed states."""

from __future__ import annotations

import hashlib
import random
import subprocess
from pathlib import Path
from xml.sax.saxutils import escape

import node as nodes
import wire
from checker import compare_listing, find_by_tag, listed, read_listing, verify
from containers import ContainerWriter
from content import Comparison, Piece, stream
from model import BlobRecord
from recording import DATA, Recording
from steps import CONTAINER
from violation import Violation
from workload import BULK

FSCK_CLEAN, FSCK_NOTHING_THERE = 0, 2
PROBE_BYTES = 40_000  # stored as an extent
# Of the bulk writers' names this many are read, besides those in doubt, and in this part of the images all are listed.
BULK_SAMPLE = 10
LISTED_IMAGES = 0.1


class Red(Exception):
    """The disk was not recovered to an allowed state; the message says how."""


class Recovery:
    """One image. `cut` is the position of the first event that did not happen any more."""

    def __init__(self, recording: Recording, image: Path, cut: int, positions: dict[int, int], seed: str):
        self.recording, self.image, self.cut, self.positions = recording, image, cut, positions
        self.choice = random.Random(seed)
        self.had_served = positions[recording.ready] < cut
        self.node = wire.production_node(*recording.options)
        self.node.data = image / DATA
        self.node._listen = self.node._admin = "127.0.0.1:0"  # several run at once: the kernel gives each its own
        self.client = wire.Client("127.0.0.1", 0)

    def run(self) -> None:
        """Raises Red."""
        try:
            self._fsck()
            self.node.start()
            self.client = wire.Client("127.0.0.1", self.node.port)
            self._check()
        except (Violation, nodes.NodeError, wire.Broken, wire.Hung, subprocess.TimeoutExpired) as failure:
            text = failure.report() if isinstance(failure, Violation) else str(failure)
            raise Red(f"{text}\n{self.node.log_tail(20)}" if isinstance(failure, Violation) else text) from None
        finally:
            self.client.close()
            self.node.close()

    def _fsck(self) -> None:
        status, output = wire.fsck(str(self.node.data), timeout=120)
        allowed = (FSCK_CLEAN,) if self.had_served else (FSCK_CLEAN, FSCK_NOTHING_THERE)
        if status not in allowed:
            raise Red(f"fsck ended with {status}:\n{output[:4000]}")

    def _check(self) -> None:
        if not self._container_exists():
            return
        records = [history.record_at(self.cut, self.positions) for history in self.recording.blobs]
        for record in records:
            verify(self.client, record)
        self._check_listing(records)
        self._check_bulk()
        self._check_containers()
        if staged := [record for record in records if record.state.known_staged()]:
            self._commit(self.choice.choice(staged))
        if self.choice.random() < 0.1:
            self._store_and_read()

    def _container_exists(self) -> bool:
        record = self.recording.main.record_at(self.cut, self.positions)
        answer = self.client.call("GET", self.client.target(CONTAINER, restype="container"))
        exists = answer.status == 200
        if not exists and (answer.status != 404 or answer.code != "ContainerNotFound"):
            raise Red(f"container {CONTAINER}: {answer}")
        if all(state.exists != exists for state in record.allowed):
            raise Red(f"container {CONTAINER} is {'there' if exists else 'lost'}; {list(record.history)}")
        return exists

    def _check_bulk(self) -> None:
        """Some of the bulk writers' names and all that are in doubt; in some images the listing has to tell all."""
        histories = self.recording.bulk
        chosen = self.choice.sample(histories, min(BULK_SAMPLE, len(histories)))
        chosen += [h for h in histories if h not in chosen and h.is_in_doubt(self.cut, self.positions)]
        records = {history.name: history.record_at(self.cut, self.positions) for history in chosen}
        for record in records.values():
            verify(self.client, record)
        if self.choice.random() < LISTED_IMAGES:
            all_records = [records.get(h.name) or h.record_at(self.cut, self.positions) for h in histories]
            expected = {record.name: entry for record in all_records if (entry := listed(record.state)) is not None}
            problems = compare_listing(expected, *read_listing(self.client, 5000, prefix=BULK))
            if problems:
                raise Red("listing and answers disagree:\n  " + "\n  ".join(problems[:20]))

    def _check_listing(self, records: list[BlobRecord]) -> None:
        expected = {record.name: entry for record in records if (entry := listed(record.state)) is not None}
        problems = compare_listing(expected, *read_listing(self.client, self.choice.choice((3, 17, 5000)), prefix="w"))
        shelf = self.choice.randint(0, 5)
        tagged = {name for name, entry in expected.items() if ("shelf", str(shelf)) in entry.tags}
        found = find_by_tag(self.client, shelf)
        if found != tagged:
            problems.append(f"find shelf={shelf}: {found} instead of {tagged}")
        if problems:
            raise Red("listing and reads disagree:\n  " + "\n  ".join(problems[:20]))

    def _check_containers(self) -> None:
        writer = ContainerWriter(0, 0, "127.0.0.1", self.node.port)
        histories = self.recording.containers
        writer.records = {h.name: h.record_at(self.cut, self.positions) for h in histories}
        try:
            writer.verify()
        finally:
            writer.client.close()

    def _commit(self, record: BlobRecord) -> None:
        """Staged blocks that are shown can be used, and hold their bytes."""
        blocks = record.state.known_staged()
        xml = "".join(f"<Uncommitted>{escape(block)}</Uncommitted>" for block in blocks)
        body = f'<?xml version="1.0" encoding="utf-8"?><BlockList>{xml}</BlockList>'.encode()
        lease = record.state.blob.lease if record.state.blob is not None else None
        headers = [("x-ms-lease-id", lease)] if lease else []
        answer = self.client.call("PUT", self.client.target(CONTAINER, record.name, comp="blocklist"), headers, body)
        if answer.status != 201:
            raise Red(f"{record.name}: commit of the staged blocks {list(blocks)}: {answer}")
        self._expect_bytes(record.name, tuple(blocks.values()))

    def _store_and_read(self) -> None:
        """The store takes new bytes, and what it gives back is not what an unnamed extent held."""
        number = int.from_bytes(hashlib.sha256(str(self.image).encode()).digest()[:4], "little")
        pieces = (Piece((0xFFFF << 40) + number, PROBE_BYTES),)
        headers = [("x-ms-blob-type", "BlockBlob")]
        answer = self.client.call("PUT", self.client.target(CONTAINER, "probe"), headers, b"".join(stream(pieces)))
        if answer.status != 201:
            raise Red(f"put after the recovery: {answer}: {answer.body[:300]!r}")
        self._expect_bytes("probe", pieces)

    def _expect_bytes(self, name: str, pieces: tuple[Piece, ...]) -> None:
        comparison = Comparison(pieces)
        answer = self.client.call("GET", self.client.target(CONTAINER, name), sink=comparison.take)
        if answer.status != 200 or comparison.end():
            raise Red(f"{name}: {answer}, {comparison.end()}")
