"""CFBench's three scores from a judge's verdicts (Zhang et al. 2024, arXiv 2408.01122).

The judge is a language model, see :mod:`hindsight_rl.lm.judge`; CFBench itself uses a large one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hindsight_rl.errors import HindsightError
from hindsight_rl.replay.instruction import Instruction

MaybeVerdict = list[bool | None]
"""One entry per demand; None where the judge gave no verdict."""

MOST_MISSING = 0.05
"""Maximum share of missing verdicts; above it, there are no scores."""


@dataclass(frozen=True)
class Scores:
    """CFBench's scores, each between 0 and 1.

    csr: mean share of satisfied demands. isr: share of prompts with all demands satisfied. psr: share of prompts with
    the primary demands and enough of the others satisfied (see :func:`priority`). prompts: number of scored prompts.
    unjudged: number of prompts that are not scored because a verdict is missing.
    """

    csr: float
    isr: float
    psr: float
    prompts: int
    unjudged: int = 0


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


def scores(instructions: Sequence[Instruction], verdicts: Sequence[Sequence[bool | None]]) -> Scores:
    """The scores of a file.

    A missing verdict does not count as a failure: its prompt is not scored. Raises :class:`HindsightError` where more
    than :data:`MOST_MISSING` are missing, or a verdict is not aligned with its demands.
    """
    csr = isr = psr = 0.0
    scored = 0
    for instruction, verdict in zip(instructions, verdicts, strict=True):
        if len(verdict) != len(instruction.soft) or not verdict:
            raise HindsightError(
                f"prompt {instruction.key}: {len(verdict)} verdicts for {len(instruction.soft)} demands"
            )
        given = [holds for holds in verdict if holds is not None]
        if len(given) < len(verdict):
            continue
        share = round(sum(given) / len(given), 2)
        csr += share
        isr += share >= 1
        psr += priority(given, instruction.meta["primary"])
        scored += 1
    missing_said(instructions, verdicts)
    count = scored or 1
    return Scores(csr / count, isr / count, psr / count, scored, len(instructions) - scored)


def missing_said(instructions: Sequence[Instruction], verdicts: Sequence[Sequence[bool | None]]) -> str:
    """A message about missing verdicts; "" if there are none.

    Raises :class:`HindsightError` where more than :data:`MOST_MISSING` are missing.
    """
    keys = [each.key for each, verdict in zip(instructions, verdicts, strict=True) if None in verdict]
    missing, whole = sum(verdict.count(None) for verdict in verdicts), sum(map(len, verdicts))
    if not missing:
        return ""
    shown = f"{', '.join(map(str, keys[:5]))}{', ...' if len(keys) > 5 else ''}"
    said = f"{missing} of {whole} verdicts are missing (keys {shown})"
    if missing > MOST_MISSING * whole:
        raise HindsightError(f"{said}, more than {MOST_MISSING:.0%}: judge these prompts again")
    return f"{said}; the {len(keys)} prompts are not scored"
