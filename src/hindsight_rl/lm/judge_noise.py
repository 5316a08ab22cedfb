"""A judge that errs at chosen rates, for studies."""

import hashlib
from collections.abc import Sequence

from hindsight_rl.errors import HindsightError
from hindsight_rl.lm.soft import Ask, Decides, Judging


class NoisyJudge(Judging):
    """A judge that errs at a chosen rate, for studies; the same question gets the same answer, as from a cache.

    Args:
        inner: whose verdicts are spoiled; missing ones stay missing.
        false_positive: share of "unsatisfied" that becomes "satisfied".
        false_negative: share of "satisfied" that becomes "unsatisfied".
        seed: which ones.
    """

    def __init__(self, inner: Decides, false_positive: float = 0.0, false_negative: float = 0.0, seed: int = 0):
        for name, rate in (("false_positive", false_positive), ("false_negative", false_negative)):
            if not 0 <= rate <= 1:
                raise HindsightError(f"{name} is {rate}: it must be between 0 and 1")
        self.inner, self.seed = inner, seed
        self.false_positive, self.false_negative = false_positive, false_negative
        self.flipped = 0

    def decide(self, asks: Sequence[Ask]) -> list[bool | None]:
        """The inner verdicts, some of them turned round."""
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
