"""Reads MulDimIF's constraints, [category, sub-category, text], into checkable ones.

A text that asks for something a program cannot find or measure is listed with the reason, never passed over::

    parse("Length", "Words", "The answer must be at most 50 words").constraint
    report(rows).lines()

The sub-category says what a text is about; where a text demands more ("at most 50 words and two sentences"),
the data carry it once for each sub-category.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hindsight_rl.constraints.core import Checker, ConstraintError, constraint
from hindsight_rl.constraints.muldimif.prose import BETWEEN, NUMBER, QUOTED, bounds, number, quoted, scope


class NotCheckable(Exception):
    """Why a text is not one that a program can check."""


@dataclass(frozen=True)
class Parsed:
    """One constraint of a row: the checkable constraint, or ``None`` and the reason."""

    category: str
    sub_category: str
    text: str
    constraint: Checker | None
    reason: str = ""


@dataclass
class Report:
    """How many constraints of each sub-category parsed, and those that did not, by reason."""

    parsed: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    reasons: dict[str, list[str]] = field(default_factory=dict)

    def lines(self) -> list[str]:
        """The report as lines of text: a count for each sub-category, then each reason with its texts."""
        names = sorted(self.parsed.keys() | self.refused.keys())
        width = max(map(len, names), default=0)
        rows = [f"{name:<{width}}  {self.parsed[name]:>5} parsed  {self.refused[name]:>4} not" for name in names]
        for reason, texts in sorted(self.reasons.items()):
            rows.append(f"{len(texts)} not checkable: {reason}")
            rows.extend(f"    {text}" for text in texts)
        return rows


def parse(category: str, sub_category: str, text: str, where: str | None = None) -> Parsed:
    """The constraint that a text of a category asks for.

    where: "file:line" for the error that an unknown category raises (:class:`ConstraintError`).
    """
    reader = _reader(category, sub_category)
    if reader is None:
        place = f"{where}: " if where else ""
        raise ConstraintError(
            f"{place}unknown MulDimIF category {category!r} / {sub_category!r}; known: " + ", ".join(_READERS)
        )
    try:
        id, kwargs = reader(_plain(text))
        made = constraint(f"muldimif:{id}", {**kwargs, "text": text.strip()}, where)
    except NotCheckable as error:
        return Parsed(category, sub_category, text, None, str(error))
    except ConstraintError:
        return Parsed(category, sub_category, text, None, "its numbers contradict each other")
    return Parsed(category, sub_category, text, made)


def parse_row(row: Mapping[str, Any], where: str | None = None) -> list[Parsed]:
    """The constraints of one MulDimIF row, in order; raises :class:`ConstraintError` on a malformed row."""
    found = row.get("constraints")
    if not isinstance(found, Sequence) or not all(
        isinstance(item, Sequence) and len(item) == 3 and all(isinstance(part, str) for part in item) for item in found
    ):
        place = f"{where}: " if where else ""
        raise ConstraintError(f"{place}'constraints' must be a list of [category, sub-category, text]")
    return [parse(category, sub, text, where) for category, sub, text in found]


def report(rows: Iterable[Mapping[str, Any]]) -> Report:
    """What parses of a data set's rows."""
    result = Report()
    for index, row in enumerate(rows, 1):
        for item in parse_row(row, f"row {index}"):
            name = f"{item.category} / {item.sub_category}"
            if item.constraint is not None:
                result.parsed[name] += 1
            else:
                result.refused[name] += 1
                result.reasons.setdefault(item.reason, []).append(f"{name}: {item.text}")
    return result


def _plain(text: str) -> str:
    return text.strip().replace("’", "'").replace("：", ":")


def _given(low: int | None, high: int | None, prefix: str = "") -> dict[str, Any]:
    return {f"{prefix}{name}": bound for name, bound in (("low", low), ("high", high)) if bound is not None}


def _scoped(text: str, cells: bool = True) -> dict[str, str]:
    noun = scope(text, cells)
    return {"scope": noun} if noun else {}


# One reader a category: text -> (id, kwargs).

Made = tuple[str, dict[str, Any]]


def _length(id: str, noun: str) -> Callable[[str], Made]:
    def read(text: str) -> Made:
        found = bounds(text, noun)
        if found is None and re.search(
            rf"\b(?:a|one|single)\s+(?:single\s+)?(?:complete\s+)?(?:{noun})\b", text.lower()
        ):
            found = (1, 1)
        if found is None:
            raise NotCheckable(f"sets no number of {id.rpartition(':')[2]}")
        return id, {**_given(*found), **_scoped(text)}

    return read


_TIMES = re.compile(rf"(?:at least |minimum of )?(?:(twice)|(multiple) times|{NUMBER} times)", re.IGNORECASE)


def _keywords(text: str) -> Made:
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
    return "content:keywords", {**kwargs, **_scoped(text, cells=False)}


_MARK_NAMES = {
    r"periods?|full stops?|句号|句號": ".",
    r"question marks?|问号|問號": "?",
    r"exclamation (?:marks?|points?)|感叹号|感嘆號": "!",
    r"semicolons?|分号": ";",
    r"(?<!semi)colons?|冒号": ":",
    r"commas?|逗号": ",",
}


def _punctuation(text: str) -> Made:
    lower = text.lower()
    marks = [
        mark for names, mark in _MARK_NAMES.items() if re.search(rf"(?:\b|[^\w])(?:{names})(?:\b|$)|{names}$", lower)
    ]
    if not marks:
        raise NotCheckable("names no punctuation mark")
    if re.search(r"\b(?:avoid|must not (?:use|include|contain)|no|without|do not use)\b", lower):
        return "content:forbidden_marks", {"marks": marks}
    return "content:ending", {"marks": marks, **_scoped(text)}


def _identifier(text: str) -> Made:
    found = quoted(text)
    if not found or not re.search(r"\b(?:start|begin)s?\b", text, re.IGNORECASE):
        raise NotCheckable("names no identifier literally")
    if re.search(r"\bletter\b", text) and not re.search(r"\bthe (?:answer|response)\b", text, re.IGNORECASE):
        raise NotCheckable("is about a part of the response that a program cannot find")
    start = found[0] + (":" if re.search(re.escape(found[0]) + r":", text) else "")
    return "content:start", {"start": start, **_scoped(text)}


_OPTIONAL_TABLE = re.compile(
    r"\b(?:if|when|any|where)\b[^.]*\b(?:tables?|tabular)\b|\blimit (?:any |all )?tables?\b|\beach table\b"
)


def _table(text: str) -> Made:
    lower = text.lower()
    rows, columns = bounds(text, "rows?"), bounds(text, "columns?")
    if re.search(r"\bchapters?\b|table of contents", lower) and not re.search(r"table format|in a table", lower):
        raise NotCheckable("limits something other than a table")
    if rows and re.search(r"including the header", lower):
        rows = (rows[0] and rows[0] - 1, rows[1] and rows[1] - 1)
    if rows is None and columns is None:
        return _entries(text)
    if columns is None and re.search(r"\b(?:list|dataset|summary)\b", lower) and "tab" not in lower:
        return "format:entries", _given(*rows) if rows else {}
    kwargs = {**_given(*(rows or (None, None)), "rows_"), **_given(*(columns or (None, None)), "columns_")}
    names = re.search(r"columns?\b[^.]*?(?:[:,]|labell?ed|titled|including|named)\s*(?P<names>['\"].*)$", text)
    if columns and names:
        header = quoted(names["names"])
        if columns[0] == len(header) or columns[1] == len(header):
            kwargs["header"] = header
    if _OPTIONAL_TABLE.search(lower) or not re.search(r"\btables?\b|\btabular\b", lower):
        kwargs["required"] = False
    return "format:table", kwargs


def _entries(text: str) -> Made:
    if re.search(r"\b(?:per|each) (?:slide|question|skill)\b", text, re.IGNORECASE):
        raise NotCheckable("limits the entries of each part, which a program cannot tell apart")
    if re.search(r"\bscenes?\b|\bdiscussion\b", text, re.IGNORECASE):
        raise NotCheckable("limits something other than a table or a list")
    found = bounds(text, r"[\w-]+(?: [\w-]+)?")
    if found is None:
        raise NotCheckable("sets no number of rows, columns or entries")
    return "format:entries", _given(*found)


def _markdown(text: str) -> Made:
    lower = text.lower()
    if re.search(r"block ?quotes?", lower):
        return "format:block_quote", {}
    if "heading" not in lower and not re.search(r"\bsections?\b", lower):
        raise NotCheckable("names no heading and no block quote")
    examples = re.search(r"\b(?:such as|like|e\.g\.|for example)\b", lower)
    firm = text[: examples.start()] if examples else text
    titles = [word for word in quoted(firm) if not re.fullmatch(r"#+|#+ .*", word)]
    found = bounds(text, r"(?:different |distinct |sub)?(?:levels?|headings? levels?|headings?)")
    level_like = re.search(rf"{NUMBER}{BETWEEN}(?:different |distinct )?(?:heading )?levels?\b", lower) or re.search(
        rf"(?:different |distinct )?heading levels?[^.]{{0,12}}{NUMBER} levels?", lower
    )
    levels = _levels(firm)
    if re.search(r"\b(?:up to|not exceed|no deeper than)\s+(?:heading )?level\b", lower) and levels:
        return "format:heading_levels", {"deepest": int(max(levels))}
    if level_like and found and not (len(levels) > 1):
        return "format:heading_levels", _given(*found)
    if len(levels) > 1:
        exact = bool(found and found[0] == found[1] == len(levels))
        return "format:heading_levels", {"levels": levels, **(_given(*found) if exact and found else {})}
    if levels:
        title = titles[0] if titles and re.search(r"\b(?:titled?|named|called|with)\b", firm.lower()) else None
        return "format:heading", {"level": int(levels[0]), **({"title": title} if title else {})}
    if re.search(r"\bmain heading\b", lower) and re.search(r"\bsub-?headings?\b", lower):
        return "format:heading_levels", {"low": 2}
    if titles:
        return "format:sections", {"low": len(titles), "titles": titles}
    if found and not level_like:
        return "format:sections", {"low": found[0] or 1}
    several = re.search(r"\bheadings\b|\blevels\b|\bsections\b", lower)
    return "format:sections", {"low": 2} if several else {}


def _levels(text: str) -> list[str]:
    """The heading levels that a text names: "level 2", "levels 1 and 2", "H2", "'##'"."""
    lower = text.lower()
    found: list[str] = []
    for match in re.finditer(
        r"\blevels?[\s-]+((?:h?[1-6](?:st|nd|rd)?(?:,\s*|\s+and\s+|\s+or\s+|,\s*and\s+)?)+)(?![\d%])", lower
    ):
        found += re.findall(r"[1-6]", match[1])
    found += re.findall(r"\bh([1-6])\b", lower)
    found += re.findall(r"\b([1-6])(?:st|nd|rd|th)?[- ]level heading", lower)
    found += [str(len(match[1])) for match in re.finditer(r"(?<![#\w])(#{1,6})(?![#\w])", text)]
    for word, digit in (("one", "1"), ("two", "2"), ("three", "3")):
        if re.search(rf"\b(?:heading )?level {word}\b", lower):
            found.append(digit)
    return sorted(set(found))


def _json(text: str) -> Made:
    found = bounds(text, r"(?:object )?(?:nesting )?levels?|nested levels?")
    if found is None:
        exact = re.search(rf"nesting levels?\s+(?:of|must be|exactly)\s+{NUMBER}", text.lower())
        most = re.search(rf"nesting levels?[^.]*?exceed(?:ing)?\s+{NUMBER}", text.lower())
        if exact:
            found = (number(exact[1]), number(exact[1]))
        elif most:
            found = (None, number(most[1]))
        else:
            raise NotCheckable("sets no number of nesting levels")
    elif found[0] is None and re.search(rf"nesting level of {NUMBER}", text.lower()):
        found = (found[1], found[1])
    return "format:json_nesting", _given(*found)


def _xml(text: str) -> Made:
    found = bounds(text, "attributes?")
    if found is None:
        exact = re.search(rf"attributes must be (?:exactly )?{NUMBER}", text.lower())
        if not exact:
            raise NotCheckable("sets no number of attributes")
        found = (number(exact[1]), number(exact[1]))
    kwargs: dict[str, Any] = _given(*found)
    if not re.search(r"\beach\b|\bevery\b|\bexactly\b|\bany\b", text.lower()):
        kwargs["each"] = False
    if re.match(r"(?:if|any)\b", text.lower()):
        kwargs["required"] = False
    return "format:xml_attributes", kwargs


def _text_format(text: str) -> Made:
    if re.search(r"\b(?:no|not|avoid|without)\b.*\bbullets?\b", text.lower()):
        return "format:no_bullets", {}
    raise NotCheckable("needs a reader's judgement")


# What stands for the whole response in a demand about capitals; other nouns name a part of it.
_PART_IN_CAPITALS = re.compile(
    r"\b(?:names? of (?:these|the)|(?:drink|player|technique|team|each) (?:name|technique)s?\b|titles? of"
    r"|section titles?|titles, authors|usernames|\burl\b|article's title|names? (?:is|are) presented"
    r"|each name\b|names and descriptions|technique's name|the names\b|word in the name)"
)


def _english(text: str) -> Made:
    lower = text.lower()
    if re.search(r"lower-? ?case|small letters", lower):
        case = "lowercase"
    elif re.search(r"upper-? ?case|all caps|all capital|fully capitalized|entirely in capital", lower):
        case = "uppercase"
    elif re.search(r"capital", lower):
        case = "capitalized"
    else:
        raise NotCheckable("names no case of letters")
    part = ""
    if re.search(r"\bheadings?\b", lower):
        part = "heading"
    elif re.search(r"\bjson keys\b", lower):
        part = "key"
    elif re.search(r"\btable entries\b|\bin the table\b", lower):
        part = "cell"
    elif _PART_IN_CAPITALS.search(lower):
        raise NotCheckable("is about a part of the response that a program cannot find")
    elif not re.search(r"\beach \w+ and\b", lower):
        part = scope(text)
    return "language:case", {"case": case, **({"scope": part} if part else {})}


def _chinese(text: str) -> Made:
    if re.search(r"traditional|繁體|繁体", text, re.IGNORECASE):
        return "language:chinese", {"script": "traditional"}
    if re.search(r"simplified|简体|簡體", text, re.IGNORECASE):
        return "language:chinese", {"script": "simplified"}
    return "language:chinese", {}


_words = _length("length:words", r"words?|characters? in chinese")
_sentences = _length("length:sentences", r"sentences?")
_paragraphs = _length("length:paragraphs", r"paragraphs?")

# By what the text is about; the sub-category is tried first, then the category.
_READERS: dict[str, Callable[[str], Made]] = {
    "keywords": _keywords,
    "mention": _keywords,
    "punctuation": _punctuation,
    "ending punctuation": _punctuation,
    "identifiers": _identifier,
    "words": _words,
    "word count": _words,
    "blurb": _words,
    "sentences": _sentences,
    "paragraphs": _paragraphs,
    "table": _table,
    "row limit": _table,
    "column limit": _table,
    "markdown": _markdown,
    "heading levels": _markdown,
    "block quotes": _markdown,
    "json": _json,
    "object nesting levels": _json,
    "xml": _xml,
    "number of attributes": _xml,
    "text": _text_format,
    "bullet points": _text_format,
    "english": _english,
    "chinese": _chinese,
}


def _reader(category: str, sub_category: str) -> Callable[[str], Made] | None:
    names = (sub_category.partition(":")[0], category)
    return next((_READERS[name.strip().lower()] for name in names if name.strip().lower() in _READERS), None)
