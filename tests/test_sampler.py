"""The substituted spawn sampler: the same distribution as `jax.random.choice(p=...)`."""

import craftax.craftax_classic.game_logic as installed
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hindsight_rl.agent.envs.craftax.sampler import two_level_choice, with_two_level_choice

DRAWS = 40_000


def mask(seed: int, size: int = 32) -> np.ndarray:
    return np.random.default_rng(seed).random((size, size)) < 0.1


@pytest.mark.parametrize("weights", ["uniform over a mask", "unequal", "one row", "one cell"])
def test_draws_follow_the_weights(weights: str) -> None:
    p = mask(0).astype(np.float32)
    if weights == "unequal":
        p *= np.random.default_rng(1).random(p.shape).astype(np.float32)
    elif weights == "one row":
        p = np.zeros_like(p)
        p[5, 3:20] = 1.0
    elif weights == "one cell":
        p = np.zeros_like(p)
        p[31, 31] = 1.0
    p = p.reshape(-1)
    keys = jax.random.split(jax.random.key(3), DRAWS)
    drawn = np.asarray(jax.vmap(lambda k: two_level_choice(k, jnp.asarray(p / p.sum()), 32))(keys))
    counts = np.bincount(drawn, minlength=p.size)
    assert counts[p == 0].sum() == 0
    expected = DRAWS * p[p > 0] / p.sum()
    statistic = ((counts[p > 0] - expected) ** 2 / expected).sum() / max((p > 0).sum() - 1, 1)
    # chi squared per degree of freedom: mean 1, standard deviation sqrt(2 / dof) <= .35 here
    assert statistic < 1 + 5 * np.sqrt(2 / max((p > 0).sum() - 1, 1))


def test_agrees_with_the_stock_sampler_cell_by_cell() -> None:
    p = mask(4).astype(np.float32).reshape(-1)
    p /= p.sum()
    keys = jax.random.split(jax.random.key(5), DRAWS)
    ours = np.bincount(np.asarray(jax.vmap(lambda k: two_level_choice(k, jnp.asarray(p), 32))(keys)), minlength=p.size)
    stock = jax.vmap(lambda k: jax.random.choice(k, jnp.arange(p.size), shape=(1,), p=jnp.asarray(p))[0])(keys)
    theirs = np.bincount(np.asarray(stock), minlength=p.size)
    assert np.corrcoef(ours, theirs)[0, 1] > 0.9  # both nearly p; p itself is not constant
    cells = p > 0
    difference = (ours - theirs)[cells] / np.sqrt((ours + theirs)[cells])
    assert abs(difference.mean()) < 5 / np.sqrt(cells.sum())
    assert 0.7 < difference.std() < 1.3


def test_an_empty_mask_gives_a_valid_index() -> None:
    index = two_level_choice(jax.random.key(0), jnp.full(1024, jnp.nan), 32)
    assert 0 <= int(index) < 1024


def test_the_installed_package_is_left_alone() -> None:
    private = with_two_level_choice("craftax.craftax_classic.game_logic")
    assert private is not installed
    assert private.jax is not jax and installed.jax is jax
    assert private is with_two_level_choice("craftax.craftax_classic.game_logic")
    # Everything but the one case is the stock function.
    key = jax.random.key(0)
    assert private.jax.random.uniform is jax.random.uniform
    few = jnp.arange(4)
    assert int(private.jax.random.choice(key, few)) == int(jax.random.choice(key, few))


def test_unknown_package_is_named() -> None:
    with pytest.raises(ModuleNotFoundError, match="nothere"):
        with_two_level_choice("nothere.game_logic")
