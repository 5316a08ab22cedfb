"""The tables of a training iteration: goals, rewards and instructions as arrays. No text enters a compiled program."""

import jax
import jax.numpy as jnp
from flax import struct


@struct.dataclass
class Tables:
    """The known goals (G) and instructions (I) of one training iteration.

    Attributes:
        condition: float32 [G, C], the policy's input for each known goal.
        fires: bool [G, n_events], the semantic reward: does the event fulfil the goal?
        hindsight: float32 [G], weight with which a goal is drawn for hindsight updates; 0 for unused rows.
        goals: int32 [I, `parser.MAX_TRAINED_GOALS`], the goals of each instruction, padded with -1.
        ordered: bool [I], whether the goals must be reached in their order.
        times: int32 [I, MAX_TRAINED_GOALS], how often each goal must be reached; 0 for padding. None: once.
        forbidden: bool [I, n_events], the events that end an attempt at the instruction as a failure; None: none.
        avoid: int32 [I, `parser.MAX_FORBIDDEN`], the goals that ask for forbidden events, padded with -1.
        chance: float32 [I], probability of giving each instruction; sums to 1.
        initial: float32 [I], probability of giving each initial instruction; sums to 1, or to 0 if there are none.
        waypoint: int32 [n_events], the instruction that asks for this event alone; -1 if none has been found.
        rarity: float32 [n_events], the weight of each event; rare events weigh more.
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
    times: jax.Array | None = None
    forbidden: jax.Array | None = None
    avoid: jax.Array | None = None

    def event_goals(self) -> tuple[jax.Array, jax.Array]:
        """The goal that asks for each event, int32 [n_events], and whether it has one, bool [n_events]."""
        known = self.waypoint >= 0
        return jnp.where(known, self.goals[jnp.maximum(self.waypoint, 0), 0], 0), known
