"""Medians, ratios, goals, and the Markdown and the chart of a run."""

from __future__ import annotations

import datetime
import os
import platform
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import chart
from goals import Goal, goal_of

if TYPE_CHECKING:
    from limits import Limit
    from rivals import Rival
    from rows import Row, Sample

MIB = 1 << 20
OURS = "forebay"
Samples = dict[str, "list[Sample]"]  # by rival, one of each round; none where the rival cannot do the row
Beside = dict["Row", dict[str, list[float]]]  # bytes per second of a limit, one of each round


def value(samples: list[Sample], field: str) -> float:
    return median(getattr(sample, field) for sample in samples)


def ratios(ours: list[Sample], theirs: list[Sample]) -> list[float]:
    """Round by round, so that drift of the machine falls on both sides."""
    return [a.requests_per_second / b.requests_per_second for a, b in zip(ours, theirs)]


def today() -> str:
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d")


def number(amount: float) -> str:
    return f"{amount:,.0f}" if amount >= 100 else f"{amount:.1f}"


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = [
        "| " + " | ".join(head) + " |",
        "|" + "|".join("---" if n == 0 else "---:" for n in range(len(head))) + "|",
    ]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def machine() -> str:
    model = next(
        (
            line.split(":")[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        "unknown processor",
    )
    memory = next(
        int(line.split()[1]) for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemTotal")
    ) / (1 << 20)
    return (
        f"{os.cpu_count()} × {model}, {memory:.0f} GiB, Linux {platform.release()}, load generator on the same machine"
    )


@dataclass(frozen=True)
class Ratio:
    """Our rate as a multiple of another's in one row: the median of the rounds, the least and the most."""

    row: str
    against: str
    median: float
    least: float
    most: float
    goal: Goal | None

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.least:.2f}–{self.most:.2f})"


def ratio(row: str, against: str, each: list[float]) -> Ratio:
    return Ratio(row, against, median(each), min(each), max(each), goal_of(row, against))


def comparisons(results: dict[Row, Samples], beside: Beside) -> list[Ratio]:
    """Every ratio of the run, row by row; `beside` holds the bytes per second of limits measured round by round."""
    found = []
    for row, samples in results.items():
        ours = samples.get(OURS)
        if not ours:
            continue
        found += [
            ratio(row.name, name, ratios(ours, theirs)) for name, theirs in samples.items() if theirs and name != OURS
        ]
        found += [
            ratio(row.name, name, [a.bytes_per_second / b for a, b in zip(ours, theirs)])
            for name, theirs in beside.get(row, {}).items()
        ]
    return found


def rates(results: dict[Row, Samples], rivals: list[Rival]) -> str:
    names = [rival.name for rival in rivals]
    head = ["work (connections)"]
    for name in names:
        head += [f"{name} requests/s", f"{name} MiB/s"]
    lines = []
    for row, samples in results.items():
        line = [f"{row.name} ({row.connections})"]
        for name in names:
            if not samples[name]:
                line += ["–", "–"]
                continue
            line += [
                number(value(samples[name], "requests_per_second")),
                "–" if row.kind == "head" else number(value(samples[name], "bytes_per_second") / MIB),
            ]
        lines.append(line)
    return table(head, lines)


def goals(found: list[Ratio]) -> str:
    rows = [
        [
            each.row,
            each.against,
            f"**{each.median:.2f}**",
            f"{each.least:.2f}–{each.most:.2f}",
            str(each.goal) if each.goal else "–",
            "–" if each.goal is None else "met" if each.goal.met(each.median) else "**missed**",
        ]
        for each in found
    ]
    return table(["work", "against", "ratio", "least–most", "goal", ""], rows)


def missed(found: list[Ratio]) -> list[str]:
    return [
        f"{each.row}: {each.median:.2f} of {each.against}, the goal is {each.goal}"
        for each in found
        if each.goal and not each.goal.met(each.median)
    ]


def drawing(found: list[Ratio], note: str) -> str:
    groups: dict[str, list[chart.Bar]] = {}
    for each in found:
        goal = each.goal.ratio if each.goal else None
        groups.setdefault(each.row, []).append(chart.Bar(each.against, each.median, each.least, each.most, goal))
    return chart.ratio_bars(f"{OURS}: requests per second as a multiple of others", note, list(groups.items()))


def costs(results: dict[Row, Samples], rivals: list[Rival]) -> str:
    names = [rival.name for rival in rivals]
    head = ["work", "driven by"] + [
        f"{name} {what}" for name in names for what in ("p50 ms", "p99 ms", "server CPU µs/request")
    ]
    lines = []
    for row, samples in results.items():
        line = [row.name, row.generator]
        for name in names:
            if not samples[name]:
                line += ["–"] * 3
                continue
            line += [
                f"{value(samples[name], 'p50_ms'):.2f}",
                f"{value(samples[name], 'p99_ms'):.2f}",
                number(value(samples[name], "cpu_us_per_request")),
            ]
        lines.append(line)
    return table(head, lines)


def ceilings(limits: list[Limit]) -> str:
    return table(
        ["limit of the machine", "MiB/s", "operations/s"],
        [
            [
                limit.name,
                number(limit.bytes_per_second / MIB),
                number(limit.operations_per_second) if limit.operations_per_second else "–",
            ]
            for limit in limits
        ],
    )


def markdown(
    results: dict[Row, Samples],
    beside: Beside,
    rivals: list[Rival],
    versions: dict[str, str],
    limits: list[Limit],
    unable: list[str],
    seconds: float,
    rounds: int,
    command: str,
) -> str:
    found = comparisons(results, beside)
    parts = [
        "# Benchmark",
        f"{today()}. {machine()}.",
        f"{rounds} rounds of {seconds:g} s for each row and server, the servers taking turns within a round; medians. "
        f"Made by `{command}`.",
        "\n".join(f"- {rival.name} {versions[rival.name]}: {rival.note}." for rival in rivals),
        "![ratios](node.svg)",
        goals(found),
        "A ratio is taken round by round. Ratios to fio are of bytes per second.",
        rates(results, rivals),
        *(f"– {line}" for line in unable),
        costs(results, rivals),
    ]
    if limits:
        parts.append(ceilings(limits))
    return "\n\n".join(parts) + "\n"
