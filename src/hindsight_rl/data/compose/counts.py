"""Counts of a composition: rows per split, skipped prompts, and rows that were drawn again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hindsight_rl.data.compose.prompts import Skipped
from hindsight_rl.data.compose.row import Row


@dataclass
class SplitCounts:
    """Counts of one split: rows by number of constraints and by layout, and constraints by id."""

    rows: int = 0
    numbers: Counter[int] = field(default_factory=Counter)
    layouts: Counter[str] = field(default_factory=Counter)
    ids: Counter[str] = field(default_factory=Counter)

    def add(self, row: Row) -> None:
        """Count a row."""
        self.rows += 1
        self.numbers[len(row.ids)] += 1
        self.layouts[row.layout] += 1
        self.ids.update(row.ids)

    def to_json(self) -> dict[str, Any]:
        """As it stands in compose.json."""
        return {
            "rows": self.rows,
            "by number of constraints": {str(number): self.numbers[number] for number in sorted(self.numbers)},
            "by layout": dict(sorted(self.layouts.items())),
            "by id": dict(sorted(self.ids.items())),
        }

    @classmethod
    def from_json(cls, given: Mapping[str, Any]) -> SplitCounts:
        """The inverse of :meth:`to_json`."""
        numbers = Counter({int(number): count for number, count in given["by number of constraints"].items()})
        return cls(given["rows"], numbers, Counter(given["by layout"]), Counter(given["by id"]))


@dataclass
class Counts:
    """Counts of a composition.

    held_ids: the ids of the split ``test_ids``. prompts: how many the training split and the test splits can use.
    skipped: prompts, by reason. resampled: rows drawn again, by reason. resumed: rows that an earlier call had made.
    """

    splits: dict[str, SplitCounts]
    held_ids: tuple[str, ...]
    prompts: dict[str, int]
    skipped: Skipped
    resampled: Counter[str]
    resumed: int = 0

    def to_json(self) -> dict[str, Any]:
        """As it stands in compose.json."""
        return {
            "splits": {split: counts.to_json() for split, counts in self.splits.items() if counts.rows},
            "held-out ids": list(self.held_ids),
            "prompts": self.prompts,
            "prompts skipped": {"by reason": dict(self.skipped.reasons.most_common()), "first": self.skipped.first},
            "drawn again": dict(self.resampled.most_common()),
        }
