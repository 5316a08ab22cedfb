"""The progress display of training with TRL: model and data, then a row for each logged step.

A live table in a terminal; otherwise aligned lines. All metrics of TRL are in the run's `metrics.jsonl`.
"""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from rich.console import Console, RenderableType
from rich.table import Table
from transformers import PrinterCallback, ProgressCallback, TrainerCallback
from transformers.utils import logging

from hindsight_rl.display import Display
from hindsight_rl.lm.trl.config import HiRConfig
from hindsight_rl.lm.trl.resume import checkpoint_bytes

ROWS = 12
"""Rows of the live table: the newest ones."""
AGAIN = 20
"""Number of plain lines after which the column names are repeated."""
# Warnings of libraries about each other's calls; users cannot do anything about them.
_NOISE = (
    r".*`?gradient_checkpointing`? is deprecated.*",
    r".*`?is_gradient_checkpointing`? is deprecated.*",
    r".*`?torch_dtype`? is deprecated.*",
)


def quiet() -> None:
    """Silence the libraries' progress bars, and warnings that users cannot do anything about."""
    for message in _NOISE:
        warnings.filterwarnings("ignore", message=message, category=FutureWarning)
    logging.disable_progress_bar()


class Progress(TrainerCallback):
    """Shows model and data, then a row for each logged step.

    Args:
        model: its name, as given by the user.
        instructions: number of training instructions.
        console: where to write; standard error by default.
        clock: returns seconds.
    """

    def __init__(
        self,
        model: str,
        instructions: int,
        console: Console | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.model, self.instructions, self.clock = model, instructions, clock
        self.table = _Rows(console)
        self._began = self._last = 0.0
        self._first = 0
        self._tokens = 0.0

    @staticmethod
    def alone(trainer: Any) -> None:
        """Remove the displays of transformers: a table and a progress bar cannot share a terminal."""
        for other in (PrinterCallback, ProgressCallback):
            trainer.remove_callback(other)

    def on_train_begin(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        if not state.is_world_process_zero:
            return
        mixed = "bfloat16" if args.bf16 else "float16" if args.fp16 else None
        self.table.say(subject(self.model, model, self.instructions, mixed))
        self.table.say(plan(args, state, model))
        self._began = self._last = self.clock()
        self._first = state.global_step
        self.table.__enter__()

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        if not state.is_world_process_zero or not logs or "reward" not in logs:
            return
        now, tokens = self.clock(), float(logs.get("num_tokens", 0.0))
        spent, self._last = now - self._last, now
        rate = (tokens - self._tokens) / spent if spent > 0 and self._tokens else math.nan
        self._tokens = tokens
        done = state.global_step - self._first
        left = (now - self._began) / done * (state.max_steps - state.global_step) if done else math.nan
        self.table.add(cells(logs, state.global_step, state.max_steps, rate, left))

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.close()

    def close(self) -> None:
        """Give the terminal back; also where training broke off."""
        self.table.__exit__(None, None, None)


def subject(name: str, model: Any, instructions: int, mixed: str | None = None) -> str:
    """Model and data: `smollm2-135m: 134.5 M parameters, float32 on cpu (2 threads); 4,000 instructions`.

    mixed: the type in which matrices are multiplied, if it is another one than that of the weights.
    """
    sizes = [(each.numel(), each.requires_grad) for each in model.parameters()]
    total, trained = sum(n for n, _ in sizes), sum(n for n, grad in sizes if grad)
    some = "" if trained == total else f", {_count(trained)} of them trained"
    first = next(model.parameters())
    where = f"cpu ({torch.get_num_threads()} threads)" if first.device.type == "cpu" else str(first.device)
    dtype = str(first.dtype).removeprefix("torch.")
    if mixed not in (None, dtype):
        dtype += f" with {mixed} products"
    shown = Path(name).name or name
    return f"{shown}: {_count(total)} parameters{some}, {dtype} on {where}; {instructions:,} instructions"


def plan(args: HiRConfig, state: Any, model: Any) -> str:
    """The plan of training: steps, rollouts and replays of a step, rows of a pass, checkpoints."""
    rows = args.per_device_train_batch_size * args.gradient_accumulation_steps * args.world_size
    said = f"{state.max_steps} steps of {rows} rollouts ({int(args.num_generations or 1)} for each prompt)"
    said += f", at most {args.replay_budget} replays a generation batch" if args.adds_rows else ""
    said += f", at most {args.per_device_train_batch_size} rows a pass"
    if args.save_strategy == "no":
        return said + "; no checkpoints, so a stopped run cannot go on"
    first = (
        f"the first at step {min(state.save_steps, state.max_steps):g}"
        if args.save_strategy == "steps"
        else "one an epoch"
    )
    return said + f"; checkpoints of about {checkpoint_bytes(model) / 2**20:,.0f} MiB, {first}"


def cells(logs: Mapping[str, Any], step: int, steps: int, rate: float, left: float) -> dict[str, str]:
    """A row of the table, by column.

    Args:
        logs: TRL's metrics of a step.
        step, steps: steps done, and steps of the run.
        rate: tokens per second, prompts included.
        left: estimated remaining seconds.
    """
    found = {"step": f"{step}/{steps}"}
    number = lambda name: _number(logs.get(name))  # noqa: E731
    found["all met"] = _share(number("constraints/all"))
    by_number = sorted(name for name in logs if name.startswith("constraints/all_of_"))
    for name in by_number:
        found[f"of {name.removeprefix('constraints/all_of_')}"] = _share(number(name))
    found["each met"] = _share(number("constraints/fraction"))
    found["no signal"] = _share(number("frac_reward_zero_std"))
    if not math.isnan(replays := number("hir/replays")):
        found["replays"] = f"{replays:.0f}"
    found["tokens"] = "–" if math.isnan(length := number("completions/mean_length")) else f"{length:.0f}"
    found["ended"] = _share(1 - number("completions/clipped_ratio"))
    found["tokens/s"] = "–" if math.isnan(rate) else f"{rate:,.0f}"
    found["left"] = "–" if math.isnan(left) else _time(left)
    return found


HELP = (
    "all met: share of rollouts that meet all constraints; of 2: of those with 2; each met: share of single "
    "constraints; no signal: share of prompts whose rollouts all have one reward; ended: by themselves, not cut off"
)


class _Rows(Display):
    """The table; a column appears with the first row that has a value for it."""

    def __init__(self, console: Console | None) -> None:
        super().__init__(console)
        self.rows: list[dict[str, str]] = []

    def add(self, row: dict[str, str]) -> None:
        """Add a row, and show it immediately."""
        self.rows.append(row)
        if self.live:
            self.draw(at_once=True)
            return
        if len(self.rows) == 1:
            self.say(HELP)
        widths = {name: max(len(name), 9 if name == "step" else 7) for name in row}
        if len(self.rows) % AGAIN == 1 or list(row) != list(self.rows[-2]):
            self.say("  ".join(name.rjust(widths[name]) for name in row))
        self.say("  ".join(value.rjust(widths[name]) for name, value in row.items()))

    def render(self) -> RenderableType:
        """The newest rows."""
        shown = self.rows[-ROWS:]
        names = list(dict.fromkeys(name for row in shown for name in row))
        table = Table(caption=HELP, caption_justify="left", box=None, pad_edge=False)
        for name in names or ["step"]:
            table.add_column(name, justify="right", no_wrap=True)
        for row in shown:
            table.add_row(*(row.get(name, "–") for name in names))
        return table


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else math.nan


def _share(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.3f}"


def _count(number: int) -> str:
    return f"{number / 1e9:.2f} B" if number >= 1e9 else f"{number / 1e6:.1f} M" if number >= 1e6 else f"{number:,}"


def _time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if minutes >= 60 else f"{minutes}:{rest:02}"
