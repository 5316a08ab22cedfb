"""Success rates side by side: bars for one or two groups, a shaded table for more."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from hindsight_rl.intervals import wilson
from hindsight_rl.report.runs import Group, Named, RunData
from hindsight_rl.report.svg import escaped


@dataclass
class Cell:
    """One instruction (or several taken together) in one group.

    Attributes:
        values: success rate of each run.
        successes, trials: counts over all runs; 0 trials where only rates are known.
    """

    values: list[float]
    successes: int = 0
    trials: int = 0

    @property
    def mean(self) -> float:
        return sum(self.values) / len(self.values)

    @property
    def spread(self) -> tuple[float, float]:
        """Smallest and largest run, or the 95 % Wilson interval of a single run's counts."""
        if len(self.values) > 1:
            return min(self.values), max(self.values)
        return wilson(self.successes, self.trials) if self.trials else (self.mean, self.mean)

    @property
    def counts(self) -> str:
        return f"{self.successes:,}/{self.trials:,}" if self.trials else ""


@dataclass
class Line:
    """A row: its label, its tooltip, and a cell for each group (None if there is no value)."""

    label: str
    cells: list[Cell | None] = field(default_factory=list)
    title: str = ""


def lines(groups: Sequence[Group], kind: str, key: Callable[[dict], str]) -> list[Line]:
    """A line for each value of ``key`` among the evaluated instructions of a kind, in order of appearance."""
    keys = list(dict.fromkeys(key(row) for g in groups for run in g.evaluated for row in run.rows(kind)))
    return [Line(k, [cell(g.evaluated, kind, partial(_is, key, k)) for g in groups]) for k in keys]


def _is(key: Callable[[dict], str], wanted: str, row: dict) -> bool:
    return key(row) == wanted


def cell(runs: Sequence[RunData], kind: str, wanted: Callable[[dict], bool]) -> Cell | None:
    """The chosen instructions of a kind taken together; None where there are none."""
    values, successes, trials = [], 0, 0
    for run in runs:
        rows = [row for row in run.rows(kind) if wanted(row)]
        if rows:
            values.append(sum(row["success"] for row in rows) / len(rows))
            successes += sum(int(row.get("successes") or 0) for row in rows)
            trials += sum(int(row.get("trials") or 0) for row in rows)
    return Cell(values, successes, trials) if values else None


def chart(rows: Sequence[Line], groups: Sequence[Named], loss: bool = False) -> str:
    """Bars or a shaded table, by how many groups there are.

    Args:
        rows: a cell for each group.
        loss: the number is a loss: shade it red.
    """
    if not rows:
        return '<p class="none">not evaluated yet</p>'
    return _bars(rows, groups) if len(groups) <= 2 else _shaded(rows, groups, loss)


def _bars(rows: Sequence[Line], groups: Sequence[Named]) -> str:
    out = []
    for row in rows:
        tracks = []
        for group, c in zip(groups, row.cells, strict=True):
            if c is None:
                tracks.append('<div class="track"></div><div class="num">–</div>')
                continue
            low, high = c.spread
            whisker = ""
            if high - low > 0.004:
                whisker = f'<b style="left:{100 * low:.1f}%;width:{100 * (high - low):.1f}%"></b>'
            seeds = ", ".join(f"{v:.2f}" for v in c.values) if len(c.values) > 1 else ""
            title = f"{group.label}: {c.mean:.3f}" + (f" ({seeds})" if seeds else "")
            tracks.append(
                f'<div class="track" title="{escaped(title)}">'
                f'<i style="width:{100 * min(max(c.mean, 0), 1):.1f}%;background:var(--c{group.colour})"></i>'
                f"{whisker}</div>"
                f'<div class="num">{c.mean:.2f} <small>{c.counts}</small></div>'
            )
        out.append(
            f'<div class="row"><div class="lab" title="{escaped(row.title or row.label)}">{escaped(row.label)}</div>'
            f'<div class="tracks">{"".join(tracks)}</div></div>'
        )
    return f'<div class="bars">{"".join(out)}</div>'


def _shaded(rows: Sequence[Line], groups: Sequence[Named], loss: bool) -> str:
    head = "".join(
        f'<th><i class="chip" style="background:var(--c{g.colour})"></i>{escaped(g.label)}</th>' for g in groups
    )
    body = []
    for row in rows:
        cells = []
        for c in row.cells:
            if c is None:
                cells.append('<td class="heat">–</td>')
                continue
            low, high = c.spread
            details = c.counts if len(c.values) == 1 else f"{low:.2f}–{high:.2f}" if high - low > 0.004 else ""
            range_ = f"<small>{details}</small>" if details else ""
            shade = ("heat loss" if loss else "heat") + (" nil" if c.mean < 0.005 else "")
            values = escaped(", ".join(f"{v:.2f}" for v in c.values))
            cells.append(
                f'<td class="{shade}" style="--v:{100 * min(max(c.mean, 0), 1):.0f}%" title="{values}">'
                f"{c.mean:.2f}{range_}</td>"
            )
        body.append(f'<tr><th title="{escaped(row.title or row.label)}">{escaped(row.label)}</th>{"".join(cells)}</tr>')
    return (
        f'<div class="scroll"><table class="shaded"><thead><tr><th></th>{head}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table></div>"
    )
