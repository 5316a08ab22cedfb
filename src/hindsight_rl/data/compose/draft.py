"""The requirements of one row's constraints, collected before a response is written.

:mod:`.readers` reads each constraint into a :class:`Draft`: bounds on counts, pieces that must occur, words at fixed
places, layout. Requirements that exclude each other raise :class:`Infeasible` with the reason, without a search.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from math import inf
from typing import Any, NamedTuple

from hindsight_rl.data.compose.words import PALINDROMES


class Infeasible(Exception):
    """Why constraints cannot hold together, in few words."""


class Retry(Exception):
    """These random choices do not fit; others may."""


@dataclass
class Bounds:
    """An inclusive range of a count."""

    what: str
    low: float = 0
    high: float = inf

    def at_least(self, low: float) -> None:
        self.low = max(self.low, low)
        self._check()

    def at_most(self, high: float) -> None:
        self.high = min(self.high, high)
        self._check()

    def related(self, relation: str, number: int) -> None:
        """ "at least" or "less than" a number."""
        if relation == "at least":
            self.at_least(number)
        else:
            self.at_most(number - 1)

    def exactly(self, number: int) -> None:
        self.at_least(number)
        self.at_most(number)

    def _check(self) -> None:
        if self.low > self.high:
            raise Infeasible(f"at least {self.low:g} but at most {self.high:g} {self.what}")


class Pattern(NamedTuple):
    """A piece that must occur. text: "_" stands for any word. line: it begins a line. keep: in this case."""

    text: str
    line: bool = False
    keep: bool = False


@dataclass
class Draft:
    """What has to hold of a text; see the module."""

    # Counts.
    words: Bounds = field(default_factory=lambda: Bounds("words"))
    sentences: Bounds = field(default_factory=lambda: Bounds("sentences"))
    letters: Bounds = field(default_factory=lambda: Bounds("letters"))
    lowercase: Bounds = field(default_factory=lambda: Bounds("lowercase words"))
    capitals: Bounds = field(default_factory=lambda: Bounds("words in capitals"))
    letter: dict[str, Bounds] = field(default_factory=dict)
    keyword: dict[str, Bounds] = field(default_factory=dict)
    starred: Bounds = field(default_factory=lambda: Bounds("paragraphs between ***"))
    blocks: Bounds = field(default_factory=lambda: Bounds("paragraphs between blank lines"))
    bullets: Bounds = field(default_factory=lambda: Bounds("bullet points"))
    numbers: Bounds = field(default_factory=lambda: Bounds("numbers"))
    repeats: int = 0  # how often a word may come
    composition: tuple[int, int] | None = None  # sentences a paragraph, tokens a sentence
    growth: int = 0  # how many words longer each sentence is than the one before
    # What has to occur, and what may not.
    patterns: list[Pattern] = field(default_factory=list)
    section: tuple[str, int] | None = None
    phrase: tuple[str, int] | None = None
    palindrome: bool = False
    postscript: str = ""
    forbidden: set[str] = field(default_factory=set)
    no_dot: bool = False
    no_shout: bool = False
    no_comma: bool = False
    # Which word stands where; places: by sentence and token, within: by sentence.
    end: str = ""
    first: str = ""
    last: str = ""
    first_each: str = ""
    last_each: str = ""
    second: str = ""  # also the last but one
    block_first: dict[int, str] = field(default_factory=dict)
    places: dict[tuple[int, int], str] = field(default_factory=dict)
    exact: set[tuple[int, int]] = field(default_factory=set)  # of places: in the case in which the word is given
    within: dict[int, str] = field(default_factory=dict)
    framed: bool = False  # the same first and last word
    ringed: bool = False  # in every line
    chained: bool = False  # a sentence's last word begins the next one
    # Which words, and which marks.
    unique: bool = False  # no word or mark twice
    distinct: bool = False  # no filler twice
    apart: bool = False  # no initial follows its neighbour's in the alphabet
    differ: bool = False  # no initial is its neighbour's
    shapes: frozenset[str] = frozenset()  # see :mod:`.stock`
    few_vowels: bool = False
    endings: tuple[str, ...] = ()  # marks that end sentences, each as often as the others
    every_mark: bool = False
    emoji: bool = False
    # The text as a whole.
    case: str = ""
    quoted: bool = False
    bracketed: bool = False
    bigrams: bool = False
    hyphens: bool = False
    bulleted_end: bool = False
    sub_bullets: bool = False
    one_line: bool = False
    language: str = ""
    repeated: str = ""
    twice: bool = False
    json: bool = False
    whole: str | None = None

    def counted(self, keyword: str) -> Bounds:
        """The bounds on a keyword's occurrences, inside other words too."""
        keyword = keyword.strip().lower()
        return self.keyword.setdefault(keyword, Bounds(f'"{keyword}"'))

    def lettered(self, letter: str) -> Bounds:
        """The bounds on a letter's occurrences."""
        letter = letter.lower()
        return self.letter.setdefault(letter, Bounds(f'"{letter}"'))

    def only(self, name: str, value: Any) -> None:
        """The one value that this can have."""
        before = getattr(self, name)
        if before and before != value:
            raise Infeasible(f"two different {_NAMES.get(name, name)}")
        setattr(self, name, value)

    def at(self, name: str, place: Any, word: str) -> None:
        """The one word that can stand at a place."""
        if getattr(self, name).setdefault(place, word) != word:
            raise Infeasible("two different words at one place")


_NAMES = {
    "second": "second words",
    "growth": "steps",
    "endings": "shares of sentences",
    "first": "first words",
    "last": "last words",
    "first_each": "first words of sentences",
    "last_each": "last words of sentences",
    "end": "end phrases",
    "case": "cases",
    "language": "languages",
    "phrase": "phrases to repeat",
    "section": "section marks",
    "postscript": "postscripts",
    "composition": "compositions",
    "repeated": "requests to repeat",
    "whole": "texts as the whole response",
}


# What ends the sentences where every mark has to occur, by the shares that are asked for. "?!" ends in "!".
_EVERY_MARK = {
    (): (".", "!", "?", "?!"),
    (".", ".", "?"): (".", ".", "?", "!", "?!"),
    (".", "?", "!"): (".", ".", "?", "?", "!", "?!"),
}


def settle(draft: Draft) -> Draft:
    """The draft with what follows from several constraints at once; raises :class:`Infeasible`."""
    _edges(draft)
    _keywords(draft)
    _sizes(draft)
    return draft


def _edges(draft: Draft) -> None:
    """First and last words."""
    if draft.first_each:
        draft.only("first", draft.first_each)
    if draft.last_each and not draft.end:
        draft.only("last", draft.last_each)
    if 1 in draft.block_first:
        draft.only("first", draft.block_first[1])
    if draft.ringed:
        for word in draft.block_first.values():
            draft.only("first", word)
    if draft.bulleted_end and any(at > 1 for at in draft.block_first):
        raise Infeasible("the paragraph begins with a bullet")
    if draft.bigrams and draft.palindrome:
        for word in (draft.last, draft.last_each):
            if word and word not in PALINDROMES:
                raise Infeasible("only the last word has no angular bracket beside it, and it is not a palindrome")
    if draft.ringed or draft.framed:
        for one, other in (("first", "last"), ("last", "first")):
            if getattr(draft, one):
                draft.only(other, getattr(draft, one))
    if not draft.end:
        return
    closing = re.findall(r"\w+", draft.end.lower())
    for word in sorted(draft.forbidden & set(closing)):
        raise Infeasible(f'the end phrase holds the forbidden "{word}"')
    if draft.no_dot and "." in draft.end:
        raise Infeasible("the end phrase holds a full stop")
    if draft.no_shout and "!" in draft.end:
        raise Infeasible("the end phrase holds an exclamation mark")
    for word in (draft.last, draft.last_each):
        if word and word != closing[-1]:
            raise Infeasible("the end phrase ends in another word")
    if draft.framed and not draft.end[-1].isalnum():
        raise Infeasible("the end phrase ends in a mark")


def _keywords(draft: Draft) -> None:
    """Words that are asked for, forbidden or counted."""
    each = {word for word in (draft.first_each, draft.last_each) if word}
    fixed = (draft.first, draft.last, draft.second)
    for word in (*fixed, *draft.block_first.values(), *draft.places.values(), *draft.within.values()):
        if word:
            draft.counted(word).at_least(1)
    for word in each:
        draft.counted(word).at_least(2)  # one sentence is no evidence of each
    if draft.second:
        draft.counted(draft.second).at_least(2)
    if draft.few_vowels:
        _spare_vowels(draft)
    for word, bounds in draft.keyword.items():
        if bounds.low > 0 and word in draft.forbidden:
            raise Infeasible(f'"{word}" is asked for and forbidden')
        if draft.repeats and bounds.low > draft.repeats:
            raise Infeasible(f'"{word}" comes more often than a word may')
        if bounds.low > 1 and draft.unique:
            raise Infeasible(f'"{word}" comes twice, and no word may')
    if any(one != other and one in other for one in draft.keyword for other in draft.keyword):
        return  # a count of the one is in part a count of the other
    if sum(len(word) * bounds.low for word, bounds in draft.keyword.items()) > draft.letters.high:
        raise Infeasible("the keywords have more letters than are allowed")
    for letter, bounds in draft.letter.items():
        if sum(word.count(letter) * asked.low for word, asked in draft.keyword.items()) > bounds.high:
            raise Infeasible(f'the keywords have more "{letter}" than are allowed')


def _spare_vowels(draft: Draft) -> None:
    """Three vowels at most: those that are needed, and others that are common."""
    asked = "".join(word for word, bounds in draft.keyword.items() if bounds.low) + draft.end.lower()
    asked += "".join(letter for letter, bounds in draft.letter.items() if bounds.low)
    asked += "".join(pattern.text.lower() for pattern in draft.patterns)
    needed = sorted({vowel for vowel in "aeiou" if vowel in asked}, key="eaiou".index)
    if len(needed) > 3:
        raise Infeasible("the words asked for have four vowels")
    kept = [*needed, *(vowel for vowel in "eaiou" if vowel not in needed)][:3]
    for vowel in "aeiou":
        if vowel not in kept:
            draft.lettered(vowel).at_most(0)


def _sizes(draft: Draft) -> None:
    """Counts that bound one another."""
    if draft.repeated and draft.no_comma and "," in draft.repeated:
        raise Infeasible("the request to repeat has a comma")
    if draft.unique:
        if sum(pattern.text == "[_]" for pattern in draft.patterns) > 1:
            raise Infeasible("brackets come twice, and no mark may")
        draft.sentences.at_most(4)  # a full stop, an exclamation mark, a question mark, none
    for n in draft.within:
        draft.sentences.at_least(n)
    if draft.chained or draft.endings or draft.growth or draft.every_mark:
        draft.sentences.at_least(2)
    if draft.bulleted_end and draft.blocks.low > 2:
        raise Infeasible("a blank line ends the prose")
    if draft.hyphens and draft.sentences.low > 1:
        raise Infeasible("sentences joined by hyphens count as one")
    if draft.bigrams and draft.sentences.low > 1:
        raise Infeasible("sentences whose marks stand in angular brackets count as one")
    if draft.section and draft.section[0].isupper():
        draft.capitals.at_least(draft.section[1])
    if draft.section:
        draft.numbers.at_least(draft.section[1])
    if draft.sub_bullets and draft.bullets.high < 2:
        raise Infeasible("a sub-bullet counts as a bullet")
    if draft.every_mark:
        draft.endings = _EVERY_MARK[draft.endings]
    if draft.case == "lower" and draft.lowercase.high < inf:
        draft.words.at_most(draft.lowercase.high)
    if draft.section and not draft.section[0].isupper() and draft.case == "upper":
        raise Infeasible("the section mark is not in capitals")
    if draft.composition:
        sentences, words = draft.composition
        draft.sentences.exactly(3 * sentences)
        draft.starred.exactly(3)
        draft.words.at_most(3 * sentences * (words - 1))
    for n, m in draft.places:
        if draft.hyphens and m == 1 and n > 1:
            raise Infeasible("a hyphen stands before that word")
        if n > draft.sentences.high:
            raise Infeasible(f"a word in sentence {n} of at most {draft.sentences.high:g}")
    if draft.sentences.low > draft.words.high:
        raise Infeasible("more sentences than words")
    # Words have three to six letters here on average; tighter bounds are not supported.
    if draft.words.low * 3 > draft.letters.high:
        raise Infeasible("fewer than three letters a word")
    if draft.letters.low > 6 * draft.words.high:
        raise Infeasible("more than six letters a word")
    for letter, bounds in draft.letter.items():
        if bounds.low > min(draft.letters.high / 2, 1.5 * draft.words.high):
            raise Infeasible(f'more "{letter}" than so short a text has')
