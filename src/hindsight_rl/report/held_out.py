"""What runs of TRL left beside their metrics: evaluations on held-out instructions, benchmark scores, replays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from hindsight_rl.intervals import wilson
from hindsight_rl.report.figures import Chart, Series
from hindsight_rl.report.runs import number, read_lines
from hindsight_rl.report.tables import Table, Value

if TYPE_CHECKING:
    from hindsight_rl.report.trl_runs import TrlRun

HELD_OUT, REPLAYS, SCORES = "held_out.jsonl", "replays.jsonl", "evaluation/scores.json"
SHOWN = 12
"""Number of replays of a run on the page: half of them from the start, half from the end."""


def held_out(runs: Sequence[TrlRun]) -> dict[str, Any] | None:
    """Success on held-out instructions before and after training, over training, and responses side by side."""
    found = [(run, rows) for run in runs if (rows := _rows(run))]
    if not found:
        return None
    numbers = sorted({n for _, rows in found for row in rows for n in row.get("by_number", {})}, key=int)
    table = Table(["run", "step", "all met", *(f"of {n}" for n in numbers), "each met", "ended", "words", "perplexity"])
    for run, rows in found:
        table.rows += [(run, _cells(row, numbers)) for row in ((rows[0], rows[-1]) if len(rows) > 1 else rows)]
    note = "held-out instructions; bands are 95 % intervals"
    lines = [_series(run, rows) for run, rows in found]
    charts = [Chart("all constraints met", lines, "training steps", "share of instructions", note)]
    return {
        "table": table,
        "charts": [*charts, *_margins(found), *_attention(found)],
        "examples": [(run.label, pairs) for run, rows in found if (pairs := _side_by_side(rows))],
    }


def _rows(run: TrlRun) -> list[dict[str, Any]]:
    return [row for row in read_lines(run.run, HELD_OUT) if number(row.get("all")) is not None]


def _cells(row: dict[str, Any], numbers: Sequence[str]) -> list[Value]:
    low, high = _interval(row)
    cells: list[Value] = [f"{int(row.get('step', 0)):,}", (f"{row['all']:.3f}", f"{low:.3f}–{high:.3f}")]
    cells += [_value(row.get("by_number", {}).get(n), 3) for n in numbers]
    return cells + [
        _value(row.get(name), n) for name, n in (("each", 3), ("ended", 2), ("words", 1), ("perplexity", 2))
    ]


def _value(value: Any, places: int) -> Value:
    found = number(value)
    return None if found is None else f"{found:.{places}f}"


def _interval(row: dict[str, Any]) -> tuple[float, float]:
    count = int(number(row.get("instructions")) or 0)
    return wilson(round(float(row["all"]) * count), count)


def _series(run: TrlRun, rows: Sequence[dict[str, Any]]) -> Series:
    table = np.array([(float(row.get("step", 0)), float(row["all"]), *_interval(row)) for row in rows])
    return Series(run.label, run.colour, *table.T)


def _margins(found: Sequence[tuple[TrlRun, list[dict[str, Any]]]]) -> list[Chart]:
    """Both preferences over training, for the runs that measured them."""
    charts = []
    for name, note in (
        ("instruction", "log-probability of a failed response: without the constraints that it violates, less with"),
        ("response", "log-probability under one instruction: of a response that meets it, less of one that does not"),
    ):
        lines = []
        for run, rows in found:
            values = [(row, row.get("margins", {}).get(name, {})) for row in rows]
            known = [
                (row["step"], m["mean"], m.get("standard_error") or 0.0)
                for row, m in values
                if number(m.get("mean")) is not None
            ]
            if known:
                step, mean, error = np.array(known, float).T
                lines.append(Series(run.label, run.colour, step, mean, mean - 1.96 * error, mean + 1.96 * error))
        if lines:
            charts.append(Chart(f"{name} margin", lines, "training steps", "nats", note))
    return charts


def _attention(found: Sequence[tuple[TrlRun, list[dict[str, Any]]]]) -> list[Chart]:
    """Attention to the constraints over training, for the runs that measured it."""
    lines = []
    for run, rows in found:
        known = [
            (row["step"], lift)
            for row in rows
            if (lift := number((row.get("attention") or {}).get("lift"))) is not None
        ]
        if known:
            step, lift = np.array(known, float).T
            lines.append(Series(run.label, run.colour, step, lift))
    note = "per word, relative to even attention; 1: no preference"
    return [Chart("attention to constraints", lines, "training steps", "lift", note)] if lines else []


def _side_by_side(rows: Sequence[dict[str, Any]]) -> list[tuple[str, str, str]]:
    """Instructions with the responses before and after training."""
    before, after = rows[0].get("examples") or [], rows[-1].get("examples") or []
    if len(rows) < 2:
        return []
    return [
        (a.get("prompt", ""), a.get("response", ""), b.get("response", "")) for a, b in zip(before, after, strict=False)
    ]


def scores(runs: Sequence[TrlRun]) -> Table | None:
    """The results of `hindsight lm evaluate RUN`: a row for each benchmark of each run."""
    table = Table(["run", "benchmark", "prompt, strict", "instruction, strict", "prompt, loose", "instruction, loose"])
    for run in runs:
        found = run.run.read(SCORES) if (run.run.path / SCORES).is_file() else {}
        for name, score in found.items():
            pairs = [(kind, level) for kind in ("strict", "loose") for level in ("prompt", "instruction")]
            table.rows.append((run, [name, *(_accuracy(score, kind, level) for kind, level in pairs)]))
    return table if table.rows else None


def _accuracy(score: dict[str, Any], kind: str, level: str) -> Value:
    found = (score.get(kind) or {}).get(level) or {}
    share = number(found.get("accuracy"))
    if share is None:
        return None
    low, high = found.get("ci95", (share, share))
    return f"{share:.3f}", f"{low:.3f}–{high:.3f}"


def replays(runs: Sequence[TrlRun]) -> list[dict[str, Any]]:
    """Texts of replays, and why other candidates were rejected."""
    found = []
    for run in runs:
        rows = read_lines(run.run, REPLAYS)
        reasons: dict[str, int] = {}
        for row in rows:
            for reason, count in (row.get("rejected") or {}).items():
                reasons[reason] = reasons.get(reason, 0) + int(count)
        made = [
            (int(row.get("step", 0)), *(each.get(name, "") for name in ("prompt", "rewritten", "response")))
            for row in rows
            for each in row.get("replays") or []
        ]
        shown = made if len(made) <= SHOWN else [*made[: SHOWN // 2], *made[-SHOWN // 2 :]]
        if shown or reasons:
            said = [f"{reason} {count:,}" for reason, count in sorted(reasons.items())]
            found.append({"label": run.label, "shown": shown, "rejected": said})
    return found
