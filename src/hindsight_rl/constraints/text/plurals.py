"""Number agreement in descriptions: "at least 1 sentence", where the public wordings say "at least 1 sentences"."""

from __future__ import annotations

import re

_NOUNS = (
    *("words", "sentences", "paragraphs", "letters", "times", "placeholders", "sections", "points", "numbers"),
    *("pronouns", "conjunctions", "names", "headings", "attributes", "levels", "bullets"),
)
_SINGULAR = {noun: noun[:-1] for noun in _NOUNS} | {"entries": "entry"}
_PLURAL = {one: many for many, one in _SINGULAR.items()}
_BETWEEN = r"((?:(?:unique|different|coordinating|person|bullet|Markdown|more) )*)"
_ONE_MANY = re.compile(rf"(?<![\d.,-])1 {_BETWEEN}({'|'.join(_SINGULAR)})\b")
_ONE = re.compile(rf"(?<![\d.,-])1 {_BETWEEN}({'|'.join(_PLURAL)})\b")


def agreeing(text: str) -> str:
    """The text with a singular behind each "1"."""
    if "1 " not in text:
        return text
    return _ONE_MANY.sub(lambda found: f"1 {found[1]}{_SINGULAR[found[2]]}", text)


def as_published(text: str) -> str:
    """The text with a plural behind each "1", as the public data have it."""
    return _ONE.sub(lambda found: f"1 {found[1]}{_PLURAL[found[2]]}", text)
