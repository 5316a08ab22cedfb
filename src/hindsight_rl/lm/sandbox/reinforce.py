"""Reinforce++ with replayed rows: advantages and loss.

Outcome rewards without a discount; one whitening over the tokens of the batch (no group baseline); the clipped PPO
loss, averaged over tokens. The released HiR and the sandbox's defaults differ in two choices. Each choice is a
setting: how the advantages of replays are normalised, and under which prompt their old log-probability is computed.
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
    """`split`: only originals are whitened, replays get a fixed advantage. `pooled`: all rows are whitened together
    (released code)."""
    replay_advantage: float = 1.0
    """Advantage of replays, for `split`."""
    replay_end: float = 1.0
    """Share of the replays' advantage that remains at the end of training. Replays show the policy new behaviour; the
    reward makes this behaviour reliable. If replays are imitated until the end, the policy stays too random."""
    replay_hold: float = 0.3
    """Share of training after which this advantage begins to fall, linearly."""
    old_logps: OldLogps = "rewritten"
    """Old log-probabilities of replays: under the rewritten prompt, or under the original prompt (released code)."""
    clip: float = 0.2
    clip_replays: bool = True
    """Clip replays like other rows."""
    dual_clip: float = 3.0
    """Bound of the loss for negative advantages (dual clip)."""
    kl: float = 0.0
    """Coefficient of the KL penalty to the base model, subtracted from the reward at each token; 0 for none."""


def replay_share(rules: ReinforceRules, done: float) -> float:
    """Remaining share of the replays' advantage after this share of training."""
    return 1.0 - (1.0 - rules.replay_end) * max(0.0, done - rules.replay_hold) / max(1.0 - rules.replay_hold, 1e-9)


def whiten(values: Tensor, mask: Tensor) -> Tensor:
    """Mean 0 and variance 1 over the tokens in the mask (unbiased variance); 0 where all are equal."""
    count = mask.sum()
    mean = (values * mask).sum() / count
    variance = ((values - mean).square() * mask).sum() / (count - 1).clamp(min=1)
    return (values - mean) * torch.rsqrt(variance + 1e-8) * mask


def returns(rewards: Tensor, mask: Tensor, penalty: Tensor | None = None) -> Tensor:
    """Return-to-go of each token: the outcome minus the KL penalties from this token on.

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
