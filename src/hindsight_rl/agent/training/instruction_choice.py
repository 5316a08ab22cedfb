"""Choice of the next instruction of an environment: by chance, an initial one, or one for a missing event."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from hindsight_rl.agent.policy.action_selection import PolicyView, Selection, drawn_by
from hindsight_rl.agent.training.acting import BY_CHANCE, INITIAL, NEW_EVENT, REPEATED_EVENT, ActingRules
from hindsight_rl.agent.training.tables import Tables

LEAST_VALUE = 0.1
"""Added to the value of every event, so that events that seem out of reach are asked for sometimes."""
BLOCK = 64
"""Instructions in a block; see `Allowed`."""
NOISE = 0.02
"""Added to a value and to its average before they are compared, so that noise in small values does not count."""


class ChoiceLuck(NamedTuple):
    """The random numbers of a choice of instructions for E environments, uniform between 0 and 1.

    Attributes:
        by_chance: float32 [E, candidates].
        new_event, which_event, repeated_event, initial, initial_which: float32 [E].
    """

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


class Allowed(NamedTuple):
    """The instructions that the worlds of E environments allow.

    Worlds change often and there are many instructions, so they are drawn in two stages: a block of `BLOCK`
    instructions, then one of its instructions. Sums over all instructions are only needed by block.

    Attributes:
        events: bool [E, n_events], events that can happen in the world (`Environment.possible`).
        instructions: bool [E, B, BLOCK], whether the world allows each instruction; padded with False.
        by_chance: float32 [E, B], the running sum of `Tables.chance` over blocks of allowed instructions.
        initial: float32 [E, B], the running sum of `Tables.initial` over those.
    """

    events: jax.Array
    instructions: jax.Array
    by_chance: jax.Array
    initial: jax.Array

    @classmethod
    def of(cls, tables: Tables, possible: jax.Array) -> "Allowed":
        """For worlds in which the events bool [E, n_events] are possible.

        Where a world allows no instruction with a chance, all of them may be drawn by chance, and no initial one.
        """
        goals = (tables.fires.astype(jnp.float32) @ possible.T.astype(jnp.float32)) > 0
        goals = jnp.concatenate([goals, jnp.ones((1, len(possible)), bool)])  # for padding, which is -1
        allows = blocks(goals[tables.goals].all(axis=1).T)
        chance, initial = (jnp.where(allows, blocks(odds), 0.0).sum(axis=2) for odds in (tables.chance, tables.initial))
        none = chance.sum(axis=1, keepdims=True) <= 0
        chance = jnp.where(none, blocks(tables.chance).sum(axis=1), chance)
        initial = jnp.where(none, 0.0, initial)
        return cls(possible, allows | none[..., None], jnp.cumsum(chance, axis=1), jnp.cumsum(initial, axis=1))

    def drawn(self, odds: jax.Array, sums: jax.Array, luck: jax.Array) -> jax.Array:
        """As `action_selection.drawn_by`, of the instructions that each world allows: int32 [E, C].

        Args:
            odds: float32 [I], `Tables.chance` or `Tables.initial`.
            sums: float32 [E, B], of these odds: `by_chance` or `initial`.
            luck: float32 [E, C], uniform random numbers.
        """
        mark = luck * sums[:, -1:]
        block = _place(sums[:, None], mark)
        before = jnp.take_along_axis(jnp.pad(sums, ((0, 0), (1, 0))), block, axis=1)
        allows = self.instructions[jnp.arange(len(sums))[:, None], block]
        within = jnp.cumsum(jnp.where(allows, blocks(odds)[block], 0.0), axis=2)
        return block * BLOCK + _place(within, mark - before)


def blocks(each: jax.Array) -> jax.Array:
    """[..., I] -> [..., B, BLOCK], padded with zeros."""
    more = -each.shape[-1] % BLOCK
    padded = jnp.pad(each, (*[(0, 0)] * (each.ndim - 1), (0, more)))
    return padded.reshape(*each.shape[:-1], -1, BLOCK)


def _place(sums: jax.Array, mark: jax.Array) -> jax.Array:
    """The first place whose running sum is above the mark, int32 [...]; the last one that adds something if none is.

    Args:
        sums: float32 [..., N].
        mark: float32 [...].
    """
    last = jnp.argmax(sums >= sums[..., -1:], axis=-1)
    return jnp.minimum((sums <= mark[..., None]).sum(axis=-1), last).astype(jnp.int32)


def next_instruction(
    tables: Tables,
    odds: Odds,
    view: PolicyView,
    rules: ActingRules,
    selection: Selection,
    event_counts: jax.Array,
    since_new: jax.Array,
    luck: ChoiceLuck,
    allowed: "Allowed | None" = None,
) -> tuple[jax.Array, jax.Array]:
    """The instruction that each of E environments would be given now.

    Args:
        allowed: which instructions each world allows; None: all.
        selection: of the step, with the values of what was seen.
        event_counts: int32 [E, n_events], how often each event happened in this life.
        since_new: bool [E, n_events], events that happened since the last new event of this life.

    Returns:
        the instruction, int32 [E], and how it was chosen, int32 [E]: `BY_CHANCE`, `INITIAL`, `NEW_EVENT` or
        `REPEATED_EVENT`.
    """
    n = event_counts.shape[0]
    marks = luck.by_chance
    if allowed is None:
        drawn = drawn_by(odds.by_chance, marks)
    else:
        drawn = allowed.drawn(tables.chance, allowed.by_chance, marks)
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
        repeated = (luck.repeated_event < rules.repeated_event_share)[:, None]
        left = view.known & ~jnp.where(repeated, since_new, event_counts > 0)
        if allowed is not None:
            left = left & allowed.events
        wanted = jnp.where(repeated, odds.useful, tables.rarity)
        there_is, asking = event_instruction(selection.event_values, left, wanted, tables, luck.which_event)
        given = (luck.new_event < rules.new_event_share) & there_is
        instruction = jnp.where(given, asking, instruction)
        chosen = jnp.where(given, jnp.where(repeated[:, 0], REPEATED_EVENT, NEW_EVENT), chosen)

    if rules.initial:
        there_are = odds.initial[-1] > 0
        if allowed is None:
            initial = drawn_by(odds.initial, luck.initial_which)
        else:
            initial = allowed.drawn(tables.initial, allowed.initial, luck.initial_which[:, None])[:, 0]
            there_are = there_are & (allowed.initial[:, -1] > 0)
        given = (luck.initial < rules.initial) & there_are
        instruction = jnp.where(given, initial, instruction)
        chosen = jnp.where(given, INITIAL, chosen)
    return instruction, chosen


def event_instruction(
    values: jax.Array, left: jax.Array, wanted: jax.Array, tables: Tables, luck: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """An instruction for one of the events left. Events with a higher value and weight are more likely.

    Args:
        values: float32 [E, n_events], of every event's goal here.
        left: bool [E, n_events], events that can be asked for and have not happened.
        wanted: float32 [E, n_events], the weight of each event.
        luck: float32 [E], uniform random numbers.

    Returns:
        whether there is one, bool [E], and which, int32 [E].
    """
    odds = jnp.cumsum(jnp.where(left, (jnp.maximum(values, 0.0) + LEAST_VALUE) * wanted, 0.0), axis=1)
    mark = luck[:, None] * odds[:, -1:]
    event = jnp.minimum((odds <= mark).sum(axis=1), odds.shape[1] - 1)
    return odds[:, -1] > 0, tables.waypoint[event]
