"""Numbers and tables as a page shows them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hindsight_rl.report.runs import Named, flat

Value = str | tuple[str, str] | None
"""What a cell holds: a text; a number with what stands below it; nothing."""


@dataclass
class Table:
    """A table; each row begins with a name, or with a group, which is shown with its colour."""

    head: Sequence[str]
    rows: list[tuple[str | Named, Sequence[Value]]] = field(default_factory=list)


def short(value: float) -> str:
    """A number as people write it on an axis: `1.5M`, `300k`, `0.25`."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"


def between(values: Sequence[float]) -> str:
    """The smallest and the largest number, or one if they are equal."""
    low, high = min(values), max(values)
    return short(low) if low == high else f"{short(low)}–{short(high)}"


def spread(values: Sequence[float], places: int = 3) -> str:
    """`0.31–0.35` over seeds, or nothing for one."""
    return f"{min(values):.{places}f}–{max(values):.{places}f}" if len(values) > 1 else ""


def averaged_value(values: Sequence[float], places: int = 3) -> Value:
    """The mean, and below it the range over seeds."""
    return (f"{np.mean(values):.{places}f}", spread(values)) if len(values) else None


def duration(seconds: float) -> str:
    """`1 h 04 min`, `12 min 30 s` or `48 s`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


def machine(config: Mapping[str, Any]) -> str:
    """The kind of machine a run of these settings was made on."""
    details = config.get("machine")
    if not isinstance(details, dict):
        return "not recorded"
    cores, memory = f"{details.get('cores', '?')} cores", f"{details.get('memory_gib', '?')} GiB"
    return ", ".join(part for part in (str(details.get("processor", "")), cores, memory) if part)


def settings(columns: Sequence[tuple[str, Mapping[str, Any]]], skip: Collection[str] = ()) -> dict[str, Any]:
    """All settings of some groups.

    Args:
        columns: label and configuration of each group.
        skip: names that are not shown, and `machine`.

    Returns:
        `differ`, a table of those that differ, or None; and `same`, the others as (name, value).
    """
    configs = [flat(config) for _, config in columns]
    names = dict.fromkeys(k for each in configs for k in each if k not in skip and not k.startswith("machine."))
    rows = {name: [str(each.get(name, "–")) for each in configs] for name in names}
    differ = Table(["", *(label for label, _ in columns)], [(k, v) for k, v in rows.items() if len(set(v)) > 1])
    same = [(k, v[0]) for k, v in rows.items() if len(set(v)) == 1]
    return {"differ": differ if differ.rows else None, "same": same}
