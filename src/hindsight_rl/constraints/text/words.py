"""Words as runs of letters and digits, and literal words found with a border beside each end that is a letter.

To ``\\w`` a combining mark (a vowel sign of Hindi, a point of Arabic or Hebrew, an accent that is a character of its
own) is no word character, so that a word would end in its middle. Here a mark belongs to the letter before it.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache, lru_cache

_ASCII_WORD = re.compile(r"\w+")
# Joiners stand inside words of Persian and of Indian scripts.
_JOINERS = "\u200c\u200d"


@cache
def marks() -> str:
    """The combining marks as the inside of a character class; variation selectors, which follow emoji, are none."""
    spans: list[list[int]] = []
    for code in range(0x300, 0x20000):
        if unicodedata.category(chr(code)) not in ("Mn", "Mc") or 0xFE00 <= code <= 0xFE0F:
            continue
        if spans and spans[-1][1] == code - 1:
            spans[-1][1] = code
        else:
            spans.append([code, code])
    return "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in spans)


@cache
def _marked_word() -> re.Pattern[str]:
    return re.compile(rf"\w[\w{marks()}{_JOINERS}]*")


def words(raw: str) -> list[str]:
    """Runs of letters, digits and underscores (IFEval's words), each with the marks that belong to it."""
    return (_ASCII_WORD if raw.isascii() else _marked_word()).findall(raw)


@cache
def _last_mark() -> re.Pattern[str]:
    return re.compile(rf"[{marks()}{_JOINERS}]+\Z")


def without_last_marks(word: str) -> str:
    """The word up to its last letter, without the marks on that letter."""
    return word if word.isascii() else _last_mark().sub("", word)


@lru_cache(maxsize=4096)
def _standing(word: str, ascii: bool) -> re.Pattern[str]:
    inside = r"[\w]" if ascii else rf"[\w{marks()}]"
    before = rf"(?<!{inside})" if re.match(r"\w", word) else ""
    after = rf"(?!{inside})" if re.search(r"\w\Z", without_last_marks(word)) else ""
    return re.compile(before + re.escape(word) + after, re.IGNORECASE)


def standing(word: str, raw: str) -> re.Match[str] | None:
    """The places where a literal word or phrase occurs as a whole in a text, in any case.

    A border is asked for beside a letter or digit only: "C++", "Ph.D." and an emoji end in something else, and next to
    that nothing is inside a word.
    """
    return _standing(word, raw.isascii()).search(raw)
