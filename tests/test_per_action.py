"""Vectors of the actions that were taken: as computed for all actions and picked."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hindsight_rl.agent.policy.per_action import BLOCK, layout, taken_linear

WIDTH, RANK = 12, 5


def picked(x: jax.Array, kernel: jax.Array, bias: jax.Array, action: jax.Array) -> jax.Array:
    vectors = jnp.einsum("nw,awr->nar", x, kernel) + bias
    return jnp.take_along_axis(vectors, action[:, None, None], axis=1)[:, 0]


def example(n: int, n_actions: int, actions: str) -> tuple[jax.Array, ...]:
    keys = jax.random.split(jax.random.key(n), 4)
    action = {
        "any": jax.random.randint(keys[3], (n,), 0, n_actions),
        "one": jnp.full(n, n_actions - 1),
        "first and last": jnp.where(jnp.arange(n) % 2, 0, n_actions - 1),
    }[actions]
    x, kernel = jax.random.normal(keys[0], (n, WIDTH)), jax.random.normal(keys[1], (n_actions, WIDTH, RANK))
    return x, kernel, jax.random.normal(keys[2], (n_actions, RANK)), action


@pytest.mark.parametrize("actions", ["any", "one", "first and last"])
@pytest.mark.parametrize(("n", "n_actions"), [(1, 3), (7, 4), (BLOCK, 2), (256, 17), (700, 43)])
def test_values_and_gradients_are_those_of_picking(n: int, n_actions: int, actions: str) -> None:
    x, kernel, bias, action = example(n, n_actions, actions)
    aim = jnp.sin(jnp.arange(n * RANK).reshape(n, RANK))

    def error(f: Callable[..., jax.Array], x: jax.Array, kernel: jax.Array, bias: jax.Array) -> jax.Array:
        return jnp.square(f(x, kernel, bias, action) - aim).sum()

    ours = jax.jit(taken_linear)(x, kernel, bias, action)
    np.testing.assert_allclose(np.asarray(ours), np.asarray(picked(x, kernel, bias, action)), rtol=1e-5, atol=1e-5)
    for a, b in zip(
        jax.jit(jax.grad(lambda *p: error(taken_linear, *p), (0, 1, 2)))(x, kernel, bias),
        jax.grad(lambda *p: error(picked, *p), (0, 1, 2))(x, kernel, bias),
        strict=True,
    ):
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=1e-4, atol=1e-4)


def test_every_sample_has_a_row_in_a_block_of_its_action() -> None:
    action = jax.random.randint(jax.random.key(0), (300,), 0, 17)
    at = layout(action, 17)
    size = len(at.sample) // len(at.action)
    slots = np.asarray(at.slot)
    assert len(set(slots.tolist())) == 300
    np.testing.assert_array_equal(np.asarray(at.action)[slots // size], np.asarray(action))
    np.testing.assert_array_equal(np.asarray(at.sample)[slots], np.arange(300))
    assert (np.asarray(at.sample) == 300).sum() == len(at.sample) - 300


def test_several_seeds_in_one_program() -> None:
    x, kernel, bias, action = example(64, 5, "any")
    both = jax.vmap(taken_linear, in_axes=(0, None, None, 0))(
        jnp.stack([x, x[::-1]]), kernel, bias, jnp.stack([action, action[::-1]])
    )
    np.testing.assert_allclose(np.asarray(both[0]), np.asarray(both[1][::-1]), rtol=1e-5, atol=1e-5)
