"""The instruction buffer: judging, sampling, eviction, rehearsal."""

import json

import numpy as np
import pytest

from hindsight_rl.agent.instructions.buffer import BOUNDARY, FAILING, MASTERED, NEW, BufferRules, InstructionBuffer

SIZE = 40


def played(buffer: InstructionBuffer, outcomes: dict[int, float], attempts: int = 30) -> None:
    tried, won = np.zeros(SIZE), np.zeros(SIZE)
    for index, rate in outcomes.items():
        tried[index], won[index] = attempts, attempts * rate
    buffer.record(tried, won)


def offer(buffer: InstructionBuffer, index: int, rarity: float = 0.5) -> bool:
    return buffer.admit(index, f"instruction {index}", rarity, [index])


def filled(capacity: int = 10, **rules: object) -> InstructionBuffer:
    buffer = InstructionBuffer(BufferRules(capacity=capacity, **rules))  # type: ignore[arg-type]
    for i in range(capacity):
        assert offer(buffer, i, 0.5)
    return buffer


def test_statuses_follow_the_mean_return() -> None:
    buffer = filled(4)
    assert {buffer.status(e) for e in buffer.entries.values()} == {NEW}
    played(buffer, {0: 0.0, 1: 0.5, 2: 1.0})
    assert [buffer.status(buffer.entries[i]) for i in range(4)] == [FAILING, BOUNDARY, MASTERED, NEW]


def test_capacity_is_never_exceeded() -> None:
    buffer = filled(10)
    rng = np.random.default_rng(0)
    for i in range(10, SIZE):
        played(buffer, {j: rng.random() for j in buffer.slots})
        offer(buffer, i, float(rng.random()))
        assert len(buffer.slots) <= 10 and len(set(buffer.slots)) == len(buffer.slots)


def test_mastered_is_evicted_before_failing_and_boundary_stays() -> None:
    buffer = filled(3)
    played(buffer, {0: 0.5, 1: 0.0, 2: 1.0})
    assert offer(buffer, 10, 0.5) and 2 not in buffer.slots
    assert offer(buffer, 11, 0.5) and 1 not in buffer.slots
    assert not offer(buffer, 12, 0.5)  # new and boundary ones hold all slots
    assert 0 in buffer.slots


def test_a_clearly_rarer_instruction_displaces_the_commonest() -> None:
    buffer = filled(2)
    offer(buffer, 1, 0.2)
    for _ in range(5):
        played(buffer, {0: 0.5, 1: 0.5})
    assert not offer(buffer, 10, 0.25)
    assert buffer.has_room(0.9) and offer(buffer, 11, 0.9)
    assert set(buffer.slots) == {0, 11}


def test_failing_ones_wait_before_they_return() -> None:
    buffer = filled(1, cooldown=3)
    played(buffer, {0: 0.0})
    assert offer(buffer, 5, 0.5)
    played(buffer, {5: 0.0})
    assert not offer(buffer, 0, 0.5)
    for _ in range(3):
        played(buffer, {5: 0.0})
    assert offer(buffer, 0, 0.5)


@pytest.mark.parametrize("rate", [0.0, 0.5, 1.0])
def test_sampling_is_defined_when_all_statuses_are_equal(rate: float) -> None:
    buffer = filled(5)
    played(buffer, dict.fromkeys(range(5), rate))
    chances = buffer.chances(SIZE)
    assert chances.sum() == pytest.approx(1.0) and (chances[:5] > 0).all() and (chances[5:] == 0).all()


def test_boundary_is_given_more_than_failing_and_mastered() -> None:
    buffer = filled(3, favour_rare=0.0)
    played(buffer, {0: 0.5, 1: 0.0, 2: 1.0})
    chances = buffer.chances(SIZE)
    assert chances[0] > 2 * chances[1] and chances[0] > 2 * chances[2]


def test_rare_slots_are_given_more() -> None:
    buffer = InstructionBuffer(BufferRules(capacity=2))
    offer(buffer, 0, 0.1)
    offer(buffer, 1, 0.9)
    chances = buffer.chances(SIZE)
    assert chances[1] > 2 * chances[0]


def test_what_was_mastered_and_left_is_rehearsed() -> None:
    buffer = filled(1, rehearsal=0.3)
    played(buffer, {0: 1.0})
    offer(buffer, 1, 0.5)
    assert buffer.chances(SIZE)[0] == pytest.approx(0.3)
    played(buffer, {0: 0.0}, attempts=200)  # forgotten: it may come back to a slot, or is rehearsed
    assert buffer.chances(SIZE)[0] > 0
    never = filled(1, rehearsal=0.0)
    played(never, {0: 1.0})
    assert offer(never, 1, 0.5) and never.chances(SIZE)[0] == 0


def test_uniform_mode_ignores_statuses() -> None:
    buffer = filled(3, uniform=True)
    played(buffer, {0: 0.5, 1: 0.0, 2: 1.0})
    assert np.allclose(buffer.chances(SIZE)[:3], 1 / 3)
    assert offer(buffer, 9, 0.0) and 0 not in buffer.slots  # the oldest goes


def test_every_decision_is_logged() -> None:
    buffer = filled(1)
    played(buffer, {0: 1.0})
    offer(buffer, 1, 0.5)
    assert [row["what"] for row in buffer.log] == ["admit", "status", "evict", "admit"]


def test_state_survives_json() -> None:
    buffer = filled(4)
    played(buffer, {0: 0.5, 1: 0.0, 2: 1.0})
    offer(buffer, 9, 0.9)
    again = InstructionBuffer(buffer.rules)
    again.restore(json.loads(json.dumps(buffer.state())))
    assert np.array_equal(again.chances(SIZE), buffer.chances(SIZE))
    assert again.state() == buffer.state()


def test_an_empty_buffer_gives_something() -> None:
    assert InstructionBuffer(BufferRules()).chances(SIZE).sum() == 1.0


def test_what_stays_at_the_boundary_without_progress_gives_up_its_slot() -> None:
    buffer = filled(2, tenure=4)
    for update in range(6):  # 0 is decided by luck, 1 improves
        played(buffer, {0: 0.5, 1: 0.3 + 0.08 * update}, attempts=60)
    assert offer(buffer, 10) and set(buffer.slots) == {1, 10}
    assert not offer(buffer, 0)  # and does not come straight back


def test_no_two_slots_mean_the_same() -> None:
    buffer = filled(2)
    other = InstructionBuffer(BufferRules(capacity=5))
    assert other.admit(0, "collect wood", 0.5, [0]) and not other.admit(1, "chop a tree", 0.9, [0])
    assert other.admit(2, "collect wood, then collect stone", 0.5, [0, 9])
    assert len(buffer.slots) == 2


def test_only_where_the_order_counts_it_makes_another_instruction() -> None:
    buffer = InstructionBuffer(BufferRules(capacity=9))
    assert buffer.admit(0, "a and b", 0.5, [3, 5]) and not buffer.admit(1, "b as well as a", 0.5, [5, 3])
    assert buffer.admit(2, "a, then b", 0.5, [3, 5], True) and not buffer.admit(3, "a and then b", 0.5, [3, 5], True)
    assert buffer.admit(4, "b, then a", 0.5, [5, 3], True)
    again = InstructionBuffer(buffer.rules)
    again.restore(json.loads(json.dumps(buffer.state())))
    assert not again.admit(5, "first a, then b", 0.5, [3, 5], True)
    assert buffer.admit(6, "a", 0.5, [3], True) and not buffer.admit(7, "do a", 0.5, [3])


def test_compositions_are_given_for_as_many_steps_as_single_goals() -> None:
    buffer = InstructionBuffer(BufferRules(capacity=2))
    buffer.admit(0, "one goal", 0.5, [0])
    buffer.admit(1, "three goals", 0.5, [1, 2, 3])
    chances = buffer.chances(SIZE)
    assert chances[0] == pytest.approx(3 * chances[1])
