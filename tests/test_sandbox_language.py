"""The sandbox's language: what is drawn can be fulfilled, and what is achieved holds."""

import numpy as np
import pytest

from hindsight_rl.errors import HindsightError
from hindsight_rl.lm.sandbox.instructions import MOST_DEMANDS, Instructions
from hindsight_rl.lm.sandbox.language import (
    KINDS,
    LAYOUTS,
    LONGEST,
    WORDS,
    Demand,
    decode,
    instruct,
    laid_out,
    prompt_tokens,
    read,
    response_tokens,
)
from hindsight_rl.replay.instruction import Achieving, Constraint
from hindsight_rl.replay.rewriting import rewriter
from hindsight_rl.replay.rollout import Rollout
from hindsight_rl.replay.verification import verify_batch


@pytest.mark.parametrize(
    ("low", "high", "dependent"), [(1, 2, 0.0), (7, 8, 0.0), (MOST_DEMANDS, MOST_DEMANDS, 0.0), (5, 7, 0.4)]
)
def test_every_instruction_is_fulfilled_by_its_witness(low: int, high: int, dependent: float) -> None:
    source, rng = Instructions(low, high, room=60, dependent=dependent), np.random.default_rng(0)
    depending = 0
    for _ in range(300):
        instruction, response = source.draw(rng)
        assert low <= len(instruction.constraints) <= high
        assert all(verify_batch([(instruction, response)])[0]), (instruction.prompt, response)
        tokens = response_tokens(response)
        assert len(tokens) <= LONGEST and decode(tokens) == (response, True)
        assert len(prompt_tokens(instruction)) <= source.room
        assert len(set(instruction.texts)) == len(instruction.texts)
        for demand, needed in zip(instruction.constraints, instruction.needs, strict=True):
            assert isinstance(demand, Demand)
            assert bool(needed) == (KINDS[demand.kind].needs is not None)
            depending += bool(needed)
    assert (depending > 100) == (dependent > 0)


CASES = [
    ("include", {"word": "moon"}, "red MOON", True),
    ("include", {"word": "moon"}, "red moonlight", False),
    ("words", {"count": 3}, "- a b\n- c", True),
    ("words", {"count": 3}, "a b", False),
    ("start", {"word": "moon"}, "- moon red", True),
    ("start", {"word": "moon"}, "red moon", False),
    ("end", {"word": "moon"}, "red moon", True),
    ("end", {"word": "moon"}, "moon\n- red", False),
    ("avoid", {"word": "moon"}, "red", True),
    ("avoid", {"word": "moon"}, "RED MOON", False),
    ("avoid", {"word": "moon"}, "", False),
    ("capitals", {}, "RED\n- MOON", True),
    ("capitals", {}, "RED moon", False),
    ("sorted", {}, "blue\n- moon", True),
    ("sorted", {}, "moon blue", False),
    ("sorted", {}, "", False),
    ("bullets", {"count": 2}, "- a\n- b", True),
    ("bullets", {"count": 2}, "a\n- b", False),
    ("no_e", {}, "moon", True),
    ("no_e", {}, "moon BLUE", False),
    ("bullet", {"index": 2, "word": "moon"}, "- red\n- moon star", True),
    ("bullet", {"index": 2, "word": "moon"}, "- moon", False),
    ("after", {"word": "red", "next": "moon"}, "red\n- moon", True),
    ("after", {"word": "red", "next": "moon"}, "moon red", False),
]


@pytest.mark.parametrize(("kind", "kwargs", "response", "holds"), CASES)
def test_checks(kind: str, kwargs: dict, response: str, holds: bool) -> None:
    demand = Demand(kind, kwargs)
    assert isinstance(demand, Constraint) and isinstance(demand, Achieving)
    assert demand.check(response) is holds


def test_what_is_achieved_holds_and_can_be_said() -> None:
    rng = np.random.default_rng(1)
    changed = 0
    for _ in range(2000):
        kind = str(rng.choice(list(KINDS)))
        kwargs = {"word": "moon", "next": "star", "count": 2, "index": 1}
        demand = Demand(kind, kwargs)
        pieces = [str(w) for w in rng.choice([*WORDS, "-", "include"], rng.integers(0, 8))]
        response = " ".join(pieces).replace(" -", "\n-")
        kwargs_there = demand.achieved(response)
        if kwargs_there is not None:
            there = demand.at(kwargs_there)
            assert there.check(response), (there.describe(), response)
            prompt_tokens(instruct([there]))  # every word of it is in the vocabulary
            changed += kwargs_there != kwargs
    assert changed > 500


def test_nothing_trivial_is_achieved() -> None:
    assert Demand("bullets", {"count": 2}).achieved("no bullet here") is None
    assert Demand("words", {"count": 2}).achieved("") is None
    assert Demand("avoid", {"word": "moon"}).achieved("") is None
    assert Demand("sorted").achieved("moon blue") is None


def test_retargeting_keeps_the_length_and_dropping_does_not() -> None:
    asked = instruct([Demand("include", {"word": "jump"}), Demand("capitals"), Demand("words", {"count": 3})])
    response = "moon star"
    rollout = Rollout(asked, response, verify_batch([(asked, response)])[0])
    assert rollout.verdict == [False, False, False]
    again = rewriter("retarget").rewrite(rollout)
    assert again is not None and again.changed == (0, 2) and again.dropped == (1,)
    assert all(verify_batch([(again.instruction, response)])[0])
    assert again.instruction.prompt.endswith(" ; 2 words")
    assert not rewriter("drop").eligible(rollout)


def test_dropping_bullets_drops_what_a_bullet_must_say() -> None:
    bullets, second = Demand("bullets", {"count": 3}), Demand("bullet", {"index": 2, "word": "moon"})
    asked = instruct([second, Demand("include", {"word": "star"}), bullets])
    response = "- star\n- moon"
    rollout = Rollout(asked, response, verify_batch([(asked, response)])[0])
    assert rollout.verdict == [True, True, False]
    closed, plain = rewriter("drop").rewrite(rollout), rewriter("drop", closed=False).rewrite(rollout)
    assert closed is not None and closed.instruction.prompt == "include star"
    assert plain is not None and plain.instruction.prompt == "bullet 2 moon ; include star"


def test_reading() -> None:
    reading = read("blue\n- Moon star\n-")
    assert reading.words == ("blue", "moon", "star") and reading.bullets == ("moon", None)
    assert decode(response_tokens("moon")[:-1]) == ("moon", False)


def test_instructions_that_cannot_fit_are_refused_and_long_ones_counted() -> None:
    with pytest.raises(HindsightError, match=r"--model\.context"):
        Instructions(8, 8, room=6).draw(np.random.default_rng(0))
    source, rng = Instructions(3, 3, room=8), np.random.default_rng(0)
    for _ in range(50):
        assert len(prompt_tokens(source.draw(rng)[0])) <= 8
    assert source.too_long > 0
    with pytest.raises(HindsightError, match="unknown kind"):
        Demand("rhyme")


def test_layouts_say_the_same_demands_within_the_vocabulary() -> None:
    source, rng = Instructions(1, MOST_DEMANDS, room=60), np.random.default_rng(0)
    for _ in range(100):
        asked = source.draw(rng)[0]
        said = {name: laid_out(asked, name) for name in LAYOUTS}
        assert said["list"].prompt == asked.prompt
        assert len(asked.constraints) == 1 or len({each.prompt for each in said.values()}) == len(LAYOUTS)
        for each in said.values():
            assert each.constraints == asked.constraints
            assert len(prompt_tokens(each)) <= len(prompt_tokens(asked)) + 1
    pair = instruct([Demand("start", {"word": "moon"}), Demand("sorted")])
    assert laid_out(pair, "numbered").prompt == "1 start moon 2 sorted"
    assert laid_out(pair, "bullets").prompt == "- start moon - sorted"
    assert laid_out(pair, "bare").prompt == "start moon sorted"
    assert laid_out(pair, order=[1, 0]).prompt == "sorted ; start moon"
