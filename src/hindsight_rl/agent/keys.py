"""Random keys that are faster on a CPU and give the same bits as JAX's own keys.

On CPUs, JAX compiles the rounds of its generator to a loop. For the few random numbers of an environment step this is
mostly overhead, and a step of Craftax draws dozens of times. Here the rounds are written out, so that they become one
fused operation.

    key = swift(jax.random.key(0))    # works with all functions of jax.random, which give the same numbers

The generator is Threefry-2x32 with 20 rounds (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011), with
the counter layout of JAX's `jax_threefry_partitionable`. Tests compare the results bit by bit.
"""

import math
from collections.abc import Sequence
from typing import TypeVar

import jax
import jax.numpy as jnp
from jax.extend.random import define_prng_impl

T = TypeVar("T")

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_PARITY = 0x1BD11BDA
_GROUPS = 5  # of four rounds


def threefry(key: jax.Array, high: jax.Array, low: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Two random uint32 words for each counter, which is given as the words ``high`` and ``low``.

    Args:
        key: uint32 [2].
    """
    words = (key[0], key[1], key[0] ^ key[1] ^ jnp.uint32(_PARITY))
    high, low = high + words[0], low + words[1]
    for group in range(_GROUPS):
        for by in _ROTATIONS[group % 2]:
            high = high + low
            low = ((low << by) | (low >> (32 - by))) ^ high
        high = high + words[(group + 1) % 3]
        low = low + words[(group + 2) % 3] + jnp.uint32(group + 1)
    return high, low


def _words(key: jax.Array, shape: Sequence[int]) -> tuple[jax.Array, jax.Array]:
    count = math.prod(shape)
    assert count < 2**32
    low = jnp.arange(count, dtype=jnp.uint32).reshape(shape)
    return threefry(key, jnp.zeros_like(low), low)


def _seed(seed: jax.Array) -> jax.Array:
    return jnp.asarray(jax.random.key_data(jax.random.key(seed)))


def _split(key: jax.Array, shape: Sequence[int]) -> jax.Array:
    return jnp.stack(_words(key, shape), axis=-1)


def _fold_in(key: jax.Array, data: int | jax.Array) -> jax.Array:
    return jnp.stack(threefry(key, jnp.uint32(0), jnp.asarray(data).astype(jnp.uint32)))


def _random_bits(key: jax.Array, bit_width: int, shape: Sequence[int]) -> jax.Array:
    high, low = _words(key, shape)
    assert bit_width <= 32, "JAX is used with 32 bits here"
    return (high ^ low).astype(f"uint{bit_width}")


SWIFT = define_prng_impl(
    key_shape=(2,),
    seed=_seed,
    split=_split,
    random_bits=_random_bits,
    fold_in=_fold_in,
    name="threefry2x32-swift",
    tag="swift",
)


def swift(key: jax.Array) -> jax.Array:
    """The same key, but faster; keys of any shape."""
    return jax.random.wrap_key_data(jax.random.key_data(key), impl=SWIFT)


def plain(key: jax.Array) -> jax.Array:
    """Convert back to JAX's own kind of key, for storing and comparing."""
    return jax.random.wrap_key_data(jax.random.key_data(key), impl="threefry2x32")


def same_kinds(tree: T, like: T) -> T:
    """``tree`` with each key converted to the kind of key at the same place of ``like``. The bits stay the same.

    This is needed if an environment stores a key in its state: it is derived from the key of the step, which may be of
    another kind than the first key.
    """

    def turned(leaf: jax.Array, model: jax.Array) -> jax.Array:
        if not jnp.issubdtype(jnp.asarray(model).dtype, jax.dtypes.prng_key):
            return leaf
        return jax.random.wrap_key_data(jax.random.key_data(leaf), impl=jax.random.key_impl(model))

    return jax.tree.map(turned, tree, like)
