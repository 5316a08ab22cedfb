"""Reads training rows once, one at a time, and counts their contents."""

from __future__ import annotations

import re
from array import array
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import combinations, islice
from pathlib import Path
from random import Random
from typing import Any

from hindsight_rl.data.chats import chat_of, content_text
from hindsight_rl.data.compose.infeasible import table
from hindsight_rl.data.compose.prompts import FIELDS, GRAM
from hindsight_rl.data.rows import Choices, Skip, instruction
from hindsight_rl.data.show.config import ShowConfig
from hindsight_rl.data.stream import BadRows, in_few_words, stream
from hindsight_rl.errors import HindsightError
from hindsight_rl.replay.instruction import Constraint, Instruction
from hindsight_rl.replay.rewriting import conflict

_WORD = re.compile(r"\w+")
_DIGITS = re.compile(r"\d+(?:\.\d+)?")
# A number and its ordinal, from 1 on.
_NUMBERS = (
    ("one", "first"),
    ("two", "second"),
    ("three", "third"),
    ("four", "fourth"),
    ("five", "fifth"),
    ("six", "sixth"),
    ("seven", "seventh"),
    ("eight", "eighth"),
    ("nine", "ninth"),
    ("ten", "tenth"),
    ("eleven", "eleventh"),
    ("twelve", "twelfth"),
)
# Several words of a constraint in a row, quoted or not.
_LISTED = re.compile("[\"'\\[(]*\u2026[\"'\\])]*(?:(?:, and |, or |, | and | or )[\"'\\[(]*\u2026[\"'\\])]*)*")
_KEPT = 20  # number of stored places per finding
_MOST_WORDINGS = 1000  # of one id


@dataclass
class Places:
    """A finding: its number of rows, and the first places."""

    rows: int = 0
    first: list[str] = field(default_factory=list)

    def add(self, where: str) -> None:
        """Count a row."""
        self.rows += 1
        if len(self.first) < _KEPT:
            self.first.append(where)


@dataclass
class Survey:
    """The contents of a file.

    rows: that could be read; bad: those that could not. ids: constraints by id. numbers: rows by their number of
    constraints. layouts: rows by how task and constraints stand together. words: of each prompt. wordings: by id, how
    constraints are said, with their numbers and words taken out; of rows whose data say them. conflicts, infeasible:
    findings by reason. same_prompt: rows whose task came before with the same constraints in the same words. tasks:
    different tasks. overlap: rows that share words with a benchmark's prompt; None if no benchmark was given. soft:
    rows with demands that no program checks. turns: rows with a chat before the prompt. examples: ("file:line",
    instruction), random ones, in the order of the file.
    """

    source: str
    rows: int = 0
    bad: BadRows = field(default_factory=BadRows)
    ids: Counter[str] = field(default_factory=Counter)
    numbers: Counter[int] = field(default_factory=Counter)
    layouts: Counter[str] = field(default_factory=Counter)
    words: array[int] = field(default_factory=lambda: array("L"))
    wordings: dict[str, Counter[str]] = field(default_factory=dict)
    conflicts: dict[str, Places] = field(default_factory=dict)
    infeasible: dict[str, Places] = field(default_factory=dict)
    same_prompt: Places = field(default_factory=Places)
    tasks: int = 0
    overlap: Places | None = None
    soft: int = 0
    turns: int = 0
    examples: list[tuple[str, Instruction]] = field(default_factory=list)

    def quantiles(self) -> dict[str, int]:
        """Words per prompt."""
        ordered = sorted(self.words)
        if not ordered:
            return {}
        last = len(ordered) - 1
        places = {"shortest": 0.0, "10 %": 0.1, "median": 0.5, "90 %": 0.9, "longest": 1.0}
        return {name: ordered[round(share * last)] for name, share in places.items()}

    def to_json(self) -> dict[str, Any]:
        """Everything as plain JSON."""
        found = {"conflicts": self.conflicts, "infeasible pairs": self.infeasible}
        return {
            "source": self.source,
            "rows": self.rows,
            "bad rows": {"by reason": dict(self.bad.reasons.most_common()), "first": self.bad.first},
            "by id": dict(self.ids.most_common()),
            "by number of constraints": {str(number): self.numbers[number] for number in sorted(self.numbers)},
            "by layout": dict(self.layouts.most_common()),
            "words per prompt": self.quantiles(),
            "wordings": {id: dict(self.wordings[id].most_common()) for id in sorted(self.wordings)},
            **{name: {why: vars(places) for why, places in each.items()} for name, each in found.items()},
            "prompts that came before": vars(self.same_prompt),
            "tasks": self.tasks,
            "overlap": None if self.overlap is None else vars(self.overlap),
            "rows with demands for a judge": self.soft,
            "rows with a chat before the prompt": self.turns,
            "examples": [
                {
                    "where": where,
                    "messages": asked.messages,
                    "constraints": [{"id": each.id, "kwargs": each.kwargs} for each in asked.constraints],
                }
                for where, asked in self.examples
            ],
        }


def survey(config: ShowConfig) -> Survey:
    """Summarize the file of a config. Raises :class:`HindsightError` if no row can be read."""
    made = Survey(config.file)
    benchmark = {gram for path in config.against for text in _prompts(path) for gram in _grams(text)}
    made.overlap = Places() if config.against else None
    choices, rng = Choices(judged="keep"), Random(config.seed)
    prompts: set[bytes] = set()
    tasks: set[bytes] = set()
    sample: list[tuple[int, str, Instruction]] = []
    for found in islice(stream(config.file), config.limit):
        if found.row is None:
            made.bad.add(found.where, found.problem)
            continue
        try:
            asked = instruction(found.row, found.where, choices)
        except Skip as reason:
            made.bad.add(found.where, str(reason))
            continue
        except HindsightError as error:
            said = str(error).removeprefix(f"{found.where}: ")
            made.bad.add(found.where, in_few_words(error, found.where), said)
            continue
        _count(made, asked, found.where)
        # Ignore the layout, which the reader may have chosen.
        earlier = (str(one.get("content")) for one in asked.earlier)
        name = _digest(asked.task, *sorted([*asked.texts, *asked.soft]), *earlier)
        if name in prompts:
            made.same_prompt.add(found.where)
        prompts.add(name)
        tasks.add(_digest(asked.task))
        if made.overlap is not None and not benchmark.isdisjoint(_grams(asked.task)):
            made.overlap.add(found.where)
        # Reservoir sampling: every row is equally likely to be shown, although the total is unknown.
        at = made.rows - 1 if made.rows <= config.examples else rng.randrange(made.rows)
        if at < config.examples:
            sample[at : at + 1] = [(made.rows, found.where, asked)]
    if not made.rows:
        why = f"{made.bad.total} bad rows; {made.bad.first[0]}" if made.bad.first else "it has no rows"
        raise HindsightError(f"{config.file}: no row can be read ({why})")
    made.tasks = len(tasks)
    made.examples = [(where, asked) for _, where, asked in sorted(sample, key=lambda each: each[0])]
    return made


def _count(made: Survey, asked: Instruction, where: str) -> None:
    made.rows += 1
    made.ids.update(each.id for each in asked.constraints)
    made.numbers[len(asked.constraints)] += 1
    made.words.append(len(asked.prompt.split()))
    made.soft += bool(asked.soft)
    made.turns += bool(asked.earlier)
    if asked.inline:
        made.layouts["within the prompt"] += 1
    else:
        made.layouts[asked.layout if isinstance(asked.layout, str) else "beside the task, as found"] += 1
        for each, text in zip(asked.constraints, asked.texts, strict=True):
            counted = made.wordings.setdefault(each.id, Counter())
            template = _template(each, text)
            if template in counted or len(counted) < _MOST_WORDINGS:
                counted[template] += 1
    for why in sorted(set(_conflicts(asked.constraints))):
        made.conflicts.setdefault(why, Places()).add(where)
    for one, other in combinations(sorted({each.id for each in asked.constraints}), 2):
        if reason := table().get(frozenset((one, other))):
            made.infeasible.setdefault(f"{one} + {other}: {reason}", Places()).add(where)


def _conflicts(constraints: Sequence[Constraint]) -> Iterator[str]:
    """The reasons of all pairs; :func:`conflict` returns only the first."""
    for pair in combinations(constraints, 2):
        if why := conflict(pair):
            yield why


def _template(constraint: Constraint, text: str) -> str:
    """The text without the constraint's own words and numbers, so that the same wording gives the same template."""
    said = sorted({each for value in constraint.kwargs.values() for each in _texts(value)}, key=len, reverse=True)
    for each in said:
        if len(each) > 1:
            text = text.replace(each, "\u2026")
        else:  # a letter, not each "a" of the sentence
            text = re.sub(rf"([\"'\[(]|\bletter ){re.escape(each)}(?!\w)", "\\1\u2026", text)
    numbers = [value for value in constraint.kwargs.values() if isinstance(value, int) and 0 < value <= len(_NUMBERS)]
    for number in numbers:
        text = re.sub(rf"\b(?:{'|'.join(_NUMBERS[number - 1])})\b", "#", text, flags=re.IGNORECASE)
    text = _DIGITS.sub("#", text)
    return _LISTED.sub("\u2026", text)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str) and value.strip() and value not in ("at least", "less than", "at most"):
        yield value
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for each in value:
            yield from _texts(each)


def _digest(*texts: str) -> bytes:
    """A hash of the words only: case, punctuation and white space are ignored."""
    words = "\n".join(" ".join(_WORD.findall(text.lower())) for text in texts)
    return blake2b(words.encode("utf-8", "replace"), digest_size=12).digest()


def _grams(text: str) -> Iterator[tuple[str, ...]]:
    words = _WORD.findall(text.lower())
    return zip(*(words[at:] for at in range(GRAM)), strict=False)


def _prompts(path: Path) -> Iterator[str]:
    """The prompts of a benchmark's file; rows without a prompt are an error, so that the check is complete."""
    for found in stream(path):
        text = None if found.row is None else _prompt(found.row)
        if text is None:
            fields = ", ".join(FIELDS)
            raise HindsightError(f"{found.where}: {found.problem or f'no prompt in the row: give it one of {fields}'}")
        yield text


def _prompt(row: Mapping[str, Any]) -> str | None:
    for name in FIELDS:
        value = row.get(name)
        if (chat := chat_of(value)) is not None:
            users = [each for each in chat if isinstance(each, Mapping) and each.get("role") == "user"]
            text = content_text(users[-1].get("content")) if users else None
            if text is not None:
                return text
        elif isinstance(value, str):
            return value
    return None
