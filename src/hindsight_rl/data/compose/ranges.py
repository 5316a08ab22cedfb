"""From which ranges the kwargs of composed constraints are drawn: one table, :data:`RANGES`.

Two columns: ``short``, where every constraint can be met in about 60 words, for small models and small budgets; and
``standard``, for answers of one to a few hundred words. An id without a short column is composed in standard only.
"""

from __future__ import annotations

from random import Random
from typing import Literal

from hindsight_rl.data.compose.draws import (
    REQUEST,
    Draws,
    Kwargs,
    between,
    choice,
    frequent,
    nth,
    number,
    related,
    span,
    word,
    words,
)
from hindsight_rl.data.compose.words import (
    COMMON_LETTERS,
    END_PHRASES,
    FREQUENT,
    LANGUAGE_WORDS,
    PHRASES,
    POSTSCRIPTS,
    SECTIONS,
    SEPARATORS,
)

Length = Literal["short", "standard"]
Family = Literal["ifeval", "if-rlvr", "ifbench"]

_NONE: Draws = ()
_LETTER = choice("letter", tuple(COMMON_LETTERS))

# id -> (short, standard); None: not composed at that length.
RANGES: dict[str, tuple[Draws | None, Draws | None]] = {
    # IFEval
    "keywords:existence": ((words("keywords", 1, 2),), (words("keywords", 1, 4),)),
    "keywords:frequency": (
        (word("keyword"), related("relation", "frequency", (1, 3), (2, 3))),
        (word("keyword"), related("relation", "frequency", (2, 5), (2, 4))),
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
    "length_constraints:nth_paragraph_first_word": ((nth(2, 3),), (nth(2, 6),)),
    "detectable_content:number_placeholders": (
        (number("num_placeholders", 1, 3),),
        (number("num_placeholders", 1, 6),),
    ),
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
    "combination:repeat_prompt": ((REQUEST,), (REQUEST,)),
    "startend:end_checker": ((choice("end_phrase", END_PHRASES),),) * 2,
    "change_case:capital_word_frequency": (
        (related("capital_relation", "capital_frequency", (1, 4), (2, 4)),),
        (related("capital_relation", "capital_frequency", (2, 15), (2, 15)),),
    ),
    "change_case:english_capital": (_NONE, _NONE),
    "change_case:english_lowercase": (_NONE, _NONE),
    "punctuation:no_comma": (_NONE, _NONE),
    "startend:quotation": (_NONE, _NONE),
    # IF-RLVR
    "copy:copy": ((REQUEST,), (REQUEST,)),
    "copy:copying_simple": ((REQUEST,), (REQUEST,)),
    "copy:copying_multiple": ((REQUEST, number("N", 2, 2)), (REQUEST, number("N", 2, 4))),
    "new:copy_span_idx": ((span(closed=False),),) * 2,
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
        (word("keyword"), related("relation", "frequency", (1, 3), (2, 3))),
        (word("keyword"), related("relation", "frequency", (2, 5), (2, 4))),
    ),
    "keywords:exclude_word_harder": ((frequent("keyword"),),) * 2,
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
    # IFBench
    "count:word_count_range": (
        (between("min_words", "max_words", 10, 60, 10),),
        (between("min_words", "max_words", 30, 300, 10),),
    ),
    "count:unique_word_count": ((number("N", 10, 30, 5),), (number("N", 20, 100, 5),)),
    "count:conjunctions": ((number("small_n", 2, 3),), (number("small_n", 2, 6),)),
    "count:person_names": ((number("N", 1, 3),), (number("N", 2, 10),)),
    "count:numbers": ((number("N", 1, 4),), (number("N", 1, 10),)),
    "count:punctuation": (_NONE, _NONE),
    "count:words_japanese": ((number("N", 2, 5),),) * 2,
    "count:pronouns": ((number("N", 2, 6),), (number("N", 3, 20),)),
    "count:keywords_multiple": ((word(*(f"keyword{at}" for at in range(1, 6))),),) * 2,
    "ratio:stop_words": ((number("percentage", 20, 50, 5),),) * 2,
    "ratio:sentence_type": (_NONE, _NONE),
    "ratio:sentence_balance": (_NONE, _NONE),
    "ratio:sentence_words": (_NONE, _NONE),
    "words:alphabet": (_NONE, _NONE),
    "words:vowel": (_NONE, _NONE),
    "words:consonants": (_NONE, _NONE),
    "words:palindrome": (_NONE, _NONE),
    "words:prime_lengths": (_NONE, _NONE),
    "words:start_verb": (_NONE, _NONE),
    "words:repeats": ((number("small_n", 1, 4),), (number("small_n", 2, 6),)),
    "words:odd_even_syllables": (_NONE, _NONE),
    "words:last_first": (_NONE, _NONE),
    "words:paragraph_last_first": (_NONE, _NONE),
    "words:no_consecutive": (_NONE, _NONE),
    "words:keywords_specific_position": (
        (word("keyword"), number("n", 1, 2), number("m", 1, 4)),
        (word("keyword"), number("n", 1, 5), number("m", 1, 8)),
    ),
    "words:words_position": ((word("keyword"),),) * 2,
    "sentence:keyword": ((word("word"), number("N", 1, 3)), (word("word"), number("N", 1, 8))),
    "sentence:increment": ((number("small_n", 1, 3),), (number("small_n", 1, 4),)),
    "sentence:alliteration_increment": (_NONE, _NONE),
    "format:emoji": (_NONE, _NONE),
    "format:parentheses": (_NONE, _NONE),
    "format:quotes": (_NONE, _NONE),
    "format:newline": (_NONE, _NONE),
    "format:line_indent": (_NONE, _NONE),
    "format:quote_unquote": (_NONE, _NONE),
    "format:list": ((choice("sep", SEPARATORS),),) * 2,
    "format:thesis": (_NONE, _NONE),
    "format:sub-bullets": (_NONE, _NONE),
    "format:no_bullets_bullets": (_NONE, _NONE),
    "format:title_case": (_NONE, _NONE),
    "format:output_template": (_NONE, _NONE),
    "format:no_whitespace": (_NONE, _NONE),
    "repeat:repeat_change": ((REQUEST,),) * 2,
    "repeat:repeat_simple": (_NONE, _NONE),
    "repeat:repeat_span": ((span(closed=True),),) * 2,
}


_IDS = tuple(RANGES)
_RLVR, _IFBENCH = _IDS.index("copy:copy"), _IDS.index("count:word_count_range")
FAMILY_IDS: dict[Family, tuple[str, ...]] = {
    "ifeval": _IDS[:_RLVR],
    "if-rlvr": _IDS[_RLVR:_IFBENCH],
    "ifbench": _IDS[_IFBENCH:],
}


# Which ids a small model meets now and then (2 % to 70 %, measured on SmolLM2-135M), and how much more often they are
# drawn at length short.
OFTEN = 3.0
_MET_NOW_AND_THEN = """
keywords:existence keywords:frequency keywords:forbidden_words keywords:letter_frequency
length_constraints:number_sentences length_constraints:number_words length_constraints:number_paragraphs
detectable_content:number_placeholders detectable_content:postscript detectable_format:number_bullet_lists
detectable_format:number_highlighted_sections detectable_format:title startend:end_checker startend:quotation
change_case:capital_word_frequency change_case:english_capital change_case:english_lowercase punctuation:no_comma
keywords:word_once keywords:exclude_word_harder paragraphs:paragraphs2 first_word:first_word_answer
last_word:last_word_answer count:lowercase_counting letters:letter_counting letters:letter_counting2
punctuation:punctuation_dot punctuation:punctuation_exclamation keywords:word_count_different_numbers
"""
_OFTEN = frozenset(_MET_NOW_AND_THEN.split())


def weight(id: str, length: Length) -> float:
    """How often an id is drawn, against 1 for most."""
    return OFTEN if length == "short" and id in _OFTEN else 1.0


def composed(id: str, length: Length) -> bool:
    """Whether the id is composed at this length."""
    return id in RANGES and RANGES[id][length == "standard"] is not None


def drawn(id: str, length: Length, rng: Random, task: str) -> Kwargs:
    """Kwargs for an id and a task."""
    kwargs: Kwargs = {}
    for draw in RANGES[id][length == "standard"] or ():
        kwargs |= draw.how(rng, task)
    return kwargs


def range_in_words(id: str, length: Length) -> str:
    """The range of an id in words."""
    draws = RANGES[id][length == "standard"]
    return "not composed" if draws is None else "; ".join(draw.says for draw in draws) or "no kwargs"
