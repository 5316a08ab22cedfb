"""IF-RLVR's constraints on words, letters and their places."""

from __future__ import annotations

import re
from functools import cache, lru_cache
from itertools import pairwise
from typing import Any

from hindsight_rl.constraints.core import Param, checker
from hindsight_rl.constraints.declare import RELATIONS, Letter, Word, bounded, count, fixed, nearest, related
from hindsight_rl.constraints.text.readings import TRIM, is_word, once, pieces, rule_sentences
from hindsight_rl.constraints.text.response import Text
from hindsight_rl.constraints.text.tokens import repeats, tokens
from hindsight_rl.constraints.text.words import marks

_LOWERCASE_WORD = re.compile(r"\b[a-z]+\b")
_LETTER = re.compile("[A-Za-z]")
_UNBOUNDED = frozenset("*+?{}()|")


@cache
def _mark() -> re.Pattern[str]:
    return re.compile(rf"[^\w\s{marks()}]")


@lru_cache(maxsize=1024)
def _keyword(keyword: str) -> re.Pattern[str]:
    # The reference reads a keyword as a regular expression: "a.m" finds "arm". So do we, where that cannot
    # take more than linear time; a keyword with a repetition, a group or an alternative stands for itself.
    if _UNBOUNDED.isdisjoint(keyword):
        try:
            return re.compile(keyword, re.IGNORECASE)
        except re.error:
            pass
    return re.compile(re.escape(keyword), re.IGNORECASE)


def _times(text: Text, keyword: str) -> int:
    return len(_keyword(keyword).findall(text.raw))


@checker("keywords:word_once", Word("keyword"), wording="Include keyword {keyword} in your response.")
def word_once(text: Text, keyword: str) -> bool:
    """Exactly once; occurrences inside longer words count."""
    return _times(text, keyword) == 1


@checker(
    "keywords:word_count_different_numbers",
    Word("keyword"),
    count("frequency"),
    Param("relation", choices=RELATIONS),
    wording="In your response, the word {keyword} should appear {frequency} times.",
    restatement="In your response, the word {keyword} should appear {relation} {frequency} times.",
    achieved=bounded(lambda text, keyword, **_: _times(text, keyword), "frequency", "relation"),
)
def word_count_different_numbers(text: Text, keyword: str, frequency: int, relation: str) -> bool:
    """`relation` counts, although the public wording does not mention it."""
    return related(relation, _times(text, keyword), frequency)


@checker(
    "count:count_increment_word",
    Word("keyword1"),
    Word("keyword2"),
    wording="Include keyword {keyword1} once in your response, keyword {keyword2} twice in your response.",
)
def count_increment_word(text: Text, keyword1: str, keyword2: str) -> bool:
    return _times(text, keyword1) == 1 and _times(text, keyword2) == 2


@checker(
    "keywords:exclude_word_harder",
    Word("keyword"),
    wording="Do not include keyword {keyword} in the response.",
)
def exclude_word_harder(text: Text, keyword: str) -> bool:
    """Not as written and between two spaces; elsewhere it passes."""
    return f" {keyword} " not in text.raw


@fixed(
    "keywords:no_adjacent_consecutive",
    "No two adjacent words can start with consecutive letters of the alphabet.",
    vacuous=lambda text: len(pieces(text)) < 2,
)
def no_adjacent_consecutive(text: Text) -> bool:
    """By code point in lower case, so for digits and other scripts too."""
    firsts = [piece[0].lower() for piece in pieces(text)]
    if len(firsts) > 1 and any(len(first) != 1 for first in firsts):
        return False  # a capital that becomes two characters, where the reference gives up
    return all(ord(after) - ord(before) != 1 for before, after in pairwise(firsts))


@fixed(
    "keywords:palindrome",
    "Include a palindrome in your response.",
    # "a" and "I" are in nearly every text.
    vacuous=lambda text: not any(len(piece) > 2 and piece == piece[::-1] for piece in pieces(text)),
)
def palindrome(text: Text) -> bool:
    """A piece between white space, as written; one character is a palindrome."""
    return any(piece == piece[::-1] for piece in pieces(text))


@fixed(
    "keywords:start_end",
    "Start and end your response with the same word (do not write anything after the last word, not even punctuation).",
    vacuous=lambda text: not is_word(text.tokens[0]) if text.tokens else True,
)
def start_end(text: Text) -> bool:
    return len(text.tokens) >= 2 and text.tokens[0].lower() == text.tokens[-1].lower()


def _achieved_position(text: Text, keyword: str, n: int, m: int) -> dict[str, Any] | None:
    """The position of the keyword that is nearest to the requested one: by sentence, then by word."""
    places = [
        (nth, mth)
        for nth, sentence in enumerate(rule_sentences(text), 1)
        if keyword in sentence
        for mth, token in enumerate(tokens(sentence), 1)
        if token == keyword
    ]
    place = min(places, key=lambda place: (abs(place[0] - n), abs(place[1] - m)), default=None)
    return {"n": place[0], "m": place[1]} if place else None


@checker(
    "keywords:keyword_specific_position",
    Word("keyword"),
    count("n", low=1),
    count("m", low=1),
    wording="Include keyword {keyword} in the {n}-th sentence, as the {m}-th word of that sentence.",
    restatement="Include keyword {keyword} as word {m} of sentence {n}; punctuation marks count as words.",
    achieved=_achieved_position,
)
def keyword_specific_position(text: Text, keyword: str, n: int, m: int) -> bool:
    """Punctuation marks count as words; case matters."""
    sentence = rule_sentences(text)[n - 1 : n]
    return bool(sentence) and tokens(sentence[0])[m - 1 : m] == [keyword]


def _first(sentence: str) -> str:
    return sentence.split(maxsplit=1)[0].lower() if sentence.strip() else ""


def _last(sentence: str) -> str:
    """The last piece without its marks, "" where there is none."""
    return _mark().sub("", sentence.rsplit(maxsplit=1)[-1]).lower() if sentence.strip() else ""


@once
def _sentence_firsts(text: Text) -> set[str]:
    return {_first(sentence) for sentence in rule_sentences(text)}


@once
def _sentence_lasts(text: Text) -> set[str]:
    return {_last(sentence) for sentence in rule_sentences(text)}


def _only(name: str, words: set[str]) -> dict[str, Any] | None:
    """The one word, if there is one and it is a word."""
    return {name: min(words)} if len(words) == 1 and is_word(min(words)) else None


def _as_written(found: dict[str, Any] | None, raw: str, last: bool = False) -> dict[str, Any] | None:
    """The word in the case in which the response has it: "Texas", not "texas"."""
    if found is None:
        return None
    ((name, word),) = found.items()
    at = raw.lower().rfind(word) if last else 0
    written = raw[at : at + len(word)]
    return {name: written} if written.lower() == word else found


def _one_sentence(text: Text) -> bool:
    return len(rule_sentences(text)) < 2


def _ending(text: Text, sentences: list[str]) -> set[str]:
    """The last words of sentences, as they are judged; none where a mark stands inside one ("its" for "it's")."""
    words = [sentence.rsplit(maxsplit=1)[-1] for sentence in sentences if sentence.strip()]
    return {_last(word) for word in words} if all(is_word(_last(word)) and _whole(word) for word in words) else set()


def _whole(word: str) -> bool:
    """Only marks at its ends are removed."""
    return word.lower().strip(TRIM + "\u201c\u201d\u2018\u2019\u2026") == _last(word)


@checker(
    "first_word:first_word_sent",
    Word("first_word"),
    wording="The first word of each sentence should be the word {first_word}.",
    achieved=lambda text, **_: None if _one_sentence(text) else _only("first_word", _sentence_firsts(text)),
    vacuous=_one_sentence,
)
def first_word_sent(text: Text, first_word: str) -> bool:
    return _sentence_firsts(text) <= {first_word.lower()}


@checker(
    "first_word:first_word_answer",
    Word("first_word"),
    wording="The first word of your response should be the word {first_word}.",
    achieved=lambda text, **_: _as_written(_only("first_word", {_first(text.raw)}), text.raw.lstrip()),
)
def first_word_answer(text: Text, first_word: str) -> bool:
    return _first(text.raw) == first_word.lower()


@checker(
    "last_word:last_word_sent",
    Word("last_word"),
    wording="The last word of each sentence, before punctuation, should be the word {last_word}.",
    achieved=lambda text, **_: None if _one_sentence(text) else _only("last_word", _ending(text, rule_sentences(text))),
    vacuous=_one_sentence,
)
def last_word_sent(text: Text, last_word: str) -> bool:
    return _sentence_lasts(text) <= {last_word.lower()}


@checker(
    "last_word:last_word_answer",
    Word("last_word"),
    wording="The last word of your response should be the word {last_word}.",
    achieved=lambda text, **_: _as_written(_only("last_word", _ending(text, [text.raw])), text.raw, last=True),
)
def last_word_answer(text: Text, last_word: str) -> bool:
    return _last(text.raw) == last_word.lower()


@once
def _lowercase_words(text: Text) -> int:
    return len(_LOWERCASE_WORD.findall(text.raw))


@checker(
    "count:lowercase_counting",
    count("N", low=1),
    wording="In your response, all lowercase words should appear at most {N} times.",
    restatement="Use at most {N} words that are entirely in lower case.",
    achieved=lambda text, N: {"N": max(N, _lowercase_words(text))},
)
def lowercase_counting(text: Text, N: int) -> bool:
    """All of them together, words of the letters a to z only."""
    return _lowercase_words(text) <= N


@once
def _letters(text: Text) -> int:
    return len(_LETTER.findall(text.raw))


def _achieved_letters(text: Text, N: int, relation: str) -> dict[str, Any] | None:
    bound = nearest(relation, _letters(text), N)
    return {"N": bound} if bound > 1 else None


@checker(
    "letters:letter_counting",
    count("N", low=1),
    Param("relation", choices=RELATIONS),
    wording="Answer with {relation} {N} letters.",
    achieved=_achieved_letters,
)
def letter_counting(text: Text, N: int, relation: str) -> bool:
    """Letters a to z in either case."""
    return related(relation, _letters(text), N)


@checker(
    "letters:letter_counting2",
    Letter("letter"),
    count("let_frequency"),
    Param("let_relation", choices=RELATIONS),
    wording="In your response, the letter {letter} should appear {let_relation} {let_frequency} times.",
    achieved=bounded(lambda text, letter, **_: text.lower.count(letter.lower()), "let_frequency", "let_relation"),
)
def letter_counting2(text: Text, letter: str, let_frequency: int, let_relation: str) -> bool:
    """In upper or lower case. Other characters are counted too; the reference draws a letter in their place."""
    return related(let_relation, text.lower.count(letter.lower()), let_frequency)


@fixed(
    "count:count_unique",
    "Only use unique words in your response, no word should be repeated!",
    vacuous=lambda text: len(text.words) < 2,
)
def count_unique(text: Text) -> bool:
    """No token twice, punctuation marks included."""
    return not repeats(text.sentences)
