"""The grids of XLand-MiniGrid: rooms, doors, keys, and objects of many colours and shapes."""

from typing import TYPE_CHECKING, Any

from hindsight_rl.errors import HindsightError

if TYPE_CHECKING:
    from hindsight_rl.agent.envs.environment import Environment

NAMES = (
    "MiniGrid-DoorKey-8x8",
    "MiniGrid-BlockedUnlockPickUp",
    "MiniGrid-LockedRoom",
    "XLand-MiniGrid-R1-9x9",
    "XLand-MiniGrid-R2-9x9",
    "XLand-MiniGrid-R4-13x13",
)
"""Some of them; see `families.family` for the other sizes."""

EXTRA = "minigrid"

PRESETS: dict[str, dict[str, Any]] = {}


def make(name: str, observation: str) -> "Environment | None":
    """The environment of that id of `xminigrid`; None if it is none of them.

    Raises:
        HindsightError: an id that is not offered here, or an observation.
    """
    if not name.startswith(("MiniGrid-", "XLand-MiniGrid-")):
        return None
    if observation != "default":
        raise HindsightError(f"environment '{name}' has one observation only: omit --observation")
    from hindsight_rl.agent.envs.minigrid.xland import MiniGrid

    return MiniGrid(name)
