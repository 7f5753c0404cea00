"""Charts as SVG text: grouped bars of ratios, and panels of lines. Legible on light and dark pages."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

STYLE = """
svg { --page: #ffffff; --ink: #1f2328; --soft: #656d76; --grid: #d8dee4; --goal: #000000;
      --c0: #2a78d6; --c1: #eb6834; --c2: #1baf7a; --c3: #8a63d2; --c4: #c2487e; --c5: #8c7a1f; }
@media (prefers-color-scheme: dark) {
  svg { --page: #0d1117; --ink: #e6edf3; --soft: #9198a1; --grid: #30363d; --goal: #ffffff;
        --c0: #5598e7; --c1: #f0834f; --c2: #2fc48d; --c3: #a58be6; --c4: #e06c9f; --c5: #c2ac3c; } }
text { font: 12px system-ui, sans-serif; fill: var(--ink); font-variant-numeric: tabular-nums; }
.soft { fill: var(--soft); font-size: 11px; } .title { font-size: 16px; font-weight: 600; }
.head { font-size: 13px; font-weight: 600; } .grid { stroke: var(--grid); }
.goal { stroke: var(--goal); stroke-width: 2.5; }
.axis { stroke: var(--soft); } .whisker { stroke: var(--ink); }
.line { fill: none; stroke-width: 1.6; }
"""
COLOURS = 6


def compact(amount: float) -> str:
    """A number for an axis or a bar's end: three digits at most, thousands as k and M."""
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(amount) >= limit:
            return f"{amount / limit:.3g}{unit}"
    return f"{amount:.3g}"


def text(x: float, y: float, words: str, name: str = "", anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{name}" text-anchor="{anchor}">{escape(words)}</text>'


def stroke(x1: float, y1: float, x2: float, y2: float, name: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{name}"/>'


def key(x: float, y: float, names: Sequence[str]) -> list[str]:
    """A row of coloured squares with names."""
    parts = []
    for number, name in enumerate(names):
        place = f'x="{x:.1f}" y="{y - 9:.1f}" width="10" height="10" rx="2"'
        parts.append(f'<rect {place} fill="var(--c{number % COLOURS})"/>')
        parts.append(text(x + 15, y, name, "soft"))
        x += 27 + 6.1 * len(name)
    return parts


def document(width: float, height: float, title: str, parts: Sequence[str]) -> str:
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" '
            'role="img">',
            f"<title>{escape(title)}</title>",
            f"<style>{STYLE}</style>",
            f'<rect width="{width:.0f}" height="{height:.0f}" rx="8" fill="var(--page)"/>',
            *parts,
            "</svg>\n",
        ]
    )


# --- Ratios --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Bar:
    """A ratio with the least and the most of its rounds; `goal` is the least that the project wants."""

    series: str
    value: float
    least: float
    most: float
    goal: float | None = None


def ratio_bars(title: str, note: str, groups: Sequence[tuple[str, Sequence[Bar]]]) -> str:
    """One group per row of work; a bar begins at 1, where both are equally fast, and grows right when we are faster."""
    series = list(dict.fromkeys(bar.series for _, bars in groups for bar in bars))
    every = [bar for _, bars in groups for bar in bars]
    ends = [v for bar in every for v in (bar.least, bar.most, bar.goal or 1)] + [0.5, 2]
    low, high = math.floor(math.log2(max(min(ends), 1 / 64))), math.ceil(math.log2(max(ends)))
    left, right, top, step, gap = 190, 70, 84, 15, 14
    width = 860
    height = top + sum(len(bars) * step + gap for _, bars in groups) + 34

    def at(ratio: float) -> float:
        place = (math.log2(max(ratio, 2**low)) - low) / (high - low)
        return left + place * (width - left - right)

    parts = [text(20, 30, title, "title"), text(20, 49, note, "soft"), *key(20, 70, series)]
    parts += [stroke(width - 250, 45, width - 238, 45, "goal"), text(width - 232, 49, "goal", "soft")]
    parts += [stroke(width - 190, 45, width - 176, 45, "whisker")]
    parts += [text(width - 170, 49, "least–most of the rounds", "soft")]
    for power in range(low, high + 1):
        parts.append(stroke(at(2**power), top, at(2**power), height - 28, "axis" if power == 0 else "grid"))
        label = f"{2**power:g}×" if power >= 0 else f"1/{2**-power}"
        parts.append(text(at(2**power), height - 12, label, "soft", "middle"))
    y = top + gap / 2
    for name, bars in groups:
        parts.append(text(left - 12, y + len(bars) * step / 2 + 4, name, "", "end"))
        for bar in bars:
            begin, end, middle = sorted((at(1), at(bar.value))) + [y + step / 2]
            colour = series.index(bar.series) % COLOURS
            parts.append(
                f'<rect x="{begin:.1f}" y="{y + 1.5:.1f}" width="{max(end - begin, 1):.1f}" height="{step - 3}" rx="2" '
                f'fill="var(--c{colour})"><title>{escape(f"{name}, {bar.series}: {bar.value:.2f}")}</title></rect>'
            )
            parts.append(stroke(at(bar.least), middle, at(bar.most), middle, "whisker"))
            if bar.goal:
                parts.append(stroke(at(bar.goal), y - 1, at(bar.goal), y + step + 1, "goal"))
            parts.append(text(max(end, at(bar.most), at(bar.goal or 0)) + 6, middle + 4, f"{bar.value:.2f}", "soft"))
            y += step
        y += gap
    return document(width, height, title, parts)


# --- Lines ---------------------------------------------------------------------------------------------------------


@dataclass
class Panel:
    """One small chart: series by name as (x, y) points; `limit` is drawn as a goal line."""

    title: str
    series: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    limit: float | None = None
    logarithmic: bool = False


def ticks(low: float, high: float, logarithmic: bool) -> list[float]:
    if logarithmic:
        return [10.0**power for power in range(round(math.log10(low)), round(math.log10(high)) + 1)]
    step = 10 ** math.floor(math.log10((high - low) / 4))
    step *= next(factor for factor in (1, 2, 5, 10) if (high - low) / (step * factor) <= 5)
    return [low + n * step for n in range(math.floor((high - low) / step + 1e-9) + 1)]


def panels(title: str, note: str, across: str, charts: Sequence[Panel], columns: int = 2) -> str:
    """`across` names the x axis of all panels. Every y axis begins at 0, unless it is logarithmic."""
    wide, tall, width = 860 / columns, 220, 860
    height = 62 + tall * -(-len(charts) // columns) + 10
    parts = [text(20, 30, title, "title"), text(20, 49, note, "soft")]
    for number, panel in enumerate(charts):
        x0, y0 = (number % columns) * wide + 62, 62 + (number // columns) * tall + 46
        w, h = wide - 84, tall - 86
        points = [point for line in panel.series.values() for point in line]
        xs, ys = [x for x, _ in points] or [0.0], [y for _, y in points] + ([panel.limit] if panel.limit else [])
        x_low, x_high = min(0.0, *xs), max([*xs, 1e-9])
        if panel.logarithmic:
            positive = [y for y in ys if y > 0] or [1]
            low, high = 10 ** math.floor(math.log10(min(positive))), 10 ** math.ceil(math.log10(max(positive) * 1.001))
        else:
            low, high = 0, max([*ys, 1e-9]) * 1.08

        def place(x: float, y: float) -> tuple[float, float]:
            if panel.logarithmic:
                part = math.log(max(y, low) / low) / math.log(high / low)
            else:
                part = (y - low) / (high - low)
            return x0 + (x - x_low) / (x_high - x_low) * w, y0 + h * (1 - part)

        parts += [text(x0 - 42, y0 - 26, panel.title, "head"), *key(x0 - 42, y0 - 9, list(panel.series))]
        for tick in ticks(low, high, panel.logarithmic):
            y = place(x_low, tick)[1]
            parts += [stroke(x0, y, x0 + w, y, "grid"), text(x0 - 6, y + 4, compact(tick), "soft", "end")]
        for x in ticks(x_low, x_high, False):
            parts.append(text(place(x, low)[0], y0 + h + 16, compact(x), "soft", "middle"))
        parts.append(text(x0 + w, y0 + h + 30, across, "soft", "end"))
        for colour, line in enumerate(panel.series.values()):
            path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*point) for point in line))
            parts.append(f'<polyline points="{path}" class="line" style="stroke:var(--c{colour % COLOURS})"/>')
        if panel.limit:
            y = place(x_low, panel.limit)[1]
            parts.append(stroke(x0, y, x0 + w, y, "goal"))
    return document(width, height, title, parts)
