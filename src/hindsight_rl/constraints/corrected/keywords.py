"""Keywords as words, letters as letters."""

from __future__ import annotations

from typing import Any

from hindsight_rl.constraints.corrected.correction import corrected
from hindsight_rl.constraints.corrected.reading import composed, composed_text, has, occurrences, sentences, times
from hindsight_rl.constraints.declare import bounded, nearest, related
from hindsight_rl.constraints.text.response import Text

_AS_WORDS = "A keyword counts as a word of its own, not inside another word."


@corrected(
    "keywords:existence",
    says="Include keywords",
    change=_AS_WORDS,
    kwargs={"keywords": ["cat"]},
    response="The catalogue is long.",
    achieved=lambda text, keywords: {"keywords": found} if (found := [w for w in keywords if has(text, w)]) else None,
)
def existence(text: Text, keywords: list[str]) -> bool:
    return all(has(text, keyword) for keyword in keywords)


@corrected(
    "keywords:frequency",
    says="the word cat should appear at least 2 times",
    change=_AS_WORDS,
    kwargs={"keyword": "cat", "relation": "at least", "frequency": 2},
    response="A cat sits on the catalogue.",
    achieved=bounded(lambda text, keyword, **_: occurrences(text, keyword), "frequency", "relation"),
)
def frequency(text: Text, relation: str, keyword: str, frequency: int) -> bool:
    return related(relation, occurrences(text, keyword), frequency)


@corrected(
    "keywords:forbidden_words",
    says="Do not include keywords",
    change="A word in emphasis (_word_), one with a curly apostrophe and a phrase across a line's end are found.",
    kwargs={"forbidden_words": ["secret"]},
    response="It is a _secret_ plan.",
    achieved=lambda text, forbidden_words: (
        {"forbidden_words": avoided} if (avoided := [w for w in forbidden_words if not has(text, w)]) else None
    ),
)
def forbidden_words(text: Text, forbidden_words: list[str]) -> bool:
    return not any(has(text, word) for word in forbidden_words)


_ACCENT = "A letter with an accent is another letter, also where the accent is a character of its own."


def _letter(text: Text, letter: str) -> int:
    return composed_text(text).lower().count(composed(letter).lower())


def _achieved_letter(text: Text, letter: str, let_relation: str, let_frequency: int) -> dict[str, Any]:
    return {"let_frequency": nearest(let_relation, _letter(text, letter), let_frequency)}


@corrected(
    "keywords:letter_frequency",
    says="the letter e should appear at least 1 time",
    change=_ACCENT,
    kwargs={"letter": "e", "let_relation": "at least", "let_frequency": 1},
    response="Cafe\u0301!",
    achieved=_achieved_letter,
)
def letter_frequency(text: Text, letter: str, let_relation: str, let_frequency: int) -> bool:
    return related(let_relation, _letter(text, letter), let_frequency)


@corrected(
    "letters:letter_counting2",
    says="the letter e should appear at least 1 time",
    change=_ACCENT,
    kwargs={"letter": "e", "let_relation": "at least", "let_frequency": 1},
    response="Cafe\u0301!",
    achieved=_achieved_letter,
)
def letter_counting2(text: Text, letter: str, let_frequency: int, let_relation: str) -> bool:
    return related(let_relation, _letter(text, letter), let_frequency)


def _letters(text: Text) -> int:
    return sum(map(str.isalpha, composed_text(text)))


@corrected(
    "letters:letter_counting",
    says="Answer with at least 4 letters",
    change="A letter of any script counts, not only a to z.",
    kwargs={"relation": "at least", "N": 4},
    response="\u041c\u043e\u0440\u0435.",
    holds=True,
    achieved=bounded(lambda text, **_: _letters(text), "N", "relation"),
)
def letter_counting(text: Text, N: int, relation: str) -> bool:
    return related(relation, _letters(text), N)


@corrected(
    "count:keywords_multiple",
    says="Include keyword sea once",
    change=_AS_WORDS,
    kwargs={"keyword1": "sea", "keyword2": "tide", "keyword3": "wave", "keyword4": "sand", "keyword5": "gull"},
    response="The season." + " Tide." * 2 + " Wave." * 3 + " Sand." * 5 + " Gull." * 7,
)
def keywords_multiple(text: Text, **keywords: str) -> bool:
    wanted = (1, 2, 3, 5, 7)
    return all(occurrences(text, keywords[f"keyword{at}"]) == times for at, times in enumerate(wanted, 1))


@corrected(
    "keywords:word_once",
    says="Include keyword cat in your response",
    change="The keyword counts as a word of its own; more than once is as good as once.",
    kwargs={"keyword": "cat"},
    response="My cat likes your cat.",
    holds=True,
)
def word_once(text: Text, keyword: str) -> bool:
    return has(text, keyword)


@corrected(
    "keywords:word_count_different_numbers",
    says="the word cat should appear 2 times",
    change="Exactly so many times, as words of their own: the wording names no other relation.",
    kwargs={"keyword": "cat", "frequency": 2, "relation": "at least"},
    response="A cat, a cat and a cat.",
    achieved=lambda text, keyword, **_: {"frequency": found} if (found := occurrences(text, keyword)) else None,
)
def word_count_different_numbers(text: Text, keyword: str, frequency: int, relation: str) -> bool:
    return occurrences(text, keyword) == frequency


@corrected(
    "count:count_increment_word",
    says="keyword sea once in your response, keyword tide twice",
    change=_AS_WORDS,
    kwargs={"keyword1": "sea", "keyword2": "tide"},
    response="The season. Tide and tide.",
)
def count_increment_word(text: Text, keyword1: str, keyword2: str) -> bool:
    return occurrences(text, keyword1) == 1 and occurrences(text, keyword2) == 2


@corrected(
    "keywords:exclude_word_harder",
    says="Do not include keyword cat",
    change="The word is found in any case and beside punctuation, not only between two spaces.",
    kwargs={"keyword": "cat"},
    response="I saw a cat.",
)
def exclude_word_harder(text: Text, keyword: str) -> bool:
    return not has(text, keyword)


@corrected(
    "sentence:keyword",
    says="in the 2-th sentence",
    change="Sentences also end with the marks of other scripts; a list's number is no sentence.",
    kwargs={"word": "\u96e8", "N": 2},
    response="\u4eca\u65e5\u306f\u6674\u308c\u3067\u3059\u3002\u660e\u65e5\u306f\u96e8\u3067\u3059\u3002",
    holds=True,
    achieved=lambda text, word, N: (
        {"N": min(places, key=lambda place: (abs(place - N), place))}
        if (places := [at for at, sentence in enumerate(sentences(text), 1) if times(sentence, word)])
        else None
    ),
)
def sentence_keyword(text: Text, word: str, N: int) -> bool:
    return any(times(sentence, word) for sentence in sentences(text)[N - 1 : N])
