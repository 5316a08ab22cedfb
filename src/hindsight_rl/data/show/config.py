"""The settings of :func:`hindsight_rl.data.show.survey`, one set for Python and the command line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from hindsight_rl.errors import HindsightError


@dataclass(frozen=True)
class ShowConfig:
    """Summarize a file of training rows."""

    file: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="FILE")]
    """Rows in any schema that `hindsight lm train --dataset` reads: a .jsonl, .json or .parquet file, or a dataset on
    the Hugging Face hub as owner/name."""
    out: Path | None = None
    """Also write the summary to this file, as one self-contained HTML page."""
    against: tuple[Path, ...] = ()
    """Files of benchmark prompts. Tasks that share 8 consecutive words with one of them are counted."""
    examples: int = 10
    """Number of random rows to show."""
    seed: int = 0
    """Random seed for the choice of rows to show."""
    limit: int | None = None
    """Maximum number of rows to read."""
    json: bool = False
    """Print one JSON object instead of tables."""

    def __post_init__(self) -> None:
        if self.examples < 0:
            raise HindsightError(f"examples is {self.examples}: it must be at least 0")
        if self.limit is not None and self.limit < 1:
            raise HindsightError(f"limit is {self.limit}: it must be at least 1")
