"""The settings of :func:`hindsight_rl.data.show.survey`, one set for Python and the command line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from hindsight_rl.errors import HindsightError


@dataclass(frozen=True)
class ShowConfig:
    """What stands in a file of training rows."""

    file: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="FILE")]
    """Rows of any schema that `hindsight lm train --dataset` reads: a .jsonl, .json or .parquet file, or a dataset on
    the hub as owner/name."""
    out: Path | None = None
    """Also write one self-contained HTML page."""
    against: tuple[Path, ...] = ()
    """Files of benchmark prompts: tasks that share 8 words in a row with one of them are counted."""
    examples: int = 10
    """Random rows to show."""
    seed: int = 0
    """Which rows are shown."""
    limit: int | None = None
    """Read only so many rows."""
    json: bool = False
    """Print everything as one JSON object in place of tables."""

    def __post_init__(self) -> None:
        if self.examples < 0:
            raise HindsightError(f"examples is {self.examples}: it must be at least 0")
        if self.limit is not None and self.limit < 1:
            raise HindsightError(f"limit is {self.limit}: it must be at least 1")
