"""IFBench's tasks and repetitions where they are not what one would guess, and where the versions differ."""

import time

import pytest

from hindsight_rl.constraints.core import constraint

REQUEST = "Name three rivers of Peru."
SPECIAL = "ProductID,Category,Brand,Price,Stock\n"


def holds(id: str, response: str, version: str = "current", **kwargs: object) -> bool:
    return constraint(id, kwargs, version=version).check(response)


@pytest.mark.parametrize(
    ("dates", "verdict"),
    [
        ("1769-02-29,1821-12-31", True),
        ("1800-00-99", True),
        ("1800-04-31", False),
        ("1822-01-01", False),
        ("1800-1-1", False),
        ("1800-01-01,", False),
    ],
)
def test_dates(dates: str, verdict: bool) -> None:
    assert holds("custom:date_format_list", dates) is verdict


def test_tables() -> None:
    city = "ID,Country,City,Year,Count" + '\n1,"Peru\nSouth",Lima,2020,5' * 7
    assert holds("custom:csv_city", city) and not holds("custom:csv_city", city.replace("Lima", "Li\rma"))
    row = "1,a,b,2,3\n"
    assert holds("custom:csv_special_character", SPECIAL + row * 13 + '1,"a&b",b,2,3')
    assert not holds("custom:csv_special_character", SPECIAL + row * 13 + '1,"a b",b,2,3')
    assert holds(
        "custom:csv_special_character", SPECIAL.replace(",B", ', "B').replace("nd,", 'nd",') + '1,"!",b,2,3\n' * 14
    )


def test_a_long_field_takes_linear_time() -> None:
    started = time.process_time()
    assert not holds("custom:csv_special_character", SPECIAL + ('1,"' + "!" * 100_000 + ",b,2,3\n") * 14)
    assert time.process_time() - started < 1


def test_questions_may_be_marked_in_several_ways() -> None:
    options = "\n".join(f"{letter}. yes" for letter in "abcde")
    four = "".join(f"Question {i}{mark}\n{'why ' * i}\n{options}\n\n" for i, mark in enumerate(":.|)", 1))
    assert holds("custom:mcq_count_length", four)
    assert not holds("custom:mcq_count_length", "Here: " + four)
    assert not holds("custom:mcq_count_length", four.replace("e. yes", "f. yes", 1))


def test_names_are_compared_without_accents_in_linear_time() -> None:
    lines = ["Zimbabwe", "São Tomé", "Sao Tomb", *("Rwanda" for _ in range(49))]
    assert holds("custom:reverse_newline", "Here:\n- " + "\n* ".join(lines))
    assert not holds("custom:reverse_newline", "\n".join(lines[:-1]))
    started = time.process_time()
    assert not holds("custom:european_capitals_sort", "a" + "\u0301\u0316" * 200_000)
    assert time.process_time() - started < 1


def test_the_animal_backwards() -> None:
    assert holds("custom:word_reverse", "Eagle; bald (the)") and not holds("custom:word_reverse", "The bald eagle")
    assert holds("custom:character_reverse", "ELGAE DLAB")


def test_repeating_with_a_change() -> None:
    reworded = "Give  three rivers\nof Peru."
    assert holds("repeat:repeat_change", reworded, prompt_to_repeat=REQUEST)
    assert not holds("repeat:repeat_change", reworded, "hir", prompt_to_repeat=REQUEST)
    assert holds("repeat:repeat_change", "X" + REQUEST[1:], "hir", prompt_to_repeat=REQUEST)
    for version in ("current", "hir"):
        assert not holds("repeat:repeat_change", REQUEST, version, prompt_to_repeat=REQUEST)


def test_spans_are_of_characters_now_and_were_of_words() -> None:
    span = {"prompt_to_repeat": REQUEST, "n_start": 1, "n_end": 3}
    assert holds("repeat:repeat_span", "AME", **span)
    assert holds("repeat:repeat_span", "three  Rivers", "hir", **span)
    assert (
        constraint("repeat:repeat_span", span).describe()
        != constraint("repeat:repeat_span", span, version="hir").describe()
    )
