"""One stretch of training inside `jit`: act, learn, act, learn, and report what happened."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax

from hindsight_rl.agent.envs.bank import Bank
from hindsight_rl.agent.envs.environment import World
from hindsight_rl.agent.keys import swift
from hindsight_rl.agent.policy.network import QNetwork
from hindsight_rl.agent.policy.pqn import LearningRules, learn
from hindsight_rl.agent.policy.prerequisites import Order, observe
from hindsight_rl.agent.policy.rare_events import Memory, remember, with_memories
from hindsight_rl.agent.training.rollout import AGAIN, ActingRules, Actors, Tables, roll
from hindsight_rl.agent.training.sharding import Placement


@jax.tree_util.register_dataclass
@dataclass
class Learner:
    """Everything that training carries on the device."""

    params: Any
    opt_state: Any
    actors: Actors
    order: Order
    memory: Memory | None  # where hindsight is learned
    key: jax.Array
    update: jax.Array  # int32 scalar


def optimizer() -> optax.GradientTransformation:
    """RAdam on clipped gradients; the learning rate is set by the training step."""
    return optax.inject_hyperparams(
        lambda learning_rate: optax.chain(optax.clip_by_global_norm(10.0), optax.radam(learning_rate))
    )(learning_rate=0.0)


def epsilons(schedule: dict[str, jax.Array], fraction: jax.Array, n: int) -> jax.Array:
    """float32 [n]: each environment's rate of random actions when ``fraction`` of training is done."""
    fallen = jnp.minimum(fraction / schedule["epsilon_fraction"], 1.0)
    base = schedule["epsilon_start"] + (schedule["epsilon_end"] - schedule["epsilon_start"]) * fallen
    return base ** (1.0 + schedule["epsilon_spread"] * jnp.linspace(-0.5, 1.0, n))


@partial(jax.jit, static_argnums=(0, 1, 2, 3, 4, 5), donate_argnums=(11,))
def advance(
    network: QNetwork,
    world: World,
    placement: Placement,
    updates: int,
    rollout: int,
    trajectories: int,
    bank: Bank,
    acting: ActingRules,
    learning: LearningRules,
    schedule: dict[str, jax.Array],
    tables: Tables,
    learner: Learner,
    watched: jax.Array,
) -> tuple[Learner, dict[str, jax.Array]]:
    """One stretch of training: act, learn, act, learn ...

    Args:
        placement: where the learner's arrays are, and stay.
        trajectories: R, environments whose events are reported for relabeling.
        schedule: learning rate, epsilons and the total number of updates.
        watched: bool [E], at most R environments that are reported in any case. The others are those in which the
            rarest things happened: what has hardly ever happened must not go unnamed.

    Returns:
        the learner and a report: `events` bool [updates x rollout, R, n_events], `over` bool of the same leading
        shape, `counts` [n_events], `attempts` and `successes` [I], `given` [4, I], how often each instruction was given
        by each way to choose one (`rollout.DRAWN` ...), `loss` scalar.
    """
    n = learner.actors.instruction.shape[0]
    opt = optimizer()

    def one(learner: Learner, _: None) -> tuple[Learner, Any]:
        key, *keys = jax.random.split(learner.key, 3)
        k_act, k_learn = (swift(k) for k in keys)
        fraction = learner.update / schedule["updates"]
        opt_state = learner.opt_state
        opt_state.hyperparams["learning_rate"] = schedule["learning_rate"] * (
            1.0 - (1.0 - schedule["learning_rate_end"]) * fraction
        )
        actors, seen = roll(
            network, learner.params, world, bank, tables, acting, learner.actors, learner.order,
            epsilons(schedule, fraction, n), rollout, k_act,
        )  # fmt: skip
        memory, lived, last = learner.memory, seen, actors.observation
        if memory is not None:
            k_recall, k_keep = jax.random.split(jax.random.fold_in(k_learn, 1))
            lived, last = with_memories(seen, last, memory, tables, learning.memories, k_recall)
            memory = remember(memory, seen, actors.observation, k_keep)
        params, opt_state, loss = learn(
            network, opt, learner.params, opt_state, tables, learning, lived, last, k_learn,
            world.mirrors if learning.mirrored else None,
        )  # fmt: skip
        order = observe(learner.order, *(x.reshape(-1, x.shape[-1]) for x in (seen.events, seen.witnessed)))
        tally = jnp.zeros(len(tables.chance))
        where = seen.instruction.reshape(-1)
        report = {
            "events": seen.events,
            "over": seen.dead | seen.dropped,
            "counts": seen.events.sum((0, 1)),
            "attempts": tally.at[where].add(seen.ended.reshape(-1)),
            "successes": tally.at[where].add(seen.fulfilled.reshape(-1)),
            "given": jnp.zeros((AGAIN + 1, len(tally))).at[seen.chosen, seen.new_instruction].add(seen.given),
            "loss": loss,
        }
        shared = placement.keep_copied((params, opt_state, order, memory, key))
        params, opt_state, order, memory, key = shared
        return Learner(
            params, opt_state, placement.keep_divided(actors), order, memory, key, learner.update + 1
        ), report

    learner, report = jax.lax.scan(one, learner, None, length=updates)
    events, over = (report[k].reshape(-1, *report[k].shape[2:]) for k in ("events", "over"))
    rarest = jnp.where(events.any(axis=0), tables.rarity, 0.0).max(axis=1)
    named = jax.lax.top_k(jnp.where(watched, jnp.inf, rarest), trajectories)[1]
    joined = {"events": events[:, named], "over": over[:, named]}
    summed = {k: report[k].sum(0) for k in ("counts", "attempts", "successes", "given")}
    return learner, placement.keep_copied({**joined, **summed, "loss": report["loss"].mean()})


@partial(jax.jit, static_argnums=(0, 1, 2, 3, 4, 5), donate_argnums=(11,))
def advance_seeds(*args: Any) -> tuple[Learner, dict[str, jax.Array]]:
    """:func:`advance` for several seeds in one program: tables, learner and watched have a leading axis [S]."""
    return jax.vmap(partial(advance, *args[:6]), in_axes=(*[None] * 4, 0, 0, 0))(*args[6:])
