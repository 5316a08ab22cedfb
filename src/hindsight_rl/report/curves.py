"""Curves over training, averaged over the seeds of a group, with the range between them."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from hindsight_rl.report.figures import Series
from hindsight_rl.report.runs import RunData, Seeds, number

Curve = tuple[np.ndarray, np.ndarray]
R = TypeVar("R")


def success_of(event: str | None) -> Callable[[RunData], Curve]:
    """Success on one event's canonical instruction at every evaluation, or the mean over all events."""

    def curve(run: RunData) -> Curve:
        points = [
            (step, success[event] if event else sum(success.values()) / len(success))
            for step, success in run.looks
            if success and (event is None or event in success)
        ]
        return as_curve(points)

    return curve


def metric(name: str) -> Callable[[RunData], Curve]:
    """A number of `metrics.jsonl`."""
    return lambda run: as_curve([(row["step"], v) for row in run.metrics if (v := number(row.get(name))) is not None])


def events_seen(run: RunData) -> Curve:
    """Number of different events so far."""
    seen: set[str] = set()
    points = []
    for row in run.metrics:
        counts: Any = row.get("events")
        if isinstance(counts, dict):
            seen |= {name for name, count in counts.items() if number(count)}
            points.append((row["step"], len(seen)))
    return as_curve(points)


def as_curve(points: Sequence[tuple[float, float]]) -> Curve:
    """Points (x, y) as a curve."""
    if not points:
        return np.zeros(0), np.zeros(0)
    table = np.array(points, float)
    return table[:, 0], table[:, 1]


def averaged(group: Seeds[R], curve: Callable[[R], Curve], smooth: int = 1, common: bool = False) -> Series:
    """Mean and range over a group's seeds.

    Seeds are interpolated onto all their steps. A seed counts only up to its last step, so the end of the curve of a
    group with an unfinished run is a mean over fewer seeds.

    Args:
        smooth: running mean over this many points.
        common: use only points where every seed has a value; for axes such as time, where seeds end apart.
    """
    curves = [(x, _smoothed(y, smooth)) for x, y in map(curve, group.runs) if len(x)]
    if not curves:
        return Series(group.label, group.colour, np.zeros(0), np.zeros(0))
    grid = np.unique(np.concatenate([x for x, _ in curves]))
    if common:
        shared = (grid >= max(x[0] for x, _ in curves)) & (grid <= min(x[-1] for x, _ in curves))
        grid = grid[shared] if shared.any() else grid
    # No value before the start or after the end of a seed.
    table = np.array([np.interp(grid, x, y, left=np.nan, right=np.nan) for x, y in curves])
    mean, low, high = np.nanmean(table, 0), np.nanmin(table, 0), np.nanmax(table, 0)
    if len(curves) == 1:
        return Series(group.label, group.colour, grid, mean)
    return Series(f"{group.label}, {len(curves)} seeds", group.colour, grid, mean, low, high)


def _smoothed(y: np.ndarray, window: int) -> np.ndarray:
    if window < 2 or len(y) < 2 * window:
        return y
    total = np.cumsum(np.insert(y, 0, 0.0))
    ends = np.arange(1, len(y) + 1)
    starts = np.maximum(ends - window, 0)
    return (total[ends] - total[starts]) / (ends - starts)


def held(run: RunData, last: float) -> dict[str, list[tuple[float, float, str]]]:
    """Which instruction held a slot when: text -> (from step, to step, status), in order of first admission.

    Args:
        run: a run with buffer decisions.
        last: the step at which slots still held are cut off.
    """
    spans: dict[str, list[tuple[float, float, str]]] = {}
    open_: dict[str, tuple[float, str]] = {}
    for row in run.decisions:
        text, step, status = row["text"], float(row["step"]), str(row.get("status", "new"))
        if row["what"] == "admit":
            spans.setdefault(text, [])
            open_[text] = (step, status)
        elif text in open_:
            began, was = open_.pop(text)
            if step > began:
                spans[text].append((began, step, was))
            if row["what"] == "status":
                open_[text] = (step, status)
    for text, (began, status) in open_.items():
        if last > began:
            spans[text].append((began, last, status))
    return spans
