"""Mirror images: what the game would have shown in a mirror is what the image shows."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hindsight_rl.agent.envs import make_env
from hindsight_rl.agent.envs.craftax import compact as view
from hindsight_rl.agent.envs.craftax.mirror import SWAPS
from hindsight_rl.agent.envs.symmetries import reflect

pytestmark = pytest.mark.agent

SIDES = ("left", "right", "up", "down")


@pytest.fixture(scope="module")
def played() -> dict[str, np.ndarray]:
    """Raw observations of random play, and the same states as the compact env sees them."""
    env = make_env("classic-32", "raw")
    states = jax.jit(jax.vmap(env.generate))(jax.random.split(jax.random.key(0), 8))
    step, rng, seen = jax.jit(jax.vmap(env.step)), np.random.default_rng(0), []
    for t in range(40):
        result = step(jax.random.split(jax.random.key(t), 8), states, jnp.asarray(rng.integers(0, env.n_actions, 8)))
        states = result.state
        seen.append(np.asarray(result.observation))
    raw = np.concatenate(seen)
    return {"raw": raw, "compact": np.asarray(jax.vmap(view.compact)(jnp.asarray(raw)))}


def in_a_mirror(raw: np.ndarray, swap: dict) -> np.ndarray:
    """The raw observation as the game draws it, turned over."""
    cells = raw[:, : view.MAP_SIZE].reshape(-1, view.ROWS, view.COLUMNS, view.CHANNELS)
    if "up" in swap:
        cells = cells[:, ::-1]
    if "left" in swap:
        cells = cells[:, :, ::-1]
    numbers = raw[:, view.MAP_SIZE :].copy()
    facing = numbers[:, 16:20]
    numbers[:, 16:20] = facing[:, [SIDES.index(swap.get(side, side)) for side in SIDES]]
    return np.concatenate([cells.reshape(len(raw), -1), numbers], axis=1)


@pytest.mark.parametrize("image", range(4))
def test_images_of_raw_observations_are_exact(played: dict[str, np.ndarray], image: int) -> None:
    found = played["raw"][:, make_env("classic-32", "raw").symmetries.features[image]]
    np.testing.assert_array_equal(found, in_a_mirror(played["raw"], SWAPS[image]))
    assert (found != played["raw"]).any() == (image > 0)


@pytest.mark.parametrize("image", range(4))
def test_images_of_compact_observations_are_exact_but_for_ties(played: dict[str, np.ndarray], image: int) -> None:
    features = make_env("classic-32").symmetries.features[image]
    expected = np.asarray(jax.vmap(view.compact)(jnp.asarray(in_a_mirror(played["raw"], SWAPS[image]))))
    wrong = np.abs(expected - played["compact"][:, features]) > 1e-6
    # Of two nearest cells as far away the encoder takes the upper or left one, in a mirror too: it is only where, not
    # whether or how far.
    wrong_names = [name for f, name in enumerate(view.COMPACT) if wrong[:, f].any()]
    assert all(name[-1] in (*SIDES, "vertical") and isinstance(name[0], int) for name in wrong_names)
    assert wrong.mean() < 0.02


def test_actions_turn_with_what_is_seen() -> None:
    actions = make_env("classic-32").symmetries.actions
    assert actions[0].tolist() == list(range(17))
    assert actions[1, :5].tolist() == [0, 2, 1, 3, 4] and actions[2, :5].tolist() == [0, 1, 2, 4, 3]
    assert actions[3, :5].tolist() == [0, 2, 1, 4, 3] and (actions[:, 5:] == np.arange(5, 17)).all()


def test_a_step_in_the_mirror_is_the_step_mirrored() -> None:
    """Where nothing moves but the player: the image of the next observation is what follows from the image."""
    env = make_env("classic-32", "raw")
    state = jax.jit(env.generate)(jax.random.key(3))
    game = state.game.replace(
        zombies=state.game.zombies.replace(mask=jnp.zeros_like(state.game.zombies.mask)),
        cows=state.game.cows.replace(mask=jnp.zeros_like(state.game.cows.mask)),
    )
    images, turned = env.symmetries, game.replace(
        map=game.map[:, ::-1], mob_map=game.mob_map[:, ::-1],
        player_position=jnp.asarray([game.player_position[0], game.map.shape[1] - 1 - game.player_position[1]]),
        player_direction=jnp.asarray([0, 2, 1, 3, 4])[game.player_direction],
    )  # fmt: skip
    start = env.observe(state.replace(game=game))
    np.testing.assert_array_equal(env.observe(state.replace(game=turned)), start[images.features[1]])
    for action in (1, 2, 3, 4):
        there = env.step(jax.random.key(1), state.replace(game=game), jnp.int32(action)).state.game
        here = env.step(jax.random.key(1), state.replace(game=turned), images.actions[1, action]).state.game
        size = game.map.shape[1]
        assert int(there.player_position[0]) == int(here.player_position[0])
        assert int(there.player_position[1]) == size - 1 - int(here.player_position[1])


def test_every_image_is_drawn() -> None:
    env = make_env("classic-32")
    observation = jnp.arange(env.observation_size, dtype=jnp.float32)[None].repeat(200, 0)
    action = jnp.full(200, 1)
    seen, acted = reflect(env.symmetries, observation, action, jax.random.key(0))
    which = [int(np.flatnonzero((env.symmetries.features == row).all(1))[0]) for row in np.asarray(seen)]
    assert set(which) == {0, 1, 2, 3} and min(map(which.count, range(4))) > 25
    assert np.asarray(acted).tolist() == [int(env.symmetries.actions[w, 1]) for w in which]
