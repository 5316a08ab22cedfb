"""Advantages of rollouts and of replays. Uses torch, but not the trainer."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from hindsight_rl.lm.trl.config import HiRConfig


def advantages(
    args: HiRConfig, rewards: Tensor, weights: Tensor, lengths: Tensor, replays: Sequence[int], size: int
) -> tuple[Tensor, float]:
    """The advantages of all rollouts, and the one advantage of all replays.

    Args:
        args: the settings; `advantage` is `split`, `pooled` or `rloo`.
        rewards: [N, F], one column per reward function, that of the constraints first; NaN where it gives none.
        weights: [F].
        lengths: [N], tokens of each rollout.
        replays: tokens of each replay.
        size: rollouts per prompt.

    Returns:
        the advantages [N], 0 for a rollout without any reward, and that of replays.
    """
    whole = (rewards * weights).nansum(1).masked_fill(rewards.isnan().all(1), torch.nan)
    if args.advantage == "rloo":
        return leave_one_out(whole, size), args.replay_advantage
    if args.advantage == "split" or not replays:
        return whiten(whole, lengths), args.replay_advantage
    one = float(weights[0])  # a replay fulfils its whole instruction
    whole = torch.cat([whole, whole.new_full((len(replays),), one)])
    found = whiten(whole, torch.cat([lengths, lengths.new_tensor(replays)]))
    return found[: -len(replays)], float(found[-1])


def whiten(values: Tensor, lengths: Tensor) -> Tensor:
    """Whiten to mean 0 and (unbiased) variance 1 over tokens; all tokens of a row have the row's value.

    values, lengths: [N]. A NaN value is ignored and becomes 0. If all values are equal, all become 0.
    """
    weight = lengths.double() * values.isfinite()
    values = torch.where(values.isfinite(), values, 0.0).double()
    count = weight.sum()
    mean = (values * weight).sum() / count.clamp(min=1)
    variance = (weight * (values - mean).square()).sum() / (count - 1).clamp(min=1)
    return torch.where(weight > 0, (values - mean) * torch.rsqrt(variance + 1e-8), 0.0).float()


def leave_one_out(rewards: Tensor, size: int) -> Tensor:
    """A reward minus the mean of the other rewards of its group; NaN is ignored and becomes 0. rewards: [N]."""
    groups = rewards.view(-1, size)
    known = groups.isfinite()
    values = torch.where(known, groups, 0.0)
    others = known.sum(1, keepdim=True) - 1
    baseline = (values.sum(1, keepdim=True) - values) / others.clamp(min=1)
    return torch.where(known & (others > 0), values - baseline, 0.0).view(-1)
