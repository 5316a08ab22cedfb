"""Strict and loose verdicts, aligned, in one process and in several."""

import pytest

from hindsight_rl.constraints.core import constraint
from hindsight_rl.constraints.verdicts import batch, both, verdicts
from hindsight_rl.errors import HindsightError
from hindsight_rl.replay.instruction import Constraint, Instruction

COMMA = constraint("punctuation:no_comma")
QUOTED = constraint("startend:quotation")


def test_loose_accepts_what_remains_without_first_or_last_line_and_asterisks():
    assert both([COMMA], "Sure, gladly:\nno pause") == ([False], [True])
    assert both([QUOTED], '**"all of it"**') == ([False], [True])
    assert both([COMMA], "a\nb, c\nd") == ([False], [False])


def test_verdicts_are_aligned_and_ids_may_repeat():
    words = [constraint("keywords:existence", {"keywords": [word]}) for word in ("sea", "land", "sea")]
    assert verdicts(words, "the sea") == [True, False, True]


def test_a_blank_response_satisfies_nothing():
    assert both([COMMA, QUOTED], " \n ") == ([False, False], [False, False])


def test_an_unknown_mode_is_refused():
    with pytest.raises(HindsightError, match="strict, loose"):
        verdicts([COMMA], "x", mode="lenient")  # type: ignore[arg-type]


def test_processes_give_the_same_verdicts_in_the_same_order():
    asked = [("punctuation:no_comma", {}), ("keywords:existence", {"keywords": ["7"]})]
    jobs = [(asked, f"response {at}{',' * (at % 2)}", None) for at in range(40)]
    assert batch(jobs, processes=2) == batch(jobs, processes=1)


def test_an_instruction_keeps_what_was_satisfied():
    assert isinstance(COMMA, Constraint)
    asked = Instruction("Say hello.", (COMMA, QUOTED))
    assert asked.keep([False, True]).prompt == "Say hello. " + QUOTED.describe()
    with pytest.raises(ValueError, match="1 verdicts for 2"):
        asked.keep([True])
