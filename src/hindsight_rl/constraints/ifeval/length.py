"""IFEval's ``length_constraints:``: sentences, paragraphs, words."""

from __future__ import annotations

import re
from typing import Any

from hindsight_rl.constraints.core import Checker, Param, register
from hindsight_rl.constraints.declare import bounded, count, related
from hindsight_rl.constraints.ifeval.conflicts import CONFLICTS
from hindsight_rl.constraints.ifeval.declare import ifeval, relation
from hindsight_rl.constraints.text.readings import is_word
from hindsight_rl.constraints.text.response import Text, as_text


@ifeval(
    "length_constraints:number_sentences",
    relation("relation"),
    count("num_sentences"),
    wording="Your response should contain {relation} {num_sentences} sentences.",
    achieved=bounded(lambda text, **_: len(text.sentences), "num_sentences", "relation", least=2),
)
def number_sentences(text: Text, relation: str, num_sentences: int) -> bool:
    return related(relation, len(text.sentences), num_sentences)


def _divided(text: Text) -> int:
    """Paragraphs between ``***`` dividers; 0 when one in the middle is empty."""
    parts = re.split(r"\s?\*\*\*\s?", text.raw)
    blank = [not part.strip() for part in parts]
    if any(blank[1:-1]):
        return 0
    return len(parts) - blank[0] - (blank[-1] if len(parts) > 1 else 0)


@ifeval(
    "length_constraints:number_paragraphs",
    count("num_paragraphs"),
    wording="There should be {num_paragraphs} paragraphs. Paragraphs are separated with the markdown divider: ***",
    achieved=lambda text, **_: {"num_paragraphs": count} if (count := _divided(text)) > 1 else None,
)
def number_paragraphs(text: Text, num_paragraphs: int) -> bool:
    return num_paragraphs > 0 and _divided(text) == num_paragraphs


@ifeval(
    "length_constraints:number_words",
    relation("relation"),
    count("num_words"),
    wording="Answer with {relation} {num_words} words.",
    achieved=bounded(lambda text, **_: len(text.words), "num_words", "relation", least=2),
)
def number_words(text: Text, relation: str, num_words: int) -> bool:
    return related(relation, len(text.words), num_words)


@register(
    "length_constraints:nth_paragraph_first_word",
    conflicts=CONFLICTS["length_constraints:nth_paragraph_first_word"],
)
class NthParagraphFirstWord(Checker):
    """The given number of paragraphs between blank lines; the n-th (from 1) starts with the word."""

    params = (
        Param("num_paragraphs", int, low=1),
        Param("nth_paragraph", int, low=1),
        Param("first_word", str),
    )
    wording = (
        "There should be {num_paragraphs} paragraphs. Paragraphs and only paragraphs are separated with each "
        "other by two new lines as if it was '\\n\\n' in python. "
        "Paragraph {nth_paragraph} must start with word {first_word}."
    )

    def validated(self) -> None:
        if self.values["nth_paragraph"] > self.values["num_paragraphs"]:
            raise ValueError("'nth_paragraph' must be at most 'num_paragraphs'")
        self.values["first_word"] = self.values["first_word"].lower()

    def follows(self, text: Text) -> bool:
        nth = self.values["nth_paragraph"]
        count, first = _paragraph(text, nth)
        return nth <= count == self.values["num_paragraphs"] and first == self.values["first_word"]

    def achieved(self, response: str | Text) -> dict[str, Any] | None:
        count, _ = _paragraph(as_text(response), 1)
        nth = min(self.values["nth_paragraph"], count)
        first = _paragraph(as_text(response), nth)[1] if count > 1 else None
        word = first is not None and is_word(first)
        return {"num_paragraphs": count, "nth_paragraph": nth, "first_word": first} if word else None


def _paragraph(text: Text, nth: int) -> tuple[int, str | None]:
    """The number of paragraphs between blank lines, and the first word of the n-th part; None if it has none."""
    paragraphs = text.raw.split("\n\n")
    count = sum(not part.isspace() for part in paragraphs if part)
    words = paragraphs[nth - 1].split(maxsplit=1) if nth <= len(paragraphs) else []
    if not words:
        return count, None
    first = re.split(r"[.,?!'\"]", words[0].lstrip("'").lstrip('"'), maxsplit=1)[0]
    return count, "".join(map(str.lower, first))
