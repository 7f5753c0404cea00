"""Disk full, read-only, input/output errors, slow syncs: under load, on the running node, and gone again.

A shim below the node (sick_disk.c) makes its file system calls fail or wait, for the metadata's files, the extents'
files or both; one row fills a real file system instead. In each row writers and readers go on through the fault:

- under the fault every write is done, or refused with 503 ServerBusy and Retry-After; never another error;
- reads answer what was acknowledged, all the time;
- when the fault ends writes are taken again within seconds, by the same process;
- everything acknowledged is there, also after SIGKILL and a start; `forebay fsck` is clean.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass

sys.path[:0] = [os.path.dirname(os.path.abspath(__file__)), os.path.dirname(os.path.dirname(os.path.abspath(__file__)))]

import disk as disks
import node as nodes
import wire
from load import CONTAINER, Phase, Reader, Violation, Worker, check_read, content

RECOVERY_LIMIT_SECONDS = 10.0
WRITERS = 6
STILL = {f"still/{length}": content(f"still/{length}", length) for length in (700, 9_000, 70_000, 1_500_000)}


@dataclass(frozen=True)
class Row:
    name: str
    sickness: disks.Sickness
    areas: int
    # Whether every write must be refused: one to metadata always is part of it.
    stops_all: bool = True
    is_quick: bool = False


def rows() -> list[Row]:
    table = []
    kinds = [
        ("full", disks.FULL, {disks.BOTH}),
        ("full-torn-writes", disks.FULL_TEARING, {disks.BOTH, disks.METADATA}),
        ("full-at-sync", disks.FULL_SYNC, set()),
        ("read-only", disks.READ_ONLY, {disks.BOTH}),
        ("io-error", disks.BROKEN, {disks.METADATA}),
        ("io-error-at-sync", disks.BROKEN_SYNC, {disks.BOTH, disks.EXTENTS}),
    ]
    areas = [("both", disks.BOTH), ("metadata", disks.METADATA), ("extents", disks.EXTENTS)]
    for kind, sickness, quick in kinds:
        for where, area in areas:
            stops_all = bool(area & disks.METADATA)
            table.append(Row(f"{kind}/{where}", sickness, area, stops_all, area in quick))
    for where, area in areas:
        table.append(Row(f"slow/{where}", disks.SLOW, area, False, area == disks.BOTH))
    return table


class Faults:
    def __init__(self, arguments: argparse.Namespace):
        self.arguments = arguments
        self.disk = disks.SickDisk()
        self.node = self.new_node()
        self.workers: list[Worker] = []
        self.reader: Reader | None = None
        self.phase = Phase()
        self.totals: Counter[str] = Counter()

    def new_node(self, *options: str, data: str | None = None) -> nodes.Node:
        node = wire.production_node("--scrub-rate", "0", *options)
        if data is not None:
            node.data = nodes.Path(data)
        node._env.update(self.disk.environment(node.data))
        return node

    def client(self) -> wire.Client:
        return wire.Client("127.0.0.1", self.node.port)

    def prepare(self) -> None:
        self.node.start()
        with self.client() as client:
            answer = client.call("PUT", client.target(CONTAINER, restype="container"), [], b"")
            if answer.status != 201:
                raise Violation(f"create container: {answer}")
            for name, body in STILL.items():
                answer = client.call("PUT", client.target(CONTAINER, name), [("x-ms-blob-type", "BlockBlob")], body)
                if answer.status != 201:
                    raise Violation(f"put {name}: {answer}")

    # The load

    def start_load(self, row: str) -> None:
        self.phase.may_refuse = False
        self.phase.number += 1
        seed = self.arguments.seed
        self.workers = [
            Worker(f"{row}-{index}", "127.0.0.1", self.node.port, f"{seed}/{row}/{index}", self.phase)
            for index in range(WRITERS)
        ]
        self.reader = Reader("reader", "127.0.0.1", self.node.port, self.phase, STILL)
        for worker in [*self.workers, self.reader]:
            worker.start()

    def threads(self) -> list[Worker | Reader]:
        return [*self.workers, *([self.reader] if self.reader else [])]

    def stop_load(self) -> Counter[str]:
        counts: Counter[str] = Counter()
        for worker in self.threads():
            worker.stopping.set()
        for worker in self.threads():
            worker.join(90)
            if worker.is_alive():
                raise Violation(f"{worker.name} hangs")
            counts += worker.counts
        self.complain()
        return counts

    def complain(self) -> None:
        violations = [worker.violation for worker in self.threads() if worker.violation]
        if violations:
            raise Violation("\n".join(violations[:3]))

    def run_for(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            time.sleep(0.05)
            self.complain()

    def wait_for_writes(self) -> float:
        """Seconds until every writer has been served again."""
        began = time.monotonic()
        while True:
            number = self.phase.number
            if all(number in worker.first_success for worker in self.workers):
                return max(worker.first_success[number] for worker in self.workers) - began
            if time.monotonic() - began > RECOVERY_LIMIT_SECONDS:
                raise Violation(f"writes are not taken again {RECOVERY_LIMIT_SECONDS:.0f} s after the end of the fault")
            time.sleep(0.02)
            self.complain()

    def verify(self, when: str) -> None:
        with self.client() as client:
            for worker in self.threads():
                for name, entry in worker.entries.items():
                    try:
                        check_read(name, client.call("GET", client.target(CONTAINER, name)), entry)
                    except Violation as violation:
                        raise Violation(f"{when}: {violation}") from None

    # One row

    def run(self, row: Row) -> str:
        if not self.node.alive:
            self.prepare()
        pid = self.node.pid
        self.start_load(row.name)
        self.run_for(self.arguments.healthy)
        self.phase.may_refuse = True
        self.disk.strike(row.sickness, row.areas)
        time.sleep(0.2)
        self.phase.is_sick = True
        self.run_for(max(self.arguments.sick, 3.0 if row.sickness.delay_ms else 0))
        during = sum((worker.counts for worker in self.threads()), Counter())
        self.check_during(row, self.disk.control.hits, during)
        self.phase.is_sick = False
        self.disk.heal()
        self.phase.number += 1
        recovery = self.wait_for_writes()
        # Refusals that were under way at the end of the fault are out by now; from here on there are none.
        time.sleep(0.3)
        self.phase.may_refuse = False
        self.run_for(self.arguments.healthy / 2)
        counts = self.stop_load()
        if self.node.pid != pid or not self.node.alive:
            raise Violation("the node has ended")
        if row.stops_all and wire.metrics(self.node).get("forebay_metadata_writable") != 1:
            raise Violation("forebay_metadata_writable is not 1 after the recovery")
        self.verify("after the fault")
        self.node.kill()
        self.node.start()
        self.verify("after SIGKILL and a start")
        if self.node.terminate() != 0:
            raise Violation("SIGTERM did not end the node with 0")
        self.fsck()
        self.node.start()
        self.totals += counts
        slowest = self.reader.slowest_read
        return (
            f"{during['refusals']} refused, {during['writes under fault']} written, {during['reads under fault']} read "
            f"under it (slowest read {slowest * 1000:.0f} ms); recovered in {recovery:.1f} s"
        )

    def check_during(self, row: Row, hits: int, during: Counter[str]) -> None:
        if hits == 0:
            raise Violation("the fault struck no call: this row proves nothing")
        if during["reads under fault"] == 0:
            raise Violation("nothing was read under the fault: this row proves nothing")
        if row.sickness.error == 0:
            if during["writes under fault"] == 0:
                raise Violation("a slow disk must not stop writes")
            return
        if during["refusals"] == 0:
            raise Violation("no write was refused under the fault")
        if row.stops_all and during["writes under fault"]:
            raise Violation(f"{during['writes under fault']} writes were acknowledged on a disk that took none")
        if not row.stops_all and during["writes under fault"] == 0:
            raise Violation("small writes need no extents: they must go on")
        status, text = wire.admin_get(self.node, "/healthz/ready")
        if status != 200 or (row.stops_all and "refused" not in text):
            raise Violation(f"/healthz/ready under the fault: {status} {text!r}")
        if row.stops_all and wire.metrics(self.node).get("forebay_metadata_writable") != 0:
            raise Violation("forebay_metadata_writable is not 0 under the fault")

    def fsck(self) -> None:
        status, output = wire.fsck(str(self.node.data))
        if status != 0:
            raise Violation(f"fsck ended with {status}:\n{output[:4000]}")

    # A disk that is full indeed

    def run_full_disk(self) -> str | None:
        """Fills a small file system through the node. None when no file system can be mounted."""
        mount = tempfile.mkdtemp(prefix="forebay-small-disk-")
        made = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=448m", "tmpfs", mount], capture_output=True, timeout=30, check=False
        )
        if made.returncode != 0:
            os.rmdir(mount)
            return None
        old, self.node = self.node, self.new_node("--capacity", "100G", data=mount + "/data")
        os.mkdir(mount + "/data")
        try:
            self.prepare()
            return self.fill_and_free(mount)
        finally:
            self.node.close()
            self.node = old
            subprocess.run(["umount", "-l", mount], timeout=30, check=False)
            shutil.rmtree(mount, ignore_errors=True)

    def fill_and_free(self, mount: str) -> str:
        pid = self.node.pid
        body = bytes(4 << 20)
        stored: list[str] = []
        refused = 0
        with self.client() as client:

            def put(name: str, data: bytes) -> wire.Answer:
                return client.call("PUT", client.target(CONTAINER, name), [("x-ms-blob-type", "BlockBlob")], data)

            for index in range(400):
                answer = put(f"fill/{index}", body)
                if answer.status == 201:
                    stored.append(f"fill/{index}")
                    continue
                self.require_refusal(answer)
                refused += 1
                if refused == 5:
                    break
            if refused < 5 or not stored:
                raise Violation(f"{len(stored)} blobs of 4 MiB fit, {refused} were refused: the disk never was full")
            free = os.statvfs(mount).f_bavail * os.statvfs(mount).f_frsize
            self.require_all(client, stored, body)
            # The way out of a full disk: deleting, down to nothing.
            for name in stored[:-2]:
                answer = client.call("DELETE", client.target(CONTAINER, name))
                if answer.status != 202:
                    raise Violation(f"DELETE {name} on a full disk: {answer}")
            began = time.monotonic()
            while (answer := put("again", body)).status != 201:
                self.require_refusal(answer)
                if time.monotonic() - began > RECOVERY_LIMIT_SECONDS:
                    raise Violation("deleting has not made room")
                time.sleep(0.1)
            recovery = time.monotonic() - began
            # What was deleted is given back in the background: only then is the disk as empty as it gets.
            left = 3 * len(body) + sum(len(still) + 4096 for still in STILL.values())
            if not wire.wait_until(
                lambda: wire.metrics(self.node).get("forebay_extent_used_bytes", 1 << 62) <= left, 30, 0.1
            ):
                used = wire.metrics(self.node).get("forebay_extent_used_bytes")
                raise Violation(f"the space of deleted blobs has not come back in 30 s: {used} bytes used, {left} live")
            # Somebody else takes all that is left, to the last byte.
            filler = mount + "/filler"
            self.fill_up(filler)
            for size in (100, 4 << 20):
                self.require_refusal(put("refused", bytes(size)))
            self.require_all(client, [*stored[-2:], "again"], body)
            os.unlink(filler)
            began = time.monotonic()
            while (answer := put("last", body)).status != 201:
                self.require_refusal(answer)
                if time.monotonic() - began > RECOVERY_LIMIT_SECONDS:
                    raise Violation("writes are not taken again after the filler has gone")
                time.sleep(0.1)
            kept = [*stored[-2:], "again", "last"]
            if self.node.pid != pid or not self.node.alive:
                raise Violation("the node has ended")
            self.node.kill()
            self.node.start()
            self.require_all(client, kept, body)
            if self.node.terminate() != 0:
                raise Violation("SIGTERM did not end the node with 0")
        self.fsck()
        return (
            f"{len(stored)} blobs of 4 MiB, then refused with {free >> 20} MiB left for names; {len(stored) - 2} "
            f"deleted; writes again after {recovery:.1f} s"
        )

    @staticmethod
    def fill_up(path: str) -> None:
        with open(path, "wb", buffering=0) as file:
            size = 1 << 20
            while size:
                try:
                    if file.write(bytes(size)) < size:
                        size //= 2
                except OSError:
                    size //= 2

    @staticmethod
    def require_refusal(answer: wire.Answer) -> None:
        if answer.status != 503 or answer.code != "ServerBusy" or not (answer.get("retry-after") or "").isdigit():
            raise Violation(f"a write on a full disk: {answer} {answer.body[:200]!r}, not 503 with Retry-After")

    @staticmethod
    def require_all(client: wire.Client, names: list[str], body: bytes) -> None:
        for name in names:
            answer = client.call("GET", client.target(CONTAINER, name))
            if answer.status != 200 or answer.body != body:
                raise Violation(f"GET {name} on a full disk: {answer}")

    def close(self) -> None:
        self.disk.heal()
        for worker in self.threads():
            worker.stopping.set()
        self.node.close()
        self.disk.close()


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer rows, shorter ones: at most 40 s")
    parser.add_argument("--row", action="append", default=[], help="only this row; may be repeated")
    parser.add_argument("--seed", type=int, default=int(time.time()) % 1_000_000)
    parser.add_argument("--healthy", type=float, help="seconds of load before the fault")
    parser.add_argument("--sick", type=float, help="seconds of the fault")
    arguments = parser.parse_args()
    arguments.healthy = arguments.healthy or (0.5 if arguments.quick else 1.0)
    arguments.sick = arguments.sick or (1.0 if arguments.quick else 3.0)
    return arguments


def main() -> int:
    arguments = parse()
    print(f"seed {arguments.seed}", flush=True)
    table = rows()
    known = [row.name for row in table] + ["full-disk"]
    if unknown := set(arguments.row) - set(known):
        print(f"no such row: {', '.join(unknown)}; there are {', '.join(known)}")
        return 2
    if arguments.row:
        table = [row for row in table if row.name in arguments.row]
    elif arguments.quick:
        table = [row for row in table if row.is_quick]
    faults = Faults(arguments)
    green, name = 0, "start"
    began = time.monotonic()
    try:
        for row in table:
            name = row.name
            line = faults.run(row)
            green += 1
            print(f"{name:26} {line}", flush=True)
        if not arguments.row or "full-disk" in arguments.row:
            name = "full-disk"
            if (line := faults.run_full_disk()) is None:
                print(f"{name:26} SKIPPED: no file system can be mounted here (not root)", flush=True)
            else:
                green += 1
                print(f"{name:26} {line}", flush=True)
        counts = ", ".join(f"{key} {value}" for key, value in sorted(faults.totals.items()))
        print(f"{counts}\nfaults: {green} rows green in {time.monotonic() - began:.1f} s, seed {arguments.seed}")
        return 0
    except (Violation, nodes.NodeError, wire.Broken, wire.Hung) as red:
        os.environ["FOREBAY_E2E_KEEP"] = "1"
        print(f"\nfaults: RED in row {name}: {red}\n\n{faults.node.log_tail(40)}\n")
        times = f"--healthy {arguments.healthy} --sick {arguments.sick}"
        print(f"repeat: python3 e2e/faults/faults.py --seed {arguments.seed} --row {shlex.quote(name)} {times}")
        return 1
    finally:
        faults.close()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    sys.exit(main())
