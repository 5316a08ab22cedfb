"""Success rates side by side; a page shows bars for one or two groups, and a shaded table for more."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from hindsight_rl.intervals import wilson
from hindsight_rl.report.runs import Group, RunData


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

    @property
    def range(self) -> tuple[float, float] | None:
        """The spread if it is wide enough to be seen."""
        low, high = self.spread
        return (low, high) if high - low > 0.004 else None

    @property
    def by_seed(self) -> str:
        """The value of each run."""
        return ", ".join(f"{value:.2f}" for value in self.values)


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
