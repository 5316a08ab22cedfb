"""A replay buffer: replays and successes of earlier batches.

    buffer = ReplayBuffer(capacity=100_000)
    rows = buffer.draw(1024, rng)
    buffer.keep(replays=found.replays, successes=[ReplayItem(None, prompt, response), ...])

A replay is a response of the policy under an instruction that the response fulfils. It stays valid when the policy
changes, like the relabeled episodes in HER's replay buffer (arXiv 1707.01495). HiR trains on each replay once and
discards it. Old log-probabilities do not stay valid. Therefore imitate the rows from the buffer (raise their
log-likelihood), without a ratio to an old policy.
"""

import json
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from hindsight_rl.errors import HindsightError
from hindsight_rl.replay.item import ReplayItem


class _Pair(NamedTuple):
    """The stored part of an item."""

    prompt: str
    completion: str


class ReplayBuffer:
    """Keeps the newest replays and the newest successes, both up to the capacity.

    There are many replays, and their instructions are rewritten. There are few successes at first, and their
    instructions are those of training. Therefore each kind has its own share of the rows that are drawn.

    Args:
        capacity: most pairs of each kind, at least 1.
        successes: share of successes among the rows that are drawn, from 0 to 1. If there are too few successes,
            replays fill their share, and vice versa.

    Raises:
        HindsightError: the capacity is below 1, or the share is not between 0 and 1.
    """

    def __init__(self, capacity: int, successes: float = 0.5):
        if capacity < 1:
            raise HindsightError(f"a replay buffer of {capacity} replays: at least 1")
        if not 0 <= successes <= 1:
            raise HindsightError(f"a replay buffer with {successes} of successes: a share between 0 and 1")
        self.share = successes
        self.replays, self.successes = _Ring(capacity), _Ring(capacity)

    def __len__(self) -> int:
        return len(self.replays.pairs) + len(self.successes.pairs)

    def keep(self, replays: Iterable[ReplayItem[str]] = (), successes: Iterable[ReplayItem[str]] = ()) -> None:
        """Add prompt and completion of these items; in a full buffer they replace the oldest."""
        self.replays.keep(_Pair(each.prompt, each.completion) for each in replays)
        self.successes.keep(_Pair(each.prompt, each.completion) for each in successes)

    def draw(self, count: int, rng: np.random.Generator) -> list[ReplayItem[str]]:
        """Items drawn uniformly with replacement, successes first; fewer if the buffer holds fewer."""
        replays, successes = len(self.replays.pairs), len(self.successes.pairs)
        of_successes = min(max(round(count * self.share), count - replays), successes)
        drawn = self.successes.draw(of_successes, rng)
        drawn += self.replays.draw(min(count - of_successes, replays), rng)
        return [ReplayItem(None, each.prompt, each.completion) for each in drawn]

    def to_bytes(self) -> bytes:
        """The contents, for a checkpoint."""
        rings = {"replays": self.replays, "successes": self.successes}
        stored = {name: {"next": ring.next, "pairs": ring.pairs} for name, ring in rings.items()}
        return json.dumps(stored, ensure_ascii=False).encode()

    def load_bytes(self, stored: bytes) -> None:
        """Load the contents from a checkpoint.

        Raises:
            HindsightError: it is damaged, or holds more than the capacity.
        """
        capacity = self.replays.capacity
        try:
            found = json.loads(stored)
            replays, successes = (_Ring.of(found[name], capacity) for name in ("replays", "successes"))
        except (ValueError, KeyError, TypeError) as error:
            raise HindsightError(f"the replay buffer is damaged ({error})") from error
        self.replays, self.successes = replays, successes


class _Ring:
    """The newest pairs."""

    def __init__(self, capacity: int):
        self.capacity = capacity
        self.pairs: list[_Pair] = []
        self.next = 0  # the index of the oldest pair when the ring is full

    @classmethod
    def of(cls, found: Any, capacity: int) -> "_Ring":
        ring = cls(capacity)
        ring.pairs = [_Pair(str(prompt), str(completion)) for prompt, completion in found["pairs"]]
        ring.next = int(found["next"])
        if len(ring.pairs) > capacity:
            raise HindsightError(
                f"the replay buffer holds {len(ring.pairs)} of a kind, more than its capacity ({capacity})"
            )
        if not 0 <= ring.next < capacity:
            raise HindsightError(f"the replay buffer is damaged: its next place is {ring.next} of {capacity}")
        return ring

    def keep(self, pairs: Iterable[_Pair]) -> None:
        for pair in pairs:
            if len(self.pairs) < self.capacity:
                self.pairs.append(pair)
            else:
                self.pairs[self.next] = pair
                self.next = (self.next + 1) % self.capacity

    def draw(self, count: int, rng: np.random.Generator) -> list[_Pair]:
        return [self.pairs[place] for place in rng.integers(len(self.pairs), size=count)] if count else []
