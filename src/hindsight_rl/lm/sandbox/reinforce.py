"""Reinforce++ with replayed rows: advantages and loss, and nothing else.

Outcome rewards without a discount, one whitening over the tokens of the batch (no group baseline), the clipped PPO
loss averaged over tokens. What the released HiR does and what the sandbox does by default differ in two choices, each
a setting: how replays are normalised, and under which prompt their old log-probability is taken.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Advantage = Literal["split", "pooled"]
OldLogps = Literal["rewritten", "original"]


@dataclass(frozen=True)
class ReinforceRules:
    """The choices of the update."""

    advantage: Advantage = "split"
    """`split`: originals are whitened on their own, replays get a fixed advantage; `pooled`: all rows together, as
    released."""
    replay_advantage: float = 1.0
    """Of replays, where it is not pooled."""
    replay_end: float = 1.0
    """Share of it that is left at the end. Replays teach what can be done, the reward makes
    it sure: imitated to the end, they keep the policy as random as they are."""
    replay_hold: float = 0.3
    """Share of training after which it begins to fall, linearly."""
    old_logps: OldLogps = "rewritten"
    """Old log-probabilities of replays: under the rewritten prompt, or copied from the original one, as released."""
    clip: float = 0.2
    clip_replays: bool = True
    """Replays are clipped like other rows."""
    dual_clip: float = 3.0
    """Bound of the loss at negative advantages."""
    kl: float = 0.0
    """Coefficient of the KL penalty to the base model, taken off the reward token by token; 0 for none."""


def replay_share(rules: ReinforceRules, done: float) -> float:
    """What is left of the advantage of replays when this share of training is done."""
    return 1.0 - (1.0 - rules.replay_end) * max(0.0, done - rules.replay_hold) / max(1.0 - rules.replay_hold, 1e-9)


def whiten(values: Tensor, mask: Tensor) -> Tensor:
    """Mean 0 and variance 1 over the tokens in the mask (unbiased variance); 0 where all are equal."""
    count = mask.sum()
    mean = (values * mask).sum() / count
    variance = ((values - mean).square() * mask).sum() / (count - 1).clamp(min=1)
    return (values - mean) * torch.rsqrt(variance + 1e-8) * mask


def returns(rewards: Tensor, mask: Tensor, penalty: Tensor | None = None) -> Tensor:
    """Return-to-go of each token: the outcome, less what the KL penalty takes from here on.

    Args:
        rewards: [N]. mask: [N, T]. penalty: [N, T], kl * (log pi_old - log pi_base) per token.
    """
    outcome = rewards[:, None] * mask
    if penalty is None:
        return outcome
    return outcome - (penalty * mask).flip(1).cumsum(1).flip(1) * mask


def advantages(originals: Tensor, mask: Tensor, replays: Tensor, replay_mask: Tensor, rules: ReinforceRules) -> Tensor:
    """Advantages of all rows, originals first.

    Args:
        originals, mask: returns-to-go and mask of the originals [N, T]. replays, replay_mask: of the replays [R, T].

    Returns:
        [N + R, T].
    """
    if rules.advantage == "pooled":
        return whiten(torch.cat((originals, replays)), torch.cat((mask, replay_mask)))
    return torch.cat((whiten(originals, mask), rules.replay_advantage * replay_mask))


def loss(
    log_probs: Tensor, old: Tensor, advantage: Tensor, mask: Tensor, replayed: Tensor, rules: ReinforceRules
) -> Tensor:
    """The loss of a minibatch, averaged over its tokens.

    Args:
        log_probs, old, advantage, mask: [N, T]. replayed: [N], true for replays.
    """
    ratio = ((log_probs - old) * mask).exp()
    clipped = ratio.clamp(1 - rules.clip, 1 + rules.clip)
    if not rules.clip_replays:
        clipped = torch.where(replayed[:, None], ratio, clipped)
    worse = torch.maximum(-advantage * ratio, -advantage * clipped)
    bounded = torch.where(advantage < 0, torch.minimum(worse, -advantage * rules.dual_clip), worse)
    return (bounded * mask).sum() / mask.sum().clamp(min=1)
