"""Rows of tensors: replays as rows of a batch. Uses torch, but not the trainer.

A batch is TRL's: prompt_ids and prompt_mask [N, P], padded left; completion_ids and completion_mask [N, T], padded
right; further tensors [N, T], [N, 1] or [N]; and scalars.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from hindsight_rl.errors import HindsightError
from hindsight_rl.replay.item import ReplayItem

Batch = dict[str, Any]


Ids = list[int]


@dataclass(frozen=True)
class Row:
    """A replay with its tokens (never tokenised again), and its old log-probabilities [t], on the CPU.

    written: for each token whether the policy wrote it (1), and not the environment (0); None if the policy wrote all.
    """

    item: ReplayItem[Ids]
    logps: Tensor
    written: list[int] | None = None

    @property
    def tokens(self) -> int:
        """Tokens that the policy wrote."""
        return len(self.item.completion) if self.written is None else sum(self.written)

    @property
    def fresh(self) -> bool:
        """Whether it is a replay of this batch, not from the replay buffer."""
        return self.item.source is not None


def loss_mask(batch: Batch) -> Tensor:
    """The tokens that the policy wrote [N, T]: those of the completion, without those of an environment or a tool."""
    mask: Tensor = batch["completion_mask"]
    return mask * batch["tool_mask"] if "tool_mask" in batch else mask


def share(count: int, rank: int, ranks: int, steps: int) -> tuple[list[int], int]:
    """Which of `count` replays this process takes, and how many rows each process appends.

    All processes append the same number of rows. It is a multiple of `steps`, so that no row is lost when the batch is
    split into micro-batches. Unused rows have no tokens.
    """
    rows = -(-count // (ranks * steps)) * steps
    return list(range(rank, count, ranks)), rows


def replay_rows(mine: Sequence[Row], rows: int, pad: int, *, like: Batch, multiple: int | None = None) -> Batch:
    """The replays as a batch of `rows` rows (prompts, completions, masks, old logps); the last rows have no tokens.

    like: the batch to which they are appended; the completions are at least as wide as in this batch.
    """
    device = like["prompt_ids"].device
    # A row without tokens still attends to one token, because attention to nothing gives NaN.
    prompts = [each.item.prompt for each in mine] + [[pad]] * (rows - len(mine))
    wide = _rounded(max(len(ids) for ids in prompts), multiple)
    long = max([like["completion_ids"].size(1), *(len(each.item.completion) for each in mine)])
    made: Batch = {
        "prompt_ids": torch.full((rows, wide), pad),
        "prompt_mask": torch.zeros(rows, wide, dtype=torch.long),
        "completion_ids": torch.full((rows, long), pad),
        "completion_mask": torch.zeros(rows, long, dtype=like["completion_mask"].dtype),
        "logps": torch.zeros(rows, long),
    }
    if "tool_mask" in like:
        made["tool_mask"] = torch.ones(rows, long, dtype=like["tool_mask"].dtype)
    for at, ids in enumerate(prompts):
        made["prompt_ids"][at, wide - len(ids) :] = torch.tensor(ids)
        made["prompt_mask"][at, wide - len(ids) :] = 1
    for at, each in enumerate(mine):
        size = len(each.item.completion)
        made["completion_ids"][at, :size] = torch.tensor(each.item.completion)
        made["completion_mask"][at, :size] = 1
        made["logps"][at, :size] = each.logps
        if each.written is not None:
            made["tool_mask"][at, :size] = torch.tensor(each.written)
    return {name: value.to(device) for name, value in made.items()}


def narrowed(batch: Batch, rows: Sequence[int]) -> Batch:
    """Prompts and completions of some rows, without columns that contain only padding."""
    names = ("prompt_ids", "prompt_mask", "completion_ids", "completion_mask", "tool_mask")
    made = {name: batch[name][list(rows)] for name in names if name in batch}
    before = int((made["prompt_mask"].sum(0) > 0).int().argmax())
    width = max(1, int(made["completion_mask"].sum(1).max()))
    for name in made:
        made[name] = made[name][:, before:] if name.startswith("prompt") else made[name][:, :width]
    return made


def joined(one: Batch, other: Batch, pad: int) -> Batch:
    """Concatenate the rows of two batches, padded to a common width. Scalars, and keys that only `one` has, stay.

    Raises :class:`HindsightError` for a tensor of rows that `other` lacks: this TRL has a tensor that replay does not
    know.
    """
    made = dict(one)
    rows = one["prompt_ids"].size(0)
    for name, value in one.items():
        if isinstance(value, Tensor) and (value.ndim == 0 or value.size(0) != rows):
            continue
        if name not in other or not isinstance(value, Tensor):
            raise HindsightError(f"this TRL's batch holds {name!r}, which replay does not know; use a tested version")
        fill = pad if name in ("prompt_ids", "completion_ids") else 0
        left = name.startswith("prompt")
        below = other[name].to(value.dtype)
        if value.ndim == 2 and value.size(1) != below.size(1):
            width = max(value.size(1), below.size(1))
            value, below = widened(value, width, fill, left), widened(below, width, fill, left)
        made[name] = torch.cat((value, below))
    return made


def widened(value: Tensor, width: int, fill: float, left: bool = False) -> Tensor:
    """A [N, W] tensor padded to a width."""
    extra = width - value.size(1)
    return torch.nn.functional.pad(value, (extra, 0) if left else (0, extra), value=fill)


def _rounded(width: int, multiple: int | None) -> int:
    return width if not multiple else -(-width // multiple) * multiple
