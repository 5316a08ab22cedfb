"""Responses to a benchmark's prompts, matched as the public evaluators match them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hindsight_rl.errors import HindsightError
from hindsight_rl.evaluation.prompts import local_rows
from hindsight_rl.replay.instruction import Instruction


@dataclass
class Matched:
    """Responses in the order of the instructions (``None``: missing), and what did not fit.

    missing: keys of prompts without a response, counted as failed. duplicate: "file:line" of responses whose
    prompt came before: the last counts. extra: "file:line" of responses to prompts that are not in the
    benchmark, not counted.
    """

    responses: list[str | None]
    missing: list[Any] = field(default_factory=list)
    duplicate: list[str] = field(default_factory=list)
    extra: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        return not (self.missing or self.duplicate or self.extra)


def match(instructions: Sequence[Instruction], path: str | Path) -> Matched:
    """Read responses (rows with ``prompt`` or ``key``, and ``response``) and match them with the prompts.

    A prompt matches as it is, or without surrounding white space; a row without a prompt by its key. Raises
    :class:`HindsightError`, with file and line, on rows that hold neither or no text.
    """
    by_prompt = {each.prompt: at for at, each in reversed(list(enumerate(instructions)))}
    by_strip = {each.prompt.strip(): at for at, each in reversed(list(enumerate(instructions)))}
    by_key = {str(each.key): at for at, each in enumerate(instructions) if each.key is not None}
    given: dict[int, str] = {}
    duplicate, extra = [], []
    for where, row in local_rows(Path(path)):
        response = row.get("response")
        if response is not None and not isinstance(response, str):
            raise HindsightError(f"{where}: 'response' is {response!r:.60}; it must be a string")
        prompt, key = row.get("prompt"), row.get("key")
        at: int | None
        if isinstance(prompt, str):
            at = by_prompt.get(prompt, by_strip.get(prompt.strip()))
        elif key is not None:
            at = by_key.get(str(key))
        else:
            raise HindsightError(f"{where}: neither 'prompt' nor 'key'")
        if "response" not in row:
            raise HindsightError(f"{where}: no 'response'")
        if at is None:
            extra.append(where)
            continue
        if at in given:
            duplicate.append(where)
        given[at] = response or ""
    # The same prompt twice in the benchmark: one response answers both, as in a dict by prompt.
    responses = [given.get(at, given.get(by_prompt[each.prompt])) for at, each in enumerate(instructions)]
    missing = [each.key for each, response in zip(instructions, responses, strict=True) if response is None]
    return Matched(responses, missing, duplicate, extra)
