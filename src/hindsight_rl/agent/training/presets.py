"""Presets, which set many settings by one name, and the settings of each method. Other options override both.

hindsight agent train --preset gpu --method oir-paper --total-timesteps 200000000
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

from hindsight_rl.agent.envs import BUILT_IN, built_in, make_env
from hindsight_rl.agent.training.config import TrainConfig, setting, with_setting
from hindsight_rl.agent.training.methods import Settings, method
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
}
for _package in BUILT_IN:
    for _name, _values in built_in(_package).PRESETS.items():
        PRESETS[_name] = dataclasses.replace(_LAPTOP, preset=_name)
        for _setting, _value in _values.items():
            PRESETS[_name] = with_setting(PRESETS[_name], _setting, _value)


def preset(name: str) -> TrainConfig:
    """The preset of that name.

    Raises:
        HindsightError: there is none.
    """
    if name not in PRESETS:
        raise HindsightError(f"--preset {name}: one of {', '.join(PRESETS)}")
    return PRESETS[name]


def preset_of(argv: Sequence[str]) -> TrainConfig:
    """The defaults of the command line: those of the preset, then of the environment, then of the method.

    Raises:
        HindsightError: no preset, environment or method of that name.
    """
    config = preset(word_after("--preset", argv) or "laptop")
    config = dataclasses.replace(config, method=word_after("--method", argv) or config.method)
    named = word_after("--env", argv)  # without it there is none to import, and `--help` stays fast
    if named is None:
        return settled(config)
    observation = word_after("--observation", argv) or config.observation
    return settled(dataclasses.replace(config, env=named), make_env(named, observation).settings)


def settled(config: TrainConfig, suited: Settings = ()) -> TrainConfig:
    """The settings, where each value that equals the preset's is replaced by the one that suits the environment, and
    then by the method's own.

    Args:
        suited: of the environment (`Environment.settings`).

    Raises:
        HindsightError: no preset or no method of that name, or no setting of a name that the environment gives.
    """
    if config.settled:
        return config
    base = preset(config.preset)
    for settings in (suited, method(config.method).settings):
        before = base
        for name, value in settings:
            base = _with(base, name, value)
            if setting(config, name) == setting(before, name):
                config = _with(config, name, value)
    return dataclasses.replace(config, settled=True)


def without_effect(config: TrainConfig, suited: Settings = ()) -> list[str]:
    """Dotted names of settings that were changed although the method does not use them.

    Args:
        suited: of the environment (`Environment.settings`).
    """
    base = preset(config.preset)
    for name, value in suited:
        base = _with(base, name, value)
    return [name for name in method(config.method).unused if setting(config, name) != setting(base, name)]


def _with(config: TrainConfig, name: str, value: Any) -> TrainConfig:
    try:
        return with_setting(config, name, value)
    except (AttributeError, TypeError) as error:
        raise HindsightError(f"the environment's settings have '{name}', which is no setting of training") from error


def word_after(option: str, argv: Sequence[str]) -> str | None:
    """The value of an option on a command line, None where it is absent; of several the last."""
    found = None
    for at, word in enumerate(argv):
        if word == option and at + 1 < len(argv):
            found = argv[at + 1]
        elif word.startswith(f"{option}="):
            found = word.removeprefix(f"{option}=")
    return found
