"""Spawning in a window around the player: the same game as on the whole map."""

import inspect
from typing import Any

import craftax.craftax_classic.game_logic as installed
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from craftax.craftax_classic.envs.craftax_state import EnvParams, StaticEnvParams

from hindsight_rl.agent.envs.craftax.classic import CraftaxClassic
from hindsight_rl.agent.envs.craftax.nearby import MOBS, near_player
from hindsight_rl.agent.envs.craftax.sampler import with_two_level_choice

pytestmark = pytest.mark.agent

LOGIC = "craftax.craftax_classic.game_logic"


def mobs_of(game: Any) -> list[jax.Array]:
    return [game.mob_map, *(x for kind in MOBS for x in jax.tree.leaves(getattr(game, kind)))]


@pytest.mark.parametrize("sampler", ["two-level", "installed"])
def test_a_game_goes_on_as_on_the_whole_map(sampler: str) -> None:
    # Hundreds of steps at a high rate of spawning, walking into the corners of the map: every mob is where it was.
    module = with_two_level_choice(LOGIC) if sampler == "two-level" else installed
    whole = inspect.unwrap(module.spawn_mobs)
    near = near_player(whole)
    static = StaticEnvParams(map_size=(64, 64))
    params = EnvParams(spawn_cow_chance=0.5, spawn_zombie_base_chance=0.5, spawn_skeleton_chance=0.5)
    world = CraftaxClassic(64)
    games = jax.jit(jax.vmap(world.generate))(jax.random.split(jax.random.key(0), 16)).game
    corners = jnp.array([[0, 0], [0, 63], [63, 0], [63, 63], [1, 40], [30, 62], [14, 14], [49, 50]] * 2)
    games = games.replace(player_position=jnp.concatenate([games.player_position[:4], corners[:12]]))

    @jax.jit
    def play(games: Any, key: jax.Array) -> Any:
        def one(games: Any, key: jax.Array) -> Any:
            k_move, k_mobs, k_spawn = jax.random.split(key, 3)
            step = jax.random.randint(k_move, (16, 2), -1, 2)
            games = games.replace(player_position=(games.player_position + step).clip(0, 63))
            mobs, spawn = jax.random.split(k_mobs, 16), jax.random.split(k_spawn, 16)
            games = jax.vmap(lambda k, g: module.update_mobs(k, g, params, static))(mobs, games)
            a = jax.vmap(lambda k, g: whole(g, k, params, static))(spawn, games)
            b = jax.vmap(lambda k, g: near(g, k, params, static))(spawn, games)
            return a, (mobs_of(a), mobs_of(b))

        return jax.lax.scan(one, games, jax.random.split(key, 300))

    _, (a, b) = play(games, jax.random.key(1))
    for left, right in zip(a, b, strict=True):
        np.testing.assert_array_equal(np.asarray(left), np.asarray(right))
    assert all(np.asarray(a[0])[:, i].any() for i in range(16))


def test_small_maps_are_left_to_the_game() -> None:
    seen = []

    def spawn(state: Any, rng: Any, params: Any, static: Any) -> Any:
        seen.append(static.map_size)
        return state

    near_player(spawn)("state", None, EnvParams(), StaticEnvParams(map_size=(32, 32)))
    assert seen == [(32, 32)]
