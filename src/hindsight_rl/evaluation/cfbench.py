"""CFBench's three scores from a judge's verdicts (Zhang et al. 2024, arXiv 2408.01122).

The judge is whatever satisfies :class:`Judge`; CFBench itself asks a large model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from hindsight_rl.errors import HindsightError
from hindsight_rl.replay.instruction import Instruction, Verdict


class Judge(Protocol):
    """Decides the demands that no program can."""

    def __call__(self, instruction: Instruction, response: str) -> Verdict:
        """One boolean per demand in ``instruction.soft``, in their order."""
        ...


@dataclass(frozen=True)
class Scores:
    """CSR: mean share of demands met. ISR: share of prompts with all met. PSR: with the primary ones met, and
    enough of the others (see :func:`priority`). All in 0..1."""

    csr: float
    isr: float
    psr: float
    prompts: int


def priority(verdict: Sequence[bool], primary: Sequence[bool]) -> bool:
    """Whether a response counts for PSR: no primary demand failed, and over 80 % by the weights.

    Only secondary demands: over 80 % of them met. Both kinds: half the weight is the primary ones', half the
    share of secondary ones met.
    """
    if any(first and not holds for holds, first in zip(verdict, primary, strict=True)):
        return False
    secondary = [holds for holds, first in zip(verdict, primary, strict=True) if not first]
    if not secondary:
        return True
    share = round(sum(secondary) / len(secondary), 2)
    return (share if len(secondary) == len(verdict) else 0.5 + 0.5 * share) > 0.8


def scores(instructions: Sequence[Instruction], verdicts: Sequence[Verdict]) -> Scores:
    """The scores of a file; raises :class:`HindsightError` where a verdict is not aligned with its demands."""
    csr = isr = psr = 0.0
    for instruction, verdict in zip(instructions, verdicts, strict=True):
        if len(verdict) != len(instruction.soft) or not verdict:
            raise HindsightError(
                f"prompt {instruction.key}: {len(verdict)} verdicts for {len(instruction.soft)} demands"
            )
        share = round(sum(verdict) / len(verdict), 2)
        csr += share
        isr += share >= 1
        psr += priority(verdict, instruction.meta["primary"])
    count = len(instructions) or 1
    return Scores(csr / count, isr / count, psr / count, len(instructions))
