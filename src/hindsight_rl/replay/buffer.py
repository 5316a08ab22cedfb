"""A memory of what was fulfilled: replays and successes of earlier batches, to be learned from again.

    memory = ReplayMemory(capacity=100_000)
    again = memory.draw(1024, rng)
    memory.keep(replays=[Remembered(prompt, response), ...], successes=[...])

A replay is made of the policy's own response and of an instruction that this response fulfils. It stays true whatever
becomes of the policy, as the relabeled episodes in HER's replay buffer do (arXiv 1707.01495); HiR trains on each replay
once and throws it away. Old log-probabilities do not stay true: imitate what is drawn (raise its log-likelihood), with
no ratio to a policy of the past.
"""

import json
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from hindsight_rl.errors import HindsightError


class Remembered(NamedTuple):
    """An instruction's prompt and a response that fulfils it."""

    prompt: str
    response: str


class ReplayMemory:
    """Keeps the newest replays and the newest successes, each as many as there is room for.

    Replays are many and of instructions that nobody asked for; successes are few at first and of those that are to be
    learned. So they are drawn from apart.

    Args:
        capacity: pairs of each, at least 1.
        successes: share of what is drawn that is to be successes, from 0 to 1. Where there are fewer, replays take
            their place, and the other way about.

    Raises:
        HindsightError: no capacity, or no share.
    """

    def __init__(self, capacity: int, successes: float = 0.5):
        if capacity < 1:
            raise HindsightError(f"a memory of {capacity} replays: at least 1")
        if not 0 <= successes <= 1:
            raise HindsightError(f"a memory with {successes} of successes: a share between 0 and 1")
        self.share = successes
        self.replays, self.successes = _Ring(capacity), _Ring(capacity)

    def __len__(self) -> int:
        return len(self.replays.pairs) + len(self.successes.pairs)

    def keep(self, replays: Iterable[Remembered] = (), successes: Iterable[Remembered] = ()) -> None:
        """Remember these, in place of the oldest where there is no room."""
        self.replays.keep(replays)
        self.successes.keep(successes)

    def draw(self, count: int, rng: np.random.Generator) -> list[Remembered]:
        """Pairs drawn evenly, with replacement, successes first; fewer where fewer are kept."""
        replays, successes = len(self.replays.pairs), len(self.successes.pairs)
        of_successes = min(max(round(count * self.share), count - replays), successes)
        drawn = self.successes.draw(of_successes, rng)
        return drawn + self.replays.draw(min(count - of_successes, replays), rng)

    def to_bytes(self) -> bytes:
        """All of it, for a checkpoint."""
        rings = {"replays": self.replays, "successes": self.successes}
        stored = {name: {"next": ring.next, "pairs": ring.pairs} for name, ring in rings.items()}
        return json.dumps(stored, ensure_ascii=False).encode()

    def load_bytes(self, stored: bytes) -> None:
        """Become what was stored.

        Raises:
            HindsightError: it is torn, or holds more than the capacity.
        """
        capacity = self.replays.capacity
        try:
            found = json.loads(stored)
            replays, successes = (_Ring.of(found[name], capacity) for name in ("replays", "successes"))
        except (ValueError, KeyError, TypeError) as error:
            raise HindsightError(f"the memory of replays is torn ({error})") from error
        self.replays, self.successes = replays, successes


class _Ring:
    """The newest pairs."""

    def __init__(self, capacity: int):
        self.capacity = capacity
        self.pairs: list[Remembered] = []
        self.next = 0  # the place of the oldest pair, once it is full

    @classmethod
    def of(cls, found: Any, capacity: int) -> "_Ring":
        ring = cls(capacity)
        ring.pairs = [Remembered(str(prompt), str(response)) for prompt, response in found["pairs"]]
        ring.next = int(found["next"])
        if len(ring.pairs) > capacity or not 0 <= ring.next < capacity:
            raise HindsightError(
                f"the memory of replays holds {len(ring.pairs)} of a kind, more than its capacity ({capacity})"
            )
        return ring

    def keep(self, pairs: Iterable[Remembered]) -> None:
        for pair in pairs:
            if len(self.pairs) < self.capacity:
                self.pairs.append(pair)
            else:
                self.pairs[self.next] = pair
                self.next = (self.next + 1) % self.capacity

    def draw(self, count: int, rng: np.random.Generator) -> list[Remembered]:
        return [self.pairs[place] for place in rng.integers(len(self.pairs), size=count)] if count else []
