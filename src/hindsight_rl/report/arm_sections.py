"""What a chapter on the sandbox's methods shows: accuracy, number of constraints, learning signal, selection."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from hindsight_rl.intervals import wilson
from hindsight_rl.report import rates
from hindsight_rl.report.arms import ArmChapter, ArmGroup, ArmRun
from hindsight_rl.report.curves import Curve, as_curve, averaged
from hindsight_rl.report.figures import Chart, Series, Spark
from hindsight_rl.report.runs import number
from hindsight_rl.report.tables import Table, Value, averaged_value, between, duration

SMOOTH = 5
ROLLOUTS = "rollouts"
ACCURACY = "share of instructions"
MET = "share of constraints"


def tested(run: ArmRun) -> int:
    """Number of instructions per evaluation; 0 if unknown."""
    return int(number(run.config.get("test")) or 0)


def headline(chapter: ArmChapter) -> Table:
    """Accuracy of each method after training, and its cost."""
    table = Table(["arm", "accuracy", "greedy", "constraints met", "mean while learning", "complete", "rollouts",
                   "CPU time per seed"])  # fmt: skip
    for group in [chapter.before, *chapter.groups]:
        before = group.colour == chapter.before.colour
        cells: list[Value] = [
            _figure(group, how, name, before)
            for how, name in (("sampled", "accuracy"), ("greedy", "accuracy"), ("sampled", "constraint_accuracy"))
        ]
        if before:
            cells += [None] * 4
        else:
            cpu = [v for run in group.runs if (v := run.spent("cpu_seconds")) is not None]
            cells += [
                averaged_value([v for run in group.runs if (v := number((run.summary or {}).get("area"))) is not None]),
                f"{sum(run.summary is not None for run in group.runs)} of {len(group.runs)}",
                between([float(run.rollouts) for run in group.runs]),
                duration(float(np.mean(cpu))) if cpu else None,
            ]
        table.rows.append((group, cells))
    return table


def _figure(group: ArmGroup, how: str, name: str, before: bool) -> Value:
    if before:
        values = [v for run in group.runs if (v := number(run.evals[0][how].get(name))) is not None]
    else:
        values = group.finals(how, name)
    count = tested(group.runs[0]) if group.runs else 0
    if len(values) == 1 and name == "accuracy" and count:
        low, high = wilson(round(values[0] * count), count)
        return f"{values[0]:.3f}", f"{low:.3f}–{high:.3f}"
    return averaged_value(values)


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


def learning(chapter: ArmChapter) -> list[Chart]:
    """Accuracy over rollouts and over time."""
    end = _end(chapter.runs)

    def lines(how: str, name: str, over: str = "rollouts") -> list[Series]:
        return [averaged(g, evaluated(how, name, over), common=over != "rollouts") for g in chapter.groups]

    return [
        Chart("accuracy over rollouts", lines("sampled", "accuracy"), ROLLOUTS, ACCURACY,
              "all constraints met, sampled", end),
        Chart("accuracy over CPU seconds", lines("sampled", "accuracy", "cpu_seconds"), "CPU time, s", ACCURACY,
              "the same evaluations: rows replayed cost time, not rollouts"),
        Chart("greedy accuracy", lines("greedy", "accuracy"), ROLLOUTS, ACCURACY,
              "all constraints met, likeliest tokens", end),
        Chart("constraints met", lines("sampled", "constraint_accuracy"), ROLLOUTS, MET,
              "each constraint by itself", end, 1.0),
    ]  # fmt: skip


def _end(runs: Sequence[ArmRun]) -> float | None:
    return float(max((run.rollouts for run in runs), default=0)) or None


def counts(chapter: ArmChapter) -> dict[str, Any] | None:
    """Accuracy by number of constraints, during and after training."""
    groups = [chapter.before, *chapter.groups]
    numbers = sorted(_keys(chapter.runs, "by_count"), key=lambda count: (len(count), count))
    if not numbers:
        return None
    end = _end(chapter.runs)
    sparks = [
        Spark(f"{count} constraints", [averaged(g, _of("by_count", count)) for g in chapter.groups], x_max=end)
        for count in numbers
    ]
    rows = [rates.Line(f"{count} constraints", [_cell(g, "by_count", count) for g in groups]) for count in numbers]
    return {"sparks": sparks, "rows": rows, "groups": groups}


def kinds(chapter: ArmChapter) -> dict[str, Any] | None:
    """Share of constraints that are met, by kind."""
    groups = [chapter.before, *chapter.groups]
    rows = [
        rates.Line(name, [_cell(g, "by_kind", name) for g in groups]) for name in sorted(_keys(chapter.runs, "by_kind"))
    ]
    return {"rows": rows, "groups": groups} if rows else None


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


def signal(chapter: ArmChapter) -> list[Chart]:
    """Share of groups whose rollouts all have the same reward, and other metrics of training."""
    end = _end(chapter.runs)

    def lines(name: str) -> list[Series]:
        return [averaged(g, recorded(name), SMOOTH) for g in chapter.groups]

    return [
        Chart("groups with no signal", lines("no_signal"), ROLLOUTS, "share of groups", "of the prompts of a step",
              end, 1.0),
        Chart("rollouts that meet everything", lines("success"), ROLLOUTS, "share of rollouts", "in training", end),
        Chart("constraints met by rollouts", lines("fraction"), ROLLOUTS, MET, "in training", end, 1.0),
        Chart("entropy", lines("entropy"), ROLLOUTS, "nats per token", "of the policy", end),
    ]  # fmt: skip


def selection(chapter: ArmChapter) -> dict[str, Any] | None:
    """The failures selected for replay, over time: constraints met, entropy, constraints kept."""
    groups = [group for group in chapter.groups if any(run.replays for run in group.runs)]
    if not groups:
        return None
    end = _end(chapter.runs)

    def beside(name: str, all_rollouts: str | None) -> list[Series]:
        lines = [averaged(g, recorded(name, "replays"), SMOOTH) for g in groups]
        if all_rollouts:
            for g in groups:
                line = averaged(g, recorded(all_rollouts), SMOOTH)
                lines.append(Series(f"{line.label}, all", line.colour, line.x, line.y, dashed=True))
        return lines

    charts = [
        Chart("replays of a step", beside("replays", "candidates"), ROLLOUTS, "replays",
              "dashed: eligible failures", end),
        Chart("integrity", beside("integrity", "fraction"), ROLLOUTS, MET,
              "constraints met by what was replayed; dashed: by all rollouts", end, 1.0),
        Chart("diversity", beside("diversity", "entropy"), ROLLOUTS, "nats per token",
              "entropy of what was replayed; dashed: of all rollouts", end),
        Chart("kept", beside("kept", None), ROLLOUTS, MET, "constraints kept or changed by the rewrite", end, 1.0),
    ]  # fmt: skip
    curriculum = [g for g in groups if any(run.strategy in (None, "curriculum") for run in g.runs)]
    if curriculum:
        weight = [averaged(g, _integrity_weight, SMOOTH) for g in curriculum]
        growth = [averaged(g, _log_lambda) for g in curriculum]
        charts += [
            Chart("integrity's part of the score", weight, ROLLOUTS, "share of the score",
                  "λ·integrity ÷ (diversity + λ·integrity)", end, 1.0),
            Chart("log₁₀ λ", growth, ROLLOUTS, "log₁₀ λ", _lambdas(chapter), end),
        ]  # fmt: skip
    return {"charts": charts, "rejected": _rejected(groups)}


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


def _rejected(groups: Sequence[ArmGroup]) -> list[str]:
    details = []
    for group in groups:
        reasons: dict[str, int] = {}
        for run in group.runs:
            for row in run.metrics:
                rejected: Any = row.get("rejected")
                for reason, count in rejected.items() if isinstance(rejected, dict) else ():
                    reasons[str(reason)] = reasons.get(str(reason), 0) + int(number(count) or 0)
        if reasons:
            said = ", ".join(f"{reason} {count:,}" for reason, count in sorted(reasons.items()))
            details.append(f"{group.label}: {said}")
    return details
