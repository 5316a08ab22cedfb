"""Instructions with counts and with what is forbidden, each against the same one without.

    hindsight agent eval runs/oir --bench strict

"collect wood but do not drink" is compared with "collect wood", "collect 3 wood" with "collect wood". The environment
gives the instructions (`Environment.strict_compositions`); true events decide on success.
"""

from typing import Any

import numpy as np

from hindsight_rl.agent.evaluation.suite import BATCH, EvalInstruction, evaluate_instructions
from hindsight_rl.agent.policy.policy import Policy
from hindsight_rl.errors import HindsightError


def evaluate_strict(policy: Policy, episodes: int = 32, seed: int = 0, batch: int = BATCH) -> dict[str, Any]:
    """Run trials of the instructions and of the same ones without counts and without what is forbidden.

    Args:
        episodes: trials of each instruction.
        seed: of the trials; both instructions of a pair are tried in the same worlds.
        batch: number of parallel trials.

    Returns:
        `mean`: success of `forbidding` and `counting` instructions, of the same ones without (`forbidding_plain`,
        `counting_plain`), and `violated`, the share of the trials in which something forbidden happened. `pairs`: each
        instruction with its success and that of the plain one.

    Raises:
        HindsightError: the environment has no such instructions, or the agent does not understand one as it is meant.
    """
    asked = policy.env.strict_compositions
    if not asked:
        raise HindsightError(f"environment '{policy.env.name}' has no instructions with counts or what is forbidden")
    strict, plain = [], []
    for each in asked:
        parsed = policy.reward.check(each.text)
        times = each.times or (1,) * len(each.events)
        if (parsed.events, parsed.times, set(parsed.avoid)) != (each.events, times, set(each.avoid)):
            raise HindsightError(f"'{each.text}' is read as {parsed.events} x {parsed.times}, without {parsed.avoid}")
        strict.append(EvalInstruction(each.text, each.events, each.ordered, parsed.goals, times, each.avoid))
        plain.append(EvalInstruction(f"{each.text} (without)", each.events, each.ordered, parsed.goals))
    rows = evaluate_instructions(policy, strict, episodes, seed=seed, batch=batch)
    bare = {row["text"]: row for row in evaluate_instructions(policy, plain, episodes, seed=seed, batch=batch)}
    pairs = [
        {
            "text": row["text"],
            "kind": "forbidding" if "avoid" in row else "counting",
            "success": row["success"],
            "plain": bare[f"{row['text']} (without)"]["success"],
            **({"violated": row["violated"]} if "avoid" in row else {}),
        }
        for row in rows
    ]
    mean: dict[str, float] = {}
    for kind in ("forbidding", "counting"):
        own = [pair for pair in pairs if pair["kind"] == kind]
        if own:
            mean[kind] = round(float(np.mean([pair["success"] for pair in own])), 4)
            mean[f"{kind}_plain"] = round(float(np.mean([pair["plain"] for pair in own])), 4)
    if broken := [pair["violated"] for pair in pairs if "violated" in pair]:
        mean["violated"] = round(float(np.mean(broken)), 4)
    return {"env": policy.env.name, "trials": episodes, "mean": mean, "pairs": pairs}
