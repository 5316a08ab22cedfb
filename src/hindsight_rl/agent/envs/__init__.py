"""Worlds by name: `classic-32` (fast preset), `classic` (the game's 64 x 64), `craftax` (the full game)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hindsight_rl.errors import HindsightError

if TYPE_CHECKING:
    from hindsight_rl.agent.envs.environment import World

NAMES = ("classic-32", "classic", "craftax")

__all__ = ["NAMES", "make_world"]


def make_world(name: str, observation: str = "compact") -> World:
    """The world of that name.

    Args:
        name: `classic-32`, `classic` (or any `classic-N`, N a multiple of 16), or `craftax`.
        observation: `compact` or `raw`; `craftax` offers `raw` alone.

    Raises:
        HindsightError: unknown name or observation.
    """
    if observation not in ("compact", "raw"):
        raise HindsightError(f"unknown observation '{observation}': use 'compact' or 'raw'")
    if name == "craftax":
        if observation != "raw":
            raise HindsightError("world 'craftax' has raw observations alone: add --observation raw")
        from hindsight_rl.agent.envs.craftax.full import CraftaxFull

        return CraftaxFull()
    size = {"classic": "64"}.get(name, name.removeprefix("classic-"))
    if not size.isdigit() or int(size) % 16 or not 32 <= int(size) <= 256:
        raise HindsightError(
            f"unknown world '{name}': one of {', '.join(NAMES)}, or classic-N with N = 32, 48, ... 256"
        )
    from hindsight_rl.agent.envs.craftax.classic import CraftaxClassic

    return CraftaxClassic(int(size), observation)
