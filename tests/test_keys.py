"""Keys without a loop: the same bits as JAX's own."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hindsight_rl.agent.keys import SWIFT, plain, swift

DRAWS: dict[str, Callable[[jax.Array], jax.Array]] = {
    "uniform": lambda k: jax.random.uniform(k, (3, 5)),
    "one number": jax.random.uniform,
    "bits of 8": lambda k: jax.random.bits(k, (7,), "uint8"),
    "bits of 16": lambda k: jax.random.bits(k, (7,), "uint16"),
    "integers": lambda k: jax.random.randint(k, (4, 2), -3, 1000),
    "gumbel": lambda k: jax.random.gumbel(k, (11,)),
    "normal": lambda k: jax.random.normal(k, (6,)),
    "bernoulli": lambda k: jax.random.bernoulli(k, 0.3, (50,)),
    "permutation": lambda k: jax.random.permutation(k, 100),
    "choice": lambda k: jax.random.choice(k, 30, (4,), p=jnp.arange(30) / 435),
    "categorical": lambda k: jax.random.categorical(k, jnp.log(jnp.arange(1.0, 9.0)), shape=(5,)),
    "after a split": lambda k: jax.random.uniform(jax.random.split(k, 5)[3]),
    "after a split in a grid": lambda k: jax.random.uniform(jax.random.split(k, (2, 3))[1, 2], (2,)),
    "after folding in": lambda k: jax.random.uniform(jax.random.fold_in(k, 7)),
    "of many keys": lambda k: jax.vmap(lambda k: jax.random.uniform(k, (2,)))(jax.random.split(k, 6)),
    "many folded in": lambda k: jax.random.uniform(jax.vmap(lambda i: jax.random.fold_in(k, i))(jnp.arange(9))[8]),
}


@pytest.mark.parametrize("draw", DRAWS)
@pytest.mark.parametrize("seed", [0, 1, 2**31 + 5])
def test_draws_are_those_of_jax(draw: str, seed: int) -> None:
    key = jax.random.key(np.uint32(seed))
    expected, got = DRAWS[draw](key), jax.jit(DRAWS[draw])(swift(key))
    np.testing.assert_array_equal(np.asarray(expected), np.asarray(got))


def test_keys_go_there_and_back() -> None:
    keys = jax.random.split(jax.random.key(3), 4)
    assert (jax.random.key_data(plain(swift(keys))) == jax.random.key_data(keys)).all()
    assert plain(swift(keys)).dtype == keys.dtype
    assert (jax.random.key_data(jax.random.key(12, impl=SWIFT)) == jax.random.key_data(jax.random.key(12))).all()
