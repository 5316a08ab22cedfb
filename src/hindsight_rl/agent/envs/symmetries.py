"""Symmetries of an environment: transitions that are equivalent, such as mirror images.

Each time a transition is learned from, a random image of it is used. So the learner sees several times as many
different transitions as the environments have produced.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np


class Symmetries(NamedTuple):
    """The images of an environment's transitions, the transition itself first.

    Attributes:
        features: int32 [M, F]; feature f of image m is the observation's feature ``features[m, f]``.
        actions: int32 [M, A]; action a becomes ``actions[m, a]``.
    """

    features: np.ndarray
    actions: np.ndarray


def reflect(
    images: Symmetries, observation: jax.Array, action: jax.Array, key: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Replace each of N transitions by a random image of it.

    Args:
        observation: float32 [N, F].
        action: int32 [N].
    """
    which = jax.random.randint(key, action.shape, 0, len(images.features))
    features, actions = jnp.asarray(images.features), jnp.asarray(images.actions)
    # All indices are valid, so XLA need not check each of them.
    image = jnp.take_along_axis(observation, features[which], axis=1, mode="promise_in_bounds")
    return image, actions[which, action]
