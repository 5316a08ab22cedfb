"""Responses to a benchmark's prompts, matched as the public evaluators match them.

| row | matched by |
|---|---|
| ``prompt`` or ``key``, and a response in a shape of :mod:`hindsight_rl.data.responses` | the prompt, else the key |
| lm-eval's ``samples_*.jsonl`` | the prompt in ``doc``, else its key |
| batch output of OpenAI or vLLM, in any order | ``custom_id`` as the key, or as the id of a request of the input |
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from hindsight_rl.data.chats import prompt_text
from hindsight_rl.data.files import file_rows
from hindsight_rl.data.garbage import without_collection
from hindsight_rl.data.responses import is_batch, is_sample, request_failed, responses
from hindsight_rl.errors import HindsightError
from hindsight_rl.replay.instruction import Instruction
from hindsight_rl.replay.marks import MarkWatch
from hindsight_rl.replay.verification import answer_of


@dataclass
class Matched:
    """Responses in the order of the instructions (``None``: missing), and what did not fit.

    missing: keys of prompts without a response, counted as failed. duplicate: "file:line" of responses whose
    prompt came before: the last counts. extra: "file:line" of responses to prompts that are not in the
    benchmark, not counted. failed: "file:line" of a batch's requests that failed; their prompts are missing.
    """

    responses: list[str | None]
    missing: list[Any] = field(default_factory=list)
    duplicate: list[str] = field(default_factory=list)
    extra: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def complaints(self) -> list[str]:
        """What did not fit, a line for each kind."""
        kinds = (
            (self.missing, "prompts without a response, counted as failed", "keys"),
            (self.duplicate, "responses to a prompt answered before, the last counts", "at"),
            (self.extra, "responses to other prompts, not counted", "at"),
            (self.failed, "requests of the batch that failed", "at"),
        )
        return [
            f"{len(found)} {what} ({at} {', '.join(map(str, found[:5]))}{', ...' if len(found) > 5 else ''})"
            for found, what, at in kinds
            if found
        ]

    def marks(self, answer_after: str | None = None) -> str:
        """A warning about marks of thoughts in the judged responses; "" if there is none."""
        if answer_after is not None:
            return ""
        watch = MarkWatch()
        for response in self.responses:
            if response:
                watch.count(answer_of(response))
        return watch.warning("--answer-after")


def match(instructions: Sequence[Instruction], path: str | Path, requests: str | Path | None = None) -> Matched:
    """Read responses and match them with the prompts, see this module.

    A prompt matches as it is, or without surrounding white space; a row without a prompt by its key. requests: the
    input of a batch, where the custom ids of its output are not the prompts' keys. Raises :class:`HindsightError`,
    with file and line, on rows that hold neither or no response, where a batch's ids are not known, and where there
    are no rows.
    """
    find = _Finder(instructions, _asked(Path(requests)) if requests is not None else {})
    given: dict[int, str] = {}
    duplicate, extra, failed = [], [], []
    first_id = None
    where = ""
    with without_collection():
        for found in file_rows(Path(path)):
            row, where = found.read(), found.where
            at = find.place(row, where)
            if is_batch(row):
                first_id = first_id if first_id is not None else row["custom_id"]
                if request_failed(row):
                    failed.append(where)
                    continue
            response = _one(row, where)
            if at is None:
                extra.append(where)
                continue
            if at in given and not (is_sample(row) and given[at] == response):  # lm-eval has a row for each filter
                duplicate.append(where)
            given[at] = response
    if not where:
        raise HindsightError(f"{path}: it holds no responses")
    if not given and extra and first_id is not None:
        raise HindsightError(
            f"{path}: no custom_id is the key of a prompt (the first is {first_id!r}); name the batch's input with "
            "--requests"
        )
    # The same prompt twice in the benchmark: one response answers both, as in a dict by prompt.
    found_all = [given.get(at, given.get(find.by_prompt[each.prompt])) for at, each in enumerate(instructions)]
    missing = [each.key for each, response in zip(instructions, found_all, strict=True) if response is None]
    return Matched(found_all, missing, duplicate, extra, failed)


class _Finder:
    """From a row to the place of its prompt."""

    def __init__(self, instructions: Sequence[Instruction], asked: Mapping[str, str]) -> None:
        self.by_prompt: dict[str, int] = {}
        for at, each in enumerate(instructions):
            self.by_prompt.setdefault(each.prompt, at)
        self.by_key = {str(each.key): at for at, each in enumerate(instructions) if each.key is not None}
        self.asked = asked

    def place(self, row: Mapping[str, Any], where: str) -> int | None:
        """The index of the row's prompt, None for another's."""
        if is_batch(row):
            if self.asked:
                prompt = self.asked.get(str(row["custom_id"]))
                return self._prompt(prompt) if prompt is not None else None
            return self.by_key.get(str(row["custom_id"]))
        named = row["doc"] if is_sample(row) else row
        prompt = prompt_text(named.get("prompt"), "prompt", where)
        if prompt is not None:
            return self._prompt(prompt)
        if named.get("key") is not None:
            return self.by_key.get(str(named["key"]))
        raise HindsightError(f"{where}: neither 'prompt' nor 'key'")

    def _prompt(self, prompt: str) -> int | None:
        at = self.by_prompt.get(prompt)
        return self._by_strip.get(prompt.strip()) if at is None else at

    @cached_property
    def _by_strip(self) -> dict[str, int]:
        made: dict[str, int] = {}
        for prompt, at in self.by_prompt.items():
            made.setdefault(prompt.strip(), at)
        return made


def _one(row: Mapping[str, Any], where: str) -> str:
    found = responses(row, where)
    if len(found) > 1:
        raise HindsightError(
            f"{where}: {len(found)} responses to one prompt; a score needs one, so write a file for each"
        )
    return found[0].text


def _asked(path: Path) -> dict[str, str]:
    """The last user message of each request of a batch's input, by custom id."""
    made = {}
    for found in file_rows(path):
        row = found.read()
        body = row.get("body")
        if row.get("custom_id") is None or not isinstance(body, Mapping):
            raise HindsightError(f"{found.where}: no 'custom_id' with a 'body': it is no request of a batch")
        said = next((body[name] for name in ("messages", "input", "prompt") if body.get(name)), None)
        text = prompt_text(said, "body", found.where)
        if text is None:
            raise HindsightError(f"{found.where}: the request's body holds no prompt")
        made[str(row["custom_id"])] = text
    return made
