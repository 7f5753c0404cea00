"""One writer: it owns some names and works on them, one request at a time, until the node is gone."""

from __future__ import annotations

import random
import re
import struct
import socket
import time
from collections import Counter
from dataclasses import replace

import wire
from checker import verify
from content import Comparison, parse_recipe, total
from model import BlobRecord, Change, State, may_stage
from steps import CONTAINER, Step, Steps
from violation import NodeGone, violation

BUSY_PAUSE_SECONDS = 0.05


class Writer:
    def __init__(self, index: int, seed: int, names: int, host: str, port: int, options: frozenset[str]):
        self.index = index
        self.rng = random.Random(f"{seed}/{index}")
        self.account = wire.TESTING
        self.endpoint = f"http://{host}:{port}"
        self.client = wire.Client(host, port, self.account)
        self.others = [wire.Client(host, port, self.account) for _ in range(3)]
        self.steps = Steps(self.account.name, index + 1, self.rng, options)
        self.options = options
        self.records = {
            name: BlobRecord(name) for name in (f"w{index:02}/{'a' if n % 2 else 'b'}/n{n:02}" for n in range(names))
        }
        self.counts: Counter[str] = Counter()

    def work(self) -> NodeGone:
        """Runs operations until the node is gone."""
        try:
            while True:
                self.once()
        except NodeGone as gone:
            return gone
        finally:
            for client in [self.client, *self.others]:
                client.close()

    def once(self) -> None:
        record = self.rng.choice(list(self.records.values()))
        action = self.rng.choices(*self.menu(record.state))[0]
        getattr(self, f"do_{action}")(record)
        self.counts[action] += 1

    @staticmethod
    def menu(state: State) -> tuple[list[str], list[int]]:
        if state.blob is None:
            weights = {
                "put_blob": 45,
                "put_block": 12,
                "many_blocks": 12,
                "put_block_list": 20 if state.staged else 2,
                "refused": 3,
                "copy": 6,
                "abort": 3,
            }
        else:
            weights = {
                "put_blob": 22,
                "put_block": 6,
                "many_blocks": 10,
                "put_block_list": 16 if state.staged else 5,
                "set_metadata": 8,
                "set_properties": 5,
                "set_tags": 6,
                "set_tier": 3,
                "delete": 7,
                "lease": 7,
                "refused": 3,
                "copy": 4,
                "batch": 2,
                "abort": 3,
                "read": 6,
            }
        return list(weights), list(weights.values())

    # One request on one name

    def do_step(self, record: BlobRecord, make: str) -> None:
        self.run(record, getattr(self.steps, make)(record.name, record.state))

    def do_put_blob(self, record: BlobRecord) -> None:
        self.do_step(record, "put_blob")

    def do_put_block(self, record: BlobRecord) -> None:
        self.do_step(record, "put_block")

    def do_put_block_list(self, record: BlobRecord) -> None:
        self.do_step(record, "put_block_list")

    def do_set_metadata(self, record: BlobRecord) -> None:
        self.do_step(record, "set_metadata")

    def do_set_properties(self, record: BlobRecord) -> None:
        self.do_step(record, "set_properties")

    def do_set_tags(self, record: BlobRecord) -> None:
        self.do_step(record, "set_tags")

    def do_set_tier(self, record: BlobRecord) -> None:
        self.do_step(record, "set_tier")

    def do_delete(self, record: BlobRecord) -> None:
        self.do_step(record, "delete")

    def do_lease(self, record: BlobRecord) -> None:
        self.do_step(record, "lease")

    def do_refused(self, record: BlobRecord) -> None:
        self.do_step(record, "refused")

    def do_copy(self, record: BlobRecord) -> None:
        sources = [r for r in self.records.values() if r.state.blob is not None and r is not record]
        if "copy" not in self.options or not sources:
            return self.do_put_blob(record)
        source = self.rng.choice(sources)
        blob = source.state.blob
        self.run(record, self.steps.copy(record.name, record.state, source.name, blob, self.endpoint))

    def run(self, record: BlobRecord, step: Step) -> None:
        try:
            answer = self.client.call(step.method, step.target, step.headers, step.body)
        except wire.Broken as broken:
            self.broken(record, step, broken)
            raise NodeGone(str(broken)) from None
        except wire.Hung as hung:
            record.note(f"{step.text} -> NO ANSWER")
            raise violation(record, f"{step.text}: {hung} ({self.client.connection.timeout:.0f} s)") from None
        self.apply(record, step, answer)
        self.look(record)

    def broken(self, record: BlobRecord, step: Step, broken: wire.Broken) -> None:
        """No answer. A request that was not sent whole cannot have been applied."""
        record.note(f"{step.text} -> {'unanswered' if broken.sent_all else 'cut short'} ({broken})")
        self.counts["unanswered" if broken.sent_all else "cut short"] += 1
        if broken.sent_all and step.change is not None:
            record.unanswered(step.change)

    def apply(self, record: BlobRecord, step: Step, answer: wire.Answer) -> None:
        record.note(f"{step.text} -> {answer} {answer.get('etag') or ''}")
        if answer.status == 503 and answer.code == "ServerBusy":
            self.counts["busy"] += 1
            time.sleep(BUSY_PAUSE_SECONDS)
            return
        if answer.status != step.expect or (step.code is not None and answer.code != step.code):
            expected = f"{step.expect} {step.code or ''}".strip()
            raise violation(record, f"{step.text}: got {answer}, expected {expected}: {answer.body[:300]!r}")
        if step.change is not None:
            complaint = record.acknowledged(step.change, answer.get("etag"), answer.get("last-modified"))
            if complaint:
                raise violation(record, f"{step.text}: {complaint}")

    def look(self, record: BlobRecord) -> None:
        """Where the protocol leaves the node a choice, sees which one it took."""
        try:
            if len(record.allowed) > 1:
                verify(self.client, record)
        except wire.Broken as broken:
            raise NodeGone(str(broken)) from None

    # Several requests in flight at once

    def do_many_blocks(self, record: BlobRecord) -> None:
        """Stages blocks on several connections before the first answer is read."""
        flight: list[tuple[wire.Client, Step]] = []
        gone: wire.Broken | None = None
        for client in self.others[: self.rng.randint(1, len(self.others))]:
            step = self.steps.put_block(record.name, record.state, self.steps.block_id())
            try:
                client.start(step.method, step.target, step.headers, step.body)
                flight.append((client, step))
            except wire.Broken as broken:
                gone = broken
                self.broken(record, step, broken)
        for client, step in flight:
            try:
                self.apply(record, step, client.finish())
            except wire.Broken as broken:
                gone = broken
                self.broken(record, replace(step, change=self.doubtful(step)), broken)
                record.allowed = record.allowed[-1:]  # the later state names both contents of the block
        if gone is not None:
            raise NodeGone(str(gone))

    @staticmethod
    def doubtful(step: Step) -> Change:
        """The blocks of one flight are each there or not, in any mixture."""
        ((block, may),) = step.change(State())[0].staged.items()
        return may_stage(block, next(iter(may)))

    def do_batch(self, record: BlobRecord) -> None:
        """Deletes some names in one request; each of them is deleted or not, independently."""
        chosen = [r for r in self.records.values() if r.state.blob is not None]
        chosen = self.rng.sample(chosen, self.rng.randint(1, min(3, len(chosen))))
        steps = [(r, self.steps.delete(r.name, r.state)) for r in chosen]
        boundary = f"batch_{self.rng.getrandbits(64):016x}"
        parts = []
        for number, (_, step) in enumerate(steps):
            headers = wire.signed(
                self.account, "DELETE", step.target, [*step.headers, ("Content-Length", "0")], version=None
            )
            parts.append(
                f"--{boundary}\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\nContent-ID: {number}\r\n\r\n"
                + wire.head_bytes("DELETE", step.target, headers).decode()
            )
        body = ("".join(parts) + f"--{boundary}--\r\n").encode()
        target = wire.target_of(self.account.name, CONTAINER, restype="container", comp="batch")
        try:
            answer = self.client.call("POST", target, [("Content-Type", f"multipart/mixed; boundary={boundary}")], body)
        except wire.Broken as broken:
            for each, step in steps:
                self.broken(each, replace(step, text="delete in a batch"), broken)
            raise NodeGone(str(broken)) from None
        statuses = batch_statuses(answer)
        for number, (each, step) in enumerate(steps):
            part = statuses.get(number)
            if answer.status == 503 or (answer.status == 202 and part is not None):
                self.apply(each, replace(step, text="delete in a batch"), part or answer)
            else:
                each.note(f"delete in a batch -> {answer}, part {part}")
                raise violation(each, f"batch: got {answer} without an answer for part {number}: {answer.body[:500]!r}")
        for each in chosen:  # only now: every acknowledgement must be in the books before the node can go
            self.look(each)

    def do_abort(self, record: BlobRecord) -> None:
        """Begins an upload and goes away: nothing may come of it."""
        make = self.steps.put_blob if self.rng.random() < 0.5 else self.steps.put_block
        step = make(record.name, record.state)
        body = step.body if isinstance(step.body, bytes) else b"".join(step.body.chunks())
        if len(body) < 2:
            return
        record.note(f"{step.text} -> aborted by the client")
        host, port = self.client.connection.host, self.client.connection.port
        try:
            with wire.Connection(host, port) as connection:
                connection.send(self.client.head(step.method, step.target, step.headers, len(body)))
                connection.send(body[: self.rng.randrange(len(body))])
                if self.rng.random() < 0.5:  # reset instead of an orderly end
                    connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        except wire.Broken as broken:
            raise NodeGone(str(broken)) from None

    def do_read(self, record: BlobRecord) -> None:
        """What was acknowledged is visible at once."""
        blob = record.state.blob
        comparison = Comparison(blob.pieces)
        try:
            answer = self.client.call("GET", self.steps.target(record.name), sink=comparison.take)
        except wire.Broken as broken:
            raise NodeGone(str(broken)) from None
        if answer.status == 503:
            return
        if answer.status != 200 or answer.get("etag") != blob.etag or comparison.end():
            record.note(f"read -> {answer} {answer.get('etag')} {comparison.end()}")
            raise violation(record, f"read after write: {answer}, ETag {answer.get('etag')}, {comparison.end()}")


def batch_statuses(answer: wire.Answer) -> dict[int, wire.Answer]:
    """The answers inside a batch answer by Content-ID."""
    found = {}
    for part in re.split(rb"\r?\n--batchresponse[^\r\n]*\r?\n|^--[^\r\n]*\r?\n", answer.body):
        number = re.search(rb"(?im)^content-id:\s*(\d+)", part)
        status = re.search(rb"(?m)^HTTP/1\.1 (\d{3})", part)
        code = re.search(rb"(?im)^x-ms-error-code:\s*(\w+)", part)
        if number and status:
            headers = [("x-ms-error-code", code[1].decode())] if code else []
            found[int(number[1])] = wire.Answer(int(status[1]), headers=headers)
    return found


def read_consistent(client: wire.Client, target: str) -> str | None:
    """Reads a blob that somebody else may be writing: bytes, length and metadata must be of one version. Returns a complaint."""
    answer = wire.Answer(0)
    parts: list[bytes] = []
    answer = client.call("GET", target, sink=lambda part: parts.append(bytes(part)))
    if answer.status in (404, 503):
        return None
    if answer.status != 200:
        return f"read: {answer}"
    try:
        pieces = parse_recipe(answer.metadata()["recipe"])
    except (KeyError, ValueError) as error:
        return f"read: metadata without a recipe: {error!r} {answer.metadata()}"
    if answer.length != total(pieces):
        return f"read: {answer.length} bytes, metadata says {total(pieces)}"
    comparison = Comparison(pieces)
    for part in parts:
        comparison.take(memoryview(part))
    return f"read: {comparison.end()}" if comparison.end() else None
