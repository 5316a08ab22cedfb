"""Presets, which set many settings by one name, and the settings of each method. Other options override both.

hindsight agent train --preset gpu --method oir-paper --total-timesteps 200000000
"""

import dataclasses
from collections.abc import Sequence

from hindsight_rl.agent.training.config import TrainConfig, setting, with_setting
from hindsight_rl.agent.training.methods import method
from hindsight_rl.errors import HindsightError

_LAPTOP = TrainConfig()

PRESETS: dict[str, TrainConfig] = {
    "laptop": _LAPTOP,
    # The game's own map, and as many environments as fill one GPU.
    "gpu": dataclasses.replace(
        _LAPTOP,
        preset="gpu",
        env="classic",
        total_timesteps=100_000_000,
        num_envs=2048,
        num_worlds=4096,
        trajectories=64,
        num_checkpoints=10,
        num_evals=10,
        learning=dataclasses.replace(_LAPTOP.learning, minibatch=4096, replay_windows=256),
    ),
    # The full game: raw observations, 67 achievements.
    "craftax": dataclasses.replace(
        _LAPTOP,
        preset="craftax",
        env="craftax",
        observation="raw",
        total_timesteps=100_000_000,
        num_envs=1024,
        num_worlds=512,
        width=512,
        trajectories=64,
        num_checkpoints=10,
        num_evals=10,
        learning=dataclasses.replace(_LAPTOP.learning, minibatch=2048, replay_windows=128),
    ),
}


def preset(name: str) -> TrainConfig:
    """The preset of that name.

    Raises:
        HindsightError: there is none.
    """
    if name not in PRESETS:
        raise HindsightError(f"--preset {name}: one of {', '.join(PRESETS)}")
    return PRESETS[name]


def preset_of(argv: Sequence[str]) -> TrainConfig:
    """The defaults of the command line: those of the preset, then those of the method.

    Raises:
        HindsightError: no preset or no method of that name.
    """
    config = preset(word_after("--preset", argv) or "laptop")
    return settled(dataclasses.replace(config, method=word_after("--method", argv) or config.method))


def settled(config: TrainConfig) -> TrainConfig:
    """The settings, where each value that equals the preset's is replaced by the method's own.

    Raises:
        HindsightError: no preset or no method of that name.
    """
    if config.settled:
        return config
    base = preset(config.preset)
    for name, value in method(config.method).settings:
        if setting(config, name) == setting(base, name):
            config = with_setting(config, name, value)
    return dataclasses.replace(config, settled=True)


def word_after(option: str, argv: Sequence[str]) -> str | None:
    """The value of an option on a command line, None where it is absent; of several the last."""
    found = None
    for at, word in enumerate(argv):
        if word == option and at + 1 < len(argv):
            found = argv[at + 1]
        elif word.startswith(f"{option}="):
            found = word.removeprefix(f"{option}=")
    return found
