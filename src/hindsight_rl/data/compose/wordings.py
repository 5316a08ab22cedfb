"""Several ways to say each constraint, beside the registry's own ``describe``.

A template (:mod:`.templates`) is a format string over the constraint's values. ``{n:word|words}`` counts ("3 words"),
``{x:quoted}`` puts in quotes, a list as '"a", "b" and "c"', ``{x:any}`` as '"a", "b" or "c"', ``{n:nth}`` is an ordinal
("third"), and ``{less}`` is one less than the number of a "less than" constraint.
"""

from __future__ import annotations

import string
from collections.abc import Mapping
from typing import Any

from hindsight_rl.constraints.core import Checker
from hindsight_rl.constraints.ifeval.language import LANGUAGES
from hindsight_rl.data.compose.templates import INEXACT, WORDINGS, Templates

_ORDINALS = ("zeroth", "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
_NUMBERS = ("num_words", "num_sentences", "frequency", "let_frequency", "capital_frequency", "N")


class _Formatter(string.Formatter):
    def format_field(self, value: Any, format_spec: str) -> Any:
        if "|" in format_spec:
            one, many = format_spec.split("|")
            return f"{value} {one if value == 1 else many}"
        if format_spec in ("quoted", "any"):
            return _listed(value, "or" if format_spec == "any" else "and")
        if format_spec == "nth":
            return _ORDINALS[value] if value < len(_ORDINALS) else f"{value}th"
        if format_spec == "language":
            return LANGUAGES[value]
        return super().format_field(value, format_spec)


_FORMATTER = _Formatter()


def _listed(value: str | list[str], joint: str) -> str:
    words = [f'"{word}"' for word in ([value] if isinstance(value, str) else value)]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {joint} {words[-1]}"


def templates(id: str, values: Mapping[str, Any]) -> Templates:
    """The templates that fit these values; () for an id that has only its description."""
    found = WORDINGS.get(id, ())
    if isinstance(found, dict):
        return found[next(value for value in values.values() if value in found)]
    return found


def wordings(constraint: Checker) -> list[str]:
    """All ways to say a constraint, the same every time; the registry's own comes first where it is exact."""
    values = dict(constraint.values)
    number = next((values[name] for name in _NUMBERS if isinstance(values.get(name), int)), None)
    if number is not None:
        values["less"] = number - 1
    said = [_FORMATTER.vformat(each, (), values) for each in templates(constraint.id, values)]
    return said if constraint.id in INEXACT and said else [constraint.describe().strip(), *said]
