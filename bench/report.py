"""Medians, ratios and the Markdown of a run."""

from __future__ import annotations

import datetime
import os
import platform
from pathlib import Path
from statistics import median

from limits import Limit
from rivals import Rival
from rows import Row, Sample

MIB = 1 << 20
Samples = dict[str, list[Sample]]  # by rival, one of each round


def value(samples: list[Sample], field: str) -> float:
    return median(getattr(sample, field) for sample in samples)


def ratios(ours: list[Sample], theirs: list[Sample]) -> list[float]:
    """Round by round, so that drift of the machine falls on both sides."""
    return [a.requests_per_second / b.requests_per_second for a, b in zip(ours, theirs)]


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


def rates(results: dict[Row, Samples], rivals: list[Rival]) -> str:
    first, *others = [rival.name for rival in rivals]
    head = ["work (connections)"]
    for name in [first, *others]:
        head += [f"{name} requests/s", f"{name} MiB/s"]
    head += [f"ratio to {name} (least–most)" for name in others]
    lines = []
    for row, samples in results.items():
        line = [f"{row.name} ({row.connections})"]
        for name in [first, *others]:
            line += [
                number(value(samples[name], "requests_per_second")),
                "–" if row.kind == "head" else number(value(samples[name], "bytes_per_second") / MIB),
            ]
        for name in others:
            each = ratios(samples[first], samples[name])
            line.append(f"**{median(each):.2f}** ({min(each):.2f}–{max(each):.2f})")
        lines.append(line)
    return table(head, lines)


def costs(results: dict[Row, Samples], rivals: list[Rival]) -> str:
    names = [rival.name for rival in rivals]
    head = ["work", "driven by"] + [
        f"{name} {what}" for name in names for what in ("p50 ms", "p99 ms", "server CPU µs/request")
    ]
    lines = []
    for row, samples in results.items():
        line = [row.name, row.generator]
        for name in names:
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


def against_disk(results: dict[Row, Samples], rivals: list[Rival], limits: list[Limit]) -> list[str]:
    """Large uploads beside what the disk takes from one sequential writer that syncs."""
    synced = next((limit for limit in limits if "8 MiB, fdatasync after each 16" in limit.name), None)
    blocks = next((row for row in results if row.kind == "block"), None)
    if synced is None or blocks is None:
        return []
    shares = [
        f"{rival.name} {value(results[blocks][rival.name], 'bytes_per_second') / synced.bytes_per_second:.2f}"
        for rival in rivals
    ]
    return [
        f"{blocks.name} as a share of fio's sequential write with a sync per {blocks.connections} writes: {', '.join(shares)}."
    ]


def bars(results: dict[Row, Samples], rivals: list[Rival]) -> list[str]:
    """Rows that miss their bar against nginx."""
    if [rival.name for rival in rivals[:1]] != ["forebay"] or "nginx" not in [rival.name for rival in rivals]:
        return []
    missed = []
    for row, samples in results.items():
        ratio = median(ratios(samples["forebay"], samples["nginx"]))
        if row.bar is not None and ratio < row.bar:
            missed.append(f"{row.name}: {ratio:.2f} of nginx, the bar is {row.bar}")
    return missed


def markdown(
    results: dict[Row, Samples],
    rivals: list[Rival],
    versions: dict[str, str],
    limits: list[Limit],
    seconds: float,
    rounds: int,
    command: str,
) -> str:
    day = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d")
    parts = [
        "# Benchmark",
        f"{day}. {machine()}.",
        f"{rounds} rounds of {seconds:g} s for each row and server, the servers taking turns within a round; medians. "
        f"Made by `{command}`.",
        "\n".join(f"- {rival.name} {versions[rival.name]}: {rival.note}." for rival in rivals),
        rates(results, rivals),
        costs(results, rivals),
    ]
    if limits:
        parts += [ceilings(limits), *against_disk(results, rivals, limits)]
    missed = bars(results, rivals)
    parts += [f"Below its bar: {line}." for line in missed]
    return "\n\n".join(parts) + "\n"
