"""Judges responses by their constraints and rewrites the instructions of failures, with the same code as in
training."""

from __future__ import annotations

from dataclasses import dataclass

from hindsight_rl.data.relabel.config import RelabelConfig
from hindsight_rl.data.relabel.sources import Unit
from hindsight_rl.data.responses import Response
from hindsight_rl.errors import HindsightError
from hindsight_rl.replay.config import ReplayConfig
from hindsight_rl.replay.instruction import Instruction, MaybeVacuous, Verdict
from hindsight_rl.replay.replayer import Replayer
from hindsight_rl.replay.rewriting import rewriter
from hindsight_rl.replay.rollout import Rollout
from hindsight_rl.replay.verification import verifying


@dataclass(frozen=True)
class Judged:
    """A response and the result of judging it.

    verdict: under its own instruction; None if it is not judged. hindsight: for a failure that can be rewritten, the
    instruction that it met instead. reason: why it gives no row or has no rewrite; else "".
    """

    text: str
    answer: str
    verdict: Verdict | None = None
    hindsight: Instruction | None = None
    reason: str = ""

    @property
    def succeeded(self) -> bool:
        """Every constraint holds."""
        return self.verdict is not None and all(self.verdict)


class Judging:
    """Verdicts and rewrites by the settings of a config."""

    def __init__(self, config: RelabelConfig) -> None:
        settings = {"reach": config.reach} if config.rewriter == "retarget" else {}
        self.verifier = verifying(mark=config.answer_after)
        self.replayer = Replayer(
            ReplayConfig(rewriter=config.rewriter, answer_after=config.answer_after, on_task=config.on_task),
            rewriter=rewriter(config.rewriter, **settings),
        )
        self._nothing = {
            "drop": "no constraint holds",
            "retarget": "no constraint holds, at another value neither",
        }[config.rewriter]

    def judge(self, unit: Unit) -> list[Judged]:
        """Judge each response of a unit, in order."""
        return [self._judged(unit.asked, each) for each in unit.answers]

    def _judged(self, asked: Instruction, response: Response) -> Judged:
        answer = self.verifier.answer(response.text)
        if not response.complete:
            return Judged(response.text, answer, reason="cut off")
        if not answer:
            return Judged(
                response.text, answer, reason="thought without an answer" if response.text.strip() else "blank"
            )
        verdict = self.verdict(asked, answer)
        if isinstance(verdict, str):
            return Judged(response.text, answer, reason=verdict)
        if all(verdict):
            return Judged(response.text, answer, verdict)
        made = self._rewritten(asked, response.text, verdict)
        if isinstance(made, str):
            return Judged(response.text, answer, verdict, reason=made)
        return Judged(response.text, answer, verdict, made)

    def verdict(self, asked: Instruction, answer: str) -> Verdict | str:
        """The verdict on an answer, or the reason why there is none."""
        try:
            return self.verifier.verify_answers([(asked, answer)])[0]
        except HindsightError:
            raise
        except Exception as error:  # an error in a checker concerns only this response
            return f"{type(error).__name__} when it was checked"

    def met(self, asked: Instruction, answer: str) -> bool | None:
        """Whether an answer meets a rewritten instruction; None if nothing in it can be checked."""
        verdict = self.verdict(asked, answer)
        if isinstance(verdict, str):
            return None
        if not all(verdict):
            return False
        vacuous = any(isinstance(each, MaybeVacuous) and each.vacuous(answer) for each in asked.constraints)
        return None if vacuous else True

    def _rewritten(self, asked: Instruction, text: str, verdict: Verdict) -> Instruction | str:
        """The instruction that a failure met, verified again, or the reason why there is none."""
        if asked.inline:
            return "inline constraints, which cannot be rewritten"
        found = self.replayer.replay([Rollout(asked, text, verdict)], step=1, budget=1)
        for item in found.replays:
            if item.rewrite is not None:
                return item.rewrite.instruction
        return next(iter(found.rejected), self._nothing)
