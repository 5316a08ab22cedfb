"""Numbers of words, sentences and paragraphs, as a reader counts them."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

from hindsight_rl.constraints.corrected.correction import corrected
from hindsight_rl.constraints.corrected.reading import (
    blocks,
    plain_words,
    plain_words_of,
    sentences,
    sentences_of,
    starts_with,
    words,
    words_of,
)
from hindsight_rl.constraints.declare import bounded, related
from hindsight_rl.constraints.text.response import Text
from hindsight_rl.constraints.text.sentences import sentences as punkt_sentences

_WHOLE = "A word with an apostrophe or a hyphen is one word; each Han or kana character is one."


@corrected(
    "length_constraints:number_words",
    says="Answer with at least 4 words",
    change=_WHOLE,
    kwargs={"relation": "at least", "num_words": 4},
    response="Don't do that.",
    achieved=bounded(lambda text, **_: len(words(text)), "num_words", "relation", least=2),
)
def number_words(text: Text, relation: str, num_words: int) -> bool:
    return related(relation, len(words(text)), num_words)


@corrected(
    "count:word_count_range",
    says="between 4 and 6 words",
    change=_WHOLE,
    kwargs={"min_words": 4, "max_words": 6},
    response="Don't do that.",
)
def word_count_range(text: Text, min_words: int, max_words: int) -> bool:
    return min_words <= len(words(text)) <= max_words


@corrected(
    "count:unique_word_count",
    says="at least 3 unique words",
    change="Marks by themselves are no words, and emphasis or curly quotes make no new one.",
    kwargs={"N": 3},
    response="Sea \u2013 tide \u2026 sea",
    achieved=bounded(lambda text, **_: len(set(plain_words(text))), "N", least=2),
)
def unique_word_count(text: Text, N: int) -> bool:
    return len(set(plain_words(text))) >= N


@corrected(
    "length_constraints:number_sentences",
    says="contain at least 2 sentences",
    change="Sentences also end with the marks of other scripts (\u3002 \u061f \u0964); a list's number is no sentence.",
    kwargs={"relation": "at least", "num_sentences": 2},
    response="\u4eca\u65e5\u306f\u6674\u308c\u3067\u3059\u3002\u660e\u65e5\u306f\u96e8\u3067\u3059\u3002",
    holds=True,
    achieved=bounded(lambda text, **_: len(sentences(text)), "num_sentences", "relation", least=2),
)
def number_sentences(text: Text, relation: str, num_sentences: int) -> bool:
    return related(relation, len(sentences(text)), num_sentences)


# A divider stands between white space; "***word***" is emphasis.
_DIVIDER = re.compile(r"(?<!\S)\*\*\*(?!\S)")
_SPACED_DIVIDER = re.compile(r"\*[ \t]?\*[ \t]?\*")


def _divided(raw: str, divider: re.Pattern[str] = _DIVIDER) -> list[str]:
    return [part for part in divider.split(raw) if part.strip()]


_DIVIDED = "***word*** is emphasis and no divider; a blank paragraph does not count."


@corrected(
    "length_constraints:number_paragraphs",
    says="separated with the markdown divider: ***",
    change=_DIVIDED,
    kwargs={"num_paragraphs": 3},
    response="This is ***very*** good.",
    achieved=lambda text, **_: {"num_paragraphs": found} if (found := len(_divided(text.raw))) > 1 else None,
)
def number_paragraphs(text: Text, num_paragraphs: int) -> bool:
    return len(_divided(text.raw)) == num_paragraphs


@corrected(
    "paragraphs:paragraphs",
    says="separated with the markdown divider: ***",
    change=_DIVIDED,
    response="One.\n***\n\n***\nTwo.",
    holds=True,
)
def paragraphs(text: Text) -> bool:
    return len(_divided(text.raw)) == 2


@corrected(
    "paragraphs:paragraphs2",
    says="separated with each other by two line breaks",
    change="A blank paragraph does not count.",
    response="One.\n\n\n\nTwo.",
    holds=True,
)
def paragraphs2(text: Text) -> bool:
    return len(blocks(text.raw)) == 2


def _achieved_first(text: Text, nth_paragraph: int, **_: Any) -> dict[str, Any] | None:
    found = blocks(text.raw)
    nth = min(nth_paragraph, len(found))
    first = plain_words_of(found[nth - 1])[:1] if len(found) > 1 else []
    return {"num_paragraphs": len(found), "nth_paragraph": nth, "first_word": first[0]} if first else None


@corrected(
    "length_constraints:nth_paragraph_first_word",
    says="Paragraph 2 must start with word so",
    change="Blank paragraphs are not counted; the first word is read without emphasis, quotes and headings' marks.",
    kwargs={"num_paragraphs": 2, "nth_paragraph": 2, "first_word": "so"},
    response="One.\n\n\n\nSo it goes.",
    holds=True,
    achieved=_achieved_first,
)
def nth_paragraph_first_word(text: Text, num_paragraphs: int, nth_paragraph: int, first_word: str) -> bool:
    found = blocks(text.raw)
    return len(found) == num_paragraphs and starts_with(found[nth_paragraph - 1], first_word)


@corrected(
    "count:counting_composition",
    says="delimited by the markdown divider: * * *",
    change="The divider may be written as the wording has it; a mark is no word.",
    kwargs={"n_sent": 1, "n_words": 2},
    response="It rains.\n* * *\nWe wait.\n* * *\nIt stops.",
    holds=True,
)
def counting_composition(text: Text, n_sent: int, n_words: int) -> bool:
    parts = _divided(text.raw, _SPACED_DIVIDER)
    return len(parts) == 3 and all(
        len(found) == n_sent and all(len(words_of(sentence)) == n_words for sentence in found)
        for found in (sentences_of(punkt_sentences(part)) for part in parts)
    )


@corrected(
    "ratio:sentence_words",
    says="but using all different words",
    change="The words have to differ, within and across the sentences.",
    response="The cat sat. The dog ran. The owl hid.",
)
def sentence_words(text: Text) -> bool:
    found = sentences(text)
    used = plain_words(text)
    return len(found) == 3 and len({len(sentence) for sentence in found}) == 1 and len(set(used)) == len(used)


def _steps(text: Text) -> set[int]:
    lengths = [len(words_of(sentence)) for sentence in sentences(text)]
    return {after - before for before, after in pairwise(lengths)}


@corrected(
    "sentence:increment",
    says="Each sentence must contain exactly 1 more word",
    change="One sentence alone grows by nothing; \u201cwell-known\u201d is one word and a dash is none.",
    kwargs={"small_n": 1},
    response="It rains.",
    achieved=lambda text, **_: {"small_n": min(steps)} if len(steps := _steps(text)) == 1 and min(steps) > 0 else None,
)
def increment(text: Text, small_n: int) -> bool:
    return _steps(text) == {small_n}


def _prime(number: int) -> bool:
    return number > 1 and all(number % divisor for divisor in range(2, int(number**0.5) + 1))


@corrected(
    "words:prime_lengths",
    says="Use only words with lengths that are prime numbers",
    change="The length is that of letters and digits, up to any length; a dash by itself is no word.",
    response="We \u2014 you see",
    holds=True,
)
def prime_lengths(text: Text) -> bool:
    found = words(text)
    return bool(found) and all(_prime(sum(map(str.isalnum, word))) for word in found)
