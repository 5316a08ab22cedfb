"""Memory of rare events: the latest rollouts in which each event happened, replayed beside the new ones.

PQN keeps no replay buffer, and most of what happens, happens every minute. What happens once in ten thousand steps
would be forgotten before it happens again; here the windows around it are learned from again and again, for every
goal in hindsight. Returns are computed anew from the present values, so nothing in a window grows stale but its
actions, which hindsight does not mind.
"""

from typing import Any

import jax
import jax.numpy as jnp
from flax import struct

from hindsight_rl.agent.training.rollout import Tables, Transitions


@struct.dataclass
class Memory:
    """For every event V the latest D windows of T steps in which it happened.

    Attributes:
        observation: float32 [V, D, T + 1, F].
        action: int32 [V, D, T].
        events: bool [V, D, T, n_events].
        dead, dropped: bool [V, D, T].
        count: int32 [V], windows stored so far.
    """

    observation: jax.Array
    action: jax.Array
    events: jax.Array
    dead: jax.Array
    dropped: jax.Array
    count: jax.Array

    @classmethod
    def none(cls, n_events: int, depth: int, steps: int, features: int) -> "Memory":
        """Nothing remembered yet."""
        shape = (n_events, depth, steps)
        no = jnp.zeros(shape, bool)
        return cls(
            jnp.zeros((n_events, depth, steps + 1, features)),
            jnp.zeros(shape, jnp.int32),
            jnp.zeros((*shape, n_events), bool),
            no,
            no,
            jnp.zeros(n_events, jnp.int32),
        )


def remember(memory: Memory, seen: Transitions, last_observation: jax.Array, key: jax.Array) -> Memory:
    """Keep one window of every event that this rollout saw.

    Args:
        seen: [T, E].
        last_observation: float32 [E, F].
    """
    happened = seen.events.any(axis=0)
    luck = jax.random.uniform(key, happened.shape)
    where = jnp.argmax(jnp.where(happened, luck, -1.0), axis=0)  # an environment for each event
    any_ = happened.any(axis=0)
    rows, place = jnp.arange(len(where)), memory.count % memory.action.shape[1]

    def put(old: jax.Array, new: jax.Array) -> jax.Array:
        window = jnp.swapaxes(new, 0, 1)[where]
        kept = jnp.where(any_.reshape(-1, *[1] * (window.ndim - 1)), window, old[rows, place])
        return old.at[rows, place].set(kept)

    return Memory(
        put(memory.observation, jnp.concatenate([seen.observation, last_observation[None]])),
        put(memory.action, seen.action),
        put(memory.events, seen.events),
        put(memory.dead, seen.dead),
        put(memory.dropped, seen.dropped),
        memory.count + any_,
    )


def with_memories(
    seen: Transitions, last_observation: jax.Array, memory: Memory, tables: Tables, windows: int, key: jax.Array
) -> tuple[Transitions, jax.Array]:
    """The rollout with remembered windows beside it, as if they were more environments.

    Args:
        windows: how many, drawn by the rarity of their event. Before anything is remembered, empty windows teach
            nothing: they count as left.

    Returns:
        transitions [T, E + windows] and the observations after the last step.
    """
    k_event, k_place = jax.random.split(key)
    depth = memory.action.shape[1]
    weight = jnp.where((memory.count > 0) & (tables.waypoint >= 0), tables.rarity, 1e-12)
    event = jax.random.categorical(k_event, jnp.log(weight), shape=(windows,))
    filled = jnp.clip(memory.count[event], 1, depth)
    place = jnp.minimum((jax.random.uniform(k_place, (windows,)) * filled).astype(jnp.int32), filled - 1)

    def recall(x: jax.Array) -> jax.Array:
        return jnp.swapaxes(x[event, place], 0, 1)

    observation = recall(memory.observation)
    known: dict[str, Any] = {
        "observation": observation[:-1],
        "action": recall(memory.action),
        "events": recall(memory.events),
        "dead": recall(memory.dead),
        "dropped": recall(memory.dropped) | (memory.count[event] == 0),
    }
    none = {k: jnp.zeros((x.shape[0], windows, *x.shape[2:]), x.dtype) for k, x in seen._asdict().items()}
    joined = {k: jnp.concatenate([x, known.get(k, none[k])], axis=1) for k, x in seen._asdict().items()}
    return Transitions(**joined), jnp.concatenate([last_observation, observation[-1]])
