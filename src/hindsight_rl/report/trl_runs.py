"""Runs of TRL (`hindsight lm train --model ...`): metrics, replays, and settings.

Each run has its own line; there are no means over runs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hindsight_rl.report import held_out
from hindsight_rl.report.curves import as_curve
from hindsight_rl.report.runs import flat, number, read_lines
from hindsight_rl.report.sections import duration, section
from hindsight_rl.report.svg import Series, escaped, line_chart
from hindsight_rl.run import Run

# metric of TRL or ours -> (title, what it means)
CHARTS: dict[str, tuple[str, str]] = {
    "constraints/all": ("all met", "share of rollouts that meet all constraints"),
    "constraints/fraction": ("each met", "share of single constraints that rollouts meet"),
    "frac_reward_zero_std": ("no signal", "share of prompts whose rollouts all have the same reward"),
    "hir/candidates": ("candidates", "failures that could be replayed, per batch"),
    "hir/replays": ("replays", "per batch"),
    "hir/buffer_rows": ("from the replay buffer", "replays and successes of earlier batches, per batch"),
    "hir/kept": ("kept", "share of the constraints of a replayed instruction that are kept or changed"),
    "hir/integrity": ("integrity", "share of constraints that the replayed responses met"),
    "hir/diversity": ("diversity", "mean entropy per token of the replayed responses"),
    "entropy": ("entropy", "of the policy, per token"),
    "completions/mean_length": ("length", "mean tokens of a response"),
    "completions/clipped_ratio": ("cut off", "share of responses that reached the limit; never replayed"),
    "kl": ("KL", "to the reference model"),
    "grad_norm": ("gradient norm", "before clipping"),
}
LATE = 0.1
"""The table shows means over this last share of the logged steps."""


@dataclass(frozen=True)
class TrlRun:
    """One run.

    Attributes:
        label: method and seed, and other settings if needed to separate it from other runs.
        rows: logged steps, in order.
    """

    run: Run
    config: dict[str, Any]
    rows: list[dict[str, Any]]
    label: str

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


def chapter(runs: Sequence[TrlRun]) -> str:
    """The part of the page on runs of TRL."""
    labels = _labels(runs)
    tested = held_out.held_out(runs, labels) + held_out.scores(runs, labels)
    trained = _headline(runs, labels) + _curves(runs, labels) + held_out.replays(runs, labels)
    return tested + trained + _settings(runs, labels)


def about(runs: Sequence[TrlRun]) -> str:
    """A line with the models and the data."""
    models = ", ".join(dict.fromkeys(str(run.config.get("model", "?")) for run in runs))
    data = ", ".join(dict.fromkeys(str(run.config.get("dataset", "?")) for run in runs))
    return f"{models} on {data}"


def _labels(runs: Sequence[TrlRun]) -> list[str]:
    """Distinct names: if two runs have the same name, their folders are added."""
    names = [run.label for run in runs]
    return [f"{n} ({run.run.path.name})" if names.count(n) > 1 else n for n, run in zip(names, runs, strict=True)]


def _chip(colour: int, label: str) -> str:
    return f'<i class="chip" style="background:var(--c{colour % 8})"></i>{escaped(label)}'


def _headline(runs: Sequence[TrlRun], labels: Sequence[str]) -> str:
    body = []
    for i, (run, label) in enumerate(zip(runs, labels, strict=True)):
        cells = [f"{run.steps:,}"]
        for name in (
            "constraints/all",
            "constraints/fraction",
            "hir/replays",
            "hir/kept",
            "hir/logp_shift",
            "completions/clipped_ratio",
        ):
            value = run.late(name)
            cells.append("–" if value is None else f"{value:.3g}")
        cells.append(duration(run.seconds) if run.seconds else "not finished")
        body.append(f"<tr><th>{_chip(i, label)}</th>{''.join(f'<td>{c}</td>' for c in cells)}</tr>")
    names = ("run", "steps", "all met", "each met", "replays", "kept", "shift", "cut off", "time")
    head = "".join(f"<th>{name}</th>" for name in names)
    lead = (
        f"Means over the last {LATE:.0%} of the logged steps, on training prompts. All met: share of rollouts that "
        "meet "
        "all constraints, independent of the reward. Kept: share of the constraints of a replayed instruction that are "
        "kept or changed. Shift: gain in the log-probability of a replayed token from the rewritten prompt. For a "
        "test: <code>hindsight lm evaluate</code>, on IFEval, IFBench and MulDimIF."
    )
    table = f'<table class="headline"><thead><tr>{head}</tr></thead><tbody>{"".join(body)}</tbody></table>'
    return section("trl", "Training", lead, f'<div class="scroll">{table}</div>')


def _curves(runs: Sequence[TrlRun], labels: Sequence[str]) -> str:
    charts = []
    for name, (title, note) in CHARTS.items():
        series = []
        for i, (run, label) in enumerate(zip(runs, labels, strict=True)):
            if points := run.points(name):
                x, y = as_curve(points)
                series.append(Series(label, i % 8, x, y))
        if series:
            charts.append(line_chart(series, title, note=note))
    legend = "".join(f"<span>{_chip(i, label)}</span>" for i, label in enumerate(labels))
    body = f'<p class="legend">{legend}</p><div class="charts">{"".join(charts)}</div>'
    return section("trl-curves", "Over training", "Against training steps.", body if charts else "")


def _settings(runs: Sequence[TrlRun], labels: Sequence[str]) -> str:
    """A table of the settings that differ between runs; the others are collapsed."""
    skip = ("kind", "version", "settings.output_dir", "settings.logging_dir", "settings.run_name")
    told = [{k: v for k, v in flat(run.config).items() if k not in skip} for run in runs]
    keys = list(dict.fromkeys(k for each in told for k in each))
    differ = [k for k in keys if len({str(each.get(k, "–")) for each in told}) > 1]
    body = ""
    if differ:
        head = "".join(f"<th>{escaped(label)}</th>" for label in labels)
        rows = ""
        for k in differ:
            values = "".join(f"<td>{escaped(each.get(k, '–'))}</td>" for each in told)
            rows += f"<tr><th>{escaped(k)}</th>{values}</tr>"
        body += f'<div class="scroll"><table class="plain"><tr><th></th>{head}</tr>{rows}</table></div>'
    same = [k for k in keys if k not in differ]
    rows = "".join(f"<div><dt>{escaped(k)}</dt><dd>{escaped(told[0][k])}</dd></div>" for k in same)
    body += f"<details><summary>{len(same)} settings{' in common' if differ else ''}</summary>"
    return section("trl-settings", "Settings", "", f'{body}<dl class="settings">{rows}</dl></details>')
