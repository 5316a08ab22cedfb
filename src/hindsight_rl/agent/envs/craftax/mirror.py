"""Mirror images: the rules of the game do not depend on left and right, or on up and down.

The mirror image of a transition, with mirrored observation and mirrored action, is also a transition of the game. Each
transition has four images (see `envs/symmetries.py`).
"""

import numpy as np

from hindsight_rl.agent.envs.symmetries import Symmetries

Name = tuple[str | int, ...]

SWAPS: tuple[dict[str | int, str], ...] = (
    {},
    {"left": "right", "right": "left"},
    {"up": "down", "down": "up"},
    {"left": "right", "right": "left", "up": "down", "down": "up"},
)
"""The four images: what each direction becomes."""


def mirrors(features: list[Name], actions: list[str]) -> Symmetries:
    """The images of observations, found by the names of the features.

    Args:
        features: a name for each, no two alike; parts that are `left`, `right`, `up` or `down` are mirrored.
        actions: a name for each.
    """
    place = {name: i for i, name in enumerate(features)}
    assert len(place) == len(features)
    rows = [[place[tuple(swap.get(part, part) for part in name)] for name in features] for swap in SWAPS]
    return Symmetries(
        np.asarray(rows, np.int32),
        np.asarray([[actions.index(swap.get(name, name)) for name in actions] for swap in SWAPS], np.int32),
    )
