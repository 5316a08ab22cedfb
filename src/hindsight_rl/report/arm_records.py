"""Sections with details of the sandbox's methods: rewrites next to the originals, cost, settings, runs."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hindsight_rl.report.arm_sections import chip, evaluated
from hindsight_rl.report.arms import ArmChapter, ArmGroup, ArmRun
from hindsight_rl.report.curves import averaged
from hindsight_rl.report.records import machine
from hindsight_rl.report.runs import flat, number
from hindsight_rl.report.sections import duration, section
from hindsight_rl.report.svg import escaped, short

EXAMPLES = 6
SEPARATOR = " ; "
MARKS = {
    "kept": "met, and kept",
    "changed": "missed, changed to the achieved value",
    "dropped": "missed, and dropped",
    "without": "met, and dropped with its prerequisite",
    "stands": "missed, and still asked",
}


def rewrites(chapter: ArmChapter) -> str:
    """Failed responses and the instructions of their replays, for the first seed of each method with replay."""
    blocks = [(g, run) for g in chapter.groups if (run := next((r for r in g.runs if r.rewrites), None)) is not None]
    if not blocks:
        return ""
    out = []
    for i, (group, run) in enumerate(blocks):
        rows = run.rewrites
        # Spread over training; neighbours come from the same step and are similar.
        picked = [
            rows[j] for j in np.unique(np.linspace(0, len(rows) - 1, min(EXAMPLES, len(rows))).round().astype(int))
        ]
        body = f'<ul class="rewrites">{"".join(_rewrite(row) for row in picked)}</ul>'
        title = f"{group.label}, seed {run.seed}"
        if len(blocks) > 1:
            body = f"<details{' open' if i == 0 else ''}><summary>{escaped(title)}</summary>{body}</details>"
        out.append(body)
    used = {mark for _, run in blocks for row in run.rewrites for mark, _, _ in parts(row) or ()}
    keys = "".join(f'<span><i class="mark {m}"></i>{escaped(t)}</span>' for m, t in MARKS.items() if m in used)
    lead = (
        "A response that failed its instruction is replayed as a success of another one. Above each response is "
        "the original instruction, below it the instruction of the replay, which was checked on the same text."
    )
    return section("rewrites", "Rewrites", lead, f'<p class="legend">{keys}</p>{"".join(out)}')


def parts(row: Mapping[str, Any]) -> list[tuple[str, str, str]] | None:
    """Each constraint of a rewritten instruction: (mark of `MARKS`, its text, the text that it was changed to or "").

    None if the texts cannot be separated, e.g. outside the sandbox's layout.
    """
    asked, verdict = row["prompt"].split(SEPARATOR), row["verdict"]
    given = row["rewritten"].split(SEPARATOR)
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


def _rewrite(row: Mapping[str, Any]) -> str:
    details = parts(row)
    met = sum(map(bool, row["verdict"]))
    head = f"at {short(row.get('rollouts') or 0)} rollouts, {met} of {len(row['verdict'])} met"
    if (score := number(row.get("score"))) is not None:
        head += f", score {score:.2f}"
    response = f"<pre>{escaped(row['response']) or '(empty)'}</pre>"
    if details is None:
        marks = "".join(f"<code>{'✓' if holds else '✗'}</code>" for holds in row["verdict"])
        return (
            f"<li><small>{escaped(head)}</small><p>{escaped(row['prompt'])}</p>"
            f'<div class="chips">{marks}</div>{response}<p>{escaped(row["rewritten"])}</p></li>'
        )
    chips = []
    for mark, text, now in details:
        sign = "✓" if mark in ("kept", "without") else "✗"
        new = f" → <b>{escaped(now)}</b>" if now else ""
        was = f"<s>{escaped(text)}</s>" if mark in ("changed", "dropped", "without") else escaped(text)
        chips.append(f'<span class="mark {mark}" title="{MARKS[mark]}">{sign} {was}{new}</span>')
    return (
        f'<li><small>{escaped(head)}</small><div class="chips">{"".join(chips)}</div>'
        f"{response}<p><small>replayed under</small> {escaped(row['rewritten'])}</p></li>"
    )


def cost(chapter: ArmChapter) -> str:
    """The cost of each method: rollouts, rows, updates, seconds."""
    reference = next((g for g in chapter.groups if g.label == "fraction"), None)
    target = None
    if reference is not None and (finals := reference.finals("sampled", "accuracy")):
        target = float(np.mean(finals))
    columns = [
        ("rollouts", "rollouts"), ("rows trained on", "rows"), ("of them replays", "replays"),
        ("gradient steps", "updates"), ("skipped", "skipped"), ("prompts too long", "too_long"),
    ]  # fmt: skip
    head = [name for name, _ in columns] + ["CPU time", "wall time"]
    if target is not None:
        head.append(f"rollouts to {target:.3f}")
    body = []
    for group in chapter.groups:
        cells = [_amount(group.runs, name) for _, name in columns]
        cells += [_time(group.runs, "cpu_seconds"), _time(group.runs, "seconds")]
        if target is not None:
            cells.append(_reached(group, target))
        body.append(f"<tr><th>{chip(group)}</th>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>")
    table = (
        f'<table class="headline cost"><thead><tr><th>arm</th>{"".join(f"<th>{h}</th>" for h in head)}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table>"
    )
    lead = (
        "Mean over seeds so far, without evaluations and the shared base model. A row is a prompt with one "
        "response in the update; gradient "
        "steps that are not finite are skipped. Methods that are trained at the same time share the machine: "
        "compare CPU "
        "time."
    )
    if target is not None:
        lead += " The last column: where the mean curve first reaches what <b>fraction</b> ends at."
    return section("cost", "Cost", lead, f'<div class="scroll">{table}</div>')


def _amount(runs: Sequence[ArmRun], name: str) -> str:
    values = [value for run in runs if (value := run.spent(name)) is not None]
    if not values and name == "replays":  # an arm that is not done says it step by step
        values = [sum(number(row.get("replays")) or 0 for row in run.metrics) for run in runs if run.metrics]
    return f"{np.mean(values):,.0f}" if values else "–"


def _time(runs: Sequence[ArmRun], name: str) -> str:
    values = [value for run in runs if (value := run.spent(name)) is not None]
    return duration(float(np.mean(values))) if values else "–"


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


def settings(chapter: ArmChapter) -> str:
    """A description of each method, all settings, and the runs."""
    about = "".join(
        f"<tr><th>{chip(g)}</th><td>{escaped(details['about'])}</td>"
        f"<td>{escaped((details.get('settings') or {}).get('learning_rate', '–'))}</td></tr>"
        for g in chapter.groups
        if (details := next((run.summary for run in g.runs if (run.summary or {}).get("about")), None)) is not None
    )
    body = ""
    if about:
        head = "<thead><tr><th>arm</th><th></th><th>learning rate</th></tr></thead>"
        body = f'<div class="scroll"><table class="headline">{head}<tbody>{about}</tbody></table></div>'
    columns = [flat(group.runs[0].config) for group in chapter.groups]
    skip = {"seed", "out", "resume", "kind", "json", "arms", "jobs", "base"}
    keys = [k for k in dict.fromkeys(k for c in columns for k in c) if k not in skip and not k.startswith("machine.")]
    differ = [k for k in keys if len({str(c.get(k, "–")) for c in columns}) > 1]
    if differ:
        head = "".join(f"<th>{escaped(g.label)}</th>" for g in chapter.groups)
        rows = "".join(f"<tr><th>{escaped(k)}</th>{''.join(_cell(c.get(k)) for c in columns)}</tr>" for k in differ)
        body += f'<div class="scroll"><table class="plain"><tr><th></th>{head}</tr>{rows}</table></div>'
    same = [k for k in keys if k not in differ]
    rows = "".join(f"<div><dt>{escaped(k)}</dt><dd>{escaped(columns[0][k])}</dd></div>" for k in same)
    body += f'<details><summary>{len(same)} settings in common</summary><dl class="settings">{rows}</dl></details>'
    return section("arm-settings", "Settings", "", body + _runs(chapter))


def _cell(value: Any) -> str:
    return f"<td>{'–' if value is None else escaped(value)}</td>"


def _runs(chapter: ArmChapter) -> str:
    rows = "".join(
        f"<tr><th>{escaped(run.folder)}</th><td>{escaped(group.label)}</td><td>{escaped(run.seed)}</td>"
        f"<td>{run.rollouts:,}</td><td>{escaped(run.state)}</td><td>{_time([run], 'cpu_seconds')}</td>"
        f"<td>{escaped(machine(run.config))}</td></tr>"
        for group in chapter.groups
        for run in group.runs
    )
    head = "".join(f"<th>{h}</th>" for h in ("run", "arm", "seed", "rollouts", "state", "CPU time", "machine"))
    table = f'<div class="scroll"><table class="plain"><tr>{head}</tr>{rows}</table></div>'
    return f"<details><summary>{len(chapter.runs)} arms of all runs</summary>{table}</details>"
