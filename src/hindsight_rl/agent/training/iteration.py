"""One training iteration inside `jit`: act, learn, act, learn, and report what happened.

    state, report = train_iteration(static, inputs, state)

Between two iterations the host relabels, updates the instruction buffer and makes new tables.
"""

from dataclasses import dataclass, fields
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import struct

from hindsight_rl.agent.envs.bank import Bank
from hindsight_rl.agent.envs.environment import Environment
from hindsight_rl.agent.keys import swift
from hindsight_rl.agent.policy.network import QNetwork
from hindsight_rl.agent.policy.pqn import LearningRules, learn
from hindsight_rl.agent.policy.prerequisites import Precedence, observe
from hindsight_rl.agent.policy.rare_events import RareEventBuffer, store, with_replays
from hindsight_rl.agent.training.acting import REPEATED_EVENT, ActingRules
from hindsight_rl.agent.training.rollout import Actors, Transitions, roll
from hindsight_rl.agent.training.sharding import Placement
from hindsight_rl.agent.training.tables import Tables


@dataclass(frozen=True)
class Static:
    """What a training iteration is compiled for.

    Attributes:
        placement: where the state's arrays are, and stay.
        num_updates: updates in one iteration.
        num_steps: steps of every environment between two updates.
        trajectories: R, environments whose events are reported for relabeling.
        at_once: environments whose instructions are chosen together; None: all.
    """

    network: QNetwork
    env: Environment
    placement: Placement
    num_updates: int
    num_steps: int
    trajectories: int
    at_once: int | None = None


@struct.dataclass
class Schedule:
    """Settings of the learning rate and of random actions, as float32 scalars; see `TrainConfig`."""

    learning_rate: jax.Array
    learning_rate_end: jax.Array
    epsilon_start: jax.Array
    epsilon_end: jax.Array
    epsilon_fraction: jax.Array
    epsilon_spread: jax.Array
    updates: jax.Array
    """Total number of updates."""

    @classmethod
    def of(cls, config: Any, updates: int) -> "Schedule":
        """The schedule of these settings for a total number of updates."""
        names = [field.name for field in fields(cls) if field.name != "updates"]
        values = {name: jnp.float32(getattr(config, name)) for name in names}
        return cls(**values, updates=jnp.float32(updates))

    def rate(self, fraction: jax.Array) -> jax.Array:
        """The learning rate when ``fraction`` of training is done."""
        return self.learning_rate * (1.0 - (1.0 - self.learning_rate_end) * fraction)

    def epsilons(self, fraction: jax.Array, n: int) -> jax.Array:
        """float32 [n]: each environment's rate of random actions when ``fraction`` of training is done."""
        fallen = jnp.minimum(fraction / self.epsilon_fraction, 1.0)
        base = self.epsilon_start + (self.epsilon_end - self.epsilon_start) * fallen
        return base ** (1.0 + self.epsilon_spread * jnp.linspace(-0.5, 1.0, n))


@struct.dataclass
class Inputs:
    """The inputs of an iteration, made by the host.

    Attributes:
        bank, acting, learning, schedule: the same in every iteration.
        tables: goals, rewards and chances of instructions.
        watched: bool [E], at most R environments that are always reported. The rest of the R are those with the rarest
            events, so that these can be relabeled.
    """

    bank: Bank
    acting: ActingRules
    learning: LearningRules
    schedule: Schedule
    tables: Tables
    watched: jax.Array


@struct.dataclass
class TrainState:
    """Everything that training carries on the device.

    Attributes:
        replay: windows around rare events; None if the method has no hindsight learning.
        update: int32 scalar, updates so far.
    """

    params: Any
    opt_state: Any
    actors: Actors
    precedence: Precedence
    replay: RareEventBuffer | None
    key: jax.Array
    update: jax.Array


class Report(NamedTuple):
    """What happened in one iteration of U updates of T steps each.

    Attributes:
        events: bool [U x T, R, n_events], of the environments to relabel.
        over: bool [U x T, R], True where a life ended.
        counts: float32 [n_events], how often each event happened.
        attempts, successes: float32 [I], by instruction.
        given: float32 [4, I], how often each instruction was given by each way to choose one (`acting.BY_CHANCE` ...).
        loss: float32 scalar, mean over the updates.
    """

    events: jax.Array
    over: jax.Array
    counts: jax.Array
    attempts: jax.Array
    successes: jax.Array
    given: jax.Array
    loss: jax.Array


def optimizer() -> optax.GradientTransformation:
    """RAdam on clipped gradients; the learning rate is set by the training step."""
    return optax.inject_hyperparams(
        lambda learning_rate: optax.chain(optax.clip_by_global_norm(10.0), optax.radam(learning_rate))
    )(learning_rate=0.0)


@partial(jax.jit, static_argnums=0, donate_argnums=2)
def train_iteration(static: Static, inputs: Inputs, state: TrainState) -> tuple[TrainState, Report]:
    """One training iteration: act, learn, act, learn ...; the given state cannot be used afterwards (its buffers are
    donated)."""

    def one(state: TrainState, _: None) -> tuple[TrainState, Report]:
        return _update(static, inputs, state)

    state, report = jax.lax.scan(one, state, None, length=static.num_updates)
    events, over = (x.reshape(-1, *x.shape[2:]) for x in (report.events, report.over))
    relabeled = _to_relabel(events, inputs, static.trajectories)
    joined = Report(
        events=events[:, relabeled],
        over=over[:, relabeled],
        counts=report.counts.sum(0),
        attempts=report.attempts.sum(0),
        successes=report.successes.sum(0),
        given=report.given.sum(0),
        loss=report.loss.mean(),
    )
    return state, static.placement.keep_copied(joined)


@partial(jax.jit, static_argnums=0, donate_argnums=2)
def train_iteration_of_seeds(static: Static, inputs: Inputs, state: TrainState) -> tuple[TrainState, Report]:
    """:func:`train_iteration` for S seeds in one program: the state, tables and ``watched`` have a leading axis [S]."""
    shared = Inputs(None, None, None, None, 0, 0)  # type: ignore[arg-type]
    return jax.vmap(partial(train_iteration, static), in_axes=(shared, 0))(inputs, state)


def _update(static: Static, inputs: Inputs, state: TrainState) -> tuple[TrainState, Report]:
    """Roll out, learn, and count."""
    key, *keys = jax.random.split(state.key, 3)
    k_act, k_learn = (swift(k) for k in keys)
    fraction = state.update / inputs.schedule.updates
    epsilon = inputs.schedule.epsilons(fraction, state.actors.instruction.shape[0])
    actors, seen = roll(
        static.network, state.params, static.env, inputs.bank, inputs.tables, inputs.acting, state.actors,
        state.precedence, epsilon, static.num_steps, k_act, static.at_once,
    )  # fmt: skip

    replay, batch, last = state.replay, seen, actors.observation
    if replay is not None:
        k_draw, k_store = jax.random.split(jax.random.fold_in(k_learn, 1))
        batch, last = with_replays(seen, last, replay, inputs.tables, inputs.learning.replay_windows, k_draw)
        replay = store(replay, seen, actors.observation, k_store, drawn=last[-1, 0])
    opt_state = state.opt_state
    opt_state.hyperparams["learning_rate"] = inputs.schedule.rate(fraction)
    params, opt_state, loss = learn(
        static.network, optimizer(), state.params, opt_state, inputs.tables, inputs.learning, batch, last, k_learn,
        static.env.symmetries if inputs.learning.mirrored else None,
    )  # fmt: skip
    precedence = observe(state.precedence, *(x.reshape(-1, x.shape[-1]) for x in (seen.events, seen.event_counts)))

    keep = static.placement.keep_copied
    params, opt_state, precedence, replay, key = keep((params, opt_state, precedence, replay, key))
    actors = static.placement.keep_divided(actors)
    after = TrainState(params, opt_state, actors, precedence, replay, key, state.update + 1)
    return after, _report(seen, inputs.tables, loss)


def _report(seen: Transitions, tables: Tables, loss: jax.Array) -> Report:
    """The report of one update, with `events` and `over` of every environment."""
    none = jnp.zeros(len(tables.chance))
    where = seen.instruction.reshape(-1)
    return Report(
        events=seen.events,
        over=seen.dead | seen.dropped,
        counts=seen.events.sum((0, 1)),
        attempts=none.at[where].add(seen.ended.reshape(-1)),
        successes=none.at[where].add(seen.fulfilled.reshape(-1)),
        given=jnp.zeros((REPEATED_EVENT + 1, len(none))).at[seen.chosen, seen.new_instruction].add(seen.given),
        loss=loss,
    )


def _to_relabel(events: jax.Array, inputs: Inputs, count: int) -> jax.Array:
    """Indices of environments, int32 [count]: the watched ones, then those with the rarest events; events is bool
    [T, E, n_events]."""
    rarest = jnp.where(events.any(axis=0), inputs.tables.rarity, 0.0).max(axis=1)
    return jax.lax.top_k(jnp.where(inputs.watched, jnp.inf, rarest), count)[1]
