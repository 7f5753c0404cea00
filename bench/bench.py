#!/usr/bin/env python3
"""Measures this node beside nginx, SeaweedFS and rclone's S3 server on the same work, in one run, with the same load.

    python3 bench/bench.py --quick            under three minutes
    python3 bench/bench.py --full --out docs/benchmarks/node.md

wrk drives the small GETs; bench/load.c drives uploads, HEAD and large ranges, where wrk's own copying would be what is
measured. Requests are signed before the clock starts. Every server answers one verified request of each row first. All
servers run all the time and are idle when it is not their turn. --out writes the report, and the chart beside it.
Exit status 1 for a wrong answer; --strict also for a missed goal.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import limits
import report
from rivals import Forebay, Nginx, Rival, nodes, settle, wire
from rows import ROWS, Bench, Invalid, Row, Sample
from s3 import RcloneS3, SeaweedFS

# In the order of the table; the first is the node that the ratios are about.
RIVALS: dict[str, type[Rival]] = {rival.name: rival for rival in (Forebay, Nginx, SeaweedFS, RcloneS3)}
QUICK = (1.0, 3)  # seconds of a measurement, rounds
FULL = (4.0, 5)
WARM_UP_SECONDS = 0.5
LIMIT_SECONDS = 2.0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="the default")
    size.add_argument("--full", action="store_true")
    parser.add_argument("--seconds", type=float, help="of each measurement")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--rows", default="", help="only rows whose name contains this text")
    parser.add_argument("--rivals", default=",".join(RIVALS), help="comma-separated; the ratios are about forebay")
    parser.add_argument("--no-limits", action="store_true", help="without fio and loopback")
    parser.add_argument("--strict", action="store_true", help="a missed goal is an error")
    parser.add_argument("--dir", help="where the servers keep their files; the disk that is measured")
    parser.add_argument("--out", type=Path, help="write the report here, and the chart to the same name with .svg")
    return parser.parse_args()


class Run:
    """One run: the samples of every row and server, and of the limits that are measured in turn with them."""

    def __init__(self, bench: Bench, rivals: list[Rival], rounds: int, with_limits: bool):
        self.bench, self.rivals, self.rounds, self.with_limits = bench, rivals, rounds, with_limits
        self.results: dict[Row, dict[str, list[Sample]]] = {}
        self.beside: dict[Row, dict[str, list[float]]] = {}
        self.unable: list[str] = []

    def row(self, row: Row) -> None:
        samples = self.results[row] = {rival.name: [] for rival in self.rivals}
        able = []
        for rival in self.rivals:
            try:
                self.bench.measure(rival, row, WARM_UP_SECONDS)
                able.append(rival)
            except Invalid as error:
                if rival.name == report.OURS:
                    raise
                self.unable.append(f"{rival.name} cannot do {row.name}: {error}"[:300])
                print(f"note: {self.unable[-1]}", file=sys.stderr)
        for number in range(self.rounds):
            for rival in able if number % 2 == 0 else reversed(able):
                sample = self.bench.measure(rival, row)
                samples[rival.name].append(sample)
                print(
                    f"{row.name:18} round {number + 1} {rival.name:10} {sample.requests_per_second:10.0f} requests/s "
                    f"{sample.bytes_per_second / (1 << 20):9.1f} MiB/s  p99 {sample.p99_ms:8.2f} ms",
                    file=sys.stderr,
                    flush=True,
                )
            if row.kind == "block" and self.with_limits:
                self.disk(row)

    def disk(self, row: Row) -> None:
        for name in limits.SYNCED_WRITES:
            settle()
            limit = limits.synced_write(name, self.bench.home, min(self.bench.seconds, LIMIT_SECONDS))
            self.beside.setdefault(row, {}).setdefault(name, []).append(limit.bytes_per_second)

    def disk_limits(self) -> list[limits.Limit]:
        return [
            limits.Limit(f"{name}, of 8 MiB in sequence", rate := report.median(rates), rate / (8 << 20))
            for each in self.beside.values()
            for name, rates in each.items()
        ]


def main() -> int:
    arguments = parse()
    seconds, rounds = FULL if arguments.full else QUICK
    seconds, rounds = arguments.seconds or seconds, arguments.rounds or rounds
    rows = [row for row in ROWS if arguments.rows.lower() in row.name.lower()]
    home = Path(tempfile.mkdtemp(prefix="forebay-bench-", dir=arguments.dir))
    rivals: list[Rival] = []
    try:
        home.chmod(0o755)
        bench = Bench(home, seconds)
        ceilings = [] if arguments.no_limits else limits.measure(home, min(seconds, LIMIT_SECONDS))
        for name in arguments.rivals.split(","):
            rivals.append(RIVALS[name](home))
        versions = {}
        for rival in rivals:
            rival.start()
            versions[rival.name] = rival.version()
            bench.prepare(rival, rows)
            print(f"{rival.name} {versions[rival.name]} is ready", file=sys.stderr, flush=True)
        run = Run(bench, rivals, rounds, not arguments.no_limits)
        for row in rows:
            run.row(row)
    except (Invalid, RuntimeError, nodes.NodeError, wire.Broken, wire.Hung) as error:
        print(f"bench: RED: {type(error).__name__}: {error}", file=sys.stderr)
        print(f"bench: repeat with: python3 {' '.join(sys.argv)}", file=sys.stderr)
        return 1
    finally:
        for rival in rivals:
            rival.stop()
        shutil.rmtree(home, ignore_errors=True)
    command = "python3 bench/bench.py " + ("--full" if arguments.full else "--quick")
    text = report.markdown(
        run.results, run.beside, rivals, versions, run.disk_limits() + ceilings, run.unable, seconds, rounds, command
    )
    print(text)
    found = report.comparisons(run.results, run.beside)
    if arguments.out:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(text)
        note = f"{report.today()}, medians of {rounds} rounds of {seconds:g} s; to the right of 1× forebay is faster"
        arguments.out.with_suffix(".svg").write_text(report.drawing(found, note))
    missed = report.missed(found)
    for line in missed:
        print(f"bench: goal missed: {line}", file=sys.stderr)
    return 1 if missed and arguments.strict else 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    sys.exit(main())
