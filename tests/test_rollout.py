"""Rollouts: what is pursued and rewarded, which instruction comes next, and what transitions report."""

import dataclasses
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hindsight_rl.agent.envs import make_env
from hindsight_rl.agent.envs.bank import load_bank
from hindsight_rl.agent.envs.craftax.captions import CLASSIC_EVENTS
from hindsight_rl.agent.envs.events import event_index, fulfilling
from hindsight_rl.agent.policy.network import QNetwork
from hindsight_rl.agent.policy.prerequisites import MAX_COUNT, Precedence
from hindsight_rl.agent.training.acting import ActingRules
from hindsight_rl.agent.training.rollout import roll, start
from hindsight_rl.agent.training.tables import Tables

pytestmark = pytest.mark.agent

N_EVENTS = len(CLASSIC_EVENTS)
INDEX = event_index(CLASSIC_EVENTS)


def asking(*instructions: tuple[list[str], bool]) -> Tables:
    """Tables whose goals are the events themselves, each instruction as likely as the others."""
    goals = np.full((len(instructions), 3), -1, np.int32)
    for i, (names, _) in enumerate(instructions):
        goals[i, : len(names)] = [INDEX[name] for name in names]
    return Tables(
        condition=jnp.eye(N_EVENTS),
        fires=jnp.asarray(np.asarray(fulfilling(CLASSIC_EVENTS)).T),
        hindsight=jnp.ones(N_EVENTS),
        goals=jnp.asarray(goals),
        ordered=jnp.asarray([ordered for _, ordered in instructions]),
        chance=jnp.full(len(instructions), 1 / len(instructions)),
        initial=jnp.zeros(len(instructions)),
        waypoint=jnp.full(N_EVENTS, -1, jnp.int32),
        rarity=jnp.ones(N_EVENTS),
    )


@pytest.fixture(scope="module")
def scene() -> tuple[Any, Any, QNetwork, Any]:
    world = make_env("classic-32")
    net = QNetwork(world.n_actions, width=16, depth=1, rank=8)
    params = net.init(jax.random.key(0), jnp.zeros((1, world.observation_size)), jnp.zeros((1, N_EVENTS)))
    return world, load_bank(world, "train", 128), net, params


@pytest.fixture(scope="module")
def played(scene: Any) -> Any:
    world, bank, net, params = scene

    @partial(jax.jit, static_argnames=("steps", "at_once"))
    def play(
        tables: Tables,
        rules: ActingRules,
        epsilon: jax.Array,
        key: jax.Array,
        steps: int = 256,
        precedence: Precedence = Precedence.none(N_EVENTS),  # noqa: B008
        at_once: int | None = None,
    ) -> Any:
        actors = start(world, bank, 32, key)
        return roll(net, params, world, bank, tables, rules, actors, precedence, epsilon, steps, key, at_once)

    return play


def test_rewards_are_the_tables(played: Any) -> None:
    tables = asking((["collect_wood"], False), (["reach_tree"], False))
    _, seen = played(tables, ActingRules(patience=64), jnp.full(32, 0.9), jax.random.key(1))
    events, goal = np.asarray(seen.events), np.asarray(seen.goal)
    expected = (np.asarray(tables.fires)[goal] & events).any(-1)
    np.testing.assert_array_equal(np.asarray(seen.reward), expected.astype(np.float32))
    pursuing = np.asarray(seen.pursuing)
    np.testing.assert_array_equal(np.asarray(seen.fulfilled), expected & pursuing)
    assert expected.sum() > 20


def test_instructions_are_the_same_however_many_are_chosen_together(played: Any) -> None:
    tables = asking((["reach_tree"], False), (["collect_wood"], False), (["reach_water", "eat_cow"], True))
    rules = ActingRules(patience=8, mean_life=40, candidates=2)
    all_, few = (played(tables, rules, jnp.full(32, 0.5), jax.random.key(5), at_once=k) for k in (None, 4))
    given = np.asarray(all_[1].given)
    assert given.sum(1).max() > 4 and len(set(np.asarray(all_[1].new_instruction)[given])) == 3
    for a, b in zip(
        jax.tree.leaves((all_[0].progress, all_[1])), jax.tree.leaves((few[0].progress, few[1])), strict=True
    ):
        np.testing.assert_array_equal(a, b)


def test_an_instruction_counts_as_given_when_it_is_pursued(played: Any) -> None:
    tables = asking((["reach_tree"], False), (["collect_wood"], False))
    rules = ActingRules(patience=8, mean_life=10**9, explore_after=6)
    _, seen = played(tables, rules, jnp.full(32, 0.5), jax.random.key(3))
    given, pursuing = np.asarray(seen.given), np.asarray(seen.pursuing)
    assert (~pursuing).sum() > 100  # random steps after successes
    np.testing.assert_array_equal(pursuing[1:][given[:-1]], True)
    begins = pursuing[1:] & (~pursuing[:-1] | np.asarray(seen.ended)[:-1])
    assert given[:-1].sum() == begins.sum()


def test_what_the_goal_before_is_worth_here_is_noted(scene: Any, played: Any) -> None:
    _, _, net, params = scene
    tables = asking((["collect_wood"], False), (["reach_tree"], False), (["collect_sapling", "eat_cow"], True))
    _, seen = played(tables, ActingRules(patience=16), jnp.full(32, 0.9), jax.random.key(1))
    goal = np.asarray(seen.goal)
    assert (goal[1:] != goal[:-1]).any()
    values = net.apply(params, seen.observation[1:], tables.condition[goal[:-1]])
    np.testing.assert_allclose(np.asarray(seen.previous)[1:], np.asarray(values).max(-1), rtol=1e-4, atol=1e-6)


def test_success_ends_the_instruction_and_not_the_world(played: Any) -> None:
    tables = asking((["reach_tree"], False))
    rules = ActingRules(patience=1000, mean_life=10**9)
    _, seen = played(tables, rules, jnp.full(32, 0.9), jax.random.key(2))
    assert np.asarray(seen.fulfilled).sum() > 20
    np.testing.assert_array_equal(np.asarray(seen.dropped), False)
    _, seen = played(tables, ActingRules(patience=1000, mean_life=10**9, reset_on_success=True),
                     jnp.full(32, 0.9), jax.random.key(2))  # fmt: skip
    fulfilled, dropped, dead = (np.asarray(x) for x in (seen.fulfilled, seen.dropped, seen.dead))
    np.testing.assert_array_equal(dropped, fulfilled & ~dead)


def test_a_forbidden_event_ends_the_instruction_as_a_failure(played: Any) -> None:
    tables = asking((["reach_tree"], False))
    water = jnp.zeros((1, N_EVENTS), bool).at[0, INDEX["reach_water"]].set(True)
    strict = tables.replace(  # type: ignore[attr-defined]
        times=jnp.ones_like(tables.goals), forbidden=water, avoid=jnp.full((1, 3), -1)
    )
    _, seen = played(strict, ActingRules(patience=1000, mean_life=10**9), jnp.full(32, 0.9), jax.random.key(2))
    broken = np.asarray(seen.events)[..., INDEX["reach_water"]] & np.asarray(seen.pursuing)
    assert broken.sum() > 10
    assert np.asarray(seen.ended)[broken].all() and not np.asarray(seen.fulfilled)[broken].any()


def test_a_goal_that_is_asked_for_twice_needs_two_hits(played: Any) -> None:
    tables = asking((["reach_tree"], False))
    twice = tables.replace(times=2 * jnp.ones_like(tables.goals))  # type: ignore[attr-defined]
    _, seen = played(twice, ActingRules(patience=1000, mean_life=10**9), jnp.full(32, 0.9), jax.random.key(2))
    hits = np.asarray(seen.events)[..., INDEX["reach_tree"]] & np.asarray(seen.pursuing)
    dead, fulfilled = np.asarray(seen.dead), np.asarray(seen.fulfilled)
    for env in np.flatnonzero(~dead.any(0)):
        assert fulfilled[:, env].sum() == hits[:, env].sum() // 2
    assert fulfilled.sum() > 5


def test_impatience_ends_an_instruction(played: Any) -> None:
    tables = asking((["collect_diamond"], False))
    _, seen = played(tables, ActingRules(patience=10, mean_life=10**9), jnp.full(32, 1.0), jax.random.key(3))
    ended, dead = np.asarray(seen.ended), np.asarray(seen.dead)
    for env in range(32):
        given_up = np.flatnonzero(ended[:, env])
        gaps = np.diff(given_up)
        assert (gaps <= 10).all() and (gaps[~dead[given_up[1:], env]] == 10).all()


def test_a_burst_of_exploration_follows_success(played: Any) -> None:
    tables = asking((["reach_tree"], False))
    rules = ActingRules(explore_after=7, mean_life=10**9, patience=1000)
    _, seen = played(tables, rules, jnp.full(32, 0.9), jax.random.key(4))
    pursuing, fulfilled = np.asarray(seen.pursuing), np.asarray(seen.fulfilled)
    over = np.asarray(seen.dead)
    checked = 0
    for t, env in np.argwhere(fulfilled[:-9]):
        if not over[t : t + 9, env].any():
            assert not pursuing[t + 1 : t + 8, env].any() and pursuing[t + 8, env]
            checked += 1
    assert checked > 10


def test_instructions_are_given_as_often_as_their_chance(played: Any) -> None:
    tables = asking((["reach_tree"], False), (["collect_wood"], False))
    tables = tables.replace(chance=jnp.asarray([0.9, 0.1]))  # type: ignore[attr-defined]
    _, seen = played(tables, ActingRules(patience=5), jnp.full(32, 1.0), jax.random.key(5))
    given = np.asarray(seen.instruction)[np.asarray(seen.ended)]
    assert 0.8 < (given == 0).mean() < 0.97


def test_random_actions_seldom_sleep(scene: Any, played: Any) -> None:
    world = scene[0]
    tables = asking((["collect_diamond"], False))
    _, seen = played(tables, ActingRules(), jnp.full(32, 1.0), jax.random.key(6))
    share = np.bincount(np.asarray(seen.action).ravel(), minlength=world.n_actions) / seen.action.size
    odds = np.asarray(world.exploration) / sum(world.exploration)
    np.testing.assert_allclose(share, odds, atol=0.012)


def test_the_games_objective_pays_the_games_reward(played: Any) -> None:
    tables = asking((["collect_diamond"], False))
    _, seen = played(tables, ActingRules(objective="game", mean_life=10**9), jnp.full(32, 1.0), jax.random.key(7))
    named = np.asarray(seen.events)[..., :22]
    over = np.asarray(seen.dead)
    reward, achieved = np.asarray(seen.reward), np.zeros((32, 22), bool)
    for t in range(len(named)):
        new = (named[t] & ~achieved).sum(1)
        assert (np.abs(reward[t] - new) < 0.95).all()  # the rest is 0.1 x the change in health
        achieved = np.where(over[t][:, None], False, achieved | named[t])
    assert not np.asarray(seen.reached).any()


def waypoints(tables: Tables, **instructions: int) -> Tables:
    """The same tables, in which instructions ask for events alone."""
    given = np.full(N_EVENTS, -1, np.int32)
    for name, index in instructions.items():
        given[INDEX[name]] = index
    return tables.replace(waypoint=jnp.asarray(given))  # type: ignore[attr-defined]


def test_what_always_came_before_is_pursued_first(played: Any) -> None:
    tables = asking((["collect_diamond"], False), (["reach_tree"], False))
    tables = tables.replace(chance=jnp.asarray([1.0, 0.0]))  # type: ignore[attr-defined]
    tables = waypoints(tables, reach_tree=1)
    diamond, tree = INDEX["collect_diamond"], INDEX["reach_tree"]
    precedence = Precedence(
        jnp.zeros((2, N_EVENTS, N_EVENTS, MAX_COUNT)).at[0, diamond, tree, 0].set(9.0),
        jnp.zeros((2, N_EVENTS)).at[0, diamond].set(9.0),
    )
    rules, epsilon = ActingRules(patience=10**6, mean_life=10**9), jnp.full(32, 0.9)
    _, seen = played(tables, rules, epsilon, jax.random.key(6), precedence=precedence)
    goal, event_counts = (
        np.asarray(seen.goal)[1:],
        np.asarray(seen.event_counts)[1:] > 0,
    )  # step 0: before any instruction
    np.testing.assert_array_equal(goal, np.where(event_counts[..., tree], diamond, tree))
    assert event_counts[..., tree].any() and not event_counts[..., tree].all()
    _, seen = played(
        tables, dataclasses.replace(rules, waypoints=False), epsilon, jax.random.key(6), precedence=precedence
    )
    assert (np.asarray(seen.goal)[1:] == diamond).all()


def test_fresh_instructions_ask_for_what_the_life_has_not_done(played: Any) -> None:
    tables = asking((["collect_diamond"], False), (["reach_tree"], False), (["reach_water"], False))
    tables = tables.replace(chance=jnp.asarray([1.0, 0.0, 0.0]))  # type: ignore[attr-defined]
    tables = waypoints(tables, reach_tree=1, reach_water=2)
    rules = ActingRules(patience=8, mean_life=10**9, new_event_share=1.0)
    _, seen = played(tables, rules, jnp.full(32, 0.9), jax.random.key(7))
    given, event_counts = np.asarray(seen.instruction), np.asarray(seen.event_counts) > 0
    first = np.concatenate([np.ones((1, 32), bool), np.asarray(seen.ended)[:-1]])[1:]  # the step after a new one
    new, before = given[1:][first], event_counts[1:][first]
    tree, water = before[:, INDEX["reach_tree"]], before[:, INDEX["reach_water"]]
    assert not (tree & (new == 1)).any() and not (water & (new == 2)).any()
    assert (new[tree & water] == 0).all() and (new[~(tree & water)] != 0).all()
    assert {1, 2} <= set(new.tolist()) and (tree & water).any()


def test_a_share_of_instructions_is_drawn_from_the_initial_ones(played: Any) -> None:
    tables = asking((["collect_diamond"], False), (["collect_iron"], False), (["make_iron_sword"], False))
    tables = tables.replace(  # type: ignore[attr-defined]
        chance=jnp.asarray([1.0, 0.0, 0.0]), initial=jnp.asarray([0.0, 0.5, 0.5])
    )
    rules, epsilon = ActingRules(patience=4, initial=0.5), jnp.full(32, 0.9)

    def shares(tables: Tables, rules: ActingRules) -> np.ndarray:
        _, seen = played(tables, rules, epsilon, jax.random.key(8))
        given, ended = np.asarray(seen.instruction), np.asarray(seen.ended)
        return np.bincount(given[1:][ended[:-1]], minlength=3) / ended[:-1].sum()

    np.testing.assert_allclose(shares(tables, rules), [0.5, 0.25, 0.25], atol=0.05)
    for without in (rules.replace(initial=0.0), rules):  # type: ignore[attr-defined]
        nobody = tables.replace(initial=jnp.zeros(3))  # type: ignore[attr-defined]
        assert shares(nobody, without).tolist() == [1.0, 0.0, 0.0]


def test_repeated_events_are_required_by_others_and_not_done_since_the_newest(played: Any) -> None:
    tables = asking((["collect_diamond"], False), (["reach_tree"], False), (["reach_water"], False))
    tables = tables.replace(chance=jnp.asarray([1.0, 0.0, 0.0]))  # type: ignore[attr-defined]
    tables = waypoints(tables, reach_tree=1, reach_water=2)
    tree, diamond = INDEX["reach_tree"], INDEX["collect_diamond"]
    # Trees have always come before diamonds; nothing has come after water.
    precedence = Precedence.none(len(INDEX))
    precedence = Precedence(
        precedence.before.at[0, diamond, tree, 0].set(10.0), precedence.count.at[0, diamond].set(10.0)
    )
    rules = ActingRules(patience=8, mean_life=10**9, new_event_share=1.0, repeated_event_share=1.0, waypoints=False)
    _, seen = played(tables, rules, jnp.full(32, 0.9), jax.random.key(7), precedence=precedence)
    given, ended = np.asarray(seen.instruction), np.asarray(seen.ended)
    event_counts, events = np.asarray(seen.event_counts) > 0, np.asarray(seen.events)
    since = np.zeros((32, len(INDEX)), bool)
    asked_anew = 0
    for t in range(len(given) - 1):
        first = (events[t] & ~event_counts[t]).any(1)
        since[first] = False
        since |= events[t]
        since[np.asarray(seen.dead)[t] | np.asarray(seen.dropped)[t]] = False
        for e in np.flatnonzero(ended[t]):
            assert given[t + 1, e] == (0 if since[e, tree] else 1)
            asked_anew += bool(given[t + 1, e] == 1 and event_counts[t, e, tree])
    assert asked_anew > 0  # a tree again, though this life has been at one
