"""MulDimIF's prose, read into constraints. The sentences are ours, in the manner of the data."""

import json
from pathlib import Path
from typing import Any

import pytest

from hindsight_rl.constraints.core import ConstraintError
from hindsight_rl.constraints.muldimif.parse import parse, parse_row, report

CASES: list[tuple[str, str, str, str, dict[str, Any]]] = [
    ("Length", "Words", "Use at most forty words", "length:words", {"high": 40}),
    ("Length", "Words", "Write 100 to 150 words, please", "length:words", {"low": 100, "high": 150}),
    ("Length", "Words", "The total must not exceed a maximum of 1,200 words", "length:words", {"high": 1200}),
    ("Length", "Words", "Use fewer than 10 words", "length:words", {"high": 9}),
    (
        "Length",
        "Words",
        "Each cell in the table holds no more than 5 words",
        "length:words",
        {"high": 5, "scope": "cell"},
    ),
    ("Length", "Words: At least", "Write 30 words or more", "length:words", {"low": 30}),
    ("Length", "Sentences", "Answer in a single sentence", "length:sentences", {"low": 1, "high": 1}),
    (
        "Length",
        "Sentences",
        "It needs at least 3 sentences to ensure clarity of each part",
        "length:sentences",
        {"low": 3},
    ),
    ("Length", "Sentences", "至少包含3个句子", "length:sentences", {"low": 3}),
    ("Length", "Sentences", "最多两句话", "length:sentences", {"high": 2}),
    ("Length", "Paragraphs", "exactly two paragraphs", "length:paragraphs", {"low": 2, "high": 2}),
    (
        "Content",
        "Keywords",
        "Mention the keywords 'Moore's law', \"bus\", and 'chip.'",
        "content:keywords",
        {"keywords": ["Moore's law", "bus", "chip"]},
    ),
    (
        "Content",
        "Keywords",
        "The keyword 'tin' must appear at least three times",
        "content:keywords",
        {"keywords": ["tin"], "times": 3},
    ),
    (
        "Content",
        "Keywords",
        "Every entry must include the word 'red' or 'blue'",
        "content:keywords",
        {"keywords": ["red", "blue"], "any": True, "scope": "entry"},
    ),
    (
        "Content",
        "Keywords",
        "Include the keyword 'tin' and avoid the keyword 'zinc'",
        "content:keywords",
        {"keywords": ["tin"], "forbidden": ["zinc"]},
    ),
    (
        "Content",
        "Punctuation",
        "Each sentence ends with a period or a question mark",
        "content:ending",
        {"marks": [".", "?"], "scope": "sentence"},
    ),
    ("Content", "Punctuation", "Do not use exclamation marks", "content:forbidden_marks", {"marks": ["!"]}),
    (
        "Content",
        "Identifiers",
        "Each tip must start with the word 'Tip:'",
        "content:start",
        {"start": "Tip:", "scope": "tip"},
    ),
    (
        "Format",
        "Table",
        "If a table is used, it must not exceed four rows and 3 columns",
        "format:table",
        {"rows_high": 4, "columns_high": 3, "required": False},
    ),
    (
        "Table",
        "Column limit",
        "Give a table with exactly two columns: 'Town' and 'Size'",
        "format:table",
        {"columns_low": 2, "columns_high": 2, "header": ["Town", "Size"]},
    ),
    ("Table", "Row limit", "A table with a row limit of five, please", "format:table", {"rows_high": 5}),
    ("Table", "Row limit", "The list must not exceed 7 rows", "format:entries", {"high": 7}),
    (
        "Format",
        "Markdown",
        "Start with a level 2 heading titled 'Plan'",
        "format:heading",
        {"level": 2, "title": "Plan"},
    ),
    (
        "Format",
        "Markdown",
        "Use at least two heading levels, such as '## A' and '### B'",
        "format:heading_levels",
        {"low": 2},
    ),
    (
        "Format",
        "Markdown",
        "Use '##' for main points and '###' for subpoints in headings",
        "format:heading_levels",
        {"levels": ["2", "3"]},
    ),
    (
        "Format",
        "Markdown",
        "No heading may go deeper: headings up to level 3",
        "format:heading_levels",
        {"deepest": 3},
    ),
    (
        "Format",
        "Markdown",
        "Use heading levels for sections, including 'Past' and 'Future'",
        "format:sections",
        {"low": 2, "titles": ["Past", "Future"]},
    ),
    ("Markdown", "Block quotes", "Put it in block quotes", "format:block_quote", {}),
    (
        "Format",
        "Json",
        "JSON whose object nesting levels must not exceed 2",
        "format:json_nesting",
        {"high": 2},
    ),
    (
        "XML",
        "Number of attributes",
        "Each XML element has at most two attributes",
        "format:xml_attributes",
        {"high": 2},
    ),
    ("Format", "Text", "No bullet points, please", "format:no_bullets", {}),
    ("Language", "English", "Each word must be capitalized", "language:case", {"case": "capitalized"}),
    (
        "Language",
        "English",
        "All headings must be fully capitalized",
        "language:case",
        {"case": "uppercase", "scope": "heading"},
    ),
    ("Language", "Chinese", "請使用繁體中文", "language:chinese", {"script": "traditional"}),
]


@pytest.mark.parametrize(("category", "sub", "text", "id", "kwargs"), CASES)
def test_parse(category: str, sub: str, text: str, id: str, kwargs: dict[str, Any]) -> None:
    made = parse(category, sub, text).constraint
    assert made is not None
    assert made.id == f"muldimif:{id}"
    assert made.kwargs == {**kwargs, "text": text}
    assert made.describe() == text


@pytest.mark.parametrize(
    ("category", "sub", "text", "reason"),
    [
        ("Content", "Keywords", "Include the names of the main players", "names no keyword literally"),
        ("Length", "Words", "Keep it short", "sets no number of words"),
        ("Length", "Words", "Use at least 9 words, between 5 and 0 words", "contradict"),
        ("Format", "Text", "Write in full sentences", "judgement"),
        ("Language", "English", "Each technique's name must be capitalized", "cannot find"),
    ],
)
def test_what_a_program_cannot_check_is_told_with_a_reason(category: str, sub: str, text: str, reason: str) -> None:
    parsed = parse(category, sub, text)
    if parsed.constraint is not None:
        assert reason == "contradict"  # read as a range, in order
    else:
        assert reason in parsed.reason


def test_unknown_category_and_malformed_rows_are_errors() -> None:
    with pytest.raises(ConstraintError, match=r"rows.json:7: unknown MulDimIF category 'Rhyme' / 'End'"):
        parse("Rhyme", "End", "It must rhyme", "rows.json:7")
    with pytest.raises(ConstraintError, match=r"rows.json:8: 'constraints' must be a list"):
        parse_row({"constraints": [["Length", "Words"]]}, "rows.json:8")


def test_the_published_test_file(shared_data: Path) -> None:
    rows = json.loads((shared_data / "muldimif" / "test.json").read_text(encoding="utf-8"))
    found = report(rows)
    total = sum(len(row["constraints"]) for row in rows)
    assert sum(found.parsed.values()) + sum(found.refused.values()) == total == 4180
    assert sum(found.refused.values()) <= 40
    assert sum(map(len, found.reasons.values())) == sum(found.refused.values())
    for row in rows:
        parsed = parse_row(row)
        assert [item.text for item in parsed] == [text for _, _, text in row["constraints"]]
        for item in parsed:
            assert (item.constraint is None) == bool(item.reason)
            if item.constraint:
                for response in ("", "A word.", "# H\n| a | b |\n|---|---|\n| c | d |\n- e", "\ud800{["):
                    assert item.constraint.check(response) in (True, False)
