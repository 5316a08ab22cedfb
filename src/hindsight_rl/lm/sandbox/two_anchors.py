"""The update of MDP-GRPO (Salmani-Zarchi et al. 2026, arXiv 2606.06058): a gradient also where all rewards of a group
are alike, without rewriting.

The reward r of a rollout is the share of satisfied constraints. Its advantage mixes two anchors, each bounded by
S(v) = gain * tanh(slope * v) above 0 and loss * tanh(slope * v) below:

    A = (1 - mix) * S((r - mean) / std)  +  mix * S((r - max(1/2, mean)) / sqrt(G / (4 C)))

with mean and population std of the group of G rollouts, and C constraints. The rollouts of a group are sampled at
different temperatures, and the KL penalty is larger for rollouts with a negative advantage. Values and formulas are
those of the released trainer (m-salmani78/trl, branch MDP-GRPO). It clips the ratio per token, as we do. Its loss is
averaged per response, ours over all tokens, as for every method of the sandbox.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

COLDEST, HOTTEST = 0.1, 1.0
"""Temperatures of the first and the last rollout of a group; the others lie evenly between them."""


@dataclass(frozen=True)
class TwoAnchorRules:
    """The choices of the method.

    mix: weight of the second anchor (released script: 0.2). slope, gain, loss: of the shaping; the released
    configuration says 0.8, 1.25 and 2, its script 0.8, 2 and 1.25. kl_gain, kl_loss: coefficients of the KL penalty
    where the advantage is at least 0, and below.
    """

    mix: float = 0.2
    slope: float = 0.8
    gain: float = 1.25
    loss: float = 2.0
    kl_gain: float = 0.01
    kl_loss: float = 0.025

    def shaped(self, values: Tensor) -> Tensor:
        """Bounded values; those below 0 weigh more if ``loss`` exceeds ``gain``."""
        return torch.tanh(self.slope * values) * torch.where(values >= 0, self.gain, self.loss)

    def advantages(self, rewards: Tensor, constraints: Sequence[int]) -> Tensor:
        """Advantages of rollouts [P, G] from their rewards [P, G] and the numbers of constraints of P prompts."""
        mean, group = rewards.mean(1, keepdim=True), rewards.shape[1]
        spread = rewards.std(1, unbiased=False, keepdim=True).clamp_min(1e-8)
        goal = mean.clamp_min(0.5)
        scale = torch.tensor([math.sqrt(group / (4 * max(count, 1))) for count in constraints])[:, None]
        return (1 - self.mix) * self.shaped((rewards - mean) / spread) + self.mix * self.shaped(
            (rewards - goal) / scale
        )

    def penalty(self, log_probs: Tensor, base: Tensor, advantage: Tensor, mask: Tensor) -> Tensor:
        """The KL penalty of a minibatch, averaged over its tokens; all arguments [N, T]."""
        difference = (base - log_probs) * mask
        kl = difference.exp() - difference - 1
        weight = torch.where(advantage < 0, self.kl_loss, self.kl_gain)
        return (weight * kl * mask).sum() / mask.sum().clamp(min=1)


def temperatures(count: int) -> Tensor:
    """The sampling temperatures of the rollouts of a group [count]."""
    return torch.linspace(COLDEST, HOTTEST, count) if count > 1 else torch.ones(count)
