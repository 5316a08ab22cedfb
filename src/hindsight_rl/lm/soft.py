"""Soft constraints, which no program checks, and what follows from being able to decide them."""

import warnings
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from hindsight_rl.errors import HindsightError
from hindsight_rl.replay.instruction import Constraint, Instruction, Verdict
from hindsight_rl.replay.verification import verifying

SOFT = "soft:judged"
MOST_MISSING = 0.05
"""Share of missing verdicts above which there are none."""


class MissingVerdicts(HindsightError):
    """Too many verdicts of the judge are missing."""


@dataclass(frozen=True)
class Ask:
    """Does the response meet the demand? context: what was asked, as far as the judge should know it."""

    demand: str
    response: str
    context: str = ""


class Decides(Protocol):
    """Whatever can decide many asks at the same time: :class:`Judge`, :class:`NoisyJudge`, a person."""

    def decide(self, asks: Sequence[Ask]) -> Sequence[bool | None]:
        """One boolean for each ask; None where there is no verdict."""
        ...


@dataclass(frozen=True)
class SoftConstraint:
    """A demand whose verdicts come from a judge; satisfies :class:`hindsight_rl.replay.instruction.Constraint`.

    text: the demand in words. judge: who decides. task: what it belongs to, shown to the judge; without it the judge
    is shown the prompt of the first check.
    """

    text: str
    judge: Decides = field(compare=False, repr=False)
    task: str | None = field(default=None, compare=False)

    @property
    def id(self) -> str:
        """Always the same: soft constraints differ by their text."""
        return SOFT

    @property
    def kwargs(self) -> dict[str, Any]:
        """The text."""
        return {"text": self.text}

    def describe(self) -> str:
        """The demand in words."""
        return self.text

    def ask(self, response: str, prompt: str | None = None) -> Ask:
        """The question to the judge."""
        return Ask(self.text, response, self.task if self.task is not None else prompt or "")

    def check(self, response: str, prompt: str | None = None) -> bool:
        """The verdict; asked once for a response, known under every other prompt.

        Raises:
            MissingVerdicts: too many are missing, see :meth:`Judging.settled`.
            EndpointError: a strict judge's endpoint failed.
        """
        found = self.judge.decide([self.ask(response, prompt)])
        if isinstance(self.judge, Judging):
            return self.judge.settled(found)[0]
        if found[0] is None:
            raise MissingVerdicts(f"no verdict on {self.text!r:.60}")
        return found[0]


class Judging(ABC):
    """What follows from being able to decide: constraints, instructions and verdicts."""

    @abstractmethod
    def decide(self, asks: Sequence[Ask]) -> Sequence[bool | None]:
        """See :class:`Decides`."""

    def given(self, pairs: Sequence[tuple[Instruction, str]]) -> list[list[bool | None]]:
        """As :meth:`verify_batch`, with None where a verdict is missing, however many are."""
        soft = [
            (constraint, response, instruction.prompt)
            for instruction, response in pairs
            for constraint in instruction.constraints
            if isinstance(constraint, SoftConstraint)
        ]
        decided = iter(self.decide([constraint.ask(response, prompt) for constraint, response, prompt in soft]))

        def one(constraint: Constraint, response: str, prompt: str) -> bool | None:
            return next(decided) if isinstance(constraint, SoftConstraint) else constraint.check(response, prompt)

        return [
            [one(constraint, response, instruction.prompt) for constraint in instruction.constraints]
            for instruction, response in pairs
        ]

    def constraint(self, text: str, task: str | None = None) -> SoftConstraint:
        """A demand as a constraint."""
        return SoftConstraint(text, self, task)

    def judged(self, instruction: Instruction) -> Instruction:
        """The instruction with its soft demands as constraints, after the others; its prompt is unchanged."""
        if not instruction.soft:
            return instruction
        more = tuple(self.constraint(text, instruction.task) for text in instruction.soft)
        return replace(
            instruction, constraints=(*instruction.constraints, *more), texts=(*instruction.texts, *instruction.soft),
            soft=(), needs=(),
        )  # fmt: skip

    def __call__(self, instruction: Instruction, response: str) -> Verdict:
        """One boolean per constraint, then one per demand in ``instruction.soft``.

        So a judge is what CFBench's scores ask for, whose instructions have soft demands alone, and what replay's
        verification asks for, where they have become constraints.
        """
        return verifying(self).verify_batch([(self.judged(instruction), response)])[0]

    def verify_batch(self, pairs: Sequence[tuple[Instruction, str]]) -> list[Verdict]:
        """One verdict per (instruction, answer), aligned with its constraints; all that is soft is asked together.

        This is :class:`hindsight_rl.replay.verification.Verifier`; for raw responses, see
        :func:`~hindsight_rl.replay.verification.verifying`. For missing verdicts see :meth:`settled`.
        """
        found = self.given(pairs)
        soft = [
            holds
            for (instruction, _), verdict in zip(pairs, found, strict=True)
            for constraint, holds in zip(instruction.constraints, verdict, strict=True)
            if isinstance(constraint, SoftConstraint)
        ]
        self.settled(soft)
        return [[bool(holds) for holds in verdict] for verdict in found]

    def settled(self, found: Sequence[bool | None]) -> list[bool]:
        """Verdicts for who must have one for each demand: a missing one counts as not met, with a warning.

        Raises:
            MissingVerdicts: of all verdicts that were settled so far, more than :data:`MOST_MISSING` were missing.
        """
        missing = sum(holds is None for holds in found)
        tally: Counter[str] = self.__dict__.setdefault("_settled", Counter())
        tally.update(all=len(found), missing=missing)
        if missing:
            said = f"{tally['missing']} of {tally['all']} verdicts of the judge are missing"
            if tally["missing"] > MOST_MISSING * tally["all"]:
                raise MissingVerdicts(
                    f"{said}, more than {MOST_MISSING:.0%}; check its server and its model (a model that thinks needs "
                    "more --endpoint.answer-tokens)"
                )
            warnings.warn(f"{said}; they count as not met", stacklevel=2)
        return [bool(holds) for holds in found]
