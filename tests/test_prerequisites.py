"""Prerequisites: what the order of events shows, and what is pursued because of it."""

import jax
import jax.numpy as jnp
import numpy as np

from hindsight_rl.agent.policy.prerequisites import (
    MAX_COUNT,
    MIN_OCCURRENCES,
    Precedence,
    Prerequisites,
    choose_waypoint,
    observe,
    prerequisites,
    requirements,
    update_inventory,
)

KNOWN = jnp.ones(3, bool)


def lives(*each: list[int]) -> Precedence:
    """The precedence that these lives show, each a sequence of events 0..2."""
    precedence = Precedence.none(3)
    for life in each:
        events = np.eye(3, dtype=bool)[life]
        event_counts = np.minimum(np.concatenate([np.zeros((1, 3), int), np.cumsum(events, axis=0)[:-1]]), MAX_COUNT)
        precedence = jax.jit(observe)(precedence, jnp.asarray(events), jnp.asarray(event_counts))
    return precedence


def chosen(
    values: jax.Array, goal: jax.Array, found: Prerequisites, event_counts: jax.Array, inventory: jax.Array
) -> tuple:
    """The waypoint to goals that are given by the events that fulfil them."""
    return choose_waypoint(values, requirements(goal, found), found.consumed, event_counts, inventory)


def test_what_always_preceded_is_a_prerequisite() -> None:
    found = np.asarray(prerequisites(lives(*[[0, 1, 2]] * MIN_OCCURRENCES), KNOWN).required)
    np.testing.assert_array_equal(found, [[0, 0, 0], [1, 0, 0], [1, 1, 0]])


def test_few_observations_are_not_enough() -> None:
    assert not np.asarray(prerequisites(lives(*[[0, 1, 2]] * (MIN_OCCURRENCES - 1)), KNOWN).required).any()


def test_a_counter_example_refutes_a_coincidence() -> None:
    found = np.asarray(prerequisites(lives(*[[0, 1, 2]] * MIN_OCCURRENCES, [1, 0, 2]), KNOWN).required)
    assert not found[1, 0] and found[2, 0] and found[2, 1]


def test_only_first_occurrences_in_a_life_count() -> None:
    precedence = lives([*[1] * MAX_COUNT, 0, 1])
    assert precedence.count[0].tolist() == [1, 1, 0] and not np.asarray(precedence.before)[0, 1].any()
    assert (
        np.asarray(precedence.before)[0, 0, 1].tolist() == [1] * MAX_COUNT
    )  # at least once, twice, ... at least MAX_COUNT times


def test_how_often_it_always_came_is_how_often_it_is_needed() -> None:
    found = np.asarray(prerequisites(lives([0, 0, 1], [0, 0, 0, 1], [0, 0, 1], [0, 0, 0, 0, 1]), KNOWN).required)
    assert found[1].tolist() == [2, 0, 0]
    goal, values = jnp.asarray([[False, True, False]] * 3), jnp.asarray([[0.1, 0.9, 0.9]] * 3)
    done = jnp.asarray([[0, 0, 0], [1, 0, 5], [2, 0, 0]])
    event, there_is = chosen(values, goal, least(found), done, done)
    assert event[:2].tolist() == [0, 0] and there_is.tolist() == [True, True, False]
    often = np.asarray(prerequisites(lives(*[[0] * (MAX_COUNT + 2) + [1]] * MIN_OCCURRENCES), KNOWN).required)
    assert often[1, 0] == MAX_COUNT


def test_what_cannot_be_asked_for_is_no_waypoint() -> None:
    found = np.asarray(prerequisites(lives(*[[0, 1, 2]] * MIN_OCCURRENCES), jnp.asarray([False, True, True])).required)
    np.testing.assert_array_equal(found, [[0, 0, 0], [0, 0, 0], [0, 1, 0]])


def least(required: np.ndarray) -> Prerequisites:
    """Prerequisites of which nothing is consumed."""
    return Prerequisites(jnp.asarray(required), jnp.zeros((3, 3), jnp.int32), jnp.ones(3, bool))


def test_the_nearest_open_prerequisite_is_chosen_and_then_the_goal() -> None:
    found = least(np.asarray(prerequisites(lives(*[[0, 1, 2]] * MIN_OCCURRENCES), KNOWN).required))
    goal = jnp.asarray([[False, False, True]] * 3)
    values = jnp.asarray([[0.2, 0.6, 0.9]] * 3)
    done = jnp.asarray([[0, 0, 0], [0, 1, 0], [1, 1, 0]])
    event, there_is = chosen(values, goal, found, done, done)
    assert event[:2].tolist() == [1, 0] and there_is.tolist() == [True, True, False]


def test_a_goal_that_several_events_fulfil_needs_what_all_of_them_need() -> None:
    found = least(np.asarray([[0, 0, 0], [1, 0, 0], [0, 0, 0]]))
    goal, nothing = jnp.asarray([[False, True, True]]), jnp.zeros((1, 3), int)
    for seen, expected in (([True, True, True], False), ([True, True, False], True), ([True, False, False], False)):
        _, there_is = chosen(jnp.zeros((1, 3)), goal, found._replace(known=jnp.asarray(seen)), nothing, nothing)
        assert there_is.tolist() == [expected], seen


WOOD, TABLE, PICKAXE = range(3)


def test_what_is_needed_anew_is_consumed_and_the_rest_lasts() -> None:
    # Two pieces of wood for a table, one for a pickaxe, which needs a table beside it.
    once = [WOOD, WOOD, TABLE, WOOD, PICKAXE]
    twice = [*once, WOOD, WOOD, TABLE, WOOD, PICKAXE]
    one_table = [*once, WOOD, PICKAXE]
    found = prerequisites(lives(*[once] * 3, *[twice] * 4, *[one_table] * 4), KNOWN)
    assert np.asarray(found.required).tolist() == [[0, 0, 0], [2, 0, 0], [3, 1, 0]]
    assert np.asarray(found.consumed).tolist() == [[0, 0, 0], [2, 0, 0], [1, 0, 0]]
    # Until it has happened twice, a tool is thought to be consumed as well.
    assert np.asarray(prerequisites(lives(*[once] * 3), KNOWN).consumed)[PICKAXE].tolist() == [1, 1, 0]


def test_what_was_consumed_by_something_else_is_fetched_again() -> None:
    found = Prerequisites(
        jnp.asarray([[0, 0, 0], [2, 0, 0], [3, 1, 0]]), jnp.asarray([[0, 0, 0], [2, 0, 0], [1, 0, 0]]), KNOWN
    )
    goal, values = jnp.asarray([[False, False, True]]), jnp.asarray([[0.5, 0.1, 0.9]])
    event_counts, inventory, taken = jnp.zeros((1, 3), int), jnp.zeros((1, 3), int), []
    # A second table takes the wood that was meant for the pickaxe: then wood is what is missing, not the table.
    for happened in (WOOD, WOOD, WOOD, TABLE, None, WOOD, TABLE, WOOD, None):
        event, there_is = chosen(values, goal, found, event_counts, inventory)
        taken.append(int(event[0]) if there_is[0] else PICKAXE)
        events = jnp.asarray([[e == happened for e in range(3)]])
        inventory, event_counts = update_inventory(inventory, events, found.consumed), event_counts + events
    assert taken == [WOOD, WOOD, WOOD, TABLE, PICKAXE, PICKAXE, PICKAXE, WOOD, PICKAXE]
    assert inventory.tolist() == [[1, 2, 0]]


def test_the_inventory_never_goes_below_nothing() -> None:
    consumed = jnp.asarray([[0, 0, 0], [2, 0, 0], [1, 0, 0]])
    inventory = update_inventory(jnp.asarray([[1, 0, 0]]), jnp.asarray([[False, True, True]]), consumed)
    assert inventory.tolist() == [[0, 1, 1]]
