"""Craftax-Classic-Symbolic as an environment that reports its events.

The game is the installed `craftax` package; only the cells of new mobs are drawn in another way, from the same
distribution (see `sampler.py`, `nearby.py`). Events are computed from the states before and after a step. For the 22
achievements the game's own flags are used: they are cleared before each step, so that a flag that is set afterwards
happened in this step. So a second "collect wood" fires again. The achievements of the life are kept next to the game's
state.
"""

from functools import cache, partial
from importlib import import_module
from importlib.metadata import version
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from craftax.craftax_classic.constants import Action, BlockType
from craftax.craftax_classic.envs.craftax_state import EnvParams, StaticEnvParams
from craftax.craftax_classic.renderer import render_craftax_symbolic
from craftax.craftax_classic.world_gen import generate_world
from flax import struct

from hindsight_rl.agent.envs.craftax import compact as view
from hindsight_rl.agent.envs.craftax.captions import CANONICAL, CLASSIC_EVENTS
from hindsight_rl.agent.envs.craftax.compositions import COMPOSITIONS, SCENE, STRICT
from hindsight_rl.agent.envs.craftax.mirror import mirrors
from hindsight_rl.agent.envs.craftax.nearby import near_player
from hindsight_rl.agent.envs.craftax.phrases import LANGUAGE
from hindsight_rl.agent.envs.craftax.sampler import with_two_level_choice
from hindsight_rl.agent.envs.environment import Environment, Step

LOGIC = "craftax.craftax_classic.game_logic"
EVENT = {event.name: i for i, event in enumerate(CLASSIC_EVENTS)}
N_ACHIEVEMENTS = 22
LOW = 4  # a vital (food, drink) at or below this is "hungry" or "thirsty": half of its range
DUSK = 0.5

_DIRECTIONS = jnp.array([[0, 0], [0, -1], [0, 1], [-1, 0], [1, 0]])
_AROUND = jnp.array([(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if y or x])


@struct.dataclass
class ClassicState:
    """The game's state, the achievements of this life, and what was in view or in front of the player before."""

    game: Any
    achieved: jax.Array  # bool [22]
    glimpse: jax.Array  # bool [len(GLIMPSES)]


# Conditions: the event fires on the step in which the condition becomes true.
GLIMPSES = (
    "reach_tree",
    "reach_water",
    "reach_cow",
    "find_coal",
    "find_iron",
    "find_diamond",
    "find_lava",
    "see_night_fall",
    "return_to_table",
)


def _glimpse(raw: jax.Array, light: jax.Array) -> jax.Array:
    cells = raw[: view.MAP_SIZE].reshape(-1, view.CHANNELS)
    faced = view.faced_cell(raw)
    in_view = cells.max(axis=0)
    beside_table = cells[view.AROUND, view.TABLE].max()
    holds = [
        faced[view.TREE],
        faced[view.WATER],
        faced[view.COW],
        in_view[view.COAL],
        in_view[view.IRON],
        in_view[view.DIAMOND],
        in_view[view.LAVA],
        light < DUSK,
        beside_table,
    ]
    return jnp.stack([jnp.asarray(h) > 0 for h in holds])


@cache
def _logic() -> ModuleType:
    """The rules of the installed game; only the cells of new mobs are drawn in another way."""
    module = with_two_level_choice(LOGIC)
    module.spawn_mobs = near_player(module.spawn_mobs)  # type: ignore[attr-defined]
    return module


class CraftaxClassic(Environment):
    """Craftax-Classic, symbolic.

    Args:
        map_size: side of the square map; 64 is the game's own. 32 is faster, and another task.
        observation: `compact` (191 numbers, see `compact.py`) or `raw` (the game's 1,345).
        stock: use the game's own spawning code (for comparisons).
    """

    n_actions = len(Action)
    events = CLASSIC_EVENTS
    language = LANGUAGE
    compositions = COMPOSITIONS
    strict_compositions = STRICT
    scene = SCENE
    instructions = CANONICAL
    # Sleeping ignores the next dozens of actions and often leads to death.
    exploration = tuple(0.1 if action is Action.SLEEP else 1.0 for action in Action)
    moves = tuple(action.value for action in (Action.LEFT, Action.RIGHT, Action.UP, Action.DOWN))

    def __init__(self, map_size: int = 64, observation: str = "compact", stock: bool = False):
        self.name = f"classic-{map_size}"
        self.observation = observation
        smaller = "" if map_size == 64 else ", not the game's own 64 x 64: another task"
        self.about = f"Craftax-Classic on a {map_size} x {map_size} map{smaller}"
        names = {"compact": view.COMPACT, "raw": view.RAW}[observation]
        self.observation_size = len(names)
        self.symmetries = mirrors(names, [action.name.lower() for action in Action])
        self.cache_key = f"{self.name}/{observation}/{version('craftax')}"
        self.static = StaticEnvParams(map_size=(map_size, map_size))
        self.params = EnvParams()
        module = import_module(LOGIC) if stock else _logic()
        self._craftax_step = partial(module.craftax_step, params=self.params, static_params=self.static)

    def generate(self, key: jax.Array) -> ClassicState:
        """A fresh world: the game's own generator."""
        game = generate_world(key, self.params, self.static)
        glimpse = _glimpse(render_craftax_symbolic(game), game.light_level)
        return ClassicState(game=game, achieved=jnp.zeros(N_ACHIEVEMENTS, bool), glimpse=glimpse)

    def observe(self, state: ClassicState) -> jax.Array:
        """float32 [observation_size] of one state."""
        return self._encode(render_craftax_symbolic(state.game))

    def _encode(self, raw: jax.Array) -> jax.Array:
        return view.compact(raw) if self.observation == "compact" else raw.astype(jnp.float32)

    def step(self, key: jax.Array, state: ClassicState, action: jax.Array) -> Step:
        """One transition of one environment."""
        before = state.game
        after, _ = self._craftax_step(key, before.replace(achievements=jnp.zeros_like(before.achievements)), action)
        # The key in the game's state is never used, so it stays.
        after = after.replace(state_rng=before.state_rng)
        now = after.achievements
        achieved = state.achieved | now
        raw = render_craftax_symbolic(after)
        glimpse = _glimpse(raw, after.light_level)
        dead = after.player_health <= 0
        done = dead | (after.timestep >= self.params.max_timesteps)
        reward = (achieved & ~state.achieved).sum() + 0.1 * (after.player_health - before.player_health)
        return Step(
            state=ClassicState(game=after.replace(achievements=achieved), achieved=achieved, glimpse=glimpse),
            observation=self._encode(raw),
            events=self._events(before, after, now, glimpse & ~state.glimpse, dead),
            reward=reward.astype(jnp.float32),
            done=done,
        )

    def render(self, state: ClassicState) -> np.ndarray:
        """The 7 x 9 cells around the player, uint8 [112, 144, 3]; of a state of NumPy arrays."""
        from hindsight_rl.agent.envs.craftax.picture import view as picture

        return picture(state.game)

    def film_picture(self, state: ClassicState, tile: int) -> np.ndarray:
        """The view, enlarged, with vitals and inventory below it."""
        from hindsight_rl.agent.envs.craftax.picture import film_picture

        return film_picture(state.game, tile)

    def _events(self, before: Any, after: Any, now: jax.Array, begun: jax.Array, dead: jax.Array) -> jax.Array:
        target = before.player_position + _DIRECTIONS[before.player_direction]

        def block(state: Any, position: jax.Array) -> jax.Array:
            return state.map[position[..., 0], position[..., 1]]

        moved = (before.player_position != after.player_position).any()
        stood_on, stands_on = block(before, before.player_position), block(after, after.player_position)
        around = target + _AROUND
        inside = ((around >= 0) & (around < before.map.shape[0])).all(axis=-1)
        table_by_water = (inside & (block(before, around) == BlockType.WATER.value)).any()

        def wounded(old: Any, new: Any) -> jax.Array:
            return (old.mask & (new.health < old.health) & (new.health > 0)).any()

        found = {
            "drink_when_thirsty": now[EVENT["collect_drink"]] & (before.player_drink <= LOW),
            "eat_when_hungry": (now[EVENT["eat_cow"]] | now[EVENT["eat_plant"]]) & (before.player_food <= LOW),
            "fall_asleep": after.is_sleeping & ~before.is_sleeping,
            "take_damage": after.player_health < before.player_health,
            "recover_health": after.player_health > before.player_health,
            "hit_zombie": wounded(before.zombies, after.zombies),
            "hit_cow": wounded(before.cows, after.cows),
            "hit_skeleton": wounded(before.skeletons, after.skeletons),
            "enter_tunnel": moved & (stands_on == BlockType.PATH.value) & (stood_on != BlockType.PATH.value),
            "step_on_sand": moved & (stands_on == BlockType.SAND.value) & (stood_on != BlockType.SAND.value),
            "bridge_water": now[EVENT["place_stone"]] & (block(before, target) == BlockType.WATER.value),
            "place_table_by_water": now[EVENT["place_table"]] & table_by_water,
            "die": dead,
            **dict(zip(GLIMPSES, begun, strict=True)),
        }
        # After placing a table, the player is next to it without having returned to it.
        found["return_to_table"] &= ~now[EVENT["place_table"]]
        rest = [found[event.name] for event in CLASSIC_EVENTS[N_ACHIEVEMENTS:]]
        return jnp.concatenate([now, jnp.stack(rest)]).astype(bool)
