"""The replay buffer as token ids; the first process draws from it and writes it to each checkpoint.

Ids, not texts: what is trained on again is the very tokens that the policy chose.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from transformers import TrainerCallback

from hindsight_rl.atomic_files import replacing
from hindsight_rl.errors import HindsightError
from hindsight_rl.lm.trl.rows import Batch, Ids
from hindsight_rl.replay.buffer import ReplayBuffer
from hindsight_rl.replay.item import ReplayItem
from hindsight_rl.replay.rollout import Rollout

FILE = "hindsight_replay_buffer.json"


class TokenBuffer:
    """A :class:`hindsight_rl.replay.buffer.ReplayBuffer` of ids.

    Args:
        capacity: replays, and successes, that are kept. successes: share of what is drawn.

    Raises:
        HindsightError: no capacity, or no share.
    """

    def __init__(self, capacity: int, successes: float) -> None:
        self._buffer = ReplayBuffer(capacity, successes)

    def __len__(self) -> int:
        return len(self._buffer)

    def draw(self, count: int, rng: np.random.Generator) -> list[ReplayItem[Ids]]:
        """Rows to train on again; fewer where fewer are kept."""
        drawn = self._buffer.draw(count, rng)
        return [each.encoded(_unpacked(each.prompt), _unpacked(each.completion)) for each in drawn]

    def keep(self, replays: Iterable[ReplayItem[Ids]], successes: Iterable[ReplayItem[Ids]]) -> None:
        """Take these in, in place of the oldest where there is no room."""
        packed = (
            (each.encoded(_packed(each.prompt), _packed(each.completion)) for each in part)
            for part in (replays, successes)
        )
        self._buffer.keep(*packed)

    def save(self, folder: str | Path) -> None:
        """Write it into a checkpoint; it is there whole or not at all."""
        with replacing(Path(folder) / FILE) as partial:
            partial.write_bytes(self._buffer.to_bytes())

    def load(self, folder: str | Path) -> None:
        """Become what a checkpoint holds.

        Raises:
            HindsightError: there is none, it is torn, or it holds more than the capacity.
        """
        path = Path(folder) / FILE
        try:
            self._buffer.load_bytes(path.read_bytes())
        except OSError as error:
            raise HindsightError(
                f"{path}: {error.strerror}; go on from a checkpoint that has one, or set buffer_rows_per_prompt=0"
            ) from error
        except HindsightError as error:
            raise HindsightError(
                f"{path}: {error}; go on from an earlier checkpoint, or mend buffer_capacity"
            ) from error


def fulfilled(batch: Batch, seen: Sequence[Rollout]) -> list[ReplayItem[Ids]]:
    """Of a batch whose rows are these rollouts: those that succeeded and were not cut off."""
    return [
        ReplayItem(None, _ids(batch, "prompt", row), _ids(batch, "completion", row))
        for row, each in enumerate(seen)
        if each.succeeded and each.complete
    ]


def _ids(batch: Batch, part: str, row: int) -> Ids:
    found: Ids = batch[f"{part}_ids"][row][batch[f"{part}_mask"][row].bool()].tolist()
    return found


class Saved(TrainerCallback):
    """Writes the replay buffer into each checkpoint."""

    def __init__(self, buffer: TokenBuffer) -> None:
        self.buffer = buffer

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.is_world_process_zero:
            self.buffer.save(Path(args.output_dir) / f"checkpoint-{state.global_step}")


def _packed(ids: Iterable[int]) -> str:
    """Ids as text of a few bytes each: a list would take ten times the room."""
    return base64.b64encode(np.fromiter(ids, "<u4").tobytes()).decode("ascii")


def _unpacked(text: str) -> Ids:
    found: Ids = np.frombuffer(base64.b64decode(text), "<u4").tolist()
    return found
