"""Wrong verdicts at chosen rates, for studies: of a judge of soft demands, and of a verifier of constraints."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from hindsight_rl.errors import HindsightError
from hindsight_rl.lm.soft import Ask, Decides, Judging
from hindsight_rl.replay.instruction import Constraint, Verdict
from hindsight_rl.replay.verification import Pairs, Verifier


@dataclass(frozen=True)
class JudgeErrors:
    """Error rates of verdicts."""

    false_positive: float = 0.0
    """Share of violated constraints that count as satisfied."""
    false_negative: float = 0.0
    """Share of satisfied constraints that count as violated."""

    @property
    def any(self) -> bool:
        """Whether there are errors at all."""
        return self.false_positive > 0 or self.false_negative > 0

    def changes(self, satisfied: bool, demand: str, response: str, seed: int) -> bool:
        """Whether this verdict is wrong: always the same for the same demand, response and seed."""
        text = f"{seed}\0{demand}\0{response}".encode("utf-8", "replace")
        luck = int.from_bytes(hashlib.sha256(text).digest()[:8]) / 2**64
        return luck < (self.false_negative if satisfied else self.false_positive)


class NoisyJudge(Judging):
    """A judge with chosen error rates. The same question always gets the same answer.

    Args:
        inner: the judge whose verdicts are changed; missing verdicts stay missing.
        false_positive, false_negative: see :class:`JudgeErrors`.
        seed: selects the verdicts that are changed.
    """

    def __init__(self, inner: Decides, false_positive: float = 0.0, false_negative: float = 0.0, seed: int = 0):
        for name, rate in (("false_positive", false_positive), ("false_negative", false_negative)):
            if not 0 <= rate <= 1:
                raise HindsightError(f"{name} is {rate}: it must be between 0 and 1")
        self.inner, self.seed = inner, seed
        self.errors = JudgeErrors(false_positive, false_negative)
        self.flipped = 0

    def decide(self, asks: Sequence[Ask]) -> list[bool | None]:
        """The verdicts of the inner judge, some of them inverted."""
        found: list[bool | None] = []
        for ask, satisfied in zip(asks, self.inner.decide(asks), strict=True):
            if satisfied is None:
                found.append(None)
                continue
            flip = self.errors.changes(satisfied, ask.demand, ask.response, self.seed)
            self.flipped += flip
            found.append(satisfied != flip)
        return found


class NoisyVerifier:
    """A verifier with chosen error rates. The same constraint and response always get the same verdict.

    Args:
        inner: gives the true verdicts.
        errors: the rates.
        seed: selects the verdicts that are changed.
    """

    def __init__(self, inner: Verifier, errors: JudgeErrors, seed: int):
        self.inner, self.errors, self.seed = inner, errors, seed

    def verify_batch(self, pairs: Pairs) -> list[Verdict]:
        """One boolean per constraint of each pair."""
        return [
            [
                holds != self.errors.changes(bool(holds), _question(each), response, self.seed)
                for each, holds in zip(instruction.constraints, verdict, strict=True)
            ]
            for (instruction, response), verdict in zip(pairs, self.inner.verify_batch(pairs), strict=True)
        ]


def _question(constraint: Constraint) -> str:
    return f"{constraint.id} {sorted(constraint.kwargs.items())}"
