"""The network: a product of what is seen and what is asked for."""

import jax
import jax.numpy as jnp
import numpy as np

from hindsight_rl.agent.policy.network import QNetwork, omega, psi, trunk, values


def test_values_of_many_goals_are_one_product() -> None:
    network = QNetwork(n_actions=5, width=16, depth=2, rank=8)
    seen = jax.random.normal(jax.random.key(0), (7, 10))
    asked = jax.random.normal(jax.random.key(1), (3, 6))
    params = network.init(jax.random.key(2), seen[:1], asked[:1])
    hidden, goals = trunk(network, params, seen), omega(network, params, asked)
    many = jnp.einsum("nar,gr->nga", psi(network, params, hidden), goals)
    np.testing.assert_allclose(
        np.asarray(values(network, params, hidden, goals)), np.asarray(many), rtol=1e-4, atol=1e-5
    )
    for n in range(7):
        for g in range(3):
            one = network.apply(params, seen[n], asked[g])
            np.testing.assert_allclose(np.asarray(one), np.asarray(many[n, g]), rtol=1e-4, atol=1e-5)


def test_values_start_near_zero() -> None:
    network = QNetwork(n_actions=17)
    seen, asked = jax.random.normal(jax.random.key(0), (64, 191)), jax.random.normal(jax.random.key(1), (64, 428))
    asked /= jnp.linalg.norm(asked, axis=1, keepdims=True)
    params = network.init(jax.random.key(2), seen[:1], asked[:1])
    assert float(jnp.abs(network.apply(params, seen, asked)).mean()) < 0.1
