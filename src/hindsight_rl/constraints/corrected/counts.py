"""Counts and shares of kinds of words: different ones, repeated ones, stop words, numbers, palindromes."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter

from hindsight_rl.constraints.corrected.correction import corrected
from hindsight_rl.constraints.corrected.reading import plain_words, sentences, words
from hindsight_rl.constraints.declare import bounded
from hindsight_rl.constraints.text.lexicon import stop_words
from hindsight_rl.constraints.text.readings import once
from hindsight_rl.constraints.text.response import Text

_CONJUNCTIONS = frozenset({"and", "but", "for", "nor", "or", "so", "yet"})


def _conjunctions(text: Text) -> int:
    return len(_CONJUNCTIONS.intersection(plain_words(text)))


@corrected(
    "count:conjunctions",
    says="at least 2 different coordinating conjunctions",
    change="\u201cAnd\u201d and \u201cand\u201d are one conjunction.",
    kwargs={"small_n": 2},
    response="And now on, and on.",
    achieved=bounded(lambda text, **_: _conjunctions(text), "small_n"),
)
def conjunctions(text: Text, small_n: int) -> bool:
    return _conjunctions(text) >= small_n


_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")


@once
def _numbers(text: Text) -> int:
    return sum(1 for _ in _NUMBER.finditer(text.raw))


@corrected(
    "count:numbers",
    says="Include exactly 2 numbers",
    change="A hyphen or a slash between two numbers does not make one of them.",
    kwargs={"N": 2},
    response="Run 3-5 laps.",
    holds=True,
    achieved=lambda text, **_: {"N": _numbers(text)},
)
def numbers(text: Text, N: int) -> bool:
    return _numbers(text) == N


@once
def _stop_word_share(text: Text) -> float | None:
    found = plain_words(text)
    if not found:
        return None
    known = stop_words()
    stops = sum(word in known or ("'" in word and all(part in known for part in word.split("'"))) for word in found)
    return stops / len(found) * 100


@corrected(
    "ratio:stop_words",
    says="stop words constitute no more than 40% of the total words",
    change="\u201cdon't\u201d is one word, not the two stop words \u201cdon\u201d and \u201ct\u201d.",
    kwargs={"percentage": 40},
    response="Don't follow whales.",
    holds=True,
    achieved=lambda text, percentage: (
        None if (share := _stop_word_share(text)) is None else {"percentage": max(percentage, -int(-share // 1))}
    ),
)
def stop_words_share(text: Text, percentage: float) -> bool:
    share = _stop_word_share(text)
    return share is not None and share <= percentage


@once
def _most_repeats(text: Text) -> int:
    return max(Counter(plain_words(text)).values(), default=0)


@corrected(
    "words:repeats",
    says="should not repeat any word more than 1 time",
    change="A dash by itself is no word.",
    kwargs={"small_n": 1},
    response="Sea \u2014 sky \u2014 sun.",
    holds=True,
    achieved=lambda text, small_n: {"small_n": max(small_n, most)} if (most := _most_repeats(text)) else None,
)
def repeats(text: Text, small_n: int) -> bool:
    return 0 < _most_repeats(text) <= small_n


@corrected(
    "count:count_unique",
    says="Only use unique words in your response, no word should be repeated",
    change="A mark is no word: two commas repeat none.",
    response="Sea, sand, sun.",
    holds=True,
)
def count_unique(text: Text) -> bool:
    return _most_repeats(text) == 1


def _palindrome(word: str, least: int) -> bool:
    return len(word) >= least and word == word[::-1] and word.isalpha()


@corrected(
    "words:palindrome",
    says="at least 10 single-word palindromes, each at least 5 characters long",
    change="A palindrome that occurs again is the same one; a number is no word.",
    response="level " * 10,
)
def palindromes(text: Text) -> bool:
    return len({word for word in plain_words(text) if _palindrome(word, 5)}) >= 10


@corrected(
    "keywords:palindrome",
    says="Include a palindrome",
    change="A word of three letters or more, or a whole sentence, in any case: \u201cI\u201d is none.",
    response="I wait.",
)
def palindrome(text: Text) -> bool:
    if any(_palindrome(word, 3) for word in plain_words(text)):
        return True
    letters = ("".join(filter(str.isalnum, sentence.lower())) for sentence in sentences(text))
    return any(len(own) > 4 and own == own[::-1] for own in letters)


_CLUSTER = re.compile("[b-df-hj-np-tv-z]{2}")


@corrected(
    "words:consonants",
    says="each word in your response has at least one consonant cluster",
    change="A dash or a number by itself is no word of letters.",
    response="Strong \u2013 fast",
    holds=True,
)
def consonants(text: Text) -> bool:
    found = [word for word in plain_words(text) if any(map(str.isalpha, word))]
    return bool(found) and all(_CLUSTER.search(word) for word in found)


@once
def _vowels(text: Text) -> set[str]:
    # Letter by letter: decomposing a whole text sorts its marks, in quadratic time.
    plain = {unicodedata.normalize("NFD", letter)[:1] for letter in set(text.lower)}
    return plain & set("aeiou")


@corrected(
    "words:vowel",
    says="using words that contain only three types of vowels",
    change="A vowel with an accent is a vowel; a text without vowels has no words that contain them.",
    response="Hmm, shh",
)
def few_vowels(text: Text) -> bool:
    return "\n" not in text.raw.strip() and 0 < len(_vowels(text)) <= 3 and bool(words(text))
