"""The words that a witness is filled with: those that the draft allows, each in turn."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from math import gcd, inf
from random import Random

from hindsight_rl.constraints.text.lexicon import stop_words
from hindsight_rl.data.compose.draft import Draft, Infeasible, Retry
from hindsight_rl.data.compose.words import FILLERS, FUNCTION_WORDS, LANGUAGE_WORDS, LETTERS

Words = tuple[str, ...]
_CONSONANTS = re.compile("[b-df-hj-np-tv-z]{2}")
_DENSE = 12  # words that have most of a letter
_FUNCTION = 0.45  # share of function words in running text
_FUNCTION_FOR_LANGUAGE = 0.75  # where a checker has to see that the text is English


class Deck:
    """Words in a random order, none twice until all were drawn."""

    def __init__(self, words: Words, rng: Random) -> None:
        self.words = words
        size = len(words)
        self._at = rng.randrange(size)
        self._step = rng.randrange(1, size + 1)
        while gcd(self._step, size) != 1:
            self._step += 1

    def draw(self) -> str:
        """The next word."""
        self._at = (self._at + self._step) % len(self.words)
        return self.words[self._at]


class Stock:
    """The words of one draft. Raises :class:`Infeasible` where none are left."""

    def __init__(self, draft: Draft) -> None:
        self.draft = draft
        capped = "".join(sorted(letter for letter, bounds in draft.letter.items() if bounds.high < inf))
        self._content, self._function = _vocabulary(draft.language or "en", capped, draft.shapes)
        self.banned = [word for word, bounds in draft.keyword.items() if bounds.high < inf]
        blob = _blob(draft.language or "en")
        banned = [word for word in self.banned if word in blob]
        if banned or not draft.forbidden.isdisjoint(blob.split()):
            self._content = self._left(self._content, banned)
            self._function = self._left(self._function, banned)
        if not self._content and not self._function:
            raise Infeasible("no words are left")

    def _left(self, words: Words, banned: list[str]) -> Words:
        forbidden = self.draft.forbidden
        return tuple(word for word in words if word not in forbidden and not any(one in word for one in banned))

    def shuffle(self, rng: Random, fixed: list[str]) -> None:
        """Begin a candidate. fixed: words that stand in it anyway."""
        self._rng = rng
        self.used = set(fixed)
        content, function = self._content, self._function
        if self.draft.apart:
            initials = _initials(rng, {word[0] for word in fixed})
            content = tuple(word for word in content if word[0] in initials)
            function = tuple(word for word in function if word[0] in initials)
        self.words = content + function
        if not self.words:
            raise Retry("no words are left")
        self._decks = {"": Deck(content or function, rng), "function": Deck(function or content, rng)}
        self._share = _FUNCTION_FOR_LANGUAGE if self.draft.case else _FUNCTION

    def word(self, kind: str = "") -> str:
        """Another word. kind: "", "long", "short", a letter that it has, or "!" and a letter that it has much of."""
        if not kind and self._rng.random() < self._share:
            kind = "function"
        deck = self._decks.get(kind) or self._deck(kind)
        if not (self.draft.unique or self.draft.distinct):
            return deck.draw()
        for _ in deck.words:
            word = deck.draw()
            if word not in self.used:
                self.used.add(word)
                return word
        if kind == "function":
            return self.word("")
        raise Retry("no words are left")

    def _deck(self, kind: str) -> Deck:
        if kind in ("long", "short"):
            words = tuple(word for word in self.words if (len(word) > 4) == (kind == "long")) or self.words
        else:
            letter = kind[-1]
            words = tuple(word for word in self.words if letter in word)
            if not words:
                raise Infeasible(f'no words with "{letter}" are left')
            if kind[0] == "!":
                words = tuple(sorted(words, key=lambda word: (-word.count(letter), len(word)))[:_DENSE])
        self._decks[kind] = Deck(words, self._rng)
        return self._decks[kind]

    def allows(self, word: str) -> bool:
        """Whether a word that is not of the stock may stand in the text."""
        draft = self.draft
        if word in draft.forbidden or any(banned in word for banned in self.banned):
            return False
        if draft.apart and word[0] not in {each[0] for each in self.words}:
            return False
        return all(word.count(letter) <= bounds.high for letter, bounds in draft.letter.items())


def _initials(rng: Random, taken: set[str]) -> set[str]:
    """Letters of which none follows another in the alphabet, nor one that is taken."""
    allowed: set[str] = set()
    for letter in rng.sample(LETTERS, len(LETTERS)):
        if not any(chr(ord(letter) + step) in taken | allowed for step in (-1, 1)):
            allowed.add(letter)
    return allowed


@lru_cache(maxsize=16)
def _blob(language: str) -> str:
    return " ".join(_every(language))


def _every(language: str) -> Words:
    return (*FUNCTION_WORDS, *FILLERS) if language == "en" else tuple(LANGUAGE_WORDS[language].split())


def _cluster(word: str) -> bool:
    return _CONSONANTS.search(word) is not None


def _content(word: str) -> bool:
    return word not in stop_words()


# What a draft's `shapes` name: which words may stand in the text.
_SHAPES: dict[str, Callable[[str], bool]] = {
    "cluster": _cluster,
    "prime": lambda word: len(word) in (2, 3, 5, 7),
    "content": _content,
}


@lru_cache(maxsize=1024)
def _vocabulary(language: str, without: str, shapes: frozenset[str]) -> tuple[Words, Words]:
    """Content and function words of a language without some letters; other languages' words are all function words."""
    tests = [_SHAPES[shape] for shape in sorted(shapes)]

    def fit(word: str) -> bool:
        return len(word) > 1 and not any(letter in word for letter in without) and all(test(word) for test in tests)

    every = tuple(word for word in _every(language) if fit(word))
    if language != "en":
        return (), every
    function = frozenset(FUNCTION_WORDS)
    return tuple(word for word in every if word not in function), tuple(word for word in every if word in function)
