"""A judge with chosen error rates, for studies."""

import hashlib
from collections.abc import Sequence

from hindsight_rl.errors import HindsightError
from hindsight_rl.lm.soft import Ask, Decides, Judging


class NoisyJudge(Judging):
    """A judge with chosen error rates, for studies. The same question always gets the same answer.

    Args:
        inner: the judge whose verdicts are changed; missing verdicts stay missing.
        false_positive: share of "unsatisfied" verdicts that become "satisfied".
        false_negative: share of "satisfied" verdicts that become "unsatisfied".
        seed: selects the verdicts that are changed.
    """

    def __init__(self, inner: Decides, false_positive: float = 0.0, false_negative: float = 0.0, seed: int = 0):
        for name, rate in (("false_positive", false_positive), ("false_negative", false_negative)):
            if not 0 <= rate <= 1:
                raise HindsightError(f"{name} is {rate}: it must be between 0 and 1")
        self.inner, self.seed = inner, seed
        self.false_positive, self.false_negative = false_positive, false_negative
        self.flipped = 0

    def decide(self, asks: Sequence[Ask]) -> list[bool | None]:
        """The verdicts of the inner judge, some of them inverted."""
        found: list[bool | None] = []
        for ask, satisfied in zip(asks, self.inner.decide(asks), strict=True):
            if satisfied is None:
                found.append(None)
                continue
            text = f"{self.seed}\0{ask.demand}\0{ask.response}".encode("utf-8", "replace")
            luck = int.from_bytes(hashlib.sha256(text).digest()[:8]) / 2**64
            flip = luck < (self.false_negative if satisfied else self.false_positive)
            self.flipped += flip
            found.append(satisfied != flip)
        return found
