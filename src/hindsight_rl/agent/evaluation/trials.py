"""Trials: the policy follows instructions in new environments and is judged by true events.

The agent follows its progress by its own semantic reward, as it would in use. Whether the instruction was
fulfilled is decided by the true events, which the agent never sees.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from hindsight_rl.agent.envs.bank import Bank
from hindsight_rl.agent.envs.environment import Environment, exploration_odds, step_each
from hindsight_rl.agent.envs.events import fulfilling
from hindsight_rl.agent.instructions.parser import MAX_FORBIDDEN, MAX_TRAINED_GOALS
from hindsight_rl.agent.keys import swift
from hindsight_rl.agent.policy.action_selection import (
    ActionLuck,
    Exploration,
    PolicyView,
    Progress,
    Task,
    Waypoints,
    goals_reached,
    select_action,
    update_progress,
)
from hindsight_rl.agent.policy.network import QNetwork
from hindsight_rl.agent.policy.network import omega as network_omega
from hindsight_rl.agent.policy.policy import Policy


class Tasks(NamedTuple):
    """Instructions to try, one row each. Goals are padded to K = MAX_TRAINED_GOALS.

    Attributes:
        condition: float32 [N, K, C].
        fires: bool [N, K, n_events], what the agent believes to fulfil each goal.
        truth: bool [N, K, n_events], what does fulfil it; no event for a padded goal.
        present: bool [N, K], False for padding.
        ordered: bool [N].
        times: int32 [N, K], how often each goal must be reached.
        forbidden: bool [N, n_events], the events that make a trial a failure.
        avoid: float32 [N, MAX_FORBIDDEN, C], the network's input for goals that ask for forbidden events.
        avoiding: bool [N, MAX_FORBIDDEN], False for padding.
    """

    condition: jax.Array
    fires: jax.Array
    truth: jax.Array
    present: jax.Array
    ordered: jax.Array
    times: jax.Array
    forbidden: jax.Array
    avoid: jax.Array
    avoiding: jax.Array

    @classmethod
    def of(
        cls,
        policy: Policy,
        goals: Sequence[Sequence[str]],
        ordered: Sequence[bool],
        truth: Sequence[Sequence[np.ndarray]],
        times: Sequence[Sequence[int]] = (),
        avoid: Sequence[Sequence[int]] = (),
    ) -> "Tasks":
        """Instructions for a policy.

        Args:
            goals: for each instruction its goals, at most MAX_TRAINED_GOALS sentences.
            ordered: for each instruction, whether order counts.
            truth: for each goal, bool [n_events]: the events that fulfil it.
            times: for each instruction, how often each of its goals must be reached; () for once.
            avoid: for each instruction, the indices of the events that it forbids, at most MAX_FORBIDDEN; (): none.
        """
        n, n_events = len(goals), len(policy.env.events)
        texts = sorted({g for group in goals for g in group})
        row = {text: i for i, text in enumerate(texts)}
        conditions, fires = policy.conditions(texts), policy.reward.table(texts).T
        out_condition = np.zeros((n, MAX_TRAINED_GOALS, conditions.shape[1]), np.float32)
        out_fires = np.zeros((n, MAX_TRAINED_GOALS, n_events), bool)
        out_truth = np.zeros((n, MAX_TRAINED_GOALS, n_events), bool)
        present = np.zeros((n, MAX_TRAINED_GOALS), bool)
        for i, group in enumerate(goals):
            for k, text in enumerate(group):
                out_condition[i, k], out_fires[i, k] = conditions[row[text]], fires[row[text]]
                out_truth[i, k], present[i, k] = truth[i][k], True
        out_times = np.ones((n, MAX_TRAINED_GOALS), np.int32)
        for i, row_times in enumerate(times):
            out_times[i, : len(row_times)] = row_times
        forbidden, out_avoid, avoiding = _forbidden(policy, n, avoid)
        return cls(
            jnp.asarray(out_condition),
            jnp.asarray(out_fires),
            jnp.asarray(out_truth),
            jnp.asarray(present),
            jnp.asarray(np.asarray(ordered, bool)),
            jnp.asarray(out_times),
            jnp.asarray(forbidden),
            jnp.asarray(out_avoid),
            jnp.asarray(avoiding),
        )


def _forbidden(policy: Policy, n: int, avoid: Sequence[Sequence[int]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`forbidden`, `avoid` and `avoiding` of `Tasks`."""
    events = policy.env.events
    fulfils = np.asarray(fulfilling(events))
    asked = sorted({event for row in avoid for event in row})
    texts = [policy.reward.plain(events[event].name) for event in asked] or [events[0].captions[0]]
    conditions = policy.conditions(texts)
    forbidden = np.zeros((n, len(events)), bool)
    inputs = np.zeros((n, MAX_FORBIDDEN, conditions.shape[1]), np.float32)
    avoiding = np.zeros((n, MAX_FORBIDDEN), bool)
    for i, row in enumerate(avoid):
        for k, event in enumerate(row):
            forbidden[i] |= fulfils[:, event]
            inputs[i, k], avoiding[i, k] = conditions[asked.index(event)], True
    return forbidden, inputs, avoiding


class Outcome(NamedTuple):
    """The outcome of N trials.

    Attributes:
        fulfilled: bool [N], by true events, within the horizon, before the environment ended and before something
            forbidden happened.
        steps: int32 [N], steps until then (the horizon where not fulfilled).
        happened: bool [N, n_events], every event before the environment ended.
        violated: bool [N], something forbidden happened before the instruction was fulfilled.
    """

    fulfilled: jax.Array
    steps: jax.Array
    happened: jax.Array
    violated: jax.Array


Judge = Callable[[Any, Any, jax.Array, Any], jax.Array]
"""Another judge of success: (state before, state after, action, target) -> bool, for one environment and one step."""


@partial(jax.jit, static_argnames=("network", "env", "horizon", "judge"))
def run_trials(
    network: QNetwork,
    params: Any,
    env: Environment,
    bank: Bank,
    tasks: Tasks,
    worlds: jax.Array,
    epsilon: float,
    horizon: int,
    key: jax.Array,
    waypoints: Waypoints | None = None,
    judge: Judge | None = None,
    targets: Any = None,
) -> Outcome:
    """Run one trial for each of N instructions, each in one world of the bank.

    Args:
        worlds: int32 [N], indices into the bank.
        epsilon: rate of random actions. A greedy policy can get stuck in a loop.
        horizon: steps per trial.
        judge: decides on success instead of the true events; a trial is a success as soon as it says so.
        targets: what the judge is given for each trial, leading axis [N].
    """
    n, k = tasks.present.shape
    goals = jnp.where(tasks.present, jnp.arange(n * k).reshape(n, k), -1)
    omega = network_omega(network, params, tasks.avoid)
    task = Task(goals, tasks.ordered, tasks.fires, tasks.times, tasks.forbidden, omega, tasks.avoiding)
    true_task = task._replace(fires=tasks.truth)
    condition, fires = (x.reshape(n * k, -1) for x in (tasks.condition, tasks.fires))
    view = PolicyView.of(network, params, condition, fires, waypoints)
    exploration = Exploration(exploration_odds(env), epsilon, moves=env.moves)
    key = swift(key)
    walk = jax.random.fold_in(key, 1)

    def draw(key: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        whether, which, k_step = jax.random.split(key, 3)
        return jax.random.uniform(whether, (n,)), jax.random.uniform(which, (n,)), jax.random.split(k_step, n)

    def one_step(carry: Any, drawn: tuple[jax.Array, jax.Array, jax.Array]) -> Any:
        states, observation, progress, fulfilled, truly_counted, success, violated, alive, steps = carry
        whether, which, step_keys = drawn
        # The agent may believe wrongly that it has succeeded, so its belief does not end the trial.
        progress = progress.new_task(fulfilled)
        luck = ActionLuck(whether, which, walk=walk)
        selection = select_action(view, task, progress, observation, exploration, luck)
        step = step_each(env, step_keys, states, selection.action)
        events = step.events & alive[:, None]
        progress, fulfilled = update_progress(task, progress, selection.slot, events, view.prerequisites)
        # For true events the turn is that of the first goal that was not truly reached.
        hits = (tasks.truth & events[:, None]).any(axis=2)
        open_ = tasks.present & (truly_counted < tasks.times)
        violated = violated | (task.violated(events) & open_.any(axis=1))
        turn = jnp.argmax(open_, axis=1)
        truly_counted, _, truly = goals_reached(true_task, truly_counted, turn, hits & ~violated[:, None])
        if judge is not None:
            said = jax.vmap(judge)(states, step.state, selection.action, targets)
            truly = success | (said & alive)
        steps = jnp.where(success, steps, steps + 1)  # the step of the success counts
        alive = alive & ~step.done
        return (step.state, step.observation, progress, fulfilled, truly_counted, truly, violated, alive, steps), None

    states, observation = bank.take(worlds)
    no, none = jnp.zeros(n, bool), jnp.zeros((n, k), jnp.int32)
    start = (states, observation, Progress.none(n, k, len(env.events)), no, none, no, no, ~no, jnp.zeros(n, jnp.int32))
    end, _ = jax.lax.scan(one_step, start, jax.vmap(draw)(jax.random.split(key, horizon)))
    _, _, progress, _, _, success, violated, _, steps = end
    return Outcome(success, jnp.minimum(steps, horizon), progress.event_counts > 0, violated)
