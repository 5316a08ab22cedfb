"""IFBench's constraints on words and sentences where they are not what one would guess."""

import pytest

from hindsight_rl.constraints.core import constraint


def holds(id: str, response: str, version: str = "current", **kwargs: object) -> bool:
    return constraint(id, kwargs, version=version).check(response)


@pytest.mark.parametrize(
    ("id", "satisfies", "violates"),
    [
        ("words:alphabet", "-- Yes, zebras ate.", "1 amber bird"),
        ("words:alphabet", "Xylophones", "..."),
        ("words:vowel", "\nIt is a rain\n", "It is\nrain"),
        ("words:consonants", "Myth-like", "Day after"),
        ("words:prime_lengths", "It's odd", "rain"),
        ("words:no_consecutive", "Tea 'and' rum", "Tea 'to' go"),
        ("words:paragraph_last_first", "Tea is TEA!\n", "Tea, is tea"),
        ("words:start_verb", "Make a plan", "The plan"),
    ],
)
def test_verdicts(id: str, satisfies: str, violates: str) -> None:
    assert holds(id, satisfies) and not holds(id, violates)


def test_a_palindrome_counts_as_often_as_it_occurs() -> None:
    assert holds("words:palindrome", "Level! " * 10) and not holds("words:palindrome", "Level! noon " * 9)


def test_repeats_ignore_case_and_marks() -> None:
    assert not holds("words:repeats", "Tea, tea. TEA", small_n=2)
    assert constraint("words:repeats", {"small_n": 1}).achieved("Tea, tea. TEA") == {"small_n": 3}


def test_syllables_alternate() -> None:
    assert holds("words:odd_even_syllables", "The water has sugar")
    assert not holds("words:odd_even_syllables", "The tea")


def test_sentences_without_a_word_break_the_chain() -> None:
    assert holds("words:last_first", 'I like tea. "Tea is hot!"')
    assert not holds("words:last_first", "I like tea. !", "hir")


def test_a_line_of_marks_matters_in_the_earlier_version_only() -> None:
    assert holds("words:paragraph_last_first", "Tea is tea\n---")
    assert not holds("words:paragraph_last_first", "Tea is tea\n---", "hir")


def test_words_at_places() -> None:
    at = {"keyword": "tea", "n": 2, "m": 2}
    id = "words:keywords_specific_position"
    assert holds(id, "So. Hot, Tea.", **at) and not holds(id, "So. Hot, tea.", "hir", **at)
    assert holds(id, "So. Hot tea.", "hir", **at) and not holds(id, "So. Hot Tea.", "hir", **at)
    assert not holds(id, "So. Hot", **at) and not holds(id, "So.", "hir", **at)


def test_the_second_and_the_second_to_last_word() -> None:
    id = "words:words_position"
    assert holds(id, "My Tea is tea indeed.", keyword="tea")
    assert not holds(id, "My Tea is tea indeed.", "hir", keyword="tea")
    assert holds(id, "My tea is tea.", "hir", keyword="tea")  # the full stop is the last word
    assert not holds(id, "tea", keyword="tea") and not holds(id, "tea.", keyword="tea")


def test_a_keyword_of_a_sentence() -> None:
    at = {"word": "tea", "N": 2}
    assert holds("sentence:keyword", "So. TEA!", **at)
    assert not holds("sentence:keyword", "So. Steam!", **at)
    assert holds("sentence:keyword", "So. Steam!", "hir", **at)
    assert not holds("sentence:keyword", "So.", **at)


def test_growing_sentences() -> None:
    assert holds("sentence:increment", "Go. Go on. Go on now!", small_n=1)
    assert holds("sentence:increment", "Go.", small_n=4)
    assert not holds("sentence:increment", "", small_n=1)
    assert constraint("sentence:increment", {"small_n": 9}).achieved("Go. Go on. Go on now!") == {"small_n": 1}
    assert constraint("sentence:increment", {"small_n": 9}).achieved("Go on. Go.") is None
    assert holds("sentence:alliteration_increment", "Rain. Big boats. 'Big 'boats but tiny tugs.")
    assert not holds("sentence:alliteration_increment", "Rain. Snow.")
