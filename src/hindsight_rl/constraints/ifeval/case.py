"""IFEval's ``change_case:`` constraints, and ``punctuation:no_comma``."""

from __future__ import annotations

from hindsight_rl.constraints.declare import bounded, count, related
from hindsight_rl.constraints.ifeval.declare import ifeval, relation
from hindsight_rl.constraints.text.response import Text


@ifeval(
    "change_case:capital_word_frequency",
    relation("capital_relation"),
    count("capital_frequency"),
    wording="In your response, words with all capital letters should appear "
    "{capital_relation} {capital_frequency} times.",
    achieved=bounded(lambda text, **_: text.capitals, "capital_frequency", "capital_relation"),
)
def capital_word_frequency(text: Text, capital_relation: str, capital_frequency: int) -> bool:
    return related(capital_relation, text.capitals, capital_frequency)


@ifeval(
    "change_case:english_capital",
    wording="Your entire response should be in English, and in all capital letters.",
    vacuous=lambda text: not text.language,
)
def english_capital(text: Text) -> bool:
    return text.raw.isupper() and text.language in ("en", "")


@ifeval(
    "change_case:english_lowercase",
    wording="Your entire response should be in English, and in all lowercase letters. No capital letters are allowed.",
    vacuous=lambda text: not text.language,
)
def english_lowercase(text: Text) -> bool:
    return text.raw.islower() and text.language in ("en", "")


@ifeval(
    "punctuation:no_comma",
    wording="In your entire response, refrain from the use of any commas.",
)
def no_comma(text: Text) -> bool:
    return "," not in text.raw
