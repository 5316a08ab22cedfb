"""Prerequisites: what the order of events tells, and what is pursued because of it."""

import jax
import jax.numpy as jnp
import numpy as np

from hindsight_rl.agent.waypoints import MOST, SEEN, Order, choose, observe, required

KNOWN = jnp.ones(3, bool)


def lives(*each: list[int]) -> Order:
    """The order that these lives show, each a sequence of events 0..2."""
    order = Order.none(3)
    for life in each:
        events = np.eye(3, dtype=bool)[life]
        witnessed = np.minimum(np.concatenate([np.zeros((1, 3), int), np.cumsum(events, axis=0)[:-1]]), MOST)
        order = jax.jit(observe)(order, jnp.asarray(events), jnp.asarray(witnessed))
    return order


def test_what_always_preceded_is_a_prerequisite() -> None:
    found = np.asarray(required(lives(*[[0, 1, 2]] * SEEN), KNOWN))
    np.testing.assert_array_equal(found, [[0, 0, 0], [1, 0, 0], [1, 1, 0]])


def test_few_observations_are_not_enough() -> None:
    assert not np.asarray(required(lives(*[[0, 1, 2]] * (SEEN - 1)), KNOWN)).any()


def test_a_counter_example_refutes_a_coincidence() -> None:
    found = np.asarray(required(lives(*[[0, 1, 2]] * SEEN, [1, 0, 2]), KNOWN))
    assert not found[1, 0] and found[2, 0] and found[2, 1]


def test_only_first_occurrences_in_a_life_count() -> None:
    order = lives([1, 1, 1, 1, 1, 1, 0, 1])
    assert order.count.tolist() == [1, 1, 0] and not np.asarray(order.before)[1].any()
    assert np.asarray(order.before)[0, 1].tolist() == [1] * MOST  # at least once, twice, ... at least MOST times


def test_how_often_it_always_came_is_how_often_it_is_needed() -> None:
    found = np.asarray(required(lives([0, 0, 1], [0, 0, 0, 1], [0, 0, 1], [0, 0, 0, 0, 1]), KNOWN))
    assert found[1].tolist() == [2, 0, 0]
    goal, values = jnp.asarray([[False, True, False]] * 3), jnp.asarray([[0.1, 0.9, 0.9]] * 3)
    event, there_is = choose(values, goal, found, jnp.ones(3, bool), jnp.asarray([[0, 0, 0], [1, 0, 5], [2, 0, 0]]))
    assert event[:2].tolist() == [0, 0] and there_is.tolist() == [True, True, False]
    often = np.asarray(required(lives(*[[0] * (MOST + 2) + [1]] * SEEN), KNOWN))
    assert often[1, 0] == MOST


def test_what_cannot_be_asked_for_is_no_waypoint() -> None:
    found = np.asarray(required(lives(*[[0, 1, 2]] * SEEN), jnp.asarray([False, True, True])))
    np.testing.assert_array_equal(found, [[0, 0, 0], [0, 0, 0], [0, 1, 0]])


def test_the_nearest_open_prerequisite_is_chosen_and_then_the_goal() -> None:
    needs = required(lives(*[[0, 1, 2]] * SEEN), KNOWN)
    goal = jnp.asarray([[False, False, True]] * 3)
    values = jnp.asarray([[0.2, 0.6, 0.9]] * 3)
    witnessed = jnp.asarray([[0, 0, 0], [0, 1, 0], [1, 1, 0]])
    event, there_is = choose(values, goal, needs, jnp.ones(3, bool), witnessed)
    assert event[:2].tolist() == [1, 0] and there_is.tolist() == [True, True, False]


def test_a_goal_that_several_events_fulfil_needs_what_all_of_them_need() -> None:
    needs = jnp.asarray([[0, 0, 0], [1, 0, 0], [0, 0, 0]])
    goal, nothing = jnp.asarray([[False, True, True]]), jnp.zeros((1, 3), int)
    for seen, expected in (([True, True, True], False), ([True, True, False], True), ([True, False, False], False)):
        _, there_is = choose(jnp.zeros((1, 3)), goal, needs, jnp.asarray(seen), nothing)
        assert there_is.tolist() == [expected], seen
