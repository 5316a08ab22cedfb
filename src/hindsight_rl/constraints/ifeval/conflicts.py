"""IFEval's 25 ids, and which of them cannot hold together."""

from __future__ import annotations

from collections.abc import Iterable

IDS = (
    "keywords:existence",
    "keywords:frequency",
    "keywords:forbidden_words",
    "keywords:letter_frequency",
    "language:response_language",
    "length_constraints:number_sentences",
    "length_constraints:number_paragraphs",
    "length_constraints:number_words",
    "length_constraints:nth_paragraph_first_word",
    "detectable_content:number_placeholders",
    "detectable_content:postscript",
    "detectable_format:number_bullet_lists",
    "detectable_format:constrained_response",
    "detectable_format:number_highlighted_sections",
    "detectable_format:multiple_sections",
    "detectable_format:json_format",
    "detectable_format:title",
    "combination:two_responses",
    "combination:repeat_prompt",
    "startend:end_checker",
    "change_case:capital_word_frequency",
    "change_case:english_capital",
    "change_case:english_lowercase",
    "punctuation:no_comma",
    "startend:quotation",
)


def _all_but(*kept: str) -> set[str]:
    return set(IDS) - set(kept)


def _symmetric(table: dict[str, Iterable[str]]) -> dict[str, frozenset[str]]:
    """The relation is symmetric. No id conflicts with itself, because ids repeat within a prompt."""
    pairs = {(a, b) for a, others in table.items() for b in others if a != b}
    pairs |= {(b, a) for a, b in pairs}
    return {id: frozenset(b for a, b in pairs if a == id) for id in IDS}


CONFLICTS = _symmetric(
    {
        "language:response_language": (
            "detectable_format:multiple_sections",
            "keywords:existence",
            "keywords:frequency",
            "keywords:forbidden_words",
            "startend:end_checker",
            "change_case:english_capital",
            "change_case:english_lowercase",
        ),
        "length_constraints:number_paragraphs": (
            "length_constraints:nth_paragraph_first_word",
            "length_constraints:number_sentences",
        ),
        "detectable_format:constrained_response": IDS,
        "detectable_format:json_format": _all_but("keywords:forbidden_words", "keywords:existence"),
        "detectable_format:multiple_sections": ("detectable_format:number_highlighted_sections",),
        "combination:two_responses": _all_but(
            "keywords:forbidden_words",
            "keywords:existence",
            "language:response_language",
            "detectable_format:title",
            "punctuation:no_comma",
        ),
        "combination:repeat_prompt": _all_but("keywords:existence", "detectable_format:title", "punctuation:no_comma"),
        "change_case:capital_word_frequency": (
            "change_case:english_lowercase",
            "change_case:english_capital",
        ),
        "change_case:english_lowercase": ("change_case:english_capital",),
        "startend:quotation": ("detectable_format:title",),
    }
)
