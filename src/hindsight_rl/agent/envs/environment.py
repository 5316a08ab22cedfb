"""What an environment must offer: steps inside `jit` that say which events happened.

All functions of an :class:`Environment` are for one environment; :func:`step_each` steps many.
"""

from typing import Any, NamedTuple, Protocol

import jax
import numpy as np

from hindsight_rl.agent.envs.events import Event
from hindsight_rl.agent.envs.symmetries import Symmetries
from hindsight_rl.agent.keys import same_kinds
from hindsight_rl.errors import HindsightError


class Step(NamedTuple):
    """What one step of one environment yields.

    Attributes:
        state: the environment's state afterwards.
        observation: float32 [observation_size], of ``state``.
        events: bool [n_events], in the order of ``Environment.events``; repeats fire again.
        reward: float32 scalar, the game's own reward; only the reference method `game` may learn from it.
        done: bool scalar, the environment has ended (death or the game's own time limit).
    """

    state: Any
    observation: jax.Array
    events: jax.Array
    reward: jax.Array
    done: jax.Array


class Environment(Protocol):
    """An environment that reports the events of each transition.

    Derive a class from it, so that what has a default here may be left as it is; then
    `Trainer(TrainConfig(...), env=MyEnvironment())` trains in it. An instance is a constant of the compiled programs:
    it must not change after it is made.
    """

    name: str
    """For run folders and messages."""
    events: tuple[Event, ...]
    """The vocabulary, the order of `Step.events`."""
    instructions: tuple[str, ...]
    """The initial instructions: instruction i asks for event i. They are given in training and evaluated."""
    n_actions: int
    observation_size: int
    exploration: tuple[float, ...] | None = None
    """Relative chance of each action when an action is drawn at random, the same for every method; None: all alike."""
    moves: tuple[int, ...] = ()
    """The actions that move the agent. With some, an agent that sees nothing new walks on in trials."""
    symmetries: Symmetries | None = None
    """Transitions that are worth the same, such as mirror images; None: there are none."""
    cache_key: str | None = None
    """Names everything that generated states depend on, the version of the game too: states with the same key are kept
    on disk. None: they are generated anew by each process."""

    def generate(self, key: jax.Array) -> Any:
        """The first state of a new life."""
        ...

    def observe(self, state: Any) -> jax.Array:
        """float32 [observation_size]."""
        ...

    def step(self, key: jax.Array, state: Any, action: jax.Array) -> Step:
        """One transition; never resets."""
        ...

    def render(self, state: Any) -> np.ndarray:
        """A picture of a state whose leaves are NumPy arrays, uint8 [height, width, 3].

        Raises:
            HindsightError: this environment has no pictures.
        """
        raise HindsightError(f"environment '{self.name}' draws no pictures: give it a method render(state)")


def exploration_odds(env: Environment) -> jax.Array:
    """float32 [n_actions], the running sum of the chances of random actions."""
    chances = env.exploration if env.exploration is not None else (1.0,) * env.n_actions
    return jax.numpy.cumsum(jax.numpy.asarray(chances))


def check_environment(env: Environment) -> Environment:
    """The environment itself, once one step of it has been checked for shapes.

    Raises:
        HindsightError: names what does not fit the protocol.
    """
    try:
        hash(env)
    except TypeError as error:
        raise HindsightError(
            f"environment '{env.name}' cannot be hashed, so no program can be compiled for it: "
            "if its class is a dataclass, make it @dataclass(frozen=True) or @dataclass(eq=False)"
        ) from error
    n_events = len(env.events)
    names = [event.name for event in env.events]
    if not n_events or len(set(names)) < n_events:
        raise HindsightError(f"environment '{env.name}': events must have names, no two alike; they are {names}")
    if not 0 < len(env.instructions) <= n_events:
        raise HindsightError(
            f"environment '{env.name}': {len(env.instructions)} instructions for {n_events} events; "
            "give at least one, and instruction i asks for event i"
        )
    if env.exploration is not None and len(env.exploration) != env.n_actions:
        raise HindsightError(f"environment '{env.name}': exploration must have {env.n_actions} numbers, one an action")
    key = jax.eval_shape(lambda: jax.random.key(0))
    state = jax.eval_shape(env.generate, key)
    step = jax.eval_shape(env.step, key, state, jax.ShapeDtypeStruct((), jax.numpy.int32))
    found = {
        "observe(state)": jax.eval_shape(env.observe, state).shape,
        "Step.observation": step.observation.shape,
        "Step.events": step.events.shape,
        "Step.reward": step.reward.shape,
        "Step.done": step.done.shape,
    }
    size = (env.observation_size,)
    expected = dict(zip(found, (size, size, (n_events,), (), ()), strict=True))
    for what, shape in found.items():
        if shape != expected[what]:
            raise HindsightError(f"environment '{env.name}': {what} has shape {shape}, expected {expected[what]}")
    if str(jax.tree.structure(step.state)) != str(jax.tree.structure(state)):
        raise HindsightError(f"environment '{env.name}': step(...) returns a state of another structure than generate")
    return env


def step_each(env: Environment, keys: jax.Array, states: Any, actions: jax.Array) -> Step:
    """One transition of each of E environments.

    Args:
        keys: [E], of any kind; keys in the states stay of the kind that they are.
        states: leading axis [E].
        actions: int32 [E].
    """
    step = jax.vmap(env.step)(keys, states, actions)
    return step._replace(state=same_kinds(step.state, states))
