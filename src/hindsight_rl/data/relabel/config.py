"""The settings of :func:`hindsight_rl.data.relabel.relabel`, one set for Python and the command line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from hindsight_rl.errors import HindsightError

RewriterName = Literal["drop", "retarget"]
Format = Literal["sft", "dpo", "kto", "sharegpt"]
Columns = Literal["messages", "prompt-completion"]


@dataclass(frozen=True)
class RelabelConfig:
    """Hindsight training rows out of prompts with constraints and responses."""

    file: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="FILE")]
    """Rows with responses: training rows, a vLLM or OpenAI batch output, lm-eval's samples. A .jsonl, .json or .parquet
    file, or a dataset on the hub as owner/name."""
    prompts: str | None = None
    """The prompts with their constraints, where FILE holds responses alone: matched by prompt, or by key."""
    rewriter: RewriterName = "retarget"
    """drop: drop what failed. retarget: ask for what was achieved instead, or drop it."""
    format: Format = "sft"
    """sft: a chat per row. dpo: prompt, chosen, rejected. kto: prompt, completion, label. sharegpt: conversations."""
    columns: Columns = "messages"
    """Of sft rows: messages, or prompt and completion (TRL then trains on the completion alone)."""
    out: Path = Path("hindsight.jsonl")
    """The file to write; beside it, .counts.json. Called again, the command goes on from what is there."""
    successes: bool = True
    """Responses that met their own instruction are rows too."""
    reach: float = 8.0
    """retarget: how many times smaller or larger a number may become; inf for any."""
    answer_after: str | None = None
    """Only what follows the last of these marks is judged, e.g. the end of a thought that is not </think>."""
    judged: Literal["skip", "keep"] = "skip"
    """Demands that no program checks: skip such rows, or keep the demands in the prompt, unchecked."""
    pairs: int = 4
    """dpo: at most so many pairs under one prompt."""
    window: int = 20_000
    """dpo: how many responses are held at once to find those to the same prompt."""
    limit: int | None = None
    """Read only so many rows."""
    overwrite: bool = False
    """Begin anew where OUT is there already."""

    def __post_init__(self) -> None:
        for name, value, known in (
            ("rewriter", self.rewriter, ("drop", "retarget")),
            ("format", self.format, ("sft", "dpo", "kto", "sharegpt")),
            ("columns", self.columns, ("messages", "prompt-completion")),
            ("judged", self.judged, ("skip", "keep")),
        ):
            if value not in known:
                raise HindsightError(f"{name} is {value!r}: one of {', '.join(known)}")
        if self.columns != "messages" and self.format != "sft":
            raise HindsightError(f"columns is for the format sft; {self.format} has columns of its own")
        for name, number in (("pairs", self.pairs), ("window", self.window)):
            if number < 1:
                raise HindsightError(f"{name} is {number}: it must be at least 1")
        if not self.reach >= 1:
            raise HindsightError(f"reach is {self.reach}: it must be at least 1")
        if self.limit is not None and self.limit < 1:
            raise HindsightError(f"limit is {self.limit}: it must be at least 1")
