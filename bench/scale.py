#!/usr/bin/env python3
"""Measures what must not slow down when there is a lot: names, connections, blocks in one blob, bytes at the start.

    python3 bench/scale.py --out docs/benchmarks/scale.md         a million names, 100 GiB of extents
    python3 bench/scale.py --names 20000 --extent-gib 2 --storm-blocks 1000 --blocks 5000

Every request is signed with Shared Key. Uploads are driven by bench/load.c, listings by this program, which reads and
counts without parsing. Rivals create and list fewer names (--rival-names), next to this node with as many.
Exit status 1 for a wrong answer; --strict also for a missed goal.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import chart
import report
from rivals import Forebay, nodes, wire
from rows import Bench, Invalid
from growth import RIVALS, STEPS, Scale


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--names", type=int, default=1_000_000)
    parser.add_argument("--blocks", type=int, default=50_000, help="of the one large blob")
    parser.add_argument("--storm-blocks", type=int, default=2_000, help="of one measurement; at least 1,000")
    parser.add_argument("--extent-gib", type=float, default=100)
    parser.add_argument("--rival-names", type=int, default=20_000)
    parser.add_argument("--rivals", default=",".join(RIVALS), help="comma-separated; empty for none")
    parser.add_argument("--steps", default=",".join(STEPS), help="list and start need create")
    parser.add_argument("--strict", action="store_true", help="a missed goal is an error")
    parser.add_argument("--dir", help="where the servers keep their files; the disk that is measured")
    parser.add_argument("--out", type=Path, help="write the report here, and the chart to the same name with .svg")
    return parser.parse_args()


def markdown(scale: Scale, version: str, command: str, with_chart: bool) -> str:
    parts = [
        "# Benchmark: scale",
        f"{report.today()}. {report.machine()}. {version}, durable, each request signed with Shared Key. "
        f"Made by `{command}`.",
        *(["![rates](scale.svg)"] if with_chart else []),
        report.table(["work", "what", "measured", "goal", ""], [figure.row() for figure in scale.figures]),
        *scale.notes,
    ]
    return "\n\n".join(parts) + "\n"


def main() -> int:
    arguments = parse()
    command = " ".join(["python3", "bench/scale.py", *sys.argv[1:]])
    home = Path(tempfile.mkdtemp(prefix="forebay-scale-", dir=arguments.dir))
    node = None
    try:
        home.chmod(0o755)
        bench = Bench(home, 1)
        # Of the extents of the start's step only the sizes are kept: they may be more than the disk holds.
        node = Forebay(home, ("--scrub-rate", "0", "--capacity", "10T"))
        node.start()
        scale = Scale(arguments, home, bench, node)
        for name in arguments.steps.split(","):
            began = time.monotonic()
            STEPS[name](scale)
            print(f"scale: {name} took {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    except (Invalid, RuntimeError, nodes.NodeError, wire.Broken, wire.Hung) as error:
        print(f"scale: RED: {type(error).__name__}: {error}\nscale: repeat with: {command}", file=sys.stderr)
        if node is not None:
            print(node.node.log_tail(10), file=sys.stderr)
        return 1
    finally:
        if node is not None:
            node.stop()
        shutil.rmtree(home, ignore_errors=True)
    text = markdown(scale, node.version(), command, bool(scale.charts))
    print(text)
    if arguments.out:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(text)
        if scale.charts:
            drawn = chart.panels("Scale", "the goal is the thick line", "thousand names", scale.charts)
            arguments.out.with_suffix(".svg").write_text(drawn)
    missed = [figure for figure in scale.figures if not figure.met]
    for figure in missed:
        print(f"scale: goal missed: {' | '.join(figure.row())}", file=sys.stderr)
    return 1 if missed and arguments.strict else 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    sys.exit(main())
