"""End marks: special tokens at the end of a response, which some trainers decode with it."""

from __future__ import annotations

import re
from typing import Any

from hindsight_rl.constraints.completions import shown
from hindsight_rl.constraints.core import ConstraintError

Ends = Any
"""End marks: a list of texts, or a tokenizer of Hugging Face's, which knows its own; None where neither is at hand."""

# What special tokens look like, if there is no tokenizer: <|im_end|>, DeepSeek's with full-width bars, </s>, <eos>.
_SPECIAL = r"<\|[^|<>\s]{1,40}\|>|<｜[^｜<>\s]{1,40}｜>|</s>|<pad>|<eos>|<end_of_turn>|\[PAD\]"


def end_marks(ends: Ends) -> tuple[list[str], re.Pattern[str]]:
    """The marks that end a response at any position, and a pattern of special tokens at the end of the text."""
    if ends is None:
        return [], re.compile(rf"(?:(?:{_SPECIAL})\s*)+$")
    special = getattr(ends, "all_special_tokens", None)
    if special is not None:
        added = getattr(ends, "added_tokens_decoder", {}).values()
        special = {*special, *(str(token) for token in added if getattr(token, "special", False))}
        marks = [str(end) for end in (ends.eos_token, ends.pad_token) if end]
    else:
        special = {ends} if isinstance(ends, str) else set(ends)
        marks = sorted(special)
    if not special or not all(isinstance(each, str) and each for each in special):
        raise ConstraintError(f"ends is {shown(ends)}; it must be a list of texts, or a tokenizer with special tokens")
    return marks, re.compile(rf"(?:(?:{'|'.join(map(re.escape, sorted(special, key=len, reverse=True)))})\s*)+$")


def without_end(response: str, marks: list[str], trailing: re.Pattern[str]) -> str:
    """The response without its end marks; everything after the first of `marks` is padding."""
    found = [at for mark in marks if (at := response.find(mark)) >= 0]
    return trailing.sub("", response[: min(found, default=len(response))])
