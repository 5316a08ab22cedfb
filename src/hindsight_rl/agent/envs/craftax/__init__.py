"""Craftax: Craftax-Classic with the game's own 64 x 64 map (`classic`) or a smaller one (`classic-32`), and the full
game (`craftax`)."""

from typing import TYPE_CHECKING, Any

from hindsight_rl.errors import HindsightError

if TYPE_CHECKING:
    from hindsight_rl.agent.envs.environment import Environment

NAMES = ("classic-32", "classic", "craftax")

EXTRA = "agent"

PRESETS: dict[str, dict[str, Any]] = {
    # The full game: raw observations, 67 achievements.
    "craftax": {
        "env": "craftax",
        "total_timesteps": 100_000_000,
        "num_envs": 1024,
        "num_worlds": 512,
        "width": 512,
        "trajectories": 64,
        "num_checkpoints": 10,
        "num_evals": 10,
        "learning.minibatch": 2048,
        "learning.replay_windows": 128,
    },
}
"""For each preset, the settings that differ from the preset `laptop`."""


def make(name: str, observation: str) -> "Environment | None":
    """The environment of that name; None if it is none of Craftax.

    Args:
        name: `classic-32`, `classic` (or any `classic-N`, N a multiple of 16), or `craftax`.
        observation: `compact` (191 numbers; the default of Craftax-Classic) or `raw` (the game's own; the only one of
            the full game).

    Raises:
        HindsightError: no such size or observation.
    """
    if name not in NAMES and not name.startswith("classic-"):
        return None
    if observation not in ("default", "compact", "raw"):
        raise HindsightError(f"unknown observation '{observation}' of '{name}': use 'compact' or 'raw'")
    if name == "craftax":
        if observation == "compact":
            raise HindsightError("environment 'craftax' has raw observations only: --observation raw")
        from hindsight_rl.agent.envs.craftax.full import CraftaxFull

        return CraftaxFull()
    size = {"classic": "64"}.get(name, name.removeprefix("classic-"))
    if not size.isdigit() or int(size) % 16 or not 32 <= int(size) <= 256:
        raise HindsightError(
            f"unknown environment '{name}': one of {', '.join(NAMES)}, or classic-N with N = 32, 48, ... 256"
        )
    from hindsight_rl.agent.envs.craftax.classic import CraftaxClassic

    return CraftaxClassic(int(size), "compact" if observation == "default" else observation)
