"""MulDimIF's format constraints: Markdown headings, tables, lists and quotes, JSON, XML.

Registered by :mod:`.muldimif`, which also says what the words mean.
"""

from __future__ import annotations

import string
from typing import Any

from hindsight_rl.constraints.core import Param, register
from hindsight_rl.constraints.muldimif.base import (
    TEXT,
    MulDimIF,
    bounds_in_words,
    bounds_params,
    listed,
    moved,
    within,
)
from hindsight_rl.constraints.text import structure
from hindsight_rl.constraints.text.response import Text, as_text


@register("muldimif:format:heading")
class Heading(MulDimIF):
    """There is a heading, of the level and with the title if these are given."""

    params = (
        Param("level", int, low=1, high=6, required=False),
        Param("title", str, required=False),
        TEXT,
    )

    def sentence(self) -> str:
        level, title = self.values["level"], self.values["title"]
        of = f"level {level} " if level else ""
        return f"The response must include a {of}Markdown heading" + (f" titled '{title}'." if title else ".")

    def follows(self, text: Text) -> bool:
        level, title = self.values["level"], self.values["title"]
        return any(
            (not level or found == level) and (not title or _same_title(title, name))
            for found, name in structure.headings(text)
        )


def _same_title(asked: str, found: str) -> bool:
    return asked.casefold().strip(string.punctuation + " ") in found.casefold()


@register("muldimif:format:heading_levels")
class HeadingLevels(MulDimIF):
    """The headings use all of ``levels``, ``low`` to ``high`` different ones, and none below ``deepest``."""

    params = (
        Param("levels", list, low=1, high=6, required=False),
        *bounds_params("", 0),
        Param("deepest", int, low=1, high=6, required=False),
        TEXT,
    )

    def validated(self) -> None:
        low, high = self.values["low"], self.values["high"]
        if not self.kwargs.keys() & {"levels", "low", "high", "deepest"}:
            raise ValueError("needs one of 'levels', 'low', 'high', 'deepest'")
        if None not in (low, high) and low > high:
            raise ValueError("'low' is above 'high'")
        for level in self.values["levels"] or ():
            if level not in tuple("123456"):
                raise ValueError(f"the level {level!r} is not one of '1' to '6'")

    def sentence(self) -> str:
        parts = []
        low, high = self.values["low"], self.values["high"]
        if self.values["levels"]:
            parts.append("use Markdown headings of level " + " and ".join(self.values["levels"]))
        if low is not None or high is not None:
            parts.append(f"use {bounds_in_words(low, high)} levels of Markdown headings")
        if self.values["deepest"]:
            parts.append(f"use no Markdown heading below level {self.values['deepest']}")
        return f"The response must {' and '.join(parts)}."

    def follows(self, text: Text) -> bool:
        used = {level for level, _ in structure.headings(text)}
        return (
            used.issuperset(map(int, self.values["levels"] or ()))
            and within(len(used), self.values["low"], self.values["high"])
            and (self.values["deepest"] is None or (bool(used) and max(used) <= self.values["deepest"]))
        )


@register("muldimif:format:sections")
class Sections(MulDimIF):
    """There are at least ``low`` headings, among them the ``titles``."""

    params = (
        Param("low", int, low=1, required=False, default=1),
        Param("titles", list, low=1, required=False),
        TEXT,
    )

    def sentence(self) -> str:
        titles = f", among them {listed(self.values['titles'])}" if self.values["titles"] else ""
        return f"The response must have at least {self.values['low']} Markdown headings{titles}."

    def follows(self, text: Text) -> bool:
        names = [name for _, name in structure.headings(text)]
        return len(names) >= self.values["low"] and all(
            any(_same_title(title, name) for name in names) for title in self.values["titles"] or ()
        )

    def achieved(self, response: str | Text) -> dict[str, Any] | None:
        names = [name for _, name in structure.headings(as_text(response))]
        titles = [title for title in self.values["titles"] or () if any(_same_title(title, name) for name in names)]
        low = min(self.values["low"], len(names))
        return (
            {"low": low if low != self.values["low"] else self.kwargs.get("low"), "titles": titles or None}
            if names
            else None
        )


@register("muldimif:format:block_quote")
class BlockQuote(MulDimIF):
    """There is a Markdown block quote."""

    params = (TEXT,)

    def sentence(self) -> str:
        return "The response must use a Markdown block quote."

    def follows(self, text: Text) -> bool:
        return any(
            line.lstrip().startswith(">") and line.lstrip(" \t>").strip() for line in structure.prose_lines(text)
        )


@register("muldimif:format:no_bullets")
class NoBullets(MulDimIF):
    """There are no bulleted list items."""

    params = (TEXT,)

    def sentence(self) -> str:
        return "The response must not use bullet points."

    def follows(self, text: Text) -> bool:
        return not any(
            line.lstrip()[:1] in ("-", "*", "+", "\u2022") and line.lstrip()[1:2].isspace() for line in text.lines
        )


@register("muldimif:format:table")
class TableSize(MulDimIF):
    """Every table has a number of rows (header aside) and columns within the bounds and the named columns."""

    params = (
        *bounds_params("rows"),
        *bounds_params("columns"),
        Param("header", list, low=1, required=False),
        Param("required", bool, required=False, default=True),
        TEXT,
    )
    pairs = (("rows_low", "rows_high"), ("columns_low", "columns_high"))

    def sentence(self) -> str:
        parts = [
            f"{bounds_in_words(self.values[low], self.values[high])} {noun}"
            for noun, (low, high) in zip(("rows", "columns"), self.pairs, strict=True)
            if (self.values[low], self.values[high]) != (None, None)
        ]
        if self.values["header"]:
            parts.append(f"the columns {listed(self.values['header'])}")
        start = "The response must include a table with " if self.values["required"] else "Any table must have "
        return start + " and ".join(parts) + "."

    def _fits(self, table: structure.Table) -> bool:
        names = [cell.casefold() for cell in table.header]
        (rows_low, rows_high), (columns_low, columns_high) = self.pairs
        return (
            within(len(table.rows), self.values[rows_low], self.values[rows_high])
            and within(len(table.header), self.values[columns_low], self.values[columns_high])
            and all(any(title.casefold() in name for name in names) for title in self.values["header"] or ())
        )

    def follows(self, text: Text) -> bool:
        found = structure.tables(text)
        return all(self._fits(table) for table in found) and bool(found or not self.values["required"])

    def vacuous(self, response: str | Text) -> bool:
        return not structure.tables(as_text(response))


@register("muldimif:format:entries")
class Entries(MulDimIF):
    """The number of entries (rows of tables, else list items, else lines) lies within the bounds."""

    params = (*bounds_params(""), TEXT)
    pairs = (("low", "high"),)

    def sentence(self) -> str:
        return f"The response must list {bounds_in_words(self.values['low'], self.values['high'])} entries."

    def follows(self, text: Text) -> bool:
        return within(self._count(text), self.values["low"], self.values["high"])

    def _count(self, text: Text) -> int:
        count = sum(len(table.rows) for table in structure.tables(text)) or len(structure.items(text))
        return count or sum(1 for line in text.lines if line.strip())

    def achieved(self, response: str | Text) -> dict[str, Any] | None:
        count = self._count(as_text(response))
        low, high = moved(self.values["low"], self.values["high"], count, count)
        # Every text has an entry.
        return None if high is None and low == 1 != self.values["low"] else {"low": low, "high": high}


@register("muldimif:format:json_nesting")
class JsonNesting(MulDimIF):
    """There is a JSON object or array, and the deepest has a number of levels within the bounds."""

    params = (*bounds_params("", 1), TEXT)
    pairs = (("low", "high"),)

    def sentence(self) -> str:
        bounds = bounds_in_words(self.values["low"], self.values["high"])
        return f"The response must include JSON with {bounds} levels of nesting."

    def follows(self, text: Text) -> bool:
        deepest = max(map(structure.depth, structure.json_values(text)), default=0)
        return deepest > 0 and within(deepest, self.values["low"], self.values["high"])

    def achieved(self, response: str | Text) -> dict[str, Any] | None:
        deepest = max(map(structure.depth, structure.json_values(as_text(response))), default=0)
        low, high = moved(self.values["low"], self.values["high"], deepest, deepest)
        return {"low": low, "high": high} if deepest else None


@register("muldimif:format:xml_attributes")
class XmlAttributes(MulDimIF):
    """The attributes of each XML element (or, without ``each``, of all together) number within the bounds."""

    params = (
        *bounds_params(""),
        Param("each", bool, required=False, default=True),
        Param("required", bool, required=False, default=True),
        TEXT,
    )
    pairs = (("low", "high"),)

    def sentence(self) -> str:
        bounds = bounds_in_words(self.values["low"], self.values["high"])
        start = "The response must include XML; " if self.values["required"] else "If there is XML, "
        return (
            start
            + ("each element" if self.values["each"] else "its elements together")
            + f" must have {bounds} attributes."
        )

    def follows(self, text: Text) -> bool:
        found = structure.attributes(text)
        if not found:
            return not self.values["required"]
        counts = found if self.values["each"] else [sum(found)]
        return all(within(count, self.values["low"], self.values["high"]) for count in counts)

    def vacuous(self, response: str | Text) -> bool:
        return not structure.attributes(as_text(response))

    def achieved(self, response: str | Text) -> dict[str, Any] | None:
        found = structure.attributes(as_text(response))
        if not found:
            return None
        counts = found if self.values["each"] else [sum(found)]
        low, high = moved(self.values["low"], self.values["high"], min(counts), max(counts))
        return {"low": low, "high": high}
