"""Reads MulDimIF texts on format: tables, lists, headings, JSON, XML."""

from __future__ import annotations

import re
from typing import Any

from hindsight_rl.constraints.muldimif.demand import Made, NotCheckable, given
from hindsight_rl.constraints.muldimif.prose import BETWEEN, NUMBER, bounds, number, quoted

_OPTIONAL_TABLE = re.compile(
    r"\b(?:if|when|any|where)\b[^.]*\b(?:tables?|tabular)\b|\blimit (?:any |all )?tables?\b|\beach table\b"
)


def table(text: str) -> Made:
    """Rows and columns of a table, or entries of a list."""
    lower = text.lower()
    rows, columns = bounds(text, "rows?"), bounds(text, "columns?")
    if re.search(r"\bchapters?\b|table of contents", lower) and not re.search(r"table format|in a table", lower):
        raise NotCheckable("limits something other than a table")
    if rows and re.search(r"including the header", lower):
        rows = (rows[0] and rows[0] - 1, rows[1] and rows[1] - 1)
    if rows is None and columns is None:
        return _entries(text)
    if columns is None and re.search(r"\b(?:list|dataset|summary)\b", lower) and "tab" not in lower:
        return "format:entries", given(*rows) if rows else {}
    kwargs = {**given(*(rows or (None, None)), "rows_"), **given(*(columns or (None, None)), "columns_")}
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
    return "format:entries", given(*found)


def markdown(text: str) -> Made:
    """Headings, their levels, block quotes."""
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
        return "format:heading_levels", given(*found)
    if len(levels) > 1:
        exact = bool(found and found[0] == found[1] == len(levels))
        return "format:heading_levels", {"levels": levels, **(given(*found) if exact and found else {})}
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


def json_nesting(text: str) -> Made:
    """Levels of nesting in JSON."""
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
    return "format:json_nesting", given(*found)


def xml_attributes(text: str) -> Made:
    """Attributes of each XML element."""
    found = bounds(text, "attributes?")
    if found is None:
        exact = re.search(rf"attributes must be (?:exactly )?{NUMBER}", text.lower())
        if not exact:
            raise NotCheckable("sets no number of attributes")
        found = (number(exact[1]), number(exact[1]))
    kwargs: dict[str, Any] = given(*found)
    if not re.search(r"\beach\b|\bevery\b|\bexactly\b|\bany\b", text.lower()):
        kwargs["each"] = False
    if re.match(r"(?:if|any)\b", text.lower()):
        kwargs["required"] = False
    return "format:xml_attributes", kwargs


def text_format(text: str) -> Made:
    """No bullet points."""
    if re.search(r"\b(?:no|not|avoid|without)\b.*\bbullets?\b", text.lower()):
        return "format:no_bullets", {}
    raise NotCheckable("needs a reader's judgement")
