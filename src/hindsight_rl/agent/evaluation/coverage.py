"""Coverage: how many different instructions relabeling has found, by text and by meaning."""

from typing import Any

import numpy as np

SAME = 0.8
"""Two instructions with at least this cosine belong to one cluster."""


class Coverage:
    """Counts unique accepted instructions and their clusters in embedding space. The first instruction of a cluster is
    its centre.

    Attributes:
        sampled: number of relabels that were considered as examples; stored here for resumed runs.
    """

    def __init__(self) -> None:
        self.texts: set[str] = set()
        self.centres = np.zeros((0, 0), np.float32)
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

    def counts(self) -> dict[str, int]:
        """`unique_instructions` and `clusters` so far."""
        return {"unique_instructions": len(self.texts), "clusters": len(self.centres)}

    def state(self) -> dict[str, Any]:
        """The state as plain JSON; floats are exact."""
        return {
            "texts": sorted(self.texts),
            "centres": [[float(x) for x in centre] for centre in self.centres],
            "sampled": self.sampled,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """The inverse of :meth:`state`."""
        self.texts, self.sampled = set(state["texts"]), state["sampled"]
        self.centres = np.asarray(state["centres"], np.float32).reshape(len(state["centres"]), -1 if self.texts else 0)
