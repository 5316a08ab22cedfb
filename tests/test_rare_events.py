"""The replay buffer of rare events: what is kept, and that replaying it teaches the goals it reached."""

import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hindsight_rl.agent.policy.rare_events import RareEventBuffer, store, with_replays
from hindsight_rl.agent.training.rollout import Transitions
from hindsight_rl.agent.training.tables import Tables

T, E, F, EVENTS, DEPTH = 4, 3, 2, 3, 2
NONE = RareEventBuffer.none(EVENTS, DEPTH, T, F)


def tables(*rarity: float) -> Tables:
    """Every event has its own goal, of this rarity."""
    return Tables(
        condition=jnp.eye(EVENTS),
        fires=jnp.eye(EVENTS, dtype=bool),
        hindsight=jnp.ones(EVENTS),
        goals=jnp.asarray([[i, -1, -1] for i in range(EVENTS)]),
        ordered=jnp.zeros(EVENTS, bool),
        chance=jnp.full(EVENTS, 1 / EVENTS),
        initial=jnp.zeros(EVENTS),
        waypoint=jnp.arange(EVENTS),
        rarity=jnp.asarray(rarity or [1.0] * EVENTS),
    )


def seen(mark: float, **events: tuple[int, int]) -> tuple[Transitions, jax.Array]:
    """A rollout whose observations are `mark`, with events at (step, environment)."""
    happened = np.zeros((T, E, EVENTS), bool)
    for name, (step, env) in events.items():
        happened[step, env, "abc".index(name)] = True
    no, zero = np.zeros((T, E), bool), np.zeros((T, E), int)
    fields: dict[str, Any] = {
        "observation": np.full((T, E, F), mark, np.float32) + np.arange(E)[None, :, None] / 10,
        "hidden": np.full((T, E, 2), mark, np.float32),
        "action": zero,
        "events": happened,
        "event_counts": np.zeros((T, E, EVENTS), np.int32),
        "goal": zero + 1,
        "previous": np.zeros((T, E), np.float32),
        "reward": np.ones((T, E), np.float32),
        "reached": ~no,
        "dead": no,
        "dropped": no,
        "switched": no,
        "pursuing": ~no,
        "instruction": zero,
        "ended": no,
        "fulfilled": no,
        "given": no,
        "new_instruction": zero,
        "chosen": zero,
    }
    last = jnp.full((E, F), mark + 0.5)
    return Transitions(**{k: jnp.asarray(v) for k, v in fields.items()}), last


def test_the_window_of_each_event_is_kept_and_the_oldest_makes_room() -> None:
    buffer = NONE
    for mark in (1.0, 2.0, 3.0):
        buffer = jax.jit(store)(buffer, *seen(mark, a=(0, 2)), jax.random.key(0), jnp.zeros(()))
    assert buffer.count.tolist() == [3, 0, 0]
    np.testing.assert_allclose(buffer.observation[0, :, 0, 0], [3.2, 2.2])  # environment 2's; 1.2 was the oldest
    np.testing.assert_allclose(buffer.observation[0, :, T, 0], [3.5, 2.5])  # with the observation after the last step
    assert buffer.events[0, 0, 0].tolist() == [True, False, False]
    assert not buffer.observation[1:].any()


def test_replayed_windows_stand_beside_the_rollout_and_pursue_nothing() -> None:
    buffer = store(NONE, *seen(1.0, b=(1, 1)), jax.random.key(0), jnp.zeros(()))
    now, last = seen(9.0)
    joined, after = with_replays(now, last, buffer, tables(), 2, jax.random.key(1))
    assert joined.observation.shape == (T, E + 2, F) and after.shape == (E + 2, F)
    np.testing.assert_array_equal(joined.observation[:, :E], now.observation)
    np.testing.assert_allclose(joined.observation[:, E:, 0], 1.1)
    np.testing.assert_allclose(after[E:], 1.5)
    assert joined.events[1, E:, 1].all() and joined.events.sum() == 2
    assert joined.pursuing[:, :E].all() and not joined.pursuing[:, E:].any()
    assert not joined.reward[:, E:].any() and not joined.dropped.any()


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="how the CPU's compiler orders reads and writes")
def test_windows_are_written_in_place() -> None:
    def update(buffer: RareEventBuffer, key: jax.Array) -> tuple[RareEventBuffer, jax.Array]:
        now, last = seen(1.0, a=(0, 2))
        joined, after = with_replays(now, last, buffer, tables(), 2, key)
        return store(buffer, now, last, key, drawn=after[-1, 0]), joined.observation.sum()

    updates = jax.jit(lambda buffer, keys: jax.lax.scan(update, buffer, keys), donate_argnums=0)
    program = updates.lower(jax.tree.map(jnp.copy, NONE), jax.random.split(jax.random.key(0), 3)).compile().as_text()
    shape = ",".join(map(str, NONE.observation.shape))
    assert f"f32[{shape}]" in program and not re.search(rf"= f32\[{shape}\]\S* copy\(", program)


def test_nothing_remembered_teaches_nothing() -> None:
    now, last = seen(9.0)
    joined, _ = with_replays(now, last, NONE, tables(), 2, jax.random.key(1))
    assert joined.dropped[:, E:].all() and not joined.dropped[:, :E].any()


def test_rare_events_are_recalled_more() -> None:
    buffer = store(NONE, *seen(1.0, a=(0, 0), c=(0, 1)), jax.random.key(0), jnp.zeros(()))
    now, last = seen(9.0)
    joined, _ = with_replays(now, last, buffer, tables(0.9, 0.1, 0.1), 400, jax.random.key(2))
    rows = joined.events[0, E:]
    assert 0.82 < rows[:, 0].mean() < 0.97 and rows[:, 0].sum() + rows[:, 2].sum() == 400
