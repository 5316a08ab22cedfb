"""Choice of the next instruction of an environment: by chance, an initial one, or one for a missing event."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from hindsight_rl.agent.policy.action_selection import PolicyView, Selection, drawn_by
from hindsight_rl.agent.training.acting import BY_CHANCE, INITIAL, NEW_EVENT, REPEATED_EVENT, ActingRules
from hindsight_rl.agent.training.tables import Tables

LEAST_VALUE = 0.1
"""Added to the value of every event, so that events that seem out of reach are asked for sometimes."""
NOISE = 0.02
"""Added to a value and to its average before they are compared, so that noise in small values does not count."""


class ChoiceKeys(NamedTuple):
    """The random streams of a choice of instructions."""

    by_chance: jax.Array
    new_event: jax.Array
    which_event: jax.Array
    repeated_event: jax.Array
    initial: jax.Array
    initial_which: jax.Array


class Odds(NamedTuple):
    """Sums over the tables that choices need, computed once for many steps.

    Attributes:
        by_chance: float32 [I], the running sum of `Tables.chance`.
        initial: float32 [I], the running sum of `Tables.initial`.
        usual: float32 [G], the average value of each goal; None where one candidate is drawn.
        useful: float32 [n_events], how many events require each.
    """

    by_chance: jax.Array
    initial: jax.Array
    usual: jax.Array | None
    useful: jax.Array

    @classmethod
    def of(cls, tables: Tables, view: PolicyView, rules: ActingRules, observation: jax.Array) -> "Odds":
        """Compute them; values are averaged over observations float32 [E, F]."""
        usual = None
        if rules.candidates > 1:
            psi = view.psi(observation)
            usual = jnp.maximum(jnp.einsum("ear,gr->ega", psi, view.omega).max(axis=2).mean(axis=0), 0.0)
        assert view.prerequisites is not None
        useful = (view.prerequisites.required > 0).sum(axis=0).astype(jnp.float32)
        return cls(jnp.cumsum(tables.chance), jnp.cumsum(tables.initial), usual, useful)


def next_instruction(
    tables: Tables,
    odds: Odds,
    view: PolicyView,
    rules: ActingRules,
    selection: Selection,
    event_counts: jax.Array,
    since_new: jax.Array,
    keys: ChoiceKeys,
) -> tuple[jax.Array, jax.Array]:
    """The instruction that each of E environments would be given now.

    Args:
        selection: of the step, with the values of what was seen.
        event_counts: int32 [E, n_events], how often each event happened in this life.
        since_new: bool [E, n_events], events that happened since the last new event of this life.

    Returns:
        the instruction, int32 [E], and how it was chosen, int32 [E]: `BY_CHANCE`, `INITIAL`, `NEW_EVENT` or
        `REPEATED_EVENT`.
    """
    n = event_counts.shape[0]
    drawn = drawn_by(odds.by_chance, jax.random.uniform(keys.by_chance, (n, rules.candidates)))
    if odds.usual is not None:
        # Of the candidates, take the one with the highest ratio of its value here to its average value.
        first_goal = jnp.maximum(tables.goals[drawn, 0], 0)
        here = jnp.einsum("ear,ecr->eca", selection.psi, view.omega[first_goal]).max(axis=2)
        best = jnp.argmax((here + NOISE) / (odds.usual[first_goal] + NOISE), axis=1)
    else:
        best = jnp.zeros(n, jnp.int32)
    instruction = jnp.take_along_axis(drawn, best[:, None], axis=1)[:, 0]
    chosen = jnp.full(n, BY_CHANCE, jnp.int32)

    if selection.event_values is not None and view.known is not None and rules.new_event_share:
        repeated = jax.random.bernoulli(keys.repeated_event, rules.repeated_event_share, (n, 1))
        left = view.known & ~jnp.where(repeated, since_new, event_counts > 0)
        wanted = jnp.where(repeated, odds.useful, tables.rarity)
        there_is, asking = event_instruction(selection.event_values, left, wanted, tables, keys.which_event)
        given = (jax.random.uniform(keys.new_event, (n,)) < rules.new_event_share) & there_is
        instruction = jnp.where(given, asking, instruction)
        chosen = jnp.where(given, jnp.where(repeated[:, 0], REPEATED_EVENT, NEW_EVENT), chosen)

    if rules.initial:
        initial = drawn_by(odds.initial, jax.random.uniform(keys.initial_which, (n,)))
        given = (jax.random.uniform(keys.initial, (n,)) < rules.initial) & (odds.initial[-1] > 0)
        instruction = jnp.where(given, initial, instruction)
        chosen = jnp.where(given, INITIAL, chosen)
    return instruction, chosen


def event_instruction(
    values: jax.Array, left: jax.Array, wanted: jax.Array, tables: Tables, key: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """An instruction for one of the events left. Events with a higher value and weight are more likely.

    Args:
        values: float32 [E, n_events], of every event's goal here.
        left: bool [E, n_events], events that can be asked for and have not happened.
        wanted: float32 [E, n_events], the weight of each event.

    Returns:
        whether there is one, bool [E], and which, int32 [E].
    """
    odds = jnp.cumsum(jnp.where(left, (jnp.maximum(values, 0.0) + LEAST_VALUE) * wanted, 0.0), axis=1)
    mark = jax.random.uniform(key, (values.shape[0], 1)) * odds[:, -1:]
    event = jnp.minimum((odds <= mark).sum(axis=1), odds.shape[1] - 1)
    return odds[:, -1] > 0, tables.waypoint[event]
