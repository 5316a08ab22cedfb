"""Waypoints: what always came before an event is done before it, as often as it always came.

From every life the agent keeps how often each event had happened when another happened for the first time. What
(nearly) always preceded an event is taken for its prerequisite, and how often it (nearly) always did for how often it
is needed: a table that costs two pieces of wood has always come after two. An instruction whose prerequisites this
life has not seen often enough is pursued through them, the one that is nearest by the learned values first; then the
goal itself. The policy needs no long-range values, nothing is asked of anybody, and no reward is involved: only the
order of events in hindsight. A prerequisite that is only a coincidence costs a detour until one counter-example
refutes it.
"""

from typing import Any

import jax
import jax.numpy as jnp
from flax import struct

SURE = 0.97
"""Share of an event's first occurrences that a prerequisite must have preceded."""
SEEN = 3
"""First occurrences before an event is thought to have prerequisites."""
MOST = 6
"""How often a prerequisite may be asked for: occurrences beyond are not counted."""


@struct.dataclass
class Order:
    """Which events came before which.

    Attributes:
        before: float32 [n_events, n_events, MOST], first occurrences of the row's event in a life that the column's
            event had preceded at least once, twice, ...
        count: float32 [n_events], first occurrences in a life.
    """

    before: jax.Array
    count: jax.Array

    @classmethod
    def none(cls, n_events: int) -> "Order":
        """Nothing seen yet."""
        return cls(jnp.zeros((n_events, n_events, MOST)), jnp.zeros(n_events))


def observe(order: Order, events: jax.Array, witnessed: jax.Array) -> Order:
    """Add what a rollout saw.

    Args:
        events: bool [N, n_events], of each transition.
        witnessed: int32 [N, n_events], how often the life had seen each event before it, at most MOST.
    """
    first = (events & (witnessed == 0)).astype(jnp.float32)
    often = witnessed[:, :, None] > jnp.arange(MOST)
    before = first.T @ often.reshape(len(often), -1).astype(jnp.float32)
    return Order(order.before + before.reshape(order.before.shape), order.count + first.sum(0))


def required(order: Order, known: jax.Array) -> jax.Array:
    """int32 [n_events, n_events]: how often the column's event has to come before the row's, 0 to MOST.

    Args:
        known: bool [n_events], events that can be asked for.
    """
    n = order.count[:, None]
    times = (order.before >= SURE * n[:, :, None]).sum(axis=2)
    return times * ((n >= SEEN) & known[None] & ~jnp.eye(len(known), dtype=bool))


def choose(
    values: jax.Array, goal_fires: jax.Array, required: jax.Array, seen: jax.Array, witnessed: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """The waypoint to pursue from here.

    Args:
        values: float32 [E, n_events], of every event's goal here.
        goal_fires: bool [E, n_events], the events that fulfil the goal asked for.
        required: of :func:`required`.
        seen: bool [n_events], events whose prerequisites are known.
        witnessed: int32 [E, n_events], how often this life has seen each event, at most MOST.

    Returns:
        event int32 [E], and whether there is one, bool [E]. A goal that several events fulfil needs only what all of
        them need.
    """
    ways = goal_fires & seen
    needs = jnp.where(ways[:, :, None], required[None], MOST).min(axis=1) * ways.any(axis=1)[:, None]
    open_ = (needs > witnessed) & ~goal_fires
    best = jnp.argmax(jnp.where(open_, values, -jnp.inf), axis=1)
    return best.astype(jnp.int32), open_.any(axis=1)


def goal_values(psi: jax.Array, omega: jax.Array, known: jax.Array) -> jax.Array:
    """float32 [N, n_events]: value of every event's goal, 0 where it has no sentence yet.

    Args:
        psi: float32 [N, A, R].
        omega: float32 [n_events, R].
        known: bool [n_events].
    """
    return jnp.where(known, jnp.einsum("nar,er->nea", psi, omega).max(axis=2), 0.0)


def rows(tables: Any) -> tuple[jax.Array, jax.Array]:
    """The goal of each event, int32 [n_events], and whether it has one, bool [n_events]."""
    known = tables.waypoint >= 0
    return jnp.where(known, tables.goals[jnp.maximum(tables.waypoint, 0), 0], 0), known
