"""Noise studies: a relabeler that is wrong as often as one chooses, around any other.

Reviewers asked how much of a language model's invention training can bear. The wrapper knows which relabels it spoiled
(`Relabel.wrong`), so the run's metrics hold the share of wrong relabels against true events, proposed and accepted.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hindsight_rl.agent.envs.craftax.phrases import phrases
from hindsight_rl.agent.relabeling.relabeler import NOT_GOALS, Delivery, Relabel, Relabeler, RelabelSource
from hindsight_rl.agent.reward.semantic import SemanticReward
from hindsight_rl.errors import HindsightError

KINDS = ("hallucinated", "confused", "missed")


@dataclass
class NoiseRules:
    """Errors put into relabels."""

    rate: float = 0.0
    """Share of the proposals that is spoiled."""
    kind: str = "hallucinated"
    """`hallucinated`: names any event that did not happen; `confused` (false positive): the one most like an event
    that did; `missed` (false negative): the proposal is dropped."""

    def checked(self) -> "NoiseRules":
        """The same, or a HindsightError that names the bad one."""
        if not 0 <= self.rate <= 1:
            raise HindsightError(f"--noise.rate {self.rate}: must be between 0 and 1")
        if self.kind not in KINDS:
            raise HindsightError(f"--noise.kind {self.kind}: one of {', '.join(KINDS)}")
        return self


class NoisyRelabeler:
    """A relabeler whose proposals are spoiled at a chosen rate.

    Args:
        rules: how often and how.
        reward: its vocabulary, and which events resemble each other.
        inner: whom to spoil; templates where None.
        seed: of the noise; independent of training's own randomness.
    """

    def __init__(self, rules: NoiseRules, reward: SemanticReward, inner: Relabeler | None = None, seed: int = 0):
        self.rules, self.inner = rules.checked(), inner
        self.events = reward.events
        self._source: RelabelSource | None = inner if isinstance(inner, RelabelSource) else None
        self._speaker = inner
        self._rng = np.random.default_rng([seed, 7])
        self._index = {event.name: i for i, event in enumerate(self.events)}
        self._open = np.array([event.name not in NOT_GOALS for event in self.events])
        captions = reward.embed([event.captions[0] for event in self.events])
        self._alike = captions @ captions.T

    def at(self, step: int, templates: Relabeler, rarity: np.ndarray) -> "NoisyRelabeler":
        """See `RelabelSource.at`."""
        self._speaker = self._source.at(step, templates, rarity) if self._source else self.inner or templates
        return self

    def propose(self, events: np.ndarray, k: int, rng: np.random.Generator) -> list[Relabel]:
        """What the inner relabeler proposes, some of it spoiled."""
        assert self._speaker is not None
        proposed = [self.spoiled(relabel, events) for relabel in self._speaker.propose(events, k, rng)]
        return [relabel for relabel in proposed if relabel is not None]

    def spoiled(self, relabel: Relabel, events: np.ndarray) -> Relabel | None:
        """The relabel, or with the chosen probability a wrong one (None: dropped).

        A wrong one claims the evidence of the right one, as a model does that misreads what happened.
        """
        if self._rng.random() >= self.rules.rate:
            return replace(relabel, wrong=False)
        if self.rules.kind == "missed":
            return None
        happened = np.asarray(events, bool).any(0)
        absent = np.flatnonzero(self._open & ~happened)
        if not len(absent):
            return replace(relabel, wrong=False)  # everything happened: nothing wrong can be said
        spoil = int(self._rng.integers(len(relabel.goals)))
        if self.rules.kind == "confused":
            true = self._index[relabel.evidence[spoil][1]]
            event = int(absent[self._alike[true, absent].argmax()])
        else:
            event = int(self._rng.choice(absent))
        said = phrases(self.events[event].name, "train") or self.events[event].captions[:1]
        lie = str(self._rng.choice(np.array(said)))
        goals = tuple(lie if i == spoil else goal for i, goal in enumerate(relabel.goals))
        text = relabel.text.replace(relabel.goals[spoil], lie, 1) if len(goals) > 1 else lie
        return replace(relabel, text=text, goals=goals, wrong=True)

    def watch(self, trajectories: Sequence[np.ndarray]) -> None:
        """See `RelabelSource.watch`."""
        if self._source:
            self._source.watch(trajectories)

    def delivered(self) -> list[Delivery]:
        """What the inner relabeler delivers, some of it spoiled."""
        made: list[Delivery] = []
        ready = self._source.delivered() if self._source else []
        for each in ready:
            if each.relabel is None:
                made.append(each)
            elif (spoiled := self.spoiled(each.relabel, each.events)) is not None:
                made.append(replace(each, text=spoiled.text, relabel=spoiled))
        return made

    def metrics(self) -> dict[str, Any]:
        """The inner relabeler's."""
        return self._source.metrics() if self._source else {}

    def state(self) -> dict[str, Any]:
        """The noise's random state and the inner relabeler's state."""
        return {"rng": self._rng.bit_generator.state, "inner": self._source.state() if self._source else None}

    def restore(self, state: dict[str, Any]) -> None:
        """The inverse of :meth:`state`."""
        self._rng.bit_generator.state = state["rng"]
        if self._source and state["inner"] is not None:
            self._source.restore(state["inner"])

    def resume(self) -> None:
        """See `RelabelSource.resume`."""
        if self._source:
            self._source.resume()

    def close(self) -> None:
        """See `RelabelSource.close`."""
        if self._source:
            self._source.close()
