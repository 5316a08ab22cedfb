"""How kwargs are drawn: numbers from ranges, words from lists, now and then a word of the task itself."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from hindsight_rl.data.compose.words import FREQUENT, KEYWORDS

Kwargs = dict[str, Any]
_WORD = re.compile(r"\b[a-z]{4,10}\b")
_IN_TASK = 0.4  # of keywords and forbidden words: how often one is taken from the task itself


@dataclass(frozen=True)
class Draw:
    """How one or several kwargs are drawn. says: the range in words. how: from random numbers and the task."""

    says: str
    how: Callable[[Random, str], Kwargs]


Draws = tuple[Draw, ...]


def number(name: str, low: int, high: int, step: int = 1) -> Draw:
    """A whole number from low to high."""
    by = f" by {step}" if step > 1 else ""
    return Draw(f"{name} {low}-{high}{by}", lambda rng, task: {name: rng.randrange(low, high + 1, step)})


def related(relation: str, name: str, at_least: tuple[int, ...], less_than: tuple[int, ...]) -> Draw:
    """ "at least" or "less than", and a number from the range (low, high[, step]) of that relation."""

    def how(rng: Random, task: str) -> Kwargs:
        most = rng.random() < 0.5
        low, high, step = (*(at_least if most else less_than), 1)[:3]
        return {relation: "at least" if most else "less than", name: rng.randrange(low, high + 1, step)}

    said = f"{name} at least {_range(at_least)}, less than {_range(less_than)}"
    return Draw(said, how)


def _range(given: tuple[int, ...]) -> str:
    return f"{given[0]}-{given[1]}" + (f" by {given[2]}" if len(given) > 2 else "")


def choice(name: str, values: tuple[Any, ...]) -> Draw:
    """One of the values."""
    shown = ", ".join(map(str, values)) if len(values) <= 6 else f"one of {len(values)}"
    return Draw(f"{name}: {shown}", lambda rng, task: {name: rng.choice(values)})


def between(low: str, high: str, least: int, most: int, step: int) -> Draw:
    """A range of numbers: where it begins, and at least one step further where it ends."""

    def how(rng: Random, task: str) -> Kwargs:
        first = rng.randrange(least, most, step)
        return {low: first, high: rng.randrange(first + step, most + step, step)}

    return Draw(f"{low} and {high} from {least} to {most} by {step}", how)


def words(name: str, low: int, high: int, stock: tuple[str, ...] = KEYWORDS, of: str = "nouns and verbs") -> Draw:
    """The given number of different words, some of them from the task."""

    def how(rng: Random, task: str) -> Kwargs:
        return {name: _picked(rng, task, rng.randint(low, high), stock)}

    return Draw(f"{name}: {_range((low, high))} {of}", how)


def word(*names: str) -> Draw:
    """A different keyword for each name, now and then one from the task."""

    def how(rng: Random, task: str) -> Kwargs:
        return dict(zip(names, _picked(rng, task, len(names), KEYWORDS), strict=True))

    return Draw(f"{', '.join(names)}: {len(KEYWORDS)} nouns and verbs, or from the task", how)


def _picked(rng: Random, task: str, count: int, stock: tuple[str, ...]) -> list[str]:
    of_task = sorted(set(_WORD.findall(task)))
    found: list[str] = []
    while len(found) < count:
        one = rng.choice(of_task if of_task and rng.random() < _IN_TASK else stock)
        if not any(one in other or other in one for other in found):
            found.append(one)
    return found


def nth(low: int, high: int) -> Draw:
    def how(rng: Random, task: str) -> Kwargs:
        count = rng.randint(low, high)
        first = _picked(rng, task, 1, KEYWORDS)[0]
        return {"num_paragraphs": count, "nth_paragraph": rng.randint(1, count), "first_word": first}

    return Draw(f"num_paragraphs {low}-{high}, nth_paragraph up to it, first_word", how)


def frequent(name: str) -> Draw:
    """A word that answers use often, or one of the task."""
    said = f"{name}: {len(FREQUENT)} frequent words, or from the task"
    return Draw(said, lambda rng, task: {name: _picked(rng, task, 1, FREQUENT)[0]})


REQUEST = Draw("prompt_to_repeat: the task", lambda rng, task: {"prompt_to_repeat": task})


def span(closed: bool) -> Draw:
    """The task, and where a part of it starts and ends. closed: the end is part of it."""

    def how(rng: Random, task: str) -> Kwargs:
        start = rng.randrange(1, max(2, len(task) // 2))
        end = rng.randrange(start + 1, len(task) + (not closed))
        # Readers would not see white space at the start or the end.
        while task[start].isspace() or task[end - (not closed)].isspace():
            start = rng.randrange(1, max(2, len(task) // 2))
            end = rng.randrange(start + 1, len(task) + (not closed))
        return {"prompt_to_repeat": task, "n_start": start, "n_end": end}

    return Draw("prompt_to_repeat: the task, n_start in its first half, n_end behind it", how)
