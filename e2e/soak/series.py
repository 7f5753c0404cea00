"""What a soak looks at every few seconds, and the rule that tells a flat series from one that grows."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import node as nodes
import wire

MIB = 1 << 20
PROBES = ("disk", "processor")
PROBE_SECONDS = 0.2
PROBE_BYTES, WORK_BYTES = bytes(4096), bytes(128 << 10)
LEAST_MS = 0.05
LEAST_SAMPLES = 24  # two minutes: six in a quarter
LEAST_REQUESTS_FOR_P99 = 20  # in one sample; of fewer it is the slowest of a handful


@dataclass(frozen=True)
class Latency:
    p50_ms: float
    p99_ms: float
    count: int


@dataclass(frozen=True)
class Sample:
    seconds: float  # since the start of the run
    resident_mib: float
    descriptors: int
    threads: int
    node_cpu: float  # cores
    load_cpu: float
    other_cpu: float  # what the rest of the machine used
    disk_mib: float  # blocks of the node's directory
    live_mib: float  # content that the clients believe to be stored
    latency: dict[str, Latency]
    machine: dict[str, Latency]  # the same of the probe: what the machine itself needs


@dataclass(frozen=True)
class Rule:
    """The median of the last quarter may be `factor` times that of the second plus `slack`; the first is warming up."""

    name: str
    unit: str
    factor: float
    slack: float
    percentile: str = ""  # of a latency, as a field's name; what the machine grew slower by in it is granted on top


@dataclass(frozen=True)
class Verdict:
    rule: Rule
    second: float
    last: float
    allowed: float

    @property
    def flat(self) -> bool:
        return self.last <= self.allowed


def quarters(values: Sequence[float]) -> tuple[float, float]:
    """Medians of the second and of the last quarter."""
    size = len(values) // 4
    return median(values[size : 2 * size]), median(values[-size:])


def judge(rule: Rule, values: Sequence[float], machine: Sequence[Sequence[float]] = ()) -> Verdict:
    """`machine` holds series that say how slow the machine was; the one that grew most counts."""
    second, last = quarters(values)
    growth = max([1.0, *(after / max(before, LEAST_MS) for before, after in map(quarters, machine))])
    return Verdict(rule, second, last, second * rule.factor * growth + rule.slack)


RULES = {
    "resident_mib": Rule("resident memory", "MiB", 1.2, 16),
    "descriptors": Rule("open descriptors", "", 1.1, 8),
    "threads": Rule("threads", "", 1.0, 4),
    "disk_mib": Rule("disk in use", "MiB", 1.2, 64),
}
LATENCY_RULES = {
    "p50_ms": ("p50", 1.5, 1.0),
    "p99_ms": ("p99", 2.0, 20.0),
}


def verdicts(samples: Sequence[Sample]) -> list[Verdict]:
    if len(samples) < LEAST_SAMPLES:
        return []
    found = [judge(rule, [getattr(sample, field) for sample in samples]) for field, rule in RULES.items()]
    for kind in sorted({kind for sample in samples for kind in sample.latency}):
        for field, (name, factor, slack) in LATENCY_RULES.items():
            rule = Rule(f"{kind} {name}", "ms", factor, slack, field)
            probes = [series for series in map(list, zip(*(probe_series(s, field) for s in samples)))]
            with_kind = [sample for sample in samples if kind in sample.latency]
            counts = [sample.latency[kind].count for sample in with_kind]
            rare = field == "p99_ms" and median(counts) < LEAST_REQUESTS_FOR_P99
            if len(with_kind) >= LEAST_SAMPLES and not rare:
                values = [getattr(sample.latency[kind], field) for sample in with_kind]
                found.append(judge(rule, values, probes))
    return found


def probe_series(sample: Sample, field: str) -> list[float]:
    return [getattr(sample.machine[name], field) for name in PROBES]


def latency(values: array) -> Latency:
    ordered = sorted(values)
    return Latency(ordered[len(ordered) // 2], ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))], len(ordered))


class Probe(threading.Thread):
    """What the machine needs for a write of 4 KiB with fdatasync to a file beside the node ("disk"), and to wake up and
    compute a little ("processor"), a few times a second. Both grow when others use the machine."""

    def __init__(self, path: Path):
        super().__init__(daemon=True, name="probe")
        self.path, self.lock, self.stopping = path, threading.Lock(), threading.Event()
        self.times = {name: array("f") for name in PROBES}

    def run(self) -> None:
        file = os.open(self.path, os.O_WRONLY | os.O_CREAT)
        try:
            while True:
                due = time.perf_counter() + PROBE_SECONDS
                if self.stopping.wait(PROBE_SECONDS):
                    return
                hashlib.sha256(WORK_BYTES).digest()
                computed = time.perf_counter()
                os.pwrite(file, PROBE_BYTES, 0)
                os.fdatasync(file)
                written = time.perf_counter()
                with self.lock:
                    self.times["processor"].append((computed - due) * 1000)
                    self.times["disk"].append((written - computed) * 1000)
        finally:
            os.close(file)

    def take(self) -> dict[str, Latency]:
        with self.lock:
            taken, self.times = self.times, {name: array("f") for name in PROBES}
        return {name: latency(values) if values else Latency(0, 0, 0) for name, values in taken.items()}


class Sampler:
    """Takes samples of one running node."""

    def __init__(self, node: nodes.Node):
        self.node, self.began = node, time.monotonic()
        self.probe = Probe(Path(node.data).parent / "probe")
        self.probe.start()
        self.last = self.clocks()

    def clocks(self) -> tuple[float, float, float, float]:
        """Now, and processor seconds of the node, of this process and of the whole machine."""
        fields = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
        busy = (sum(fields) - fields[3] - fields[4]) / os.sysconf("SC_CLK_TCK")
        return time.monotonic(), wire.cpu_seconds(self.node.pid), time.process_time(), busy

    def disk_bytes(self) -> int:
        total = 0
        for directory, _, files in os.walk(self.node.data):
            for name in files:
                try:
                    total += os.stat(os.path.join(directory, name)).st_blocks * 512
                except FileNotFoundError:
                    continue  # deleted since it was listed
        return total

    def take(self, live_bytes: int, timings: dict[str, array]) -> Sample:
        process = f"/proc/{self.node.pid}"
        clocks = self.clocks()
        elapsed, node_cpu, load_cpu, busy = (now - then for now, then in zip(clocks, self.last))
        self.last = clocks
        return Sample(
            seconds=clocks[0] - self.began,
            resident_mib=self.node.rss() / MIB,
            descriptors=len(os.listdir(f"{process}/fd")),
            threads=len(os.listdir(f"{process}/task")),
            node_cpu=node_cpu / elapsed,
            load_cpu=load_cpu / elapsed,
            other_cpu=max(0.0, busy - node_cpu - load_cpu) / elapsed,
            disk_mib=self.disk_bytes() / MIB,
            live_mib=live_bytes / MIB,
            latency={kind: latency(values) for kind, values in timings.items()},
            machine=self.probe.take(),
        )
