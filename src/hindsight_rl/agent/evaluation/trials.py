"""Trials: the policy is given instructions in fresh worlds, and true events judge it.

The agent follows its progress by its own semantic reward, as it would in use; whether the instruction was
fulfilled is decided by the events that really happened, which the agent never sees.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from hindsight_rl.agent.envs.bank import Bank
from hindsight_rl.agent.envs.environment import World, step_each
from hindsight_rl.agent.keys import swift
from hindsight_rl.agent.policy.network import QNetwork, psi_of
from hindsight_rl.agent.policy.network import omega as network_omega
from hindsight_rl.agent.policy.prerequisites import Demand, Needs, choose, demand, goal_values, keep_books
from hindsight_rl.agent.training.rollout import drawn_by, progress, pursued

LULL, WALK = 24, 8
"""Steps without anything new after which a trial moves on, and how far."""


class Tasks(NamedTuple):
    """Instructions to try, one row each; goals padded to MAX_GOALS.

    Attributes:
        condition: float32 [N, K, C].
        fires: bool [N, K, n_events], what the agent believes to fulfil each goal.
        truth: bool [N, K, n_events], what does fulfil it; no event for a padded goal.
        present: bool [N, K], False for padding.
        ordered: bool [N].
    """

    condition: jax.Array
    fires: jax.Array
    truth: jax.Array
    present: jax.Array
    ordered: jax.Array


class Ways(NamedTuple):
    """What a policy knows of waypoints.

    Attributes:
        condition: float32 [n_events, C], of the goal that asks for each event.
        known: bool [n_events].
        needs: of `waypoints.needs`.
    """

    condition: jax.Array
    known: jax.Array
    needs: Needs


class Books(NamedTuple):
    """What has happened in N worlds.

    Attributes:
        witnessed: int32 [N, n_events], how often.
        stock: int32 [N, n_events], how much of it is at hand.
        lull: int32 [N], steps since something happened for the first time.
    """

    witnessed: jax.Array
    stock: jax.Array
    lull: jax.Array

    @classmethod
    def none(cls, n: int, n_events: int) -> "Books":
        """Of fresh worlds."""
        nothing = jnp.zeros((n, n_events), jnp.int32)
        return cls(nothing, nothing, jnp.zeros(n, jnp.int32))

    def after(self, events: jax.Array, ways: Ways | None) -> "Books":
        """With one more step, bool [N, n_events]."""
        stock = self.stock if ways is None else keep_books(self.stock, events, ways.needs.spent)
        first = (events & (self.witnessed == 0)).any(axis=1)
        return Books(self.witnessed + events, stock, jnp.where(first, 0, self.lull + 1))


def move_on(action: jax.Array, books: Books, moves: tuple[int, ...], key: jax.Array) -> jax.Array:
    """The action [N], or a step straight on where nothing new has happened for LULL steps: WALK steps in one direction.

    A policy without memory that sees nothing of what it looks for stays where it is for ever.

    Args:
        moves: actions that move the agent.
        key: of the trials, the same at every step: a walk keeps its direction.
    """
    walk, step = jnp.divmod(books.lull, LULL + WALK)
    keys = jax.vmap(jax.random.fold_in)(jax.random.split(key, len(action)), walk)
    direction = jax.vmap(lambda k: jax.random.choice(k, jnp.asarray(moves)))(keys)
    return jnp.where(step >= LULL, direction, action).astype(jnp.int32)


def by_way(
    network: QNetwork,
    params: Any,
    ways: Ways,
    psi: jax.Array,
    demand: Demand,
    values: jax.Array,
    books: Books,
) -> jax.Array:
    """The action values to follow, float32 [N, A]: of the goal, or of the waypoint to it where there is one.

    Args:
        psi: float32 [N, A, R].
        demand: [N, n_events], of the goal.
        values: float32 [N, A], of the goal.
        books: of this world so far.
    """
    omega = network_omega(network, params, ways.condition)
    near = goal_values(psi, omega, ways.known)
    way, there_is = choose(near, demand, ways.needs.spent, books.witnessed, books.stock)
    return jnp.where(there_is[:, None], jnp.einsum("nar,nr->na", psi, omega[way]), values)


class Outcome(NamedTuple):
    """What N trials came to.

    Attributes:
        fulfilled: bool [N], by true events, within the horizon and before death.
        steps: int32 [N], steps until then (the horizon where not fulfilled).
        witnessed: bool [N, n_events], everything that happened before the world ended.
    """

    fulfilled: jax.Array
    steps: jax.Array
    witnessed: jax.Array


@partial(jax.jit, static_argnames=("network", "world", "horizon"))
def run_trials(
    network: QNetwork,
    params: Any,
    world: World,
    bank: Bank,
    tasks: Tasks,
    worlds: jax.Array,
    epsilon: float,
    horizon: int,
    key: jax.Array,
    ways: Ways | None = None,
) -> Outcome:
    """Try N instructions, each in a world of the bank.

    Args:
        worlds: int32 [N], indices into the bank.
        epsilon: rate of random actions (a greedy policy can be stuck for ever).
        horizon: steps per trial.
    """
    n = worlds.shape[0]
    omega, psi_at = network_omega(network, params, tasks.condition), psi_of(network, params)
    k = tasks.present.shape[1]
    goals = jnp.where(tasks.present, jnp.arange(n * k).reshape(n, k), -1)
    flat_omega = omega.reshape(n * k, -1)
    odds = jnp.cumsum(jnp.asarray(world.exploration))
    key = swift(key)
    k_walk = jax.random.fold_in(key, 1)
    demands = None if ways is None else demand(tasks.fires.reshape(n * k, -1), ways.needs)

    def one_step(carry: Any, key: jax.Array) -> Any:
        states, observation, believed, reached, alive, steps, books = carry
        k_random, k_action, k_step = jax.random.split(key, 3)
        psi = psi_at(observation)
        # Believed done but not stopped: a mistaken belief must not end the attempt.
        pursuing = jnp.where(believed[1][:, None], False, believed[0])
        slot, values = pursued(psi, flat_omega, goals, tasks.ordered, pursuing)
        if ways is not None:
            asked = jax.tree.map(lambda x: x.reshape(n, k, -1)[jnp.arange(n), slot], demands)
            values = by_way(network, params, ways, psi, asked, values, books)
        random = jax.random.uniform(k_random, (n,)) < epsilon
        drawn = drawn_by(odds, jax.random.uniform(k_action, (n,)))
        best = move_on(jnp.argmax(values, axis=1), books, world.moves, k_walk)
        action = jnp.where(random, drawn, best).astype(jnp.int32)
        step = step_each(world, jax.random.split(k_step, n), states, action)
        events = step.events & alive[:, None]
        hits = (tasks.fires & events[:, None]).any(axis=2)
        believed = progress(goals, tasks.ordered, pursuing, slot, hits)
        # The truth has its own turn: the first goal not yet reached.
        true_hits = (tasks.truth & events[:, None]).any(axis=2)
        turn = jnp.argmax(tasks.present & ~reached, axis=1)
        reached, fulfilled = progress(goals, tasks.ordered, reached, turn, true_hits)
        steps = jnp.where(fulfilled, steps, steps + 1)
        alive = alive & ~step.done
        return (step.state, step.observation, believed, reached, alive, steps, books.after(events, ways)), None

    states, observation = bank.take(worlds)
    nothing = jnp.zeros((n, k), bool)
    start = (
        states,
        observation,
        (nothing, jnp.zeros(n, bool)),
        nothing,
        jnp.ones(n, bool),
        jnp.zeros(n, jnp.int32),
        Books.none(n, len(world.events)),
    )
    (_, _, _, reached, _, steps, books), _ = jax.lax.scan(one_step, start, jax.random.split(key, horizon))
    return Outcome((reached | ~tasks.present).all(axis=1), jnp.minimum(steps, horizon), books.witnessed > 0)
