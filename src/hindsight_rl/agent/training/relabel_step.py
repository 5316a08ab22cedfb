"""Relabeling in a training iteration: propose what trajectories achieved, verify it, offer it to the buffer."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from hindsight_rl.agent.envs.events import Event
from hindsight_rl.agent.evaluation.coverage import Coverage
from hindsight_rl.agent.instructions.buffer import InstructionBuffer
from hindsight_rl.agent.instructions.library import Library
from hindsight_rl.agent.relabeling.relabeler import Relabel, Relabeler, RelabelSource, TemplateRelabeler, verify
from hindsight_rl.agent.reward.semantic import SemanticReward
from hindsight_rl.agent.training.config import TrainConfig
from hindsight_rl.run import Run

ALL_SAMPLES, EVERY = 400, 10
"""The first relabels of each kind are all written to `relabels.jsonl`, later only one in EVERY."""


def life_to_relabel(events: np.ndarray, over: np.ndarray, wanted: np.ndarray) -> slice:
    """The steps of the life that is relabeled: the one with the rarest event; if all are equal, the one that continues.

    Args:
        events: bool [T, n_events].
        over: bool [T], where a life ended.
        wanted: float [n_events], the weight of each event (see `Library.wanted`).
    """
    edges = [0, *(np.flatnonzero(over) + 1).tolist(), len(events)]
    lives = [slice(begin, end) for begin, end in itertools.pairwise(edges)]
    return max(reversed(lives), key=lambda life: (events[life].any(0) * wanted).max(initial=0.0))


def relabeler_at(
    relabeler: Relabeler | None, step: int, composed: float, reward: SemanticReward, rarity: np.ndarray
) -> Relabeler:
    """What proposes relabels now: templates unless there is another relabeler, which may use templates too.

    Args:
        relabeler: None: templates.
        step: environment steps so far.
        composed: share of proposals with two or three goals.
        rarity: float [n_events], of each event (see `Library.rarity`).
    """
    templates = TemplateRelabeler(reward.events, reward.language, weights=rarity + 0.05, composed=composed)
    if isinstance(relabeler, RelabelSource):
        return relabeler.at(step, templates, rarity)
    return relabeler or templates


class RelabelStep:
    """Relabels the trajectories of an iteration. Call it after each iteration.

    Args:
        config: how many relabels to propose, and whether to verify them.
        events: the environment's vocabulary.
        library: receives every accepted instruction.
        buffer: is offered the accepted instructions. None if the method has no buffer.
        run: the run that records samples in `relabels.jsonl`.
        rng: random generator of all choices.

    Attributes:
        relabeler: proposes relabels; None: templates.
        coverage: counts different accepted instructions.
    """

    def __init__(
        self,
        config: TrainConfig,
        events: Sequence[Event],
        reward: SemanticReward,
        library: Library,
        buffer: InstructionBuffer | None,
        run: Run,
        rng: np.random.Generator,
    ):
        self.config, self.events, self.reward, self.library, self.buffer = config, events, reward, library, buffer
        self.run, self.rng = run, rng
        self.relabeler: Relabeler | None = None
        self.coverage = Coverage(len(events))
        self._index = {event.name: i for i, event in enumerate(events)}
        self._step = 0

    @property
    def source(self) -> RelabelSource | None:
        """The relabeler, if it works in the background or keeps a state."""
        return self.relabeler if isinstance(self.relabeler, RelabelSource) else None

    def __call__(self, step: int, events: np.ndarray, over: np.ndarray) -> dict[str, Any]:
        """Propose, verify and offer.

        Args:
            step: environment steps so far.
            events: bool [T, R, n_events], of the trajectories to relabel.
            over: bool [T, R], where a life ended.

        Returns:
            the number of accepted and rejected relabels, and the relabeler's own counts; `no_room`, where there are
            any, is the number of goals of accepted relabels for which the library is full.
        """
        self._step = step
        self.coverage.next_iteration()
        rarity, wanted = self.library.rarity(), self.library.wanted()
        relabeler = relabeler_at(self.relabeler, step, self.config.composed, self.reward, rarity)
        tally: dict[str, Any] = {"accepted": 0, "rejected": 0}
        trajectories = []
        for r in range(events.shape[1]):
            trajectory = events[life_to_relabel(events[:, r], over[:, r], wanted), r]
            trajectories.append(trajectory)
            for relabel in relabeler.propose(trajectory, self.config.relabels, self.rng):
                self._offer(relabel, trajectory, rarity, tally)
        if self.source:
            self._take_delivered(self.source, rarity, tally)
            self.source.watch(trajectories)
            tally |= self.source.metrics()
        return tally

    def _take_delivered(self, source: RelabelSource, rarity: np.ndarray, tally: dict[str, Any]) -> None:
        """Offer relabels that became ready in the background since the last iteration."""
        for each in source.delivered():
            if each.relabel is not None:
                self._offer(each.relabel, each.events, rarity, tally, each.origin)
            else:
                tally["rejected"] += 1
                row = {"step": self._step, "text": each.text, "evidence": [], "rejected": each.rejected}
                self.run.append("relabels.jsonl", row | each.origin)

    def _offer(
        self,
        relabel: Relabel,
        trajectory: np.ndarray,
        rarity: np.ndarray,
        tally: dict[str, Any],
        origin: dict[str, Any] | None = None,
    ) -> None:
        """Verify one relabel and offer it to library and buffer. Relabels with an origin are always recorded."""
        reason = verify(relabel, trajectory, self.reward) if self.config.grounding else None
        if relabel.wrong is not None:
            tally["wrong_proposed"] = tally.get("wrong_proposed", 0) + relabel.wrong
            tally["wrong_accepted"] = tally.get("wrong_accepted", 0) + (relabel.wrong and not reason)
        row = {
            "step": self._step,
            "text": relabel.text,
            "evidence": relabel.evidence,
            "rejected": reason,
        }
        if origin is not None:
            self.run.append("relabels.jsonl", row | origin)
        if reason:
            tally["rejected"] += 1
            if origin is None:
                self._sample(row)
            return
        tally["accepted"] += 1
        meant = [self._index[name] for _, name in relabel.evidence]
        rare = float(rarity[meant].max())
        self.coverage.name(meant)
        new = self.coverage.add(relabel.text, self.reward.embed(relabel.goals).mean(0))
        if new and origin is None:
            self._sample(row)
        for goal, event in zip(relabel.goals, meant, strict=True):
            place = self.library.add(goal, [goal], [event], False)
            self.library.name(event, place)
            if place is None:
                tally["no_room"] = tally.get("no_room", 0) + 1
        if self.buffer is not None and (len(relabel.goals) == 1 or self.buffer.has_room(rare)):
            index = self.library.add(relabel.text, relabel.goals, meant, relabel.ordered)
            if index is not None:
                self.buffer.admit(index, relabel.text, rare, meant, relabel.ordered)

    def _sample(self, row: dict[str, Any]) -> None:
        """Store examples for the report: the first ones of each kind, later fewer and fewer."""
        if self.coverage.sampled < ALL_SAMPLES or self.coverage.sampled % EVERY == 0:
            self.run.append("relabels.jsonl", row)
        self.coverage.sampled += 1
