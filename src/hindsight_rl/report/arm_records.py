"""Details of the sandbox's methods: rewrites next to the originals, cost, and the runs themselves."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hindsight_rl.report.arm_sections import evaluated
from hindsight_rl.report.arms import ArmChapter, ArmGroup, ArmRun
from hindsight_rl.report.curves import averaged
from hindsight_rl.report.figures import thinned
from hindsight_rl.report.runs import number
from hindsight_rl.report.tables import Table, Value, duration, machine, short

EXAMPLES = 6
SEPARATOR = " ; "
MARKS = {
    "kept": "met, and kept",
    "changed": "missed, changed to the achieved value",
    "dropped": "missed, and dropped",
    "without": "met, and dropped with its prerequisite",
    "stands": "missed, and still asked",
}


def rewrites(chapter: ArmChapter) -> dict[str, Any] | None:
    """Failed responses and the instructions of their replays, for the first seed of each method with replay."""
    blocks = [(g, run) for g in chapter.groups if (run := next((r for r in g.runs if r.rewrites), None)) is not None]
    if not blocks:
        return None
    used = {mark for _, run in blocks for row in run.rewrites for mark, _, _ in parts(row) or ()}
    # Spread over training; neighbours come from the same step and are similar.
    shown = [
        (f"{group.label}, seed {run.seed}", [_rewrite(run.rewrites[i]) for i in thinned(len(run.rewrites), EXAMPLES)])
        for group, run in blocks
    ]
    return {"blocks": shown, "marks": {mark: text for mark, text in MARKS.items() if mark in used}}


def parts(row: Mapping[str, Any]) -> list[tuple[str, str, str]] | None:
    """Each constraint of a rewritten instruction: (mark of `MARKS`, its text, the text that it was changed to or "").

    None if the texts cannot be separated, e.g. for relabels, or in the rows of older runs outside the usual layout.
    """
    verdict = row["verdict"]
    asked, given = row.get("texts") or (row["prompt"].split(SEPARATOR), row["rewritten"].split(SEPARATOR))
    dropped = set(row["dropped"])
    if len(asked) != len(verdict) or len(given) != len(asked) - len(dropped):
        return None
    left = iter(given)
    found = []
    for index, (text, holds) in enumerate(zip(asked, verdict, strict=True)):
        if index in dropped:
            found.append(("without" if holds else "dropped", text, ""))
            continue
        now = next(left)
        if index in row["changed"]:
            found.append(("changed", text, now))
        else:
            found.append(("kept" if holds else "stands", text, ""))
    return found


def _rewrite(row: Mapping[str, Any]) -> dict[str, Any]:
    head = (
        f"at {short(row.get('rollouts') or 0)} rollouts, {sum(map(bool, row['verdict']))} of {len(row['verdict'])} met"
    )
    if (score := number(row.get("score"))) is not None:
        head += f", score {score:.2f}"
    names = ("prompt", "verdict", "response", "rewritten")
    return {"head": head, "parts": parts(row), **{name: row[name] for name in names}}


def cost(chapter: ArmChapter) -> dict[str, Any]:
    """The cost of each method: rollouts, rows, updates, seconds."""
    reference = next((g for g in chapter.groups if g.label == "fraction"), None)
    finals = reference.finals("sampled", "accuracy") if reference is not None else []
    target = float(np.mean(finals)) if finals else None
    columns = {
        "rollouts": "rollouts", "rows trained on": "rows", "of them replays": "replays", "gradient steps": "updates",
        "skipped": "skipped", "prompts too long": "too_long",
    }  # fmt: skip
    table = Table(
        ["arm", *columns, "CPU time", "wall time"] + ([] if target is None else [f"rollouts to {target:.3f}"])
    )
    for group in chapter.groups:
        cells: list[Value] = [_amount(group.runs, name) for name in columns.values()]
        cells += [_time(group.runs, "cpu_seconds"), _time(group.runs, "seconds")]
        table.rows.append((group, cells if target is None else [*cells, _reached(group, target)]))
    return {"table": table, "target": target}


def _amount(runs: Sequence[ArmRun], name: str) -> Value:
    values = [value for run in runs if (value := run.spent(name)) is not None]
    if not values and name == "replays":  # an arm that is not done says it step by step
        values = [sum(number(row.get("replays")) or 0 for row in run.metrics) for run in runs if run.metrics]
    return f"{np.mean(values):,.0f}" if values else None


def _time(runs: Sequence[ArmRun], name: str) -> Value:
    values = [value for run in runs if (value := run.spent(name)) is not None]
    return duration(float(np.mean(values))) if values else None


def _reached(group: ArmGroup, target: float) -> str:
    line = averaged(group, evaluated("sampled", "accuracy"))
    above = np.flatnonzero(line.y >= target - 1e-9)
    if not len(above):
        return "not reached"
    i = int(above[0])
    if i == 0:
        return short(float(line.x[0]))
    share = (target - line.y[i - 1]) / (line.y[i] - line.y[i - 1])
    return short(float(line.x[i - 1] + share * (line.x[i] - line.x[i - 1])))


def abouts(chapter: ArmChapter) -> Table | None:
    """A description of each method and its learning rate."""
    table = Table(["arm", "", "learning rate"])
    for group in chapter.groups:
        found = next((run.summary for run in group.runs if run.summary and run.summary.get("about")), None)
        if found is not None:
            table.rows.append((group, [found["about"], str((found.get("settings") or {}).get("learning_rate", "–"))]))
    return table if table.rows else None


def runs(chapter: ArmChapter) -> Table:
    """Every arm of every run."""
    table = Table(["run", "arm", "seed", "rollouts", "state", "CPU time", "machine"])
    for group in chapter.groups:
        for run in group.runs:
            cells = [str(run.seed), f"{run.rollouts:,}", run.state, _time([run], "cpu_seconds"), machine(run.config)]
            table.rows.append((run.folder, [group.label, *cells]))
    return table
