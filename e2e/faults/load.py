"""Writers and readers that go on through a fault, each against its own account of what may be there."""

from __future__ import annotations

import base64
import hashlib
import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

import wire

CONTAINER = "faults"


class Violation(Exception):
    """The node has lied, lost something or answered what it must not."""


def content(seed: str, length: int) -> bytes:
    return random.Random(seed).randbytes(length)


def digest(body: bytes) -> str:
    return hashlib.blake2b(body, digest_size=12).hexdigest()


@dataclass
class Entry:
    """What a GET of one name may answer: digests of bodies, or None for 404. The last acknowledged state and whatever
    was refused since: a refusal is 503, and its write may have happened or not."""

    allowed: set[str | None] = field(default_factory=lambda: {None})


class Phase:
    """What the answers to writes may be now."""

    def __init__(self) -> None:
        self.may_refuse = False
        # The fault is wholly there: what begins now is under it.
        self.is_sick = False
        self.number = 0


class Worker(threading.Thread):
    """One connection, its own names. Stops at its first violation."""

    def __init__(self, name: str, host: str, port: int, seed: str, phase: Phase, names: int = 6):
        super().__init__(name=name, daemon=True)
        self.client = wire.Client(host, port, timeout=60)
        self.rng = random.Random(seed)
        self.phase = phase
        self.entries = {f"{name}/{index}": Entry() for index in range(names)}
        self.lock = threading.Lock()
        self.counts: Counter[str] = Counter()
        self.violation: str | None = None
        self.stopping = threading.Event()
        self.first_success: dict[int, float] = {}
        self.slowest_read = 0.0
        self.sequence = 0

    def run(self) -> None:
        try:
            while not self.stopping.is_set():
                self.step()
        except Violation as violation:
            self.violation = str(violation)
        except (wire.Broken, wire.Hung) as error:
            self.violation = f"{self.name}: the connection broke: {error!r}"
        finally:
            self.client.close()

    def step(self) -> None:
        name = self.rng.choice(list(self.entries))
        if self.rng.random() < 0.35:
            self.read(name)
        else:
            self.write(name)
        if self.phase.may_refuse:
            time.sleep(0.01)

    # Reading

    def read(self, name: str) -> None:
        began = time.monotonic()
        answer = self.client.call("GET", self.client.target(CONTAINER, name))
        took = time.monotonic() - began
        self.slowest_read = max(self.slowest_read, took)
        check_read(name, answer, self.entries[name])
        self.counts["reads under fault" if self.phase.is_sick else "reads"] += 1

    # Writing

    def write(self, name: str) -> None:
        entry = self.entries[name]
        operation = self.rng.choices(["put", "blocks", "delete", "metadata"], [6, 2, 1, 1])[0]
        moment = (self.phase.number, self.phase.may_refuse, self.phase.is_sick)
        if operation == "delete":
            if None in entry.allowed and len(entry.allowed) == 1:
                return
            answer, after = self.client.call("DELETE", self.client.target(CONTAINER, name)), None
            accepted = {202, 404} if None in entry.allowed else {202}
        elif operation == "metadata":
            headers = [("x-ms-meta-step", str(self.sequence))]
            answer = self.client.call("PUT", self.client.target(CONTAINER, name, comp="metadata"), headers, b"")
            accepted = {200, 404} if None in entry.allowed else {200}
            self.judge(operation, name, answer, accepted, moment)
            return
        else:
            self.sequence += 1
            body = content(f"{self.name}/{self.sequence}", self.length())
            after = digest(body)
            if operation == "put":
                headers = [("x-ms-blob-type", "BlockBlob")]
                answer = self.client.call("PUT", self.client.target(CONTAINER, name), headers, body)
            else:
                answer = self.put_blocks(name, body, moment)
            accepted = {201}
        if self.judge(operation, name, answer, accepted, moment):
            entry.allowed = {after}
        else:
            entry.allowed = entry.allowed | {after}

    def put_blocks(self, name: str, body: bytes, moment: tuple[int, bool, bool]) -> wire.Answer:
        half = max(1, len(body) // 2)
        ids = []
        for index, part in enumerate([body[:half], body[half:]]):
            block = base64.b64encode(f"block-{index}".encode()).decode()
            target = self.client.target(CONTAINER, name, comp="block", blockid=block)
            answer = self.client.call("PUT", target, [], part)
            if answer.status != 201:
                return answer
            self.judge("block", name, answer, {201}, moment)
            ids.append(block)
        listing = "".join(f"<Latest>{block}</Latest>" for block in ids)
        xml = f'<?xml version="1.0" encoding="utf-8"?><BlockList>{listing}</BlockList>'.encode()
        return self.client.call("PUT", self.client.target(CONTAINER, name, comp="blocklist"), [], xml)

    def length(self) -> int:
        """Half of them live with their names, half as extents."""
        if self.rng.random() < 0.5:
            return self.rng.randrange(2, 12_000)
        return self.rng.randrange(40_000, 400_000)

    def judge(
        self, operation: str, name: str, answer: wire.Answer, accepted: set[int], moment: tuple[int, bool, bool]
    ) -> bool:
        """Whether the write was done. `moment` says what was known when it began: phase, may be refused, is sick."""
        phase, may_refuse, is_sick = moment
        if answer.status in accepted:
            if answer.status == 404:
                return False
            self.counts["writes under fault" if is_sick else "writes"] += 1
            self.first_success.setdefault(phase, time.monotonic())
            return True
        # A fault may end while a request is under way.
        may_refuse = may_refuse or self.phase.may_refuse
        where = f"{operation} {name}: {answer} {answer.body[:200]!r}"
        if answer.status != 503:
            raise Violation(f"{where}: neither done nor refused with 503")
        if answer.code != "ServerBusy":
            raise Violation(f"{where}: a refusal without the code ServerBusy")
        if not (answer.get("retry-after") or "").isdigit():
            raise Violation(f"{where}: a refusal without Retry-After")
        if not may_refuse:
            raise Violation(f"{where}: refused by a node whose disk is sound")
        self.counts["refusals"] += 1
        return False


class Reader(threading.Thread):
    """Reads blobs that nobody changes, again and again, and waits for no writer."""

    def __init__(self, name: str, host: str, port: int, phase: Phase, blobs: dict[str, bytes]):
        super().__init__(name=name, daemon=True)
        self.client = wire.Client(host, port, timeout=60)
        self.phase, self.blobs = phase, blobs
        self.entries: dict[str, Entry] = {name: Entry({digest(body)}) for name, body in blobs.items()}
        self.counts: Counter[str] = Counter()
        self.violation: str | None = None
        self.stopping = threading.Event()
        self.slowest_read = 0.0

    def run(self) -> None:
        try:
            while not self.stopping.is_set():
                for name, entry in self.entries.items():
                    began = time.monotonic()
                    answer = self.client.call("GET", self.client.target(CONTAINER, name))
                    self.slowest_read = max(self.slowest_read, time.monotonic() - began)
                    check_read(name, answer, entry)
                    self.counts["reads under fault" if self.phase.is_sick else "reads"] += 1
                    time.sleep(0.01)
        except Violation as violation:
            self.violation = str(violation)
        except (wire.Broken, wire.Hung) as error:
            self.violation = f"{self.name}: the connection broke: {error!r}"
        finally:
            self.client.close()


def check_read(name: str, answer: wire.Answer, entry: Entry) -> None:
    if answer.status == 404:
        if None not in entry.allowed:
            raise Violation(f"GET {name}: 404, but it was acknowledged")
        return
    if answer.status != 200:
        raise Violation(f"GET {name}: {answer} {answer.body[:200]!r}: reads must go on")
    if digest(answer.body) not in entry.allowed:
        raise Violation(f"GET {name}: bytes that were never acknowledged as the last state of this name")
