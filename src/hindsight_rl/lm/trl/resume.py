"""Stopping and resuming: the options and the checkpoint of a resumed run, and a stop without loss of work."""

from __future__ import annotations

import math
import shutil
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback

from hindsight_rl.errors import HindsightError
from hindsight_rl.lm.checkpoints import checkpoints, torn_checkpoint
from hindsight_rl.lm.trl.config import HiRConfig

# Options that do not affect training, or (share_prompts) only its rounding; and options that may grow.
FREE = frozenset(
    {
        *("out", "output_dir", "resume", "json", "run_name", "report_to", "project", "trackio_space_id"),
        *("save_steps", "save_strategy", "save_total_limit", "logging_steps", "logging_strategy", "logging_first_step"),
        *("logging_dir", "log_level", "log_completions", "num_completions_to_print", "disable_tqdm", "patience"),
        *("dataloader_num_workers", "resume_from_checkpoint"),
        *("held_out", "held_out_limit", "evaluate_every", "attention", "share_prompts"),
    }
)
LONGER = ("max_steps", "num_train_epochs")
SAVES = 5
"""Default number of checkpoints of a run."""


class Stopped(Exception):
    """Training was stopped by a user or a signal; the message says how to resume."""


def refuse_changes(out: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """Raise :class:`HindsightError` if the options of a resumed run differ from those of its first start.

    before, after: all options by name. A longer run is accepted.
    """
    for name, value in after.items():
        old = before.get(name)
        if name in FREE or _same(old, value):
            continue
        if name in LONGER:
            if old is None or old < 0 or value > old:
                continue
            raise HindsightError(
                f"--resume: {out} was made with {name} {old}; {value} is less, and a run can only become longer"
            )
        raise HindsightError(
            f"--resume: {out} was made with {name} {old}, not {value}; remove --{name}, or choose another --out"
        )


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, str) and isinstance(other, str) and Path(one).exists() and Path(other).exists():
        return Path(one).resolve() == Path(other).resolve()
    return bool(one == other)


def last_whole(folder: Path, needs: tuple[str, ...] = ()) -> tuple[Path | None, list[str]]:
    """The newest checkpoint from which training can resume, and why newer ones were skipped.

    needs: further files that it must hold.
    """
    passed: list[str] = []
    for each in checkpoints(folder):
        absent = next((f"no {name}" for name in needs if not (each / name).is_file()), None)
        why = torn_checkpoint(each) or absent
        if why is None:
            return each, passed
        passed.append(f"{each.name}: {why}")
    return None, passed


class SavesWithin(TrainerCallback):
    """By default, save a few times within the run."""

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        state.save_steps = min(state.save_steps, max(1, math.ceil(state.max_steps / SAVES)))


def checkpoint_bytes(model: Any) -> int:
    """Estimated size of a checkpoint: the weights, and two moments of the trained weights."""
    size = lambda value: value.numel() * value.element_size()  # noqa: E731
    trained = sum(size(each) for each in model.parameters() if each.requires_grad)
    adapter = hasattr(model, "peft_config")
    weights = trained if adapter else sum(size(each) for each in model.parameters())
    return int(weights + 2 * trained)


def check_room(folder: Path, args: HiRConfig, model: Any) -> None:
    """Raise :class:`HindsightError` if the disk has no space for one checkpoint and the trained model."""
    wanted = checkpoint_bytes(model) * (2 if args.save_strategy == "no" else 3) // 2
    free = shutil.disk_usage(folder).free
    if free < wanted:
        raise HindsightError(
            f"{free // 2**20} MiB free for {folder}, and a checkpoint with the trained model takes {wanted // 2**20}: "
            "free some, or choose another --out"
        )


class Stop(TrainerCallback):
    """Ctrl-C (or SIGTERM) stops training after the current step, with a checkpoint; a second one stops immediately."""

    def __init__(self) -> None:
        self.asked = False
        self.trainer: Any = None

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        asked = self.asked
        if args.world_size > 1 and self.trainer is not None:  # all processes stop after the same step
            flag = torch.tensor(float(asked), device=self.trainer.accelerator.device)
            asked = bool(self.trainer.accelerator.reduce(flag, reduction="sum") > 0)
        if asked:
            self.asked = control.should_save = control.should_training_stop = True

    @contextmanager
    def listening(self, first: bool) -> Iterator[None]:
        """A context manager for the time of training. first: this process may print messages."""

        def asked(number: int, frame: Any) -> None:
            if self.asked:
                raise KeyboardInterrupt
            self.asked = True
            if first:
                print("\nhindsight: stopping after this step (press again to stop immediately)", file=sys.stderr)

        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, asked) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
