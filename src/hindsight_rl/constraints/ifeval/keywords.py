"""IFEval's ``keywords:`` constraints: words and letters."""

from __future__ import annotations

import re
from typing import Any

from hindsight_rl.constraints.core import Checker, Param, register
from hindsight_rl.constraints.declare import bounded, count, nearest, related
from hindsight_rl.constraints.ifeval.conflicts import CONFLICTS
from hindsight_rl.constraints.ifeval.declare import ifeval, relation
from hindsight_rl.constraints.text.response import Text, as_text
from hindsight_rl.constraints.text.words import standing

# Letters that `re` takes for "i" and "s" when it ignores case, but lower-casing does not.
_ODD_CASE = re.compile("[İıſ]")


def occurrences(text: Text, word: str) -> int:
    """How often a literal word or phrase occurs, in any case, also inside other words."""
    word = word.strip()
    if word.isascii() and (text.raw.isascii() or not _ODD_CASE.search(text.raw)):
        return text.lower.count(word.lower())
    return len(re.findall(re.escape(word), text.raw, re.IGNORECASE))


def stands_alone(text: Text, word: str) -> bool:
    """Whether a literal word occurs, in any case, and not inside another word."""
    word = word.strip()
    return occurrences(text, word) > 0 and standing(word, text.raw) is not None


@register("keywords:existence", conflicts=CONFLICTS["keywords:existence"])
class KeywordsExistence(Checker):
    """Every keyword occurs, in any case, also inside other words."""

    params = (Param("keywords", list, low=1),)

    def describe(self) -> str:
        return f"Include keywords {sorted(self.values['keywords'])} in the response."

    def follows(self, text: Text) -> bool:
        return all(occurrences(text, word) for word in self.values["keywords"])

    def achieved(self, response: str | Text) -> dict[str, Any] | None:
        text = as_text(response)
        found = [word for word in self.values["keywords"] if word.strip() and occurrences(text, word)]
        return {"keywords": found} if found else None


@ifeval(
    "keywords:frequency",
    relation("relation"),
    Param("keyword", str),
    count("frequency"),
    wording="In your response, the word {keyword} should appear {relation} {frequency} times.",
    achieved=bounded(lambda text, keyword, **_: occurrences(text, keyword), "frequency", "relation"),
)
def frequency(text: Text, relation: str, keyword: str, frequency: int) -> bool:
    return related(relation, occurrences(text, keyword), frequency)


@register("keywords:forbidden_words", conflicts=CONFLICTS["keywords:forbidden_words"])
class ForbiddenWords(Checker):
    """None of the words occurs as a whole word, in any case."""

    params = (Param("forbidden_words", list, low=1),)

    def describe(self) -> str:
        return f"Do not include keywords {sorted(set(self.values['forbidden_words']))} in the response."

    def follows(self, text: Text) -> bool:
        return not any(stands_alone(text, word) for word in self.values["forbidden_words"])

    def achieved(self, response: str | Text) -> dict[str, Any] | None:
        text = as_text(response)
        avoided = [word for word in self.values["forbidden_words"] if not stands_alone(text, word)]
        return {"forbidden_words": avoided} if avoided else None


@register("keywords:letter_frequency", conflicts=CONFLICTS["keywords:letter_frequency"])
class LetterFrequency(Checker):
    """A single character, in any case, occurs less than or at least the given number of times."""

    params = (relation("let_relation"), Param("letter", str), count("let_frequency"))
    wording = "In your response, the letter {letter} should appear {let_relation} {let_frequency} times."

    def validated(self) -> None:
        letter = self.values["letter"].strip()
        if len(letter) != 1:
            raise ValueError(f"'letter' is {self.values['letter']!r}; it must be one character")
        self.values["letter"] = letter.lower()

    def follows(self, text: Text) -> bool:
        found = text.lower.count(self.values["letter"])
        return related(self.values["let_relation"], found, self.values["let_frequency"])

    def achieved(self, response: str | Text) -> dict[str, Any] | None:
        found = as_text(response).lower.count(self.values["letter"])
        return {"let_frequency": nearest(self.values["let_relation"], found, self.values["let_frequency"])}
