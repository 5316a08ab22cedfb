"""Soft constraints, which no program checks, judged by a language model with one yes/no question each.

    judge = Judge(Endpoint(settings))
    instruction = judge.judged(instruction)              # its soft demands are constraints now
    verdicts = judge.verify_batch([(instruction, response)])  # all questions of a batch at the same time
    constraint = judge.constraint("Write in the voice of a pirate.")

If a judge is asked about all demands at once, it misses most violations; with one question per demand it finds more
than half (arXiv 2601.04954). A verdict depends on the demand and the response, not on the rest of the prompt, so
verifying a rewritten instruction needs no new questions. Only the boolean of the schema is read, so a response cannot
change the form of a verdict. A question without a usable answer gives a missing verdict. Missing verdicts are counted
in the metrics; more than 5 % of them raise an error. A missing verdict is never counted as "no" without a warning.
"""

import hashlib
import threading
from collections import Counter, OrderedDict
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from hindsight_rl.endpoint import Endpoint, EndpointError, MalformedAnswer, Question
from hindsight_rl.errors import HindsightError
from hindsight_rl.lm.fence import Fence
from hindsight_rl.lm.soft import Ask, Judging

if TYPE_CHECKING:
    from pydantic import BaseModel

PROMPT = "judge-1"
REMEMBERED = 200_000
LONGEST = 60_000
"""Most characters of a response in a question; longer ones are cut, with a note."""


class Judge(Judging):
    """A language model that decides soft constraints.

    Args:
        endpoint: the chat server.
        votes: how often each question is asked. The majority of the usable answers decides; a tie is "unsatisfied".
        strict: raise an error if the endpoint fails. Otherwise these verdicts are missing, and the next call asks
            for them once more.
    """

    def __init__(self, endpoint: Endpoint, votes: int = 1, strict: bool = False):
        if votes < 1:
            raise HindsightError(f"the judge has {votes} votes: it must have at least 1")
        self.endpoint, self.votes, self.strict = endpoint, votes, strict
        self._known: OrderedDict[tuple[str, ...], bool | None] = OrderedDict()
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._fence = Fence()

    def decide(self, asks: Sequence[Ask]) -> list[bool | None]:
        """One boolean per question, None for a missing verdict; equal questions are sent once.

        Raises:
            EndpointError: the judge is strict and the endpoint failed. Answers so far are in its cache.
        """
        with self._lock:
            known = {ask.key: self._known[ask.key] for ask in asks if ask.key in self._known}
        fresh: dict[tuple[str, ...], Ask] = {}
        for ask in asks:
            if ask.key not in known:
                fresh.setdefault(ask.key, ask)
        questions = [self._question(ask, vote) for ask in fresh.values() for vote in range(self.votes)]
        answers = self.endpoint.ask_many(questions)
        for index, key in enumerate(fresh):
            known[key] = self._majority(key, answers[index * self.votes : (index + 1) * self.votes])
        self._counts["remembered"] += len(asks) - len(fresh)
        return [known[ask.key] for ask in asks]

    def _majority(self, key: tuple[str, ...], answers: Sequence[Any]) -> bool | None:
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
        votes = len(answers) - malformed - failed
        decided = 2 * yes > votes if votes else None
        with self._lock:
            self._counts.update(asked=1, malformed=malformed, unanswered=failed)
            self._counts.update(satisfied=decided is True, missing=decided is None)
            self._counts["unanimous"] += votes > 0 and yes in (0, votes)
            self._counts.update(votes=votes, agreed_votes=max(yes, votes - yes))
            if not failed:
                self._known[key] = decided
                while len(self._known) > REMEMBERED:
                    self._known.popitem(last=False)
        return decided

    def _question(self, ask: Ask, vote: int) -> Question:
        response = ask.response
        if len(response) > LONGEST:
            response = f"{response[:LONGEST]}\n[cut here: {len(response):,} characters in all]"
        parts = {"context": ask.context or "(not given)", "demand": ask.demand, "response": response}
        fence = self._fence.around("\n".join(parts.values()))
        question = prompt()[0].format(fence=fence, **parts)
        sampled = {} if self.votes > 1 else {"temperature": 0.0}
        return Question([{"role": "user", "content": question}], _decision(), sampled, sample=vote)

    def metrics(self) -> dict[str, Any]:
        """Counts so far: asked, remembered (from memory), satisfied, missing, malformed and unanswered votes, and the
        counts of the endpoint.

        agreement: share of the usable votes that agree with the majority; None without votes.
        """
        with self._lock:
            counts = dict(self._counts)
        votes = counts.get("votes", 0)
        names = ("asked", "remembered", "satisfied", "missing", "malformed", "unanswered", "unanimous")
        return {
            **{name: counts.get(name, 0) for name in names},
            "votes": self.votes,
            "agreement": round(counts.get("agreed_votes", 0) / votes, 4) if votes else None,
            "prompt": prompt()[1],
            "model": self.endpoint.settings.model,
            "endpoint": self.endpoint.usage.snapshot(),
        }


@cache
def prompt(name: str = PROMPT) -> tuple[str, str]:
    """The text of a prompt file, and its version: its name and the first digits of its SHA-256."""
    text = files("hindsight_rl.lm").joinpath(f"prompts/{name}.txt").read_text("utf-8")
    return text, f"{name}@{hashlib.sha256(text.encode()).hexdigest()[:8]}"


@cache
def _decision() -> "type[BaseModel]":
    from pydantic import BaseModel, StrictBool

    class Decision(BaseModel):
        satisfied: StrictBool

    return Decision
