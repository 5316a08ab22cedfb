"""A rollout, the rewrite of its instruction, and what a rewriter is. Standard library only."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from hindsight_rl.replay.instruction import Constraint, Instruction, Verdict

REPEATED_WORDS = 4
"""Shorter constraints can occur in an answer by chance."""
_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Rollout:
    """One response of the policy to an instruction.

    response: the decoded text, thought included (:mod:`~hindsight_rl.replay.verification` extracts the answer).
    verdict: one boolean per constraint, in their order. group: index of its prompt in the batch. entropy: mean entropy
    of the policy per response token, in nats, under the original prompt, before the update (the paper sums over tokens;
    the released code takes this mean). complete: false if the response was cut off; such a response is never replayed.
    observed: what an environment or a tool wrote in the response, as text; "" if the policy wrote all of it.
    """

    instruction: Instruction
    response: str
    verdict: Verdict
    group: int = 0
    entropy: float = 0.0
    complete: bool = True
    observed: str = ""

    def __post_init__(self) -> None:
        if len(self.verdict) != len(self.instruction.constraints):
            raise ValueError(f"{len(self.verdict)} verdicts for {len(self.instruction.constraints)} constraints")

    @property
    def integrity(self) -> float:
        """Share of the original instruction's constraints that hold; 0 without constraints."""
        return sum(self.verdict) / len(self.verdict) if self.verdict else 0.0

    @property
    def succeeded(self) -> bool:
        """Every constraint holds."""
        return bool(self.verdict) and all(self.verdict)


@dataclass(frozen=True)
class Rewrite:
    """An instruction made from the result of a response.

    kept, changed, dropped: indices into the original instruction's constraints; together they are all of them.
    """

    instruction: Instruction
    kept: tuple[int, ...]
    changed: tuple[int, ...] = ()
    dropped: tuple[int, ...] = ()

    @property
    def share(self) -> float:
        """Share of the constraints that were kept or changed."""
        return 1 - len(self.dropped) / (len(self.kept) + len(self.changed) + len(self.dropped))


class Rejected(Exception):
    """A rewriter's reason, in a few words, not to replay a rollout. It is counted, and the next rollout is tried."""


def quoted(rollout: Rollout, rewritten: Instruction) -> str | None:
    """A constraint that an observation quotes and that the rewritten instruction lacks; None if there is none.

    The environment would not have written it under the rewritten instruction, so such a replay is not true.
    """
    observed = " ".join(rollout.observed.lower().split())
    gone = [text for text in rollout.instruction.texts if text not in rewritten.texts] if observed else []
    return next((text for text in gone if " ".join(text.lower().split()) in observed), None)


def repeated(rollout: Rollout) -> str | None:
    """A constraint that the answer repeats as it is worded, in at least :data:`REPEATED_WORDS` words; None without one.

    Small models sometimes continue the list of constraints where they should answer. Some constraints hold for such a
    text by chance; replayed, it teaches the model to repeat its instruction.
    """
    answer = f" {' '.join(_WORD.findall(rollout.response.lower()))} "
    for text in rollout.instruction.texts:
        words = _WORD.findall(text.lower())
        if len(words) >= REPEATED_WORDS and f" {' '.join(words)} " in answer:
            return text
    return None


class Rewriter(Protocol):
    """From a failed rollout to an instruction that it fulfilled; see :mod:`hindsight_rl.replay.rewriting`."""

    @property
    def name(self) -> str:
        """Its name on the command line."""
        ...

    def eligible(self, rollout: Rollout) -> bool:
        """A cheap test before selection: can there be a rewrite of this rollout?"""
        ...

    def rewrite(self, rollout: Rollout) -> Rewrite | None:
        """The rewritten instruction, or None if no sensible constraint remains.

        Raises :class:`Rejected` if there is another reason not to replay it.
        """
        ...

    def lend(
        self, constraint: Constraint, response: str, beside: Sequence[Constraint], prompt: str | None = None
    ) -> Constraint | None:
        """A constraint of another instruction with a value that this response fulfils, or None. It must not repeat or
        contradict those `beside` it."""
        ...
