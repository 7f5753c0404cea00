#!/usr/bin/env python3
"""Kills the released node under load, again and again, and proves that nothing acknowledged is lost or changed.

    python3 e2e/crash/crash.py --cycles 50 --seed 1

Each cycle: load from several processes, SIGKILL at a random moment (sometimes SIGTERM, sometimes SIGKILL during the
drain), a restart on the same directory (sometimes killed during recovery, too), then everything is read back and held
against the history that is kept outside the node: bytes, metadata, properties, tags, leases, block lists, listing, tag
index, containers. `forebay fsck` runs on the killed store every few cycles and at the end.

A killed process loses nothing that it had given to the kernel, so this proves the order of writes and the recovery,
not the syncs: those need a power loss.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import shlex
import signal
import sys
import threading
import time
from collections import Counter

sys.path[:0] = [os.path.dirname(os.path.abspath(__file__)), os.path.dirname(os.path.dirname(os.path.abspath(__file__)))]

import node as nodes
import wire
from checker import compare_listing, find_by_tag, read_listing
from load import Report, serve
from steps import CONTAINER

REPORT_TIMEOUT_SECONDS = 180
SHELVES = range(6)


class Red(Exception):
    """The run has failed; the message says how."""


class Crash:
    def __init__(self, arguments: argparse.Namespace):
        self.arguments = arguments
        self.rng = random.Random(f"{arguments.seed}/main")
        self.node = wire.production_node(*shlex.split(arguments.serve_options))
        self.counts: Counter[str] = Counter()
        self.endings: Counter[str] = Counter()
        self.slowest_start = 0.0
        self.fsck_runs = 0
        self.processes: list[multiprocessing.Process] = []
        self.pipes: list = []
        self.has_tag_index = True

    def client(self) -> wire.Client:
        return wire.Client("127.0.0.1", self.node.port)

    # Starting

    def prepare(self) -> None:
        self.node.start()
        with self.client() as client:
            answer = client.call("PUT", client.target(CONTAINER, restype="container"), [], b"")
            if answer.status != 201:
                raise Red(f"create container: {answer}: {answer.body[:300]!r}")
            options = frozenset(["copy"] if self.copies(client) else [])
            self.has_tag_index = not isinstance(find_by_tag(client, 0), wire.Answer)
        print(
            f"server-side copy: {'in the mix' if options else 'not offered, left out'}; "
            f"tag index: {'checked' if self.has_tag_index else 'not offered, left out'}",
            flush=True,
        )
        context = multiprocessing.get_context("fork")
        for process in range(self.arguments.processes):
            here, there = context.Pipe()
            arguments = (
                process,
                self.arguments.writers,
                self.arguments.names,
                self.arguments.seed,
                "127.0.0.1",
                self.node.port,
                options,
            )
            worker = context.Process(target=serve, args=(there, *arguments), daemon=True)
            worker.start()
            self.processes.append(worker)
            self.pipes.append(here)

    def copies(self, client: wire.Client) -> bool:
        source, copy = client.target(CONTAINER, "probe"), client.target(CONTAINER, "probe-copy")
        client.call("PUT", source, [("x-ms-blob-type", "BlockBlob")], b"probe")
        headers = [("x-ms-copy-source", f"http://127.0.0.1:{self.node.port}{source}"), ("x-ms-requires-sync", "true")]
        answer = client.call("PUT", copy, headers, b"")
        for target in (source, copy):
            client.call("DELETE", target)
        return answer.status == 202

    def start(self) -> None:
        """Starts the node; sometimes its recovery is killed first."""
        while self.rng.random() < 0.2:
            self.kill_while_starting(self.rng.choice([0.002, 0.01, 0.03, 0.1, 0.2]) * self.rng.random() * 2)
        began = time.monotonic()
        self.node.start()
        self.slowest_start = max(self.slowest_start, time.monotonic() - began)

    def kill_while_starting(self, after: float) -> None:
        def attempt() -> None:
            try:
                self.node.start()
            except nodes.NodeError:
                pass  # killed before it was ready: that is the purpose

        starting = threading.Thread(target=attempt)
        starting.start()
        wire.wait_until(lambda: self.node.alive, 10, 0.001)
        time.sleep(after)
        self.node.kill()
        starting.join()
        self.endings["killed while starting"] += 1

    # One cycle

    def order(self, what: str) -> None:
        for pipe in self.pipes:
            pipe.send(what)

    def reports(self) -> list[Report]:
        found = []
        for pipe in self.pipes:
            if not pipe.poll(REPORT_TIMEOUT_SECONDS):
                raise Red(f"a load process has not reported within {REPORT_TIMEOUT_SECONDS} s")
            found.append(pipe.recv())
        violations = [text for report in found for text in report.violations]
        if violations:
            raise Red(
                "\n\n".join(violations[:3]) + (f"\n\n… and {len(violations) - 3} more" if len(violations) > 3 else "")
            )
        return found

    def cycle(self, number: int) -> None:
        self.order("load")
        longest = self.arguments.longest
        time.sleep(self.rng.uniform(0.05, 0.4) if self.rng.random() < 0.25 else self.rng.uniform(0.3, longest))
        if not self.node.alive:
            raise Red(f"the node ended by itself during the load of cycle {number}")
        last = number == self.arguments.cycles
        ending = (
            "killed" if last else self.rng.choices(["killed", "killed while draining", "terminated"], [80, 10, 10])[0]
        )
        ended = time.monotonic()
        self.end(ending)
        reports = self.reports()
        for report in reports:
            self.counts += report.counts
            if report.gone is not None and report.gone < ended:
                raise Red(
                    f"a connection broke {ended - report.gone:.3f} s before the node was ended: {report.gone_reason}"
                )
        if last or number % self.arguments.fsck_every == 0:
            self.fsck()
        self.start()
        self.read_back()
        if self.arguments.verbose:
            print(f"cycle {number}: {ending}, {sum(sum(r.counts.values()) for r in reports)} requests", flush=True)

    def end(self, how: str) -> None:
        self.endings[how] += 1
        if how == "terminated":
            status = self.node.terminate()
            if status != 0:
                raise Red(f"SIGTERM ended the node with {status}, not 0")
        elif how == "killed while draining":
            os.kill(self.node.pid, signal.SIGTERM)
            time.sleep(self.rng.uniform(0, 0.15))
        self.node.kill()

    def fsck(self) -> None:
        status, output = wire.fsck(str(self.node.data))
        self.fsck_runs += 1
        if status != 0:
            raise Red(f"fsck ended with {status}:\n{output[:4000]}")

    def read_back(self) -> None:
        self.order("verify")
        expected = {name: entry for report in self.reports() for name, entry in report.listed.items()}
        with self.client() as client:
            entries, complaints = read_listing(client, self.rng.choice([3, 17, 5000]))
            problems = compare_listing(expected, entries, complaints)
            committed = {name: entry for name, entry in expected.items() if entry.length is not None}
            plain, complaints = read_listing(client, 5000, "metadata,tags")
            problems += compare_listing(committed, plain, complaints)
            if self.has_tag_index:
                shelf = self.rng.choice(SHELVES)
                tagged = {name for name, entry in committed.items() if ("shelf", str(shelf)) in entry.tags}
                found = find_by_tag(client, shelf)
                if found != tagged:
                    problems.append(f"find shelf={shelf}: {found} instead of {tagged}")
        if problems:
            raise Red("listing and reads disagree:\n  " + "\n  ".join(problems[:20]))

    # Whole run

    def run(self) -> None:
        began = time.monotonic()
        self.prepare()
        for number in range(1, self.arguments.cycles + 1):
            self.number = number
            self.cycle(number)
            if number % 10 == 0 or number == self.arguments.cycles:
                print(
                    f"{number} of {self.arguments.cycles} cycles, {sum(self.counts.values())} operations, "
                    f"{time.monotonic() - began:.0f} s",
                    flush=True,
                )
        if self.node.terminate() != 0:
            raise Red("SIGTERM did not end the idle node with 0")
        self.fsck()
        print("operations: " + ", ".join(f"{name} {count}" for name, count in self.counts.most_common()))
        print(
            "endings: "
            + ", ".join(f"{name} {count}" for name, count in self.endings.most_common())
            + f"; fsck clean {self.fsck_runs} times; slowest start {self.slowest_start:.2f} s"
        )
        print(
            f"crash: {self.arguments.cycles} cycles green in {time.monotonic() - began:.1f} s, seed {self.arguments.seed}"
        )

    def close(self) -> None:
        for worker in self.processes:
            worker.kill()
            worker.join()
        self.node.close()


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cycles", type=int, default=50)
    parser.add_argument("--seed", type=int, default=int(time.time()) % 1_000_000)
    parser.add_argument("--processes", type=int, default=3)
    parser.add_argument("--writers", type=int, default=4, help="writers in each process")
    parser.add_argument("--names", type=int, default=6, help="blob names of each writer")
    parser.add_argument("--longest", type=float, default=2.0, help="seconds of load in a cycle, at most")
    parser.add_argument("--fsck-every", type=int, default=5, help="cycles between two runs of fsck")
    parser.add_argument("--serve-options", default="", help="further options of `forebay serve`")
    parser.add_argument("--verbose", action="store_true")
    return parser.parse_args()


def repeat_command(arguments: argparse.Namespace) -> str:
    given = [
        f"--{name.replace('_', '-')} {shlex.quote(str(value))}"
        for name, value in vars(arguments).items()
        if value not in ("", False, True)
    ]
    return f"python3 e2e/crash/crash.py {' '.join(given)}"


def main() -> int:
    arguments = parse()
    print(f"seed {arguments.seed}", flush=True)
    crash = Crash(arguments)
    try:
        crash.run()
        return 0
    except (Red, nodes.NodeError, wire.Broken, wire.Hung) as red:
        os.environ["FOREBAY_E2E_KEEP"] = "1"
        print(f"\ncrash: RED in cycle {getattr(crash, 'number', 0)}: {red}\n\n{crash.node.log_tail(40)}\n")
        print(f"repeat: {repeat_command(arguments)}")
        return 1
    finally:
        crash.close()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    sys.exit(main())
