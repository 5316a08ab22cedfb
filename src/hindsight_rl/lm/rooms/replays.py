"""What a replay of an episode must fulfil beyond its goals. Standard library only.

A replay keeps the transcript, observations included, and changes the instruction. It is true only if the environment
would have answered in the same way under the changed instruction. An observation that depends on the goals (here that
of ``check goals``), or that quotes them, can make it false; then the replay is rejected.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from hindsight_rl.lm.rooms.episode import true_of
from hindsight_rl.lm.rooms.goals import KINDS, Goal
from hindsight_rl.lm.rooms.house import House
from hindsight_rl.replay.instruction import Constraint, Verdict
from hindsight_rl.replay.rollout import Rejected, Rewrite, Rewriter, Rollout
from hindsight_rl.replay.verification import Checks, Pairs, Verifier

DIFFERS = "an observation would differ"
NOTHING = "nothing is asked for"


@dataclass(frozen=True)
class SameObservations:
    """A verifier that rejects what the environment would have answered otherwise.

    The actions are done again under the instruction, and the observations are compared. inner: gives the verdicts.
    """

    inner: Verifier = field(default_factory=Checks)

    def verify_batch(self, pairs: Pairs) -> list[Verdict]:
        """The verdicts of the inner verifier.

        Raises:
            Rejected: an observation of a transcript is not that of its instruction.
        """
        for asked, response in pairs:
            goals = [each for each in asked.constraints if isinstance(each, Goal)]
            if not true_of(House.read(asked.prompt), goals, response):
                raise Rejected(DIFFERS)
        return self.inner.verify_batch(pairs)


def asks(constraints: Sequence[Constraint]) -> bool:
    """Whether one of the constraints asks for an action."""
    return any(not (isinstance(each, Goal) and KINDS[each.kind].forbids) for each in constraints)


@dataclass(frozen=True)
class InHouse:
    """A rewriter for episodes.

    A rewritten instruction that only forbids ("Never enter ...", "Use at most ... moves") is rejected: an agent that
    stops at once fulfils it. Goals lent by other instructions are judged in the house of the episode. inner: does
    everything else.
    """

    inner: Rewriter

    @property
    def name(self) -> str:
        """Of the inner rewriter."""
        return self.inner.name

    def eligible(self, rollout: Rollout) -> bool:
        """As the inner rewriter."""
        return self.inner.eligible(rollout)

    def rewrite(self, rollout: Rollout) -> Rewrite | None:
        """As the inner rewriter.

        Raises:
            Rejected: what is left of the instruction only forbids.
        """
        made = self.inner.rewrite(rollout)
        if made is not None and not asks(made.instruction.constraints):
            raise Rejected(NOTHING)
        return made

    def lend(
        self, constraint: Constraint, response: str, beside: Sequence[Constraint], prompt: str | None = None
    ) -> Constraint | None:
        """The goal in this house if it holds there, else None."""
        if isinstance(constraint, Goal) and prompt is not None:
            constraint = constraint.within(House.read(prompt))
        return self.inner.lend(constraint, response, beside, prompt)
