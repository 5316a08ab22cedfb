"""Properties of a response that only IFBench and IF-RLVR need, computed once per response."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import lru_cache
from string import punctuation
from typing import TypeVar

from hindsight_rl.constraints.text.response import Text
from hindsight_rl.constraints.text.words import without_last_marks

T = TypeVar("T")

# ASCII punctuation and the space: what the public evaluators trim from a word.
TRIM = punctuation + " "

_PUNCTUATION = re.compile("[" + re.escape(punctuation) + "]+")


def once(read: Callable[[Text], T]) -> Callable[[Text], T]:
    """Remember what `read` finds on the text itself, as ``cached_property`` does."""
    name = f"{read.__module__}.{read.__qualname__}"

    def remembered(text: Text) -> T:
        store = vars(text)
        if name not in store:
            store[name] = read(text)
        found: T = store[name]
        return found

    return remembered


def is_word(piece: str) -> bool:
    """A word to ask for: it has a letter, and begins and ends with a letter or a digit."""
    return piece[:1].isalnum() and without_last_marks(piece)[-1:].isalnum() and any(map(str.isalpha, piece))


def bare(raw: str) -> str:
    """The text without ASCII punctuation."""
    return _PUNCTUATION.sub("", raw)


@once
def bare_text(text: Text) -> str:
    return bare(text.raw)


@once
def bare_lower_words(text: Text) -> list[str]:
    """Words of the lower-cased text without its ASCII punctuation, split at white space."""
    return bare(text.lower).split()


@once
def pieces(text: Text) -> list[str]:
    """The text split at white space."""
    return text.raw.split()


@lru_cache(maxsize=4096)
def _fold(character: str) -> str:
    return "".join(part for part in unicodedata.normalize("NFKD", character) if part.isascii())


def ascii_only(raw: str) -> str:
    """The ASCII part of the compatibility decomposition: "São Tomé" becomes "Sao Tome".

    Character by character: decomposing a whole text sorts its combining marks, in time quadratic in the
    length of a run of them, and none of them is kept.
    """
    return raw if raw.isascii() else "".join(map(_fold, raw))


@once
def rule_sentences(text: Text) -> list[str]:
    """Sentences by IFEval's list of rules, which IF-RLVR and the IFBench of HiR's release use."""
    return split_by_rules(text.raw)


# A full stop that ends no sentence is written _DOT while the others are looked for, a sentence's end _END.
# The reference uses the same markers: a response that contains them is split there too.
_DOT, _END = "<prd>", "<stop>"
_LETTER = "[A-Za-z]"
_OPENERS = (
    r"(?:Mr|Mrs|Ms|Dr|Prof|Capt|Cpt|Lt|He\s|She\s|It\s|They\s|Their\s|Our\s|We\s|But\s|However\s"
    r"|That\s|This\s|Wherever)"
)
_COMPANY = "(?:Inc|Ltd|Jr|Sr|Co)"


def _dots(match: re.Match[str]) -> str:
    return match.group().replace(".", _DOT)


def _dots_then_end(match: re.Match[str]) -> str:
    return _dots(match) + _END


def _spaced_initial(match: re.Match[str]) -> str:
    return f" {match.group()[1]}{_DOT} "


def _stop_inside(match: re.Match[str]) -> str:
    """The dots before an opener stay, and a sentence ends at the last of them."""
    return match.group(1) + _END + match.group(2)


# Order matters: what an earlier rule consumed, a later one does not see.
_RULES: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...] = (
    (re.compile(r"(?:Mr|St|Mrs|Ms|Dr)\."), _dots),
    (re.compile(r"\.(?:com|net|org|io|gov|edu|me)"), _dots),
    (re.compile(r"[0-9]\.[0-9]"), _dots),
    (re.compile(r"\.{2,}"), _dots_then_end),
    (re.compile(r"Ph\.D\."), _dots),
    (re.compile(rf"\s{_LETTER}\. "), _spaced_initial),
    (re.compile(rf"([A-Z]\.[A-Z]\.(?:[A-Z]\.)?)( {_OPENERS})"), _stop_inside),
    (re.compile(rf"{_LETTER}\.{_LETTER}\.{_LETTER}\."), _dots),
    (re.compile(rf"{_LETTER}\.{_LETTER}\."), _dots),
    # The abbreviation of a company loses its full stop here: the reference drops it.
    (re.compile(rf"( {_COMPANY})\.( {_OPENERS})"), _stop_inside),
    (re.compile(rf" {_COMPANY}\."), _dots),
    (re.compile(rf" {_LETTER}\."), _dots),
)
_QUOTED_ENDS = ((".”", "”."), ('."', '".'), ('!"', '"!'), ('?"', '"?'))


def split_by_rules(raw: str) -> list[str]:
    """See :func:`rule_sentences`. Every rule looks a bounded distance ahead: the time is linear."""
    text = f" {raw}  ".replace("\n", " ")
    if "." in text:
        for pattern, rewritten in _RULES:
            text = pattern.sub(rewritten, text)
    for before, after in _QUOTED_ENDS:
        text = text.replace(before, after)
    for mark in ".?!":
        text = text.replace(mark, mark + _END)
    parts = [part.strip() for part in text.replace(_DOT, ".").split(_END)]
    return parts if parts[-1] else parts[:-1]
