"""CrafText: instructions in Craftax-Classic that other people wrote, with their truth.

The sentences come from the installed package `craftext` and are never copied; its conditional achievements are used:
each scenario has a sentence, paraphrases of it, and which achievements must be reached and which must not.

    pip install --no-deps craftext    # its own requirements would replace newer packages; none of them is needed here
"""

import ast
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from hindsight_rl.errors import HindsightError

MODULE = "craftext.dataset.scenarious.jax_conditional_achievements"
SETS: dict[str, tuple[str, str]] = {
    "easy": ("instructions", "easy"),
    "other_parameters": ("test", "easy_test_other_paramets"),
    "paraphrased": ("test", "easy_test_paraphrased"),
}
"""The sets by their names here: the module of each, and its name there. `paraphrased` is held out: no part of the
reader was made with its sentences."""
DEVELOPMENT = ("easy", "other_parameters")
"""The sets that could be read while the reader was made."""
UNSUPPORTED = {
    "jax_conditional_placing": "place a thing after so many of another are collected",
    "jax_localization_place": "place a thing beside another, on a given side",
    "jax_build_line": "build a line of blocks",
    "jax_build_square": "build a square of blocks",
    "jax_build_star": "build a cross or star of blocks",
    "jax_explore": "walk around",
}
"""CrafText's other kinds of scenarios. No event of the environment tells whether they are fulfilled."""


@dataclass(frozen=True)
class Scenario:
    """A sentence with its truth.

    Attributes:
        name: the scenario's name in CrafText.
        text: the sentence.
        paraphrase: False for the scenario's first sentence.
        required, forbidden: indices of achievements.
        target: what CrafText's checker needs.
    """

    name: str
    text: str
    paraphrase: bool
    required: frozenset[int]
    forbidden: frozenset[int]
    target: Any


def load(name: str) -> list[Scenario]:
    """The sentences of one set. Nothing of the other sets in the same file is evaluated.

    Raises:
        HindsightError: no such set, or the package is missing or of another version.
    """
    if name not in SETS:
        raise HindsightError(f"CrafText has no set '{name}': one of {', '.join(SETS)}")
    module, there = SETS[name]
    file = _folder() / f"{module}.py"
    try:
        tree = ast.parse(file.read_text("utf-8"))
        own = [node for node in tree.body if not isinstance(node, ast.Assign) or _assigns(node, there)]
        values: dict[str, Any] = {}
        exec(compile(ast.Module(own, []), str(file), "exec"), values)
        rows = values[there]
        return [each for key, row in rows.items() for each in _scenarios(key, row)]
    except (OSError, SyntaxError, ImportError, KeyError, AttributeError, TypeError) as error:
        raise HindsightError(
            f"{file}: {type(error).__name__} {error}: is it another version? pip install --no-deps craftext==0.2.2"
        ) from error


def _folder() -> Path:
    found = find_spec("craftext")
    if found is None or not found.submodule_search_locations:
        raise HindsightError("the package craftext is missing: pip install --no-deps craftext==0.2.2")
    return Path(found.submodule_search_locations[0], *MODULE.split(".")[1:])


def _assigns(node: ast.Assign, name: str) -> bool:
    return any(isinstance(target, ast.Name) and target.id == name for target in node.targets)


def _scenarios(name: str, row: dict[str, Any]) -> list[Scenario]:
    target = row["arguments"]
    mask = np.asarray(target.achievements.achievement_mask)
    required, forbidden = (frozenset(np.flatnonzero(mask == sign).tolist()) for sign in (1, -1))
    texts = [row["instruction"], *row["instruction_paraphrases"]]
    return [Scenario(name, text, place > 0, required, forbidden, target) for place, text in enumerate(texts)]
