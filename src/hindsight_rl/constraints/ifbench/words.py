"""IFBench's ``words:`` and ``sentence:`` constraints."""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise
from string import ascii_lowercase, punctuation
from typing import Any

from hindsight_rl.constraints.core import checker
from hindsight_rl.constraints.declare import HIR, Word, count, fixed
from hindsight_rl.constraints.text.lexicon import starts_with_verb, syllables
from hindsight_rl.constraints.text.readings import TRIM, bare, bare_lower_words, bare_text, once, rule_sentences
from hindsight_rl.constraints.text.response import Text
from hindsight_rl.constraints.text.tokens import tokens
from hindsight_rl.constraints.text.words import standing

_CLUSTER = re.compile("[b-df-hj-np-tv-z]{2}")


def _few_words(text: Text) -> bool:
    return len(bare_text(text).split()) < 2


_PRIMES = frozenset(n for n in range(2, 100) if all(n % divisor for divisor in range(2, n)))


@fixed(
    "words:alphabet",
    "Each word must start with the next letter of the alphabet, looping back to 'A' after 'Z'.",
    vacuous=lambda text: _few_words(text),
)
def alphabet(text: Text) -> bool:
    words = bare_text(text).split()
    if not words:
        return False
    first = words[0][0].lower()
    if first not in ascii_lowercase:
        return False
    at = ascii_lowercase.index(first)
    return all(word.lower()[0] == ascii_lowercase[(at + i) % 26] for i, word in enumerate(words[1:], 1))


@fixed(
    "words:vowel",
    "Write a paragraph using words that contain only three types of vowels.",
    vacuous=lambda text: not any(vowel in text.lower for vowel in "aeiou"),
)
def few_vowels(text: Text) -> bool:
    """One line, and at most three of the five vowels in all of it."""
    return "\n" not in text.raw.strip() and sum(vowel in text.lower for vowel in "aeiou") <= 3


@fixed(
    "words:consonants",
    "Ensure each word in your response has at least one consonant cluster (two or more consonants together).",
)
def consonants(text: Text) -> bool:
    """Two of b-z without vowels side by side in each piece between white space; "y" is a consonant."""
    return all(_CLUSTER.search(piece) for piece in text.lower.split())


@once
def _palindromes(text: Text) -> int:
    words = bare_text(text).lower().split()
    return sum(len(word) >= 5 and word == word[::-1] for word in words)


@fixed(
    "words:palindrome",
    "Include at least 10 single-word palindromes, each at least 5 characters long.",
)
def palindromes(text: Text) -> bool:
    """A palindrome that occurs again counts again."""
    return _palindromes(text) >= 10


@fixed(
    "words:prime_lengths",
    "Use only words with lengths that are prime numbers.",
    vacuous=lambda text: not bare_text(text).split(),
)
def prime_lengths(text: Text) -> bool:
    """Lengths below 100, without ASCII punctuation."""
    return all(len(word) in _PRIMES for word in bare_text(text).split())


@fixed(
    "words:start_verb",
    "The response must start with a verb.",
)
def start_verb(text: Text) -> bool:
    return starts_with_verb(text.tokens)


@once
def _most_repeats(text: Text) -> int:
    return max(Counter(bare_lower_words(text)).values(), default=0)


def _achieved_repeats(text: Text, small_n: int) -> dict[str, Any] | None:
    most = _most_repeats(text)
    return {"small_n": max(small_n, most)} if most else None


@checker(
    "words:repeats",
    count("small_n"),
    wording="The response should not repeat any word more than {small_n} times.",
    achieved=_achieved_repeats,
)
def repeats(text: Text, small_n: int) -> bool:
    return _most_repeats(text) <= small_n


@fixed(
    "words:odd_even_syllables",
    "Alternate between words with odd and even numbers of syllables.",
    vacuous=lambda text: _few_words(text),
)
def odd_even_syllables(text: Text) -> bool:
    words = bare_text(text).lower().split()
    previous = None
    for word in words:
        parity = syllables(word) % 2
        if parity == previous:
            return False
        previous = parity
    return True


def _chained(sentences: list[str]) -> bool:
    for before, after in pairwise(sentences):
        # What the reference cannot read a word from does not satisfy it.
        last, first = before.rstrip(TRIM).split()[-1:], after.lstrip(TRIM).split()[:1]
        if not last or not first or last[0].lower() != first[0].lower():
            return False
    return True


_CHAIN_WORDING = "The last word of each sentence must become the first word of the next sentence."


@fixed("words:last_first", _CHAIN_WORDING, vacuous=lambda text: len(text.sentences) < 2)
def last_first(text: Text) -> bool:
    return _chained(text.sentences)


@fixed("words:last_first", _CHAIN_WORDING, version=HIR, vacuous=lambda text: len(rule_sentences(text)) < 2)
def last_first_by_rules(text: Text) -> bool:
    return _chained(rule_sentences(text))


_FRAME_WORDING = "Each paragraph must end with the same word it started with, separate paragraphs with a newline."


def _framed(text: Text, wordless: bool) -> bool:
    """wordless: the verdict on a line of punctuation."""
    for line in text.lower.split("\n"):
        line = line.strip()
        if not line:
            continue
        words = line.strip(TRIM).split()
        if not words and not wordless:
            return False
        if words and words[0] != words[-1]:
            return False
    return True


def _only_single_words(text: Text) -> bool:
    return all(len(line.strip().strip(TRIM).split()) < 2 for line in text.lines)


@fixed("words:paragraph_last_first", _FRAME_WORDING, vacuous=_only_single_words)
def paragraph_last_first(text: Text) -> bool:
    return _framed(text, wordless=True)


@fixed("words:paragraph_last_first", _FRAME_WORDING, version=HIR, vacuous=_only_single_words)
def paragraph_last_first_strictly(text: Text) -> bool:
    """A line of nothing but punctuation violates it: the release stops at it with an error."""
    return _framed(text, wordless=False)


@fixed(
    "words:no_consecutive",
    "No two consecutive words can share the same first letter.",
    vacuous=lambda text: _few_words(text),
)
def no_consecutive(text: Text) -> bool:
    return all(before[0] != after[0] for before, after in pairwise(bare_lower_words(text)))


_POSITION_WORDING = "Include keyword {keyword} in the {n}-th sentence, as the {m}-th word of that sentence."
_POSITION = (Word("keyword"), count("n", low=1), count("m", low=1))


@checker(
    "words:keywords_specific_position",
    *_POSITION,
    wording=_POSITION_WORDING,
)
def keywords_specific_position(text: Text, keyword: str, n: int, m: int) -> bool:
    """Tokens without a letter or digit are not counted as words; case does not matter."""
    sentence = text.sentences[n - 1 : n]
    words = [token for token in tokens(sentence[0]) if any(map(str.isalnum, token))] if sentence else []
    return [word.lower() for word in words[m - 1 : m]] == [keyword.lower()]


@checker("words:keywords_specific_position", *_POSITION, wording=_POSITION_WORDING, version=HIR)
def keywords_specific_token(text: Text, keyword: str, n: int, m: int) -> bool:
    """Punctuation marks count as words; case matters."""
    sentence = rule_sentences(text)[n - 1 : n]
    return bool(sentence) and tokens(sentence[0])[m - 1 : m] == [keyword]


_SECOND_WORDING = (
    "The second word in your response and the second to last word in your response should be the word {keyword}."
)


@checker(
    "words:words_position",
    Word("keyword"),
    wording=_SECOND_WORDING,
)
def words_position(text: Text, keyword: str) -> bool:
    """A mark at the end is not counted as the last word."""
    words = text.tokens
    # Two marks count as one only where they stand so in the ASCII table: the reference looks for a substring.
    from_end = 3 if words and words[-1] in punctuation else 2
    if len(words) < from_end:
        return False
    return words[1].lower() == words[-from_end].lower() == keyword.lower()


@checker("words:words_position", Word("keyword"), wording=_SECOND_WORDING, version=HIR)
def tokens_position(text: Text, keyword: str) -> bool:
    """Punctuation marks count as words; case matters."""
    return len(text.tokens) >= 2 and text.tokens[1] == text.tokens[-2] == keyword


_KEYWORD = (Word("word"), count("N", low=1))
_KEYWORD_WORDING = 'The response must include keyword "{word}" in the {N}-th sentence.'


def _nearest_place(places: list[int], asked: int) -> dict[str, Any] | None:
    """The position, counted from 1, that is nearest to the requested one."""
    return {"N": min(places, key=lambda place: (abs(place - asked), place))} if places else None


@checker(
    "sentence:keyword",
    *_KEYWORD,
    wording=_KEYWORD_WORDING,
    restatement='The response must include keyword "{word}" in sentence {N}.',
    achieved=lambda text, word, N: _nearest_place(
        [at for at, sentence in enumerate(text.sentences, 1) if standing(word, sentence)], N
    ),
)
def sentence_keyword(text: Text, word: str, N: int) -> bool:
    return any(standing(word, sentence) is not None for sentence in text.sentences[N - 1 : N])


@checker(
    "sentence:keyword",
    *_KEYWORD,
    wording=_KEYWORD_WORDING,
    restatement='The response must include keyword "{word}" in sentence {N}.',
    version=HIR,
    achieved=lambda text, word, N: _nearest_place(
        [at for at, sentence in enumerate(rule_sentences(text), 1) if word.lower() in sentence.lower()], N
    ),
)
def sentence_keyword_anywhere(text: Text, word: str, N: int) -> bool:
    """The keyword counts inside a longer word too."""
    return any(word.lower() in sentence.lower() for sentence in rule_sentences(text)[N - 1 : N])


def _growing_alliteration(sentences: list[str]) -> bool:
    previous = -1
    for sentence in sentences:
        words = [word for piece in sentence.lower().split() if (word := piece.lstrip(TRIM))]
        alike, running = 0, False
        for before, after in pairwise(words):
            if before[0] == after[0]:
                alike += 1 if running else 2
                running = True
            else:
                running = False
        if alike <= previous:
            return False
        previous = alike
    return True


_ALLITERATION_WORDING = (
    "Each sentence must have a longer sequence of consecutive alliterative words than the previous one."
)


@fixed(
    "sentence:alliteration_increment",
    _ALLITERATION_WORDING,
    vacuous=lambda text: len(text.sentences) < 2,
)
def alliteration_increment(text: Text) -> bool:
    """Counts all words of a sentence that stand in some alliteration, not the longest sequence."""
    return _growing_alliteration(text.sentences)


@fixed(
    "sentence:alliteration_increment",
    _ALLITERATION_WORDING,
    version=HIR,
    vacuous=lambda text: len(rule_sentences(text)) < 2,
)
def alliteration_increment_by_rules(text: Text) -> bool:
    return _growing_alliteration(rule_sentences(text))


def _steps(sentences: list[str]) -> set[int]:
    lengths = [len(bare(sentence).split()) for sentence in sentences]
    return {after - before for before, after in pairwise(lengths)}


def _achieved_step(text: Text, **_: Any) -> dict[str, Any] | None:
    steps = _steps(text.sentences)
    return {"small_n": step} if len(steps) == 1 and (step := min(steps)) >= 1 else None


_STEP_WORDING = "Each sentence must contain exactly {small_n} more words than the previous one."


@checker(
    "sentence:increment",
    count("small_n"),
    wording=_STEP_WORDING,
    achieved=_achieved_step,
    vacuous=lambda text: len(text.sentences) < 2,
)
def increment(text: Text, small_n: int) -> bool:
    return bool(text.sentences) and _steps(text.sentences) <= {small_n}


@checker(
    "sentence:increment",
    count("small_n"),
    wording=_STEP_WORDING,
    version=HIR,
    vacuous=lambda text: len(rule_sentences(text)) < 2,
)
def increment_by_rules(text: Text, small_n: int) -> bool:
    sentences = rule_sentences(text)
    return bool(sentences) and _steps(sentences) <= {small_n}
