"""Relabels that a language model proposed before. They are reused for new trajectories; duplicates are not stored."""

from collections.abc import Sequence

import numpy as np

from hindsight_rl.agent.envs.events import Event
from hindsight_rl.agent.relabeling.grounding import Rejected
from hindsight_rl.agent.relabeling.relabeler import Relabel
from hindsight_rl.agent.reward.semantic import SemanticReward

MAX_KNOWN = 2000


class KnownRelabels:
    """The relabels that a language model has proposed so far.

    Args:
        events: the vocabulary.
        reward: embeds goals.
        same: two instructions for the same events are duplicates if their cosine is at least this.
    """

    def __init__(self, events: Sequence[Event], reward: SemanticReward, same: float):
        self.reward, self.same = reward, same
        self.relabels: list[Relabel] = []
        self._index = {event.name: i for i, event in enumerate(events)}
        self._required = np.zeros((0, len(events)), bool)  # row = relabel, column = event
        self._vectors: dict[tuple[str, ...], list[tuple[str, np.ndarray]]] = {}

    def __len__(self) -> int:
        return len(self.relabels)

    def add(self, relabel: Relabel) -> None:
        """Store a relabel, if there is room."""
        if len(self.relabels) >= MAX_KNOWN:
            return
        self.relabels.append(relabel)
        row = np.zeros((1, self._required.shape[1]), bool)
        row[0, [self._index[name] for _, name in relabel.evidence]] = True
        self._required = np.concatenate([self._required, row])

    def find(self, events: np.ndarray, k: int, rarity: np.ndarray, rng: np.random.Generator) -> list[Relabel]:
        """At most k known relabels that a trajectory fulfils, with evidence from this trajectory.

        Args:
            events: bool [T, n_events].
            rarity: float [n_events]; the probability of an instruction depends on its rarest event.
        """
        fits = np.flatnonzero(~(self._required & ~events.any(0)).any(1))
        if not len(fits):
            return []
        # As for templates.
        weight = np.where(self._required[fits], rarity, 0.0).max(1) + 0.05
        chosen = rng.choice(fits, size=min(k, len(fits)), replace=False, p=weight / weight.sum())
        found = []
        for index in chosen:
            relabel = self.relabels[index]
            evidence: list[tuple[int, str]] = []
            for _, name in relabel.evidence:
                start = evidence[-1][0] + 1 if relabel.ordered and evidence else 0
                steps = np.flatnonzero(events[start:, self._index[name]])
                if not len(steps):
                    break
                evidence.append((start + int(steps[0]), name))
            else:
                found.append(Relabel(relabel.text, relabel.goals, relabel.ordered, tuple(evidence)))
        return found

    def once(self, relabel: Relabel) -> Relabel | Rejected:
        """The relabel, or the reason why it is a duplicate."""
        names = tuple(name for _, name in relabel.evidence)
        key = ("then", *names) if relabel.ordered else tuple(sorted(names))
        vector = self.reward.embed(relabel.goals).mean(0)
        vector /= max(float(np.linalg.norm(vector)), 1e-9)
        for text, other in self._vectors.get(key, ()):
            if text == relabel.text or float(vector @ other) >= self.same:
                return Rejected("duplicate", f"it says the same as '{text}'")
        self._vectors.setdefault(key, []).append((relabel.text, vector))
        return relabel
