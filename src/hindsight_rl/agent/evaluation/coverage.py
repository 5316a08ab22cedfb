"""Coverage: how many different instructions relabeling has found, by text, by meaning and by event."""

from collections.abc import Sequence
from typing import Any

import numpy as np

SAME = 0.8
"""Two instructions with at least this cosine belong to one cluster."""
KEPT = 0.9
"""Share of the recent counts that is kept from one iteration to the next: the entropy is over some ten iterations."""


class Coverage:
    """Counts unique accepted instructions, their clusters in embedding space, and the events that they name. The first
    instruction of a cluster is its centre.

    Args:
        n_events: size of the environment's vocabulary of events.

    Attributes:
        sampled: number of relabels that were considered as examples; stored here for resumed runs.
    """

    def __init__(self, n_events: int) -> None:
        self.texts: set[str] = set()
        self.centres = np.zeros((0, 0), np.float32)
        self.named = np.zeros(n_events, bool)
        self.recent = np.zeros(n_events)
        self.sampled = 0

    def add(self, text: str, embedding: np.ndarray) -> bool:
        """Count an instruction; True when its text is new.

        Args:
            text: the instruction.
            embedding: float [d]; for a composition, the mean over its goals. Any norm except 0.
        """
        if text in self.texts:
            return False
        self.texts.add(text)
        unit = (embedding / max(float(np.linalg.norm(embedding)), 1e-9)).astype(np.float32)
        if not len(self.centres):
            self.centres = unit[None]
        elif float((self.centres @ unit).max()) < SAME:
            self.centres = np.concatenate([self.centres, unit[None]])
        return True

    def next_iteration(self) -> None:
        """Let earlier relabels count less in the entropy."""
        self.recent *= KEPT

    def name(self, events: Sequence[int]) -> None:
        """Count the events that an accepted instruction names, new or not, by their indices."""
        self.named[list(events)] = True
        np.add.at(self.recent, list(events), 1.0)

    def counts(self) -> dict[str, float]:
        """The coverage so far.

        Returns:
            `unique_instructions`, `clusters`; `events_named`: share of the vocabulary that was named so far;
            `event_entropy`: bits, of the events named in the last iterations. With 2^H equally frequent events it is H.
        """
        share = self.recent[self.recent > 0] / max(self.recent.sum(), 1e-9)
        return {
            "unique_instructions": len(self.texts),
            "clusters": len(self.centres),
            "events_named": round(float(self.named.mean()), 4),
            "event_entropy": round(float((share * np.log2(1 / share)).sum()), 4),
        }

    def state(self) -> dict[str, Any]:
        """The state as plain JSON; floats are exact."""
        return {
            "texts": sorted(self.texts),
            "centres": [[float(x) for x in centre] for centre in self.centres],
            "named": np.flatnonzero(self.named).tolist(),
            "recent": [float(x) for x in self.recent],
            "sampled": self.sampled,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """The inverse of :meth:`state`."""
        self.texts, self.sampled = set(state["texts"]), state["sampled"]
        self.named[state["named"]] = True
        self.recent[:] = state["recent"]
        self.centres = np.asarray(state["centres"], np.float32).reshape(len(state["centres"]), -1 if self.texts else 0)
