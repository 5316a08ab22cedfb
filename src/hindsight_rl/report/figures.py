"""Figures: what is plotted, and its drawing by matplotlib, as SVG within a page or as a picture file.

In a page, colours are its CSS variables (`--c0` to `--c8`, ...), so one drawing serves light and dark. Text stays text.
"""

import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from markupsafe import Markup

from hindsight_rl.report.tables import short

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_POINTS = 160
FEW_POINTS = 12
"""Up to so many points of a line are marked."""
MARGINS = (50, 10, 8, 38)
"""Left, right, top and bottom of the axes, in pixels of the drawing: room for their labels."""
_VARIABLES = (*(f"c{i}" for i in range(9)), "soft", "line", "card", "new", "failing", "learning", "mastered")
_STYLE = {
    "svg.fonttype": "none",
    "font.family": "DejaVu Sans",
    "font.size": 11,
    "axes.labelsize": 11,
    "axes.titlesize": 12,
    "lines.linewidth": 2,
    "lines.solid_capstyle": "round",
}


Paint = Callable[[str], str]
"""From the name of a CSS variable of the page, such as `c0` or `soft`, to a colour that matplotlib knows."""


class Figure(Protocol):
    """Anything that can be drawn: a kind of figure brings its own `draw`."""

    @property
    def title(self) -> str: ...

    @property
    def x_label(self) -> str: ...

    @property
    def y_label(self) -> str: ...

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, in pixels."""
        ...

    def draw(self, axes: "Axes", paint: Paint) -> None:
        """Plot the data; labels, ticks and grid are there already."""
        ...


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


@dataclass
class Chart:
    """Lines over steps, rollouts or time.

    Attributes:
        x_label, y_label: what the axes show, with the unit.
        note: small print below the title.
        x_max, y_max: ends of the axes; from the data if absent.
    """

    title: str
    series: Sequence[Series]
    x_label: str
    y_label: str
    note: str = ""
    x_max: float | None = None
    y_max: float | None = None
    kind: str = "chart"
    size: tuple[int, int] = (360, 220)
    margins: tuple[int, int, int, int] = MARGINS

    @property
    def empty(self) -> bool:
        return not any(len(each.x) for each in self.series)

    def draw(self, axes: "Axes", paint: Paint) -> None:
        shown = [each for each in self.series if len(each.x)]
        for each in shown:
            keep = thinned(len(each.x))
            if each.low is not None and each.high is not None:
                edges = each.x[keep], each.low[keep], each.high[keep]
                axes.fill_between(*edges, color=paint(f"c{each.colour}"), alpha=0.16, lw=0, clip_on=False)
        for each in shown:
            keep = thinned(len(each.x))
            axes.plot(
                each.x[keep], each.y[keep], "--" if each.dashed else "-", color=paint(f"c{each.colour}"),
                marker="o" if len(keep) <= FEW_POINTS else "", ms=4, clip_on=False, label=each.label,
                gid=f"tip:{each.label}: {each.y[-1]:.3g} at {short(float(each.x[-1]))}",
            )  # fmt: skip
        lowest = min(float(np.min(each.y if each.low is None else each.low)) for each in shown)
        highest = max(float(np.max(each.y if each.high is None else each.high)) for each in shown)
        ticks = axes.yaxis.get_major_locator().tick_values(min(0.0, lowest), max(self.y_max or 0.0, highest) or 1.0)
        axes.set_ylim(ticks[0], ticks[-1])
        axes.set_xlim(0, self.x_max or max(float(each.x[-1]) for each in shown) or 1.0)


@dataclass
class Spark(Chart):
    """A small chart of a share from 0 to 1, one of many, with its last value beside the title."""

    value: str = ""
    kind: str = "spark"
    size: tuple[int, int] = (160, 56)
    margins: tuple[int, int, int, int] = (3, 3, 4, 4)
    x_label: str = ""
    y_label: str = ""

    def draw(self, axes: "Axes", paint: Paint) -> None:
        super().draw(axes, paint)
        axes.set_ylim(0, 1)
        axes.set(xticks=[], yticks=[0, 0.5, 1], yticklabels=[])


@dataclass
class Scatter:
    """Points (label, colour, x, y) in the unit square, with its diagonal."""

    title: str
    dots: Sequence[tuple[str, int, float, float]]
    x_label: str
    y_label: str
    note: str = ""
    kind: str = "chart square"
    size: tuple[int, int] = (320, 310)
    margins: tuple[int, int, int, int] = MARGINS

    @property
    def empty(self) -> bool:
        return not self.dots

    def draw(self, axes: "Axes", paint: Paint) -> None:
        axes.plot([0, 1], [0, 1], "--", color=paint("soft"), lw=1, clip_on=False)
        for label, number, x, y in self.dots:
            axes.plot(
                x, y, "o", color=paint(f"c{number}"), ms=9, alpha=0.8, mec=paint("card"), clip_on=False,
                gid=f"tip:{label}: {x:.2f}, {y:.2f}",
            )  # fmt: skip
        axes.grid(axis="x")
        axes.set(xlim=(0, 1), ylim=(0, 1))


@dataclass
class Stack:
    """Layers on top of each other over steps.

    Attributes:
        x: [n], ascending.
        layers: (label, CSS variable of the colour, values [n]) from bottom to top.
    """

    title: str
    x: np.ndarray
    layers: Sequence[tuple[str, str, np.ndarray]]
    x_label: str
    y_label: str
    note: str = ""
    kind: str = "chart"
    size: tuple[int, int] = (360, 220)
    margins: tuple[int, int, int, int] = MARGINS

    @property
    def empty(self) -> bool:
        return not len(self.x)

    def draw(self, axes: "Axes", paint: Paint) -> None:
        keep = thinned(len(self.x))
        values = [layer[keep] for _, _, layer in self.layers]
        drawn = axes.stackplot(self.x[keep], values, colors=[paint(name) for _, name, _ in self.layers], clip_on=False)
        for area, (label, _, _) in zip(drawn, self.layers, strict=True):
            area.set_gid(f"tip:{label}")
        axes.set(xlim=(0, max(float(self.x[-1]), 1.0)), ylim=(0, max(float(np.sum(values, axis=0).max()), 1.0)))


def thinned(count: int, most: int = MOST_POINTS) -> np.ndarray:
    """Indices of at most ``most`` of ``count`` points, first and last among them."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int))


def stand_in(variable: str) -> str:
    """The stand-in for a CSS variable of the page: matplotlib knows no variables."""
    return f"#0000{_VARIABLES.index(variable) + 1:02x}"


class Drawing:
    """Draws the figures of one page. The same page is drawn to the same bytes; ids are unique within it."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, chart: "Chart | Scatter | Stack") -> Markup:
        """The figure as an `<svg>` element with its title."""
        import matplotlib
        from matplotlib.figure import Figure as Canvas

        self.count += 1
        style: Any = _STYLE | {"svg.hashsalt": str(self.count)}
        with matplotlib.rc_context(style):
            width, height = chart.size
            left, right, top, bottom = chart.margins
            canvas = Canvas(figsize=(width / 72, height / 72))
            axes = canvas.add_axes(
                (left / width, bottom / height, 1 - (left + right) / width, 1 - (top + bottom) / height)
            )
            _plot(axes, chart, stand_in)
            for patch in (canvas.patch, axes.patch):
                patch.set_visible(False)
            text = io.StringIO()
            canvas.savefig(text, format="svg", metadata={"Title": chart.title, "Date": None, "Creator": None})
        return Markup(_inline(text.getvalue()))  # matplotlib escapes every text


def save(figures: Sequence[Figure], out: Path) -> None:
    """Write figures side by side into a picture file, in the page's light colours, with the lines' names below."""
    import matplotlib
    from matplotlib.figure import Figure as Canvas

    css = (Path(__file__).parent / "templates" / "style.css").read_text("utf-8")
    light = dict(re.findall(r"--(\w+): (#\w+)", css[: css.index("@media")]))
    style: Any = _STYLE
    with matplotlib.rc_context(style):
        widths = [each.size[0] for each in figures]
        size = (sum(widths) / 72, max(each.size[1] for each in figures) / 72)
        canvas = Canvas(figsize=size, layout="constrained")
        panels = canvas.subplots(1, len(figures), squeeze=False, width_ratios=widths)[0]
        for axes, each in zip(panels, figures, strict=True):
            _plot(axes, each, light.__getitem__)
            if len(figures) > 1:
                axes.set_title(each.title)
        lines, names = panels[0].get_legend_handles_labels()
        if names:
            canvas.legend(lines, names, loc="outside lower center", ncols=max(1, sum(widths) // 140), frameon=False)
        canvas.savefig(out, dpi=130, metadata={"Software": None})


def _plot(axes: "Axes", chart: Figure, paint: Paint) -> None:
    """Labels, ticks and grid, then the data."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
        axis.set_major_formatter(FuncFormatter(lambda value, _: short(value)))
    axes.set_xlabel(chart.x_label, color=paint("soft"))
    axes.set_ylabel(chart.y_label, color=paint("soft"))
    axes.tick_params(length=0, labelcolor=paint("soft"), grid_color=paint("line"), grid_clip_on=False)
    axes.grid(axis="y")
    axes.set_axisbelow(True)
    axes.spines[:].set_visible(False)
    chart.draw(axes, paint)


def _inline(text: str) -> str:
    """The SVG file as an element of a page: without what belongs to a file, and with the page's colours."""
    text = text[text.index("<svg") :]
    text = re.sub(r"<svg [^>]*?(viewBox=\"[^\"]*\")[^>]*>", r'<svg \1 role="img">', text)
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'<g id="tip:([^"]*)">', r"<g><title>\1</title>", text)
    text = re.sub(r'<g id="[^"]*"', "<g", text).replace(' transform="rotate(-0 ', ' data-flat="(')
    text = re.sub(r' data-flat="[^"]*"', "", text)
    text = re.sub(r"(fill|stroke): #0000(..)", lambda m: f"{m[1]}: var(--{_VARIABLES[int(m[2], 16) - 1]})", text)
    return re.sub(r"\s+", " ", text).replace("> <", "><")
