"""Which failures are replayed: diversity + lambda * integrity, with lambda growing. Standard library and NumPy.

Source: HiR, arXiv 2512.23457, and its released code. If the two differ, the setting names the source.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from hindsight_rl.errors import HindsightError
from hindsight_rl.replay.rollout import Rollout

Strategy = Literal["curriculum", "random", "integrity", "diversity"]
Scope = Literal["batch", "group"]


LARGEST = 1e12
"""Bound on the weight of integrity. It is finite, and so large that diversity decides only between equal integrity."""


@dataclass(frozen=True)
class Curriculum:
    """The growing weight of integrity: start * (1 + growth) ** step, first step 1 (from the released code).

    cap: an upper bound (ours). Without it the weight exceeds 250 by step 100: nearly solved failures come first.
    """

    start: float = 2.0
    growth: float = 0.05
    cap: float = float("inf")

    def weight(self, step: int) -> float:
        """Lambda at this step (1 is the first), at most `LARGEST`."""
        most = min(self.cap, LARGEST)
        try:
            return min(self.start * (1.0 + self.growth) ** step, most)
        except OverflowError:
            return most if self.start else 0.0


@dataclass(frozen=True)
class Selector:
    """Which of the eligible failures are replayed.

    strategy: `curriculum` (diversity + lambda * integrity), `integrity` or `diversity` alone, or `random`.
    scope: `batch` takes the best of the whole batch (the released code), `group` at most `per_group` of each prompt
    (the paper's text; also an even spread).
    """

    strategy: Strategy = "curriculum"
    scope: Scope = "batch"
    per_group: int = 2
    curriculum: Curriculum = field(default_factory=Curriculum)

    def __post_init__(self) -> None:
        for name, value, known in (
            ("strategy", self.strategy, ("curriculum", "random", "integrity", "diversity")),
            ("scope", self.scope, ("batch", "group")),
        ):
            if value not in known:
                raise HindsightError(f"selector {name} is {value!r}: one of {', '.join(known)}")
        if self.per_group < 1:
            raise HindsightError(f"selector per_group is {self.per_group}: it must be at least 1")

    def score(self, rollout: Rollout, step: int, rng: np.random.Generator) -> float:
        """The score of this failure; higher scores are replayed first."""
        if self.strategy == "random":
            return float(rng.random())
        if self.strategy == "integrity":
            return rollout.integrity
        if self.strategy == "diversity":
            return rollout.entropy
        return rollout.entropy + self.curriculum.weight(step) * rollout.integrity

    def order(self, rollouts: Sequence[Rollout], of: Sequence[int], step: int, rng: np.random.Generator) -> list[int]:
        """The candidates `of` (indices of rollouts), highest score first; ties are broken at random."""
        scores = [self.score(rollouts[index], step, rng) for index in of]
        if not np.isfinite(scores).all():  # because of the entropy: all else is bounded
            bad = of[int(np.flatnonzero(~np.isfinite(scores))[0])]
            raise HindsightError(
                f"rollout {bad}: entropy is {rollouts[bad].entropy}; the policy's logits are not finite"
            )
        luck = rng.permutation(len(of))
        return [of[place] for place in sorted(range(len(of)), key=lambda place: (-scores[place], luck[place]))]
