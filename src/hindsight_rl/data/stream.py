"""Rows of files of any size, one at a time; a row that cannot be read is handed on as such, and the rest goes on.

for found in stream("rows.jsonl"):
    found.where, found.row or found.problem

JSON lines and parquet are read row by row, so a file may be larger than memory; a file that holds one JSON array is
read whole.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hindsight_rl.data.rows import rows
from hindsight_rl.errors import HindsightError

_KEPT = 20  # places of bad rows


@dataclass(frozen=True)
class Found:
    """A row and its place ("file:line"), or, where it cannot be read, what is wrong with it."""

    where: str
    row: Mapping[str, Any] | None
    problem: str = ""


@dataclass
class BadRows:
    """Rows that could not be used: how many by reason, and the places of the first."""

    reasons: Counter[str] = field(default_factory=Counter)
    first: list[str] = field(default_factory=list)

    def add(self, where: str, reason: str, said: str = "") -> None:
        """Count one. said: the whole message, if it says more than the reason."""
        self.reasons[reason] += 1
        if len(self.first) < _KEPT:
            self.first.append(f"{where}: {said or reason}")

    @property
    def total(self) -> int:
        """How many."""
        return self.reasons.total()


def stream(source: str | Path, split: str = "train") -> Iterator[Found]:
    """The rows of a .jsonl, .json or .parquet file, or of a dataset on the hub.

    Raises :class:`HindsightError` where nothing of the source can be read.
    """
    path = Path(source)
    if path.suffix == ".parquet" or not (path.exists() or path.suffix in (".jsonl", ".json")):
        yield from (Found(where, row) for where, row in rows(source, split))
    elif first_line(path).startswith(b"["):
        yield from (Found(where, row) for where, row in rows(path))
    else:
        yield from _lines(path)


def first_line(path: Path) -> bytes:
    """The first line of a file that is not blank; b"" where there is none."""
    try:
        with path.open("rb") as file:
            return next((line.strip() for line in file if line.strip()), b"")
    except OSError as error:
        raise HindsightError(f"{path}: cannot be read: {error}") from None


def _lines(path: Path) -> Iterator[Found]:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            where = f"{path}:{number}"
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):  # a UnicodeDecodeError is a ValueError
                yield Found(where, None, "not JSON")
                continue
            if isinstance(row, dict):
                yield Found(where, row)
            else:
                yield Found(where, None, f"{type(row).__name__} instead of an object")


def in_few_words(error: HindsightError, where: str) -> str:
    """The reason to count an error under: without its place and without what differs from row to row."""
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
