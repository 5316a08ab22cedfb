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
    """Make hindsight training rows from prompts with constraints and responses."""

    file: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="FILE")]
    """Rows with responses: training rows, a batch output of vLLM or OpenAI, or samples of lm-eval. A .jsonl, .json or
    .parquet file, or a dataset on the Hugging Face hub as owner/name."""
    prompts: str | None = None
    """The prompts with their constraints, if FILE contains only responses. They are matched by prompt, or else by
    key."""
    rewriter: RewriterName = "retarget"
    """How a failed constraint is rewritten. drop: remove it. retarget: ask for what the response achieved instead; if
    that is not possible, remove it."""
    format: Format = "sft"
    """Format of the rows. sft: a chat. dpo: prompt, chosen, rejected. kto: prompt, completion, label. sharegpt:
    conversations."""
    columns: Columns = "messages"
    """Columns of sft rows: messages, or prompt and completion. With the latter, TRL trains only on the completion."""
    out: Path = Path("hindsight.jsonl")
    """The output file. A .counts.json file is written next to it. If the output is incomplete, the command resumes
    it."""
    successes: bool = True
    """Also write rows for responses that met their own instruction."""
    reach: float = 8.0
    """For retarget: the largest factor by which a number may change; inf: any."""
    on_task: float = 0.0
    """Rewrite only for answers whose sentence embedding has at least this cosine with that of their task; 0: for all.
    Needs the extra `encoder`."""
    answer_after: str | None = None
    """Judge only the text after the last occurrence of this mark, e.g. an end of thoughts other than </think>."""
    judged: Literal["skip", "keep"] = "skip"
    """What to do with rows whose demands a program cannot check. skip: skip the row. keep: keep the demands in the
    prompt, unchecked."""
    pairs: int = 4
    """For dpo: maximum number of pairs per prompt."""
    window: int = 20_000
    """For dpo: number of responses that are kept in memory to find those to the same prompt."""
    limit: int | None = None
    """Maximum number of rows to read."""
    overwrite: bool = False
    """Start from the beginning if OUT exists."""

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
