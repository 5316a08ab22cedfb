"""Words and punctuation in the Penn Treebank convention, as ``nltk.word_tokenize`` gives them.

The convention decides almost everything inside one run of non-spaces, so runs are split one by one and
remembered: a response repeats most of its runs. The same tokens as NLTK 3.10 on the same sentences.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from itertools import chain

from hindsight_rl.constraints.text.sentences import sentences

_RUN = re.compile(r"\S+")
_CONTRACTION = re.compile(
    r"(?i)\b(?:(can)(not)|(gim)(me)|(gon)(na)|(got)(ta)|(lem)(me)|(d)('ye)|(more)('n))\b|\b(wan)(na)(?= )"
)
_TIS = re.compile(r"(?i)(?<= )('t)(is|was)\b")
_CONTRACTED = frozenset(["cannot", "gimme", "gonna", "gotta", "lemme", "wanna"])
_OPENING_MARKS = re.compile("[«“‘„]|`+")
_CLOSING_MARKS = re.compile("[»”’]")
_OPENING = re.compile(r"([ (\[{<])(\"|'')")
_APOSTROPHE = re.compile(r"(?i)(?<!\w)'(?!(?:re|ve|ll|m|t|s|d|n)\b)(?=\w)")
_LAST_STOP = re.compile(r"([^.])\.([\]\)}>\"'»”’ ]*)\Z")
_COLON = re.compile(r"([:,])(\D)")
_ALONE = re.compile(r"\.{2,}|--|[;@#$%&?!*\u2012-\u2015\]\[(){}<>]")
_CLITIC_1 = re.compile(r"([^' ])('[sSmMdD]|') ")
_CLITIC_2 = re.compile(r"([^' ])('ll|'LL|'re|'RE|'ve|'VE|n't|N'T) ")


def tokens(raw: str) -> list[str]:
    """Tokens of a text, sentence by sentence; straight double quotes come back as `` and ''."""
    return tokens_in(sentences(raw))


def tokens_in(split: Iterable[str]) -> list[str]:
    """The same of a text that is already split into sentences."""
    return list(chain.from_iterable(map(_of_sentence, split)))


def repeats(split: Iterable[str]) -> bool:
    """Whether some token of the sentences comes twice.

    Stops in the sentence where one does, which is early in nearly all texts: the tokens of a megabyte of
    punctuation take most of a second to make.
    """
    seen: set[str] = set()
    count = 0
    for found in map(_of_sentence, split):
        seen.update(found)
        count += len(found)
        if count > len(seen):
            return True
    return False


def _of_sentence(sentence: str) -> list[str]:
    found: list[str] = []
    last = len(sentence.rstrip())
    stop = len(sentence[:last].rstrip("])}>\"'»”’ "))
    if stop < last and _OPENING.search(sentence, stop, last):  # an opening quote hides the full stop
        stop = 0
    for match in _RUN.finditer(sentence):
        run = match[0]
        if run.isalnum() and run.lower() not in _CONTRACTED:
            found.append(run)
            continue
        start, end = match.span()
        before = sentence[start - 1] if start else ""
        split = _split if len(run) < 200 else _pieces
        found += split(run, before, start < stop <= end, end == last)
    return found


def capitals(raw: str) -> int:
    """How many of the tokens are all in capitals, without making the others."""
    count = 0
    for match in _RUN.finditer(raw):
        run = match.group()
        if run.islower():
            continue
        if run.isalnum():
            if run.isupper():
                count += 2 if run.lower() in _CONTRACTED else 1
        elif any(map(str.isupper, run)):
            if "'" in run and "." in run:  # whether a clitic is split off depends on where the sentence ends
                return sum(map(str.isupper, tokens(raw)))
            count += _capitals_in(run) if len(run) < 200 else sum(map(str.isupper, _pieces(run)))
    return count


@lru_cache(maxsize=50_000)
def _capitals_in(run: str) -> int:
    return sum(map(str.isupper, _pieces(run)))


@lru_cache(maxsize=50_000)
def _split(run: str, before: str, ends: bool, last: bool) -> tuple[str, ...]:
    return tuple(_pieces(run, before, ends, last))


def _pieces(run: str, before: str = " ", ends: bool = False, last: bool = False) -> list[str]:
    """Tokens of one run.

    before: the character in front ("" at the start of a sentence). ends: the sentence's last full stop may be
    here. last: nothing follows in the sentence.
    """
    ascii = run.isascii()
    text = _OPENING_MARKS.sub(_spaced, run) if not ascii or "`" in run else run
    if not before and text[0] == '"':
        text = "``" + text[1:]
    if "``" in text:
        text = text.replace("``", " `` ")
    if '"' in text or "''" in text:
        text = _OPENING.sub(_opened, " " + text if before == " " else text)
    if "'" in text:
        text = _APOSTROPHE.sub("' ", text)
    if ends:
        text = _LAST_STOP.sub(r"\1 . \2 ", text)
    if ":" in text or "," in text:
        text = _COLON.sub(r" \1 \2", text + ("" if last else " "))
        if text[-1] in ":,":
            text = f"{text[:-1]} {text[-1]} "
    text = " " + _ALONE.sub(_spaced, text) + " "
    if not ascii:
        text = _CLOSING_MARKS.sub(_spaced, text)
    if "'" in text:
        text = text.replace("''", " '' ")
    text = text.replace('"', " '' ")
    if "'" in text:
        text = _CLITIC_1.sub(_parted, text)
        text = _CLITIC_2.sub(_parted, text)
    if len(run) > 3 and run.lower() != run.upper():  # the shortest contraction is "'tis"
        text = _TIS.sub(_apart, _CONTRACTION.sub(_apart, text))
    return text.split()


def _spaced(match: re.Match[str]) -> str:
    # A function: the template r" \g<0> " is expanded in Python, at twice the cost.
    return f" {match[0]} "


def _opened(match: re.Match[str]) -> str:
    return f"{match[1]} `` "


def _parted(match: re.Match[str]) -> str:
    return f"{match[1]} {match[2]} "


def _apart(match: re.Match[str]) -> str:
    return " " + " ".join(part for part in match.groups() if part) + " "
