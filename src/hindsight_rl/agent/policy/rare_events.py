"""A replay buffer of rare events: the latest rollouts in which each event happened, replayed with the new ones.

PQN has no replay buffer. That is enough for frequent events, but an event that happens once in ten thousand steps would
be forgotten before it happens again. So windows of steps around rare events are stored and replayed for hindsight
goals. Returns are computed from the current values. Only the actions in a window are old, and hindsight learning is
off-policy anyway.
"""

from typing import Any

import jax
import jax.numpy as jnp
from flax import struct

from hindsight_rl.agent.training.rollout import Transitions
from hindsight_rl.agent.training.tables import Tables


@struct.dataclass
class RareEventBuffer:
    """For each of V events, the latest D windows of T steps in which it happened.

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
    def none(cls, n_events: int, depth: int, steps: int, features: int) -> "RareEventBuffer":
        """An empty buffer."""
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


def store(
    buffer: RareEventBuffer, seen: Transitions, last_observation: jax.Array, key: jax.Array, drawn: jax.Array
) -> RareEventBuffer:
    """Store one window for each event of this rollout.

    Args:
        seen: [T, E].
        last_observation: float32 [E, F].
        drawn: any number that was read from the buffer before. The windows are written after it is known, so that XLA
            writes in place. Without this order it copies the whole buffer, twice in every update.
    """
    happened = seen.events.any(axis=0)
    luck = jax.random.uniform(key, happened.shape)
    where = jnp.argmax(jnp.where(happened, luck, -1.0), axis=0)  # an environment for each event
    any_ = happened.any(axis=0)
    depth = buffer.action.shape[1]
    # Beyond the end, nothing is written: for events that did not happen. Observations are never NaN.
    place = jnp.where(any_, buffer.count % depth, depth) + jnp.isnan(drawn)

    def put(old: jax.Array, new: jax.Array) -> jax.Array:
        return old.at[jnp.arange(len(where)), place].set(jnp.swapaxes(new, 0, 1)[where], mode="drop")

    return RareEventBuffer(
        put(buffer.observation, jnp.concatenate([seen.observation, last_observation[None]])),
        put(buffer.action, seen.action),
        put(buffer.events, seen.events),
        put(buffer.dead, seen.dead),
        put(buffer.dropped, seen.dropped),
        buffer.count + any_,
    )


def with_replays(
    seen: Transitions,
    last_observation: jax.Array,
    buffer: RareEventBuffer,
    tables: Tables,
    windows: int,
    key: jax.Array,
) -> tuple[Transitions, jax.Array]:
    """The rollout with replayed windows appended, as if they were more environments.

    Args:
        windows: how many, drawn by the rarity of their event. Empty windows count as dropped, so nothing is learned
            from them.

    Returns:
        transitions [T, E + windows], with `hidden` of the rollout alone, and the observations after the last step.
    """
    k_event, k_place = jax.random.split(key)
    depth = buffer.action.shape[1]
    weight = jnp.where((buffer.count > 0) & (tables.waypoint >= 0), tables.rarity, 1e-12)
    event = jax.random.categorical(k_event, jnp.log(weight), shape=(windows,))
    filled = jnp.clip(buffer.count[event], 1, depth)
    place = jnp.minimum((jax.random.uniform(k_place, (windows,)) * filled).astype(jnp.int32), filled - 1)

    def replayed(x: jax.Array) -> jax.Array:
        return jnp.swapaxes(x[event, place], 0, 1)

    observation = replayed(buffer.observation)
    known: dict[str, Any] = {
        "observation": observation[:-1],
        "action": replayed(buffer.action),
        "events": replayed(buffer.events),
        "dead": replayed(buffer.dead),
        "dropped": replayed(buffer.dropped) | (buffer.count[event] == 0),
    }
    seen_now = {k: x for k, x in seen._asdict().items() if k != "hidden"}
    none = {k: jnp.zeros((x.shape[0], windows, *x.shape[2:]), x.dtype) for k, x in seen_now.items()}
    joined = {k: jnp.concatenate([x, known.get(k, none[k])], axis=1) for k, x in seen_now.items()}
    return Transitions(hidden=seen.hidden, **joined), jnp.concatenate([last_observation, observation[-1]])
