"""What a world must offer: steps that tell their events, inside `jit`.

All functions of a `World` are for one environment; :func:`step_each` steps many.
"""

from typing import Any, NamedTuple, Protocol

import jax

from hindsight_rl.agent.envs.craftax.captions import Event
from hindsight_rl.agent.envs.craftax.mirror import Mirrors
from hindsight_rl.agent.keys import same_kinds


class Step(NamedTuple):
    """What one step of one environment yields.

    Attributes:
        state: the world's state afterwards.
        observation: float32 [observation_size], of ``state``.
        events: bool [n_events], in the order of ``World.events``; repeats fire again.
        reward: float32 scalar, the game's own reward; only the reference method `game` may learn from it.
        done: bool scalar, the world has ended (death or the game's own time limit).
    """

    state: Any
    observation: jax.Array
    events: jax.Array
    reward: jax.Array
    done: jax.Array


class World(Protocol):
    """An environment that can tell its transitions as events."""

    name: str
    events: tuple[Event, ...]
    canonical: tuple[str, ...]
    """One plain instruction for each of the game's achievements, which are the first events, in the same order."""
    n_actions: int
    observation_size: int
    exploration: tuple[float, ...]
    """Relative chance of each action when an action is drawn at random, the same for every method."""
    moves: tuple[int, ...]
    """The actions that move the agent."""
    observation: str
    """Which encoder made the observations: `raw`, or `compact`."""
    mirrors: Mirrors
    """The mirror images of its transitions, the transition itself first."""

    def generate(self, key: jax.Array) -> Any:
        """A fresh world's state."""
        ...

    def observe(self, state: Any) -> jax.Array:
        """float32 [observation_size]."""
        ...

    def step(self, key: jax.Array, state: Any, action: jax.Array) -> Step:
        """One transition; never resets."""
        ...


def step_each(world: World, keys: jax.Array, states: Any, actions: jax.Array) -> Step:
    """One transition of each of E environments.

    Args:
        keys: [E], of any kind; keys in the states stay of the kind that they are.
        states: leading axis [E].
        actions: int32 [E].
    """
    step = jax.vmap(world.step)(keys, states, actions)
    return step._replace(state=same_kinds(step.state, states))
