"""One program on one device, on four, and in two processes: the same learning curve for the same global batch.

Tolerance: what is counted (events, attempts, relabels, the buffer's slots) is equal; the loss, whose sums are split
differently, to one part in ten thousand.
"""

import dataclasses
import json
import os
import shlex
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
import tyro

from hindsight_rl.agent.training.presets import PRESETS, preset_of
from hindsight_rl.agent.training.sharding import Placement, ProcessRules
from hindsight_rl.agent.training.train import TrainConfig, train_seeds
from hindsight_rl.cli import main as cli
from hindsight_rl.errors import HindsightError
from hindsight_rl.run import Run
from patience import HUNG

pytestmark = pytest.mark.agent

SMALL = shlex.split(
    "--total-timesteps 8192 --num-envs 32 --num-steps 16 --num-updates 4 --num-worlds 128 --width 32 --rank 8 "
    "--depth 1 --trajectories 8 "
    "--num-evals 0 --num-checkpoints 2 --no-final-eval --learning.hindsight 8 --buffer.min-attempts 4"
)


def command(out: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "hindsight_rl.cli", "agent", "train", *SMALL, "--out", str(out), *more]


def environment(devices: int) -> dict[str, str]:
    flags = f"--xla_force_host_platform_device_count={devices}"
    return {**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu", "OMP_NUM_THREADS": "1"}


def curve(out: Path) -> list[dict[str, Any]]:
    return [{k: v for k, v in row.items() if k != "seconds"} for row in Run(out).lines("metrics.jsonl")]


def assert_same(curves: list[list[dict[str, Any]]]) -> None:
    first, *others = curves
    assert len(first) == 4 and sum(row["events"]["collect_wood"] for row in first) > 0 and first[-1]["slots"]
    for other in others:
        for a, b in zip(first, other, strict=True):
            assert b["loss"] == pytest.approx(a["loss"], rel=1e-4)
            assert {k: v for k, v in b.items() if k != "loss"} == {k: v for k, v in a.items() if k != "loss"}


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("alone") / "run"
    assert cli(["agent", "train", *SMALL, "--out", str(out)]) == 0
    return out


def test_four_devices_learn_as_one_does(alone: Path, tmp_path: Path) -> None:
    out = tmp_path / "four"
    subprocess.run(command(out), env=environment(4), check=True, timeout=HUNG)
    assert Run(out).read("config.json")["machine"]["devices"] == 4
    assert_same([curve(alone), curve(out)])


def test_two_processes_learn_as_one_does(alone: Path, tmp_path: Path) -> None:
    out = tmp_path / "two"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    meeting = ["--processes.coordinator", f"127.0.0.1:{port}", "--processes.count", "2", "--processes.index"]
    started = [
        subprocess.Popen(command(out, *meeting, str(i)), env=environment(1), stdout=subprocess.PIPE, text=True)
        for i in range(2)
    ]
    said = [process.communicate(timeout=HUNG)[0] for process in started]
    assert [process.returncode for process in started] == [0, 0]
    assert "run:" in said[0] and "run:" not in said[1]  # the first one alone speaks, and writes
    assert_same([curve(alone), curve(out)])

    # One process goes on with what two began.
    rows = curve(out)
    last = max((out / "checkpoints").iterdir(), key=lambda p: int(p.name))
    assert int(last.name) == rows[-1]["step"]
    assert cli(["agent", "train", *SMALL, "--out", str(out), "--resume"]) == 0
    assert curve(out) == rows


def test_seeds_side_by_side_learn_as_each_does_alone(tmp_path: Path, alone: Path) -> None:
    small = tyro.cli(TrainConfig, args=SMALL)
    outs = [str(tmp_path / "a"), str(tmp_path / "b")]
    paths = train_seeds(small, [0, 1], outs)
    one, other = (curve(path) for path in paths)
    assert_same([curve(alone), one])
    assert [row["events"] for row in other] != [row["events"] for row in one]
    assert json.loads((paths[1] / "config.json").read_text())["seed"] == 1


def test_a_placement_divides_environments_and_copies_the_rest() -> None:
    placement = Placement.everywhere()
    whole = placement.copy({"a": np.arange(6.0), "key": jax.random.key(0)})
    assert whole["a"].sharding.is_fully_replicated
    spread = placement.divide(np.arange(6.0))
    assert spread.sharding.spec == placement.spread().spec
    three = Placement(tuple(jax.devices()[:1]) * 3)
    with pytest.raises(HindsightError, match="--num-envs 64: must be a multiple of the 3 devices"):
        three.checked(64)


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        (ProcessRules(count=2, index=0), "--processes.coordinator is missing"),
        (ProcessRules("127.0.0.1:1", count=2), "give both"),
        (ProcessRules("127.0.0.1:1", count=2, index=2), "the index is from 0 to count - 1"),
    ],
)
def test_processes_that_cannot_meet_are_told_why(rules: ProcessRules, said: str) -> None:
    with pytest.raises(HindsightError, match=said):
        rules.join()


def test_a_preset_is_where_the_other_settings_come_from(capsys: pytest.CaptureFixture) -> None:
    assert preset_of([]) == dataclasses.replace(TrainConfig(), settled=True)
    assert preset_of(["--preset", "gpu"]).num_envs == PRESETS["gpu"].num_envs > TrainConfig().num_envs
    assert preset_of(["--preset=craftax"]).env == "craftax"
    for config in PRESETS.values():
        config.checked()
    assert cli(["agent", "train", "--preset", "gpuu"]) == 2
    assert "laptop, gpu, craftax" in capsys.readouterr().err
