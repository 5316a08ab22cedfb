"""A rollout, the rewrite of its instruction, and what a rewriter is. Standard library only."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from hindsight_rl.replay.instruction import Constraint, Instruction, Verdict


@dataclass(frozen=True)
class Rollout:
    """One attempt.

    instruction: what was asked. response: the decoded text, thought included (:mod:`~hindsight_rl.replay.verification`
    says what of it is the answer). verdict: one boolean per constraint, in their order.
    group: index of its prompt in the batch. entropy: mean entropy of the policy per response token, in nats, under
    the original prompt, before the update (the paper sums over tokens, the released code takes this mean).
    complete: it ended by itself; a truncated response is never replayed.
    """

    instruction: Instruction
    response: str
    verdict: Verdict
    group: int = 0
    entropy: float = 0.0
    complete: bool = True

    def __post_init__(self) -> None:
        if len(self.verdict) != len(self.instruction.constraints):
            raise ValueError(f"{len(self.verdict)} verdicts for {len(self.instruction.constraints)} constraints")

    @property
    def integrity(self) -> float:
        """Share of the constraints that hold, under the original instruction; 0 where there are none."""
        return sum(self.verdict) / len(self.verdict) if self.verdict else 0.0

    @property
    def succeeded(self) -> bool:
        """Every constraint holds."""
        return bool(self.verdict) and all(self.verdict)


@dataclass(frozen=True)
class Rewrite:
    """An instruction made of what a response achieved.

    kept, changed, dropped: indices into the original instruction's constraints; together they are all of them.
    """

    instruction: Instruction
    kept: tuple[int, ...]
    changed: tuple[int, ...] = ()
    dropped: tuple[int, ...] = ()

    @property
    def share(self) -> float:
        """Of the constraints, those that were kept or changed."""
        return 1 - len(self.dropped) / (len(self.kept) + len(self.changed) + len(self.dropped))


class Rejected(Exception):
    """A rewriter's reason, in few words, not to replay a rollout; it is counted, and the next one is tried."""


class Rewriter(Protocol):
    """From a failed rollout to the instruction that it fulfilled (:mod:`hindsight_rl.replay.rewriting` has those)."""

    @property
    def name(self) -> str:
        """As the command line knows it."""
        ...

    def eligible(self, rollout: Rollout) -> bool:
        """Cheap test, before selection: can a rewrite of this rollout exist?"""
        ...

    def rewrite(self, rollout: Rollout) -> Rewrite | None:
        """The rewritten instruction, or None where nothing worth asking remains.

        Raises :class:`Rejected` where there is another reason not to replay it.
        """
        ...

    def lend(
        self, constraint: Constraint, response: str, beside: Sequence[Constraint], prompt: str | None = None
    ) -> Constraint | None:
        """A constraint of another instruction as this response fulfils it, beside others; None where it does not."""
        ...
