"""Reads MulDimIF's constraints, [category, sub-category, text], into checkable ones.

A text that asks for something a program cannot find or measure is listed with the reason, never passed over::

    parse("Length", "Words", "The answer must be at most 50 words").constraint
    report(rows).lines()

The sub-category says what a text is about; where a text demands more ("at most 50 words and two sentences"),
the data carry it once for each sub-category.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hindsight_rl.constraints.core import Checker, ConstraintError, constraint
from hindsight_rl.constraints.muldimif import content_texts, format_texts, language_texts
from hindsight_rl.constraints.muldimif.demand import Made, NotCheckable


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


# By what the text is about; the sub-category is tried first, then the category.
_READERS: dict[str, Callable[[str], Made]] = {
    "keywords": content_texts.keywords,
    "mention": content_texts.keywords,
    "punctuation": content_texts.punctuation,
    "ending punctuation": content_texts.punctuation,
    "identifiers": content_texts.identifier,
    "words": content_texts.words,
    "word count": content_texts.words,
    "blurb": content_texts.words,
    "sentences": content_texts.sentences,
    "paragraphs": content_texts.paragraphs,
    "table": format_texts.table,
    "row limit": format_texts.table,
    "column limit": format_texts.table,
    "markdown": format_texts.markdown,
    "heading levels": format_texts.markdown,
    "block quotes": format_texts.markdown,
    "json": format_texts.json_nesting,
    "object nesting levels": format_texts.json_nesting,
    "xml": format_texts.xml_attributes,
    "number of attributes": format_texts.xml_attributes,
    "text": format_texts.text_format,
    "bullet points": format_texts.text_format,
    "english": language_texts.english,
    "chinese": language_texts.chinese,
}


def _reader(category: str, sub_category: str) -> Callable[[str], Made] | None:
    names = (sub_category.partition(":")[0], category)
    return next((_READERS[name.strip().lower()] for name in names if name.strip().lower() in _READERS), None)
