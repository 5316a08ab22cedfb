"""Coverage: how many different instructions relabeling has found, by text and by meaning."""

from typing import Any

import numpy as np

SAME = 0.8
"""Cosine from which two instructions count as one cluster."""


class Coverage:
    """Counts unique accepted instructions and their clusters in embedding space (first come, first centre).

    Attributes:
        sampled: how many relabels have been considered as examples (kept here so that a resumed run goes on alike).
    """

    def __init__(self) -> None:
        self.texts: set[str] = set()
        self.centres = np.zeros((0, 0), np.float32)
        self.sampled = 0

    def add(self, text: str, embedding: np.ndarray) -> bool:
        """Count an instruction; True when its text is new.

        Args:
            text: the instruction.
            embedding: float [d]; of a composition, the mean of its goals'. Any length but zero.
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

    def counts(self) -> dict[str, int]:
        """`unique_instructions` and `clusters` so far."""
        return {"unique_instructions": len(self.texts), "clusters": len(self.centres)}

    def state(self) -> dict[str, Any]:
        """Plain JSON; floats survive it exactly."""
        return {
            "texts": sorted(self.texts),
            "centres": [[float(x) for x in centre] for centre in self.centres],
            "sampled": self.sampled,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """The inverse of :meth:`state`."""
        self.texts, self.sampled = set(state["texts"]), state["sampled"]
        self.centres = np.asarray(state["centres"], np.float32).reshape(len(state["centres"]), -1 if self.texts else 0)
