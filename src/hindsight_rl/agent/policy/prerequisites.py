"""Waypoints: what always came before an event is done before it, as often as it always came.

From every life the agent keeps how often each event had happened when another happened for the first time. What
(nearly) always preceded an event is taken for its prerequisite, and how often it (nearly) always did for how often it
is needed: a table that costs two pieces of wood has always come after two. What was needed anew when the event
happened for the second time is used up by it (wood by a pickaxe), the rest lasts (the table). So books can be kept of
what is at hand: what has happened, less what has been used up since.

An instruction whose prerequisites are not at hand is pursued through them, the one that is nearest by the learned
values first; then the goal itself. The policy needs no long-range values, nothing is asked of anybody, and no reward
is involved: only the order of events in hindsight. A prerequisite that is only a coincidence costs a detour until one
counter-example refutes it.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import struct

SURE = 0.97
"""Share of an event's first occurrences that a prerequisite must have preceded."""
SEEN = 3
"""First occurrences before an event is thought to have prerequisites."""
MOST = 9
"""How often a prerequisite may be asked for: occurrences beyond are not counted."""
LONGEST = 8
"""Links of the longest chain of prerequisites of which it is told what uses up what."""


@struct.dataclass
class Order:
    """Which events came before which.

    Attributes:
        before: float32 [2, n_events, n_events, MOST], first and second occurrences of the row's event in a life that
            the column's event had preceded at least once, twice, ...
        count: float32 [2, n_events], first and second occurrences in a life.
    """

    before: jax.Array
    count: jax.Array

    @classmethod
    def none(cls, n_events: int) -> "Order":
        """Nothing seen yet."""
        return cls(jnp.zeros((2, n_events, n_events, MOST)), jnp.zeros((2, n_events)))


class Needs(NamedTuple):
    """What the order of events says of prerequisites.

    Attributes:
        required: int32 [n_events, n_events], how often the column's event has to come before the row's first, 0 to
            MOST.
        spent: int32 [n_events, n_events], how many of these the row's event uses up itself.
        seen: bool [n_events], events whose prerequisites are known.
    """

    required: jax.Array
    spent: jax.Array
    seen: jax.Array


class Demand(NamedTuple):
    """What goals demand, one row for each.

    Attributes:
        fires: bool [..., n_events], the events that fulfil the goal.
        required: int32 [..., n_events], how often each event has to come before.
        spent: int32 [..., n_events], how many of these the goal uses up.
    """

    fires: jax.Array
    required: jax.Array
    spent: jax.Array


def observe(order: Order, events: jax.Array, witnessed: jax.Array) -> Order:
    """Add what a rollout saw.

    Args:
        events: bool [N, n_events], of each transition.
        witnessed: int32 [N, n_events], how often the life had seen each event before it, at most MOST.
    """
    which = jnp.stack([events & (witnessed == times) for times in (0, 1)]).astype(jnp.float32)
    often = (witnessed[:, :, None] > jnp.arange(MOST)).astype(jnp.float32)
    before = jnp.einsum("kne,nm->kem", which, often.reshape(len(often), -1))
    return Order(order.before + before.reshape(order.before.shape), order.count + which.sum(axis=1))


def needs(order: Order, known: jax.Array) -> Needs:
    """What has to be done before what, how often, and what is used up.

    What an event requires in all, less what its other prerequisites use up on the way to it, it uses up itself, unless
    it happened a second time without more.

    Args:
        known: bool [n_events], events that can be asked for.
    """
    often = (order.before >= SURE * order.count[..., None, None]).sum(axis=3)
    enough = (order.count >= SEEN)[..., None]
    required = often[0] * (enough[0] & known & ~jnp.eye(len(known), dtype=bool))
    lasts = enough[1] & (often[1] <= required)
    spent = required
    for _ in range(LONGEST):
        spent = jnp.where(lasts, 0, jnp.maximum(required - required @ spent, 0))
    return Needs(required, spent, enough[0, :, 0])


def keep_books(stock: jax.Array, events: jax.Array, spent: jax.Array) -> jax.Array:
    """What is at hand after a step, int32 [E, n_events]: what happened, less what that used up, never below nothing.

    Args:
        stock: int32 [E, n_events], before the step.
        events: bool [E, n_events], of the step.
        spent: of `Needs`.
    """
    happened = events.astype(stock.dtype)
    return jnp.maximum(stock + happened - happened @ spent, 0)


def demand(fires: jax.Array, needs: Needs) -> Demand:
    """What each goal demands: of a goal that several events fulfil, only what all of them need.

    Args:
        fires: bool [G, n_events], the events that fulfil each goal.
        needs: of :func:`needs`.
    """
    ways = fires & needs.seen

    def by_all(table: jax.Array) -> jax.Array:
        return jnp.where(ways[:, :, None], table, MOST).min(axis=1) * ways.any(axis=1)[:, None]

    return Demand(fires, by_all(needs.required), by_all(needs.spent))


def choose(
    values: jax.Array, demand: Demand, spent: jax.Array, witnessed: jax.Array, stock: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """The waypoint to pursue from here.

    Args:
        values: float32 [E, n_events], of every event's goal here.
        demand: [E, n_events], of the goals asked for.
        spent: of `Needs`.
        witnessed: int32 [E, n_events], how often this life has seen each event, at most MOST.
        stock: int32 [E, n_events], of :func:`keep_books`.

    Returns:
        event int32 [E], and whether there is one, bool [E].
    """
    # What lasts is to be done as often as it always was; what is used up must be at hand, for the goal and for that.
    to_do = jnp.where(demand.spent > 0, 0, jnp.maximum(demand.required - witnessed, 0))
    open_ = ((to_do > 0) | (stock < demand.spent + to_do @ spent)) & ~demand.fires
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
