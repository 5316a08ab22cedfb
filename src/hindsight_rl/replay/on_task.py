"""Is an answer about its task? By the cosine of sentence embeddings; off by default.

A response may fulfil constraints without doing the task: "#5" has less than ten words, and is no slogan for a bakery.
Replayed, it teaches the model to leave tasks undone. NumPy only; without the filter no encoder is loaded.
"""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

Encode = Callable[[Sequence[str]], np.ndarray]
"""Texts -> unit vectors, float [len(texts), dim]."""


class OnTask:
    """Compares answers with their tasks.

    Args:
        least: an answer whose cosine with its task is lower is not about it; 0: every answer is.
        encode: the sentence encoder; by default :func:`hindsight_rl.encoder.load_encoder`'s default.

    Raises:
        EncoderError: the encoder is needed, and is not installed.
    """

    def __init__(self, least: float, encode: Encode | None = None) -> None:
        self.least = least
        self._encode = _encoder() if least and encode is None else encode

    def __call__(self, task: str, answer: str) -> bool:
        """Whether the answer is about the task."""
        return not self.least or not task.strip() or self.cosine(task, answer) >= self.least

    def cosine(self, task: str, answer: str) -> float:
        """The cosine of the two texts' embeddings. Long texts are cut off at the encoder's limit."""
        self._encode = self._encode or _encoder()
        first, second = self._encode([task, answer])
        return float(first @ second)


def _encoder() -> Encode:
    from hindsight_rl.encoder import load_encoder

    return partial(load_encoder().encode, keep=False)  # nearly every response occurs once
