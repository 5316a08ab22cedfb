"""Rows that are made anew a few at a time are those that would be made all at once."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hindsight_rl.agent.training.refresh import refreshed, together

N = 20
OLD = {"sum": jnp.arange(N), "grid": jnp.zeros((N, 3, 2), bool)}
SOURCE = jax.random.normal(jax.random.key(0), (N, 6))


def make(rows: Any) -> dict[str, jax.Array]:
    given = SOURCE[rows]
    return {"sum": (100 * given.sum(1)).astype(jnp.int32), "grid": (given > 0).reshape(-1, 3, 2)}


@pytest.mark.parametrize("at_once", [None, 1, 3, 8, N])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.6, 1.0])
def test_needed_rows_are_new_and_the_others_old(at_once: int | None, share: float) -> None:
    needed = np.random.default_rng(1).random(N) < share
    found = jax.jit(lambda n: refreshed(OLD, n, make, at_once))(jnp.asarray(needed))
    new = make(slice(None))
    for name, values in found.items():
        np.testing.assert_array_equal(values[needed], new[name][needed])
        np.testing.assert_array_equal(values[~needed], OLD[name][~needed])


def test_several_seeds_at_once() -> None:
    needed = jnp.asarray(np.random.default_rng(2).random((4, N)) < 0.4)
    few, all_ = (jax.vmap(lambda n, k=k: refreshed(OLD, n, make, k))(needed) for k in (3, None))
    jax.tree.map(np.testing.assert_array_equal, few, all_)


def test_only_as_many_rows_as_said_are_made_together() -> None:
    sizes = []

    def noted(rows: Any) -> dict[str, jax.Array]:
        sizes.append(len(rows))
        return make(rows)

    refreshed(OLD, jnp.ones(N, bool), noted, 3)
    assert set(sizes) == {3}


def test_how_many_rows_go_together() -> None:
    assert [together(n) for n in (1, 4, 64, 128, 1024)] == [1, 4, 8, 16, 128]
