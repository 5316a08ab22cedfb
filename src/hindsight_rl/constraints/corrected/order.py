"""Words at given places: first, last, n-th, next to each other."""

from __future__ import annotations

import re
from itertools import groupby, pairwise
from typing import Any

from hindsight_rl.constraints.corrected.correction import corrected
from hindsight_rl.constraints.corrected.reading import (
    ends_with,
    finishes_with,
    lines,
    plain_words,
    plain_words_of,
    sentences,
    starts_with,
    words,
)
from hindsight_rl.constraints.text.lexicon import starts_with_verb, syllables
from hindsight_rl.constraints.text.response import Text
from hindsight_rl.constraints.text.tokens import tokens

_PLAIN = "The word is read without the marks around it."


@corrected(
    "startend:end_checker",
    says="Finish your response with this exact phrase the end. No other words should follow this phrase",
    change="The phrase is not the end of a longer word; a mark or emphasis behind it is no word.",
    kwargs={"end_phrase": "the end"},
    response="Soon we bathe end",
)
def end_checker(text: Text, end_phrase: str) -> bool:
    return finishes_with(text, end_phrase)


def _achieved_word(name: str, place: int) -> Any:
    return lambda text, **_: {name: plain_words(text)[place]} if plain_words(text) else None


@corrected(
    "first_word:first_word_answer",
    says="The first word of your response should be the word hello",
    change=_PLAIN,
    kwargs={"first_word": "hello"},
    response="Hello, sea.",
    holds=True,
    achieved=_achieved_word("first_word", 0),
)
def first_word_answer(text: Text, first_word: str) -> bool:
    return starts_with(text.raw, first_word)


@corrected(
    "first_word:first_word_sent",
    says="The first word of each sentence should be the word we",
    change=_PLAIN,
    kwargs={"first_word": "we"},
    response="\u201cWe wait.\u201d",
    holds=True,
)
def first_word_sent(text: Text, first_word: str) -> bool:
    return bool(sentences(text)) and all(starts_with(sentence, first_word) for sentence in sentences(text))


@corrected(
    "last_word:last_word_answer",
    says="The last word of your response should be the word don't",
    change="An apostrophe belongs to its word; an emoji behind the word is none.",
    kwargs={"last_word": "don't"},
    response="We really don't.",
    holds=True,
    achieved=_achieved_word("last_word", -1),
)
def last_word_answer(text: Text, last_word: str) -> bool:
    return ends_with(text.raw, last_word)


@corrected(
    "last_word:last_word_sent",
    says="The last word of each sentence, before punctuation, should be the word don't",
    change="An apostrophe belongs to its word; an emoji behind the word is none.",
    kwargs={"last_word": "don't"},
    response="We really don't.",
    holds=True,
)
def last_word_sent(text: Text, last_word: str) -> bool:
    return bool(sentences(text)) and all(ends_with(sentence, last_word) for sentence in sentences(text))


@corrected(
    "keywords:start_end",
    says="Start and end your response with the same word (do not write anything after the last word",
    change="A mark is no word.",
    response="! Sea and sand !",
)
def start_end(text: Text) -> bool:
    found = plain_words(text)
    last = text.raw.rstrip().lower().endswith(words(text)[-1].lower()) if found else False
    return len(found) > 1 and found[0] == found[-1] and last


_COUNTED = "\u201cDon't\u201d is one word, and a mark is none."


@corrected(
    "words:words_position",
    says="The second word in your response and the second to last word",
    change=_COUNTED,
    kwargs={"keyword": "sea"},
    response="\u201cThe sea\u201d is our sea now\u2026",
    holds=True,
)
def words_position(text: Text, keyword: str) -> bool:
    found, wanted = plain_words(text), plain_words_of(keyword)
    return len(found) > 2 and [found[1]] == [found[-2]] == wanted


def _at_place(text: Text, keyword: str, n: int, m: int) -> bool:
    wanted = plain_words_of(keyword)
    for sentence in sentences(text)[n - 1 : n]:
        return bool(wanted) and plain_words_of(sentence)[m - 1 : m - 1 + len(wanted)] == wanted
    return False


@corrected(
    "words:keywords_specific_position",
    says="as the 2-th word of that sentence",
    change=_COUNTED,
    kwargs={"keyword": "wait", "n": 1, "m": 2},
    response="Don't wait.",
    holds=True,
)
def keywords_specific_position(text: Text, keyword: str, n: int, m: int) -> bool:
    return _at_place(text, keyword, n, m)


@corrected(
    "keywords:keyword_specific_position",
    says="as the 2-th word of that sentence",
    change=_COUNTED + " Case does not matter.",
    kwargs={"keyword": "wait", "n": 1, "m": 2},
    response="Don't wait.",
    holds=True,
)
def keyword_specific_position(text: Text, keyword: str, n: int, m: int) -> bool:
    return _at_place(text, keyword, n, m)


@corrected(
    "words:start_verb",
    says="The response must start with a verb",
    change="Markup before the first word is no word.",
    response="**Write** it down.",
    holds=True,
)
def start_verb(text: Text) -> bool:
    first = next((at for at, character in enumerate(text.raw) if character.isalnum()), None)
    if first is None:
        return False
    head = text.raw[first : first + 400].replace("*", "").replace("_", "")
    return starts_with_verb(tokens(head))


@corrected(
    "words:alphabet",
    says="Each word must start with the next letter of the alphabet",
    change="One word alone has no next one; a dash by itself is no word.",
    response="Sea",
)
def alphabet(text: Text) -> bool:
    firsts = [word[0] for word in plain_words(text)]
    return (
        len(firsts) > 1
        and all("a" <= first <= "z" for first in firsts)
        and all((ord(after) - ord(before)) % 26 == 1 for before, after in pairwise(firsts))
    )


@corrected(
    "words:no_consecutive",
    says="No two consecutive words can share the same first letter",
    change="A dash by itself or a curly quote is no first letter.",
    response="Sea \u2014 \u2014 tide",
    holds=True,
)
def no_consecutive(text: Text) -> bool:
    return bool(words(text)) and all(before[0] != after[0] for before, after in pairwise(plain_words(text)))


@corrected(
    "keywords:no_adjacent_consecutive",
    says="No two adjacent words can start with consecutive letters of the alphabet",
    change="The letters are read without the marks before them, and a digit is no letter.",
    response='"apple" "banana"',
)
def no_adjacent_consecutive(text: Text) -> bool:
    return bool(words(text)) and all(
        not (before[0].isalpha() and after[0].isalpha() and ord(after[0]) - ord(before[0]) == 1)
        for before, after in pairwise(plain_words(text))
    )


@corrected(
    "words:last_first",
    says="The last word of each sentence must become the first word of the next sentence",
    change="There have to be two sentences; curly quotes and emphasis are no part of a word.",
    response="One sentence alone.",
)
def last_first(text: Text) -> bool:
    found = [plain_words_of(sentence) for sentence in sentences(text)]
    return len(found) > 1 and all(before[-1:] == after[:1] for before, after in pairwise(found))


@corrected(
    "words:paragraph_last_first",
    says="Each paragraph must end with the same word it started with",
    change="A paragraph of one word neither starts nor ends with a word of its own.",
    response="Sea.",
)
def paragraph_last_first(text: Text) -> bool:
    found = [plain_words_of(line) for line in lines(text.raw)]
    return bool(found) and all(len(own) > 1 and own[0] == own[-1] for own in found)


def _longest_run(sentence: str) -> int:
    return max((sum(1 for _ in run) for _, run in groupby(word[0] for word in plain_words_of(sentence))), default=0)


@corrected(
    "sentence:alliteration_increment",
    says="a longer sequence of consecutive alliterative words than the previous one",
    change="The longest sequence counts, not all words in any; there have to be two sentences.",
    response="Big blue sea.",
)
def alliteration_increment(text: Text) -> bool:
    runs = list(map(_longest_run, sentences(text)))
    return len(runs) > 1 and all(before < after for before, after in pairwise(runs))


@corrected(
    "words:odd_even_syllables",
    says="Alternate between words with odd and even numbers of syllables",
    change="One word alone alternates with nothing; a dash by itself is no word.",
    response="Sea",
)
def odd_even_syllables(text: Text) -> bool:
    parities = [syllables(word.replace("'", "").replace("-", "")) % 2 for word in plain_words(text)]
    return len(parities) > 1 and all(before != after for before, after in pairwise(parities))


@corrected(
    "detectable_format:sentence_hyphens",
    says="All sentences must be connected using hyphens, with no spaces between them",
    change="There have to be two sentences, with a hyphen between them; a hyphen inside a word connects none.",
    response="One sentence alone.",
)
def sentence_hyphens(text: Text) -> bool:
    raw = text.raw.strip()
    joined = re.findall(r"[.!?][\"')\]]*-(?=[\w\"'(\[])", raw)
    return bool(joined) and re.search(r"[.!?][\"')\]]*(?:\s+-?|-\s+)\S", raw) is None
