#!/usr/bin/env python3
"""Runs the released node under a steady mixed load for hours and sees whether anything grows.

    python3 e2e/soak/soak.py --hours 0.5 --out docs/reliability
    python3 e2e/soak/soak.py --hours 0.05 --rate 100 --seed 7

Reads, small and large writes, block lists, overwrites, deletes, listings, metadata and leases at a fixed rate over a
bounded set of names; every answer's status, the bytes of each read and the names of each listing are checked. Red when
an answer is wrong, the log holds an error, fsck finds damage at the end, or memory, descriptors, threads, disk or
latency have grown: see `Rule` in series.py. Writes soak.md and soak.svg to --out.
"""

from __future__ import annotations

import argparse
import csv
import datetime
import random
import signal
import sys
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent / "crash"), str(ROOT / "bench")]

import chart
import node as nodes
import report
import wire
from series import LATENCY_RULES, LEAST_SAMPLES, PROBES, Sample, Sampler, Verdict, quarters, verdicts
from workers import CONTAINER, Timings, Worker

WORKERS = 4
SAMPLE_SECONDS = 5.0
PROGRESS_SECONDS = 30.0
PERCENTILES = ("p50_ms", "p99_ms", "count")
SHOWN = ("read small", "write small", "write large", "list")  # in the plot


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=0.5)
    parser.add_argument("--rate", type=float, default=80, help="steps a second; a few of them are several requests")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 30))
    parser.add_argument("--out", type=Path, help="directory for soak.md and soak.svg")
    parser.add_argument("--csv", type=Path, help="every sample, one a line")
    return parser.parse_args()


class Soak:
    def __init__(self, node: nodes.Node, rate: float, seed: int):
        self.node, self.stopping, self.timings = node, threading.Event(), Timings()
        self.workers = [
            Worker(number, node.port, rate / WORKERS, seed, self.timings, self.stopping) for number in range(WORKERS)
        ]
        self.samples: list[Sample] = []

    def run(self, seconds: float) -> list[str]:
        """Returns what was wrong; trends are judged by the caller."""
        with wire.Client("127.0.0.1", self.node.port) as client:
            answer = client.call("PUT", client.target(CONTAINER, restype="container"), [], b"")
            if answer.status != 201:
                return [f"create container: {answer}"]
        sampler = Sampler(self.node)
        for worker in self.workers:
            worker.start()
        deadline, told = time.monotonic() + seconds, 0.0
        while not self.stopping.wait(max(0.0, min(SAMPLE_SECONDS, deadline - time.monotonic()))):
            if time.monotonic() >= deadline or not self.node.alive:
                break
            self.samples.append(sampler.take(sum(worker.live_bytes for worker in self.workers), self.timings.take()))
            if time.monotonic() - told >= PROGRESS_SECONDS:
                told = time.monotonic()
                self.progress(self.samples[-1], seconds)
        self.stopping.set()
        sampler.probe.stopping.set()
        for worker in self.workers:
            worker.join(60)
        wrong = [worker.failure for worker in self.workers if worker.failure]
        if not self.node.alive:
            wrong.append("the node is gone")
        return wrong

    def progress(self, sample: Sample, seconds: float) -> None:
        small = sample.latency.get("write small")
        print(
            f"soak: {sample.seconds:6.0f} of {seconds:.0f} s, {self.timings.requests} requests, "
            f"{sample.resident_mib:.0f} MiB resident, {sample.descriptors} descriptors, {sample.threads} threads, "
            f"disk {sample.disk_mib:.0f} MiB for {sample.live_mib:.0f} live, "
            f"small write p50 {small.p50_ms if small else 0:.1f} ms, cores: node {sample.node_cpu:.2f}, "
            f"load {sample.load_cpu:.2f}, others {sample.other_cpu:.2f}",
            flush=True,
        )


def ending(node: nodes.Node) -> list[str]:
    """Stops the node and looks at what it leaves."""
    wrong = []
    log = node.log_tail(100_000)
    errors = [line for line in log.splitlines() if " error " in line.lower() or " critical " in line.lower()]
    if errors:
        wrong.append(f"{len(errors)} errors in the log, the first: {errors[0][:300]}")
    if node.alive and (status := node.terminate()) != 0:
        wrong.append(f"the node ended with {status} after SIGTERM")
    status, text = wire.fsck(str(node.data))
    if status != 0:
        wrong.append(f"fsck: status {status}: {text[-500:]}")
    return wrong


def plot(samples: list[Sample], note: str) -> str:
    def line(field: str) -> list[tuple[float, float]]:
        return [(sample.seconds / 60, getattr(sample, field)) for sample in samples]

    def latency(field: str) -> dict[str, list[tuple[float, float]]]:
        shown = {
            kind: [(s.seconds / 60, getattr(s.latency[kind], field)) for s in samples if kind in s.latency]
            for kind in SHOWN
        }
        shown["machine's own fdatasync"] = [(s.seconds / 60, getattr(s.machine["disk"], field)) for s in samples]
        return {kind: points for kind, points in shown.items() if points}

    charts = [
        chart.Panel("Resident memory, MiB", {"node": line("resident_mib")}),
        chart.Panel("Descriptors and threads", {"descriptors": line("descriptors"), "threads": line("threads")}),
        chart.Panel("Latency p50, ms", latency("p50_ms"), logarithmic=True),
        chart.Panel("Latency p99, ms", latency("p99_ms"), logarithmic=True),
        chart.Panel("Disk, MiB", {"in use": line("disk_mib"), "live content": line("live_mib")}),
        chart.Panel(
            "Processor, cores",
            {"node": line("node_cpu"), "load": line("load_cpu"), "others": line("other_cpu")},
        ),
    ]
    return chart.panels("Soak", note, "minutes", charts)


def markdown(soak: Soak, found: list[Verdict], wrong: list[str], command: str) -> str:
    samples = soak.samples
    day = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d")
    minutes = samples[-1].seconds / 60 if samples else 0
    rows = [
        [
            verdict.rule.name,
            f"{verdict.second:.1f}",
            f"{verdict.last:.1f}",
            f"{verdict.allowed:.1f}",
            verdict.rule.unit,
            "flat" if verdict.flat else "**grows**",
        ]
        for verdict in found
    ]
    for name in PROBES if len(samples) >= LEAST_SAMPLES else ():
        for field in LATENCY_RULES:
            second, last = quarters([getattr(sample.machine[name], field) for sample in samples])
            rows.append([f"the machine's own {name} {field[:3]}", f"{second:.1f}", f"{last:.1f}", "–", "ms", "–"])
    mean = lambda field: sum(getattr(s, field) for s in samples) / max(1, len(samples))  # noqa: E731
    red = wrong or not found or not all(verdict.flat for verdict in found)
    parts = [
        "# Soak",
        f"{day}. {report.machine()}. Made by `{command}`.",
        f"**{'RED' if red else 'green'}**: {minutes:.1f} minutes, {soak.timings.requests:,} requests, "
        f"{sum(worker.verified for worker in soak.workers):,} reads compared byte by byte, "
        f"{len(wrong)} wrong answers or errors; fsck at the end. "
        f"Cores in use: node {mean('node_cpu'):.2f}, load {mean('load_cpu'):.2f}, "
        f"the rest of the machine {mean('other_cpu'):.2f}.",
        "![soak](soak.svg)",
        "A series is flat when the median of its last quarter is within the bound: a factor of the second quarter's "
        "median plus a slack (`RULES` in e2e/soak/series.py). Latency is granted what the machine itself grew slower "
        "by in the same percentile: a write of 4 KiB with fdatasync to a file beside the node, or waking up, whichever "
        "grew more.",
        report.table(["series", "second quarter", "last quarter", "bound", "unit", "verdict"], rows),
        *(f"Wrong: {line}" for line in wrong),
    ]
    return "\n\n".join(parts) + "\n"


def write_csv(path: Path, samples: list[Sample]) -> None:
    kinds = sorted({kind for sample in samples for kind in sample.latency}) + [f"machine's {name}" for name in PROBES]
    plain = [name for name in Sample.__dataclass_fields__ if name not in ("latency", "machine")]
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(plain + [f"{kind} {p}" for kind in kinds for p in PERCENTILES])
        for sample in samples:
            told = {**sample.latency, **{f"machine's {name}": value for name, value in sample.machine.items()}}
            latencies = [getattr(told[kind], p) if kind in told else "" for kind in kinds for p in PERCENTILES]
            writer.writerow([getattr(sample, name) for name in plain] + latencies)


def main() -> int:
    arguments = parse()
    command = f"python3 e2e/soak/soak.py --hours {arguments.hours:g} --rate {arguments.rate:g} --seed {arguments.seed}"
    print(f"soak: {command}", flush=True)
    node = wire.production_node()
    try:
        node.start()
        soak = Soak(node, arguments.rate, arguments.seed)
        wrong = soak.run(arguments.hours * 3600)
        if wrong:
            print(node.log_tail(20))
        wrong += ending(node)
    except (wire.Broken, wire.Hung, nodes.NodeError) as error:
        print(f"soak: RED: {type(error).__name__}: {error}\nrepeat with: {command}")
        return 1
    finally:
        node.close()
    found = verdicts(soak.samples)
    if not found:
        wrong.append("too short a run to judge trends")
    text = markdown(soak, found, wrong, command)
    print(text)
    if arguments.csv:
        write_csv(arguments.csv, soak.samples)
    if arguments.out and soak.samples:
        arguments.out.mkdir(parents=True, exist_ok=True)
        (arguments.out / "soak.md").write_text(text)
        note = f"{soak.samples[-1].seconds / 60:.0f} minutes, {soak.timings.requests:,} requests at a steady rate"
        (arguments.out / "soak.svg").write_text(plot(soak.samples, note))
    grown = [verdict for verdict in found if not verdict.flat]
    for verdict in grown:
        print(f"soak: grows: {verdict.rule.name}: {verdict.second:.1f} -> {verdict.last:.1f} {verdict.rule.unit}")
    for line in wrong:
        print(f"soak: wrong: {line}")
    red = bool(grown or wrong)
    print(f"soak: RED; repeat with: {command}" if red else f"soak: green, seed {arguments.seed}")
    return 1 if red else 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    sys.exit(main())
