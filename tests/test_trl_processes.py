"""HiR on TRL in two gloo processes: the same losses, advantages and weights as in one with the same global batch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("trl", reason="TRL is not installed: pip install 'hindsight-rl[lm]'")

from tiny_lm import tiny_model

HERE = Path(__file__).parent
TOLERANCE = 1e-5  # of weights and losses: sums in another order, in float32


def ran(model: str, out: Path, case: str, processes: int) -> dict[str, Any]:
    import torch

    out.mkdir(parents=True)
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    command = [
        sys.executable,
        *(launch if processes > 1 else []),
        str(HERE / "trl_processes.py"),
        model,
        str(out),
        case,
    ]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": str(HERE)}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return {
        "log": json.loads((out / "log.json").read_text()),
        "rows": [json.loads((out / f"rows-{rank}.json").read_text()) for rank in range(processes)],
        "weights": torch.load(out / "weights.pt"),
    }


def compare(tmp_path: Path, case: str) -> tuple[dict[str, Any], dict[str, Any]]:
    import torch

    model = tiny_model(tmp_path / "model")
    one, two = ran(model, tmp_path / "one", case, 1), ran(model, tmp_path / "two", case, 2)
    for name, value in one["weights"].items():
        assert torch.allclose(value, two["weights"][name], atol=TOLERANCE, rtol=0), name
    for single, double in zip(one["log"], two["log"], strict=True):
        for name in ("hir/replays", "hir/candidates", "hir/integrity", "hir/logp_shift", "loss", "grad_norm"):
            assert single.get(name) == pytest.approx(double.get(name), abs=TOLERANCE), name
    # Rows are as many on both processes; advantages are those of one process.
    assert [part[0] for part in two["rows"][0]] == [part[0] for part in two["rows"][1]]
    for update in range(2):
        parts = [part[1:] for rank in two["rows"] for part in rank[2 * update : 2 * update + 2]]
        whole = [part[1:] for part in one["rows"][0][2 * update : 2 * update + 2]]
        flat = [sorted(value for part in found for value in part) for found in (parts, whole)]
        assert flat[0] == pytest.approx(flat[1], abs=1e-6)
    return one, two


@pytest.mark.slow
def test_two_processes_train_as_one(tmp_path: Path) -> None:
    one, _ = compare(tmp_path, "some")
    assert all(entry["hir/replays"] > 0 and entry["grad_norm"] > 0 for entry in one["log"])


@pytest.mark.slow
def test_nothing_to_replay(tmp_path: Path) -> None:
    one, _ = compare(tmp_path, "none")
    assert all(entry["hir/replays"] == 0 and entry["grad_norm"] == 0 for entry in one["log"])


@pytest.mark.slow
def test_as_many_replays_as_there_can_be(tmp_path: Path) -> None:
    one, _ = compare(tmp_path, "most")
    assert all(entry["hir/replays"] == entry["hir/candidates"] > 8 for entry in one["log"])


@pytest.mark.slow
@pytest.mark.parametrize("case", ["pooled", "grpo-loss"])
def test_other_normalisation_and_loss(tmp_path: Path, case: str) -> None:
    one, _ = compare(tmp_path, case)
    assert all(entry["hir/replays"] > 0 for entry in one["log"])
