"""From failed rollouts to replays: select failures, rewrite their instructions, verify the rewrites.

replayer = Replayer(ReplayConfig(rewriter="retarget", replays_per_prompt=2))
found = replayer.replay([Rollout(instruction, response, verdict, group, entropy), ...], step=1)
found.replays[0].source, found.replays[0].prompt, found.replays[0].completion

Every engine uses only this class for replay; it does not use tokens or tensors. Source: HiR, arXiv 2512.23457.
Standard library and NumPy only.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Generic

import numpy as np

from hindsight_rl.errors import HindsightError
from hindsight_rl.replay.config import ReplayConfig
from hindsight_rl.replay.item import ReplayItem, T
from hindsight_rl.replay.on_task import Encode, OnTask
from hindsight_rl.replay.pool import Pool
from hindsight_rl.replay.rewriting import rewriter as rewriter_of
from hindsight_rl.replay.rollout import Rejected, Rewrite, Rewriter, Rollout, quoted, repeated
from hindsight_rl.replay.verification import Verifier, Verify, verifying

__all__ = ["ReplayConfig", "ReplayItem", "Replayed", "Replayer", "Rollout"]


@dataclass(frozen=True)
class Replayed(Generic[T]):
    """The replays of a batch of rollouts, with statistics.

    replays: at most the budget. candidates: number of eligible failures. rejected: number of rejected candidates by
    reason (e.g. the rewrite is empty, or its constraints do not hold when checked). weight: lambda, 0 without replays.
    diversity, integrity, kept: means over the replays (kept: share of constraints kept or changed).
    """

    replays: list[ReplayItem[T]] = field(default_factory=list)
    candidates: int = 0
    rejected: dict[str, int] = field(default_factory=dict)
    weight: float = 0.0
    diversity: float = 0.0
    integrity: float = 0.0
    kept: float = 0.0


class Replayer:
    """Selects failures, rewrites their instructions, verifies the rewrites.

    Args:
        config: the settings.
        rewriter: replaces the rewriter of the settings.
        verifier: checks the answer against the rewritten instruction: a
            :class:`~hindsight_rl.replay.verification.Verifier`, or a function of an instruction and an answer. By
            default the rewriter's own ``verify`` if it has one (only :class:`~hindsight_rl.replay.rewriting.Keep`
            has), otherwise the constraints' own checks.
        rng: one stream of random numbers for all steps, instead of one per step ([seed, step]).
        encode: sentence encoder for ``on_task``; by default that of :mod:`hindsight_rl.encoder`.

    Raises:
        HindsightError: a bad setting.
    """

    def __init__(
        self,
        config: ReplayConfig,
        *,
        rewriter: Rewriter | None = None,
        verifier: Verifier | Verify | None = None,
        rng: np.random.Generator | None = None,
        encode: Encode | None = None,
    ) -> None:
        self.config, self.rng = config, rng
        self.on_task = OnTask(config.on_task, encode)
        self.selector = config.selector()
        if rewriter is None:
            # `keep` drops no constraint, so it needs no dependency closure.
            settings: dict[str, Any] = {} if config.rewriter == "keep" else {"closed": config.closed}
            rewriter = rewriter_of(config.rewriter, **settings)
        self.rewriter = rewriter
        own = getattr(rewriter, "verify", None) if verifier is None else verifier
        self.verifier = verifying(own, config.answer_after)

    def eligible(self, rollout: Rollout) -> bool:
        """Whether the rollout may be replayed. This test is cheap; engines compute entropies only for such rollouts."""
        if not self.config.replays_per_prompt:
            return False
        return self._usable(replace(rollout, response=self.verifier.answer(rollout.response)))

    def _usable(self, rollout: Rollout) -> bool:
        """A failure that was not cut off, whose answer is not blank, and that the rewriter can use."""
        usable = rollout.complete and not rollout.succeeded and bool(rollout.response.strip())
        return usable and self.rewriter.eligible(rollout)

    def replay(self, rollouts: Sequence[Rollout], step: int, *, budget: int | None = None) -> Replayed[str]:
        """The replays of a batch: at most `budget`.

        If the rewrite of a candidate is empty or fails verification, the next candidate is tried. Successes, truncated
        responses and blank responses are never replayed. A rewriter can exclude more, e.g. responses that satisfied
        nothing.

        Args:
            rollouts: the batch, of all processes.
            step: training step, from 1.
            budget: most replays; by default ``replays_per_prompt`` times the number of prompts (groups).

        Raises:
            HindsightError: a negative budget, an entropy that is not finite, a verdict that is not aligned.
        """
        if budget is None:
            budget = self.config.replays_per_prompt * len({each.group for each in rollouts})
        if budget < 0:
            raise HindsightError(f"the budget of replays is {budget}: it must be at least 0")
        if budget == 0:
            return Replayed()
        rng = np.random.default_rng([self.config.seed, step]) if self.rng is None else self.rng
        batch = _Batch(self, rollouts, step)
        for index in self.selector.order(batch.answers, batch.candidates, step, rng):
            if len(batch.found) == budget:
                break
            batch.add(index, budget, rng)
        return batch.result()


class _Batch:
    """The replays of one batch while they are collected."""

    def __init__(self, replayer: Replayer, rollouts: Sequence[Rollout], step: int) -> None:
        self.replayer, self.rollouts = replayer, rollouts
        self.weight = replayer.selector.curriculum.weight(step)
        answer = replayer.verifier.answer
        self.answers = [replace(each, response=answer(each.response)) for each in rollouts]
        self.candidates = [index for index, each in enumerate(self.answers) if replayer._usable(each)]
        self.pool = Pool.of([each.instruction for each in rollouts] if replayer.config.relabels > 1 else [])
        self.found: list[ReplayItem[str]] = []
        self.rejected: Counter[str] = Counter()
        self.taken: Counter[int] = Counter()
        self.seen: set[tuple[str, str]] = set()

    def add(self, index: int, budget: int, rng: np.random.Generator) -> None:
        """Replay a candidate under its own instruction, rewritten, and under further ones."""
        rollout, selector, rewriter = self.answers[index], self.replayer.selector, self.replayer.rewriter
        if selector.scope == "group" and self.taken[rollout.group] == selector.per_group:
            return
        if not self.replayer.config.repeats and repeated(rollout):
            self.rejected["the answer repeats a constraint"] += 1
            return
        if not self.replayer.on_task(rollout.instruction.task, rollout.response):
            self.rejected["not about the task"] += 1
            return
        rewrite = self._checked(index, partial(rewriter.rewrite, rollout))
        if rewrite is None:
            return
        self.taken[rollout.group] += 1
        self._append(index, rewrite, own=True)
        for _ in range(min(self.replayer.config.relabels - 1, budget - len(self.found))):
            if more := self._checked(index, partial(self.pool.rewrite, rollout, rewriter, rng)):
                self._append(index, more, own=False)

    def result(self) -> Replayed[str]:
        """The replays with their statistics."""
        sources = [self.answers[each.source] for each in self.found if each.source is not None]
        return Replayed(
            replays=self.found,
            candidates=len(self.candidates),
            rejected=dict(self.rejected),
            weight=self.weight,
            diversity=_mean([each.entropy for each in sources]),
            integrity=_mean([each.integrity for each in sources]),
            kept=_mean([each.rewrite.share for each in self.found if each.rewrite is not None]),
        )

    def _append(self, index: int, rewrite: Rewrite, *, own: bool) -> None:
        rollout = self.rollouts[index]
        score = rollout.entropy + self.weight * rollout.integrity
        prompt = rewrite.instruction.prompt
        self.found.append(ReplayItem(index, prompt, rollout.response, rewrite, score, own))

    def _checked(self, index: int, rewrite: Callable[[], Rewrite | None]) -> Rewrite | None:
        """A verified rewrite; None if it is rejected, and the reason is counted."""
        distinct = self.replayer.config.distinct
        try:
            made = rewrite()
            if made is None:
                raise Rejected("no constraint left")
            if quoted(self.rollouts[index], made.instruction):
                raise Rejected("an observation quotes the instruction")
            key = self.rollouts[index].response, repr(made.instruction.messages) if distinct else ""
            if distinct and key in self.seen:
                raise Rejected("duplicate replay")
            (verdict,) = self.replayer.verifier.verify_answers([(made.instruction, self.answers[index].response)])
        except HindsightError:
            raise
        except Rejected as reason:
            self.rejected[str(reason)] += 1
            return None
        except Exception as error:  # an error of a rewriter, a checker or a judge affects only this row
            self.rejected[f"{type(error).__name__} while rewriting or verifying"] += 1
            return None
        if not all(verdict):
            holding = zip(made.instruction.constraints, verdict, strict=True)
            failing = next(each.id for each, holds in holding if not holds)
            self.rejected[f"{failing} fails verification"] += 1
            return None
        self.seen.add(key)
        return made


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else 0.0
