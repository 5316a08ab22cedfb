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

from patience import HUNG
from tiny_lm import tiny_model

HERE = Path(__file__).parent
TOLERANCE = 1e-5  # of weights and losses: sums in another order, in float32


CASES = ("some", "none", "most", "pooled", "grpo-loss", "memory")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All cases in one process (`1`) and in two (`2`)."""
    folder = tmp_path_factory.mktemp("processes")
    model = tiny_model(folder / "model")
    env = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": str(HERE)}
    for processes in (1, 2):
        launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
        script = [str(HERE / "trl_processes.py"), model, str(folder / str(processes)), *CASES]
        command = [sys.executable, *(launch if processes > 1 else []), *script]
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=HUNG, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
    return folder


def found(folder: Path, processes: int) -> dict[str, Any]:
    import torch

    return {
        "log": json.loads((folder / "log.json").read_text()),
        "rows": [json.loads((folder / f"rows-{rank}.json").read_text()) for rank in range(processes)],
        "weights": torch.load(folder / "weights.pt"),
    }


def compare(runs: Path, case: str) -> list[dict[str, Any]]:
    """The log of one process, after everything was found equal to that of two."""
    import torch

    one, two = found(runs / "1" / case, 1), found(runs / "2" / case, 2)
    for name, value in one["weights"].items():
        assert torch.allclose(value, two["weights"][name], atol=TOLERANCE, rtol=0), name
    for single, double in zip(one["log"], two["log"], strict=True):
        for name in (
            "hir/replays",
            "hir/buffer_rows",
            "hir/candidates",
            "hir/integrity",
            "hir/logp_shift",
            "loss",
            "grad_norm",
        ):
            assert single.get(name) == pytest.approx(double.get(name), abs=TOLERANCE), name
    # Rows are as many on both processes; advantages are those of one process.
    assert [part[0] for part in two["rows"][0]] == [part[0] for part in two["rows"][1]]
    for update in range(2):
        parts = [part[1:] for rank in two["rows"] for part in rank[2 * update : 2 * update + 2]]
        whole = [part[1:] for part in one["rows"][0][2 * update : 2 * update + 2]]
        flat = [sorted(value for part in side for value in part) for side in (parts, whole)]
        assert flat[0] == pytest.approx(flat[1], abs=1e-6)
    log: list[dict[str, Any]] = one["log"]
    return log


def test_two_processes_train_as_one(runs: Path) -> None:
    log = compare(runs, "some")
    assert all(entry["hir/replays"] > 0 and entry["grad_norm"] > 0 for entry in log)


def test_nothing_to_replay(runs: Path) -> None:
    log = compare(runs, "none")
    assert all(entry["hir/replays"] == 0 and entry["grad_norm"] == 0 for entry in log)


def test_as_many_replays_as_there_can_be(runs: Path) -> None:
    log = compare(runs, "most")
    assert all(entry["hir/replays"] == entry["hir/candidates"] == 16 for entry in log)


@pytest.mark.parametrize("case", ["pooled", "grpo-loss"])
def test_other_normalisation_and_loss(runs: Path, case: str) -> None:
    log = compare(runs, case)
    assert all(entry["hir/replays"] > 0 for entry in log)


def test_what_is_remembered_is_of_both_processes(runs: Path) -> None:
    first, second = compare(runs, "memory")
    assert first["hir/buffer_rows"] == 0 and second["hir/buffer_rows"] == 8
