"""New trajectories of a trained run, with pictures.

They are made as in training: the environments of the newest checkpoint go on, under the instructions that the run gives
and with its rate of random actions, but nothing is learned.
"""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from hindsight_rl.agent.envs.bank import Bank
from hindsight_rl.agent.envs.environment import Environment
from hindsight_rl.agent.evaluation.attempt import plain_state
from hindsight_rl.agent.policy.network import QNetwork
from hindsight_rl.agent.policy.prerequisites import Precedence
from hindsight_rl.agent.training.acting import ActingRules
from hindsight_rl.agent.training.relabel_step import life_to_relabel
from hindsight_rl.agent.training.rollout import Actors, Transitions, roll
from hindsight_rl.agent.training.sharding import local
from hindsight_rl.agent.training.tables import Tables
from hindsight_rl.agent.training.training_run import TrainingRun

AT_ONCE = 32
"""At most this many environments step at the same time."""
FRAMES = 12
"""A film strip has at most this many pictures."""


@dataclass(frozen=True)
class Trajectory:
    """What an agent did for some steps of one life.

    Attributes:
        events: bool [T, n_events].
        states: some of the environment's states: number of steps, from 0 to T -> NumPy leaves.
    """

    events: np.ndarray
    states: Mapping[int, Any]

    def frames(self, most: int = FRAMES) -> list[int]:
        """The steps of the pictures of a film strip, ascending.

        They are the first and the last state, then those after something happened for the first time, then others,
        evenly spread. The choice depends on the trajectory alone, so that it does not give away a relabel's evidence.
        """
        kept = sorted(self.states)
        news = [int(step) + 1 for step in self.events[:, self.events.any(0)].argmax(0)]
        wanted = [
            step for step in dict.fromkeys(sorted(news)) if step in self.states and step not in kept[:1] + kept[-1:]
        ]
        room = max(0, most - len(kept[:1] + kept[-1:]))
        if len(wanted) > room:
            wanted = [wanted[i] for i in np.linspace(0, len(wanted) - 1, room).round().astype(int)]
        chosen = set(kept[:1] + kept[-1:] + wanted)
        while len(chosen) < min(most, len(kept)):
            chosen.add(max(kept, key=lambda step: min(abs(step - other) for other in chosen)))
        return sorted(chosen)


@partial(jax.jit, static_argnames=("network", "env"))
def _step(
    network: QNetwork,
    params: Any,
    env: Environment,
    bank: Bank,
    tables: Tables,
    rules: ActingRules,
    actors: Actors,
    precedence: Precedence,
    epsilon: jax.Array,
    key: jax.Array,
) -> tuple[Actors, Transitions]:
    return roll(network, params, env, bank, tables, rules, actors, precedence, epsilon, 1, key)


def trajectories(training: TrainingRun, steps: int, seed: int) -> Iterator[Trajectory]:
    """New trajectories, without end.

    Args:
        training: the run, restored from its checkpoint.
        steps: length of each; shorter where a life begins or ends.
        seed: the same seed gives the same trajectories on the same kind of machine.
    """
    count = min(training.config.num_envs, AT_ONCE)
    state, wanted = training.state, training.library.wanted()
    params, precedence = local((state.params, state.precedence))
    bank, tables = local((training.bank, training.tables()))
    fraction = jnp.minimum(state.update / training.schedule.updates, 1.0)
    epsilon = training.schedule.epsilons(fraction, training.config.num_envs)[:count]
    actors = jax.tree.map(lambda leaf: jnp.asarray(leaf)[:count], state.actors)
    key = jax.random.key(seed)  # not a swift one: a few thousand steps do not repay the longer compilation
    for window in itertools.count():
        keys = jax.random.split(jax.random.fold_in(key, window), steps)
        recorder = _Recorder(steps, actors, len(training.env.events))
        for step in range(steps):
            actors, seen = _step(
                training.network, params, training.env, bank, tables, training.acting, actors, precedence, epsilon,
                keys[step],
            )  # fmt: skip
            recorder.add(step, actors, np.asarray(seen.events[0]), np.asarray(seen.dead[0] | seen.dropped[0]))
        for n in range(count):
            yield recorder.trajectory(n, wanted)


class _Recorder:
    """The events of E environments, and those of their states that a film strip may show."""

    def __init__(self, steps: int, actors: Actors, n_events: int):
        count = actors.instruction.shape[0]
        self.events = np.zeros((steps, count, n_events), bool)
        self.over = np.zeros((steps, count), bool)
        self.known = np.zeros((count, n_events), bool)
        self.every = max(1, steps // FRAMES)
        # Of each environment: number of steps -> the state after them.
        self.states: list[dict[int, Any]] = [{} for _ in range(count)]
        self._keep(0, actors, np.ones(count, bool))

    def add(self, step: int, actors: Actors, events: np.ndarray, over: np.ndarray) -> None:
        """What happened in a step, bool [E, n_events], and where a life ended, bool [E]."""
        self.events[step], self.over[step] = events, over
        news = (events & ~self.known).any(axis=1)
        self.known = np.where(over[:, None], False, self.known | events)
        # Where a life ended, this is already the first state of the next one.
        self._keep(step + 1, actors, news | over | ((step + 1) % self.every == 0) | (step + 1 == len(self.events)))

    def _keep(self, step: int, actors: Actors, where: np.ndarray) -> None:
        chosen = np.flatnonzero(where)
        if len(chosen):
            states = jax.tree.map(lambda leaf: np.asarray(leaf[chosen]), plain_state(actors.env_state))
            for row, n in enumerate(chosen):
                self.states[n][step] = jax.tree.map(lambda leaf, row=row: leaf[row], states)

    def trajectory(self, n: int, wanted: np.ndarray) -> Trajectory:
        """The life of environment n that training would relabel."""
        life = life_to_relabel(self.events[:, n], self.over[:, n], wanted)
        # The state behind a life's last step belongs to the next life.
        last = life.stop - bool(life.stop > life.start and self.over[life.stop - 1, n])
        states = {step - life.start: state for step, state in self.states[n].items() if life.start <= step <= last}
        return Trajectory(self.events[life, n], states)
