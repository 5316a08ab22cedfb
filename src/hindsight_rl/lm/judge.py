"""Soft constraints, which no program checks, judged by a language model: one yes/no question for each.

    judge = Judge(Endpoint(settings))
    instruction = judge.judged(instruction)              # its soft demands are constraints like any now
    verdicts = judge.verify_batch([(instruction, response)])  # all questions of a batch at the same time
    constraint = judge.constraint("Write in the voice of a pirate.")

Asked about all at once, a judge misses most violations; one at a time it finds over half (arXiv 2601.04954). A verdict
belongs to the demand and the response, not to the prompt around them, so that verifying a rewritten instruction asks
nothing anew. Only the schema's boolean is read: whatever a response says to the judge, a verdict is true or false,
and an answer without that boolean counts as "unsatisfied".
"""

import hashlib
import hmac
import os
import secrets
import threading
from abc import ABC, abstractmethod
from collections import Counter, OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from hindsight_rl.encoder import default_cache_dir
from hindsight_rl.endpoint import Endpoint, EndpointError, MalformedAnswer, Question
from hindsight_rl.errors import HindsightError
from hindsight_rl.replay.instruction import Constraint, Instruction, Verdict
from hindsight_rl.replay.verification import verifying

if TYPE_CHECKING:
    from pydantic import BaseModel

SOFT = "soft:judged"
PROMPT = "judge-1"
REMEMBERED = 200_000
LONGEST = 60_000
"""Characters of a response that are shown; what is longer is cut, and says so."""


@dataclass(frozen=True)
class Ask:
    """Does the response meet the demand? context: what was asked, as far as the judge should know it."""

    demand: str
    response: str
    context: str = ""


class Decides(Protocol):
    """Whatever can decide many asks at the same time: :class:`Judge`, :class:`NoisyJudge`, a person."""

    def decide(self, asks: Sequence[Ask]) -> list[bool]:
        """One boolean for each ask."""
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
        """The verdict; asked once for a response, remembered under every other prompt.

        Raises:
            EndpointError: a strict judge's endpoint failed.
        """
        return self.judge.decide([self.ask(response, prompt)])[0]


class Judging(ABC):
    """What follows from being able to decide: constraints, instructions and verdicts."""

    @abstractmethod
    def decide(self, asks: Sequence[Ask]) -> list[bool]:
        """See :class:`Decides`."""

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
        :func:`~hindsight_rl.replay.verification.verifying`.
        """
        soft = [
            (constraint, response, instruction.prompt)
            for instruction, response in pairs
            for constraint in instruction.constraints
            if isinstance(constraint, SoftConstraint)
        ]
        decided = iter(self.decide([constraint.ask(response, prompt) for constraint, response, prompt in soft]))

        def one(constraint: Constraint, response: str, prompt: str) -> bool:
            return next(decided) if isinstance(constraint, SoftConstraint) else constraint.check(response, prompt)

        return [
            [one(constraint, response, instruction.prompt) for constraint in instruction.constraints]
            for instruction, response in pairs
        ]


class Judge(Judging):
    """A language model that decides soft constraints.

    Args:
        endpoint: whom to ask.
        votes: how often each is asked; the majority decides, and a tie is "unsatisfied".
        strict: raise where the endpoint fails. Otherwise what it did not answer counts as "unsatisfied" this time and
            is asked again the next.
    """

    def __init__(self, endpoint: Endpoint, votes: int = 1, strict: bool = False):
        if votes < 1:
            raise HindsightError(f"the judge has {votes} votes: it must have at least 1")
        self.endpoint, self.votes, self.strict = endpoint, votes, strict
        self._known: OrderedDict[tuple[str, str], bool] = OrderedDict()
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._secret = _secret()

    def decide(self, asks: Sequence[Ask]) -> list[bool]:
        """One boolean for each ask; the same ask is put once.

        Raises:
            EndpointError: strict, and the endpoint failed; what was answered is in its cache.
        """
        with self._lock:
            known = {each: self._known.get((each.demand, each.response)) for each in asks}
        fresh: dict[tuple[str, str], Ask] = {}
        for each in asks:
            if known[each] is None:
                fresh.setdefault((each.demand, each.response), each)
        questions = [self._question(each, vote) for each in fresh.values() for vote in range(self.votes)]
        answers = self.endpoint.ask_many(questions)
        decided: dict[tuple[str, str], bool] = {}
        for index, key in enumerate(fresh):
            decided[key] = self._majority(key, answers[index * self.votes : (index + 1) * self.votes])
        self._counts["remembered"] += len(asks) - len(fresh)
        found = []
        for each in asks:
            before = known[each]
            found.append(decided[each.demand, each.response] if before is None else before)
        return found

    def _majority(self, key: tuple[str, str], answers: Sequence[Any]) -> bool:
        yes = malformed = failed = 0
        for answer in answers:
            if isinstance(answer, MalformedAnswer):
                malformed += 1
            elif isinstance(answer, EndpointError):
                if self.strict:
                    raise answer
                failed += 1
            else:
                yes += answer.value.satisfied
        satisfied = 2 * yes > self.votes
        agreed = max(yes, self.votes - yes) / self.votes
        with self._lock:
            self._counts.update(asked=1, malformed=malformed, unanswered=failed, satisfied=satisfied)
            self._counts["unanimous"] += agreed == 1.0
            self._counts["agreed_votes"] += max(yes, self.votes - yes)
            if not failed:
                self._known[key] = satisfied
                while len(self._known) > REMEMBERED:
                    self._known.popitem(last=False)
        return satisfied

    def _question(self, ask: Ask, vote: int) -> Question:
        response = ask.response
        if len(response) > LONGEST:
            response = f"{response[:LONGEST]}\n[cut here: {len(response):,} characters in all]"
        parts = {"context": ask.context or "(not told)", "demand": ask.demand, "response": response}
        fence = self._fence("\n".join(parts.values()))
        said = prompt()[0].format(fence=fence, **parts)
        sampled = {} if self.votes > 1 else {"temperature": 0.0}
        return Question([{"role": "user", "content": said}], _decision(), sampled, sample=vote)

    def _fence(self, text: str) -> str:
        """Twelve hex digits that nobody who lacks the secret can foretell, and the same for the same text.

        A fence drawn anew each time would make every question new, and every answer be paid twice.
        """
        for salt in range(100):
            fence = hmac.new(self._secret, f"{salt}:{text}".encode("utf-8", "replace"), hashlib.sha256).hexdigest()[:12]
            if fence not in text:
                return fence
        raise AssertionError("unreachable: a hundred fences in one text")

    def metrics(self) -> dict[str, Any]:
        """Counts so far: asked, remembered, satisfied, malformed and unanswered votes, agreement, the endpoint's."""
        with self._lock:
            counts = dict(self._counts)
        asked = counts.get("asked", 0)
        names = ("asked", "remembered", "satisfied", "malformed", "unanswered", "unanimous")
        return {
            **{name: counts.get(name, 0) for name in names},
            "votes": self.votes,
            "agreement": round(counts.get("agreed_votes", 0) / (asked * self.votes), 4) if asked else None,
            "prompt": prompt()[1],
            "model": self.endpoint.settings.model,
            "endpoint": self.endpoint.usage.snapshot(),
        }


class NoisyJudge(Judging):
    """A judge that errs at a chosen rate, for studies; the same question gets the same answer, as from a cache.

    Args:
        inner: whose verdicts are spoiled.
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

    def decide(self, asks: Sequence[Ask]) -> list[bool]:
        """The inner verdicts, some of them turned round."""
        found = []
        for ask, satisfied in zip(asks, self.inner.decide(asks), strict=True):
            text = f"{self.seed}\0{ask.demand}\0{ask.response}".encode("utf-8", "replace")
            luck = int.from_bytes(hashlib.sha256(text).digest()[:8]) / 2**64
            flip = luck < (self.false_negative if satisfied else self.false_positive)
            self.flipped += flip
            found.append(satisfied != flip)
        return found


@cache
def prompt(name: str = PROMPT) -> tuple[str, str]:
    """The text of a prompt file, and its version: name and the beginning of its SHA-256."""
    text = files("hindsight_rl.lm").joinpath(f"prompts/{name}.txt").read_text("utf-8")
    return text, f"{name}@{hashlib.sha256(text.encode()).hexdigest()[:8]}"


@cache
def _decision() -> "type[BaseModel]":
    from pydantic import BaseModel, StrictBool

    class Decision(BaseModel):
        satisfied: StrictBool

    return Decision


def _secret(folder: Path | None = None) -> bytes:
    """32 random bytes of this user's, kept beside the caches; of this process's where they cannot be kept."""
    file = (folder or default_cache_dir()) / "fence.secret"
    for _ in range(2):
        try:
            found = file.read_bytes()
            if len(found) == 32:
                return found
        except OSError:
            pass
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            partial = file.with_name(f"{file.name}.{os.getpid()}.{secrets.token_hex(4)}")
            with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as handle:
                handle.write(secrets.token_bytes(32))
            try:
                os.link(partial, file)  # the first process wins
            except FileExistsError:
                if file.stat().st_size != 32:
                    os.replace(partial, file)
                    continue
            os.unlink(partial)
        except OSError:
            break
    return secrets.token_bytes(32)
