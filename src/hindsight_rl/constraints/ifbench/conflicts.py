"""Which IFBench constraints cannot hold together.

The public release has no such table; this one is ours. It concerns useful responses only: an empty list or a single
word satisfies many pairs.
"""

from __future__ import annotations

from collections.abc import Iterable

_NAMES = {
    "count": "conjunctions keywords_multiple numbers person_names pronouns punctuation unique_word_count "
    "word_count_range words_japanese",
    "custom": "character_reverse csv_city csv_quotes csv_special_character date_format_list "
    "european_capitals_sort mcq_count_length multiples reverse_newline sentence_alphabet word_reverse",
    "format": "emoji line_indent list newline no_bullets_bullets no_whitespace options output_template "
    "parentheses quote_unquote quotes sub-bullets thesis title_case",
    "ratio": "overlap sentence_balance sentence_type sentence_words stop_words",
    "repeat": "repeat_change repeat_simple repeat_span",
    "sentence": "alliteration_increment increment keyword",
    "words": "alphabet consonants keywords_specific_position last_first no_consecutive odd_even_syllables "
    "palindrome paragraph_last_first prime_lengths repeats start_verb vowel words_position",
}

IDS = frozenset(f"{family}:{name}" for family, names in _NAMES.items() for name in names.split())

# These fix the whole response, so nothing else can be asked for.
_LAID_DOWN = ("repeat:repeat_change", "repeat:repeat_simple", "repeat:repeat_span", "format:options")

_CSV = "custom:csv_city custom:csv_quotes custom:csv_special_character"
_PAIRS: dict[str, str] = {
    "ratio:sentence_type": "ratio:sentence_balance",
    "ratio:sentence_words": "custom:sentence_alphabet custom:mcq_count_length",
    "format:no_whitespace": "format:newline format:line_indent format:no_bullets_bullets words:palindrome "
    "format:output_template count:conjunctions custom:mcq_count_length custom:reverse_newline "
    f"custom:sentence_alphabet custom:word_reverse custom:character_reverse {_CSV}",
    "format:newline": "format:output_template format:no_bullets_bullets words:vowel format:line_indent",
    "words:vowel": "format:no_bullets_bullets format:line_indent custom:reverse_newline "
    f"custom:mcq_count_length {_CSV}",
    "words:last_first": "words:no_consecutive words:alphabet",
    "sentence:alliteration_increment": "words:no_consecutive words:alphabet",
    "count:punctuation": "punctuation:no_comma punctuation:punctuation_dot punctuation:punctuation_exclamation",
    "format:title_case": "change_case:english_lowercase",
}


def _table() -> dict[str, set[str]]:
    table: dict[str, set[str]] = {id: set() for id in IDS}

    def apart(first: str, others: Iterable[str]) -> None:
        for other in others:
            if other != first:
                table[first].add(other)
                if other in table:
                    table[other].add(first)

    for id in _LAID_DOWN:
        apart(id, IDS)
    tasks = [id for id in IDS if id.startswith("custom:")]
    for id in tasks:
        apart(id, tasks)
    for id, others in _PAIRS.items():
        apart(id, others.split())
    return table


CONFLICTS = _table()
