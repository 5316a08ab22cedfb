"""The 29 training constraints of IF-RLVR that IFEval lacks, under the ids of open-instruct's IFEvalG.

Sentences are split by rules (:func:`~hindsight_rl.constraints.text.readings.rule_sentences`), as there. Where the
reference draws a kwarg that is missing, here it is required; where it draws one that is 0 (``N``, ``n``,
``m``, ``small_n``, ``n_sent``, ``n_words``), 0 is refused. Two readings differ: a keyword that is a regular
expression with a repetition, group or alternative is taken literally, and so are the words of a phrase to
repeat.

Conflicts are those of the public table, made symmetric; there an id also conflicts with itself.
"""

from hindsight_rl.constraints.core import checker_class
from hindsight_rl.constraints.if_rlvr import layout as ifevalg_layout
from hindsight_rl.constraints.if_rlvr import words as ifevalg_words

__all__ = ["IDS", "ifevalg_layout", "ifevalg_words"]

_NAMES = {
    "copy": "repeat_phrase copy copying_simple copying_multiple",
    "new": "copy_span_idx",
    "detectable_format": "sentence_hyphens square_brackets bigram_wrapping",
    "keywords": "no_adjacent_consecutive word_once word_count_different_numbers exclude_word_harder "
    "palindrome keyword_specific_position start_end",
    "paragraphs": "paragraphs paragraphs2",
    "first_word": "first_word_sent first_word_answer",
    "last_word": "last_word_sent last_word_answer",
    "punctuation": "punctuation_dot punctuation_exclamation",
    "count": "lowercase_counting counting_composition count_unique count_increment_word",
    "letters": "letter_counting letter_counting2",
}
# IFEval's own ids, which the table of conflicts covers too.
_IFEVAL = {
    "keywords": "existence frequency forbidden_words letter_frequency",
    "language": "response_language",
    "length_constraints": "number_sentences number_paragraphs number_words nth_paragraph_first_word",
    "detectable_content": "number_placeholders postscript",
    "detectable_format": "number_bullet_lists constrained_response number_highlighted_sections "
    "multiple_sections json_format title",
    "combination": "two_responses repeat_prompt",
    "startend": "end_checker quotation",
    "change_case": "capital_word_frequency english_capital english_lowercase",
    "punctuation": "no_comma",
}


def _ids(names: dict[str, str]) -> frozenset[str]:
    return frozenset(f"{family}:{name}" for family, listed in names.items() for name in listed.split())


IDS = _ids(_NAMES)
_ALL = IDS | _ids(_IFEVAL)

# These fix the whole response, so nothing else can be asked for.
_LAID_DOWN = frozenset({"copy:copy", "copy:copying_simple", "copy:copying_multiple", "new:copy_span_idx"})
# IFEval's that the table sets against all of these.
_EXCLUSIVE = frozenset(
    {
        "detectable_format:constrained_response",
        "detectable_format:json_format",
        "combination:two_responses",
        "combination:repeat_prompt",
    }
)
_TOGETHER = (
    {"paragraphs:paragraphs", "paragraphs:paragraphs2"},
    {"first_word:first_word_sent", "first_word:first_word_answer"},
)
_COMPOSITION = frozenset(
    {
        "count:count_unique",
        "count:count_increment_word",
        "paragraphs:paragraphs",
        "paragraphs:paragraphs2",
        "keywords:letter_frequency",
        "keywords:frequency",
    }
)


def _conflicts(id: str) -> frozenset[str]:
    if id in _LAID_DOWN:
        return _ALL - {id}
    found = set(_LAID_DOWN | _EXCLUSIVE)
    for group in _TOGETHER:
        if id in group:
            found |= group
    if id == "count:counting_composition":
        found |= _COMPOSITION
    elif id in _COMPOSITION:
        found.add("count:counting_composition")
    return frozenset(found - {id})


for _id in IDS:
    checker_class(_id).conflicts = _conflicts(_id)
