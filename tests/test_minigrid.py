"""Grids of XLand-MiniGrid: the package's own steps, events, what each world allows, mirror images, the language."""

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

pytest.importorskip("xminigrid")

import xminigrid
from xminigrid.core.constants import TILES_REGISTRY, Colors, Tiles

from hindsight_rl import HindsightError
from hindsight_rl.agent.envs import make_env
from hindsight_rl.agent.envs.bank import load_bank
from hindsight_rl.agent.envs.environment import check_environment, step_each
from hindsight_rl.agent.envs.minigrid.xland import (
    FORWARD,
    PICK_UP,
    PUT_DOWN,
    TOGGLE,
    TURN_LEFT,
    TURN_RIGHT,
    GridState,
    MiniGrid,
)
from hindsight_rl.agent.envs.symmetries import reflect
from hindsight_rl.agent.evaluation.attempt import _allowing
from hindsight_rl.agent.instructions.language import SPLITS
from hindsight_rl.agent.training.initial_instructions import initial_instructions
from hindsight_rl.agent.training.instruction_choice import Allowed

pytestmark = pytest.mark.agent

IDS = ("MiniGrid-DoorKey-8x8", "MiniGrid-BlockedUnlockPickUp", "XLand-MiniGrid-R2-9x9")
FLOOR = (Tiles.FLOOR, Colors.BLACK)


@pytest.fixture(scope="module")
def rooms() -> MiniGrid:
    """The XLand environment: two rooms, objects of many colours and shapes."""
    return make_env("XLand-MiniGrid-R2-9x9")  # type: ignore[return-value]


def room(env: MiniGrid, things: dict[tuple[int, int], tuple[int, int]]) -> GridState:
    """A 9 x 9 room with these tiles; the agent stands at (4, 4) and looks up."""
    grid = np.tile(np.array(FLOOR, np.uint8), (9, 9, 1))
    grid[[0, -1]] = grid[:, [0, -1]] = (Tiles.WALL, Colors.GREY)
    for at, tile in things.items():
        grid[at] = tile
    state = jax.jit(env.generate)(jax.random.key(0))
    at = jnp.array([4, 4], jnp.int32)
    return state.replace(grid=jnp.asarray(grid), position=at, entry=at, direction=jnp.int32(0))


def play(env: MiniGrid, state: GridState, *actions: int) -> tuple[GridState, list[list[str]]]:
    """The state after the actions, and the names of the events of each step."""
    seen = []
    step = jax.jit(env.step)
    for action in actions:
        made = step(jax.random.key(0), state, jnp.int32(action))
        state = made.state
        seen.append([env.events[i].name for i in np.flatnonzero(made.events)])
    return state, seen


@pytest.mark.parametrize("name", IDS)
def test_it_is_the_packages_own_game(name: str) -> None:
    env = MiniGrid(name)
    check_environment(env)
    game, params = xminigrid.make(name)
    params = params.replace(view_size=7, **({"max_steps": 400} if name.startswith("XLand") else {}))
    first = jax.jit(env._first)(jax.random.key(3))
    actions = jax.random.randint(jax.random.key(1), (150,), 0, 6)

    def own(timestep: Any, action: jax.Array) -> Any:
        after = game.step(params, timestep, action)
        return after, (after.state.grid, after.state.agent, after.reward, after.last())

    def ours(state: GridState, action: jax.Array) -> Any:
        step = env.step(jax.random.key(0), state, action)
        return step.state, (step.state.grid, step.state, step.reward, step.done)

    _, (grid, agent, reward, last) = jax.lax.scan(own, first, actions)
    _, (our_grid, state, our_reward, done) = jax.lax.scan(ours, jax.jit(env.generate)(jax.random.key(3)), actions)
    np.testing.assert_array_equal(grid, our_grid)
    np.testing.assert_array_equal(agent.position, state.position)
    np.testing.assert_array_equal(agent.direction, state.direction)
    np.testing.assert_array_equal(agent.pocket, state.pocket)
    np.testing.assert_allclose(reward, our_reward)
    np.testing.assert_array_equal(last, done)


def test_objects_are_picked_up_put_down_and_put_next_to_each_other(rooms: MiniGrid) -> None:
    ball, square = (Tiles.BALL, Colors.BLUE), (Tiles.SQUARE, Colors.RED)
    state = room(rooms, {(3, 4): ball, (2, 5): square})
    state, seen = play(rooms, state, PICK_UP)
    assert seen == [["pick_up_blue_ball", "pick_up_ball"]]
    # Put it at (3, 5), below the square.
    state, seen = play(rooms, state, TURN_RIGHT, FORWARD, TURN_LEFT, PUT_DOWN)
    assert seen == [[], [], [], ["put_down_ball", "put_ball_next_to_square"]]
    state, seen = play(rooms, state, PICK_UP, TURN_LEFT, TURN_RIGHT)
    assert seen == [["pick_up_blue_ball", "pick_up_ball"], [], []]
    state, seen = play(rooms, state, FORWARD, PICK_UP)
    assert seen == [["go_to_square"], []]  # it carries the ball already


def test_doors_open_close_and_lead_into_another_room(rooms: MiniGrid) -> None:
    walls = {(3, x): (Tiles.WALL, Colors.GREY) for x in range(9)}
    state = room(rooms, {**walls, (3, 4): (Tiles.DOOR_CLOSED, Colors.GREEN)})
    state, seen = play(rooms, state, TOGGLE, TOGGLE, TOGGLE, FORWARD)
    assert seen == [["open_green_door"], ["close_door"], ["open_green_door"], []]
    there, seen = play(rooms, state, FORWARD)
    assert seen == [["enter_room"]]
    # Stepping back out of the door is no other room.
    back, seen = play(rooms, state, TURN_RIGHT, TURN_RIGHT, FORWARD)
    assert seen == [[], [], []] and tuple(back.position) == (4, 4)
    _, seen = play(rooms, there, TURN_RIGHT, TURN_RIGHT)
    assert seen == [[], ["go_to_door"]]


def test_a_locked_door_needs_the_key_of_its_colour() -> None:
    env = MiniGrid("MiniGrid-BlockedUnlockPickUp")
    for colour, expected in ((Colors.RED, ["open_red_door"]), (Colors.BLUE, [])):
        state = room(env, {(3, 4): (Tiles.DOOR_LOCKED, Colors.RED)})
        state = state.replace(pocket=TILES_REGISTRY[Tiles.KEY, colour])
        # The generator's grid has another size; the rules do not depend on it.
        _, seen = play(env, state, TOGGLE)
        assert seen == [expected]


def test_the_green_goal_is_reached_and_ends_the_life() -> None:
    env = MiniGrid("MiniGrid-DoorKey-8x8")
    state = room(env, {(3, 4): (Tiles.GOAL, Colors.GREEN)})
    made = jax.jit(env.step)(jax.random.key(0), state, jnp.int32(FORWARD))
    assert [env.events[i].name for i in np.flatnonzero(made.events)] == ["reach_goal"]
    assert bool(made.done) and float(made.reward) > 0.9


@pytest.mark.parametrize("name", IDS)
def test_only_possible_events_happen(name: str) -> None:
    env = make_env(name)
    states = jax.jit(jax.vmap(env.generate))(jax.random.split(jax.random.key(5), 64))
    possible = np.asarray(jax.vmap(env.possible)(states))
    assert possible.any(0).all() and (name.startswith("MiniGrid-DoorKey") or not possible.all())

    def step(states: Any, key: jax.Array) -> Any:
        keys = jax.random.split(key, 64)
        made = step_each(env, keys, states, jax.random.randint(key, (64,), 0, 6))
        return made.state, made.events

    _, events = jax.lax.scan(step, states, jax.random.split(jax.random.key(6), 400))
    happened = np.asarray(events).any(0)
    assert happened.any() and not (happened & ~possible).any()


def test_a_mirror_image_is_a_transition_of_the_mirrored_grid(rooms: MiniGrid) -> None:
    def turned(state: GridState) -> GridState:
        way = jnp.array([0, 3, 2, 1])[state.direction]
        at = state.position.at[1].set(8 - state.position[1])
        return state.replace(grid=state.grid[:, ::-1], direction=way, position=at, entry=at)

    images = rooms.symmetries
    assert images is not None

    def both_ways(state: GridState, action: jax.Array) -> Any:
        image, key = turned(state), jax.random.key(0)
        step, other = rooms.step(key, state, action), rooms.step(key, image, jnp.asarray(images.actions)[1, action])
        seen = rooms.observe(image), rooms.observe(state)[jnp.asarray(images.features[1])]
        return step.state, (*seen, step.events, other.events, turned(step.state).grid, other.state.grid)

    actions = jnp.asarray(np.random.default_rng(0).integers(0, 6, 60), jnp.int32)
    _, found = jax.lax.scan(both_ways, jax.jit(rooms.generate)(jax.random.key(8)), actions)
    for mine, others in zip(found[::2], found[1::2], strict=True):
        np.testing.assert_array_equal(mine, others)
    both = reflect(images, jnp.zeros((4, rooms.observation_size)), jnp.zeros(4, jnp.int32), jax.random.key(0))
    assert both[0].shape == (4, rooms.observation_size)


@pytest.mark.parametrize("name", [*IDS, "MiniGrid-LockedRoom"])
def test_the_language_names_every_event_in_three_disjoint_sets(name: str) -> None:
    env = make_env(name)
    said = [
        text for event in env.events for split in SPLITS for text in env.language.phrases(event.name, split)
    ]  # fmt: skip
    assert len(set(said)) == len(said)
    for event in env.events:
        assert all(len(env.language.phrases(event.name, split)) >= 3 for split in SPLITS), event.name
    assert not any("{" in text for text in said)
    for text, event in zip(env.instructions, env.events, strict=False):
        assert text == env.language.phrases(event.name, "train")[0]


def test_no_instruction_of_training_asks_for_a_held_out_pair(rooms: MiniGrid) -> None:
    held_out = [event for event in rooms.events if event.held_out]
    assert len(held_out) == 4 and not any(event.trained for event in held_out)
    for event in held_out:
        colour, thing = event.name.removeprefix("pick_up_").split("_")
        trained = [e.name for e in rooms.events if e.trained]
        assert any(colour in name for name in trained) and any(name.endswith(thing) for name in trained)
        assert not any(colour in text and thing in text for text in rooms.instructions)


def test_a_file_of_instructions_may_not_ask_for_a_held_out_pair(rooms: MiniGrid, tmp_path: Path) -> None:
    name = next(event.name for event in rooms.events if event.held_out)
    parsed = SimpleNamespace(goals=("it",), avoid=(), ordered=False, times=())
    reward: Any = SimpleNamespace(check=lambda text: parsed, meaning=lambda goal: name)
    file = tmp_path / "given.txt"
    file.write_text("# two lines\npick it up\n")
    with pytest.raises(HindsightError, match=f"given.txt:2: 'it' asks for {name}, which is held out of training"):
        initial_instructions(str(file), rooms, reward)


def test_an_instruction_is_tried_and_evaluated_where_the_world_allows_it(rooms: MiniGrid) -> None:
    bank = load_bank(rooms, "eval", 64)
    index = {event.name: i for i, event in enumerate(rooms.events)}

    def table(goals: Sequence[str]) -> np.ndarray:
        return np.eye(len(rooms.events), dtype=bool)[:, [index[goal] for goal in goals]]

    policy: Any = SimpleNamespace(env=rooms, reward=SimpleNamespace(table=table))
    found = _allowing(policy, ("pick_up_blue_ball", "open_green_door"), bank)
    assert 0 < len(found) < 32
    for world in range(64):
        grid = np.asarray(bank.states.grid[world]).reshape(-1, 2).tolist()
        has_both = [Tiles.BALL, Colors.BLUE] in grid and [Tiles.DOOR_CLOSED, Colors.GREEN] in grid
        assert has_both == (world in found)


def test_instructions_are_drawn_where_the_world_allows_them() -> None:
    """Two worlds, three events; goal i asks for event i; instruction 3 asks for events 0 and 1."""
    tables: Any = SimpleNamespace(
        fires=jnp.eye(3, dtype=bool),
        goals=jnp.array([[0, -1], [1, -1], [2, -1], [0, 1]]),
        chance=jnp.array([0.25, 0.25, 0.25, 0.25]),
        initial=jnp.array([0.0, 0.0, 1.0, 0.0]),
    )
    allowed = Allowed.of(tables, jnp.array([[True, True, False], [False, False, False]]))
    np.testing.assert_allclose(allowed.by_chance, [[0.75], [1.0]])
    assert not allowed.initial.any()
    luck = jnp.array([[0.1, 0.5, 0.9, 1.0], [0.1, 0.6, 0.9, 1.0]])
    drawn = allowed.drawn(tables.chance, allowed.by_chance, luck)
    np.testing.assert_array_equal(drawn, [[0, 1, 3, 3], [0, 2, 3, 3]])


def test_drawing_in_two_stages_is_drawing_from_all_that_is_allowed() -> None:
    """Some hundred instructions, so several blocks; every second goal is possible."""
    rng, goals, luck = np.random.default_rng(0), np.arange(300), np.linspace(0.001, 0.999, 500)
    chance = rng.random(300) * (rng.random(300) < 0.5)
    chance[:70] = 0.0  # a block without any
    tables: Any = SimpleNamespace(
        fires=jnp.eye(300, dtype=bool), goals=jnp.asarray(goals[:, None]), chance=jnp.asarray(chance, jnp.float32),
        initial=jnp.zeros(300),
    )  # fmt: skip
    allowed = Allowed.of(tables, jnp.asarray(goals % 2 == 0)[None])
    drawn = np.asarray(allowed.drawn(tables.chance, allowed.by_chance, jnp.asarray(luck, jnp.float32)[None]))[0]
    sums = np.cumsum(np.where(goals % 2 == 0, chance, 0.0))
    expected = np.searchsorted(sums, luck * sums[-1], side="right")
    assert (drawn % 2 == 0).all() and (chance[drawn] > 0).all()
    assert (drawn == expected).mean() > 0.99  # rounding may move a mark across a border


def test_the_picture_is_the_packages_own(rooms: MiniGrid) -> None:
    state = jax.tree.map(np.asarray, jax.jit(rooms.generate)(jax.random.key(0)))
    picture = rooms.render(state)
    assert picture.shape == (9 * 32, 9 * 32, 3) and picture.dtype == np.uint8 and picture.std() > 10


def test_an_unknown_id_is_an_error_that_names_the_known_ones() -> None:
    for name in ("MiniGrid-DoorKey-7x7", "XLand-MiniGrid-R6-13x13"):
        with pytest.raises(HindsightError, match=r"MiniGrid-LockedRoom.*XLand-MiniGrid-R1-9x9"):
            make_env(name)
