"""Soft constraints, which no program checks, and the base class of judges that decide them."""

import warnings
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from hindsight_rl.errors import HindsightError
from hindsight_rl.evaluation.cfbench import MOST_MISSING
from hindsight_rl.replay.instruction import Constraint, Instruction, Verdict
from hindsight_rl.replay.verification import verifying

SOFT = "soft:judged"


class MissingVerdicts(HindsightError):
    """Too many of the judge's verdicts are missing."""


@dataclass(frozen=True)
class Ask:
    """A question to a judge: does the response meet the demand? context: the part of the prompt that the judge sees.
    any_context: the verdict is reused under other contexts."""

    demand: str
    response: str
    context: str = ""
    any_context: bool = False

    @property
    def key(self) -> tuple[str, ...]:
        """Equal for questions that have one verdict."""
        return (self.demand, self.response) if self.any_context else (self.demand, self.response, self.context)


class Decides(Protocol):
    """Decides many questions at the same time: :class:`Judge`, :class:`NoisyJudge`, or a person."""

    def decide(self, asks: Sequence[Ask]) -> Sequence[bool | None]:
        """One boolean per question; None for a missing verdict."""
        ...


@dataclass(frozen=True)
class SoftConstraint:
    """A demand that a judge decides; satisfies :class:`hindsight_rl.replay.instruction.Constraint`.

    text: the demand in words. judge: decides. task: the task of the demand, which the judge sees; without it, the judge
    sees the prompt of the first check.
    """

    text: str
    judge: Decides = field(compare=False, repr=False)
    task: str | None = field(default=None, compare=False)

    @property
    def id(self) -> str:
        """The same id for all soft constraints; they differ by their text."""
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
        if self.task is not None:
            return Ask(self.text, response, self.task)
        return Ask(self.text, response, prompt or "", any_context=True)

    def check(self, response: str, prompt: str | None = None) -> bool:
        """The verdict. It is asked for once per response, and reused under other prompts.

        Raises:
            MissingVerdicts: too many verdicts are missing, see :meth:`Judging.settled`.
            EndpointError: a strict judge's endpoint failed.
        """
        found = self.judge.decide([self.ask(response, prompt)])
        if isinstance(self.judge, Judging):
            return self.judge.settled(found)[0]
        if found[0] is None:
            raise MissingVerdicts(f"no verdict on {self.text!r:.60}")
        return found[0]


class Judging(ABC):
    """Constraints, instructions and verdicts, for a class that can decide questions."""

    @abstractmethod
    def decide(self, asks: Sequence[Ask]) -> Sequence[bool | None]:
        """See :class:`Decides`."""

    def given(self, pairs: Sequence[tuple[Instruction, str]]) -> list[list[bool | None]]:
        """Like :meth:`verify_batch`, but missing verdicts are None and never raise an error."""
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
        """The instruction with its soft demands as constraints after the other constraints; its prompt is unchanged."""
        if not instruction.soft:
            return instruction
        more = tuple(self.constraint(text, instruction.task) for text in instruction.soft)
        return replace(
            instruction, constraints=(*instruction.constraints, *more), texts=(*instruction.texts, *instruction.soft),
            soft=(), needs=(),
        )  # fmt: skip

    def __call__(self, instruction: Instruction, response: str) -> Verdict:
        """One boolean per constraint, then one per demand in ``instruction.soft``.

        For a single response; :meth:`verify_batch` asks about many at the same time.
        """
        return verifying(self).verify_batch([(self.judged(instruction), response)])[0]

    def verify_batch(self, pairs: Sequence[tuple[Instruction, str]]) -> list[Verdict]:
        """One verdict per (instruction, answer), aligned with its constraints; all soft ones are decided in one call.

        This makes the class a :class:`hindsight_rl.replay.verification.Verifier`. For raw responses see
        :func:`~hindsight_rl.replay.verification.verifying`; for missing verdicts see :meth:`settled`.
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
        """Verdicts without None: a missing verdict counts as not met, with a warning.

        Raises:
            MissingVerdicts: of all verdicts in calls of this method so far, a larger share than :data:`MOST_MISSING`
                was missing.
        """
        missing = sum(holds is None for holds in found)
        tally: Counter[str] = self.__dict__.setdefault("_settled", Counter())
        tally.update(all=len(found), missing=missing)
        if missing:
            message = f"{tally['missing']} of {tally['all']} verdicts of the judge are missing"
            if tally["missing"] > MOST_MISSING * tally["all"]:
                raise MissingVerdicts(
                    f"{message}, more than {MOST_MISSING:.0%}; check its server and its model "
                    "(a thinking model needs more --endpoint.answer-tokens)"
                )
            warnings.warn(f"{message}; they count as not met", stacklevel=2)
        return [bool(holds) for holds in found]
