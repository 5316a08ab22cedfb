"""Short ways to declare constraints that several families share: no kwargs, or kwargs of common kinds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hindsight_rl.constraints.core import CURRENT, HIR, Param, checker
from hindsight_rl.constraints.text.response import Text

__all__ = ["HIR", "RELATIONS", "Letter", "Word", "bounded", "count", "fixed", "nearest", "related"]

RELATIONS = ("less than", "at least")


@dataclass(frozen=True)
class Word(Param):
    """A word to be matched: not blank, surrounding white space dropped; some data wrap it in a list."""

    def accepts(self) -> str:
        return "a string that is not blank"

    def validate(self, value: Any) -> Any:
        if isinstance(value, list | tuple) and len(value) == 1:
            value = value[0]
        value = super().validate(value)
        if not value.strip():
            raise ValueError
        return value.strip()


@dataclass(frozen=True)
class Letter(Param):
    """One character."""

    def accepts(self) -> str:
        return "a single character"

    def validate(self, value: Any) -> Any:
        value = super().validate(value)
        if len(value) != 1 or value.isspace():
            raise ValueError
        return value


def related(relation: str, number: float, bound: float) -> bool:
    """Whether a number is "less than" or "at least" a bound."""
    return number < bound if relation == "less than" else number >= bound


def nearest(relation: str, found: int, asked: int) -> int:
    """The nearest bound that a count satisfies: with 3, "at least 5" becomes 3; with 7, "less than 5" becomes 8."""
    return max(asked, found + 1) if relation == "less than" else min(asked, found)


def bounded(
    found: Callable[..., int], bound: str, relation: str = "", least: int = 1
) -> Callable[..., dict[str, int] | None]:
    """An ``achieved`` for constraints that bound a count: the kwarg `bound`, changed as little as necessary.

    found: from the text, and the constraint's values where it takes any, to the count. relation: the kwarg that says
    "less than" or "at least"; without one, it is "at least". least: the lowest "at least" that asks for anything: 2
    where every text has one.
    """

    def achieved(text: Text, **values: Any) -> dict[str, int] | None:
        how = values[relation] if relation else "at least"
        new = nearest(how, found(text, **values), values[bound])
        return {bound: new} if how == "less than" or new >= min(least, values[bound]) else None

    return achieved


def count(name: str, low: int = 0) -> Param:
    """A whole number that counts something."""
    return Param(name, int, low=low)


def fixed(
    id: str, wording: str, *, version: str = CURRENT, vacuous: Callable[[Text], bool] | None = None
) -> Callable[[Callable[[Text], bool]], Callable[[Text], bool]]:
    """Declare a constraint without kwargs, ``f(text) -> bool``; a response achieves it if it holds."""

    def put(function: Callable[[Text], bool]) -> Callable[[Text], bool]:
        checker(
            id,
            wording=wording.replace("{", "{{").replace("}", "}}"),
            version=version,
            achieved=lambda text, **_: {} if function(text) else None,
            vacuous=vacuous,
        )(function)
        return function

    return put
