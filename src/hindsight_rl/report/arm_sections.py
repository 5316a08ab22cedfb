"""Sections on the sandbox's methods: accuracy, by number of constraints, learning signal, selection for replay."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from hindsight_rl.report import rates
from hindsight_rl.report.arms import ArmChapter, ArmGroup, ArmRun
from hindsight_rl.report.curves import Curve, as_curve, averaged
from hindsight_rl.report.runs import number
from hindsight_rl.report.sections import duration, section, spread
from hindsight_rl.report.svg import Series, escaped, line_chart, short, spark

SMOOTH = 5


def chip(group: ArmGroup) -> str:
    """The group's colour and name."""
    return f'<i class="chip" style="background:var(--c{group.colour})"></i>{escaped(group.label)}'


def tested(run: ArmRun) -> int:
    """Number of instructions per evaluation; 0 if unknown."""
    return int(number(run.config.get("test")) or 0)


def headline(chapter: ArmChapter) -> str:
    """Accuracy of each method after training, and its cost."""
    body = []
    for group in [chapter.before, *chapter.groups]:
        before = group.colour == chapter.before.colour
        cells = [
            _figure(group, how, name, before)
            for how, name in (("sampled", "accuracy"), ("greedy", "accuracy"), ("sampled", "constraint_accuracy"))
        ]
        if before:
            cells += ["<td>–</td>"] * 4
        else:
            areas = [v for run in group.runs if (v := number((run.summary or {}).get("area"))) is not None]
            done = sum(run.summary is not None for run in group.runs)
            cells.append(f"<td>{np.mean(areas):.3f}<small>{spread(areas)}</small></td>" if areas else "<td>–</td>")
            cells.append(f"<td>{done} of {len(group.runs)}</td>")
            cells.append(f"<td>{_between([float(run.rollouts) for run in group.runs])}</td>")
            cpu = [v for run in group.runs if (v := run.spent("cpu_seconds")) is not None]
            cells.append(f"<td>{duration(float(np.mean(cpu)))}</td>" if cpu else "<td>–</td>")
        body.append(f"<tr><th>{chip(group)}</th>{''.join(cells)}</tr>")
    head = "".join(
        f"<th>{text}</th>"
        for text in ("arm", "accuracy", "greedy", "constraints met", "mean while learning", "complete", "rollouts",
                     "CPU time per seed")
    )  # fmt: skip
    table = f'<table class="headline"><thead><tr>{head}</tr></thead><tbody>{"".join(body)}</tbody></table>'
    several = any(len(group.runs) > 1 for group in chapter.groups)
    lead = (
        "Accuracy: share of fresh instructions of which <b>every</b> constraint is met, sampled at temperature 1. "
        "Below a mean stands "
        + (
            "the range of seeds, or with one seed the 95 % Wilson interval."
            if several
            else "the 95 % Wilson interval of its counts; other seeds vary more."
        )
        + " Before: the base model. Mean while learning: of all evaluations after the start."
    )
    return section("arms", "Accuracy", lead, f'<div class="scroll">{table}</div>')


def _figure(group: ArmGroup, how: str, name: str, before: bool) -> str:
    if before:
        values = [v for run in group.runs if (v := number(run.evals[0][how].get(name))) is not None]
    else:
        values = group.finals(how, name)
    if not values:
        return "<td>–</td>"
    details = spread(values)
    count = tested(group.runs[0])
    if len(values) == 1 and name == "accuracy" and count:
        low, high = rates.wilson(round(values[0] * count), count)
        details = f"{low:.3f}–{high:.3f}"
    return f"<td><b>{np.mean(values):.3f}</b><small>{details}</small></td>"


def _between(values: Sequence[float]) -> str:
    low, high = min(values), max(values)
    return short(low) if low == high else f"{short(low)}–{short(high)}"


def evaluated(how: str, name: str, over: str = "rollouts") -> Callable[[ArmRun], Curve]:
    """A value of the evaluations, over rollouts or seconds."""
    return lambda run: as_curve(
        [
            (x, y)
            for row in run.evals
            if (x := number(row.get(over))) is not None and (y := number(row[how].get(name))) is not None
        ]
    )


def recorded(name: str, when: str | None = None) -> Callable[[ArmRun], Curve]:
    """A value of each step, over rollouts; with `when`, only steps where that metric is not zero."""
    return lambda run: as_curve(
        [
            (row["rollouts"], y)
            for row in run.metrics
            if (y := number(row.get(name))) is not None and (when is None or number(row.get(when)))
        ]
    )


def learning(chapter: ArmChapter) -> str:
    """Accuracy over rollouts and over time."""
    groups = chapter.groups
    end = _end(chapter.runs)
    charts = [
        line_chart([averaged(g, evaluated("sampled", "accuracy")) for g in groups], "accuracy over rollouts", end,
                   note="all constraints met, sampled"),
        line_chart([averaged(g, evaluated("sampled", "accuracy", "cpu_seconds"), common=True) for g in groups],
                   "accuracy over CPU seconds", note="the same evaluations: rows replayed cost time, not rollouts"),
        line_chart([averaged(g, evaluated("greedy", "accuracy")) for g in groups], "greedy accuracy", end,
                   note="all constraints met, likeliest tokens"),
        line_chart([averaged(g, evaluated("sampled", "constraint_accuracy")) for g in groups], "constraints met", end,
                   1.0, note="each constraint by itself"),
    ]  # fmt: skip
    lead = "Evaluations during training, on the same fresh instructions for all arms of a seed." + _bands(groups)
    return section("curves", "Learning curves", lead, f'<div class="charts two">{"".join(charts)}</div>')


def _bands(groups: Sequence[ArmGroup]) -> str:
    several = any(len(group.runs) > 1 for group in groups)
    return " Lines are means over seeds, bands their range." if several else ""


def _end(runs: Sequence[ArmRun]) -> float | None:
    return float(max((run.rollouts for run in runs), default=0)) or None


def counts(chapter: ArmChapter) -> str:
    """Accuracy by number of constraints, during and after training."""
    groups = [chapter.before, *chapter.groups]
    numbers = _keys(chapter.runs, "by_count")
    if not numbers:
        return ""
    numbers.sort(key=lambda count: (len(count), count))
    end = _end(chapter.runs) or 1.0
    sparks = "".join(
        spark([averaged(g, _of("by_count", count)) for g in chapter.groups], f"{count} constraints", end, "")
        for count in numbers
    )
    rows = [rates.Line(f"{count} constraints", [_cell(g, "by_count", count) for g in groups]) for count in numbers]
    body = f'<div class="sparks">{sparks}</div><h4>At the last evaluation</h4>{rates.chart(rows, groups)}'
    lead = "Share of instructions with every constraint met, by how many there are. Small charts reach from 0 to 1."
    return section("counts", "By number of constraints", lead, body)


def kinds(chapter: ArmChapter) -> str:
    """Share of constraints that are met, by kind."""
    groups = [chapter.before, *chapter.groups]
    names = sorted(_keys(chapter.runs, "by_kind"))
    if not names:
        return ""
    rows = [rates.Line(name, [_cell(g, "by_kind", name) for g in groups]) for name in names]
    lead = "Share of constraints met at the last evaluation, sampled: it shows which kinds are difficult."
    return section("kinds", "By kind of constraint", lead, rates.chart(rows, groups))


def _keys(runs: Iterable[ArmRun], name: str) -> list[str]:
    return list(dict.fromkeys(key for run in runs for row in run.evals for key in row["sampled"].get(name, {})))


def _of(name: str, key: str) -> Callable[[ArmRun], Curve]:
    return lambda run: as_curve(
        [(row["rollouts"], v) for row in run.evals if (v := number(row["sampled"].get(name, {}).get(key))) is not None]
    )


def _cell(group: ArmGroup, name: str, key: str) -> rates.Cell | None:
    values = []
    for run in group.runs:
        row = run.evals[0] if group.label == "before" else (run.trained[-1] if run.trained else None)
        value = number(row["sampled"].get(name, {}).get(key)) if row else None
        if value is not None:
            values.append(value)
    return rates.Cell(values) if values else None


def signal(chapter: ArmChapter) -> str:
    """Share of groups whose rollouts all have the same reward."""
    groups = chapter.groups
    end = _end(chapter.runs)
    charts = [
        line_chart([averaged(g, recorded("no_signal"), SMOOTH) for g in groups], "groups with no signal", end, 1.0,
                   note="of the prompts of a step"),
        line_chart([averaged(g, recorded("success"), SMOOTH) for g in groups], "rollouts that meet everything", end,
                   note="in training"),
        line_chart([averaged(g, recorded("fraction"), SMOOTH) for g in groups], "constraints met by rollouts", end, 1.0,
                   note="in training"),
        line_chart([averaged(g, recorded("entropy"), SMOOTH) for g in groups], "entropy", end,
                   note="of the policy, nats per token"),
    ]  # fmt: skip
    lead = (
        "A group is the rollouts of one prompt. If all have the same reward, the originals of the group give no "
        "learning "
        f"signal. Running means over {SMOOTH} steps." + _bands(groups)
    )
    return section("signal", "Groups with no signal", lead, f'<div class="charts two">{"".join(charts)}</div>')


def selection(chapter: ArmChapter) -> str:
    """The failures selected for replay, over time: constraints met, entropy, constraints kept."""
    groups = [group for group in chapter.groups if any(run.replays for run in group.runs)]
    if not groups:
        return ""
    end = _end(chapter.runs)

    def beside(name: str, all_rollouts: str | None) -> list[Series]:
        lines = [averaged(g, recorded(name, "replays"), SMOOTH) for g in groups]
        if all_rollouts:
            for g in groups:
                line = averaged(g, recorded(all_rollouts), SMOOTH)
                lines.append(Series(f"{line.label}, all", line.colour, line.x, line.y, dashed=True))
        return lines

    charts = [
        line_chart(beside("replays", "candidates"), "replays of a step", end, note="dashed: eligible failures"),
        line_chart(beside("integrity", "fraction"), "integrity", end, 1.0,
                   note="constraints met by what was replayed; dashed: by all rollouts"),
        line_chart(beside("diversity", "entropy"), "diversity", end,
                   note="entropy of what was replayed; dashed: of all rollouts"),
        line_chart(beside("kept", None), "kept", end, 1.0, note="constraints kept or changed by the rewrite"),
    ]  # fmt: skip
    curriculum = [g for g in groups if any(run.strategy in (None, "curriculum") for run in g.runs)]
    if curriculum:
        weight = [averaged(g, _integrity_weight, SMOOTH) for g in curriculum]
        charts.append(
            line_chart(
                weight, "integrity's part of the score", end, 1.0, note="λ·integrity ÷ (diversity + λ·integrity)"
            )
        )
        charts.append(
            line_chart([averaged(g, _log_lambda) for g in curriculum], "log₁₀ λ", end, note=_lambdas(chapter))
        )
    lead = (
        "Replayed are the failures of highest diversity + λ·integrity, λ growing with every step, or by the arm's own "
        f"rule. Once integrity's part is all, only near misses are chosen. Running means over {SMOOTH} steps."
    )
    refused = _rejected(groups)
    return section("selection", "What was selected", lead, f'<div class="charts">{"".join(charts)}</div>{refused}')


def _integrity_weight(run: ArmRun) -> Curve:
    points = []
    for row in run.metrics:
        weight, whole, spare = (number(row.get(name)) for name in ("lambda", "integrity", "diversity"))
        if weight and whole and spare is not None and number(row.get("replays")):
            points.append((row["rollouts"], weight * whole / (spare + weight * whole)))
    return as_curve(points)


def _log_lambda(run: ArmRun) -> Curve:
    x, y = recorded("lambda")(run)
    seen = y > 0
    return x[seen], np.maximum(np.log10(y[seen]), 0.0)


def _lambdas(chapter: ArmChapter) -> str:
    found = [v for run in chapter.runs for row in run.metrics if (v := number(row.get("lambda")))]
    return f"λ from {min(found):.3g} to {max(found):.3g}" if found else ""


def _rejected(groups: Sequence[ArmGroup]) -> str:
    details = []
    for group in groups:
        reasons: dict[str, int] = {}
        for run in group.runs:
            for row in run.metrics:
                rejected: Any = row.get("rejected")
                for reason, count in rejected.items() if isinstance(rejected, dict) else ():
                    reasons[str(reason)] = reasons.get(str(reason), 0) + int(number(count) or 0)
        if reasons:
            said = ", ".join(f"{escaped(reason)} {count:,}" for reason, count in sorted(reasons.items()))
            details.append(f"{escaped(group.label)}: {said}")
    return f'<p class="aside">Rewrites rejected: {"; ".join(details)}.</p>' if details else ""
