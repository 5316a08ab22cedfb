"""The tables of a training iteration: goals, rewards and instructions as arrays. No text enters a compiled program."""

import jax
import jax.numpy as jnp
from flax import struct

MAX_GOALS = 3
"""Goals of one instruction, at most."""


@struct.dataclass
class Tables:
    """What is known and asked for, in one training iteration: G goals, I instructions.

    Attributes:
        condition: float32 [G, C], the conditioning input of each known goal.
        fires: bool [G, n_events], the semantic reward: does the event fulfil the goal?
        hindsight: float32 [G], weight with which a goal is drawn for hindsight updates; 0 for unused rows.
        goals: int32 [I, MAX_GOALS], the goals of each instruction, padded with -1.
        ordered: bool [I], whether the goals must be reached in their order.
        chance: float32 [I], probability with which an instruction is given; sums to 1.
        initial: float32 [I], probability with which an initial instruction is given; sums to 1, or to 0 where there are
            none.
        waypoint: int32 [n_events], the instruction that asks for each event alone; -1 where none has been found.
        rarity: float32 [n_events], how much more a rare event is wanted.
    """

    condition: jax.Array
    fires: jax.Array
    hindsight: jax.Array
    goals: jax.Array
    ordered: jax.Array
    chance: jax.Array
    initial: jax.Array
    waypoint: jax.Array
    rarity: jax.Array

    def event_goals(self) -> tuple[jax.Array, jax.Array]:
        """The goal that asks for each event, int32 [n_events], and whether it has one, bool [n_events]."""
        known = self.waypoint >= 0
        return jnp.where(known, self.goals[jnp.maximum(self.waypoint, 0), 0], 0), known
