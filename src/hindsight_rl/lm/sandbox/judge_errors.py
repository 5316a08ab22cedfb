"""Errors of a judge, added on purpose: training with wrong verdicts, for studies."""

import hashlib
from dataclasses import dataclass

from hindsight_rl.errors import HindsightError
from hindsight_rl.replay.instruction import Verdict
from hindsight_rl.replay.verification import Pairs, Verifier


@dataclass(frozen=True)
class JudgeErrors:
    """Error rates of the verdicts in training. Evaluations always use true verdicts."""

    false_positive: float = 0.0
    """Share of violated constraints that count as satisfied."""
    false_negative: float = 0.0
    """Share of satisfied constraints that count as violated."""

    @property
    def any(self) -> bool:
        """Whether there are errors at all."""
        return self.false_positive > 0 or self.false_negative > 0

    def checked(self) -> None:
        """Raise :class:`HindsightError` for a rate that is no share."""
        for name, rate in (("positive", self.false_positive), ("negative", self.false_negative)):
            if not 0 <= rate <= 1:
                raise HindsightError(f"--judge.false-{name} {rate}: a share between 0 and 1")


class ErringVerifier:
    """A verifier with these error rates. The same constraint and response always get the same verdict.

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
                holds != self._errs(f"{each.id}\0{sorted(each.kwargs.items())}\0{response}", bool(holds))
                for each, holds in zip(instruction.constraints, verdict, strict=True)
            ]
            for (instruction, response), verdict in zip(pairs, self.inner.verify_batch(pairs), strict=True)
        ]

    def _errs(self, question: str, holds: bool) -> bool:
        digest = hashlib.blake2b(f"{self.seed}\0{question}".encode(), digest_size=8).digest()
        rate = self.errors.false_negative if holds else self.errors.false_positive
        return int.from_bytes(digest) / 2**64 < rate
