"""Runs of TRL (`hindsight lm train --model ...`): metrics, replays, and settings.

Each run has its own line; there are no means over runs.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hindsight_rl.report.curves import as_curve
from hindsight_rl.report.figures import Chart, Series
from hindsight_rl.report.runs import number, read_lines
from hindsight_rl.report.tables import Table, Value, duration
from hindsight_rl.run import Run

# metric of TRL or ours -> (title, unit, what it means)
CHARTS: dict[str, tuple[str, str, str]] = {
    "constraints/all": ("all met", "share", "share of rollouts that meet all constraints"),
    "constraints/fraction": ("each met", "share", "share of single constraints that rollouts meet"),
    "frac_reward_zero_std": ("no signal", "share", "share of prompts whose rollouts all have the same reward"),
    "hir/candidates": ("candidates", "per batch", "failures that could be replayed"),
    "hir/replays": ("replays", "per batch", ""),
    "hir/buffer_rows": ("from the replay buffer", "per batch", "replays and successes of earlier batches"),
    "hir/kept": ("kept", "share", "share of the constraints of a replayed instruction that are kept or changed"),
    "hir/integrity": ("integrity", "share", "share of constraints that the replayed responses met"),
    "hir/diversity": ("diversity", "nats per token", "mean entropy of the replayed responses"),
    "entropy": ("entropy", "nats per token", "of the policy"),
    "completions/mean_length": ("length", "tokens", "mean length of a response"),
    "completions/clipped_ratio": ("cut off", "share", "share of responses that reached the limit; never replayed"),
    "kl": ("KL", "nats per token", "to the reference model"),
    "grad_norm": ("gradient norm", "norm", "before clipping"),
}
LATE = 0.1
"""The table shows means over this last share of the logged steps."""
COLUMNS = {
    "all met": "constraints/all", "each met": "constraints/fraction", "replays": "hir/replays", "kept": "hir/kept",
    "shift": "hir/logp_shift", "cut off": "completions/clipped_ratio",
}  # fmt: skip


@dataclass(frozen=True)
class TrlRun:
    """One run.

    Attributes:
        label: method and seed, and other settings if needed to separate it from other runs.
        rows: logged steps, in order.
        colour: number of its colour, the same throughout a page.
    """

    run: Run
    config: dict[str, Any]
    rows: list[dict[str, Any]]
    label: str
    colour: int = 0

    @property
    def steps(self) -> int:
        """Training steps so far."""
        return int(self.rows[-1]["step"]) if self.rows else 0

    @property
    def seconds(self) -> float:
        """Seconds of training; 0 before its end, when TRL reports them."""
        return next((float(s) for row in reversed(self.rows) if (s := number(row.get("train_runtime")))), 0.0)

    def points(self, name: str) -> list[tuple[float, float]]:
        """Steps and values of a metric."""
        return [(float(row["step"]), v) for row in self.rows if (v := number(row.get(name))) is not None]

    def late(self, name: str) -> float | None:
        """Mean of a metric over the last logged steps."""
        values = [value for _, value in self.points(name)]
        return float(np.mean(values[-max(1, round(LATE * len(values))) :])) if values else None


def read_trl(run: Run, config: dict[str, Any]) -> TrlRun:
    """A run folder of kind `lm-trl`, finished or not.

    Raises:
        HindsightError: a damaged file.
    """
    label = f"{config.get('method', '?')}, seed {config.get('seed', '?')}"
    return TrlRun(run, config, read_lines(run, "metrics.jsonl"), label)


def named(runs: Sequence[TrlRun]) -> list[TrlRun]:
    """The runs with distinct labels and colours: if two have the same label, their folders are added."""
    labels = [run.label for run in runs]
    return [
        replace(
            run, colour=i % 8, label=f"{run.label} ({run.run.path.name})" if labels.count(run.label) > 1 else run.label
        )
        for i, run in enumerate(runs)
    ]


def about(runs: Sequence[TrlRun]) -> str:
    """A line with the models and the data."""
    models = ", ".join(dict.fromkeys(str(run.config.get("model", "?")) for run in runs))
    data = ", ".join(dict.fromkeys(str(run.config.get("dataset", "?")) for run in runs))
    return f"{models} on {data}"


def headline(runs: Sequence[TrlRun]) -> Table:
    """The end of each run's training."""
    table = Table(["run", "steps", *COLUMNS, "time"])
    for run in runs:
        late: list[Value] = [None if (v := run.late(name)) is None else f"{v:.3g}" for name in COLUMNS.values()]
        table.rows.append((run, [f"{run.steps:,}", *late, duration(run.seconds) if run.seconds else "not finished"]))
    return table


def charts(runs: Sequence[TrlRun]) -> list[Chart]:
    """Every metric over training."""
    found = []
    for name, (title, unit, note) in CHARTS.items():
        lines = [Series(run.label, run.colour, *as_curve(points)) for run in runs if (points := run.points(name))]
        if lines:
            found.append(Chart(title, lines, "training steps", unit, note))
    return found
