"""A memory of what was fulfilled: replays of earlier batches, to be trained on again.

    memory = ReplayMemory(capacity=100_000)
    again = memory.draw(1024, rng)
    memory.keep(Remembered(prompt, response) for ...)

A replay is made of the policy's own response and of an instruction that this response fulfils. It stays true whatever
becomes of the policy, as the relabeled episodes in HER's replay buffer do (arXiv 1707.01495); HiR trains on each replay
once and throws it away. Old log-probabilities do not stay true: take them anew, under the policy as it is.
"""

import json
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from hindsight_rl.errors import HindsightError


class Remembered(NamedTuple):
    """An instruction's prompt and a response that fulfils it."""

    prompt: str
    response: str


class ReplayMemory:
    """Keeps the newest pairs, as many as there is room for.

    Args:
        capacity: pairs, at least 1.

    Raises:
        HindsightError: no capacity.
    """

    def __init__(self, capacity: int):
        if capacity < 1:
            raise HindsightError(f"a memory of {capacity} replays: at least 1")
        self.capacity = capacity
        self._pairs: list[Remembered] = []
        self._next = 0  # the place of the oldest pair, once the memory is full

    def __len__(self) -> int:
        return len(self._pairs)

    def keep(self, pairs: Iterable[Remembered]) -> None:
        """Remember these, in place of the oldest where there is no room."""
        for pair in pairs:
            if len(self._pairs) < self.capacity:
                self._pairs.append(pair)
            else:
                self._pairs[self._next] = pair
                self._next = (self._next + 1) % self.capacity

    def draw(self, count: int, rng: np.random.Generator) -> list[Remembered]:
        """Pairs drawn evenly, with replacement; none from an empty memory."""
        if not self._pairs:
            return []
        return [self._pairs[place] for place in rng.integers(len(self._pairs), size=count)]

    def to_bytes(self) -> bytes:
        """All of it, for a checkpoint."""
        return json.dumps({"next": self._next, "pairs": self._pairs}, ensure_ascii=False).encode()

    def load_bytes(self, stored: bytes) -> None:
        """Become what was stored.

        Raises:
            HindsightError: it is torn, or holds more than the capacity.
        """
        try:
            found = json.loads(stored)
            pairs = [Remembered(str(prompt), str(response)) for prompt, response in found["pairs"]]
            place = int(found["next"])
        except (ValueError, KeyError, TypeError) as error:
            raise HindsightError(f"the memory of replays is torn ({error})") from error
        if len(pairs) > self.capacity or not 0 <= place < self.capacity:
            raise HindsightError(f"the memory of replays holds {len(pairs)}, more than its capacity ({self.capacity})")
        self._pairs, self._next = pairs, place
