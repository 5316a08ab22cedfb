"""What a step logs about constraints and replays; docs/methods/hir.md explains every name."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from torch import Tensor

from hindsight_rl.lm.trl.plan import Plan
from hindsight_rl.replay.rollout import Rollout


def constraint_metrics(rollouts: Sequence[Rollout]) -> dict[str, float]:
    """Shares of rollouts whose constraints all hold, also by number of constraints, and of single constraints."""
    if not rollouts:
        return {}
    by_number: dict[int, list[bool]] = defaultdict(list)
    for each in rollouts:
        by_number[len(each.verdict)].append(each.succeeded)
    return {
        "constraints/all": sum(each.succeeded for each in rollouts) / len(rollouts),
        "constraints/fraction": sum(each.integrity for each in rollouts) / len(rollouts),
        **{f"constraints/all_of_{number}": sum(met) / len(met) for number, met in sorted(by_number.items())},
    }


def replay_metrics(
    plan: Plan, shift: Tensor, *, advantage: float, empty_rows: int, repeat: bool, buffer: bool
) -> dict[str, float]:
    """Metrics of replay, equal on every process.

    Args:
        plan: the added rows.
        shift: [2], the sum of log-probability changes of replayed tokens, and the number of these tokens.
        advantage: of all replays.
        empty_rows: added rows without tokens.
        repeat: rollouts are trained on twice instead of replayed.
        buffer: there is a replay buffer.
    """
    found, fresh = plan.found, sum(each.source is not None for each in plan.items)
    values: dict[str, float] = {
        "repeats" if repeat else "replays": fresh,
        "candidates": found.candidates,
        "rejected": sum(found.rejected.values()),
        "empty_rows": empty_rows,
        "lambda": found.weight,
        "advantage": advantage,
    }
    if buffer:
        values["buffer_rows"] = len(plan.items) - fresh
    if fresh and not repeat:
        values |= {"diversity": found.diversity, "integrity": found.integrity, "kept": found.kept}
        values["logp_shift"] = float(shift[0] / shift[1].clamp(min=1))
    return {f"hir/{name}": float(value) for name, value in values.items()}
