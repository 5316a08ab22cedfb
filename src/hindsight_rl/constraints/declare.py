"""Short ways to declare constraints that several families share: no kwargs, or kwargs of common kinds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hindsight_rl.constraints.base import CURRENT, Param, checker
from hindsight_rl.constraints.text import Text

# The checkers as HiR's release bundles them: an earlier IFBench.
HIR = "hir"

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


def count(name: str, low: int = 0) -> Param:
    """A whole number that counts something."""
    return Param(name, int, low=low)


def fixed(
    id: str, wording: str, *, version: str = CURRENT
) -> Callable[[Callable[[Text], bool]], Callable[[Text], bool]]:
    """Declare a constraint without kwargs, ``f(text) -> bool``; a response achieves it if it holds."""

    def put(function: Callable[[Text], bool]) -> Callable[[Text], bool]:
        checker(
            id,
            wording=wording.replace("{", "{{").replace("}", "}}"),
            version=version,
            achieved=lambda text, **_: {} if function(text) else None,
        )(function)
        return function

    return put
