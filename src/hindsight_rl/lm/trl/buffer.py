"""A memory of replays and successes as token ids; the first process draws from it and writes it to each checkpoint.

Ids, not texts: what is trained on again is the very tokens that the policy chose.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from transformers import TrainerCallback

from hindsight_rl.errors import HindsightError
from hindsight_rl.lm.trl.rows import Batch, Planned
from hindsight_rl.replay.buffer import Remembered, ReplayMemory
from hindsight_rl.replay.replayer import Rollout

FILE = "hindsight_memory.json"

Tokens = tuple[Iterable[int], Iterable[int]]
"""Ids of a prompt, and of a response that fulfils it."""


class TokenMemory:
    """A :class:`hindsight_rl.replay.buffer.ReplayMemory` of ids.

    Args:
        capacity: replays, and successes, that are kept. successes: share of what is drawn.

    Raises:
        HindsightError: no capacity, or no share.
    """

    def __init__(self, capacity: int, successes: float) -> None:
        self._memory = ReplayMemory(capacity, successes)

    def __len__(self) -> int:
        return len(self._memory)

    def draw(self, count: int, rng: np.random.Generator) -> list[Planned]:
        """Rows to train on again; fewer where fewer are kept."""
        drawn = self._memory.draw(count, rng)
        return [Planned(-1, _unpacked(each.prompt), "", _unpacked(each.response)) for each in drawn]

    def keep(self, replays: Iterable[Tokens], successes: Iterable[Tokens]) -> None:
        """Remember these, in place of the oldest where there is no room."""
        self._memory.keep(*((Remembered(_packed(p), _packed(r)) for p, r in part) for part in (replays, successes)))

    def save(self, folder: str | Path) -> None:
        """Write it into a checkpoint; it is there whole or not at all."""
        partial = Path(folder) / f"{FILE}.tmp"
        partial.write_bytes(self._memory.to_bytes())
        partial.replace(Path(folder) / FILE)

    def load(self, folder: str | Path) -> None:
        """Become what a checkpoint holds.

        Raises:
            HindsightError: there is none, it is torn, or it holds more than the capacity.
        """
        path = Path(folder) / FILE
        try:
            self._memory.load_bytes(path.read_bytes())
        except OSError as error:
            raise HindsightError(
                f"{path}: {error.strerror}; go on from a checkpoint that has one, or set memory_per_prompt=0"
            ) from error
        except HindsightError as error:
            raise HindsightError(
                f"{path}: {error}; go on from an earlier checkpoint, or mend memory_capacity"
            ) from error


def fulfilled(batch: Batch, seen: Sequence[Rollout]) -> list[Tokens]:
    """Of a batch whose rows are these rollouts: those that succeeded and were not cut off."""
    return [
        (_ids(batch, "prompt", row), _ids(batch, "completion", row))
        for row, each in enumerate(seen)
        if each.succeeded and each.complete
    ]


def _ids(batch: Batch, part: str, row: int) -> list[int]:
    found: list[int] = batch[f"{part}_ids"][row][batch[f"{part}_mask"][row].bool()].tolist()
    return found


class Saved(TrainerCallback):
    """Writes the memory into each checkpoint."""

    def __init__(self, memory: TokenMemory) -> None:
        self.memory = memory

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.is_world_process_zero:
            self.memory.save(Path(args.output_dir) / f"checkpoint-{state.global_step}")


def _packed(ids: Iterable[int]) -> str:
    """Ids as text of a few bytes each: a list would take ten times the room."""
    return base64.b64encode(np.fromiter(ids, "<u4").tobytes()).decode("ascii")


def _unpacked(text: str) -> list[int]:
    found: list[int] = np.frombuffer(base64.b64decode(text), "<u4").tolist()
    return found
