#!/usr/bin/env python3
"""Allocations of the released node for one request of each kind, held against thresholds.json.

    python3 e2e/allocations/allocations.py                 red when a request allocates more than its threshold
    python3 e2e/allocations/allocations.py --update        writes what was measured as the new thresholds
    python3 e2e/allocations/allocations.py --trace HEAD    where the allocations come from (sites.py)

The count is the least of several batches: the node's own timers can only add to it. It does not depend on the speed of
the machine. An upload's body arrives in as many pieces as the kernel makes of it, so its threshold has more slack.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import sites
from counted import KINDS, CountedNode, Kind, nodes, wire

THRESHOLDS = HERE / "thresholds.json"
WARM_UP_BATCHES, BATCHES = 1, 4
# What a request may allocate beyond its threshold before the run is red, and below it before it is said to be loose.
SLACK_CALLS, SLACK_PART = 1.0, 0.03
SLACK_PART_OF_BODIES = 0.50
LARGE_BODY_BYTES = 1 << 20


def slack(kind: Kind, threshold: float) -> float:
    part = SLACK_PART_OF_BODIES if len(kind.body) >= LARGE_BODY_BYTES else SLACK_PART
    return max(SLACK_CALLS, threshold * part)


def verdict(kind: Kind, measured: float, threshold: float | None) -> tuple[bool, str]:
    """Whether the measured allocations of one request are within the threshold, and what to say of it."""
    if threshold is None:
        return False, "no threshold: run with --update"
    room = slack(kind, threshold)
    if measured > threshold + room:
        return False, f"RED: {measured - threshold:.1f} more than the threshold of {threshold:g} (slack {room:.1f})"
    if measured < threshold - room:
        return True, f"green; the threshold of {threshold:g} could be {measured:.1f}: --update"
    return True, f"green (threshold {threshold:g})"


def measure(counted: CountedNode, kind: Kind) -> float:
    for _ in range(WARM_UP_BATCHES):
        counted.batch(kind)
    return min(counted.batch(kind) for _ in range(BATCHES)) / kind.count


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--update", action="store_true")
    parser.add_argument("--trace", metavar="KIND", choices=[kind.name for kind in KINDS])
    parser.add_argument("--top", type=int, default=30, help="with --trace: stacks that are shown")
    arguments = parser.parse_args()
    thresholds = json.loads(THRESHOLDS.read_text()) if THRESHOLDS.exists() else {}
    began, green, measured = time.monotonic(), True, {}
    try:
        with CountedNode() as counted:
            if arguments.trace:
                kind = next(kind for kind in KINDS if kind.name == arguments.trace)
                print(sites.report(counted, kind, arguments.top, frames=8))
                return 0
            for kind in KINDS:
                measured[kind.name] = round(measure(counted, kind), 1)
                good, text = verdict(kind, measured[kind.name], thresholds.get(kind.name))
                green = green and good
                print(f"{kind.name:16} {measured[kind.name]:8.1f} allocations a request: {text}", flush=True)
    except (nodes.NodeError, wire.Broken, wire.Hung) as error:
        print(f"allocations: RED: {type(error).__name__}: {error}")
        return 1
    if arguments.update:
        THRESHOLDS.write_text(json.dumps(measured, indent=2) + "\n")
        print(f"allocations: {THRESHOLDS.name} written")
        return 0
    print(f"allocations: {'green' if green else 'RED'} in {time.monotonic() - began:.1f} s")
    if not green:
        print("repeat with: python3 e2e/allocations/allocations.py; look for the site with --trace KIND")
    return 0 if green else 1


if __name__ == "__main__":
    sys.exit(main())
