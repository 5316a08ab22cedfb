"""The replay buffer with token ids. The first process draws from it and writes it to each checkpoint.

It holds ids, not texts, so that training uses exactly the tokens that the policy sampled.
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
        capacity: most replays that are kept; the same limit holds for successes.
        successes: share of successes among the rows that are drawn.

    Raises:
        HindsightError: the capacity is below 1, or the share is not between 0 and 1.
    """

    def __init__(self, capacity: int, successes: float) -> None:
        self._buffer = ReplayBuffer(capacity, successes)

    def __len__(self) -> int:
        return len(self._buffer)

    def draw(self, count: int, rng: np.random.Generator) -> list[ReplayItem[Ids]]:
        """Rows to train on; fewer if the buffer holds fewer."""
        drawn = self._buffer.draw(count, rng)
        return [each.encoded(_unpacked(each.prompt), _unpacked(each.completion)) for each in drawn]

    def keep(self, replays: Iterable[ReplayItem[Ids]], successes: Iterable[ReplayItem[Ids]]) -> None:
        """Add these; in a full buffer they replace the oldest."""
        packed = (
            (each.encoded(_packed(each.prompt), _packed(each.completion)) for each in part)
            for part in (replays, successes)
        )
        self._buffer.keep(*packed)

    def save(self, folder: str | Path) -> None:
        """Write the buffer into a checkpoint, atomically."""
        with replacing(Path(folder) / FILE) as partial:
            partial.write_bytes(self._buffer.to_bytes())

    def load(self, folder: str | Path) -> None:
        """Load the buffer of a checkpoint.

        Raises:
            HindsightError: it is missing, damaged, or holds more than the capacity.
        """
        path = Path(folder) / FILE
        try:
            self._buffer.load_bytes(path.read_bytes())
        except OSError as error:
            raise HindsightError(
                f"{path}: {error.strerror}; resume from a checkpoint that has one, or set buffer_rows_per_prompt=0"
            ) from error
        except HindsightError as error:
            raise HindsightError(
                f"{path}: {error}; resume from an earlier checkpoint, or correct buffer_capacity"
            ) from error


def fulfilled(batch: Batch, seen: Sequence[Rollout]) -> list[ReplayItem[Ids]]:
    """The successes among a batch of rollouts that were not cut off; row i of the batch is rollout i."""
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
    """Ids as compact text; a list would take ten times the space."""
    return base64.b64encode(np.fromiter(ids, "<u4").tobytes()).decode("ascii")


def _unpacked(text: str) -> Ids:
    found: Ids = np.frombuffer(base64.b64decode(text), "<u4").tolist()
    return found
