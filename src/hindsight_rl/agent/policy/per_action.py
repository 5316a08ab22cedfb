"""One linear map per action, applied to samples of which each took one action.

Computing the vectors of all actions and then picking one wastes most of the work. Here samples are sorted into blocks
of one action each, and each block is multiplied by the map of its action only. Values and gradients are the same.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

BLOCK = 16
"""Minimum samples per block. Smaller blocks waste fewer rows; larger blocks are multiplied faster."""
BLOCKS = 32
"""Number of blocks of a large batch, in addition to partly filled ones."""


class Layout(NamedTuple):
    """The places of N samples in B blocks of K rows.

    Attributes:
        slot: int32 [N], the row of each sample among B x K.
        sample: int32 [B x K], the sample of each row; N where the row is empty.
        action: int32 [B], of each block.
    """

    slot: jax.Array
    sample: jax.Array
    action: jax.Array


def layout(action: jax.Array, n_actions: int) -> Layout:
    """Blocks of one action each.

    Args:
        action: int32 [N].
    """
    n = action.shape[0]
    size = max(BLOCK, -(-n // BLOCKS))
    blocks = n // size + n_actions  # every action may leave one block partly empty
    took = action[:, None] == jnp.arange(n_actions)
    place = jnp.cumsum(took, axis=0)  # among those of the same action, from 1
    ends = jnp.cumsum(-(-place[-1] // size))
    begins = jnp.concatenate([jnp.zeros(1, ends.dtype), ends[:-1]])
    slot = begins[action] * size + jnp.take_along_axis(place, action[:, None], axis=1)[:, 0] - 1
    sample = jnp.full(blocks * size, n).at[slot].set(jnp.arange(n))
    block_action = jnp.minimum((ends <= jnp.arange(blocks)[:, None]).sum(axis=1), n_actions - 1)
    return Layout(slot.astype(jnp.int32), sample.astype(jnp.int32), block_action.astype(jnp.int32))


def _pick(x: jax.Array, rows: jax.Array) -> jax.Array:
    """Rows of ``x``; zeros where the index is beyond its end."""
    return jnp.where((rows < x.shape[0])[:, None], x[jnp.minimum(rows, x.shape[0] - 1)], 0.0)


@jax.custom_vjp
def _blockwise(x: jax.Array, kernel: jax.Array, at: Layout) -> jax.Array:
    """``x[n] @ kernel[action[n]]``, block by block."""
    return _forward(x, kernel, at)[0]


def _forward(x: jax.Array, kernel: jax.Array, at: Layout) -> tuple[jax.Array, Any]:
    n_actions, width, rank = kernel.shape
    inside = _pick(x, at.sample).reshape(len(at.action), -1, width)
    kernels = kernel[at.action]
    outside = jnp.einsum("bkw,bwr->bkr", inside, kernels)
    # Residuals must be arrays, so the size of the kernel is kept as the shape of a small array.
    return _pick(outside.reshape(-1, rank), at.slot), (inside, kernels, at, jnp.zeros(n_actions))


def _backward(kept: Any, gradient: jax.Array) -> tuple[jax.Array, jax.Array, None]:
    inside, kernels, at, actions = kept
    blocks, _, width = inside.shape
    outside = _pick(gradient, at.sample).reshape(blocks, -1, gradient.shape[1])
    to_x = jnp.einsum("bkr,bwr->bkw", outside, kernels)
    to_kernels = jnp.einsum("bkw,bkr->bwr", inside, outside)
    # A product adds up the blocks of an action, because JAX would otherwise scatter them row by row, which is slow.
    which = jax.nn.one_hot(at.action, len(actions), axis=0)
    to_kernel = (which @ to_kernels.reshape(blocks, -1)).reshape(len(actions), width, -1)
    return _pick(to_x.reshape(-1, width), at.slot), to_kernel, None


_blockwise.defvjp(_forward, _backward)


def taken_linear(x: jax.Array, kernel: jax.Array, bias: jax.Array, action: jax.Array) -> jax.Array:
    """``x[n] @ kernel[action[n]] + bias[action[n]]``.

    Args:
        x: float32 [N, W].
        kernel: float32 [A, W, R].
        bias: float32 [A, R].
        action: int32 [N].

    Returns:
        float32 [N, R].
    """
    n_actions = len(kernel)
    return _blockwise(x, kernel, layout(action, n_actions)) + jax.nn.one_hot(action, n_actions) @ bias
