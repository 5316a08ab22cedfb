"""Sentences by rules, and text without accents."""

import time

import pytest

from hindsight_rl.constraints.text.readings import ascii_only, bare, pieces, split_by_rules
from hindsight_rl.constraints.text.response import Text


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("", []),
        ("No end", ["No end"]),
        ("Dr. Who came. He left!", ["Dr. Who came.", "He left!"]),
        ("See example.com or 3.5 now. Fine?", ["See example.com or 3.5 now.", "Fine?"]),
        ("Wait... what", ["Wait...", "what"]),
        ('He said "no." Then left', ['He said "no".', "Then left"]),
        ("The U.S. He left", ["The U.S.", "He left"]),
        ("Acme Inc. He left", ["Acme Inc", "He left"]),  # the stop is lost, as in the reference
        ("1.2.3", ["1.2.", "3"]),
        ("Go\non. C?", ["Go on.", "C?"]),
        ("a <stop> b <prd> c", ["a", "b . c"]),
        ("?", ["?"]),
        ("Ph.D. done. J. Doe", ["Ph.D. done.", "J. Doe"]),
    ],
)
def test_rules(text: str, sentences: list[str]) -> None:
    assert split_by_rules(text) == sentences


def test_rules_take_linear_time() -> None:
    started = time.process_time()
    for part in (".", "a.", "Mr. ", "A. B. ", "1.", '."'):
        split_by_rules(part * (200_000 // len(part)))
    assert time.process_time() - started < 3


def test_accents_and_marks_go() -> None:
    assert ascii_only("São Tomé ﬁ 雨") == "Sao Tome fi "
    assert ascii_only("\ud800a") == "a"
    assert bare("Don't (stop)—now!") == "Dont stop—now"


def test_a_reading_is_made_once() -> None:
    text = Text("tea milk")
    assert pieces(text) is pieces(text) == ["tea", "milk"]
