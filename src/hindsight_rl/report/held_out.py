"""Held-out instructions, benchmark scores and replays of runs of TRL, each as a section of the page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from hindsight_rl.intervals import wilson
from hindsight_rl.report.runs import number, read_lines
from hindsight_rl.report.sections import section
from hindsight_rl.report.svg import Series, escaped, line_chart

if TYPE_CHECKING:
    from hindsight_rl.report.trl_runs import TrlRun

HELD_OUT, REPLAYS, SCORES = "held_out.jsonl", "replays.jsonl", "evaluation/scores.json"
SHOWN = 12
"""Number of replays of a run on the page: half of them from the start, half from the end."""


def held_out(runs: Sequence[TrlRun], labels: Sequence[str]) -> str:
    """Success on held-out instructions before and after training, over training, and responses side by side."""
    found = [(label, rows) for run, label in zip(runs, labels, strict=True) if (rows := _rows(run))]
    if not found:
        return ""
    lead = (
        "Instructions that were never trained on, greedy responses. All met: share of instructions whose constraints "
        "all hold, with its 95 % interval (Wilson); of 2: of those with two constraints. Perplexity is that of a fixed "
        "English text: where it rises much, the model forgets its language."
    )
    numbers = sorted({n for _, rows in found for row in rows for n in row.get("by_number", {})}, key=int)
    heads = ["run", "step", "all met", *(f"of {n}" for n in numbers), "each met", "ended", "words", "perplexity"]
    body = []
    for label, rows in found:
        for row in (rows[0], rows[-1]) if len(rows) > 1 else rows:
            body.append(f"<tr><th>{escaped(label)}</th>{_cells(row, numbers)}</tr>")
    head = "".join(f"<th>{escaped(name)}</th>" for name in heads)
    table = f'<table class="headline"><thead><tr>{head}</tr></thead><tbody>{"".join(body)}</tbody></table>'
    chart = line_chart(
        [_series(label, i, rows) for i, (label, rows) in enumerate(found)],
        "all constraints met",
        note="held-out instructions, against training steps; bands are 95 % intervals",
    )
    text = f'<div class="scroll">{table}</div><div class="charts">{chart}</div>'
    text += "".join(_side_by_side(label, rows) for label, rows in found)
    return section("held-out", "Held-out instructions", lead, text)


def _rows(run: TrlRun) -> list[dict[str, Any]]:
    return [row for row in read_lines(run.run, HELD_OUT) if number(row.get("all")) is not None]


def _cells(row: dict[str, Any], numbers: Sequence[str]) -> str:
    low, high = _interval(row)
    cells = [f"{int(row.get('step', 0)):,}", f"<b>{row['all']:.3f}</b><small>{low:.3f}–{high:.3f}</small>"]
    cells += [_value(row.get("by_number", {}).get(n), 3) for n in numbers]
    cells += [_value(row.get(name), places) for name, places in (("each", 3), ("ended", 2), ("words", 1))]
    return "".join(f"<td>{cell}</td>" for cell in [*cells, _value(row.get("perplexity"), 2)])


def _value(value: Any, places: int) -> str:
    found = number(value)
    return "–" if found is None else f"{found:.{places}f}"


def _interval(row: dict[str, Any]) -> tuple[float, float]:
    count = int(number(row.get("instructions")) or 0)
    return wilson(round(float(row["all"]) * count), count)


def _series(label: str, colour: int, rows: Sequence[dict[str, Any]]) -> Series:
    bands = [_interval(row) for row in rows]
    return Series(
        label,
        colour % 8,
        np.array([float(row.get("step", 0)) for row in rows]),
        np.array([float(row["all"]) for row in rows]),
        np.array([low for low, _ in bands]),
        np.array([high for _, high in bands]),
    )


def _side_by_side(label: str, rows: Sequence[dict[str, Any]]) -> str:
    """Responses to the same instructions before and after training."""
    before, after = rows[0].get("examples") or [], rows[-1].get("examples") or []
    if len(rows) < 2 or not before or not after:
        return ""
    body = "".join(
        f"<tr><td>{escaped(a.get('prompt', ''))}</td><td>{escaped(a.get('response', ''))}</td>"
        f"<td>{escaped(b.get('response', ''))}</td></tr>"
        for a, b in zip(before, after, strict=False)
    )
    head = "<tr><th>instruction</th><th>before training</th><th>after training</th></tr>"
    table = f'<div class="scroll"><table class="plain texts">{head}{body}</table></div>'
    return f"<details><summary>{escaped(label)}: {len(after)} responses side by side</summary>{table}</details>"


def scores(runs: Sequence[TrlRun], labels: Sequence[str]) -> str:
    """The results of `hindsight lm evaluate RUN`: a row for each benchmark of each run."""
    body = []
    for run, label in zip(runs, labels, strict=True):
        found = run.run.read(SCORES) if (run.run.path / SCORES).is_file() else {}
        for name, score in found.items():
            cells = [
                _accuracy(score, kind, level) for kind in ("strict", "loose") for level in ("prompt", "instruction")
            ]
            body.append(f"<tr><th>{escaped(label)}</th><td>{escaped(name)}</td>{''.join(cells)}</tr>")
    if not body:
        return ""
    names = ("run", "benchmark", "prompt, strict", "instruction, strict", "prompt, loose", "instruction, loose")
    head = "".join(f"<th>{name}</th>" for name in names)
    lead = "Shares of prompts and of single constraints, strict and loose, with 95 % intervals."
    table = f'<table class="headline"><thead><tr>{head}</tr></thead><tbody>{"".join(body)}</tbody></table>'
    return section("scores", "Benchmarks", lead, f'<div class="scroll">{table}</div>')


def _accuracy(score: dict[str, Any], kind: str, level: str) -> str:
    found = (score.get(kind) or {}).get(level) or {}
    share = number(found.get("accuracy"))
    if share is None:
        return "<td>–</td>"
    low, high = found.get("ci95", (share, share))
    return f"<td><b>{share:.3f}</b><small>{low:.3f}–{high:.3f}</small></td>"


def replays(runs: Sequence[TrlRun], labels: Sequence[str]) -> str:
    """Texts of replays, and why other candidates were rejected."""
    text = ""
    for run, label in zip(runs, labels, strict=True):
        rows = read_lines(run.run, REPLAYS)
        reasons: dict[str, int] = {}
        for row in rows:
            for reason, count in (row.get("rejected") or {}).items():
                reasons[reason] = reasons.get(reason, 0) + int(count)
        made = [(int(row.get("step", 0)), each) for row in rows for each in row.get("replays") or []]
        shown = made if len(made) <= SHOWN else [*made[: SHOWN // 2], *made[-SHOWN // 2 :]]
        if shown:
            body = "".join(
                f"<tr><td>{step}</td><td>{escaped(each.get('prompt', ''))}</td>"
                f"<td>{escaped(each.get('rewritten', ''))}</td><td>{escaped(each.get('response', ''))}</td></tr>"
                for step, each in shown
            )
            head = "<tr><th>step</th><th>instruction</th><th>rewritten</th><th>response</th></tr>"
            table = f'<div class="scroll"><table class="plain texts">{head}{body}</table></div>'
            text += (
                f"<details><summary>{escaped(label)}: {len(shown)} replays, early and late</summary>{table}</details>"
            )
        if reasons:
            said = ", ".join(f"{escaped(reason)} {count:,}" for reason, count in sorted(reasons.items()))
            text += f'<p class="aside">{escaped(label)}: candidates rejected: {said}.</p>'
    lead = (
        "A replay is a failed response under an instruction that it fulfils; it is trained on with reward 1 beside "
        "the original with reward 0."
    )
    return section("replays", "Replays", lead, text) if text else ""
