"""PQN: Q-learning on parallel environments, without replay buffer or target network, on many goals at once.

The pursued goal is learned from each transition by lambda-returns. Other goals are learned from it in hindsight: their
reward follows from the events of the transition and the reward table. Hindsight updates are off-policy, because the
actions were chosen for another goal. Their traces end where the goal is reached; by default they continue through every
action (Peng), with `off_policy_lambda=0` only through actions that are greedy for the hindsight goal (Watkins).
"""

from typing import Annotated, Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
import tyro
from flax import struct

from hindsight_rl.agent.envs.symmetries import Symmetries, reflect
from hindsight_rl.agent.policy.network import QNetwork
from hindsight_rl.agent.policy.network import omega as network_omega
from hindsight_rl.agent.policy.network import psi as network_psi
from hindsight_rl.agent.policy.network import taken as network_taken
from hindsight_rl.agent.policy.network import trunk as network_trunk
from hindsight_rl.agent.policy.network import values as network_values
from hindsight_rl.agent.training.rollout import Transitions
from hindsight_rl.agent.training.tables import Tables


@struct.dataclass
class LearningRules:
    """How the action values are learned. Most numbers are traced: changing them does not recompile the program."""

    gamma: float = 0.95
    """Discount factor."""
    death: float = 0.0
    """Value of death, for every goal. Below 0, death costs more than the success that it prevents."""
    q_lambda: float = 0.8
    """Lambda of the returns, for the pursued goal and for hindsight goals."""
    off_policy_lambda: float = 1.0
    """Share of lambda that is kept after an action that is not greedy for the hindsight goal. 0: Watkins's Q(lambda);
    1: Peng's."""
    optimistic_lambda: float = 0.0
    """Share of lambda that is kept where the return is above the value: the agent has shown that it can reach it."""
    hindsight: int = struct.field(pytree_node=False, default=12)
    """Number of goals that are learned in hindsight from every transition. 0: none."""
    achieved: float = 10.0
    """How many times more likely a goal is drawn for hindsight learning if the current rollout reached it."""
    replay_windows: int = struct.field(pytree_node=False, default=32)
    """Number of stored windows around rare events that are replayed with every rollout and learned in hindsight. 0:
    none."""
    windows_per_event: int = struct.field(pytree_node=False, default=8)
    """Number of windows per event in the replay buffer."""
    own_weight: float = 1.0
    """Weight of the loss of the pursued goal, relative to the mean hindsight loss."""
    reached_weight: float = 1.0
    """Weight of transitions that reach a hindsight goal. Such transitions are rare."""
    missed_weight: float = 0.3
    """Weight of transitions after which the hindsight goal was not reached within the rollout. 0: learn from successes
    only; 1: learn every goal from every transition."""
    mirrored: bool = struct.field(pytree_node=False, default=True)
    """Replace each sample by a random mirror image of it, if the environment has symmetries."""
    epochs: int = struct.field(pytree_node=False, default=2)
    """Passes over the data of each update."""
    minibatch: int = struct.field(pytree_node=False, default=256)
    """Samples per minibatch."""
    bounded: Annotated[bool, tyro.conf.Suppress] = struct.field(pytree_node=False, default=True)
    """Clip bootstrapped values to [0, 1], because they are discounted probabilities of success; set by the method. Off
    for the game's own reward."""


class Samples(NamedTuple):
    """The data of one update; leading axis N = steps x environments.

    Attributes:
        observation: float32 [N, F].
        action: int32 [N].
        goal: int32 [N], the goal pursued.
        target: float32 [N], its return.
        own: float32 [N], weight of that return (0 during random exploration, and where an environment was reset before
            its goal was reached).
        hindsight_target: float32 [N, H], returns for the hindsight goals.
        hindsight_weight: float32 [N, H].
    """

    observation: jax.Array
    action: jax.Array
    goal: jax.Array
    target: jax.Array
    own: jax.Array
    hindsight_target: jax.Array
    hindsight_weight: jax.Array


def backup(
    reward: jax.Array, terminal: jax.Array, value: jax.Array, later: jax.Array, trace: jax.Array, gamma: float
) -> jax.Array:
    """One step of the lambda-return, backwards: r + gamma (1 - terminal) [(1 - trace) V(s') + trace G(s')].

    All arrays broadcast; ``trace`` is 0 where ``later`` must not be used.
    """
    return reward + gamma * (1.0 - terminal) * ((1.0 - trace) * value + trace * later)


def hindsight_goals(
    key: jax.Array, tables: Tables, count: int, happened: jax.Array, achieved: jax.Array | float = 1.0
) -> jax.Array:
    """int32 [count] distinct goals, drawn by their hindsight weight; every goal when there are no more than count.

    Args:
        happened: bool [n_events], the events of this rollout.
        achieved: how many times more weight a goal has if the rollout reached it.
    """
    reached = (tables.fires & happened).any(axis=1)
    weight = tables.hindsight * jnp.where(reached, achieved, 1.0)
    noise = jax.random.gumbel(key, weight.shape)
    return jax.lax.top_k(jnp.where(weight > 0, jnp.log(weight) + noise, -jnp.inf), count)[1]


def targets(
    network: QNetwork,
    params: Any,
    tables: Tables,
    rules: LearningRules,
    transitions: Transitions,
    last_observation: jax.Array,
    chosen: jax.Array,
) -> Samples:
    """Returns for the goal pursued and for the ``chosen`` hindsight goals of every transition.

    Args:
        transitions: leading axes [T, E].
        last_observation: float32 [E, F], after the last step.
        chosen: int32 [H].
    """
    steps, n = transitions.action.shape
    omega = network_omega(network, params, tables.condition)
    omega_chosen, fires_chosen = omega[chosen], tables.fires[chosen].astype(jnp.float32)
    asked_for = (tables.hindsight[chosen] > 0).astype(jnp.float32)

    def bound(value: jax.Array) -> jax.Array:
        return jnp.clip(value, jnp.minimum(rules.death, 0.0), 1.0) if rules.bounded else value

    def back(carry: Any, step: Any) -> Any:
        later_own, later_hindsight, will_reach, next_action, next_goal, own_known, known_for = carry
        now, value, seen = step

        same = own_known & ~now.dropped & ~now.switched & (next_goal == now.goal)
        terminal = (now.reached | now.dead).astype(jnp.float32)
        died = now.dead & ~now.reached
        own = backup(
            now.reward + rules.death * died, terminal, bound(value), later_own, rules.q_lambda * same, rules.gamma
        )

        if rules.hindsight:
            values = seen if few else jnp.einsum("ear,hr->eha", network_psi(network, params, seen), omega_chosen)
            best = values.max(axis=2)
            taken = jnp.take_along_axis(values, next_action[:, None, None], axis=2)[..., 0]
            kept = jnp.where(taken >= best, 1.0, rules.off_policy_lambda)
            kept = jnp.where(later_hindsight > bound(best), jnp.maximum(kept, rules.optimistic_lambda), kept)
            continues = known_for & ~now.dropped[:, None]
            kept = kept * continues
            reward = (now.events.astype(jnp.float32) @ fires_chosen.T > 0).astype(jnp.float32)
            terminal = jnp.maximum(reward, now.dead[:, None])
            died = now.dead[:, None] * (1.0 - reward)
            hindsight = backup(
                reward + rules.death * died, terminal, bound(best), later_hindsight, rules.q_lambda * kept, rules.gamma
            )
            will_reach = (reward > 0) | (will_reach & continues & ~now.dead[:, None])
            weight = jnp.where(will_reach, jnp.where(reward > 0, rules.reached_weight, 1.0), rules.missed_weight)
            known_for = ~now.dropped[:, None] | (reward > 0)
            weight = weight * asked_for * known_for
        else:
            hindsight = weight = jnp.zeros((n, 0))
        # What follows a reset belongs to another life, so a return is known only if its goal was reached by then. Where
        # it is not known, the step before is bootstrapped from its own next observation.
        own_known = ~now.dropped | now.reached
        own_weight = (now.pursuing & own_known).astype(jnp.float32)
        carry = (own, hindsight, will_reach, now.action, now.goal, own_known, known_for)
        return carry, (own, own_weight, hindsight, weight)

    # What follows from the next observation was computed while acting, except after the last step and in replays.
    hidden = _hidden_ahead(network, params, transitions, last_observation)
    at_last = jnp.einsum("ear,er->ea", network_psi(network, params, hidden[-1]), omega[transitions.goal[-1]])
    own_values = jnp.concatenate([transitions.previous[1:], at_last.max(axis=1)[None]])
    # For few goals, values are computed at once, without the vectors of the actions; for many, step by step from these.
    few = len(chosen) <= network.rank
    ahead = network_values(network, params, hidden, omega_chosen) if few else hidden
    width = len(chosen) if rules.hindsight else 0
    first = (
        jnp.zeros(n),
        jnp.zeros((n, width)),
        jnp.zeros((n, width), bool),
        jnp.zeros(n, jnp.int32),
        jnp.full(n, -1, jnp.int32),
        jnp.zeros(n, bool),
        jnp.zeros((n, width), bool),
    )
    _, (own, own_weight, hindsight, weight) = jax.lax.scan(back, first, (transitions, own_values, ahead), reverse=True)

    def flat(x: jax.Array) -> jax.Array:
        return x.reshape(steps * n, *x.shape[2:])

    return Samples(
        observation=flat(transitions.observation),
        action=flat(transitions.action),
        goal=flat(transitions.goal),
        target=flat(own),
        own=flat(own_weight),
        hindsight_target=flat(hindsight),
        hindsight_weight=flat(weight),
    )


def _hidden_ahead(network: QNetwork, params: Any, transitions: Transitions, last_observation: jax.Array) -> jax.Array:
    """Hidden units of the next observations, float32 [T, E, width]."""
    acted = transitions.hidden.shape[1]
    last = network_trunk(network, params, last_observation[:acted])
    ahead = jnp.concatenate([transitions.hidden[1:], last[None]])
    if acted == len(last_observation):
        return ahead
    replayed = jnp.concatenate([transitions.observation[1:, acted:], last_observation[None, acted:]])
    return jnp.concatenate([ahead, network_trunk(network, params, replayed)], axis=1)


def loss(
    network: QNetwork, params: Any, tables: Tables, rules: LearningRules, chosen: jax.Array, batch: Samples
) -> jax.Array:
    """Half the squared error of the values of the actions taken, for pursued and hindsight goals."""
    psi = network_taken(network, params, batch.observation, batch.action)
    omega_own = network_omega(network, params, tables.condition[batch.goal])
    own = 0.5 * jnp.mean(batch.own * jnp.square((psi * omega_own).sum(1) - batch.target))
    if not rules.hindsight:
        return own
    omega = network_omega(network, params, tables.condition[chosen])
    errors = batch.hindsight_weight * jnp.square(psi @ omega.T - batch.hindsight_target)
    hindsight = 0.5 * errors.sum() / jnp.maximum(batch.hindsight_weight.sum(), 1.0)
    return rules.own_weight * own + hindsight


def learn(
    network: QNetwork,
    optimizer: optax.GradientTransformation,
    params: Any,
    opt_state: Any,
    tables: Tables,
    rules: LearningRules,
    transitions: Transitions,
    last_observation: jax.Array,
    key: jax.Array,
    images: Symmetries | None = None,
) -> tuple[Any, Any, jax.Array]:
    """One PQN update: returns from the current network, then a few epochs of minibatches.

    Args:
        images: the environment's symmetries. Each sample of a minibatch is replaced by a random image.

    Returns:
        parameters, optimiser state, mean loss.
    """
    k_goals, key = jax.random.split(key)
    happened = transitions.events.any(axis=(0, 1))
    chosen = hindsight_goals(k_goals, tables, rules.hindsight, happened, rules.achieved)
    samples = targets(network, params, tables, rules, transitions, last_observation, chosen)
    count = samples.action.shape[0]
    batches = count // rules.minibatch

    def epoch(carry: Any, key: jax.Array) -> Any:
        key, k_mirror = jax.random.split(key)
        order = jax.random.permutation(key, count)[: batches * rules.minibatch].reshape(batches, rules.minibatch)

        def update(carry: Any, index: jax.Array) -> Any:
            params, opt_state = carry
            batch = jax.tree.map(lambda x: x[index], samples)
            if images is not None:
                k_image = jax.random.fold_in(k_mirror, index[0])
                observation, action = reflect(images, batch.observation, batch.action, k_image)
                batch = batch._replace(observation=observation, action=action)
            value, gradient = jax.value_and_grad(lambda p: loss(network, p, tables, rules, chosen, batch))(params)
            step, opt_state = optimizer.update(gradient, opt_state, params)
            return (optax.apply_updates(params, step), opt_state), value

        return jax.lax.scan(update, carry, order)

    (params, opt_state), losses = jax.lax.scan(epoch, (params, opt_state), jax.random.split(key, rules.epochs))
    return params, opt_state, losses.mean()
