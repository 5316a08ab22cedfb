"""Attention to the constraints, before and after training."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hindsight_rl.report.arms import BEFORE, ArmChapter, ArmGroup, ArmRun
from hindsight_rl.report.runs import number
from hindsight_rl.report.tables import Table, Value, averaged_value

SHARES = {
    "constraints": "the words of the constraints",
    "separators": "what stands between them",
    "response": "the response so far",
}
FIGURES = (
    ("same", "lift_writing_the_word", "writing the word"),
    ("same", "lift_writing_another", "writing another"),
    ("own", "lift_met", "constraint met"),
    ("own", "lift_missed", "constraint missed"),
)


def attention(chapter: ArmChapter) -> dict[str, Any] | None:
    """Attention from the tokens of responses to each constraint's words."""
    groups = [ArmGroup("before", "base", chapter.before.runs, BEFORE), *chapter.groups]
    groups = [group for group in groups if _studies(group)]
    if not groups:
        return None
    count = max(int(number((run.attention or {}).get("instructions")) or 0) for g in groups for run in g.runs)
    lifts = Table(["", *(title for _, _, title in FIGURES)])
    lifts.rows = [(g, [_lift(_values(g, how, name)) for how, name, _ in FIGURES]) for g in groups]
    return {
        "count": count,
        "groups": groups,
        "keys": SHARES,
        "shares": [_shares(group) for group in groups],
        "lifts": lifts,
        "kinds": _by_kind(groups),
        "example": _example(groups),
    }


def _studies(group: ArmGroup) -> list[Mapping[str, Any]]:
    """The attention of a group's models, one entry per run."""
    return [found for run in group.runs if (found := _study(group, run)) is not None]


def _study(group: ArmGroup, run: ArmRun) -> Mapping[str, Any] | None:
    models = (run.attention or {}).get("models") or {}
    found = models.get("base" if group.colour == BEFORE else run.arm)
    return found if isinstance(found, Mapping) else None


def _values(group: ArmGroup, how: str, *path: str) -> list[float]:
    """One number per model of a group, selected by keys."""
    values = []
    for found in _studies(group):
        value: Any = found[how]
        for key in path:
            value = value.get(key) if isinstance(value, Mapping) else None
        if (finite := number(value)) is not None:
            values.append(finite)
    return values


def _shares(group: ArmGroup) -> dict[str, Any]:
    parts = []
    for name in SHARES:
        values = _values(group, "same", "shares", name)
        mean = float(np.mean(values)) if values else 0.0
        parts.append((f"a-{name}", 100 * mean, f"{name} {mean:.0%}"))
    return {"group": group, "parts": parts, "more": ""}


def _lift(values: list[float]) -> Value:
    return averaged_value(values, 2)


def _by_kind(groups: Sequence[ArmGroup]) -> list[tuple[str, list[list[float]]]]:
    """For each kind of constraint the lifts of each group's models."""
    names = sorted({name for g in groups for found in _studies(g) for name in found["same"]["lift_by_kind"]})
    return [(name, [_values(group, "same", "lift_by_kind", name) for group in groups]) for name in names]


def _example(groups: Sequence[ArmGroup]) -> dict[str, Any] | None:
    """One response, token by token, under each model of the first run."""
    run = next((r for g in groups for r in g.runs if (r.attention or {}).get("examples")), None)
    if run is None or run.attention is None:
        return None
    example = run.attention["examples"][0]
    labels = {g.arm: g.label for g in reversed(groups)}
    models = {
        labels[name]: [[number(each) or 0.0 for each in row] for row in rows]
        for name, rows in example["models"].items()
        if name in labels
    }
    return {
        "constraints": [str(text) for text in example["constraints"]],
        "tokens": ["end" if token == "<end>" else str(token) for token in example["response"]],
        "models": models,
        "peak": max((value for rows in models.values() for row in rows for value in row), default=1.0) or 1.0,
        "seed": run.seed,
    }
