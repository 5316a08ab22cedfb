"""Markup in a response: headings, tables, list items, paragraphs, JSON, XML; each read in linear time."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hindsight_rl.constraints.text.response import Text

_HEADING = re.compile(r" {0,3}(#{1,6})(?:[ \t]+|$)")
_ITEM = re.compile(r"([ \t]*)(?:[-*+\u2022]|\d{1,9}[.)])[ \t]+(?=\S)")
_FENCE = re.compile(r" {0,3}(```|~~~)")
# Possessive: without it, a "<" followed by a megabyte of letters would be tried at every split of the run.
_TAG = re.compile(r"<([A-Za-z_][\w.:-]*+)([^<>]*+)>")
_ATTRIBUTE = re.compile(r"=\s*+(?:\"[^\"]*+\"|'[^']*+')")
_JSON_TRIES = 8


@dataclass(frozen=True)
class Table:
    """A Markdown table: the header's cells and the rows below it (the delimiter row is neither)."""

    header: list[str]
    rows: list[list[str]]


def prose_lines(text: Text) -> list[str]:
    """The lines outside fenced code, where Markdown means what it says."""
    kept: list[str] = []
    fence = ""
    for line in text.lines:
        found = _FENCE.match(line)
        if found and (not fence or found[1] == fence):
            fence = "" if fence else found[1]
        elif not fence:
            kept.append(line)
    # A fence that is never closed would swallow the rest: read such a response as if it had none.
    return text.lines if fence else kept


def headings(text: Text) -> list[tuple[int, str]]:
    """(level, title) of each "#" heading, in order."""
    found = []
    for line in prose_lines(text):
        mark = _HEADING.match(line)
        if mark:
            found.append((len(mark[1]), line[mark.end() :].strip().rstrip("#").strip()))
    return found


def tables(text: Text) -> list[Table]:
    """The Markdown tables: runs of two or more lines with cells."""
    found: list[Table] = []
    run: list[list[str]] = []
    for line in [*text.lines, ""]:
        cells = _cells(line)
        if cells:
            run.append(cells)
            continue
        if len(run) > 1:
            found.append(Table(run[0], [row for row in run[1:] if not _is_delimiter(row)]))
        run = []
    return found


def _cells(line: str) -> list[str]:
    line = line.strip()
    if "|" not in line or not (line.startswith("|") or line.count("|") > 1 or _is_delimiter(line.split("|"))):
        return []
    return [cell.strip() for cell in line.removeprefix("|").removesuffix("|").split("|")]


def _is_delimiter(cells: list[str]) -> bool:
    return any("-" in cell for cell in cells) and all(not cell.strip(" \t:-") for cell in cells)


def items(text: Text) -> list[str]:
    """The outermost list items, each with the lines that belong to it."""
    lines = prose_lines(text)
    marks = [_ITEM.match(line) for line in lines]
    outer = min((len(mark[1].expandtabs(4)) for mark in marks if mark), default=0)
    found: list[list[str]] = []
    inside = False
    for line, mark in zip(lines, marks, strict=True):
        if mark and len(mark[1].expandtabs(4)) == outer:
            found.append([line[mark.end() :]])
            inside = True
        elif _HEADING.match(line) or (line.strip() and not line[0].isspace() and not mark):
            inside = False
        elif inside and line.strip():
            found[-1].append(line.strip())
    return ["\n".join(item) for item in found]


def paragraphs(text: Text) -> list[str]:
    """Blocks between blank lines that hold a word and are more than headings."""
    found: list[str] = []
    block: list[str] = []
    for line in [*text.lines, ""]:
        if line.strip():
            block.append(line)
            continue
        body = [kept for kept in block if not _HEADING.match(kept)]
        if any(character.isalnum() for kept in body for character in kept):
            found.append("\n".join(body))
        block = []
    return found


def sections(text: Text) -> list[str]:
    """What stands under each heading (with a word in it); the paragraphs where there is no heading."""
    found: list[list[str]] = []
    for line in prose_lines(text):
        if _HEADING.match(line):
            found.append([])
        elif found:
            found[-1].append(line)
    if not found:
        return paragraphs(text)
    bodies = ("\n".join(body).strip() for body in found)
    return [body for body in bodies if any(map(str.isalnum, body))]


def units(text: Text, scope: str) -> list[str]:
    """The parts of a response that "each `scope`" means; "" is the whole response.

    Sentence, paragraph, section, line, heading, cell, row and key mean themselves. Any other noun ("entry",
    "definition") means: a table's column headed with a word of it, else the table's rows, else the list's
    items, else the sections, else the paragraphs.
    """
    noun = scope.lower().strip()
    last = _singular(noun.split()[-1]) if noun else ""
    if not noun:
        found = [text.raw]
    elif last == "sentence":
        found = text.sentences
    elif last == "paragraph":
        found = paragraphs(text)
    elif last in ("section", "slide", "part", "chapter"):
        found = sections(text)
    elif last == "line":
        found = text.lines
    elif last in ("heading", "subheading"):
        found = [title for _, title in headings(text)]
    elif last == "cell":
        found = [cell for table in tables(text) for row in table.rows for cell in row]
    elif last == "key":
        found = [key for value in json_values(text) for key in _keys(value)]
    else:
        found = _entries(text, noun, last == "row")
    return [unit for unit in (part.strip() for part in found) if unit]


def _entries(text: Text, noun: str, whole_rows: bool) -> list[str]:
    found_tables = tables(text)
    if found_tables:
        words = {_singular(word) for word in noun.split()}
        column = [
            row[index]
            for table in ([] if whole_rows else found_tables)
            for index in _headed(table, words)
            for row in table.rows
            if index < len(row)
        ]
        return column or [" ".join(row) for table in found_tables for row in table.rows]
    return items(text) or sections(text)


def _headed(table: Table, words: set[str]) -> list[int]:
    names = [{_singular(word.strip("*_`")) for word in cell.lower().split()} for cell in table.header[:64]]
    return [index for index, name in enumerate(names) if name & words][:1]


def _singular(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word


def json_values(text: Text) -> list[Any]:
    """The JSON objects and arrays in a response: the whole of it, or what is fenced or embedded."""
    decoder = json.JSONDecoder()
    found: list[Any] = []
    raw, start = text.raw, 0
    # A failed try may read to the end, so their number is bounded; successes go on behind what they read.
    tries = 0
    while tries < _JSON_TRIES:
        spots = [spot for spot in (raw.find("{", start), raw.find("[", start)) if spot >= 0]
        if not spots:
            break
        start = min(spots)
        try:
            value, start = decoder.raw_decode(raw, start)
            if value:
                found.append(value)
        except (ValueError, RecursionError):
            start += 1
            tries += 1
    return found


def depth(value: Any) -> int:
    """Levels of nesting: 0 for a scalar, 1 for {"a": 1}, 2 for {"a": {"b": 1}}; without recursion."""
    deepest, todo = 0, [(value, 0)]
    while todo:
        value, above = todo.pop()
        if isinstance(value, dict):
            value = value.values()
        elif not isinstance(value, list):
            continue
        deepest = max(deepest, above + 1)
        todo.extend((inner, above + 1) for inner in value)
    return deepest


def _keys(value: Any) -> Iterator[str]:
    todo = [value]
    while todo:
        value = todo.pop()
        if isinstance(value, dict):
            yield from value
            todo.extend(value.values())
        elif isinstance(value, list):
            todo.extend(value)


def attributes(text: Text) -> list[int]:
    """The number of attributes of each XML element (its opening tag), in order."""
    return [len(_ATTRIBUTE.findall(tag[2])) for tag in _TAG.finditer(text.raw)]
