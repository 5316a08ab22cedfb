"""Environments: the protocol for your own one (`environment.py`), how one is found by its name, and the built-in ones.

A name is one of a built-in environment, one of an installed package that has an entry point in the group
`hindsight_rl.environments`, or `module:Class`.
"""

import importlib
import os
import sys
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, cast

from hindsight_rl.errors import HindsightError

if TYPE_CHECKING:
    from hindsight_rl.agent.envs.environment import Environment

GROUP = "hindsight_rl.environments"
"""The entry points of packages that bring environments. The entry's name is the environment's, its object a class, or a
function, that makes the environment when it is called without arguments."""

BUILT_IN = ("craftax", "minigrid")
"""Packages in this folder. Each offers `NAMES`, `PRESETS`, `EXTRA` (what pip installs for it) and
`make(name, observation)`."""

DEFAULT_OBSERVATION = "default"

__all__ = ["BUILT_IN", "DEFAULT_OBSERVATION", "GROUP", "built_in", "make_env", "names"]


def built_in(package: str) -> Any:
    """The module of a built-in package of environments. Importing it does not import the game."""
    return importlib.import_module(f"hindsight_rl.agent.envs.{package}")


def names() -> dict[str, str]:
    """Every known name and where it comes from: `built in`, or the package that brings it."""
    found = {name: "built in" for package in BUILT_IN for name in built_in(package).NAMES}
    for entry in _plugins():
        found.setdefault(entry.name, entry.dist.name if entry.dist else entry.value)
    return found


@cache
def make_env(name: str, observation: str = DEFAULT_OBSERVATION) -> "Environment":
    """The environment of that name. Always the same object, because compiled programs belong to an object.

    Args:
        name: of a built-in environment or of an installed package's, or `module:Class`; the module may lie in the
            current folder.
        observation: for environments that offer several.

    Raises:
        HindsightError: unknown name or observation, a package that is not installed, or an environment that does not
            fit the protocol.
    """
    for package in BUILT_IN:
        if (made := _made(built_in(package), name, observation)) is not None:
            return made
    entries = [entry for entry in _plugins() if entry.name == name]
    if not entries and ":" not in name:
        raise HindsightError(
            f"unknown environment '{name}': one of {', '.join(names())}, or module:Class. A run that was trained with "
            "an object from Python is loaded with load_policy(run, env=...)"
        )
    if observation != DEFAULT_OBSERVATION:
        raise HindsightError(f"environment '{name}' has one observation only: omit --observation")
    return _checked(_load(entries[0]) if entries else _imported(name), name)


def _plugins() -> list[EntryPoint]:
    return sorted(entry_points(group=GROUP), key=lambda entry: entry.name)


def _made(package: Any, name: str, observation: str) -> "Environment | None":
    try:
        return cast("Environment | None", package.make(name, observation))
    except ModuleNotFoundError as error:
        missing = str(error.name).partition(".")[0]
        raise HindsightError(
            f"environment '{name}' needs the package '{missing}': pip install 'hindsight-rl[{package.EXTRA}]'"
        ) from error


def _load(entry: EntryPoint) -> Any:
    try:
        return entry.load()
    except (ImportError, AttributeError) as error:
        raise HindsightError(f"environment '{entry.name}': its entry point {entry.value} fails: {error}") from error


def _imported(name: str) -> Any:
    module, _, attribute = name.partition(":")
    sys.path.insert(0, os.getcwd())  # as `python -m` does
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise HindsightError(f"environment '{name}' cannot be imported: {error}") from error
    finally:
        sys.path.remove(os.getcwd())


def _checked(made: Any, name: str) -> "Environment":
    from hindsight_rl.agent.envs.environment import check_environment

    try:
        env = made() if callable(made) else made
    except TypeError as error:
        raise HindsightError(f"environment '{name}' cannot be made without arguments: {error}") from error
    return check_environment(env)


@dataclass
class EnvsConfig:
    """List the environments that --env knows, and which package brings each of them."""


def main(argv: list[str]) -> int:
    """`hindsight agent envs`."""
    import tyro

    tyro.cli(EnvsConfig, args=argv, prog="hindsight agent envs")
    found = names()
    width = max(map(len, found))
    for name, origin in found.items():
        print(f"{name:{width}}  {origin}")
    return 0
