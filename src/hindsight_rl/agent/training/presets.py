"""Presets: whole settings by one word; every other option still overrides its own.

hindsight agent train --preset gpu --steps 200000000
"""

import dataclasses
from collections.abc import Sequence

from hindsight_rl.agent.training.config import TrainConfig
from hindsight_rl.errors import HindsightError

_LAPTOP = TrainConfig()

PRESETS: dict[str, TrainConfig] = {
    "laptop": _LAPTOP,
    # The game's own map, and as many environments as fill one GPU.
    "gpu": dataclasses.replace(
        _LAPTOP,
        preset="gpu",
        world="classic",
        steps=100_000_000,
        envs=2048,
        worlds=4096,
        trajectories=64,
        checkpoints=10,
        eval_every=10,
        learning=dataclasses.replace(_LAPTOP.learning, minibatch=4096, memories=256),
    ),
    # The full game: raw observations, 67 achievements.
    "craftax": dataclasses.replace(
        _LAPTOP,
        preset="craftax",
        world="craftax",
        observation="raw",
        steps=100_000_000,
        envs=1024,
        worlds=512,
        width=512,
        trajectories=64,
        checkpoints=10,
        eval_every=10,
        learning=dataclasses.replace(_LAPTOP.learning, minibatch=2048, memories=128),
    ),
}


def preset_of(argv: Sequence[str]) -> TrainConfig:
    """The settings that the command line starts from.

    Raises:
        HindsightError: no preset of that name.
    """
    name = "laptop"
    for at, word in enumerate(argv):
        if word == "--preset" and at + 1 < len(argv):
            name = argv[at + 1]
        elif word.startswith("--preset="):
            name = word.removeprefix("--preset=")
    if name not in PRESETS:
        raise HindsightError(f"--preset {name}: one of {', '.join(PRESETS)}")
    return PRESETS[name]
