"""Pairs of constraints that are never combined, and why, in addition to the conflicts that the registry declares.

No witness is found for these pairs. The exceptions are those whose reason begins with :data:`CHOICE`: only contrived
texts satisfy them, or texts that satisfy the words but not the intention. Pairs that hold for some kwargs only are not
here: the search for a witness decides about each row.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from hindsight_rl.constraints.core import checker_class
from hindsight_rl.data.compose.ranges import FAMILY_IDS

CHOICE = "not worth asking: "

_LINES = "detectable_format:number_bullet_lists length_constraints:nth_paragraph_first_word paragraphs:paragraphs2"
_ENGLISH_WORDS = (
    "keywords:word_once keywords:word_count_different_numbers keywords:keyword_specific_position "
    "first_word:first_word_sent first_word:first_word_answer last_word:last_word_sent last_word:last_word_answer "
    "count:count_increment_word copy:repeat_phrase length_constraints:nth_paragraph_first_word"
)

_IFBENCH = " ".join(FAMILY_IDS["ifbench"])
_ONE_LINE = (
    "detectable_format:number_bullet_lists length_constraints:nth_paragraph_first_word paragraphs:paragraphs2 "
    "format:sub-bullets"
)

_ENGLISH_ELSEWHERE = "an English word in an answer that is in another language alone"

# IFBench's with IFEval's and IF-RLVR's, and among themselves.
_WITH_IFBENCH: tuple[tuple[str, str, str], ...] = (
    (
        "detectable_format:json_format combination:two_responses combination:repeat_prompt",
        _IFBENCH,
        CHOICE + "IFEval sets it apart from nearly all others",
    ),
    (
        "language:response_language",
        "count:conjunctions count:person_names count:pronouns count:keywords_multiple words:start_verb "
        "words:palindrome words:keywords_specific_position words:words_position sentence:keyword "
        "format:output_template ratio:stop_words",
        CHOICE + _ENGLISH_ELSEWHERE,
    ),
    (
        "words:consonants",
        "length_constraints:number_paragraphs detectable_content:postscript detectable_format:number_bullet_lists "
        "detectable_format:multiple_sections paragraphs:paragraphs count:counting_composition "
        "count:conjunctions count:person_names count:numbers count:pronouns words:palindrome format:emoji "
        "format:list format:sub-bullets format:no_bullets_bullets format:output_template",
        "a word, a number or a mark without two consonants in a row is asked for",
    ),
    (
        "words:prime_lengths",
        "detectable_format:multiple_sections startend:end_checker count:keywords_multiple format:emoji "
        "format:output_template",
        "a word of a length that is not prime is asked for",
    ),
    ("words:vowel", _ONE_LINE, "it wants one line"),
    ("words:vowel", "words:palindrome format:output_template", "the words asked for have more than three vowels"),
    (
        "words:paragraph_last_first",
        "detectable_content:postscript detectable_format:number_bullet_lists detectable_format:multiple_sections "
        "detectable_format:square_brackets format:list format:sub-bullets format:output_template format:emoji",
        "a line begins or ends with something that is not a word",
    ),
    (
        "format:sub-bullets",
        "length_constraints:number_paragraphs paragraphs:paragraphs detectable_format:number_highlighted_sections "
        "count:counting_composition",
        "each asterisk has to have a hyphen after it",
    ),
    ("format:sub-bullets", "detectable_format:sentence_hyphens", "sentences joined by hyphens leave no line break"),
    (
        "format:no_bullets_bullets",
        "length_constraints:number_paragraphs paragraphs:paragraphs detectable_format:sentence_hyphens "
        "detectable_format:square_brackets first_word:first_word_sent count:counting_composition count:count_unique "
        "format:sub-bullets",
        "lines of prose are followed by bullets and by nothing else, and a bullet stands before its first word",
    ),
    (
        "change_case:english_capital change_case:english_lowercase",
        "count:person_names format:output_template",
        "names and headings are written with a capital and small letters",
    ),
    (
        "count:punctuation",
        "first_word:first_word_sent last_word:last_word_sent count:counting_composition count:count_unique",
        "the interrobang is read as two marks, with a sentence between them",
    ),
    (
        "detectable_format:sentence_hyphens detectable_format:bigram_wrapping",
        "count:punctuation ratio:sentence_type ratio:sentence_balance words:last_first sentence:increment",
        "sentences without a space between them count as one",
    ),
    (
        "detectable_format:sentence_hyphens",
        "sentence:keyword words:keywords_specific_position",
        CHOICE + "sentences without a space between them count as one",
    ),
    (
        "detectable_format:square_brackets",
        "ratio:sentence_type ratio:sentence_balance words:last_first words:start_verb words:words_position "
        "format:output_template",
        "brackets around each word stand inside what the other has to find unbroken",
    ),
    (
        "detectable_format:bigram_wrapping",
        "words:start_verb words:words_position",
        "angular brackets stand inside what the other has to find unbroken",
    ),
    (
        "ratio:sentence_type ratio:sentence_balance",
        "punctuation:punctuation_dot",
        "it needs sentences that end in a full stop",
    ),
    (
        "ratio:sentence_balance",
        "punctuation:punctuation_exclamation",
        "it needs sentences that end in an exclamation mark",
    ),
    (
        "startend:quotation",
        "words:start_verb words:words_position format:quotes format:quote_unquote",
        "the quotation marks around the answer are read as part of it",
    ),
    (
        "words:start_verb",
        "first_word:first_word_sent first_word:first_word_answer",
        CHOICE + "each says what the first word is",
    ),
    (
        "format:emoji",
        "startend:end_checker keywords:start_end last_word:last_word_sent last_word:last_word_answer "
        "words:last_first words:words_position",
        CHOICE + "the emoji is the last word",
    ),
    ("words:words_position", "startend:end_checker", "the end phrase holds the last but one word"),
    ("sentence:increment", "count:counting_composition", "sentences as long as one another cannot grow"),
    (
        "count:counting_composition",
        "format:quotes format:parentheses format:thesis",
        CHOICE + "brackets and quotation marks count as words of a sentence",
    ),
    ("format:thesis", "change_case:english_capital format:title_case", "the tag <i> is a small letter"),
    (
        "format:title_case",
        "copy:repeat_phrase keywords:keyword_specific_position",
        "the word or phrase is in lower case and looked for in that case",
    ),
    ("words:repeats", "count:keywords_multiple", "a keyword comes seven times"),
    (
        "count:count_unique",
        "count:keywords_multiple ratio:sentence_type words:words_position format:parentheses format:quotes format:list "
        "format:thesis format:output_template",
        "a word or a mark has to come twice",
    ),
)

# (ids, ids, why each of the first cannot hold together with each of the second)
_REASONS: tuple[tuple[str, str, str], ...] = (
    (
        "detectable_format:square_brackets",
        "first_word:first_word_sent first_word:first_word_answer keywords:start_end keywords:palindrome "
        "startend:quotation startend:end_checker length_constraints:nth_paragraph_first_word",
        "the answer and every word of it start and end with a bracket",
    ),
    (
        "detectable_format:square_brackets",
        "detectable_format:number_bullet_lists detectable_format:multiple_sections copy:repeat_phrase "
        "detectable_format:sentence_hyphens count:counting_composition detectable_format:bigram_wrapping",
        "brackets around each word stand inside what the other has to find unbroken, or count as words there",
    ),
    (
        "detectable_format:bigram_wrapping",
        "first_word:first_word_sent first_word:first_word_answer keywords:start_end startend:end_checker "
        "startend:quotation",
        "the answer starts with << and most of its words touch an angular bracket",
    ),
    (
        "detectable_format:bigram_wrapping",
        "copy:repeat_phrase count:counting_composition count:count_unique",
        "angular brackets stand inside what the other has to find unbroken, or count as words there",
    ),
    (
        "detectable_format:bigram_wrapping",
        "length_constraints:nth_paragraph_first_word detectable_format:number_bullet_lists "
        "detectable_format:sentence_hyphens keywords:keyword_specific_position "
        "words:keywords_specific_position sentence:keyword",
        CHOICE + "it holds only where the pairs of words happen to break",
    ),
    (
        "detectable_format:square_brackets",
        "keywords:keyword_specific_position words:keywords_specific_position",
        CHOICE + "every bracket counts as a word",
    ),
    (
        "detectable_format:sentence_hyphens",
        f"{_LINES} count:counting_composition",
        "sentences joined by hyphens leave no line break between them",
    ),
    (
        "detectable_format:sentence_hyphens",
        "first_word:first_word_sent",
        "a hyphen stands before the first word of all sentences but one",
    ),
    (
        "startend:quotation",
        "first_word:first_word_sent first_word:first_word_answer keywords:start_end",
        "the answer starts with a quotation mark, which belongs to its first word",
    ),
    (
        "count:count_unique",
        "length_constraints:number_paragraphs paragraphs:paragraphs detectable_format:number_highlighted_sections "
        "detectable_format:title",
        "an asterisk or an angular bracket that is written twice counts as a repeated word",
    ),
    (
        "count:count_unique",
        "detectable_format:square_brackets copy:repeat_phrase count:count_increment_word first_word:first_word_sent "
        "last_word:last_word_sent",
        "a word or a mark has to come twice",
    ),
    (
        "count:count_unique",
        "keywords:start_end words:last_first words:paragraph_last_first",
        CHOICE + "a word comes twice, once with a capital letter",
    ),
    ("detectable_content:postscript", "punctuation:punctuation_dot", "the postscript's mark holds full stops"),
    ("detectable_format:multiple_sections", "change_case:english_lowercase", "the section mark has a capital letter"),
    (
        "change_case:english_capital",
        "copy:repeat_phrase keywords:keyword_specific_position",
        "the word or phrase is in lower case and looked for in that case",
    ),
    (
        "startend:end_checker",
        "last_word:last_word_sent last_word:last_word_answer",
        CHOICE + "each says what the last word is",
    ),
    ("last_word:last_word_sent", "last_word:last_word_answer", CHOICE + "each says what the last word is"),
    (
        "first_word:first_word_sent",
        "count:counting_composition",
        "the divider between paragraphs is the first word of the sentence after it",
    ),
    ("language:response_language", _ENGLISH_WORDS, CHOICE + _ENGLISH_ELSEWHERE),
    *_WITH_IFBENCH,
)

_COPIES = "copy:copy copy:copying_simple copy:copying_multiple new:copy_span_idx"
_REPEATS = "repeat:repeat_change repeat:repeat_simple repeat:repeat_span"
_EVERY_WORD = (
    "count:words_japanese words:alphabet words:odd_even_syllables ratio:sentence_words format:newline "
    "format:line_indent format:no_whitespace sentence:alliteration_increment"
)

# Composed by themselves only; the reason.
ALONE: dict[str, str] = {
    **dict.fromkeys(f"{_COPIES} {_REPEATS}".split(), "the whole answer is laid down"),
    **dict.fromkeys(_EVERY_WORD.split(), "it lays down every word or line of the answer"),
}
# Composed only when asked for by id; the reason.
ON_REQUEST: dict[str, str] = {
    "detectable_format:constrained_response": "it needs a question that yes, no or maybe answers",
}
# Of IFBench, never composed; the reason.
LEFT_OUT: dict[str, str] = {
    "custom:*": "it is a task of its own",
    "format:options": "it needs a question with these options as answers",
    "ratio:overlap": "it needs a text to overlap with",
}


@cache
def table() -> dict[frozenset[str], str]:
    """Every infeasible pair with its reason, without the registry's conflicts."""
    made: dict[frozenset[str], str] = {}
    for first, second, why in _REASONS:
        for one in first.split():
            for other in second.split():
                if one != other:
                    made.setdefault(frozenset((one, other)), why)
    return made


@cache
def why_not(one: str, other: str) -> str | None:
    """Why two ids are not combined, or None."""
    if one == other:
        return "one constraint of an id a row"
    if found := table().get(frozenset((one, other))):
        return found
    if other in checker_class(one).conflicts or one in checker_class(other).conflicts:
        return "the registry declares a conflict"
    return None


def together(ids: Iterable[str]) -> bool:
    """Whether no two of the ids are known to exclude each other."""
    listed = list(ids)
    return not any(why_not(one, other) for at, one in enumerate(listed) for other in listed[:at])
