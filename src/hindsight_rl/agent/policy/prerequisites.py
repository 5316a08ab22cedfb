"""Prerequisites of events, learned from the order in which events happened.

In each life, when an event B happens for the first time, we count how often each other event A has happened before.

* Prerequisite: A (nearly) always came before B. The required number is how often A (nearly) always came before. For
  example, if a table costs two pieces of wood, two have always been collected before it.
* Consumed: A was required again before B happened for the second time (wood for a second pickaxe). Otherwise A lasts
  (the table).
* Inventory estimate: what has happened, minus what was consumed since.

If prerequisites of a goal are missing, the agent first pursues the missing one with the highest learned value, and the
goal itself last. So the policy needs no long-range values. This uses no reward and no knowledge of the environment's
rules. A prerequisite may be a coincidence: then the agent makes a detour until one counter-example shows it.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import struct

SURE = 0.97
"""Share of an event's first occurrences that a prerequisite must have preceded."""
MIN_OCCURRENCES = 3
"""Number of first occurrences of an event that are needed to decide on its prerequisites."""
MAX_COUNT = 9
"""Highest number of times that a prerequisite can be required. Further occurrences are not counted."""
MAX_CHAIN = 8
"""Longest chain of prerequisites for which consumed items are computed."""


@struct.dataclass
class Precedence:
    """Which events came before which.

    Attributes:
        before: float32 [2, n_events, n_events, MAX_COUNT], number of first and second occurrences of the row's
            event in a life before which the column's event had happened at least once, twice, ...
        count: float32 [2, n_events], first and second occurrences in a life.
    """

    before: jax.Array
    count: jax.Array

    @classmethod
    def none(cls, n_events: int) -> "Precedence":
        """The counts at the start."""
        return cls(jnp.zeros((2, n_events, n_events, MAX_COUNT)), jnp.zeros((2, n_events)))


class Prerequisites(NamedTuple):
    """The prerequisites of each event.

    Attributes:
        required: int32 [n_events, n_events], how often the column's event must happen before the first time of
            the row's event, 0 to MAX_COUNT.
        consumed: int32 [n_events, n_events], how many of these the row's event itself consumes.
        known: bool [n_events], events that happened often enough to decide on their prerequisites.
    """

    required: jax.Array
    consumed: jax.Array
    known: jax.Array


class Requirements(NamedTuple):
    """What goals require, one row for each.

    Attributes:
        fires: bool [..., n_events], the events that fulfil the goal.
        required: int32 [..., n_events], how often each event must happen before.
        consumed: int32 [..., n_events], how many of these the goal consumes.
    """

    fires: jax.Array
    required: jax.Array
    consumed: jax.Array


def observe(precedence: Precedence, events: jax.Array, event_counts: jax.Array) -> Precedence:
    """Count the events of a rollout.

    Args:
        events: bool [N, n_events], of each transition.
        event_counts: int32 [N, n_events], how often each event had happened in the life before the transition, at most
            MAX_COUNT.
    """
    which = jnp.stack([events & (event_counts == times) for times in (0, 1)]).astype(jnp.float32)
    often = (event_counts[:, :, None] > jnp.arange(MAX_COUNT)).astype(jnp.float32)
    before = jnp.einsum("kne,nm->kem", which, often.reshape(len(often), -1))
    return Precedence(precedence.before + before.reshape(precedence.before.shape), precedence.count + which.sum(axis=1))


def prerequisites(precedence: Precedence, can_be_asked: jax.Array) -> Prerequisites:
    """The prerequisites of each event, how often they are required, and how many of them it consumes.

    An event consumes what it requires in total, minus what its other prerequisites consume. It does not consume what
    was not required again for its second occurrence.

    Args:
        can_be_asked: bool [n_events], events for which there is a goal.
    """
    often = (precedence.before >= SURE * precedence.count[..., None, None]).sum(axis=3)
    enough = (precedence.count >= MIN_OCCURRENCES)[..., None]
    required = often[0] * (enough[0] & can_be_asked & ~jnp.eye(len(can_be_asked), dtype=bool))
    lasts = enough[1] & (often[1] <= required)
    consumed = required
    for _ in range(MAX_CHAIN):
        consumed = jnp.where(lasts, 0, jnp.maximum(required - required @ consumed, 0))
    return Prerequisites(required, consumed, enough[0, :, 0])


def update_inventory(inventory: jax.Array, events: jax.Array, consumed: jax.Array) -> jax.Array:
    """The inventory estimate after a step, int32 [E, n_events]: what happened, minus what was consumed, at least 0.

    Args:
        inventory: int32 [E, n_events], before the step.
        events: bool [E, n_events], of the step.
        consumed: of `Prerequisites`.
    """
    happened = events.astype(inventory.dtype)
    return jnp.maximum(inventory + happened - happened @ consumed, 0)


def requirements(fires: jax.Array, found: Prerequisites) -> Requirements:
    """What each goal requires. If several events fulfil a goal, it requires only what all of them require.

    Args:
        fires: bool [G, n_events], the events that fulfil each goal.
        found: of :func:`prerequisites`.
    """
    ways = fires & found.known

    def by_all(table: jax.Array) -> jax.Array:
        return jnp.where(ways[:, :, None], table, MAX_COUNT).min(axis=1) * ways.any(axis=1)[:, None]

    return Requirements(fires, by_all(found.required), by_all(found.consumed))


def choose_waypoint(
    values: jax.Array,
    goal: Requirements,
    consumed: jax.Array,
    event_counts: jax.Array,
    inventory: jax.Array,
    forbidden: jax.Array | None = None,
) -> tuple[jax.Array, jax.Array]:
    """The event to pursue next on the way to a goal.

    Args:
        values: float32 [E, n_events], of every event's goal here.
        goal: [E, n_events], what the goals require.
        consumed: of `Prerequisites`.
        event_counts: int32 [E, n_events], how often each event happened in this life, at most MAX_COUNT.
        inventory: int32 [E, n_events], of :func:`update_inventory`.
        forbidden: bool [E, n_events], events that are no waypoints.

    Returns:
        event int32 [E], and whether there is one, bool [E].
    """
    # Lasting items must have happened as often as required. Consumed items must be in the inventory estimate.
    to_do = jnp.where(goal.consumed > 0, 0, jnp.maximum(goal.required - event_counts, 0))
    open_ = ((to_do > 0) | (inventory < goal.consumed + to_do @ consumed)) & ~goal.fires
    if forbidden is not None:
        open_ = open_ & ~forbidden
    best = jnp.argmax(jnp.where(open_, values, -jnp.inf), axis=1)
    return best.astype(jnp.int32), open_.any(axis=1)


def event_values(psi: jax.Array, omega: jax.Array, known: jax.Array) -> jax.Array:
    """float32 [N, n_events]: value of the goal for each event, 0 if there is no such goal yet.

    Args:
        psi: float32 [N, A, R].
        omega: float32 [n_events, R].
        known: bool [n_events].
    """
    return jnp.where(known, jnp.einsum("nar,er->nea", psi, omega).max(axis=2), 0.0)
