"""CrafText: instructions in Craftax-Classic that other people wrote, with their truth.

    hindsight agent eval runs/oir --bench craftext

The sentences and the checker come from the installed package `craftext` and are never copied; its conditional
achievements are used: each scenario has a sentence, paraphrases of it, and which achievements must be reached and which
must not. The agent reads a sentence as any other one. Whether it succeeds is decided by CrafText's own checker, after
each step; a sentence that the agent does not understand counts as failed.

    pip install --no-deps craftext    # its own requirements would replace newer packages; none of them is needed here
"""

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from hindsight_rl.agent.envs import make_env
from hindsight_rl.agent.envs.bank import load_bank
from hindsight_rl.agent.evaluation.suite import BATCH, EPSILON, EVAL_WORLDS, in_batches, spread
from hindsight_rl.agent.evaluation.trials import Judge, Tasks
from hindsight_rl.agent.instructions.clauses import InstructionError
from hindsight_rl.agent.instructions.parser import MAX_TRAINED_GOALS, ParsedInstruction
from hindsight_rl.agent.policy.policy import Policy
from hindsight_rl.errors import HindsightError

ENV = "classic"
"""The environment of the benchmark: the game's own map."""
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


def evaluate_craftext(
    policy: Policy, sets: Sequence[str] = DEVELOPMENT, episodes: int = 8, seed: int = 0, batch: int = BATCH
) -> dict[str, Any]:
    """Run trials of each sentence in held-out worlds of the game's own map.

    Args:
        policy: trained in Craftax-Classic, on a map of any size.
        sets: names from `SETS`.
        episodes: trials of each sentence.
        seed: of the trials.
        batch: number of parallel trials.

    Returns:
        for each set: `success` (mean over its sentences; those that are not understood count as failed), `refused`
        (share of sentences that are not understood), `success_of_understood`, `success_with_negation`,
        `success_without_negation`, and `scenarios`: for each scenario its sentences, how many of them are refused, and
        its success. Without the sentences themselves. `mean`: success and share of refused sentences of each set.
        `unsupported`: kinds of scenarios that are not evaluated.

    Raises:
        HindsightError: another environment, no such set, or the package is missing.
    """
    if not policy.env.name.startswith(ENV):
        raise HindsightError(f"CrafText is about Craftax-Classic; this run was trained in {policy.env.name}")
    env = make_env(ENV, getattr(policy.env, "observation", "compact"))
    result: dict[str, Any] = {"env": env.name, "episodes": episodes, "horizon": env.horizon, "epsilon": EPSILON}
    for name in sets:
        scenarios = load(name)
        result[name] = _summary(scenarios, _trials(policy, env, scenarios, episodes, seed, batch))
    result["mean"] = {
        key: value
        for name in sets
        for key, value in ((name, result[name]["success"]), (f"{name}_refused", result[name]["refused"]))
    }
    result["unsupported"] = UNSUPPORTED
    return result


@cache
def _judge() -> Judge:
    """CrafText's checker of achievements. Always the same object, because compiled programs belong to an object."""
    from craftext.environment.scenarious.checkers.achievments import checker_achievments
    from craftext.environment.states.state_classic import GameDataClassic

    def judge(before: Any, after: Any, action: jax.Array, target: Any) -> jax.Array:
        data = GameDataClassic.from_state(before.game, after.game, action)
        verdict: jax.Array = checker_achievments(data, target.achievements)
        return verdict

    return judge


def _read(policy: Policy, text: str) -> ParsedInstruction | None:
    try:
        parsed = policy.reward.check(text)
    except InstructionError:
        return None
    return parsed if len(parsed.goals) <= MAX_TRAINED_GOALS else None


def _trials(
    policy: Policy, env: Any, scenarios: list[Scenario], episodes: int, seed: int, batch: int
) -> list[np.ndarray | None]:
    """The outcomes of each sentence, bool [episodes]; None if it is not understood."""
    bank = load_bank(env, "eval", EVAL_WORLDS)
    index = {event.name: i for i, event in enumerate(env.events)}
    understood = [_read(policy, each.text) for each in scenarios]
    done: list[np.ndarray | None] = [None] * len(scenarios)
    nothing = np.zeros(len(env.events), bool)  # the true events of a goal: the checker decides instead

    def tasks(part: list[int]) -> Tasks:
        read = [parsed for i in part if (parsed := understood[i]) is not None]
        return Tasks.of(
            policy,
            [parsed.goals for parsed in read],
            [parsed.ordered for parsed in read],
            [[nothing] * len(parsed.goals) for parsed in read],
            [parsed.times for parsed in read],
            [[index[event] for event in parsed.avoid] for parsed in read],
        )

    def targets(part: list[int]) -> Any:
        return jax.tree.map(lambda *leaves: jnp.stack(leaves), *(scenarios[i].target for i in part))

    for length in sorted({len(each.required) for each in scenarios}):
        group = [i for i, each in enumerate(scenarios) if len(each.required) == length and understood[i] is not None]
        if not group:
            continue
        rows = [i for i in group for _ in range(episodes)]
        worlds = np.tile(spread(np.arange(EVAL_WORLDS), episodes), len(group))
        outcome = in_batches(
            policy, env, bank, rows, tasks, worlds, env.horizon, length, seed, batch, _judge(), targets
        )
        for i, each in zip(group, np.asarray(outcome.fulfilled).reshape(len(group), episodes), strict=True):
            done[i] = each
    return done


def _summary(scenarios: list[Scenario], done: list[np.ndarray | None]) -> dict[str, Any]:
    share = np.array([0.0 if each is None else each.mean() for each in done])
    refused = np.array([each is None for each in done])
    negated = np.array([bool(each.forbidden) for each in scenarios])

    def mean(where: np.ndarray) -> float | None:
        return round(float(share[where].mean()), 4) if where.any() else None

    names = list(dict.fromkeys(each.name for each in scenarios))
    own = {name: np.array([each.name == name for each in scenarios]) for name in names}
    return {
        "sentences": len(scenarios),
        "success": mean(np.ones(len(scenarios), bool)),
        "refused": round(float(refused.mean()), 4),
        "success_of_understood": mean(~refused),
        "success_with_negation": mean(negated),
        "success_without_negation": mean(~negated),
        "scenarios": [
            {
                "name": name,
                "sentences": int(own[name].sum()),
                "refused": int(refused[own[name]].sum()),
                "success": mean(own[name]),
            }
            for name in names
        ],
    }
