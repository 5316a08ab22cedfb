"""The replay buffer keeps the newest, draws from replays and successes, and comes back from a checkpoint as it was."""

import json

import numpy as np
import pytest

from hindsight_rl.errors import HindsightError
from hindsight_rl.replay.buffer import ReplayBuffer
from hindsight_rl.replay.item import ReplayItem


def pairs(*numbers: int) -> list[ReplayItem[str]]:
    return [ReplayItem(None, f"say {n} ; “é”", f"{n}\n* line") for n in numbers]


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_the_newest_of_each_stay() -> None:
    buffer = ReplayBuffer(3)
    assert buffer.draw(5, rng()) == [] and len(buffer) == 0
    buffer.keep(pairs(1, 2), pairs(11))
    assert len(buffer) == 3
    buffer.keep(pairs(3, 4, 5, 6), pairs(12))
    buffer.keep(successes=pairs(13, 14))
    assert len(buffer) == 6
    drawn = [set(buffer.draw(3, rng(seed))) for seed in range(200)]
    assert set().union(*drawn) == {*pairs(4, 5, 6, 12, 13, 14)}


@pytest.mark.parametrize(
    ("replays", "successes", "share", "count", "of_successes", "of_replays"),
    [
        (100, 100, 0.5, 40, 20, 20),
        (100, 100, 0.25, 40, 10, 30),
        (100, 5, 0.5, 40, 5, 35),  # few successes: replays in their place
        (5, 100, 0.5, 40, 35, 5),
        (0, 100, 0.5, 40, 40, 0),  # without hindsight
        (100, 0, 0.5, 40, 0, 40),
        (100, 100, 0, 40, 0, 40),
        (3, 4, 0.5, 40, 4, 3),  # few are not drawn over and over
    ],
)
def test_each_gives_its_share_as_far_as_it_can(
    replays: int, successes: int, share: float, count: int, of_successes: int, of_replays: int
) -> None:
    buffer = ReplayBuffer(1000, share)
    buffer.keep(pairs(*range(replays)), pairs(*range(1000, 1000 + successes)))
    drawn = buffer.draw(count, rng())
    assert set(drawn[:of_successes]) <= {*pairs(*range(1000, 1000 + successes))}
    assert set(drawn[of_successes:]) <= {*pairs(*range(replays))}
    assert len(drawn) == of_successes + of_replays


def test_draws_are_even_and_repeatable() -> None:
    buffer = ReplayBuffer(10_000)
    buffer.keep(pairs(*list(range(10)) * 1000))
    drawn = buffer.draw(10_000, rng(1))
    counts = [drawn.count(pair) for pair in pairs(*range(10))]
    assert sum(counts) == 10_000 and min(counts) > 850 and max(counts) < 1150
    assert drawn == buffer.draw(10_000, rng(1))


def test_it_comes_back_as_it_was() -> None:
    buffer, other = ReplayBuffer(4), ReplayBuffer(4)
    buffer.keep(pairs(*range(6)), pairs(7))
    other.load_bytes(buffer.to_bytes())
    for each in (buffer, other):
        each.keep(pairs(8), pairs(9))
    for seed in range(20):
        assert buffer.draw(6, rng(seed)) == other.draw(6, rng(seed))
    assert buffer.to_bytes() == other.to_bytes()


WHOLE = {"replays": {"next": 0, "pairs": []}, "successes": {"next": 0, "pairs": []}}


@pytest.mark.parametrize(
    "stored",
    [b"", b"{", b"[]", b"\xff", b'{"next": 0, "pairs": []}']
    + [json.dumps(WHOLE | {"successes": part}).encode() for part in ({"next": 0}, {"next": 0, "pairs": [["a"]]}, [])],
)
def test_what_is_torn_is_told(stored: bytes) -> None:
    buffer = ReplayBuffer(4)
    buffer.keep(pairs(1), pairs(2))
    with pytest.raises(HindsightError, match="damaged"):
        buffer.load_bytes(stored)
    assert len(buffer) == 2


def test_what_does_not_fit_is_told() -> None:
    buffer = ReplayBuffer(4)
    buffer.keep(pairs(1), pairs(1, 2, 3))
    with pytest.raises(HindsightError, match="holds 3 of a kind, more than its capacity"):
        ReplayBuffer(2).load_bytes(buffer.to_bytes())
    with pytest.raises(HindsightError, match="at least 1"):
        ReplayBuffer(0)
    with pytest.raises(HindsightError, match="between 0 and 1"):
        ReplayBuffer(4, 1.5)
