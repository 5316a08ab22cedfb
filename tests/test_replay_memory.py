"""The memory of replays keeps the newest, draws from all, and comes back from a checkpoint as it was."""

import numpy as np
import pytest

from hindsight_rl.errors import HindsightError
from hindsight_rl.replay_memory import Remembered, ReplayMemory


def pairs(*numbers: int) -> list[Remembered]:
    return [Remembered(f"say {n} ; “é”", f"{n}\n* line") for n in numbers]


def held(memory: ReplayMemory) -> set[Remembered]:
    return set(memory.draw(2000, np.random.default_rng(0)))


def test_the_newest_stay() -> None:
    memory = ReplayMemory(3)
    assert memory.draw(5, np.random.default_rng(0)) == [] and len(memory) == 0
    memory.keep(pairs(1, 2))
    assert held(memory) == {*pairs(1, 2)}
    memory.keep(pairs(3, 4, 5, 6))
    assert len(memory) == 3 and held(memory) == {*pairs(4, 5, 6)}


def test_draws_are_even_and_repeatable() -> None:
    memory = ReplayMemory(10)
    memory.keep(pairs(*range(10)))
    drawn = memory.draw(10_000, np.random.default_rng(1))
    counts = [drawn.count(pair) for pair in pairs(*range(10))]
    assert sum(counts) == 10_000 and min(counts) > 850 and max(counts) < 1150
    assert drawn == memory.draw(10_000, np.random.default_rng(1))


def test_it_comes_back_as_it_was() -> None:
    memory, other = ReplayMemory(4), ReplayMemory(4)
    memory.keep(pairs(*range(6)))
    other.load_bytes(memory.to_bytes())
    for each in (memory, other):
        each.keep(pairs(7))
    assert memory.draw(50, np.random.default_rng(2)) == other.draw(50, np.random.default_rng(2))
    assert held(other) == {*pairs(3, 4, 5, 7)}


@pytest.mark.parametrize("stored", [b"", b"{", b"[]", b'{"next": 0}', b'{"next": 0, "pairs": [["a"]]}', b"\xff"])
def test_what_is_torn_is_told(stored: bytes) -> None:
    with pytest.raises(HindsightError, match="torn"):
        ReplayMemory(4).load_bytes(stored)


def test_what_does_not_fit_is_told() -> None:
    memory = ReplayMemory(4)
    memory.keep(pairs(1, 2, 3))
    with pytest.raises(HindsightError, match="holds 3, more than its capacity"):
        ReplayMemory(2).load_bytes(memory.to_bytes())
    with pytest.raises(HindsightError, match="at least 1"):
        ReplayMemory(0)
