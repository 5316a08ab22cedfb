"""One control step: which goal is pursued, which action is taken, what counts as progress."""

import jax
import jax.numpy as jnp
import numpy as np

from hindsight_rl.agent.policy.action_selection import (
    CLOSE,
    IDLE_STEPS,
    WALK_STEPS,
    ActionLuck,
    Exploration,
    PolicyView,
    Progress,
    Task,
    drawn_by,
    goals_reached,
    makes_happen,
    pursued,
    select_action,
    update_progress,
    walk_on,
)
from hindsight_rl.agent.policy.prerequisites import MAX_COUNT, Prerequisites, requirements

WOOD, TABLE = 0, 1


def test_ordered_goals_are_pursued_in_turn_and_unordered_by_value() -> None:
    psi = jnp.ones((2, 4, 1))
    omega = jnp.asarray([[0.1], [0.9], [0.5]])  # goal 1 looks nearest
    goals = jnp.asarray([[0, 1, 2], [0, 1, 2]])
    slot, values = pursued(psi, omega, goals, jnp.asarray([True, False]), jnp.zeros((2, 3), bool))
    assert slot.tolist() == [0, 1]
    np.testing.assert_allclose(values[:, 0], [0.1, 0.9], rtol=1e-6)
    slot, _ = pursued(psi, omega, goals, jnp.asarray([True, False]), jnp.asarray([[True, False, False]] * 2))
    assert slot.tolist() == [1, 1]
    slot, _ = pursued(psi, omega, goals, jnp.asarray([True, False]), jnp.asarray([[True, True, False]] * 2))
    assert slot.tolist() == [2, 2]


def test_padding_is_never_pursued() -> None:
    psi, omega = -jnp.ones((1, 4, 1)), jnp.asarray([[0.9], [0.0]])
    slot, _ = pursued(psi, omega, jnp.asarray([[0, -1, -1]]), jnp.asarray([False]), jnp.zeros((1, 3), bool))
    assert slot.tolist() == [0]


def test_ordered_goals_count_only_in_their_turn() -> None:
    goals, none = jnp.asarray([[0, 1, -1]] * 2), jnp.zeros((2, 3), bool)
    order = jnp.asarray([True, False])
    second = jnp.asarray([[False, True, False]] * 2)
    task = Task(goals, order, none[:, :, None])
    _, reached, fulfilled = goals_reached(task, jnp.zeros((2, 3), int), jnp.zeros(2, int), second)
    assert reached.tolist() == [[False] * 3, [False, True, False]] and not fulfilled.any()
    both = jnp.asarray([[True, True, False]] * 2)
    _, reached, fulfilled = goals_reached(task, jnp.zeros((2, 3), int), jnp.zeros(2, int), both)
    assert fulfilled.tolist() == [False, True]  # one step cannot be both first and then


def test_an_instruction_without_goals_is_never_fulfilled() -> None:
    task = Task(jnp.asarray([[-1, -1]]), jnp.asarray([False]), jnp.zeros((1, 2, 2), bool))
    _, reached, fulfilled = goals_reached(task, jnp.zeros((1, 2), int), jnp.zeros(1, int), jnp.ones((1, 2), bool))
    assert not reached.any() and not fulfilled.any()


def test_a_goal_that_is_asked_for_twice_is_reached_at_the_second_time() -> None:
    task = Task(jnp.asarray([[0, 1]]), jnp.asarray([True]), jnp.zeros((1, 2, 2), bool), jnp.asarray([[2, 1]]))
    counted, hits, seen = jnp.zeros((1, 2), int), jnp.asarray([[True, True]]), []
    for slot in (0, 0, 1):
        counted, reached, fulfilled = goals_reached(task, counted, jnp.asarray([slot]), hits)
        seen.append((counted.tolist()[0], reached.tolist()[0], bool(fulfilled[0])))
    assert seen == [([1, 0], [False, False], False), ([2, 0], [True, False], False), ([2, 1], [True, True], True)]


def test_only_the_best_action_for_something_forbidden_that_is_close_is_not_taken() -> None:
    psi = jnp.asarray([[[0.95], [0.9], [0.1]], [[0.75], [0.1], [0.1]]])  # two environments, three actions
    avoid = jnp.ones((2, 2, 1))
    found = makes_happen(psi, avoid, jnp.asarray([[True, False]] * 2), CLOSE)
    assert not makes_happen(psi, avoid, jnp.ones((2, 2), bool), 0.96).any()
    assert found.tolist() == [[True, False, False], [False, False, False]]
    assert not makes_happen(psi, avoid, jnp.zeros((2, 2), bool), CLOSE).any()  # padding forbids nothing


def test_draws_follow_their_odds() -> None:
    odds = jnp.cumsum(jnp.asarray([0.0, 0.2, 0.0, 0.3, 0.0]))
    drawn = np.asarray(drawn_by(odds, jax.random.uniform(jax.random.key(0), (4000,))))
    assert set(drawn.tolist()) == {1, 3} and abs((drawn == 3).mean() - 0.6) < 0.05
    assert int(drawn_by(jnp.zeros(3), jnp.float32(0.5))) <= 2  # nothing to draw: a valid index


def view(**changes: object) -> PolicyView:
    """Two actions and two goals, wood and a table: action i is best for goal i."""
    psi = jnp.asarray([[1.0, 0.2], [0.5, 0.9]])
    return PolicyView(lambda observation: jnp.repeat(psi[None], len(observation), 0), jnp.eye(2))._replace(**changes)


def asked_for(goal: int, n: int = 1) -> Task:
    return Task(jnp.full((n, 1), goal), jnp.zeros(n, bool), jnp.repeat(jnp.eye(2, dtype=bool)[goal][None, None], n, 0))


def luck(seed: int, n: int = 1) -> ActionLuck:
    whether, which, repeat, walk = jax.random.split(jax.random.key(seed), 4)
    return ActionLuck(*(jax.random.uniform(key, (n,)) for key in (whether, which, repeat)), walk)


def test_the_best_action_of_the_goal_is_taken_and_else_a_random_one() -> None:
    odds, seen = jnp.cumsum(jnp.asarray([1.0, 0.0])), jnp.zeros((400, 3))
    nothing = Progress.none(400, 1, 2)
    greedy = select_action(view(), asked_for(TABLE, 400), nothing, seen, Exploration(odds, 0.0), luck(0, len(seen)))
    assert greedy.action.tolist() == [1] * 400 and not greedy.random.any() and not greedy.by_waypoint.any()
    half = select_action(view(), asked_for(TABLE, 400), nothing, seen, Exploration(odds, 0.5), luck(0, len(seen)))
    assert half.action.tolist() == [0 if r else 1 for r in half.random.tolist()]
    assert 0.4 < np.asarray(half.random).mean() < 0.6
    always = Exploration(odds, 0.0, always=jnp.asarray([True] * 400), sticky=1.0, last=jnp.full(400, 1))
    assert select_action(view(), asked_for(WOOD, 400), nothing, seen, always, luck(0, 400)).action.tolist() == [1] * 400


def test_a_goal_is_pursued_by_way_of_what_it_requires_until_that_is_at_hand() -> None:
    found = Prerequisites(jnp.asarray([[0, 0], [2, 0]]), jnp.asarray([[0, 0], [2, 0]]), jnp.ones(2, bool))
    with_waypoints = view(
        waypoint_omega=jnp.eye(2), known=jnp.ones(2, bool), prerequisites=found,
        required=requirements(jnp.eye(2, dtype=bool), found),
    )  # fmt: skip
    progress, task, taken, done = Progress.none(1, 1, 2), asked_for(TABLE), [], []
    exploration = Exploration(jnp.cumsum(jnp.ones(2)), 0.0)
    for step in range(3):
        selection = select_action(with_waypoints, task, progress, jnp.zeros((1, 3)), exploration, luck(step))
        taken.append((int(selection.action[0]), bool(selection.by_waypoint[0])))
        events = jnp.eye(2, dtype=bool)[selection.action]  # action i does event i
        progress, fulfilled = update_progress(task, progress, selection.slot, events, found)
        done.append(bool(fulfilled[0]))
    assert taken == [(WOOD, True), (WOOD, True), (TABLE, False)] and done == [False, False, True]
    assert progress.event_counts.tolist() == [[2, 1]] and progress.inventory.tolist() == [[0, 1]]
    over = progress.new_life(jnp.asarray([True]))
    assert not over.event_counts.any() and not over.inventory.any() and over.reached.all()


def test_what_is_forbidden_is_not_done_and_is_no_waypoint() -> None:
    found = Prerequisites(jnp.asarray([[0, 0], [2, 0]]), jnp.asarray([[0, 0], [2, 0]]), jnp.ones(2, bool))
    ways = view(
        waypoint_omega=jnp.eye(2), known=jnp.ones(2, bool), prerequisites=found,
        required=requirements(jnp.eye(2, dtype=bool), found),
    )  # fmt: skip
    task, progress, seen = asked_for(TABLE), Progress.none(1, 1, 2), jnp.zeros((1, 3))
    odds = jnp.cumsum(jnp.ones(2))
    free = select_action(ways, task, progress, seen, Exploration(odds, 0.0), luck(0, len(seen)))
    assert bool(free.by_waypoint[0]) and int(free.action[0]) == WOOD
    forbidden = task._replace(
        forbidden=jnp.asarray([[True, False]]), avoid=jnp.eye(2)[None, :1], avoiding=jnp.ones((1, 1), bool)
    )
    for seed in range(20):  # not at random either
        made = select_action(ways, forbidden, progress, seen, Exploration(odds, seed % 2), luck(seed, len(seen)))
        assert not bool(made.by_waypoint[0]) and int(made.action[0]) == TABLE
    assert forbidden.violated(jnp.asarray([[True, False]])).all()
    assert not forbidden.violated(jnp.asarray([[False, True]])).any()
    assert not task.violated(jnp.ones((1, 2), bool)).any()


def test_events_are_counted_no_further_than_prerequisites_need() -> None:
    progress, task = Progress.none(1, 1, 2), asked_for(TABLE)
    for _ in range(MAX_COUNT + 3):
        progress, _ = update_progress(task, progress, jnp.zeros(1, int), jnp.asarray([[True, False]]), None)
    assert progress.event_counts.tolist() == [[MAX_COUNT, 0]]
    assert not progress.inventory.any()  # without prerequisites no inventory is kept


def test_where_nothing_new_happens_the_agent_walks_straight_on() -> None:
    idle, moves, stay = jnp.zeros(64, jnp.int32), (1, 2, 3, 4), jnp.zeros(64, jnp.int32)
    walked = [walk_on(stay, idle + t, moves, jax.random.key(0)) for t in range(2 * (IDLE_STEPS + WALK_STEPS))]
    steps = np.stack(walked).reshape(2, IDLE_STEPS + WALK_STEPS, 64)
    assert (steps[:, :IDLE_STEPS] == 0).all()
    walks = steps[:, IDLE_STEPS:]
    assert (walks == walks[:, :1]).all() and set(walks.ravel().tolist()) == set(moves)
    assert (walks[0, 0] != walks[1, 0]).any()  # the next walk goes elsewhere


def test_something_new_ends_the_idle_steps_and_something_old_does_not() -> None:
    task, progress = asked_for(TABLE), Progress.none(1, 1, 2)._replace(idle=jnp.asarray([IDLE_STEPS]))
    wood = jnp.asarray([[True, False]])
    new, _ = update_progress(task, progress, jnp.zeros(1, int), wood, None)
    old, _ = update_progress(task, new, jnp.zeros(1, int), wood, None)
    assert new.idle.tolist() == [0] and old.idle.tolist() == [1]
