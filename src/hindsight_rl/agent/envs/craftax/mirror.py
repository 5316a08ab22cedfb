"""Mirror images: the game has no left or right of its own, nor an up or down.

A transition seen in a mirror is a transition of the game, from a mirrored observation by the mirrored action. Learning
from each of them in one of its mirror images, drawn anew every time, shows the learner four times as many different
ones as the worlds have produced.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

Name = tuple[str | int, ...]

SWAPS: tuple[dict[str | int, str], ...] = (
    {},
    {"left": "right", "right": "left"},
    {"up": "down", "down": "up"},
    {"left": "right", "right": "left", "up": "down", "down": "up"},
)
"""The four images, as what each direction becomes."""


class Mirrors(NamedTuple):
    """The mirror images of a world's transitions.

    Attributes:
        features: int32 [M, F]; feature f of image m is the observation's feature ``features[m, f]``.
        actions: int32 [M, A]; action a becomes ``actions[m, a]``.
    """

    features: np.ndarray
    actions: np.ndarray


def mirrors(features: list[Name], actions: list[str]) -> Mirrors:
    """The images of observations whose features are named.

    Args:
        features: a name for each, no two alike; parts that are `left`, `right`, `up` or `down` are mirrored.
        actions: a name for each.
    """
    place = {name: i for i, name in enumerate(features)}
    assert len(place) == len(features)
    rows = [[place[tuple(swap.get(part, part) for part in name)] for name in features] for swap in SWAPS]
    return Mirrors(
        np.asarray(rows, np.int32),
        np.asarray([[actions.index(swap.get(name, name)) for name in actions] for swap in SWAPS], np.int32),
    )


def unmirrored(n_features: int, n_actions: int) -> Mirrors:
    """Of a world without images of its transitions but themselves."""
    return Mirrors(np.arange(n_features, dtype=np.int32)[None], np.arange(n_actions, dtype=np.int32)[None])


def reflect(images: Mirrors, observation: jax.Array, action: jax.Array, key: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Each of N transitions in one of its images.

    Args:
        observation: float32 [N, F].
        action: int32 [N].
    """
    which = jax.random.randint(key, action.shape, 0, len(images.features))
    features, actions = jnp.asarray(images.features), jnp.asarray(images.actions)
    return jnp.take_along_axis(observation, features[which], axis=1), actions[which, action]
