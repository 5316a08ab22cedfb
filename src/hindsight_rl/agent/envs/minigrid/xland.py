"""Grids of XLand-MiniGrid as environments that report their events.

The game is the installed package `xminigrid`. Events are computed from the states before and after a step. The agent
sees the 7 x 7 cells in front of it, what it carries, and its own position and direction.
"""

import dataclasses
from importlib.metadata import version
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from xminigrid.core.constants import DIRECTIONS, NUM_ACTIONS, NUM_COLORS, NUM_TILES, Tiles
from xminigrid.core.observation import transparent_field_of_view
from xminigrid.rendering.rgb_render import render as rgb_render
from xminigrid.types import AgentState, EnvCarry, State, StepType, TimeStep

from hindsight_rl.agent.envs.environment import Environment, Step
from hindsight_rl.agent.envs.minigrid.families import COLOUR, NO_RULES, TILE, family, layouts
from hindsight_rl.agent.envs.minigrid.vocabulary import vocabulary
from hindsight_rl.agent.envs.symmetries import Symmetries

VIEW = 7
FORWARD, TURN_RIGHT, TURN_LEFT, PICK_UP, PUT_DOWN, TOGGLE = range(NUM_ACTIONS)
_SEEN = (
    Tiles.WALL, Tiles.BALL, Tiles.SQUARE, Tiles.PYRAMID, Tiles.HEX, Tiles.STAR, Tiles.KEY, Tiles.GOAL,
    Tiles.DOOR_LOCKED, Tiles.DOOR_CLOSED, Tiles.DOOR_OPEN,
)  # fmt: skip
_DOORS = (Tiles.DOOR_LOCKED, Tiles.DOOR_CLOSED, Tiles.DOOR_OPEN)


@struct.dataclass
class GridState:
    """The state of a grid.

    Attributes:
        grid: uint8 [H, W, 2], tile and colour of each cell.
        position: int32 [2]. direction: int32. pocket: uint8 [2].
        goal: uint8 [5], the encoding of the game's own goal.
        time: int32, steps so far.
        entry: int32 [2], the cell from which the agent stepped onto the door on which it stands.
        possible: bool [n_events], events that can happen in this world.
    """

    grid: jax.Array
    position: jax.Array
    direction: jax.Array
    pocket: jax.Array
    goal: jax.Array
    time: jax.Array
    entry: jax.Array
    possible: jax.Array


class MiniGrid(Environment):
    """One of the package's environments.

    Args:
        name: its id, e.g. `MiniGrid-DoorKey-8x8` or `XLand-MiniGrid-R2-9x9`; see `families.family`.
    """

    n_actions = NUM_ACTIONS
    horizon = 100
    # Without waypoints: objects are picked up and put down all the time, so that these events would be taken for
    # prerequisites of the rest.
    settings = (("acting.patience", 64), ("acting.mean_life", 400), ("acting.waypoints", False))
    scene = "You watch an agent in a grid of rooms, with doors, keys and objects of many colours and shapes."

    def __init__(self, name: str = "MiniGrid-DoorKey-8x8"):
        self.name = name
        self.family = family(name)
        self._game, self._params, self._first = layouts(name, self.family, VIEW)
        self.about = f"{name} of XLand-MiniGrid: rooms with doors, keys and objects; the agent sees 7 x 7 cells"
        words = vocabulary(self.family)
        self.events, self.instructions, self.language = words.events, words.instructions, words.language
        self.compositions = words.compositions
        self.cache_key = f"{name}/view-{VIEW}/{self.family}/{version('xminigrid')}"
        self._height, self._width = self._params.height, self._params.width
        self._tiles = np.array([t for t in _SEEN if t in self._present()])
        named = {colour for colour, _ in self.family.pairs} | set(self.family.doors)
        self._colours = np.array(sorted(COLOUR[colour] for colour in named))
        self._layers = len(self._tiles) + len(self._colours)
        self.observation_size = (VIEW * VIEW + 1) * self._layers + 4 + self._height + self._width
        self.symmetries = self._mirror()
        self._lookups = self._event_tables()

    def _present(self) -> set[int]:
        things = {TILE[thing] for _, thing in self.family.pairs} | {Tiles.WALL}
        doors = set(_DOORS) if self.family.doors else set()
        return things | doors | ({Tiles.GOAL} if self.family.has_goal else set())

    def _event_tables(self) -> dict[str, np.ndarray]:
        """The index of each event by what is in front of the agent, or in its hand; -1 where there is none."""
        index = {event.name: i for i, event in enumerate(self.events)}
        tables = {name: np.full((NUM_TILES, NUM_COLORS), -1) for name in ("pick", "pick_any", "put", "face", "open")}
        for colour, thing in self.family.pairs:
            at = TILE[thing], COLOUR[colour]
            tables["pick"][at] = index[f"pick_up_{colour}_{thing}"]
            tables["pick_any"][at] = index.get(f"pick_up_{thing}", -1)
            tables["put"][at] = index[f"put_down_{thing}"]
            tables["face"][at] = index[f"go_to_{thing}"]
        for colour in self.family.doors:
            tables["open"][Tiles.DOOR_OPEN, COLOUR[colour]] = index[f"open_{colour}_door"]
            for door in _DOORS:
                tables["face"][door, COLOUR[colour]] = index["go_to_door"]
        tables["next"] = np.full((NUM_TILES, NUM_TILES), -1)
        for name, event in index.items():
            if name.startswith("put_") and "_next_to_" in name:
                a, b = name.removeprefix("put_").split("_next_to_")
                tables["next"][TILE[a], TILE[b]] = tables["next"][TILE[b], TILE[a]] = event
        for name in ("close_door", "enter_room", "reach_goal"):
            tables[name] = np.array(index.get(name, -1))
        return tables

    def _mirror(self) -> Symmetries:
        """The grid and its image in a mirror: left and right are exchanged."""
        place = np.arange(self.observation_size)
        sizes = [VIEW * VIEW * self._layers, self._layers, 4, self._height]
        view, carried, way, row, column = np.split(place, np.cumsum(sizes))
        view = view.reshape(VIEW, VIEW, -1)[:, ::-1].ravel()
        image = np.concatenate([view, carried, way[[0, 3, 2, 1]], row, column[::-1]])
        actions = np.array([range(NUM_ACTIONS), [FORWARD, TURN_LEFT, TURN_RIGHT, PICK_UP, PUT_DOWN, TOGGLE]])
        return Symmetries(np.stack([place, image]).astype(np.int32), actions.astype(np.int32))

    def generate(self, key: jax.Array) -> GridState:
        """A layout of the package's own generator."""
        state = self._first(key).state
        agent = state.agent
        made = GridState(
            grid=state.grid,
            position=agent.position.astype(jnp.int32),
            direction=agent.direction.astype(jnp.int32),
            pocket=agent.pocket,
            goal=jnp.asarray(state.goal_encoding, jnp.uint8),
            time=jnp.int32(0),
            entry=agent.position.astype(jnp.int32),
            possible=jnp.zeros(len(self.events), bool),
        )
        return dataclasses.replace(made, possible=self._possible(made.grid))

    def _possible(self, grid: jax.Array) -> jax.Array:
        """bool [n_events], the events for which the grid holds what they need."""
        there = jnp.zeros((NUM_TILES, NUM_COLORS), bool).at[grid[..., 0], grid[..., 1]].set(True)
        doors = there[jnp.array(_DOORS)].any(0)
        there = there.at[Tiles.DOOR_OPEN].set(doors)
        tables, n = self._lookups, len(self.events)
        possible = jnp.zeros(n + 1, bool)
        for name in ("pick", "pick_any", "put", "face", "open"):
            possible = possible.at[jnp.asarray(tables[name])].max(there)
        things = there.any(1)
        possible = possible.at[jnp.asarray(tables["next"])].max(things[:, None] & things[None])
        for name, needs in (
            ("close_door", doors.any()),
            ("enter_room", doors.any()),
            ("reach_goal", things[Tiles.GOAL]),
        ):
            possible = possible.at[int(tables[name])].max(needs)
        return possible[:n]

    def possible(self, state: GridState) -> jax.Array:
        """bool [n_events]: the world holds the things and doors of these events."""
        return state.possible

    def observe(self, state: GridState) -> jax.Array:
        """float32 [observation_size]: the view, what is carried, direction and position."""
        return self._observe(state, self._timestep(state).observation)

    def _observe(self, state: GridState, view: jax.Array) -> jax.Array:
        return self.features(view, state.pocket, state.direction, state.position)

    def features(self, view: jax.Array, pocket: jax.Array, direction: jax.Array, position: jax.Array) -> jax.Array:
        """The observation, float32 [observation_size].

        Args:
            view: uint8 [VIEW, VIEW, 2], tile and colour of the cells in front of the agent, which looks up.
            pocket: uint8 [2], what it carries.
            direction: int32, 0 to 3: up, right, down, left.
            position: int32 [2], row and column.
        """
        return jnp.concatenate(
            [
                self._encode(view.reshape(-1, 2)).reshape(-1),
                self._encode(pocket[None])[0],
                jax.nn.one_hot(direction, 4),
                jax.nn.one_hot(position[0], self._height),
                jax.nn.one_hot(position[1], self._width),
            ]
        ).astype(jnp.float32)

    def _encode(self, tiles: jax.Array) -> jax.Array:
        """Tile and colour of N cells, [N, 2] -> [N, layers]."""
        kind = tiles[:, :1] == self._tiles
        return jnp.concatenate([kind, tiles[:, 1:] == self._colours], axis=1)

    def _timestep(self, state: GridState) -> Any:
        """The package's own record of a state."""
        inner = State(
            key=jax.random.key(0),
            step_num=state.time,
            grid=state.grid,
            agent=AgentState(position=state.position, direction=state.direction, pocket=state.pocket),
            goal_encoding=state.goal if self.family.goal is None else self.family.goal,  # a constant compiles to less
            rule_encoding=NO_RULES,
            carry=EnvCarry(),
        )
        view = transparent_field_of_view(inner.grid, inner.agent, VIEW, VIEW)
        return TimeStep(inner, jnp.uint8(1), jnp.float32(0), jnp.float32(1), view)

    def step(self, key: jax.Array, state: GridState, action: jax.Array) -> Step:
        """One transition of the package's environment; it uses no randomness."""
        seen = self._game.step(self._params, self._timestep(state), action)
        agent = seen.state.agent
        on_door = self._tile(state.grid, state.position) == Tiles.DOOR_OPEN
        steps_on = (self._tile(seen.state.grid, agent.position) == Tiles.DOOR_OPEN) & ~on_door
        after = dataclasses.replace(
            state,
            grid=seen.state.grid,
            position=agent.position.astype(jnp.int32),
            direction=agent.direction.astype(jnp.int32),
            pocket=agent.pocket,
            time=seen.state.step_num,
            entry=jnp.where(steps_on, state.position, state.entry),
        )
        return Step(
            state=after,
            observation=self._observe(after, seen.observation),
            events=self._events(state, after, on_door),
            reward=seen.reward.astype(jnp.float32),
            done=seen.step_type == StepType.LAST,
        )

    @staticmethod
    def _tile(grid: jax.Array, position: jax.Array) -> jax.Array:
        return grid[position[0], position[1], 0]

    def _events(self, before: GridState, after: GridState, on_door: jax.Array) -> jax.Array:
        """bool [n_events]. Each rule gives the index of its event, -1 where nothing of its kind happened."""

        def front(state: GridState) -> jax.Array:
            y, x = state.position + DIRECTIONS[state.direction]
            return state.grid[y, x].astype(jnp.int32)

        def of(table: str, what: jax.Array) -> jax.Array:
            return jnp.asarray(self._lookups[table])[what[0], what[1]]

        def when(condition: jax.Array, event: jax.Array | np.ndarray) -> jax.Array:
            return jnp.where(condition, event, -1)

        saw, sees = front(before), front(after)
        held, holds = before.pocket[0] != Tiles.EMPTY, after.pocket[0] != Tiles.EMPTY
        takes, puts = ~held & holds, held & ~holds
        carried = jnp.where(takes, after.pocket, before.pocket).astype(jnp.int32)
        moved = (before.position != after.position).any()
        opens = (sees[0] == Tiles.DOOR_OPEN) & ((saw[0] == Tiles.DOOR_LOCKED) | (saw[0] == Tiles.DOOR_CLOSED)) & ~moved
        opens &= before.direction == after.direction
        closes = (saw[0] == Tiles.DOOR_OPEN) & (sees[0] == Tiles.DOOR_CLOSED) & ~moved
        closes &= before.direction == after.direction
        enters = on_door & moved & (after.position != before.entry).any()
        faced, faces = of("face", saw), of("face", sees)
        found = [
            when(takes, of("pick", carried)),
            when(takes, of("pick_any", carried)),
            when(puts, of("put", carried)),
            when(opens, of("open", sees)),
            when(closes, self._lookups["close_door"]),
            when(enters, self._lookups["enter_room"]),
            when((faces != faced) & ~puts, faces),
            when(moved & (self._tile(after.grid, after.position) == Tiles.GOAL), self._lookups["reach_goal"]),
        ]
        if self.family.put_next:
            y, x = after.position + DIRECTIONS[after.direction]
            around = after.grid[y + DIRECTIONS[:, 0], x + DIRECTIONS[:, 1], 0].astype(jnp.int32)
            found += list(when(puts, jnp.asarray(self._lookups["next"])[carried[0], around]))
        return (jnp.arange(len(self.events))[:, None] == jnp.stack(found)).any(1)

    def render(self, state: GridState) -> np.ndarray:
        """The package's own picture, uint8 [32 H, 32 W, 3]; of a state of NumPy arrays."""
        agent = AgentState(position=state.position, direction=state.direction, pocket=state.pocket)
        return np.asarray(rgb_render(np.asarray(state.grid), agent, VIEW))
