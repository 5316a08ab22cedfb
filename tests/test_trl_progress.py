"""What a person sees while TRL trains, without training."""

from __future__ import annotations

import io
import math
from types import SimpleNamespace

import pytest

pytest.importorskip("trl", reason="TRL is not installed: pip install 'hindsight-rl[lm]'")

import torch
from rich.console import Console

from hindsight_rl.lm.trl.progress import Progress, cells, subject

LOGS = {
    "reward": 0.4,
    "constraints/all": 0.25,
    "constraints/all_of_2": 0.5,
    "constraints/all_of_10": 0.0,
    "constraints/fraction": 0.6,
    "frac_reward_zero_std": 0.75,
    "completions/mean_length": 31.6,
    "completions/clipped_ratio": 0.125,
    "num_tokens": 1000.0,
}


def test_a_row_says_what_was_met_and_how_long_it_takes() -> None:
    row = cells({**LOGS, "hir/replays": 3.0}, 4, 20, 250.4, 3725.0)
    assert row["step"] == "4/20" and row["all met"] == "0.250" and row["of 2"] == "0.500" and row["of 10"] == "0.000"
    assert row["no signal"] == "0.750" and row["replays"] == "3" and row["ended"] == "0.875" and row["tokens"] == "32"
    assert row["tokens/s"] == "250" and row["left"] == "1:02:05"
    bare = cells({"reward": 0.0}, 1, 2, math.nan, math.nan)
    assert bare["all met"] == "–" and bare["left"] == "–" and "replays" not in bare


def test_what_is_trained_is_said_in_one_line() -> None:
    model = torch.nn.Linear(1000, 2000)
    model.bias.requires_grad_(False)
    said = subject("some/where/tiny", model, 1234)
    assert said.startswith("tiny: 2.0 M parameters, 2.0 M of them trained, float32 on cpu (")
    assert said.endswith("; 1,234 instructions")
    assert "float32 with bfloat16 products on cpu" in subject("tiny", model, 1, "bfloat16")
    assert " with " not in subject("tiny", model.bfloat16(), 1, "bfloat16")


def test_lines_are_aligned_and_time_left_is_of_the_steps_done() -> None:
    text, now = io.StringIO(), iter([0.0, 10.0, 20.0])
    progress = Progress("m", 8, Console(file=text, width=200), clock=lambda: next(now))
    args = SimpleNamespace(
        per_device_train_batch_size=4, gradient_accumulation_steps=2, world_size=1, num_generations=4, adds_rows=False,
        save_strategy="no", bf16=False, fp16=False,
    )  # fmt: skip
    state = SimpleNamespace(is_world_process_zero=True, global_step=0, max_steps=4)
    progress.on_train_begin(args, state, None, model=torch.nn.Linear(2, 2))
    for step in (1, 2):
        state.global_step = step
        progress.on_log(args, state, None, logs={**LOGS, "num_tokens": 1000.0 * step})
    progress.on_log(args, state, None, logs={"train_runtime": 1.0})
    lines = text.getvalue().splitlines()
    assert lines[1].startswith("4 steps of 8 rollouts (4 for each prompt), at most 4 rows a pass; no checkpoints")
    heads, first, second = lines[-3:]
    assert len(heads) == len(first) == len(second)
    assert first.split()[-1] == "0:30" and second.split()[-2:] == ["100", "0:20"]
