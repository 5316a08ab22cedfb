"""From a raw response to its answer, and from the answer to verdicts. Standard library only.

    verifier = verifying()                          # the constraints' own checks
    verifier = verifying(judge, mark="</think>")    # a judge's verdicts on what follows the thought
    verifier.verify_batch([(instruction, response), ...])

Training, scoring, evaluation and replay all use this rule, which is implemented only here:

1. A thought is removed: each ``<think>...</think>``, and what precedes a ``</think>`` without its start (some chat
   templates open the thought in the prompt). Of a harmony transcript, the answer is the last message of the channel
   ``final``. With a `mark` (everywhere the option ``answer_after``), the answer is what follows its last occurrence.
2. If a thought never ends, a transcript has no final message, or the mark is missing, the answer is empty.
3. White space at both ends is removed.
4. A blank answer fulfils no constraint.

Engines know whether a response was cut off (``Rollout.complete``); such a response is never replayed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from hindsight_rl.errors import HindsightError
from hindsight_rl.replay.instruction import Instruction, Verdict
from hindsight_rl.replay.marks import MarkWatch

Pairs = Sequence[tuple[Instruction, str]]
Verify = Callable[[Instruction, str], Verdict]
"""A verifier of one response at a time, as a plain function."""

_OPEN, _CLOSE = "<think>", "</think>"
# Harmony, gpt-oss' format: <|channel|>analysis<|message|>...<|end|><|start|>assistant<|channel|>final<|message|>...
_HARMONY = ("<|channel|>", "<|start|>")
_FINAL, _BEGIN = "<|channel|>final", "<|message|>"
_MESSAGE_END = re.compile(r"<\|(?:return|end|call|start|channel)\|>")


@runtime_checkable
class Verifier(Protocol):
    """An object that decides which constraints are fulfilled."""

    def verify_batch(self, pairs: Pairs) -> list[Verdict]:
        """One verdict per (instruction, response), aligned with the instruction's constraints."""
        ...


def answer_of(response: str, mark: str | None = None) -> str:
    """The part of a response that is judged, "" if there is no answer.

    mark: the answer is the text after its last occurrence. Linear time in the length of the response.
    """
    if mark is not None:
        # Without the mark the thought never ended.
        response = response.rpartition(mark)[2] if mark in response else ""
        if mark.endswith(_BEGIN):
            response = _MESSAGE_END.split(response, maxsplit=1)[0]
    if "<|" in response and (stripped := response.lstrip()).startswith(_HARMONY):
        response = _final_message(stripped)
    if _CLOSE in response:
        response = _without_thoughts(response)
    return "" if _OPEN in response else response.strip()


def _final_message(transcript: str) -> str:
    """The last message of the channel "final", "" if there is none."""
    message = transcript.rpartition(_FINAL)[2].partition(_BEGIN)[2] if _FINAL in transcript else ""
    return _MESSAGE_END.split(message, maxsplit=1)[0]


def _without_thoughts(response: str) -> str:
    kept, at = [], 0
    while (start := response.find(_OPEN, at)) >= 0 and (end := response.find(_CLOSE, start)) >= 0:
        kept.append(response[at:start])
        at = end + len(_CLOSE)
    kept.append(response[at:])
    return "".join(kept).rpartition(_CLOSE)[2]


class Checks:
    """The constraints' own checks."""

    def verify_batch(self, pairs: Pairs) -> list[Verdict]:
        """One boolean per constraint; constraints that need a prompt get the instruction's."""
        return [[each.check(answer, asked.prompt) for each in asked.constraints] for asked, answer in pairs]


@dataclass(frozen=True)
class _Function:
    """A plain function as a verifier."""

    verify: Verify

    def verify_batch(self, pairs: Pairs) -> list[Verdict]:
        return [self.verify(asked, answer) for asked, answer in pairs]


@dataclass(frozen=True)
class AnswerVerifier:
    """A verifier of raw responses, which applies the rule of this module; made by :func:`verifying`.

    inner: judges answers. mark: see :func:`answer_of`. watch: counts marks in answers.
    """

    inner: Verifier
    mark: str | None = None
    watch: MarkWatch = field(default_factory=MarkWatch, compare=False, repr=False)

    def answer(self, response: str) -> str:
        """The part of a response that is judged; warns once if many answers hold marks of thoughts (:mod:`.marks`)."""
        answer = answer_of(response, self.mark)
        if self.mark is None:
            self.watch.add(answer)
        return answer

    def verify_batch(self, pairs: Pairs) -> list[Verdict]:
        """One verdict per (instruction, raw response); a blank answer does not reach the inner verifier.

        Raises:
            HindsightError: a verdict is not aligned with its constraints.
        """
        return self.verify_answers([(asked, self.answer(response)) for asked, response in pairs])

    def verify_answers(self, pairs: Pairs) -> list[Verdict]:
        """Like :meth:`verify_batch`, for answers from :meth:`answer`."""
        given = [(asked, answer) for asked, answer in pairs if answer.strip() and asked.constraints]
        verdicts = self.inner.verify_batch(given) if given else []
        if len(verdicts) != len(given):
            raise HindsightError(f"the verifier gave {len(verdicts)} verdicts for {len(given)} responses")
        for (asked, _), verdict in zip(given, verdicts, strict=True):
            if len(verdict) != len(asked.constraints):
                raise HindsightError(
                    f"{asked.key}: {len(verdict)} verdicts for {len(asked.constraints)} constraints; correct `verify`"
                )
        left = iter(verdicts)
        return [
            list(next(left)) if answer.strip() and asked.constraints else [False] * len(asked.constraints)
            for asked, answer in pairs
        ]


def verifying(given: Verifier | Verify | None = None, mark: str | None = None) -> AnswerVerifier:
    """The verifier that the whole package uses.

    given: a verifier, or a function of an instruction and a response; by default the constraints' own checks. mark: see
    :func:`answer_of`. An :class:`AnswerVerifier` is returned unchanged.
    """
    if isinstance(given, AnswerVerifier):
        return given
    if given is None:
        return AnswerVerifier(Checks(), mark)
    return AnswerVerifier(given if isinstance(given, Verifier) else _Function(given), mark)


def verify_batch(pairs: Pairs, mark: str | None = None) -> list[Verdict]:
    """Verdicts of the constraints' own checks on raw responses."""
    return verifying(mark=mark).verify_batch(pairs)
