"""Environments: the protocol for your own environment (`environment.py`), and the built-in ones.

`classic` is Craftax-Classic with the game's own 64 x 64 map, `classic-32` has a smaller map, `craftax` is the full
game.
"""

from functools import cache
from typing import TYPE_CHECKING

from hindsight_rl.errors import HindsightError

if TYPE_CHECKING:
    from hindsight_rl.agent.envs.environment import Environment

NAMES = ("classic-32", "classic", "craftax")

__all__ = ["NAMES", "make_env"]


@cache
def make_env(name: str, observation: str = "compact") -> "Environment":
    """The environment of that name. Always the same object, because compiled programs belong to an object.

    Args:
        name: `classic-32`, `classic` (or any `classic-N`, N a multiple of 16), or `craftax`.
        observation: `compact` or `raw`; `craftax` offers only `raw`.

    Raises:
        HindsightError: unknown name or observation.
    """
    if observation not in ("compact", "raw"):
        raise HindsightError(f"unknown observation '{observation}': use 'compact' or 'raw'")
    if name == "craftax":
        if observation != "raw":
            raise HindsightError("environment 'craftax' has raw observations only: add --observation raw")
        from hindsight_rl.agent.envs.craftax.full import CraftaxFull

        return CraftaxFull()
    size = {"classic": "64"}.get(name, name.removeprefix("classic-"))
    if not size.isdigit() or int(size) % 16 or not 32 <= int(size) <= 256:
        raise HindsightError(
            f"unknown environment '{name}': one of {', '.join(NAMES)}, or classic-N with N = 32, 48, ... 256"
        )
    from hindsight_rl.agent.envs.craftax.classic import CraftaxClassic

    return CraftaxClassic(int(size), observation)
