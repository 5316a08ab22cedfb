"""Faster spawning of mobs: it only considers cells near the player.

Craftax-Classic draws the cell of each new mob among the cells of the whole map, although mobs
can only appear near the player. On a large map this is most of the work of a step. Here the game's own function is
called with a window of the map around the player, and the result is copied back. The distribution is the same.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

import jax
import jax.numpy as jnp

MOBS = ("cows", "zombies", "skeletons")


def near_player(spawn: Callable[..., Any]) -> Callable[..., Any]:
    """The game's `spawn_mobs(state, rng, params, static_params)`, on a window if the map is much larger than the
    window."""

    @wraps(spawn)
    def spawn_near(state: Any, rng: jax.Array, params: Any, static_params: Any) -> Any:
        # Mobs farther away are removed before they move, by one cell.
        size = 2 * params.mob_despawn_distance + 1
        rows, columns = static_params.map_size
        if 2 * size > min(rows, columns):
            return spawn(state, rng, params, static_params)
        corner = (state.player_position - size // 2).clip(0, jnp.array([rows - size, columns - size]))

        def moved(by: jax.Array, of: Any) -> dict[str, Any]:
            mobs = {kind: getattr(of, kind) for kind in MOBS}
            return {kind: mob.replace(position=mob.position + by) for kind, mob in mobs.items()}

        def window(cells: jax.Array) -> jax.Array:
            return jax.lax.dynamic_slice(cells, corner, (size, size))

        after = spawn(
            state.replace(
                map=window(state.map),
                mob_map=window(state.mob_map),
                player_position=state.player_position - corner,
                **moved(-corner, state),
            ),
            rng,
            params,
            static_params.replace(map_size=(size, size)),
        )
        mob_map = jax.lax.dynamic_update_slice(state.mob_map, after.mob_map, corner)
        return state.replace(mob_map=mob_map, **moved(corner, after))

    return spawn_near
