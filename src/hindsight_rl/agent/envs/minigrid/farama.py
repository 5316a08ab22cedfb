"""MiniGrid and BabyAI of the Farama Foundation: a policy trained in the grids of XLand-MiniGrid plays them.

The package `minigrid` is no JAX program and brings its own missions ("pick up the grey key"); see
`evaluation/missions.py`. There is no box in XLand-MiniGrid: a square stands for it.
"""

from typing import Any

import jax
import numpy as np
from xminigrid.core.constants import Colors, Tiles

from hindsight_rl.agent.envs.minigrid.families import COLOUR
from hindsight_rl.agent.envs.minigrid.xland import (
    FORWARD,
    PICK_UP,
    PUT_DOWN,
    TOGGLE,
    TURN_LEFT,
    TURN_RIGHT,
    VIEW,
    MiniGrid,
)
from hindsight_rl.errors import HindsightError

_TILE = {
    "unseen": Tiles.EMPTY, "empty": Tiles.FLOOR, "floor": Tiles.FLOOR, "wall": Tiles.WALL, "key": Tiles.KEY,
    "ball": Tiles.BALL, "box": Tiles.SQUARE, "goal": Tiles.GOAL,
}  # fmt: skip
_DOOR = {"open": Tiles.DOOR_OPEN, "closed": Tiles.DOOR_CLOSED, "locked": Tiles.DOOR_LOCKED}
_ACTION = {TURN_LEFT: 0, TURN_RIGHT: 1, FORWARD: 2, PICK_UP: 3, PUT_DOWN: 4, TOGGLE: 5}


class FaramaGrid:
    """A bridge to an environment of the package `minigrid`.

    Args:
        name: its id, e.g. `BabyAI-PickupLoc-v0`.
        env: the environment in which the policy was trained.

    Raises:
        HindsightError: the package is not installed.
    """

    def __init__(self, name: str, env: MiniGrid):
        try:
            import minigrid  # noqa: F401  (registers its environments)
            from minigrid.core import constants
        except ImportError as error:
            raise HindsightError(
                f"{name} needs the package 'minigrid': pip install gymnasium; pip install --no-deps minigrid"
            ) from error
        self.name, self._features = name, jax.jit(env.features)
        size = max(constants.OBJECT_TO_IDX.values()) + 1
        self._tiles = np.full(size, Tiles.EMPTY, np.uint8)
        for thing, tile in _TILE.items():
            self._tiles[constants.OBJECT_TO_IDX[thing]] = tile
        self._door = constants.OBJECT_TO_IDX["door"]
        self._doors = np.array([_DOOR[name] for name in constants.STATE_TO_IDX], np.uint8)
        self._colours = np.array([COLOUR[name] for name in constants.COLOR_TO_IDX], np.uint8)
        self._kinds = constants.OBJECT_TO_IDX

    def make(self) -> Any:
        """The `gymnasium.Env`."""
        import gymnasium

        return gymnasium.make(self.name)

    def mission(self, env: Any, seen: Any) -> str:
        """The environment's text, where a square stands for a box."""
        return str(seen["mission"]).replace("box", "square")

    def act(self, action: int) -> int:
        """The package's number of an action."""
        return _ACTION[action]

    def observe(self, env: Any, seen: Any) -> np.ndarray:
        """float32 [observation_size]."""
        image = np.asarray(seen["image"]).transpose(1, 0, 2)
        view = self._translated(image)
        view[VIEW - 1, VIEW // 2] = Tiles.FLOOR, Colors.BLACK  # there it shows what is carried
        held = env.unwrapped.carrying
        pocket = np.array([Tiles.EMPTY, Colors.EMPTY], np.uint8)
        if held is not None:
            pocket = self._translated(np.array(held.encode())[None, None])[0, 0]
        x, y = env.unwrapped.agent_pos
        way = (int(seen["direction"]) + 1) % 4  # there 0 is right, here up
        return np.asarray(self._features(view, pocket, np.int32(way), np.array([y, x], np.int32)))

    def _translated(self, image: np.ndarray) -> np.ndarray:
        """uint8 [H, W, 2], tile and colour, of the package's [H, W, 3], which has kind, colour and state."""
        kind, colour, state = (image[..., i] for i in range(3))
        tiles = np.where(kind == self._door, self._doors[state.clip(0, 2)], self._tiles[kind])
        colours = np.where(tiles == Tiles.FLOOR, Colors.BLACK, self._colours[colour])
        colours = np.where(tiles == Tiles.WALL, Colors.GREY, np.where(tiles == Tiles.EMPTY, Colors.EMPTY, colours))
        return np.stack([tiles, colours], axis=-1).astype(np.uint8)
