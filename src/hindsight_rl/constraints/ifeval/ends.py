"""IFEval's ``startend:`` constraints: a phrase at the end, quotation marks around the whole."""

from __future__ import annotations

import re
from typing import Any

from hindsight_rl.constraints.core import Param
from hindsight_rl.constraints.ifeval.declare import ifeval
from hindsight_rl.constraints.text.readings import is_word
from hindsight_rl.constraints.text.response import Text

_PAIRS = (("(", ")"), ("[", "]"), ("{", "}"), ("\u201c", "\u201d"))


def _achieved_end(text: Text, end_phrase: str) -> dict[str, Any] | None:
    """The last words of the last line, as many as the phrase has.

    None if they are no words, one word repeated, part of a quotation or of brackets, or the whole response.
    """
    raw = text.raw.strip().strip('"').rstrip()
    lines = raw.splitlines()
    starts = [word.start() for word in re.finditer(r"\S+", lines[-1])] if lines else []
    phrase = lines[-1][starts[-max(1, len(end_phrase.split())) :][0] :] if starts else ""
    words = [word.strip("\"'\u201c\u201d\u2018\u2019.,;:!?()") for word in phrase.split()]
    said = all(map(is_word, words)) and (len(words) == 1 or len(set(map(str.lower, words))) > 1)
    cut = '"' in phrase or any(phrase.count(opening) != phrase.count(close) for opening, close in _PAIRS)
    return {"end_phrase": phrase} if words and said and not cut and phrase != raw else None


@ifeval(
    "startend:end_checker",
    Param("end_phrase", str),
    wording="Finish your response with this exact phrase {end_phrase}. No other words should follow this phrase.",
    restatement='Finish your response with exactly this phrase: "{end_phrase}"',
    achieved=_achieved_end,
)
def end_checker(text: Text, end_phrase: str) -> bool:
    return text.raw.strip().strip('"').lower().endswith(end_phrase.strip().lower())


@ifeval(
    "startend:quotation",
    wording="Wrap your entire response with double quotation marks.",
    vacuous=lambda text: not text.words,
)
def quotation(text: Text) -> bool:
    body = text.raw.strip()
    return len(body) > 1 and body[0] == body[-1] == '"'
