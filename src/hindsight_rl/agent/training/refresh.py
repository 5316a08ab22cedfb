"""Computation for those environments that need it, a few at a time.

In a step, few of many parallel environments are reset or given a new instruction. On one CPU it is faster to compute
for these alone. Elsewhere all environments are computed at once: a GPU does that in the same time, and rows that are
divided among devices should stay where they are.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp

T = TypeVar("T")

FEWEST = 8
"""The least number of rows that are computed together."""


def together(n: int) -> int:
    """How many of n environments are computed together on one CPU."""
    return min(n, max(FEWEST, n // 8))


def refreshed(old: T, needed: jax.Array, make: Callable[[Any], T], at_once: int | None) -> T:
    """Arrays with the rows that are needed made anew, and the others as they were.

    Args:
        old: arrays with leading axis [E].
        needed: bool [E].
        make: from the indices of rows, int32 [K] or the slice of all, to their new values, with leading axis [K].
        at_once: K; None: all E rows are made, whatever is needed.
    """
    n = len(needed)
    if at_once is None:

        def pick(new: jax.Array, before: jax.Array) -> jax.Array:
            return jnp.where(needed.reshape(-1, *(1,) * (before.ndim - 1)), new, before)

        return jax.tree.map(pick, make(slice(None)), old)

    def some(carry: tuple[T, jax.Array]) -> tuple[T, jax.Array]:
        found, left = carry
        rows = jnp.nonzero(left, size=at_once, fill_value=n)[0]  # n: beyond the end, so nothing is written
        new = make(jnp.minimum(rows, n - 1))
        found = jax.tree.map(lambda before, x: before.at[rows].set(x, mode="drop"), found, new)
        return found, left.at[rows].set(False, mode="drop")

    return jax.lax.while_loop(lambda carry: carry[1].any(), some, (old, needed))[0]
