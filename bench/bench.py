#!/usr/bin/env python3
"""Measures this node beside nginx on the same files, in one run, with the same load; prints a Markdown table of ratios.

    python3 bench/bench.py --quick            about two minutes
    python3 bench/bench.py --full --out docs/benchmarks/core.md

wrk drives the small GETs; bench/load.c drives uploads, HEAD and large ranges, where wrk's own copying would be what is
measured. Requests are signed before the clock starts. Every server answers one verified request of each row first.
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
from rivals import RIVALS, Rival, nodes, wire
from rows import ROWS, Bench, Invalid, Row, Sample

QUICK = (1.0, 3)  # seconds of a measurement, rounds
FULL = (5.0, 5)
WARM_UP_SECONDS = 0.5


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="the default")
    size.add_argument("--full", action="store_true")
    parser.add_argument("--seconds", type=float, help="of each measurement")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--rows", default="", help="only rows whose name contains this text")
    parser.add_argument("--rivals", default=",".join(RIVALS), help="comma-separated; the ratios are about the first")
    parser.add_argument("--no-limits", action="store_true", help="without fio and loopback")
    parser.add_argument("--dir", help="where the servers keep their files; the disk that is measured")
    parser.add_argument("--out", type=Path, help="also write the Markdown to this file")
    return parser.parse_args()


def run_rows(bench: Bench, rivals: list[Rival], rows: list[Row], rounds: int) -> dict[Row, dict[str, list[Sample]]]:
    results: dict[Row, dict[str, list[Sample]]] = {}
    for row in rows:
        samples: dict[str, list[Sample]] = {rival.name: [] for rival in rivals}
        for rival in rivals:
            bench.measure(rival, row, WARM_UP_SECONDS)
        for number in range(rounds):
            for rival in rivals if number % 2 == 0 else reversed(rivals):
                sample = bench.measure(rival, row)
                samples[rival.name].append(sample)
                print(
                    f"{row.name:18} round {number + 1} {rival.name:10} {sample.requests_per_second:10.0f} requests/s "
                    f"{sample.bytes_per_second / (1 << 20):9.1f} MiB/s  p99 {sample.p99_ms:8.2f} ms",
                    file=sys.stderr,
                    flush=True,
                )
        results[row] = samples
    return results


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
        ceilings = [] if arguments.no_limits else limits.measure(home, min(seconds, 3))
        for name in arguments.rivals.split(","):
            rivals.append(RIVALS[name](home))
        versions = {}
        for rival in rivals:
            rival.start()
            versions[rival.name] = rival.version()
            bench.prepare(rival, rows)
        results = run_rows(bench, rivals, rows, rounds)
    except (Invalid, RuntimeError, nodes.NodeError, wire.Broken, wire.Hung) as error:
        print(f"bench: RED: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    finally:
        for rival in rivals:
            rival.stop()
        shutil.rmtree(home, ignore_errors=True)
    command = "python3 bench/bench.py " + ("--full" if arguments.full else "--quick")
    text = report.markdown(results, rivals, versions, ceilings, seconds, rounds, command)
    print(text)
    if arguments.out:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(text)
    missed = report.bars(results, rivals)
    for line in missed:
        print(f"bench: below its bar: {line}", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    sys.exit(main())
