"""The parts of the agent's training, each alone and as long as a training iteration; see agent_costs.py."""

import dataclasses
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from hindsight_rl.agent.envs import make_env
from hindsight_rl.agent.envs.bank import Bank
from hindsight_rl.agent.instructions.library import Library
from hindsight_rl.agent.keys import swift
from hindsight_rl.agent.policy.network import QNetwork, psi_of
from hindsight_rl.agent.policy.pqn import LearningRules, learn
from hindsight_rl.agent.policy.prerequisites import (
    MAX_COUNT,
    Precedence,
    choose_waypoint,
    event_values,
    observe,
    prerequisites,
    requirements,
    update_inventory,
)
from hindsight_rl.agent.policy.rare_events import RareEventBuffer, store, with_replays
from hindsight_rl.agent.training.config import TrainConfig
from hindsight_rl.agent.training.iteration import TrainState, optimizer
from hindsight_rl.agent.training.presets import PRESETS
from hindsight_rl.agent.training.rollout import Transitions, roll, start
from hindsight_rl.agent.training.tables import Tables
from hindsight_rl.agent.training.training_run import TrainingRun
from hindsight_rl.run import Run

# -- the parts, each as long as an iteration -------------------------------------------------------------------------


@partial(jax.jit, static_argnums=(0, 1))
def walk(env: Any, steps: int, bank: Bank, states: Any, observations: jax.Array, key: jax.Array) -> Any:
    """The environments alone, with random actions, and a reset where one is over."""

    def one(carry: Any, key: jax.Array) -> Any:
        k_action, k_step, k_reset = jax.random.split(key, 3)
        n = carry[1].shape[0]
        action = jax.random.randint(k_action, (n,), 0, env.n_actions)
        step = jax.vmap(env.step)(jax.random.split(k_step, n), carry[0], action)
        return bank.renew(k_reset, step.done, step.state, step.observation), step.events.any()

    return jax.lax.scan(one, (states, observations), jax.random.split(key, steps))


@partial(jax.jit, static_argnums=(0, 1, 2, 3))
def act(
    network: Any, env: Any, updates: int, steps: int, bank: Bank, tables: Tables, rules: Any, at: TrainState
) -> Any:
    """Acting, the environments included; the last rollout, and all events and ends."""
    n = at.actors.instruction.shape[0]

    def once(actors: Any, key: jax.Array) -> Any:
        epsilon = jnp.full(n, 0.3)
        return roll(network, at.params, env, bank, tables, rules, actors, at.precedence, epsilon, steps, key)

    def one(carry: Any, key: jax.Array) -> Any:
        actors, seen = once(carry[0], key)
        return (actors, seen), (seen.events, seen.dead | seen.dropped)

    key = swift(at.key)
    (actors, seen), (events, over) = jax.lax.scan(
        one, (at.actors, _nothing(once, at.actors, key)), jax.random.split(key, updates)
    )
    return actors, seen, events.reshape(-1, *events.shape[2:]), over.reshape(-1, n)


@partial(jax.jit, static_argnums=(0, 1))
def replay(
    updates: int,
    windows: int,
    buffer: RareEventBuffer,
    precedence: Precedence,
    tables: Tables,
    seen: Transitions,
    last: jax.Array,
) -> Any:
    """The replay buffer and the order of events: what is stored, what is replayed beside the rollout."""

    def once(buffer: RareEventBuffer, key: jax.Array) -> Any:
        return with_replays(seen, last, buffer, tables, windows, key)

    def one(carry: Any, key: jax.Array) -> Any:
        buffer, precedence, _ = carry
        batch = once(buffer, key)
        precedence = observe(precedence, *(x.reshape(-1, x.shape[-1]) for x in (seen.events, seen.event_counts)))
        return (store(buffer, seen, last, key, batch[1][-1, 0]), precedence, batch), None

    keys = jax.random.split(swift(jax.random.key(0)), updates)
    empty = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), jax.eval_shape(once, buffer, keys[0]))
    return jax.lax.scan(one, (buffer, precedence, empty), keys)[0][2]


@partial(jax.jit, static_argnums=(0, 1, 2))
def study(
    network: Any, env: Any, updates: int, tables: Tables, rules: LearningRules, at: TrainState, batch: Any, last: Any
) -> Any:
    """Learning: returns and every minibatch."""
    images = env.symmetries if rules.mirrored else None

    def one(carry: Any, key: jax.Array) -> Any:
        params, state = carry
        params, state, loss = learn(network, optimizer(), params, state, tables, rules, batch, last, key, images)
        return (params, state), loss

    return jax.lax.scan(one, (at.params, at.opt_state), jax.random.split(swift(at.key), updates))


@partial(jax.jit, static_argnums=(0,))
def choose(
    steps: int, psi: jax.Array, omega: jax.Array, tables: Tables, precedence: Precedence, counts: jax.Array
) -> Any:
    """What to pursue: values of every event's goal, and waypoints."""
    found = prerequisites(precedence, tables.waypoint >= 0)
    required = requirements(tables.fires, found)
    goals = jax.tree.map(lambda x: x[jnp.arange(len(psi)) % len(tables.fires)], required)

    def one(carry: Any, scale: jax.Array) -> Any:
        counts, inventory = carry
        near = event_values(psi * scale, omega, tables.waypoint >= 0)
        waypoint, there_is = choose_waypoint(near, goals, found.consumed, counts, inventory)
        done = jnp.arange(counts.shape[1]) == waypoint[:, None]
        return ((counts + done) % MAX_COUNT, update_inventory(inventory, done, found.consumed)), there_is

    scales = jnp.linspace(0.9, 1.0, steps)  # scaled, or it would be computed once
    return jax.lax.scan(one, (counts, counts), scales)


def _nothing(once: Callable[..., Any], *args: Any) -> Any:
    """Zeros in the shape of the second thing that a function returns."""
    return jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), jax.eval_shape(once, *args)[1])


class Varied(Protocol):
    """What a case needs to know; see `agent_costs.Costs`."""

    preset: str
    env: str
    num_envs: Sequence[int]
    num_updates: int
    num_worlds: int


class Case:
    """A training run with so many environments, and the last rollout that it saw."""

    def __init__(self, config: Varied, num_envs: int, folder: Path):
        self.config, self.num_envs = config, num_envs
        preset = PRESETS[config.preset]
        settings = dataclasses.replace(
            preset, env=config.env, num_envs=num_envs, num_updates=config.num_updates, num_worlds=config.num_worlds,
            total_timesteps=10**9, trajectories=min(num_envs, preset.trajectories), out=str(folder / str(num_envs)),
        )  # fmt: skip
        if config.env == "craftax":
            settings.observation = "raw"
        self.training = TrainingRun(settings, Run.create(settings.out, dataclasses.asdict(settings), kind="agent"))
        self.libraries: dict[int, Library] = {}
        self.relabels = self.training.config.relabels

    def begin(self) -> None:
        """Train for an iteration, act for another one: compiles both."""
        self.training.iterate()
        self.tables, self.rules = self.training.tables(), self.training.learning
        actors, self.seen, self.events, self.over = self.act(self.tables)
        self.last = actors.observation
        self.batch, self.batch_last = self.replay()

    @property
    def at(self) -> TrainState:
        return self.training.state

    def walk(self) -> Any:
        steps = self.config.num_updates * self.training.config.num_steps
        actors, training = self.at.actors, self.training
        return walk(training.env, steps, training.bank, actors.env_state, actors.observation, swift(self.at.key))

    def act(self, tables: Tables) -> Any:
        training = self.training
        sizes = self.config.num_updates, training.config.num_steps
        return act(training.network, training.env, *sizes, training.bank, tables, training.acting, self.at)

    def replay(self) -> Any:
        assert self.at.replay is not None
        sizes = self.config.num_updates, self.rules.replay_windows
        return replay(*sizes, self.at.replay, self.at.precedence, self.tables, self.seen, self.last)

    def learn(self, tables: Tables | None = None, **rules: Any) -> Any:
        changed = dataclasses.replace(self.rules, **rules)
        sizes = self.training.network, self.training.env, self.config.num_updates
        return study(*sizes, tables or self.tables, changed, self.at, self.batch, self.batch_last)

    def wide(self) -> int:
        """The minibatch that keeps the number of minibatches at what the fewest environments have."""
        return self.rules.minibatch * self.num_envs // min(self.config.num_envs)

    def larger_tables(self, times: int) -> Tables:
        """The same instructions in a library of more capacity; it is kept for :meth:`host_tables`."""
        training, old = self.training, self.training.library
        sizes = old.max_goals * times, old.max_instructions * times
        training.library = Library(training.reward, training.env.events, False, training.config.condition, *sizes)
        training.library.restore(old.state())
        tables = training.tables()
        self.libraries[times], training.library = training.library, old
        return tables

    def host_tables(self, times: int) -> Any:
        """Make tables of that capacity."""
        old, self.training.library = self.training.library, self.libraries[times]
        made = self.training.tables()
        self.training.library = old
        return made

    def more_events(self, times: int) -> dict[str, Callable[[], Any]]:
        """The parts that know events, with each event so many times."""

        def tiled(x: jax.Array, axis: int = -1) -> jax.Array:
            return jnp.concatenate([x] * times, axis)

        def wider(seen: Transitions) -> Transitions:
            return seen._replace(events=tiled(seen.events), event_counts=tiled(seen.event_counts))

        tables = dataclasses.replace(
            self.tables,
            fires=tiled(self.tables.fires),
            waypoint=tiled(self.tables.waypoint),
            rarity=tiled(self.tables.rarity),
        )
        training, n_events = self.training, len(self.training.env.events) * times
        features, steps = training.env.observation_size, training.config.num_steps
        buffer = RareEventBuffer.none(n_events, self.rules.windows_per_event, steps, features)
        precedence, updates = Precedence.none(n_events), self.config.num_updates
        seen, batch, windows = wider(self.seen), wider(self.batch), self.rules.replay_windows
        psi = psi_of(training.network, self.at.params)(self.last)
        omega = jax.random.normal(jax.random.key(1), (n_events, psi.shape[-1]))
        sizes = training.network, training.env, updates
        return {
            "waypoints": lambda: choose(updates * steps, psi, omega, tables, precedence, seen.event_counts[-1]),
            "replay": lambda: replay(updates, windows, buffer, precedence, tables, seen, self.last),
            "learn": lambda: study(*sizes, tables, self.rules, self.at, batch, self.batch_last),
        }

    def relabel(self, k: int, count: int) -> Any:
        """On the host: propose, verify, offer."""
        columns = np.arange(count) % self.num_envs
        self.training.config.relabels = k
        step = self.training.relabeling
        return step(self.training.step, self.host_events[:, columns], self.host_over[:, columns])

    def fetch(self) -> None:
        """Events and ends, on the host."""
        self.host_events, self.host_over = np.asarray(self.events), np.asarray(self.over)


def footprint(name: str, settings: TrainConfig, embedding: int) -> dict[str, int]:
    """Bytes of what is kept of an environment, from shapes alone: nothing is computed.

    Args:
        embedding: length of a sentence embedding.
    """
    env = make_env(name, "raw" if name == "craftax" else settings.observation)
    events, features, rules = len(env.events), env.observation_size, settings.learning
    key = jax.random.key(0)

    def one_world() -> Bank:
        states = jax.vmap(env.generate)(key[None])
        return Bank(states, jax.vmap(env.observe)(states))

    def network() -> Any:
        made = QNetwork(env.n_actions, settings.width, settings.depth, settings.rank)
        return made.init(key, jnp.zeros((1, features)), jnp.zeros((1, events + embedding)))

    bank = jax.eval_shape(one_world)
    actors = jax.eval_shape(lambda bank: start(env, bank, 1, key), bank)
    sizes = events, rules.windows_per_event, settings.num_steps, features
    buffer = jax.eval_shape(lambda: RareEventBuffer.none(*sizes))
    # Transitions: the observation, the hidden units, five numbers, events as flags and as counts, and seven flags.
    return {
        "events": events,
        "actions": env.n_actions,
        "observation": 4 * features,
        "parameters": _bytes(jax.eval_shape(network)) // 4,
        "env_state": _bytes(bank.states),
        "actor": _bytes(actors),
        "transition": 4 * (features + settings.width) + 20 + 5 * events + 7,
        "replay": _bytes(buffer),
        "condition": 4 * (events + embedding),
    }


def _bytes(tree: Any) -> int:
    return int(sum(np.prod(leaf.shape, dtype=int) * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree)))
