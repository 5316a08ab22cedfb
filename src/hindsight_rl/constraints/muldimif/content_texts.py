"""Reads MulDimIF texts on content and length: keywords, punctuation, the first words, numbers of words."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from hindsight_rl.constraints.muldimif.demand import Made, NotCheckable, given, scoped
from hindsight_rl.constraints.muldimif.prose import NUMBER, QUOTED, bounds, number, quoted


def _length(id: str, noun: str) -> Callable[[str], Made]:
    def read(text: str) -> Made:
        found = bounds(text, noun)
        if found is None and re.search(
            rf"\b(?:a|one|single)\s+(?:single\s+)?(?:complete\s+)?(?:{noun})\b", text.lower()
        ):
            found = (1, 1)
        if found is None:
            raise NotCheckable(f"sets no number of {id.rpartition(':')[2]}")
        return id, {**given(*found), **scoped(text)}

    return read


_TIMES = re.compile(rf"(?:at least |minimum of )?(?:(twice)|(multiple) times|{NUMBER} times)", re.IGNORECASE)


def keywords(text: str) -> Made:
    """Keywords that the response must, or must not, contain."""
    start = re.search(
        r"\b(?:key ?words?|terms?|words?|phrases?|names?|game|mention)\b|关键词|關鍵詞", text, re.IGNORECASE
    )
    if start is None or not quoted(text[start.start() :]):
        raise NotCheckable("names no keyword literally")
    if re.search(r"\b(?:transcription|translation) of\b", text, re.IGNORECASE):
        raise NotCheckable("asks for a transcription of what it quotes")
    if re.search(r"(?:such as|like|e\.g\.)\s+['\"]", text):
        raise NotCheckable("gives examples of what is to be included, not the words themselves")
    wanted, _, unwanted = re.sub(
        r"\b(?:must not|should not|avoids?|avoiding|excludes?|excluding|without)\b",
        "\0",
        text[start.start() :],
    ).partition("\0")
    if re.search(r"\b(?:must not|should not|do not|avoids?|exclude)\b", text[: start.start()], re.IGNORECASE):
        wanted, unwanted = "", wanted
    kwargs: dict[str, Any] = {}
    if quoted(wanted):
        kwargs["keywords"] = quoted(wanted)
    if quoted(unwanted):
        kwargs["forbidden"] = quoted(unwanted)
    if re.search(r"['\"] or (?:the \w+ )?['\"]", wanted):
        kwargs["any"] = True
    times = _TIMES.search(QUOTED.sub("", text))
    if times:
        often = 2 if times[1] or times[2] else number(times[3])
        if often > 1:
            kwargs["times"] = often
    return "content:keywords", {**kwargs, **scoped(text, cells=False)}


_MARK_NAMES = {
    r"periods?|full stops?|句号|句號": ".",
    r"question marks?|问号|問號": "?",
    r"exclamation (?:marks?|points?)|感叹号|感嘆號": "!",
    r"semicolons?|分号": ";",
    r"(?<!semi)colons?|冒号": ":",
    r"commas?|逗号": ",",
}


def punctuation(text: str) -> Made:
    """Marks that end the response or its parts, or that it must not contain."""
    lower = text.lower()
    marks = [
        mark for names, mark in _MARK_NAMES.items() if re.search(rf"(?:\b|[^\w])(?:{names})(?:\b|$)|{names}$", lower)
    ]
    if not marks:
        raise NotCheckable("names no punctuation mark")
    if re.search(r"\b(?:avoid|must not (?:use|include|contain)|no|without|do not use)\b", lower):
        return "content:forbidden_marks", {"marks": marks}
    return "content:ending", {"marks": marks, **scoped(text)}


def identifier(text: str) -> Made:
    """Words that the response or its parts start with."""
    found = quoted(text)
    if not found or not re.search(r"\b(?:start|begin)s?\b", text, re.IGNORECASE):
        raise NotCheckable("names no identifier literally")
    if re.search(r"\bletter\b", text) and not re.search(r"\bthe (?:answer|response)\b", text, re.IGNORECASE):
        raise NotCheckable("is about a part of the response that a program cannot find")
    start = found[0] + (":" if re.search(re.escape(found[0]) + r":", text) else "")
    return "content:start", {"start": start, **scoped(text)}


words = _length("length:words", r"words?|characters? in chinese")
sentences = _length("length:sentences", r"sentences?")
paragraphs = _length("length:paragraphs", r"paragraphs?")
