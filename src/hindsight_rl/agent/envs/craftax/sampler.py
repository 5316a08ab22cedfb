"""An exact categorical draw over map cells, several times cheaper than `jax.random.choice(p=...)`.

Craftax draws the cell of each new mob with `choice(key, cells, shape=(1,), p=mask / mask.sum())`, three times a
step. `choice` takes a running sum over all cells, which is the larger part of a step on a CPU. Here the row is
drawn first, from the row sums, then the column within that row: the same distribution from two short sums.

The installed package is not changed: one of its modules is executed again under a private name, and only this copy
uses our `choice`.
"""

import importlib.util
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp


def two_level_choice(key: jax.Array, weights: jax.Array, rows: int) -> jax.Array:
    """One index drawn with probability proportional to ``weights``.

    Args:
        key: a PRNG key.
        weights: float [n], not negative; n must be a multiple of ``rows``. They need not sum to one.
        rows: number of rows of the grid in which the n cells are laid out.

    Returns:
        int32 scalar in [0, n). If all weights are zero or NaN, the result is a valid but meaningless index, as
        with `jax.random.choice`.
    """
    grid = weights.reshape(rows, -1)
    u_row, u_col = jax.random.uniform(key, (2,))
    row_sums = jnp.cumsum(grid.sum(axis=1))
    # u in [0, 1): strictly-less comparison never selects a row or column of weight zero.
    row = jnp.sum(row_sums <= u_row * row_sums[-1])
    row = jnp.minimum(row, rows - 1)
    col_sums = jnp.cumsum(grid[row])
    col = jnp.minimum(jnp.sum(col_sums <= u_col * col_sums[-1]), grid.shape[1] - 1)
    return (row * grid.shape[1] + col).astype(jnp.int32)


def _choice(key: jax.Array, a: Any, shape: tuple[int, ...] = (), replace: bool = True, p: Any = None) -> Any:
    """`jax.random.choice`, where the one case that Craftax's spawning uses is done in two steps."""
    cells = jnp.shape(a)[0] if jnp.ndim(a) else int(a)
    rows = round(cells**0.5)
    if p is None or tuple(shape) != (1,) or rows < 8 or rows * rows != cells:
        return jax.random.choice(key, a, shape, replace, p)
    return jnp.asarray(a)[two_level_choice(key, p, rows)][None]


class _Jax(SimpleNamespace):
    """The `jax` module for a private copy: unchanged except for `random.choice`."""

    def __getattr__(self, name: str) -> Any:
        return getattr(jax, name)


class _Random(SimpleNamespace):
    def __getattr__(self, name: str) -> Any:
        return getattr(jax.random, name)


def with_two_level_choice(module_name: str) -> ModuleType:
    """A private instance of an installed module whose `jax.random.choice` is :func:`two_level_choice`.

    Raises:
        ModuleNotFoundError: the package is not installed.
    """
    private = f"_hindsight_{module_name.replace('.', '_')}"
    if private in sys.modules:
        return sys.modules[private]
    spec = importlib.util.find_spec(module_name)
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError(f"No module named '{module_name}'", name=module_name.split(".")[0])
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.jax = _Jax(random=_Random(choice=_choice))  # type: ignore[attr-defined]
    sys.modules[private] = module
    return module
