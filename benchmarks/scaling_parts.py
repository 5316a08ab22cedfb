"""The parts of the agent's training, each alone and as long as a stretch; see agent_scaling.py."""

import dataclasses
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from hindsight_rl.agent.envs import make_world
from hindsight_rl.agent.envs.bank import Bank
from hindsight_rl.agent.instructions.library import Library
from hindsight_rl.agent.keys import swift
from hindsight_rl.agent.policy import prerequisites as waypoints
from hindsight_rl.agent.policy.network import QNetwork
from hindsight_rl.agent.policy.network import psi as network_psi
from hindsight_rl.agent.policy.pqn import LearningRules, learn
from hindsight_rl.agent.policy.rare_events import Memory, remember, with_memories
from hindsight_rl.agent.training.config import TrainConfig
from hindsight_rl.agent.training.iteration import Learner, optimizer
from hindsight_rl.agent.training.presets import PRESETS
from hindsight_rl.agent.training.rollout import Tables, Transitions, roll, start
from hindsight_rl.agent.training.trainer import Trainer
from hindsight_rl.run import Run

# -- the parts, each as long as a stretch -------------------------------------------------------------------------


@partial(jax.jit, static_argnums=(0, 1))
def walk(world: Any, steps: int, bank: Bank, states: Any, observations: jax.Array, key: jax.Array) -> Any:
    """The world alone, with random actions: steps, and fresh worlds where one is over."""

    def one(carry: Any, key: jax.Array) -> Any:
        k_action, k_step, k_world = jax.random.split(key, 3)
        n = carry[1].shape[0]
        action = jax.random.randint(k_action, (n,), 0, world.n_actions)
        step = jax.vmap(world.step)(jax.random.split(k_step, n), carry[0], action)
        return bank.renew(k_world, step.done, step.state, step.observation), step.events.any()

    return jax.lax.scan(one, (states, observations), jax.random.split(key, steps))


@partial(jax.jit, static_argnums=(0, 1, 2, 3))
def act(network: Any, world: Any, updates: int, steps: int, bank: Bank, tables: Tables, rules: Any, at: Learner) -> Any:
    """Acting, the world included; the last rollout, and all events and ends."""
    n = at.actors.instruction.shape[0]

    def once(actors: Any, key: jax.Array) -> Any:
        return roll(network, at.params, world, bank, tables, rules, actors, at.order, jnp.full(n, 0.3), steps, key)

    def one(carry: Any, key: jax.Array) -> Any:
        actors, seen = once(carry[0], key)
        return (actors, seen), (seen.events, seen.dead | seen.dropped)

    key = swift(at.key)
    (actors, seen), (events, over) = jax.lax.scan(
        one, (at.actors, _nothing(once, at.actors, key)), jax.random.split(key, updates)
    )
    return actors, seen, events.reshape(-1, *events.shape[2:]), over.reshape(-1, n)


@partial(jax.jit, static_argnums=(0, 1))
def recall(updates: int, windows: int, memory: Memory, order: Any, tables: Tables, seen: Transitions, last: Any) -> Any:
    """Memory and the order of events: what is remembered, what is recalled beside the rollout."""

    def once(memory: Memory, key: jax.Array) -> Any:
        return with_memories(seen, last, memory, tables, windows, key)

    def one(carry: Any, key: jax.Array) -> Any:
        memory, order, _ = carry
        lived = once(memory, key)
        order = waypoints.observe(order, *(x.reshape(-1, x.shape[-1]) for x in (seen.events, seen.witnessed)))
        return (remember(memory, seen, last, key), order, lived), None

    keys = jax.random.split(swift(jax.random.key(0)), updates)
    empty = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), jax.eval_shape(once, memory, keys[0]))
    return jax.lax.scan(one, (memory, order, empty), keys)[0][2]


@partial(jax.jit, static_argnums=(0, 1, 2))
def study(
    network: Any, world: Any, updates: int, tables: Tables, rules: LearningRules, at: Learner, lived: Any, last: Any
) -> Any:
    """Learning: returns and every minibatch."""
    images = world.mirrors if rules.mirrored else None

    def one(carry: Any, key: jax.Array) -> Any:
        params, state = carry
        params, state, loss = learn(network, optimizer(), params, state, tables, rules, lived, last, key, images)
        return (params, state), loss

    return jax.lax.scan(one, (at.params, at.opt_state), jax.random.split(swift(at.key), updates))


@partial(jax.jit, static_argnums=(0,))
def choose(steps: int, psi: jax.Array, omega: jax.Array, tables: Tables, order: Any, witnessed: jax.Array) -> Any:
    """What to pursue: values of every event's goal, and waypoints."""
    needs = waypoints.needs(order, tables.waypoint >= 0)
    demands = waypoints.demand(tables.fires, needs)
    asked_for = jax.tree.map(lambda x: x[jnp.arange(len(psi)) % len(tables.fires)], demands)

    def one(books: Any, scale: jax.Array) -> Any:
        witnessed, stock = books
        near = waypoints.goal_values(psi * scale, omega, tables.waypoint >= 0)
        way, there = waypoints.choose(near, asked_for, needs.spent, witnessed, stock)
        done = jnp.arange(witnessed.shape[1]) == way[:, None]
        return ((witnessed + done) % waypoints.MOST, waypoints.keep_books(stock, done, needs.spent)), there

    scales = jnp.linspace(0.9, 1.0, steps)  # scaled, or it would be computed once
    return jax.lax.scan(one, (witnessed, witnessed), scales)


def _nothing(once: Callable[..., Any], *args: Any) -> Any:
    """Zeros in the shape of the second thing that a function returns."""
    return jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), jax.eval_shape(once, *args)[1])


class Varied(Protocol):
    """What a case needs to know; see `agent_scaling.ScalingConfig`."""

    preset: str
    world: str
    envs: tuple[int, ...]
    stretch: int
    worlds: int


class Case:
    """A trainer with so many environments, and the last rollout that it saw."""

    def __init__(self, config: Varied, envs: int, folder: Path):
        self.config, self.envs = config, envs
        settings = dataclasses.replace(
            PRESETS[config.preset], world=config.world, envs=envs, stretch=config.stretch, worlds=config.worlds,
            steps=10**9, trajectories=min(envs, PRESETS[config.preset].trajectories), out=str(folder / str(envs)),
        )  # fmt: skip
        if config.world == "craftax":
            settings.observation = "raw"
        self.trainer = Trainer(settings, Run.create(settings.out, dataclasses.asdict(settings), kind="agent"))
        self.libraries: dict[int, Library] = {}
        self.told_relabels = self.trainer.config.relabels

    def begin(self) -> None:
        """Train for a stretch, act for another one: compiles both."""
        self.trainer.advance()
        self.tables, self.rules = self.trainer.tables(), self.trainer.learning
        actors, self.seen, self.events, self.over = self.act(self.tables)
        self.last = actors.observation
        self.lived, self.lived_last = self.recall()

    @property
    def at(self) -> Learner:
        return self.trainer.learner

    def walk(self) -> Any:
        steps = self.config.stretch * self.trainer.config.rollout
        actors = self.at.actors
        return walk(self.trainer.world, steps, self.trainer.bank, actors.world, actors.observation, swift(self.at.key))

    def act(self, tables: Tables) -> Any:
        trainer = self.trainer
        sizes = self.config.stretch, trainer.config.rollout
        return act(trainer.network, trainer.world, *sizes, trainer.bank, tables, trainer.acting, self.at)

    def recall(self) -> Any:
        assert self.at.memory is not None
        sizes = self.config.stretch, self.rules.memories
        return recall(*sizes, self.at.memory, self.at.order, self.tables, self.seen, self.last)

    def learn(self, tables: Tables | None = None, **rules: Any) -> Any:
        changed = dataclasses.replace(self.rules, **rules)
        network, stretch = self.trainer.network, self.config.stretch
        return study(
            network, self.trainer.world, stretch, tables or self.tables, changed, self.at, self.lived, self.lived_last
        )

    def wide(self) -> int:
        """The minibatch that keeps the number of minibatches at what the fewest environments have."""
        return self.rules.minibatch * self.envs // min(self.config.envs)

    def larger_tables(self, times: int) -> Tables:
        """The same instructions in a library of more capacity; it stays the trainer's."""
        trainer, old = self.trainer, self.trainer.library
        sizes = old.max_goals * times, old.max_instructions * times
        trainer.library = Library(trainer.reward, trainer.world.events, False, trainer.config.condition, *sizes)
        trainer.library.restore(old.state())
        tables = trainer.tables()
        self.libraries[times], trainer.library = trainer.library, old
        return tables

    def host_tables(self, times: int) -> Any:
        """Lay down tables of that capacity."""
        old, self.trainer.library = self.trainer.library, self.libraries[times]
        made = self.trainer.tables()
        self.trainer.library = old
        return made

    def more_events(self, times: int) -> dict[str, Callable[[], Any]]:
        """The parts that know events, with each event so many times."""

        def tiled(x: jax.Array, axis: int = -1) -> jax.Array:
            return jnp.concatenate([x] * times, axis)

        def wider(seen: Transitions) -> Transitions:
            return seen._replace(events=tiled(seen.events), witnessed=tiled(seen.witnessed))

        tables = dataclasses.replace(
            self.tables,
            fires=tiled(self.tables.fires),
            waypoint=tiled(self.tables.waypoint),
            rarity=tiled(self.tables.rarity),
        )
        trainer, n_events = self.trainer, len(self.trainer.world.events) * times
        features, steps = trainer.world.observation_size, trainer.config.rollout
        memory, order = Memory.none(n_events, self.rules.memory, steps, features), waypoints.Order.none(n_events)
        seen, lived, stretch = wider(self.seen), wider(self.lived), self.config.stretch
        psi = network_psi(trainer.network, self.at.params, self.last)
        omega = jax.random.normal(jax.random.key(1), (n_events, psi.shape[-1]))
        sizes = trainer.network, trainer.world, stretch
        return {
            "waypoints": lambda: choose(stretch * steps, psi, omega, tables, order, seen.witnessed[-1]),
            "memory": lambda: recall(stretch, self.rules.memories, memory, order, tables, seen, self.last),
            "learn": lambda: study(*sizes, tables, self.rules, self.at, lived, self.lived_last),
        }

    def relabel(self, k: int, count: int) -> Any:
        """On the host: propose, verify, offer."""
        columns = np.arange(count) % self.envs
        self.trainer.config.relabels = k
        return self.trainer._relabel(self.host_events[:, columns], self.host_over[:, columns])

    def fetch(self) -> None:
        """Events and ends, on the host."""
        self.host_events, self.host_over = np.asarray(self.events), np.asarray(self.over)


def footprint(name: str, settings: TrainConfig, embedding: int) -> dict[str, int]:
    """Bytes of what is kept in a world, from shapes alone: nothing is computed.

    Args:
        embedding: length of a sentence embedding.
    """
    world = make_world(name, "raw" if name == "craftax" else settings.observation)
    events, features, rules = len(world.events), world.observation_size, settings.learning
    key = jax.random.key(0)

    def one_world() -> Bank:
        states = jax.vmap(world.generate)(key[None])
        return Bank(states, jax.vmap(world.observe)(states))

    def network() -> Any:
        made = QNetwork(world.n_actions, settings.width, settings.depth, settings.rank)
        return made.init(key, jnp.zeros((1, features)), jnp.zeros((1, events + embedding)))

    bank = jax.eval_shape(one_world)
    actors = jax.eval_shape(lambda bank: start(world, bank, 1, key), bank)
    memory = jax.eval_shape(lambda: Memory.none(events, rules.memory, settings.rollout, features))
    # Transitions: the observation, five numbers, events as flags and as counts, and seven flags.
    return {
        "events": events,
        "actions": world.n_actions,
        "observation": 4 * features,
        "parameters": _bytes(jax.eval_shape(network)) // 4,
        "world_state": _bytes(bank.states),
        "actor": _bytes(actors),
        "transition": 4 * features + 20 + 5 * events + 7,
        "memory": _bytes(memory),
        "condition": 4 * (events + embedding),
    }


def _bytes(tree: Any) -> int:
    return int(sum(np.prod(leaf.shape, dtype=int) * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree)))
