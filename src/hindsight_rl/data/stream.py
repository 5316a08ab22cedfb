"""Rows of a source of any size, one at a time. A row that cannot be read is marked as such and does not stop the
others.

for found in stream("rows.jsonl"):
    found.where, found.row or found.problem
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hindsight_rl.data.files import Found, file_rows, first_line, is_file
from hindsight_rl.data.hub import hub_rows
from hindsight_rl.errors import HindsightError

__all__ = ["BadRows", "Found", "first_line", "in_few_words", "rows", "stream"]

_KEPT = 20  # number of bad rows whose places are stored


@dataclass
class BadRows:
    """Rows that could not be used: how many by reason, and the places of the first."""

    reasons: Counter[str] = field(default_factory=Counter)
    first: list[str] = field(default_factory=list)

    def add(self, where: str, reason: str, said: str = "") -> None:
        """Count a row. said: the full message, if it says more than the reason."""
        self.reasons[reason] += 1
        if len(self.first) < _KEPT:
            self.first.append(f"{where}: {said or reason}")

    @property
    def total(self) -> int:
        """Number of rows."""
        return self.reasons.total()


def stream(source: str | Path, split: str = "train") -> Iterator[Found]:
    """The rows of a file or folder (:mod:`hindsight_rl.data.files`), or of a dataset on the hub.

    Raises :class:`HindsightError` if the source cannot be read at all.
    """
    if is_file(source):
        yield from file_rows(Path(source), split)
    else:
        yield from (Found(where, row) for where, row in hub_rows(str(source), split))


def rows(source: str | Path, split: str = "train") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """("file:line" or "dataset:row", row) of a source; a bad row raises :class:`HindsightError`."""
    for found in stream(source, split):
        yield found.where, found.read()


def in_few_words(error: HindsightError, where: str) -> str:
    """The reason under which an error is counted: without its place and other details of the row."""
    said = str(error).removeprefix(f"{where}: ")
    for start, reason in (
        ("no constraints in the row", "no constraints in the row"),
        ("the row asks for nothing", "nothing in it can be checked"),
        ("no prompt in the row", "no prompt in the row"),
        ("unknown constraint id", "unknown constraint id"),
        ("it brings Python code", "it brings Python code that checks it, and running such code is off"),
    ):
        if said.startswith(start):
            return reason
    return "constraints or prompt that cannot be read"
