"""Charts as inline SVG, about 360 units wide, so that text stays readable on a phone.

Colours are CSS variables of the page (`--c0` to `--c7`), so one drawing serves light and dark.
"""

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

MOST_POINTS = 160


@dataclass
class Series:
    """A line with an optional band.

    Attributes:
        label: its name, shown as a tooltip.
        colour: number of the page's colour.
        x: [n], ascending.
        y: [n].
        low, high: [n], edges of the band; None for no band.
        dashed: draw it dashed.
    """

    label: str
    colour: int
    x: np.ndarray
    y: np.ndarray
    low: np.ndarray | None = None
    high: np.ndarray | None = None
    dashed: bool = False


def escaped(text: object) -> str:
    """Text that is safe in HTML and in attributes."""
    return html.escape(str(text), quote=True)


def short(value: float) -> str:
    """A number as people write it on an axis: `1.5M`, `300k`, `0.25`."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"


def ticks(low: float, high: float, about: int = 4) -> list[float]:
    """Round numbers from ``low`` to ``high``."""
    span = high - low
    if span <= 0 or not math.isfinite(span):
        return [low]
    rough = span / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * m for m in (1, 2, 2.5, 5, 10) if power * m >= rough * 0.999)
    first = math.ceil(low / step - 1e-9) * step
    return [round(first + i * step, 12) for i in range(int((high - first) / step + 1e-9) + 1)]


def thinned(count: int, most: int = MOST_POINTS) -> np.ndarray:
    """Indices of at most ``most`` of ``count`` points, first and last among them."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int))


def line_chart(
    series: Sequence[Series],
    title: str,
    x_max: float | None = None,
    y_max: float | None = None,
    width: int = 360,
    height: int = 200,
    note: str = "",
) -> str:
    """Lines with bands over steps; y starts at 0.

    Args:
        title: the heading.
        x_max, y_max: ends of the axes; from the data when absent.
        note: small print below the title.
    """
    drawn = [s for s in series if len(s.x)]
    body = _lines(drawn, x_max, y_max, width, height) if drawn else ""
    empty = "" if drawn else '<p class="none">nothing recorded yet</p>'
    small = f"<small>{escaped(note)}</small>" if note else ""
    return f'<figure class="chart"><figcaption>{escaped(title)}{small}</figcaption>{body}{empty}</figure>'


def _lines(series: Sequence[Series], x_max: float | None, y_max: float | None, width: int, height: int) -> str:
    left, right, top, bottom = 38, 12, 8, 22
    x_end = x_max or max(float(s.x[-1]) for s in series) or 1.0
    highest = max(float(np.max(s.high if s.high is not None else s.y)) for s in series)
    y_end = y_max or (ticks(0, highest * 1.02)[-1] if highest > 0 else 1.0)
    if y_end < highest:
        y_end = highest * 1.02

    def px(x: np.ndarray | float) -> np.ndarray:
        return left + np.asarray(x, float) / x_end * (width - left - right)

    def py(y: np.ndarray | float) -> np.ndarray:
        return height - bottom - np.clip(np.asarray(y, float) / y_end, 0, 1) * (height - top - bottom)

    parts = []
    for tick in ticks(0, y_end):
        y = float(py(tick))
        parts.append(f'<line class="grid" x1="{left}" x2="{width - right}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="tick" x="{left - 5}" y="{y + 3.5:.1f}" text-anchor="end">{short(tick)}</text>')
    marks = ticks(0, x_end, 4)
    for tick in marks:
        anchor = "end" if tick == marks[-1] and float(px(tick)) > width - right - 12 else "middle"
        parts.append(
            f'<text class="tick" x="{float(px(tick)):.1f}" y="{height - 7}" text-anchor="{anchor}">{short(tick)}</text>'
        )
    for s in series:
        keep = thinned(len(s.x))
        x = px(s.x[keep])
        if s.low is not None and s.high is not None:
            edge = [*_points(x, py(s.high[keep])), *reversed(_points(x, py(s.low[keep])))]
            parts.append(f'<polygon class="band" style="fill:var(--c{s.colour})" points="{" ".join(edge)}"/>')
    for s in series:
        keep = thinned(len(s.x))
        points = _points(px(s.x[keep]), py(s.y[keep]))
        title = f"<title>{escaped(s.label)}: {s.y[-1]:.3g} at {short(float(s.x[-1]))}</title>"
        dash = ' stroke-dasharray="4 3"' if s.dashed else ""
        parts.append(
            f'<polyline class="line"{dash} style="stroke:var(--c{s.colour})" points="{" ".join(points)}">'
            f"{title}</polyline>"
        )
        if len(points) <= 12:
            for point in points:
                x0, y0 = point.split(",")
                parts.append(f'<circle r="2.4" cx="{x0}" cy="{y0}" style="fill:var(--c{s.colour})">{title}</circle>')
    return f'<svg viewBox="0 0 {width} {height}" role="img">{"".join(parts)}</svg>'


def _points(x: np.ndarray, y: np.ndarray) -> list[str]:
    return [f"{a:.1f},{b:.1f}" for a, b in zip(np.atleast_1d(x), np.atleast_1d(y), strict=True)]


def spark(series: Sequence[Series], title: str, x_max: float, value: str) -> str:
    """A small multiple: success from 0 to 1 over steps, with its title and last value."""
    width, height = 160, 56
    parts = [f'<line class="grid" x1="0" x2="{width}" y1="{y}" y2="{y}"/>' for y in (4, 28, 52)]
    for band in (True, False):
        for s in series:
            if not len(s.x):
                continue
            keep = thinned(len(s.x), 60)
            x = 2 + s.x[keep] / max(x_max, 1) * (width - 4)

            def py(y: np.ndarray) -> np.ndarray:
                return 52 - np.clip(y, 0, 1) * 48

            if band and s.low is not None and s.high is not None:
                edge = [*_points(x, py(s.high[keep])), *reversed(_points(x, py(s.low[keep])))]
                parts.append(f'<polygon class="band" style="fill:var(--c{s.colour})" points="{" ".join(edge)}"/>')
            elif not band:
                points = _points(x, py(s.y[keep]))
                parts.append(
                    f'<polyline class="line" style="stroke:var(--c{s.colour})" points="{" ".join(points)}">'
                    f"<title>{escaped(s.label)}: {s.y[-1]:.2f}</title></polyline>"
                )
                x0, y0 = points[-1].split(",")
                parts.append(f'<circle r="2.2" cx="{x0}" cy="{y0}" style="fill:var(--c{s.colour})"/>')
    return (
        f'<figure class="spark"><figcaption><span>{escaped(title)}</span><b>{escaped(value)}</b></figcaption>'
        f'<svg viewBox="0 0 {width} {height}" role="img">{"".join(parts)}</svg></figure>'
    )


@dataclass
class Dot:
    """A point of a scatter: what it is, its colour, and where, in [0, 1] both ways."""

    label: str
    colour: int
    x: float
    y: float


def scatter(dots: Sequence[Dot], title: str, x_label: str, y_label: str, note: str = "") -> str:
    """Points in the unit square with its diagonal."""
    side, left, bottom, top = 300, 40, 34, 8
    inner = side - left - 10

    def at(x: float, y: float) -> tuple[float, float]:
        return left + x * inner, top + (1 - y) * inner

    parts = []
    for tick in (0, 0.25, 0.5, 0.75, 1.0):
        x, y = at(tick, tick)
        parts.append(f'<line class="grid" x1="{left}" x2="{left + inner}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="tick" x="{left - 5}" y="{y + 3.5:.1f}" text-anchor="end">{tick:g}</text>')
        parts.append(f'<text class="tick" x="{x:.1f}" y="{top + inner + 14}" text-anchor="middle">{tick:g}</text>')
    (x1, y1), (x2, y2) = at(0, 0), at(1, 1)
    parts.append(f'<line class="diagonal" x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}"/>')
    for dot in dots:
        x, y = at(min(max(dot.x, 0), 1), min(max(dot.y, 0), 1))
        parts.append(
            f'<circle class="dot" r="5" cx="{x:.1f}" cy="{y:.1f}" style="fill:var(--c{dot.colour})">'
            f"<title>{escaped(dot.label)}: {dot.x:.2f}, {dot.y:.2f}</title></circle>"
        )
    height = top + inner + bottom
    parts.append(
        f'<text class="axis" x="{left + inner / 2}" y="{height - 4}" text-anchor="middle">{escaped(x_label)}</text>'
    )
    parts.append(
        f'<text class="axis" transform="translate(11 {top + inner / 2}) rotate(-90)" text-anchor="middle">'
        f"{escaped(y_label)}</text>"
    )
    small = f"<small>{escaped(note)}</small>" if note else ""
    return (
        f'<figure class="chart square"><figcaption>{escaped(title)}{small}</figcaption>'
        f'<svg viewBox="0 0 {side} {height}" role="img">{"".join(parts)}</svg></figure>'
    )


def stacked(x: np.ndarray, layers: Sequence[tuple[str, str, np.ndarray]], title: str, note: str = "") -> str:
    """Layers on top of each other over steps.

    Args:
        x: [n], ascending.
        layers: (label, CSS class, values [n]) from bottom to top.
    """
    width, height, left, right, top, bottom = 360, 200, 38, 12, 8, 22
    if not len(x):
        return line_chart([], title, note=note)
    keep = thinned(len(x))
    x, values = x[keep], [np.asarray(v, float)[keep] for _, _, v in layers]
    total = max(float(sum(values).max()), 1.0)
    end = max(float(x[-1]), 1.0)
    px = left + x / end * (width - left - right)
    parts, below = [], np.zeros(len(x))

    def py(y: np.ndarray) -> np.ndarray:
        return height - bottom - y / total * (height - top - bottom)

    for (label, style, _), value in zip(layers, values, strict=True):
        edge = [*_points(px, py(below + value)), *reversed(_points(px, py(below)))]
        parts.append(
            f'<polygon class="layer {escaped(style)}" points="{" ".join(edge)}">'
            f"<title>{escaped(label)}</title></polygon>"
        )
        below = below + value
    for tick in ticks(0, total, 5):
        y = float(py(np.asarray(tick)))
        parts.append(f'<text class="tick" x="{left - 5}" y="{y + 3.5:.1f}" text-anchor="end">{short(tick)}</text>')
    for tick in ticks(0, end, 4):
        at = left + tick / end * (width - left - right)
        anchor = "end" if at > width - right - 12 else "middle"
        parts.append(f'<text class="tick" x="{at:.1f}" y="{height - 7}" text-anchor="{anchor}">{short(tick)}</text>')
    small = f"<small>{escaped(note)}</small>" if note else ""
    return (
        f'<figure class="chart"><figcaption>{escaped(title)}{small}</figcaption>'
        f'<svg viewBox="0 0 {width} {height}" role="img">{"".join(parts)}</svg></figure>'
    )
