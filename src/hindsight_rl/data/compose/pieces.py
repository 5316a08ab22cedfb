"""The parts of a witness and how they become its text: sentences of pieces, breaks between paragraphs, brackets."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from math import inf
from random import Random
from typing import NamedTuple

from hindsight_rl.constraints.text.tokens import tokens
from hindsight_rl.data.compose.draft import Draft, Retry

_RUN = re.compile(r"\S+")
_LETTERS = re.compile(r"(?!i>)[^\W\d_]+")  # not the tag <i>
_PREFER_SENTENCES = 0.6  # how often paragraphs break between sentences where they can


@dataclass(eq=False)
class Piece:
    """One or more words with what stands before them. keep: in this case. plain: a filler, free to be replaced."""

    text: str
    before: str = " "
    keep: bool = False
    plain: bool = False


@dataclass(eq=False)
class Sentence:
    """Words with a given place at the start and at the end, others between them, and a mark (or none)."""

    prefix: list[Piece] = field(default_factory=list)
    free: list[Piece] = field(default_factory=list)
    suffix: list[Piece] = field(default_factory=list)
    mark: str = "."

    @property
    def pieces(self) -> list[Piece]:
        return [*self.prefix, *self.free, *self.suffix]

    @property
    def tokens(self) -> int:
        """How many words and marks."""
        return sum(len(tokens(piece.text)) for piece in self.pieces) + len(self.mark)


def all_pieces(sentences: Iterable[Sentence]) -> list[Piece]:
    """The pieces of all sentences."""
    return [piece for sentence in sentences for piece in sentence.pieces]


class Spot(NamedTuple):
    """Where a paragraph may begin. opens: the index of the sentence that begins there, else None."""

    order: int
    piece: Piece
    opens: int | None
    bare: bool  # no word has to be the first of the sentence


def break_paragraphs(draft: Draft, sentences: list[Sentence], rng: Random) -> None:
    """Put a divider or a blank line before some of the pieces; raises :class:`Retry` where there is no room."""
    starred, blank = int(max(draft.starred.low - 1, 0)), int(max(draft.blocks.low - 1, 0))
    if not starred and not blank:
        return
    starts, inside = _spots(sentences)
    rng.shuffle(inside)
    spots = [*starts, *inside] if not draft.ringed else list(starts)
    if rng.random() > _PREFER_SENTENCES:
        rng.shuffle(spots)
    if draft.composition:
        size = draft.composition[0]
        fit = [spot for spot in starts if spot.opens is not None and spot.opens % size == 0]
    else:
        fit = [spot for spot in spots if spot.bare or draft.ringed]
    if len(fit) < starred:
        raise Retry("nowhere to break paragraphs")
    divider = " *** " if draft.hyphens or draft.one_line else "\n***\n"
    chosen = [(spot.piece, divider) for spot in fit[:starred]]
    if blank:
        taken = {spot.order for spot in fit[:starred]}
        left = [spot for spot in spots if spot.order not in taken and spot.piece.before == " "]
        if draft.bulleted_end:
            left = [spot for spot in starts if spot.opens == len(sentences) - 2]
        chosen += [(piece, "\n\n") for piece in _blank_lines(draft, left, blank, rng)]
    for piece, before in chosen:
        piece.before = before if piece.before == " " else before.rstrip() + piece.before


def _spots(sentences: list[Sentence]) -> tuple[list[Spot], list[Spot]]:
    """Before sentences, and inside them before words whose place is free."""
    starts, inside = [], []
    order = 0
    for at, sentence in enumerate(sentences):
        held = len(sentence.prefix)
        for place, piece in enumerate(sentence.pieces):
            if place == 0 and at:
                starts.append(Spot(order, piece, at, not held))
            elif held <= place < held + len(sentence.free) and order:
                inside.append(Spot(order, piece, None, True))
            order += 1
    return starts, inside


def _blank_lines(draft: Draft, left: list[Spot], blank: int, rng: Random) -> list[Piece]:
    """The pieces that blank lines go before; those that open a paragraph whose first word is given become it."""
    given = {at - 2: word for at, word in draft.block_first.items() if at > 1}
    for _ in range(20):
        picks = sorted(left[:blank], key=lambda spot: spot.order)
        if len(picks) < blank:
            break
        pieces = {at: picks[at].piece for at in given}
        if all(piece.text == given[at] or (piece.plain and picks[at].bare) for at, piece in pieces.items()):
            for at, piece in pieces.items():
                piece.text = given[at]
            return [spot.piece for spot in picks]
        rng.shuffle(left)
    raise Retry("nowhere to begin a paragraph")


def rendered(draft: Draft, sentences: list[Sentence]) -> str:
    """The text."""
    parts: list[str] = []
    for at, sentence in enumerate(sentences):
        if not sentence.pieces:
            raise Retry("an empty sentence")
        said = "".join(piece.before + _cased(draft, piece, not place) for place, piece in enumerate(sentence.pieces))
        if draft.bulleted_end and at >= len(sentences) - 2:
            said = ("\n\n* " if said.startswith("\n\n") else "\n* ") + said.lstrip()
        if at == 0:
            said = said.lstrip(" \n")
        elif draft.hyphens:
            said = "-" + said.lstrip(" ")
        parts.append(said + sentence.mark)
    text = "".join(parts)
    if draft.bigrams and draft.palindrome:
        if len(text.split()) % 2:
            raise Retry("the last word is not alone")
        text += " noon"
    if draft.case:
        text = text.upper() if draft.case == "upper" else text.lower()
    if draft.bracketed:
        text = _RUN.sub(r"[\g<0>]", text)
    if draft.bigrams:
        text = _wrapped(text)
    return f'"{text}"' if draft.quoted else text


def _cased(draft: Draft, piece: Piece, first: bool) -> str:
    if piece.keep:
        return piece.text
    if draft.lowercase.high < inf:
        return _LETTERS.sub(lambda word: word[0].title(), piece.text)
    return piece.text[:1].upper() + piece.text[1:] if first else piece.text


def _wrapped(text: str) -> str:
    """Every two words in angular brackets; the last one of an odd number stands alone."""
    runs = list(_RUN.finditer(text))
    made: list[str] = []
    end = 0
    for at, run in enumerate(runs):
        made.append(text[end : run.start()])
        alone = at == len(runs) - 1 and not at % 2
        made.append(run[0] if alone else run[0] + ">>" if at % 2 else "<<" + run[0])
        end = run.end()
    return "".join(made) + text[end:]
