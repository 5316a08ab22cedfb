"""Trials: true events judge, whatever the agent believes."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hindsight_rl.agent.envs import make_env
from hindsight_rl.agent.envs.bank import load_bank
from hindsight_rl.agent.envs.craftax.captions import CLASSIC_EVENTS
from hindsight_rl.agent.envs.events import event_index
from hindsight_rl.agent.evaluation.trials import Outcome, Tasks, run_trials
from hindsight_rl.agent.policy.network import QNetwork

pytestmark = pytest.mark.agent

INDEX, N_EVENTS = event_index(CLASSIC_EVENTS), len(CLASSIC_EVENTS)
HORIZON, TRIALS = 100, 64


def events(*names: str) -> np.ndarray:
    row = np.zeros(N_EVENTS, bool)
    row[[INDEX[name] for name in names]] = True
    return row


@pytest.fixture(scope="module")
def outcome() -> Any:
    env = make_env("classic-32")
    bank = load_bank(env, "eval", 128)
    network = QNetwork(env.n_actions, width=16, depth=1, rank=4)
    params = network.init(jax.random.key(0), jnp.zeros((1, env.observation_size)), jnp.zeros((1, N_EVENTS)))

    def play(
        believed: list[np.ndarray],
        true: list[np.ndarray],
        ordered: bool,
        times: int = 1,
        forbidden: np.ndarray = events(),  # noqa: B008
    ) -> Outcome:
        k = 3
        fires, truth, present = (np.zeros((TRIALS, k, N_EVENTS), bool) for _ in range(3))
        fires[:, : len(believed)], truth[:, : len(true)] = believed, true
        present = np.zeros((TRIALS, k), bool)
        present[:, : len(true)] = True
        tasks = Tasks(
            jnp.zeros((TRIALS, k, N_EVENTS)), jnp.asarray(fires), jnp.asarray(truth), jnp.asarray(present),
            jnp.full(TRIALS, ordered), jnp.full((TRIALS, k), times), jnp.asarray([forbidden] * TRIALS),
            jnp.zeros((TRIALS, 3, N_EVENTS)), jnp.zeros((TRIALS, 3), bool),
        )  # fmt: skip
        return run_trials(network, params, env, bank, tasks, jnp.arange(TRIALS), 1.0, HORIZON, jax.random.key(3))

    return play


def test_success_is_what_truly_happened(outcome: Any) -> None:
    tree = events("reach_tree")
    result = outcome([tree], [tree], False)
    fulfilled, seen = np.asarray(result.fulfilled), np.asarray(result.happened)
    np.testing.assert_array_equal(fulfilled, seen[:, INDEX["reach_tree"]])
    assert 0 < fulfilled.sum() < TRIALS
    steps = np.asarray(result.steps)
    assert (steps[~fulfilled] == HORIZON).all() and (steps[fulfilled] <= HORIZON).all() and (steps >= 1).all()


def test_a_wrong_belief_neither_helps_nor_ends_the_attempt(outcome: Any) -> None:
    honest = outcome([events("reach_tree")], [events("reach_tree")], False)
    deluded = outcome([events("reach_water", "step_on_sand")], [events("reach_tree")], False)
    hopeful = outcome([events("reach_tree")], [events("collect_diamond")], False)
    np.testing.assert_array_equal(np.asarray(honest.fulfilled), np.asarray(deluded.fulfilled))
    assert not np.asarray(hopeful.fulfilled).any()


def test_an_order_is_harder_than_none(outcome: Any) -> None:
    goals = [events("reach_water"), events("reach_tree")]
    free, strict = outcome(goals, goals, False), outcome(goals, goals, True)
    both = np.asarray(free.happened)[:, [INDEX["reach_water"], INDEX["reach_tree"]]].all(1)
    np.testing.assert_array_equal(np.asarray(free.fulfilled), both)
    assert (np.asarray(strict.fulfilled) <= both).all()
    assert 0 < np.asarray(strict.fulfilled).sum() <= both.sum()


def test_a_count_is_reached_by_happening_so_often(outcome: Any) -> None:
    sand = [events("reach_tree")]
    once, twice = (np.asarray(outcome(sand, sand, False, times).fulfilled) for times in (1, 2))
    assert (twice <= once).all() and 0 < twice.sum() < once.sum()


def test_what_is_forbidden_makes_a_trial_a_failure(outcome: Any) -> None:
    tree = [events("reach_tree")]
    free = outcome(tree, tree, False)
    strict = outcome(tree, tree, False, 1, events("reach_water"))
    violated, fulfilled = np.asarray(strict.violated), np.asarray(strict.fulfilled)
    assert not np.asarray(free.violated).any() and violated.any() and not (violated & fulfilled).any()
    np.testing.assert_array_equal(fulfilled, np.asarray(free.fulfilled) & ~violated)
    assert not np.asarray(outcome(tree, tree, False, 1, events("reach_tree")).fulfilled).any()


def test_nothing_counts_after_death(outcome: Any) -> None:
    result = outcome([events("die")], [events("die")], False)
    died = np.asarray(result.happened)[:, INDEX["die"]]
    assert died.any()
    again = outcome([events("die"), events("reach_tree")], [events("die"), events("reach_tree")], True)
    assert not np.asarray(again.fulfilled).any()
