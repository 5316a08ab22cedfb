"""Evaluate a trained agent on held-out worlds, judged by true events.

hindsight agent eval runs/oir --json
"""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import tyro

from hindsight_rl.agent.envs.events import fulfilling
from hindsight_rl.agent.evaluation.suite import (
    BATCH,
    EPSILON,
    EVAL_WORLDS,
    evaluate_instructions,
    evaluation_suite,
)
from hindsight_rl.agent.policy.policy import Policy
from hindsight_rl.errors import HindsightError
from hindsight_rl.run import Run

EPISODES = {"canonical": 64, "paraphrased": 24, "others": 24, "held_out": 24, "composed": 32}


def evaluate_run(
    run: Run,
    policy: Policy,
    scale: float = 1.0,
    seed: int = 0,
    batch: int = BATCH,
    parts: Sequence[str] = tuple(EPISODES),
    step: Callable[[str], None] = lambda part: None,
    trained: int | None = None,
) -> dict[str, Any]:
    """Evaluate a run's newest policy. A full evaluation is written to `eval.json`.

    Args:
        run: a trained run.
        policy: its policy.
        scale: factor for the number of episodes.
        seed: of the trials.
        batch: number of parallel trials.
        parts: parts of the evaluation, from `EPISODES`. Unless all are given, nothing is written.
        step: is called with each part before it is evaluated, e.g. "canonical (1 of 4)".
        trained: environment steps that the policy was trained for, if that is less than the run: a checkpoint.

    Returns:
        successes and trials per instruction, and means. A full evaluation also has forgetting, the precision of the
        reward, and prerequisites.

    Raises:
        HindsightError: no such part, or a scale that is no number above 0.
    """
    for name in parts:
        if name not in EPISODES:
            raise HindsightError(f"--parts {name}: no such part of the evaluation; choose from {', '.join(EPISODES)}")
    _check_scale(scale)
    if not parts:
        raise HindsightError(f"--parts: name at least one of {', '.join(EPISODES)}")
    config = run.read("config.json")
    metrics = [row for row in run.lines("metrics.jsonl") if trained is None or row["step"] <= trained]
    result: dict[str, Any] = {
        "method": config["method"],
        "env": config["env"],
        "about": policy.env.about,
        "seed": config["seed"],
        "steps": trained if trained is not None else metrics[-1]["step"] if metrics else 0,
        "horizon": policy.env.horizon,
        "epsilon": EPSILON,
        "eval_worlds": EVAL_WORLDS,
    }
    suite = evaluation_suite(policy)
    wanted = [name for name, asked in suite.items() if name in parts and (asked or name != "held_out")]
    for number, name in enumerate(wanted, 1):
        asked = suite[name]
        step(f"{name} ({number} of {len(wanted)})")
        episodes = max(1, min(EVAL_WORLDS, round(EPISODES[name] * scale)))
        result[name] = evaluate_instructions(policy, asked, episodes, seed=seed, batch=batch)
    result["mean"] = {k: round(float(np.mean([r["success"] for r in result[k]])), 4) for k in EPISODES if result.get(k)}
    if not set(EPISODES) <= set(parts):
        return result
    result["achievements_per_trial"] = round(float(np.mean([r["achievements"] for r in result["canonical"]])), 3)
    result["forgetting"] = _forgetting(metrics, result["canonical"])
    result["reward"] = _reward_quality(policy)
    result["prerequisites"] = prerequisites(policy)
    run.write("eval.json", result)
    return result


def _check_scale(scale: float) -> None:
    if not (math.isfinite(scale) and scale > 0):
        raise HindsightError(f"--scale {scale}: a finite number above 0")


def prerequisites(policy: Policy) -> dict[str, list[str]]:
    """For each event with prerequisites: their captions, how often each is required, and how many of them are
    consumed."""
    if policy.waypoints is None:
        return {}
    captions = [event.captions[0] for event in policy.env.events]
    found = policy.waypoints.prerequisites
    required, consumed = np.asarray(found.required), np.asarray(found.consumed)
    # Events with fewer prerequisites come first.
    depth = (required > 0).sum(1)
    return {
        captions[event]: [
            captions[i] + _amount(int(row[i]), int(consumed[event, i]))
            for i in sorted(np.flatnonzero(row), key=lambda i: depth[i])
        ]
        for event, row in enumerate(required)
        if row.any()
    }


def _amount(times: int, consumed: int) -> str:
    notes = [f"{times} times"] if times > 1 else []
    notes += ["consumed" if consumed == times else f"{consumed} consumed"] if consumed else []
    return f" ({', '.join(notes)})" if notes else ""


def _forgetting(metrics: list[dict[str, Any]], canonical: list[dict[str, Any]]) -> list[dict[str, Any]]:
    evaluations = [row["success"] for row in metrics if row.get("success")]
    rows = []
    for row in canonical:
        best = max([each[row["event"]] for each in evaluations] + [row["success"]])
        rows.append(
            {
                "event": row["event"],
                "best": best,
                "final": row["success"],
                "lost": round(best - row["success"], 4),
            }
        )
    return rows


def _reward_quality(policy: Policy) -> dict[str, dict[str, float]]:
    """Precision and recall of the reward table against true events, over instructions that ask for an event."""
    truth = np.asarray(fulfilling(policy.env.events)).T
    quality = {}
    for name, (texts, owners) in {
        "canonical": (list(policy.env.instructions), list(range(len(policy.env.instructions)))),
        "heldout": policy.env.language.labelled("heldout", policy.env.events),
    }.items():
        if not texts:
            continue
        fires, true = policy.reward.table(texts).T, truth[owners]
        own = fires[np.arange(len(owners)), owners]
        quality[name] = {
            "precision": round(float((fires & true).sum() / max(fires.sum(), 1)), 4),
            "recall": round(float(own.mean()), 4),
        }
    return quality


@dataclass
class EvalConfig:
    """Measure the success rate per instruction on held-out worlds: canonical, paraphrased and composed instructions,
    instructions for other events, and for events that no instruction in training asks for."""

    run: Annotated[str, tyro.conf.Positional]
    """The run folder."""
    json: bool = False
    """Print the result as one JSON object."""
    scale: float = 1.0
    """Factor for the number of episodes, e.g. 0.1 for a quick evaluation."""
    seed: int = 0
    parts: tuple[str, ...] = tuple(EPISODES)
    """Parts to evaluate, from `canonical`, `paraphrased`, `others`, `held_out` and `composed`. Unless all are given,
    eval.json is not written."""
    bench: Literal["none", "craftext", "strict"] = "none"
    """Another evaluation instead of the parts. `craftext`: sentences by other people, judged by the checker of the
    package craftext, on the game's own map. `strict`: instructions with counts and with what is forbidden, against the
    same without."""
    sets: tuple[str, ...] = ("easy", "other_parameters")
    """For `--bench craftext`: the sets of sentences, from `easy`, `other_parameters` and the held-out `paraphrased`."""


def _bench(config: EvalConfig, policy: Policy) -> dict[str, Any]:
    if config.bench == "strict":
        from hindsight_rl.agent.evaluation.strict import evaluate_strict

        return evaluate_strict(policy, max(1, round(32 * config.scale)), config.seed)
    from hindsight_rl.agent.evaluation.craftext import evaluate_craftext

    return evaluate_craftext(policy, config.sets, max(1, round(8 * config.scale)), config.seed)


def main(argv: list[str]) -> int:
    """`hindsight agent eval`."""
    config = tyro.cli(EvalConfig, args=argv, prog="hindsight agent eval")
    _check_scale(config.scale)
    if config.bench != "none" and set(config.parts) != set(EPISODES):
        raise HindsightError(f"--parts: --bench {config.bench} has no parts; omit one of the two options")
    from hindsight_rl.agent.training.checkpoint import Checkpoints
    from hindsight_rl.agent.training.trainer import load_policy

    run = Run.open(config.run, kind="agent")
    if config.bench != "none":
        result = _bench(config, load_policy(run))
        print(json.dumps(result) if config.json else "\n".join(f"{k}: {v}" for k, v in result["mean"].items()))
        return 0
    trained = Checkpoints(run.path / "checkpoints").latest()
    result = evaluate_run(
        run, load_policy(run), scale=config.scale, seed=config.seed, parts=config.parts, trained=trained
    )
    if config.json:
        print(json.dumps(result))
        return 0
    how = f"{result['steps']:,} steps; {result['horizon']} steps per goal, held-out worlds"
    print(f"{result['method']} on {result['env']}, {how}")
    for name in result["mean"]:
        rows = result[name]
        print(
            f"\n{name}: {result['mean'][name]:.3f} (mean of {len(rows)} instructions, {rows[0]['trials']} trials each)"
        )
        shown = rows if name in ("canonical", "composed") else []
        for row in shown:
            print(f"  {row['success']:.2f}  {row['text']}")
    return 0
