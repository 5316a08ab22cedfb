"""Noise studies: a wrapper that makes any relabeler wrong at a chosen rate.

They measure how many wrong relabels, such as those of a language model, training tolerates. The wrapper marks the
relabels that it made wrong (`Relabel.wrong`), so the metrics contain the share of wrong relabels, proposed and
accepted.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hindsight_rl.agent.relabeling.relabeler import Delivery, Relabel, Relabeler, RelabelSource
from hindsight_rl.agent.reward.semantic import SemanticReward
from hindsight_rl.errors import HindsightError

KINDS = ("hallucinated", "confused", "missed")


@dataclass
class NoiseRules:
    """Settings of errors that are added to relabels."""

    rate: float = 0.0
    """Share of the proposals that are made wrong."""
    kind: str = "hallucinated"
    """`hallucinated`: asks for a random event that did not happen; `confused` (false positive): asks for the event that
    is most similar to one that happened; `missed` (false negative): the proposal is dropped."""

    def checked(self) -> "NoiseRules":
        """Return the settings, or raise a HindsightError that names the wrong one."""
        if not 0 <= self.rate <= 1:
            raise HindsightError(f"--noise.rate {self.rate}: must be between 0 and 1")
        if self.kind not in KINDS:
            raise HindsightError(f"--noise.kind {self.kind}: one of {', '.join(KINDS)}")
        return self


class NoisyRelabeler:
    """A relabeler whose proposals are made wrong at a chosen rate.

    Args:
        rules: the rate and kind of errors.
        reward: gives the vocabulary and the similarity of events.
        inner: the wrapped relabeler; None: templates.
        seed: seed of the noise; independent of the randomness of training.
    """

    def __init__(self, rules: NoiseRules, reward: SemanticReward, inner: Relabeler | None = None, seed: int = 0):
        self.rules, self.inner = rules.checked(), inner
        self.events, self.language = reward.events, reward.language
        self._source: RelabelSource | None = inner if isinstance(inner, RelabelSource) else None
        self._speaker = inner
        self._rng = np.random.default_rng([seed, 7])
        self._index = {event.name: i for i, event in enumerate(self.events)}
        self._open = np.array([event.trained for event in self.events])
        captions = reward.embed([event.captions[0] for event in self.events])
        self._alike = captions @ captions.T

    def at(self, step: int, templates: Relabeler, rarity: np.ndarray) -> "NoisyRelabeler":
        """See `RelabelSource.at`."""
        self._speaker = self._source.at(step, templates, rarity) if self._source else self.inner or templates
        return self

    def propose(self, events: np.ndarray, k: int, rng: np.random.Generator) -> list[Relabel]:
        """The proposals of the inner relabeler, some of them made wrong."""
        assert self._speaker is not None
        proposed = [self.spoiled(relabel, events) for relabel in self._speaker.propose(events, k, rng)]
        return [relabel for relabel in proposed if relabel is not None]

    def spoiled(self, relabel: Relabel, events: np.ndarray) -> Relabel | None:
        """The relabel, or with the chosen probability a wrong one (None: dropped).

        A wrong relabel keeps the evidence of the right one, like a model that misreads what happened.
        """
        if self._rng.random() >= self.rules.rate:
            return replace(relabel, wrong=False)
        if self.rules.kind == "missed":
            return None
        happened = np.asarray(events, bool).any(0)
        absent = np.flatnonzero(self._open & ~happened)
        if not len(absent):
            return replace(relabel, wrong=False)  # all events happened, so no relabel can be wrong
        spoil = int(self._rng.integers(len(relabel.goals)))
        if self.rules.kind == "confused":
            true = self._index[relabel.evidence[spoil][1]]
            event = int(absent[self._alike[true, absent].argmax()])
        else:
            event = int(self._rng.choice(absent))
        said = self.language.phrases(self.events[event].name, "train") or self.events[event].captions[:1]
        lie = str(self._rng.choice(np.array(said)))
        goals = tuple(lie if i == spoil else goal for i, goal in enumerate(relabel.goals))
        text = relabel.text.replace(relabel.goals[spoil], lie, 1) if len(goals) > 1 else lie
        return replace(relabel, text=text, goals=goals, wrong=True)

    def watch(self, trajectories: Sequence[np.ndarray]) -> None:
        """See `RelabelSource.watch`."""
        if self._source:
            self._source.watch(trajectories)

    def delivered(self) -> list[Delivery]:
        """The delivered relabels of the inner relabeler, some of them made wrong."""
        made: list[Delivery] = []
        ready = self._source.delivered() if self._source else []
        for each in ready:
            if each.relabel is None:
                made.append(each)
            elif (spoiled := self.spoiled(each.relabel, each.events)) is not None:
                made.append(replace(each, text=spoiled.text, relabel=spoiled))
        return made

    def metrics(self) -> dict[str, Any]:
        """The metrics of the inner relabeler."""
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
