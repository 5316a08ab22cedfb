"""Language and case of the whole response."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from hindsight_rl.constraints.corrected.correction import corrected
from hindsight_rl.constraints.corrected.reading import HAN, plain_words, words
from hindsight_rl.constraints.declare import bounded, related
from hindsight_rl.constraints.ifeval.language import LANGUAGES
from hindsight_rl.constraints.text.language import evident_language, language
from hindsight_rl.constraints.text.readings import once
from hindsight_rl.constraints.text.response import Text
from hindsight_rl.constraints.text.scripts import certain, script_of


def _foreign(text: Text, code: str) -> bool:
    """Whether a paragraph is clearly in another language."""
    for block in text.raw.split("\n\n"):
        found = certain(block[:10_000], script_of(block[:10_000])) if len(block) >= 40 else ""
        if found and found != code:
            return True
    return False


def _achieved_language(text: Text, **_: str) -> dict[str, Any] | None:
    found = evident_language(text.raw).partition("-")[0]
    return {"language": found} if found in LANGUAGES and not _foreign(text, found) else None


@corrected(
    "language:response_language",
    says="Your ENTIRE response should be in German language, no other language is allowed",
    change="A response without any word is in no language; no paragraph is in another one.",
    kwargs={"language": "de"},
    response="12 + 3 = 15",
    achieved=_achieved_language,
)
def response_language(text: Text, language: str) -> bool:
    return text.language.partition("-")[0] == language and not _foreign(text, language)


@once
def _capitals(text: Text) -> int:
    return sum(map(str.isupper, words(text)))


@corrected(
    "change_case:capital_word_frequency",
    says="words with all capital letters should appear at least 2 times",
    change="DON'T and CANNOT are one word each.",
    kwargs={"capital_relation": "at least", "capital_frequency": 2},
    response="We DON'T.",
    achieved=bounded(lambda text, **_: _capitals(text), "capital_frequency", "capital_relation"),
)
def capital_word_frequency(text: Text, capital_relation: str, capital_frequency: int) -> bool:
    return related(capital_relation, _capitals(text), capital_frequency)


# Fewer letters than this are no evidence of a language of the Latin script.
_LEAST = 20


def _english(text: Text) -> bool:
    """Whether the text is English, detected in lower case because capitals mislead the detector."""
    lower = text.lower
    letters = [character for character in lower if character.isalpha()]
    if len(letters) < _LEAST:
        return bool(letters) and all(character.isascii() for character in letters)
    return language(lower) == "en" and not _foreign(Text(lower), "en")


def _in_english(case: Callable[[str], bool]) -> Callable[[Text], bool]:
    return lambda text: case(text.raw) and _english(text)


_READ = "The language is read in small letters, and a short text in Latin letters may be English."

corrected(
    "change_case:english_capital",
    says="Your entire response should be in English, and in all capital letters",
    change=_READ,
    response="HELLO WORLD",
    holds=True,
)(_in_english(str.isupper))

corrected(
    "change_case:english_lowercase",
    says="Your entire response should be in English, and in all lowercase letters",
    change=_READ,
    response="etchings",
    holds=True,
)(_in_english(str.islower))

_JAPANESE = re.compile(f"[{HAN}]")


@corrected(
    "count:words_japanese",
    says="Every 3rd word of your response must be in Japanese",
    change="There have to be so many words; marks by themselves are none.",
    kwargs={"N": 3},
    response="Two words.",
)
def words_japanese(text: Text, N: int) -> bool:
    pieces = [piece for piece in text.raw.split() if any(map(str.isalnum, piece))]
    nth = pieces[N - 1 :: N]
    if not nth:  # written without spaces, as Japanese is
        return bool(pieces) and all(_JAPANESE.search(piece) for piece in pieces)
    return all(_JAPANESE.search(piece) or not any(map(str.isalpha, piece)) for piece in nth)


@once
def _small(text: Text) -> int:
    return sum(map(str.islower, words(text)))


@corrected(
    "count:lowercase_counting",
    says="all lowercase words should appear at most 1 time",
    change="\u201cdon't\u201d is one word, and so is one with letters beyond a to z.",
    kwargs={"N": 1},
    response="We don't.",
    holds=True,
    achieved=lambda text, N: {"N": max(N, _small(text))},
)
def lowercase_counting(text: Text, N: int) -> bool:
    return _small(text) <= N


# Articles, conjunctions and short prepositions.
_MINOR = {"a", "an", "the", "and", "but", "or", "nor", "for", "so", "yet", "as", "at", "by", "in", "of", "off", "on"}
_MINOR |= {"per", "to", "up", "via", "vs", "if", "from", "with", "into", "onto", "over"}


@corrected(
    "format:title_case",
    says="capitalize the first letter of every major word",
    change="\u201cDon't\u201d is one word; articles, conjunctions and short prepositions are no major words.",
    response="Don't Look at the Sea",
    holds=True,
)
def title_case(text: Text) -> bool:
    found = words(text)
    plain = plain_words(text)
    major = [word for at, word in enumerate(found) if at == 0 or plain[at] not in _MINOR]
    return any(word[:1].isalpha() for word in found) and all(
        not word[:1].islower() or any(map(str.isupper, word[1:])) for word in major
    )
