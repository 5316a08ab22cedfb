"""A micro-batch in several forward and backward passes, so that replays do not raise the peak memory.

Replays are appended to the rows of a micro-batch. Rows beyond ``per_device_train_batch_size`` go through the model in
further passes. The losses of the parts are weighted so that their sum is the loss of the micro-batch. Each loss is
backpropagated immediately, except the last one, which TRL backpropagates. Gradients and TRL's metrics are equal to
those of a single pass.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from accelerate.utils import DistributedType
from torch import Tensor

from hindsight_rl.lm.trl.config import ROW_MEANS
from hindsight_rl.lm.trl.packing import deal, prompt_groups
from hindsight_rl.lm.trl.rows import Batch, loss_mask

_TOKEN_MEANS = ("bnpo",)
"""Losses that are means over the tokens of a micro-batch. Those that are neither these nor row means are sums."""


def parted(batch: Batch, most: int, multiple: int | None = None, *, by_prompt: bool = False) -> list[Batch]:
    """The batch in parts of at most `most` rows, each without needless padding.

    multiple: padded widths stay multiples of this number. by_prompt: rows of the same prompt are in the same part;
    otherwise those of similar length.
    """
    rows = batch["prompt_ids"].size(0)
    count = -(-rows // most)
    if count == 1:
        return [batch]
    if by_prompt:
        dealt = deal(prompt_groups(batch["prompt_ids"], batch["prompt_mask"]), count, most)
        return [_part(batch, chosen, multiple) for chosen in dealt]
    prompts, completions = batch["prompt_mask"].sum(1), batch["completion_mask"].sum(1)
    order = torch.argsort(prompts + completions, descending=True, stable=True)
    return [_part(batch, chosen.tolist(), multiple) for chosen in torch.tensor_split(order, count)]


def regrouped(batches: Sequence[Batch], window: int, loss_type: str) -> list[Batch]:
    """The micro-batches of a generation, with the rows of a prompt in the same micro-batch where that is possible.

    Rows change places only among micro-batches of one update, whose gradients are added up, so that the update is the
    same. A loss that is a mean over the tokens of a micro-batch would change, and the pixels of images are not one row
    each: such batches are given back as they are.

    Args:
        batches: all micro-batches of a generation.
        window: micro-batches of an update; it may be longer than a generation.
        loss_type: TRL's name of the loss.
    """
    window = len(batches) if window % len(batches) == 0 else window
    images = any(batches[0].get(name) is not None for name in ("pixel_values", "num_images"))
    if window < 2 or len(batches) % window or loss_type in _TOKEN_MEANS or images:
        return list(batches)
    made: list[Batch] = []
    for start in range(0, len(batches), window):
        own = batches[start : start + window]
        whole = {name: _concatenated([each[name] for each in own], own) for name in own[0]}
        size = own[0]["prompt_ids"].size(0)
        groups = prompt_groups(whole["prompt_ids"], whole["prompt_mask"])
        made += [_chosen(whole, chosen) for chosen in deal(groups, window, size)]
    return made


def _concatenated(values: Sequence[Any], batches: Sequence[Batch]) -> Any:
    first, rows = values[0], batches[0]["prompt_ids"].size(0)
    if isinstance(first, list):
        return [each for value in values for each in value]
    return torch.cat(list(values)) if _is_rows(first, rows) else first


def _chosen(batch: Batch, rows: list[int]) -> Batch:
    count = batch["prompt_ids"].size(0)

    def some(value: Any) -> Any:
        if isinstance(value, list):
            return [value[row] for row in rows]
        return value[rows] if _is_rows(value, count) else value

    return {name: some(value) for name, value in batch.items()}


def _is_rows(value: Any, rows: int) -> bool:
    return isinstance(value, Tensor) and value.ndim > 0 and value.size(0) == rows


def _part(batch: Batch, chosen: list[int], multiple: int | None) -> Batch:
    made = _chosen(batch, chosen)
    wide = batch["completion_ids"].size(1)
    before = _width(made["prompt_mask"].sum(1), batch["prompt_ids"].size(1), multiple)
    width = _width(made["completion_mask"].sum(1), wide, multiple)
    for name, value in made.items():
        if not isinstance(value, Tensor) or value.ndim != 2:
            continue
        if name.startswith("prompt"):
            made[name] = value[:, value.size(1) - before :]
        elif value.size(1) == wide:
            made[name] = value[:, :width]
    return made


def _width(lengths: Tensor, most: int, multiple: int | None) -> int:
    width = max(1, int(lengths.max()))
    return min(most, -(-width // multiple) * multiple if multiple else width)


def weights(loss_type: str, parts: Sequence[Batch]) -> list[float]:
    """The weight of each part's loss in the loss of the micro-batch."""
    if loss_type in ROW_MEANS:
        sizes = [float(part["completion_ids"].size(0)) for part in parts]
    elif loss_type in _TOKEN_MEANS:
        sizes = [float(loss_mask(part).sum()) for part in parts]
    else:
        return [1.0] * len(parts)
    return [size / max(sum(sizes), 1.0) for size in sizes]


def divisible(trainer: Any) -> bool:
    """Whether the loss is a sum over parts. An entropy bonus, a quantile or expert balancing needs all rows."""
    return not (trainer._entropy_bonus_enabled or trainer.aux_loss_enabled or trainer.top_entropy_quantile < 1.0)


def loss_in_passes(trainer: Any, model: Any, parts: Sequence[Batch], loss_of: Callable[[Batch], Tensor]) -> Tensor:
    """The loss of a micro-batch; all of its parts except the last are already backpropagated.

    loss_of: TRL's loss of a part.
    """
    metrics = trainer._metrics["train"]
    before = {name: len(values) for name, values in metrics.items()}
    total: Tensor | float = 0.0
    share = weights(trainer.args.loss_type, parts)
    for part, weight in zip(parts[:-1], share[:-1], strict=True):
        with _apart(trainer, model):
            loss = loss_of(part) * weight
            given = (
                {"scale_wrt_gas": False} if trainer.accelerator.distributed_type == DistributedType.DEEPSPEED else {}
            )
            trainer.accelerator.backward(loss, **given)
            total = total + loss.detach()
    last = loss_of(parts[-1]) * share[-1]
    _merge(trainer, parts, before)
    return last + total


@contextmanager
def _apart(trainer: Any, model: Any) -> Iterator[None]:
    """A pass whose gradients stay on their process until the last pass of the micro-batch."""
    state = trainer.accelerator.gradient_state
    if not state.sync_gradients:  # they stay on their process until a later micro-batch in any case
        yield
        return
    state._set_sync_gradients(False)  # like transformers' own loop; otherwise DeepSpeed would make a step
    try:
        with trainer.accelerator.no_sync(model):
            yield
    finally:
        state._set_sync_gradients(True)


def _merge(trainer: Any, parts: Sequence[Batch], before: dict[str, int]) -> None:
    """Merge the values of each metric, one per part, into one: their mean over tokens, over all processes."""
    local = torch.stack([loss_mask(part).sum() for part in parts]).float()
    tokens = trainer.accelerator.reduce(local, reduction="sum").tolist()
    for name, values in trainer._metrics["train"].items():
        new = values[before.get(name, 0) :]
        if len(new) == len(parts):
            values[before.get(name, 0) :] = [_merged(name, new, tokens)]


def _merged(name: str, values: Sequence[float], tokens: Sequence[float]) -> float:
    known = [(value, size) for value, size in zip(values, tokens, strict=True) if not math.isnan(value)]
    if not known:
        return math.nan
    if name.endswith(("_max", "_min")):
        return (max if name.endswith("_max") else min)(value for value, _ in known)
    return sum(value * size for value, size in known) / max(sum(size for _, size in known), 1.0)
