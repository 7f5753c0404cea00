"""A process of the load: some writers, one reader, one writer of containers, each a thread."""

from __future__ import annotations

import random
import threading
import traceback
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from multiprocessing.connection import Connection as Pipe
from xml.etree import ElementTree

import wire
from checker import Listed, listed, verify
from containers import ContainerWriter
from content import parse_recipe, total
from steps import CONTAINER
from violation import NodeGone, Violation, violation
from writer import Writer, read_consistent

VERIFYING_THREADS = 4


@dataclass
class Report:
    """What a process tells after a load or a verification. `gone` is when the first connection was lost."""

    violations: list[str] = field(default_factory=list)
    gone: float | None = None
    gone_reason: str = ""
    counts: Counter[str] = field(default_factory=Counter)
    listed: dict[str, Listed] = field(default_factory=dict)


class Reader:
    """Reads what the writers beside it are writing."""

    def __init__(self, seed: int, process: int, writers: list[Writer], host: str, port: int):
        self.rng = random.Random(f"{seed}/reader/{process}")
        self.writers = writers
        self.client = wire.Client(host, port)
        self.counts: Counter[str] = Counter()

    def work(self) -> NodeGone:
        try:
            while True:
                self.list_page() if self.rng.random() < 0.1 else self.read()
        except wire.Broken as broken:
            return NodeGone(str(broken))
        finally:
            self.client.close()

    def read(self) -> None:
        record = self.rng.choice(list(self.rng.choice(self.writers).records.values()))
        complaint = read_consistent(self.client, self.client.target(CONTAINER, record.name))
        self.counts["foreign read"] += 1
        if complaint:
            raise violation(record, f"read while written: {complaint}")

    def list_page(self) -> None:
        record = self.rng.choice(list(self.rng.choice(self.writers).records.values()))
        query = {
            "restype": "container",
            "comp": "list",
            "include": "metadata",
            "prefix": record.name.split("/")[0] + "/",
        }
        answer = self.client.call("GET", self.client.target(CONTAINER, **query))
        self.counts["foreign list"] += 1
        if answer.status == 503:
            return
        if answer.status != 200:
            raise violation(record, f"list while written: {answer}")
        for blob in ElementTree.fromstring(answer.body.removeprefix(b"\xef\xbb\xbf")).iter("Blob"):
            length, text = blob.findtext("Properties/Content-Length"), blob.findtext("Metadata/recipe")
            if text is None and length != "0" or total(parse_recipe(text or "")) != int(length or -1):
                name = blob.findtext("Name")
                listed_record = next((w.records[name] for w in self.writers if name in w.records), record)
                raise violation(listed_record, f"list while written: {name} has {length} bytes and metadata {text!r}")


class Load:
    def __init__(
        self, process: int, writers: int, names: int, seed: int, host: str, port: int, options: frozenset[str]
    ):
        self.writers = [Writer(process * writers + n, seed, names, host, port, options) for n in range(writers)]
        self.containers = ContainerWriter(process, seed, host, port)
        self.readers = [Reader(seed, process, self.writers, host, port)]

    def run(self) -> Report:
        report = Report()
        lock = threading.Lock()

        def work(worker) -> None:
            try:
                gone = worker.work()
                with lock:
                    if report.gone is None or gone.at < report.gone:
                        report.gone, report.gone_reason = gone.at, str(gone)
            except Violation as found:
                with lock:
                    report.violations.append(found.report())
            except wire.Hung as hung:
                with lock:
                    report.violations.append(f"VIOLATION no answer: {hung}")
            except Exception:
                with lock:
                    report.violations.append("FAULT OF THE TEST\n" + traceback.format_exc())

        workers = [*self.writers, self.containers, *self.readers]
        threads = [threading.Thread(target=work, args=[worker]) for worker in workers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for worker in workers:
            report.counts += worker.counts
            worker.counts.clear()
        return report

    def verify(self) -> Report:
        report = Report()

        def check(writer: Writer | ContainerWriter) -> list[str]:
            try:
                if isinstance(writer, ContainerWriter):
                    writer.verify()
                else:
                    for record in writer.records.values():
                        verify(writer.client, record)
                return []
            except Violation as found:
                return [found.report()]
            except (wire.Broken, wire.Hung) as error:
                return [f"VIOLATION while reading back: the connection broke: {error}"]
            except Exception:
                return ["FAULT OF THE TEST\n" + traceback.format_exc()]
            finally:
                writer.client.close()

        with ThreadPoolExecutor(VERIFYING_THREADS) as pool:
            for complaints in pool.map(check, [*self.writers, self.containers]):
                report.violations += complaints
        if not report.violations:
            for writer in self.writers:
                entries = {name: listed(record.state) for name, record in writer.records.items()}
                report.listed |= {name: entry for name, entry in entries.items() if entry is not None}
        return report


def serve(pipe: Pipe, *arguments) -> None:
    """The life of a load process: does what the pipe says until it says None."""
    load = Load(*arguments)
    while (order := pipe.recv()) is not None:
        pipe.send(load.run() if order == "load" else load.verify())
