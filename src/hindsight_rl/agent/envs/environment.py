"""The protocol of an environment: steps inside `jit` that report which events happened.

All functions of an :class:`Environment` are for one environment; :func:`step_each` steps many.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import jax
import numpy as np

from hindsight_rl.agent.envs.events import Event
from hindsight_rl.agent.envs.symmetries import Symmetries
from hindsight_rl.agent.instructions.language import Language
from hindsight_rl.agent.keys import same_kinds
from hindsight_rl.errors import HindsightError


class Step(NamedTuple):
    """The result of one step of one environment.

    Attributes:
        state: the environment's state afterwards.
        observation: float32 [observation_size], of ``state``.
        events: bool [n_events], in the order of ``Environment.events``; an event fires each time it happens.
        reward: float32 scalar, the game's own reward; only the reference method `game` may learn from it.
        done: bool scalar, the environment has ended (death or the game's own time limit).
    """

    state: Any
    observation: jax.Array
    events: jax.Array
    reward: jax.Array
    done: jax.Array


@dataclass(frozen=True)
class Composition:
    """An instruction with several goals, with counts or with what is forbidden, for evaluation.

    Attributes:
        text: as people write it.
        events: the names of the events of its goals, in order.
        ordered: whether the order counts.
        times: how often each event must happen; () for once.
        avoid: the names of events that must not happen.
    """

    text: str
    events: tuple[str, ...]
    ordered: bool
    times: tuple[int, ...] = ()
    avoid: tuple[str, ...] = ()


class Environment(Protocol):
    """An environment that reports the events of each transition.

    Derive your class from it and override what you need; `Trainer(TrainConfig(...), env=MyEnvironment())` then trains
    in it. Compiled programs treat an instance as a constant, so it must not change after its creation.
    """

    name: str
    """The name in run folders and messages."""
    events: tuple[Event, ...]
    """The vocabulary, the order of `Step.events`."""
    instructions: tuple[str, ...]
    """The initial instructions: instruction i asks for event i. They are given in training and evaluated."""
    language: Language = Language()
    """How people name the events. By default, an event is known by its captions alone."""
    compositions: tuple[Composition, ...] = ()
    """Instructions with several goals that are evaluated. They are not given in training."""
    strict_compositions: tuple[Composition, ...] = ()
    """Instructions with counts or with what is forbidden, for `hindsight agent eval --bench strict`."""
    horizon: int = 200
    """Steps per goal in evaluation."""
    settings: tuple[tuple[str, Any], ...] = ()
    """Dotted names and values of the training settings that suit the environment, e.g. `("acting.patience", 64)`. They
    replace the defaults; settings of the method and of the user take precedence."""
    about: str = ""
    """The environment in one sentence, for reports."""
    scene: str = "You watch an agent in a simulated world."
    """The first sentence of the prompt with which a language model relabels."""
    n_actions: int
    observation_size: int
    exploration: tuple[float, ...] | None = None
    """Relative probability of each random action, the same for every method. None: all are equally likely."""
    moves: tuple[int, ...] = ()
    """The actions that move the agent. If given, an agent in a trial walks on when nothing new happens."""
    symmetries: Symmetries | None = None
    """Symmetries of transitions, such as mirror images. None: there are none."""
    cache_key: str | None = None
    """Identifies everything that generated states depend on, including the version of the game. States are cached on
    disk under this key. None: each process generates them again."""

    def generate(self, key: jax.Array) -> Any:
        """The first state of a new life."""
        ...

    def observe(self, state: Any) -> jax.Array:
        """float32 [observation_size]."""
        ...

    def step(self, key: jax.Array, state: Any, action: jax.Array) -> Step:
        """One transition; never resets."""
        ...

    def possible(self, state: Any) -> jax.Array | None:
        """bool [n_events], which events can happen in the world of this state; None: all of them can.

        An instruction is given, and evaluated, only where its events can happen.
        """
        return None

    def render(self, state: Any) -> np.ndarray:
        """A picture of a state whose leaves are NumPy arrays, uint8 [height, width, 3].

        Raises:
            HindsightError: this environment has no pictures.
        """
        raise HindsightError(f"environment '{self.name}' draws no pictures: give it a method render(state)")

    def film_picture(self, state: Any, tile: int) -> np.ndarray | None:
        """The picture of a film, uint8 [height, width, 3], where one cell of the map has about ``tile`` pixels. None:
        the picture of `render`, enlarged."""
        return None


def exploration_odds(env: Environment) -> jax.Array:
    """float32 [n_actions], the running sum of the chances of random actions."""
    chances = env.exploration if env.exploration is not None else (1.0,) * env.n_actions
    return jax.numpy.cumsum(jax.numpy.asarray(chances))


def check_environment(env: Environment) -> Environment:
    """Check the shapes of one step, then return the environment.

    Raises:
        HindsightError: the environment does not fit the protocol; the message says where.
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
        raise HindsightError(f"environment '{env.name}': exploration must have {env.n_actions} numbers, one per action")
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
    for (path, first), after in zip(jax.tree.leaves_with_path(state), jax.tree.leaves(step.state), strict=True):
        if _kind(first) != _kind(after):
            raise HindsightError(
                f"environment '{env.name}': state{jax.tree_util.keystr(path)} is {_kind(after)} after step(...), "
                f"{_kind(first)} after generate(...); the state must keep its shapes and types"
            )
    return env


def _kind(leaf: jax.ShapeDtypeStruct) -> str:
    """Type and shape, e.g. "float32 [3]". Keys of all kinds are alike: see `keys.same_kinds`."""
    is_key = jax.numpy.issubdtype(leaf.dtype, jax.dtypes.prng_key)
    return f"{'key' if is_key else leaf.dtype} {list(leaf.shape)}"


def step_each(env: Environment, keys: jax.Array, states: Any, actions: jax.Array) -> Step:
    """One transition of each of E environments.

    Args:
        keys: [E], of any kind; keys in the states keep their kind.
        states: leading axis [E].
        actions: int32 [E].
    """
    step = jax.vmap(env.step)(keys, states, actions)
    return step._replace(state=same_kinds(step.state, states))
