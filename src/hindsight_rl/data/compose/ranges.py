"""From which ranges the kwargs of composed constraints are drawn: one table, :data:`RANGES`.

Two columns: ``short``, where every constraint can be met in about 60 words, for small models and small budgets; and
``standard``, for answers of one to a few hundred words. An id without a short column is composed in standard only.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any, Literal

from hindsight_rl.data.compose.words import (
    COMMON_LETTERS,
    END_PHRASES,
    FREQUENT,
    KEYWORDS,
    LANGUAGE_WORDS,
    PHRASES,
    POSTSCRIPTS,
    SECTIONS,
)

Length = Literal["short", "standard"]
Kwargs = dict[str, Any]
_WORD = re.compile(r"[a-z]{4,10}")
_IN_TASK = 0.4  # of keywords and forbidden words: how often one is taken from the task itself


@dataclass(frozen=True)
class Draw:
    """How one or several kwargs are drawn. says: the range in words. how: from random numbers and the task."""

    says: str
    how: Callable[[Random, str], Kwargs]


Draws = tuple[Draw, ...]


def number(name: str, low: int, high: int, step: int = 1) -> Draw:
    """A whole number from low to high."""
    by = f" by {step}" if step > 1 else ""
    return Draw(f"{name} {low}-{high}{by}", lambda rng, task: {name: rng.randrange(low, high + 1, step)})


def related(relation: str, name: str, at_least: tuple[int, ...], less_than: tuple[int, ...]) -> Draw:
    """ "at least" or "less than", and a number from the range (low, high[, step]) of that relation."""

    def how(rng: Random, task: str) -> Kwargs:
        most = rng.random() < 0.5
        low, high, step = (*(at_least if most else less_than), 1)[:3]
        return {relation: "at least" if most else "less than", name: rng.randrange(low, high + 1, step)}

    said = f"{name} at least {_range(at_least)}, less than {_range(less_than)}"
    return Draw(said, how)


def _range(given: tuple[int, ...]) -> str:
    return f"{given[0]}-{given[1]}" + (f" by {given[2]}" if len(given) > 2 else "")


def choice(name: str, values: tuple[Any, ...]) -> Draw:
    """One of the values."""
    shown = ", ".join(map(str, values)) if len(values) <= 6 else f"one of {len(values)}"
    return Draw(f"{name}: {shown}", lambda rng, task: {name: rng.choice(values)})


def words(name: str, low: int, high: int, stock: tuple[str, ...] = KEYWORDS, of: str = "nouns and verbs") -> Draw:
    """So many different words, some of them from the task."""

    def how(rng: Random, task: str) -> Kwargs:
        return {name: _picked(rng, task, rng.randint(low, high), stock)}

    return Draw(f"{name}: {_range((low, high))} {of}", how)


def word(*names: str) -> Draw:
    """A different keyword for each name, now and then one from the task."""

    def how(rng: Random, task: str) -> Kwargs:
        return dict(zip(names, _picked(rng, task, len(names), KEYWORDS), strict=True))

    return Draw(f"{', '.join(names)}: {len(KEYWORDS)} nouns and verbs, or from the task", how)


def _picked(rng: Random, task: str, count: int, stock: tuple[str, ...]) -> list[str]:
    told = sorted(set(_WORD.findall(task)))
    found: list[str] = []
    while len(found) < count:
        one = rng.choice(told if told and rng.random() < _IN_TASK else stock)
        if not any(one in other or other in one for other in found):
            found.append(one)
        elif set(told) >= set(found) and len(told) <= len(found):
            told = []
    return found


def _nth(low: int, high: int) -> Draw:
    def how(rng: Random, task: str) -> Kwargs:
        count = rng.randint(low, high)
        first = _picked(rng, task, 1, KEYWORDS)[0]
        return {"num_paragraphs": count, "nth_paragraph": rng.randint(1, count), "first_word": first}

    return Draw(f"num_paragraphs {low}-{high}, nth_paragraph up to it, first_word", how)


def _request(rng: Random, task: str) -> Kwargs:
    return {"prompt_to_repeat": task}


def _span(rng: Random, task: str) -> Kwargs:
    start = rng.randrange(1, max(2, len(task) // 2))
    return {"prompt_to_repeat": task, "n_start": start, "n_end": rng.randrange(start + 1, len(task) + 1)}


_NONE: Draws = ()
_REQUEST = Draw("prompt_to_repeat: the task", _request)
_LETTER = choice("letter", tuple(COMMON_LETTERS))

# id -> (short, standard); None: not composed at that length.
RANGES: dict[str, tuple[Draws | None, Draws | None]] = {
    # IFEval
    "keywords:existence": ((words("keywords", 1, 2),), (words("keywords", 1, 4),)),
    "keywords:frequency": (
        (word("keyword"), related("relation", "frequency", (1, 3), (1, 3))),
        (word("keyword"), related("relation", "frequency", (2, 5), (1, 4))),
    ),
    "keywords:forbidden_words": (
        (words("forbidden_words", 1, 3, FREQUENT, "frequent words"),),
        (words("forbidden_words", 1, 5, FREQUENT, "frequent words"),),
    ),
    "keywords:letter_frequency": (
        (_LETTER, related("let_relation", "let_frequency", (3, 15), (3, 15))),
        (_LETTER, related("let_relation", "let_frequency", (10, 60), (5, 40))),
    ),
    "language:response_language": (None, (choice("language", tuple(LANGUAGE_WORDS)),)),
    "length_constraints:number_sentences": (
        (related("relation", "num_sentences", (2, 5), (2, 5)),),
        (related("relation", "num_sentences", (3, 15), (2, 12)),),
    ),
    "length_constraints:number_paragraphs": ((number("num_paragraphs", 2, 3),), (number("num_paragraphs", 2, 6),)),
    "length_constraints:number_words": (
        (related("relation", "num_words", (10, 40, 5), (20, 60, 5)),),
        (related("relation", "num_words", (30, 300, 10), (20, 300, 10)),),
    ),
    "length_constraints:nth_paragraph_first_word": ((_nth(2, 3),), (_nth(2, 6),)),
    "detectable_content:number_placeholders": ((number("num_placeholders", 1, 3),), (number("num_placeholders", 1, 6),)),
    "detectable_content:postscript": ((choice("postscript_marker", POSTSCRIPTS),),) * 2,
    "detectable_format:number_bullet_lists": ((number("num_bullets", 1, 4),), (number("num_bullets", 2, 8),)),
    "detectable_format:constrained_response": (_NONE, _NONE),
    "detectable_format:number_highlighted_sections": (
        (number("num_highlights", 1, 3),),
        (number("num_highlights", 1, 6),),
    ),
    "detectable_format:multiple_sections": (
        (choice("section_spliter", SECTIONS), number("num_sections", 2, 3)),
        (choice("section_spliter", SECTIONS), number("num_sections", 2, 6)),
    ),
    "detectable_format:json_format": (_NONE, _NONE),
    "detectable_format:title": (_NONE, _NONE),
    "combination:two_responses": (_NONE, _NONE),
    "combination:repeat_prompt": ((_REQUEST,), (_REQUEST,)),
    "startend:end_checker": ((choice("end_phrase", END_PHRASES),),) * 2,
    "change_case:capital_word_frequency": (
        (related("capital_relation", "capital_frequency", (1, 4), (1, 4)),),
        (related("capital_relation", "capital_frequency", (2, 15), (2, 15)),),
    ),
    "change_case:english_capital": (_NONE, _NONE),
    "change_case:english_lowercase": (_NONE, _NONE),
    "punctuation:no_comma": (_NONE, _NONE),
    "startend:quotation": (_NONE, _NONE),
    # IF-RLVR
    "copy:copy": ((_REQUEST,), (_REQUEST,)),
    "copy:copying_simple": ((_REQUEST,), (_REQUEST,)),
    "copy:copying_multiple": ((_REQUEST, number("N", 2, 2)), (_REQUEST, number("N", 2, 4))),
    "new:copy_span_idx": ((Draw("a span of the task", _span),),) * 2,
    "copy:repeat_phrase": (
        (choice("phrase", PHRASES), number("small_n", 1, 2)),
        (choice("phrase", PHRASES), number("small_n", 2, 4)),
    ),
    "detectable_format:sentence_hyphens": (_NONE, _NONE),
    "detectable_format:square_brackets": (_NONE, _NONE),
    "detectable_format:bigram_wrapping": (_NONE, _NONE),
    "keywords:no_adjacent_consecutive": (_NONE, _NONE),
    "keywords:word_once": ((word("keyword"),),) * 2,
    "keywords:word_count_different_numbers": (
        (word("keyword"), related("relation", "frequency", (1, 3), (1, 3))),
        (word("keyword"), related("relation", "frequency", (2, 5), (1, 4))),
    ),
    "keywords:exclude_word_harder": (
        (Draw("keyword: frequent words, or from the task", lambda rng, task: {"keyword": _picked(rng, task, 1, FREQUENT)[0]}),),
    )
    * 2,
    "keywords:palindrome": (_NONE, _NONE),
    "keywords:keyword_specific_position": (
        (word("keyword"), number("n", 1, 2), number("m", 1, 4)),
        (word("keyword"), number("n", 1, 5), number("m", 1, 8)),
    ),
    "keywords:start_end": (_NONE, _NONE),
    "paragraphs:paragraphs": (_NONE, _NONE),
    "paragraphs:paragraphs2": (_NONE, _NONE),
    "first_word:first_word_sent": ((word("first_word"),),) * 2,
    "first_word:first_word_answer": ((word("first_word"),),) * 2,
    "last_word:last_word_sent": ((word("last_word"),),) * 2,
    "last_word:last_word_answer": ((word("last_word"),),) * 2,
    "count:lowercase_counting": ((number("N", 10, 50, 5),), (number("N", 10, 100, 5),)),
    "letters:letter_counting": (
        (related("relation", "N", (40, 160, 10), (80, 240, 10)),),
        (related("relation", "N", (100, 1000, 50), (100, 1000, 50)),),
    ),
    "letters:letter_counting2": (
        (_LETTER, related("let_relation", "let_frequency", (3, 15), (3, 15))),
        (_LETTER, related("let_relation", "let_frequency", (10, 60), (5, 40))),
    ),
    "count:counting_composition": (
        (number("n_sent", 1, 1), number("n_words", 5, 10)),
        (number("n_sent", 1, 4), number("n_words", 5, 12)),
    ),
    "count:count_unique": (_NONE, _NONE),
    "count:count_increment_word": ((word("keyword1", "keyword2"),),) * 2,
    "punctuation:punctuation_dot": (_NONE, _NONE),
    "punctuation:punctuation_exclamation": (_NONE, _NONE),
}


def composed(id: str, length: Length) -> bool:
    """Whether the id is composed at this length."""
    return id in RANGES and RANGES[id][length == "standard"] is not None


def drawn(id: str, length: Length, rng: Random, task: str) -> Kwargs:
    """Kwargs for an id and a task."""
    kwargs: Kwargs = {}
    for draw in RANGES[id][length == "standard"] or ():
        kwargs |= draw.how(rng, task)
    return kwargs


def told(id: str, length: Length) -> str:
    """The range of an id in words."""
    draws = RANGES[id][length == "standard"]
    return "not composed" if draws is None else "; ".join(draw.says for draw in draws) or "no kwargs"
