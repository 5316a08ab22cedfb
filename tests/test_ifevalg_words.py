"""Verdicts of IF-RLVR's constraints on words and letters, where they are not what one would guess."""

import time

import pytest

from hindsight_rl.constraints.core import ConstraintError, constraint


def holds(id: str, response: str, **kwargs: object) -> bool:
    return constraint(id, kwargs).check(response)


def test_keywords_count_inside_words_and_in_any_case() -> None:
    assert holds("keywords:word_once", "A Lighthouse", keyword="house")
    assert not holds("keywords:word_once", "A house, a houseboat", keyword="house")
    assert holds("count:count_increment_word", "tea Milk milk", keyword1="tea", keyword2="milk")


def test_a_keyword_is_a_regular_expression_only_where_that_is_harmless() -> None:
    assert holds("keywords:word_once", "an arm", keyword="a.m")
    assert holds("keywords:word_once", "I write C++ daily", keyword="C++")
    assert not holds("keywords:word_once", "CCC", keyword="C++")
    assert holds("keywords:word_once", "a [ bracket", keyword="[")
    started = time.process_time()
    assert not holds("keywords:word_once", "a" * 200_000, keyword="(a+)+$")
    assert time.process_time() - started < 1


@pytest.mark.parametrize(
    ("relation", "number", "verdict"), [("less than", 1, True), ("less than", 2, False), ("at least", 2, True)]
)
def test_the_relation_decides(relation: str, number: int, verdict: bool) -> None:
    kwargs = {"keyword": "tea", "frequency": 2, "relation": relation}
    assert holds("keywords:word_count_different_numbers", "tea " * number, **kwargs) is verdict


def test_an_excluded_word_counts_between_spaces_only() -> None:
    assert holds("keywords:exclude_word_harder", "Tea. tea, tea", keyword="tea")
    assert not holds("keywords:exclude_word_harder", "Hot tea please", keyword="tea")


def test_adjacent_first_letters() -> None:
    assert not holds("keywords:no_adjacent_consecutive", "Apples Bake")
    assert holds("keywords:no_adjacent_consecutive", "Bake Apples")
    # "İ" becomes two characters in lower case; a single word is not looked at
    assert not holds("keywords:no_adjacent_consecutive", "İzmir grows")
    assert holds("keywords:no_adjacent_consecutive", "İzmir")


def test_first_and_last_words_of_sentences_by_the_rules() -> None:
    assert holds("first_word:first_word_sent", "Tea for Dr. Who. Tea, too? tea", first_word="tea") is False
    assert holds("first_word:first_word_sent", "Tea for Dr. Who. TEA too? tea", first_word="tea")
    assert holds("last_word:last_word_sent", 'I said "tea." Then tea!', last_word="Tea")
    assert holds("last_word:last_word_answer", "and (tea).", last_word="tea")
    assert not holds("last_word:last_word_answer", "\n", last_word="tea")


def test_the_word_at_a_place_is_a_token() -> None:
    place = {"n": 2, "m": 3}
    assert holds("keywords:keyword_specific_position", "Hi. So, tea.", keyword="tea", **place)
    assert not holds("keywords:keyword_specific_position", "Hi. So, Tea.", keyword="tea", **place)
    assert not holds("keywords:keyword_specific_position", "Hi.", keyword="tea", **place)


def test_letters_and_lowercase_words() -> None:
    assert holds("letters:letter_counting", "äaé1B", N=2, relation="at least")
    assert not holds("letters:letter_counting", "äaé1B", N=3, relation="at least")
    assert holds("letters:letter_counting2", "Aab", letter="A", let_frequency=2, let_relation="at least")
    assert holds("letters:letter_counting2", "##", letter="#", let_frequency=2, let_relation="at least")
    assert holds("count:lowercase_counting", "One two Three don't", N=3)
    assert not holds("count:lowercase_counting", "One two Three don't", N=2)


def test_palindromes_and_frames() -> None:
    assert holds("keywords:palindrome", "It was a day")
    assert not holds("keywords:palindrome", "Noon was bright")
    assert not holds("keywords:start_end", "tea is tea.")
    assert not holds("count:count_unique", "tea, milk, rum")


def test_what_a_response_achieves_holds_of_it() -> None:
    response = "Tea is hot. Tea was cold!"
    for id, name in (
        ("first_word:first_word_sent", "first_word"),
        ("first_word:first_word_answer", "first_word"),
        ("last_word:last_word_answer", "last_word"),
    ):
        asked = constraint(id, {name: "rum"})
        achieved = asked.achieved(response)
        assert achieved and asked.at(achieved).check(response)
    assert constraint("last_word:last_word_sent", {"last_word": "rum"}).achieved(response) is None
    letters = constraint("letters:letter_counting", {"N": 20, "relation": "at least"})
    assert letters.at(letters.achieved(response) or {}).kwargs == {"N": 18, "relation": "at least"}
    assert constraint("keywords:palindrome").achieved("Noon bell") is None


@pytest.mark.parametrize(
    ("id", "kwargs", "named"),
    [
        ("first_word:first_word_sent", {"first_word": " "}, "not blank"),
        ("letters:letter_counting2", {"letter": "ab", "let_frequency": 1, "let_relation": "at least"}, "single"),
        ("letters:letter_counting", {"N": 0, "relation": "at least"}, "at least 1"),
        ("letters:letter_counting", {"N": 2, "relation": "exactly"}, "'less than', 'at least'"),
        ("count:lowercase_counting", {}, "needs the kwarg 'N'"),
    ],
)
def test_kwargs_that_are_not_accepted_are_named(id: str, kwargs: dict, named: str) -> None:
    with pytest.raises(ConstraintError, match="rows.jsonl:7: .*" + named):
        constraint(id, kwargs, "rows.jsonl:7")
