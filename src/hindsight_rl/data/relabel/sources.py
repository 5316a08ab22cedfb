"""Instructions with their responses, one at a time: from one file with both, or from separate files."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from hindsight_rl.data.chats import prompt_text
from hindsight_rl.data.relabel.config import RelabelConfig
from hindsight_rl.data.responses import Response, is_batch, is_sample, responses
from hindsight_rl.data.rows import Choices, Skip, instruction
from hindsight_rl.data.stream import BadRows, Found, in_few_words, stream
from hindsight_rl.errors import HindsightError
from hindsight_rl.replay.instruction import Instruction

Row = Mapping[str, Any]
_KEYS = ("custom_id", "key", "id")


@dataclass(frozen=True)
class Unit:
    """An instruction and its responses."""

    where: str
    asked: Instruction
    answers: tuple[Response, ...]


@dataclass(frozen=True)
class Bad:
    """A row that cannot be used. said: the full message."""

    where: str
    reason: str
    said: str = ""


class Source:
    """The units of a config, always in the same order.

    prompts: number of usable prompts in the file of prompts. bad: number of the others.
    """

    def __init__(self, config: RelabelConfig) -> None:
        self.config = config
        self.choices = Choices(judged=config.judged)
        self.bad = BadRows()
        self.prompts = 0
        self.reopened = 0  # prompts with responses outside the window
        self._by_key: dict[str, Instruction | str] = {}
        self._by_prompt: dict[str, Instruction | str] = {}
        self._ambiguous: set[str] = set()  # prompts that stand for several instructions
        if config.prompts is not None:
            self._read_prompts(config.prompts)

    def __iter__(self) -> Iterator[Unit | Bad]:
        found = map(self._unit, islice(stream(self.config.file), self.config.limit))
        return self._grouped(found) if self.config.format == "dpo" else found

    def _read_prompts(self, source: str) -> None:
        for found in stream(source):
            made = self._instruction(found, found.row)
            if isinstance(made, Bad):
                self.bad.add(made.where, made.reason, made.said)
            else:
                self.prompts += 1
            kept = made.reason if isinstance(made, Bad) else made
            row = found.row or {}
            for name in _KEYS:
                if isinstance(row.get(name), str | int):
                    self._by_key.setdefault(str(row[name]), kept)
            texts = {_prompt(row, found.where), made.prompt if isinstance(made, Instruction) else None} - {None}
            for text in (str(each).strip() for each in texts):
                if _demands(self._by_prompt.setdefault(text, kept)) != _demands(kept):
                    self._ambiguous.add(text)
        if not self.prompts:
            why = "; ".join(self.bad.first[:1]) or "it has no rows"
            raise HindsightError(f"{source}: no prompt can be used ({why})")

    def _instruction(self, found: Found, row: Row | None) -> Instruction | Bad:
        if row is None:
            return Bad(found.where, found.problem)
        try:
            return instruction(row, found.where, self.choices)
        except Skip as reason:
            return Bad(found.where, str(reason))
        except HindsightError as error:
            return Bad(found.where, in_few_words(error, found.where), str(error).removeprefix(f"{found.where}: "))

    def _unit(self, found: Found) -> Unit | Bad:
        row, where = found.row, found.where
        if row is None:
            return Bad(where, found.problem)
        try:
            answers = responses(row, where)
        except HindsightError as error:
            said = str(error).removeprefix(f"{where}: ")
            failed = is_batch(row) and "failed" in said
            missing = said.startswith("no response")
            reason = "its request failed" if failed else "no response in the row" if missing else "no readable response"
            return Bad(where, reason, said)
        if self.config.prompts is not None:
            asked: Instruction | Bad = self._matched(row, where)
        elif is_batch(row):
            raise HindsightError(f"{where}: a batch output contains no prompts; give their file with --prompts")
        else:
            asked = self._instruction(found, row["doc"] if is_sample(row) else row)
        return asked if isinstance(asked, Bad) else Unit(where, asked, tuple(answers))

    def _matched(self, row: Row, where: str) -> Instruction | Bad:
        """Match by prompt, as the public evaluators do, or by key where the prompt is missing or stands for several."""
        named = row["doc"] if is_sample(row) else row
        prompt = (_prompt(named, where) or "").strip()
        several = prompt in self._ambiguous
        made: Instruction | str | None = None if several else self._by_prompt.get(prompt)
        for name in _KEYS:
            if made is None and isinstance(named.get(name), str | int):
                made = self._by_key.get(str(named[name]))
        if made is None and several:
            return Bad(where, f"its prompt stands for several instructions; give its {' or '.join(_KEYS)}")
        if isinstance(made, str):
            return Bad(where, f"its prompt cannot be used: {made}")
        return made if made is not None else Bad(where, "no such prompt in the file of prompts")

    def _grouped(self, found: Iterator[Unit | Bad]) -> Iterator[Unit | Bad]:
        """Join units of the same instruction that are within the window."""
        open_: OrderedDict[str, list[Unit]] = OrderedDict()
        closed: set[int] = set()
        held = 0
        for each in found:
            if isinstance(each, Bad):
                yield each
                continue
            asked = each.asked
            checks = [[one.id, one.kwargs] for one in asked.constraints]
            name = json.dumps([asked.messages, checks], sort_keys=True, default=str)
            if name not in open_:
                self.reopened += hash(name) in closed
            open_.setdefault(name, []).append(each)
            held += len(each.answers)
            while held > self.config.window and len(open_) > 1:
                gone, oldest = open_.popitem(last=False)
                closed.add(hash(gone))
                held -= sum(len(unit.answers) for unit in oldest)
                yield _joined(oldest)
        yield from map(_joined, open_.values())


def _demands(kept: Instruction | str) -> object:
    """What two rows with the same prompt may differ in."""
    return kept if isinstance(kept, str) else (kept.constraints, kept.texts, kept.soft)


def _joined(units: list[Unit]) -> Unit:
    return Unit(units[0].where, units[0].asked, tuple(answer for unit in units for answer in unit.answers))


def _prompt(row: Row, where: str) -> str | None:
    """The prompt by which rows are matched: a text, or the last user turn of a chat; None if the row has none."""
    prompt = row.get("prompt")
    try:
        return prompt_text(prompt, "prompt", where)
    except HindsightError:  # the row's own reader says what is wrong with it
        return prompt if isinstance(prompt, str) else None
