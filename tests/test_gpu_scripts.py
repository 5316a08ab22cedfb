"""The scripts that are for a GPU, run dry on a CPU: every part of them, at sizes that mean nothing."""

import inspect
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import jax
import pytest

from hindsight_rl.agent.evaluation import evaluate, suite
from hindsight_rl.agent.evaluation.trials import run_trials
from hindsight_rl.agent.training.iteration import train_iteration
from hindsight_rl.run import Run
from patience import HUNG

ROOT = Path(__file__).parents[1]
TINY = "--num-worlds 64 --width 32 --rank 8 --depth 1 --trajectories 8 --num-updates 4 --learning.minibatch 256"


def run(folder: Path, script: str, *arguments: str) -> None:
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", "PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, str(ROOT / "benchmarks" / script), *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=HUNG)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.fixture
def agent_gpu(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return import_module("agent_gpu")


class Stub:
    """A run of ten iterations that learns a little with each."""

    steps_per_iteration, iterations, iteration = 100, 10, 0

    def __init__(self, folder: Path):
        self.seconds = {"train": 0.0, "relabel": 0.0, "evaluate": 0.0}
        self.run = Run.create(folder, {}, kind="agent")

    @property
    def step(self) -> int:
        return self.iteration * self.steps_per_iteration

    def iterate(self) -> dict[str, Any]:
        self.iteration += 1
        self.seconds["train"] += 2.0
        self.seconds["relabel"] += 0.5
        return {"step": self.step}

    def evaluate(self) -> dict[str, float]:
        return {"one": self.iteration / 10, "another": 0.0}


@pytest.mark.parametrize(
    ("cut_short", "during", "evaluated", "said"),
    [
        (True, "evaluation", False, "bound on the time ended training at 5 of 9 planned steps, and the program before"),
        (True, None, True, "The bound on the time ended training at 5 of 9 planned steps."),
        (False, "turns", True, "Training took all 9 planned steps; the bound on the time ended the program during its"),
        (False, None, True, "Training took all 9 planned steps."),
    ],
)
def test_the_page_says_what_the_bound_ended(
    monkeypatch: pytest.MonkeyPatch, cut_short: bool, during: str | None, evaluated: bool, said: str
) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    result = {
        "training": {"steps": 5, "steps_planned": 9, "cut_short": cut_short},
        "ended_by_bound": during and {"during": during, "seconds": 1.0},
        **({"evaluation": {}} if evaluated else {}),
    }
    assert said in import_module("agent_gpu_page").ending(result)


@pytest.mark.parametrize(("until", "evaluated"), [(10, [0, 300, 500, 800, 1000]), (6, [0, 300, 500, 600])])
def test_training_ends_at_its_end_or_when_it_is_late(
    tmp_path: Path, agent_gpu: ModuleType, until: int, evaluated: list[int]
) -> None:
    training, known = Stub(tmp_path / "run"), []
    agent_gpu.train(training, 4, lambda: training.iteration >= until, known.append)
    last = known[-1]
    assert [row["step"] for row in last["curve"]] == evaluated and len(known) == len(evaluated)
    assert last["steps"] == evaluated[-1] and last["steps_planned"] == 1000 and last["cut_short"] == (until < 10)
    assert [row["mean"] for row in last["curve"]] == [step / 2000 for step in evaluated]
    assert last["steps_per_second"] == 40
    rows = training.run.lines("metrics.jsonl")
    assert [row["step"] for row in rows] == [100 * n for n in range(1, until + 1)]
    assert [row["step"] for row in rows if "success" in row] == evaluated[1:]


def test_no_more_iterations_are_planned_than_fit(agent_gpu: ModuleType) -> None:
    assert agent_gpu.fitting(1000, 100, float("inf"), 2.0, 5.0) == 1000
    assert agent_gpu.fitting(1001, 100, float("inf"), 2.0, 5.0) == 1100
    assert agent_gpu.fitting(1000, 100, 16.9, 2.0, 5.0) == 500
    assert agent_gpu.fitting(1000, 100, 1e6, 2.0, 5.0) == 1000
    assert agent_gpu.fitting(1000, 100, -3.0, 2.0, 5.0) == 100


def test_the_bound_ends_the_program_and_the_file_is_whole(tmp_path: Path) -> None:
    began = time.monotonic()
    small = ["--env", "classic-32", "--num-envs", "32", "--extra=--trajectories 8 --learning.minibatch 256"]
    run(tmp_path, "agent_gpu.py", "--seconds", "6", *small, "--out", "gpu.json")
    result = json.loads((tmp_path / "gpu.json").read_text())
    assert result["bound"] == 6 and result["ended_by_bound"]["during"] in ("start", "set up", "compile")
    assert 4 < result["ended_by_bound"]["seconds"] < 6 + time.monotonic() - began - 5
    assert "training" not in result and not list(tmp_path.glob(".gpu*"))


def by_default(monkeypatch: pytest.MonkeyPatch, function: Any, **values: Any) -> None:
    """Other defaults of some arguments."""
    parameters = inspect.signature(function).parameters
    defaults = {name: each.default for name, each in parameters.items() if each.default is not each.empty}
    assert values.keys() <= defaults.keys()
    monkeypatch.setattr(function, "__defaults__", tuple((defaults | values).values()))


@pytest.fixture
def few_trials(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Two trials of an instruction in a short evaluation, 64 side by side, in programs that are not optimised."""
    by_default(monkeypatch, suite.canonical_success, episodes=2)
    by_default(monkeypatch, suite.evaluate_instructions, batch=64)
    by_default(monkeypatch, evaluate.evaluate_run, batch=64)
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)


@pytest.mark.slow
def test_the_agents(tmp_path: Path, agent_gpu: ModuleType, few_trials: None) -> None:
    config = agent_gpu.GpuConfig(
        env="classic-32", total_timesteps=8192, num_envs=32, num_evals=2, iterations=2, scale=0.02, rounds=3,
        extra=TINY,
        run=str(tmp_path / "trained"),
    )  # fmt: skip
    record = agent_gpu.Record(str(tmp_path / "gpu.json"), None)
    before = train_iteration._cache_size(), run_trials._cache_size()
    agent_gpu.measured(config, record, tmp_path)
    # Ours and stock Craftax's update; trials of one, two and three goals: nothing is compiled twice.
    assert (train_iteration._cache_size(), run_trials._cache_size()) == (before[0] + 2, before[1] + 3)
    result = json.loads((tmp_path / "gpu.json").read_text())
    assert result["ended_by_bound"] is None and result["settings"]["total_timesteps"] == 8192

    training = result["training"]
    assert training["steps"] == training["steps_planned"] == 8192 and not training["cut_short"]
    steps = [row["step"] for row in training["curve"]]
    assert steps == [0, 4096, 8192] and all(len(row["success"]) == 22 for row in training["curve"])
    assert all(a["seconds"] < b["seconds"] for a, b in pairwise(training["curve"]))
    spent = training["seconds"]
    assert training["steps_per_second"] == pytest.approx(8192 / (spent["train"] + spent["relabel"]), rel=0.02)
    assert Run.open(tmp_path / "trained").lines("metrics.jsonl")[-1]["step"] == 8192
    assert result["checkpoint"] == "at step 8192" and (tmp_path / "trained" / "checkpoints" / "8192").is_dir()

    evaluated = result["evaluation"]
    assert evaluated["steps"] == 8192 and len(evaluated["success"]["canonical"]) == 22
    found = [row["success"] for row in evaluated["success"]["canonical"]]
    assert evaluated["mean"]["canonical"] == pytest.approx(statistics.mean(found), abs=1e-3)
    assert sum(result["parts"]["share"].values()) == pytest.approx(1.0, abs=0.01)

    speed, seconds = result["speed"], result["speed"]["seconds"]
    assert len(seconds["ours"]) == len(seconds["stock"]) == 3 and speed["steps_per_turn"] == 32 * 16 * 4
    for name, times in seconds.items():
        expected = speed["steps_per_turn"] / statistics.median(times)
        assert speed["steps_per_second"][name] == pytest.approx(expected, rel=0.01)
    ratios = [stock / ours for stock, ours in zip(seconds["stock"], seconds["ours"], strict=True)]
    over = speed["ours_over_stock"]
    assert [over["min"], over["median"], over["max"]] == pytest.approx(
        [min(ratios), statistics.median(ratios), max(ratios)], rel=0.01
    )


@pytest.mark.slow
def test_the_language_models(tmp_path: Path) -> None:
    pytest.importorskip("trl")
    sizes = ["--width", "64", "--layers", "2", "--tokens", "64", "--prompts", "4", "--rounds", "1", "--steps", "2"]
    run(tmp_path, "trl_step.py", *sizes, "--out", "trl.json")
    result = json.loads((tmp_path / "trl.json").read_text())
    rows, seconds = result["rows_per_step"], result["seconds_per_step"]
    assert rows["hir"] > rows["plain"] == 24
    per_row = {arm: seconds[arm][0] / rows[arm] for arm in ("hir", "plain")}
    assert result["per_row_ratio"]["median"] == pytest.approx(per_row["hir"] / per_row["plain"], rel=0.01)
