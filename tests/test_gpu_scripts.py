"""The scripts that are for a GPU, run dry on a CPU: every part of them, at sizes that mean nothing."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def run(folder: Path, script: str, *arguments: str) -> None:
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", "PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, str(ROOT / "benchmarks" / script), *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=1500)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.slow
def test_the_agents(tmp_path: Path) -> None:
    extra = "--worlds 64 --width 32 --rank 8 --depth 1 --trajectories 8 --stretch 4 --learning.minibatch 256"
    sizes = ["--world", "classic-32", "--steps", "4096", "--envs", "32", "--rounds", "1", f"--extra={extra}"]
    run(tmp_path, "agent_gpu.py", *sizes, "--out", "gpu.json")
    result = json.loads((tmp_path / "gpu.json").read_text())
    assert result["training"]["steps"] >= 4096 and len(result["training"]["success"]) == 22
    assert sum(result["parts"]["share"].values()) == pytest.approx(1.0, abs=0.01)
    assert set(result["speed"]["steps_per_second"]) == {"ours", "stock"}


@pytest.mark.slow
def test_the_language_models(tmp_path: Path) -> None:
    pytest.importorskip("trl")
    sizes = ["--width", "64", "--layers", "2", "--tokens", "64", "--prompts", "4", "--rounds", "1", "--steps", "2"]
    run(tmp_path, "trl_step.py", *sizes, "--out", "trl.json")
    result = json.loads((tmp_path / "trl.json").read_text())
    assert result["rows_per_step"]["hir"] > result["rows_per_step"]["plain"] == 24
    assert result["per_row_ratio"]["median"] > 0
