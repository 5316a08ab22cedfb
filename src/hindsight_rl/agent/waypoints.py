"""Waypoints: what always came before an event is done before it.

From every life the agent keeps which events had happened when another happened for the first time. What preceded an
event (nearly) always is taken for its prerequisite. An instruction whose prerequisites this life has not seen yet is
pursued through them, the one that is nearest by the learned values first; then the goal itself. The policy needs no
long-range values, nothing is asked of anybody, and no reward is involved: only the order of events in hindsight. A
prerequisite that is only a coincidence costs a detour until one counter-example refutes it.
"""

from typing import Any

import jax
import jax.numpy as jnp
from flax import struct

SURE = 0.97
"""Share of an event's first occurrences that a prerequisite must have preceded."""
SEEN = 3
"""First occurrences before an event is thought to have prerequisites."""


@struct.dataclass
class Order:
    """Which events came before which.

    Attributes:
        before: float32 [n_events, n_events], first occurrences of the row's event in a life that the column's event
            had preceded.
        count: float32 [n_events], first occurrences in a life.
    """

    before: jax.Array
    count: jax.Array

    @classmethod
    def none(cls, n_events: int) -> "Order":
        """Nothing seen yet."""
        return cls(jnp.zeros((n_events, n_events)), jnp.zeros(n_events))


def observe(order: Order, events: jax.Array, witnessed: jax.Array) -> Order:
    """Add what a rollout saw.

    Args:
        events: bool [N, n_events], of each transition.
        witnessed: bool [N, n_events], what the life had seen before it.
    """
    first = (events & ~witnessed).astype(jnp.float32)
    return Order(order.before + first.T @ witnessed.astype(jnp.float32), order.count + first.sum(0))


def required(order: Order, known: jax.Array) -> jax.Array:
    """bool [n_events, n_events]: the column's event is a prerequisite of the row's.

    Args:
        known: bool [n_events], events that can be asked for.
    """
    n = order.count[:, None]
    return (order.before >= SURE * n) & (n >= SEEN) & known[None] & ~jnp.eye(len(known), dtype=bool)


def choose(
    values: jax.Array, goal_fires: jax.Array, required: jax.Array, seen: jax.Array, witnessed: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """The waypoint to pursue from here.

    Args:
        values: float32 [E, n_events], of every event's goal here.
        goal_fires: bool [E, n_events], the events that fulfil the goal asked for.
        required: of :func:`required`.
        seen: bool [n_events], events whose prerequisites are known.
        witnessed: bool [E, n_events], what this life has seen.

    Returns:
        event int32 [E], and whether there is one, bool [E]. A goal that several events fulfil needs only what all of
        them need.
    """
    ways = goal_fires & seen
    needs = jnp.where(ways[:, :, None], required[None], True).all(axis=1) & ways.any(axis=1)[:, None]
    open_ = needs & ~witnessed & ~goal_fires
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
