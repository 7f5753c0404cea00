"""The load: real operations on the node, each with a mark before it is sent and one after its answer.

The operations, their model and the rules of what they may leave are those of the crash loop (`e2e/crash`). Here each
acknowledged operation also has a place in the order of the trace, so that the states allowed at any cut are known.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import wire
from containers import ContainerWriter
from content import Piece
from model import BlobRecord, ContainerRecord, ContainerState, State
from steps import CONTAINER, INLINE_BYTES, Step, Steps
from tracefile import Marks
from writer import Writer

KIB = 1024
BULK = "bulk/"


@dataclass
class Entry:
    """One acknowledged operation on one name: the marks around it and what it made of the name.

    `staged` is there for the uploads of one flight, which are under way together: each is there or not.
    """

    begin: int
    end: int
    text: str
    after: State | ContainerState
    staged: tuple[str, Piece] | None = None

    def apply(self, state):
        if self.staged is None:
            return self.after
        block, piece = self.staged
        return replace(state, staged={**state.staged, block: frozenset([piece])})


@dataclass
class History:
    """What was done to one name, oldest first."""

    name: str
    first: State | ContainerState
    entries: list[Entry] = field(default_factory=list)

    def is_in_doubt(self, cut: int, positions: dict[int, int]) -> bool:
        return any(positions[entry.begin] < cut <= positions[entry.end] for entry in self.entries)

    def record_at(self, cut: int, positions: dict[int, int]):
        """The states that a power loss just before the event at position `cut` may leave."""
        record = BlobRecord(self.name) if isinstance(self.first, State) else ContainerRecord(self.name)
        allowed = [self.first]
        for entry in self.entries:
            begin, end = positions[entry.begin], positions[entry.end]
            if begin >= cut:
                break
            if end < cut:
                allowed = [entry.apply(state) for state in allowed]
            else:
                allowed = allowed + [entry.apply(state) for state in allowed]
            record.history.append(f"[{begin}, {end}{'' if end < cut else ' UNDER WAY'}] {entry.text}")
        record.allowed = [state for n, state in enumerate(allowed) if state not in allowed[:n]]
        return record


class MarkedClient(wire.Client):
    """Sets a mark before each request that may change something, and one when its answer is there."""

    def __init__(self, host: str, port: int, account: wire.Account, marks: Marks):
        super().__init__(host, port, account)
        self.marks = marks
        self.begin = self.end = 0

    def call(self, method, target, headers=(), body=None, sink=None):
        if method in ("GET", "HEAD"):
            return super().call(method, target, headers, body, sink)
        self.begin = self.marks.set("begin")
        answer = super().call(method, target, headers, body, sink)
        self.end = self.marks.set("answered")
        return answer

    def start(self, method, target, headers, body) -> None:
        self.begin = self.marks.set("begin")
        super().start(method, target, headers, body)

    def finish(self, method="PUT"):
        answer = super().finish(method)
        self.end = self.marks.set("answered")
        return answer


class SmallSteps(Steps):
    """Sizes on both sides of the inline bound and a few of several segments' areas; little in all."""

    largest = 600 * KIB

    def size(self) -> int:
        kind = self.rng.random()
        if kind < 0.04:
            return 0
        if kind < 0.6:
            return self.rng.randint(1, INLINE_BYTES + 2 * KIB)
        return self.rng.randint(INLINE_BYTES, 100 * KIB if kind < 0.95 else self.largest)

    def block_size(self) -> int:
        return self.rng.randint(1, 20_000 if self.rng.random() < 0.7 else 80 * KIB)


class TracedWriter(Writer):
    """A writer of the crash loop that keeps, for each name, where in the trace each of its operations lies."""

    def __init__(self, index: int, seed: int, names: int, marks: Marks):
        super().__init__(index, seed, names, "127.0.0.1", 0, frozenset(["copy"]))
        self.marks = marks
        self.steps = SmallSteps(self.account.name, index + 1, self.rng, self.options)
        self.histories = {name: History(name, State()) for name in self.records}
        self.unsettled: dict[str, Entry] = {}

    def connect(self, port: int) -> None:
        self.endpoint = f"http://127.0.0.1:{port}"
        self.client, *self.others = (MarkedClient("127.0.0.1", port, self.account, self.marks) for _ in range(4))

    def work_some(self, operations: int) -> None:
        for _ in range(operations):
            self.once()
        for client in (self.client, *self.others):
            client.close()

    def apply(self, record: BlobRecord, step: Step, answer: wire.Answer) -> None:
        super().apply(record, step, answer)
        if step.change is None or answer.status != step.expect:
            return
        # The client that has just heard an answer is the one with the newest mark.
        client = max((self.client, *self.others), key=lambda client: client.end)
        staged = None
        if client is not self.client:
            block = step.text.split(" ")[2]
            (piece,) = record.allowed[0].staged[block]
            staged = (block, piece)
        entry = Entry(client.begin, client.end, f"{step.text} -> {answer}", record.allowed[0], staged)
        self.histories[record.name].entries.append(entry)
        if len(record.allowed) > 1:
            self.unsettled[record.name] = entry

    def look(self, record: BlobRecord) -> None:
        super().look(record)
        if entry := self.unsettled.pop(record.name, None):
            entry.after = record.state


class BulkWriter(TracedWriter):
    """Puts the largest inline bodies under ever new names, until the metadata store has filled its memory and turns to
    a new log. Many at once share a sync, so that a log's torn last record is hundreds of KiB."""

    def __init__(self, index: int, seed: int, names: int, marks: Marks):
        super().__init__(index, seed, names, marks)
        self.steps.tags = dict  # none: the tag index then leads to the other writers' names alone

    def once(self) -> None:
        name = f"{BULK}{self.index}/{len(self.records):05}"
        record = self.records[name] = BlobRecord(name)
        self.histories[name] = History(name, State())
        length = self.rng.randint(INLINE_BYTES - 512, INLINE_BYTES)
        self.run(record, self.steps.put_blob(name, record.state, length))
        self.counts["bulk put"] += 1


class TracedContainers(ContainerWriter):
    def __init__(self, index: int, seed: int, marks: Marks):
        super().__init__(index, seed, "127.0.0.1", 0)
        self.marks = marks
        self.histories = {name: History(name, ContainerState()) for name in self.records}

    def connect(self, port: int) -> None:
        self.client = MarkedClient("127.0.0.1", port, self.account, self.marks)

    def work_some(self, operations: int) -> None:
        for _ in range(operations):
            self.once()
        self.client.close()

    def request(self, record, text, *arguments, **named) -> None:
        before = record.state
        super().request(record, text, *arguments, **named)
        if record.state is not before:
            client = self.client
            self.histories[record.name].entries.append(Entry(client.begin, client.end, text, record.state))


class Workload:
    """All writers of a run; they live through the restarts of the node."""

    def __init__(self, seed: int, writers: int, names: int, bulk: int, marks: Marks):
        self.marks = marks
        self.writers = [TracedWriter(n, seed, names, marks) for n in range(writers)]
        self.containers = [TracedContainers(0, seed, marks)]
        self.bulk = [BulkWriter(100 + n, seed, 0, marks) for n in range(bulk)]
        self.main = History(CONTAINER, ContainerState())

    def create_container(self, port: int) -> None:
        with MarkedClient("127.0.0.1", port, wire.TESTING, self.marks) as client:
            answer = client.call("PUT", client.target(CONTAINER, restype="container"), [], b"")
            if answer.status != 201:
                raise AssertionError(f"create container: {answer}")
            after = ContainerState(True, etag=answer.get("etag"))
            self.main.entries.append(Entry(client.begin, client.end, "create", after))

    def run(self, port: int, operations: int, bulk_operations: int = 0) -> None:
        """Each writer does that many operations, all writers at once. Raises what any of them raised."""
        work: list[tuple[TracedWriter | TracedContainers, int]] = [(w, operations) for w in self.writers]
        work += [(each, operations) for each in self.containers]
        work += [(each, bulk_operations) for each in self.bulk if bulk_operations]
        failures: list[BaseException] = []

        def guarded(task: Callable[[], None]) -> None:
            try:
                task()
            except BaseException as failure:  # to be raised by the thread that waits
                failures.append(failure)

        threads = []
        for worker, count in work:
            worker.connect(port)
            threads.append(threading.Thread(target=guarded, args=[lambda w=worker, c=count: w.work_some(c)]))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failures:
            raise failures[0]

    def histories(self) -> list[History]:
        return [h for w in self.writers for h in w.histories.values()]

    def bulk_histories(self) -> list[History]:
        return [h for w in self.bulk for h in w.histories.values()]

    def container_histories(self) -> list[History]:
        return [h for c in self.containers for h in c.histories.values()]

    def counts(self) -> Counter[str]:
        return sum((w.counts for w in (*self.writers, *self.containers, *self.bulk)), Counter())
