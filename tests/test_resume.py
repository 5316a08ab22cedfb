"""Going on with a run: what may be given anew, the lock, and that a refused command leaves nothing behind."""

import dataclasses
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hindsight_rl.agent.training.config import load_config
from hindsight_rl.agent.training.resume import Lock, resumed
from hindsight_rl.agent.training.train import TrainConfig, train
from hindsight_rl.cli import main as cli
from hindsight_rl.errors import HindsightError
from hindsight_rl.run import Run
from test_train import tiny

pytestmark = pytest.mark.agent


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run of 4,096 steps."""
    return Run.open(train(tiny(tmp_path_factory.mktemp("runs") / "made", total_timesteps=4096)))


@pytest.fixture
def run(made: Run, tmp_path: Path) -> Run:
    shutil.copytree(made.path, tmp_path / "run")
    return Run.open(tmp_path / "run")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--method", "none"], "--method none"),
        (["--method=her"], "--method her"),
        (["--learning-rate", "1"], "--learning-rate 1.0"),
        (["--learning.hindsight", "12"], "--learning.hindsight 12"),  # the general default, but given by hand
        (["--preset", "gpu"], "--preset gpu"),
        (["--num-envs", "64"], "--num-envs 64"),
        (["--seed", "7"], "--seed 7"),
        (["--total-timesteps", "100"], "--total-timesteps 100: the run was made for 4,096"),
    ],
)
def test_other_settings_are_refused_by_name(
    run: Run, arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {file.name: file.read_bytes() for file in run.path.iterdir() if file.is_file()}
    assert cli(["agent", "train", "--resume", "--out", str(run.path), *arguments]) == 2
    error = capsys.readouterr().err
    assert says in error and len(error.strip().splitlines()) == 1
    assert {file.name: file.read_bytes() for file in run.path.iterdir() if file.name in before} == before


def test_a_run_can_be_made_longer(run: Run) -> None:
    command = ["agent", "train", "--resume", "--out", str(run.path), "--total-timesteps", "8192", "--num-evals", "1"]
    assert cli([*command, "--method", "oir"]) == 0  # what the run was made with may be said again
    rows = run.lines("metrics.jsonl")
    assert [row["step"] for row in rows] == [2048, 4096, 6144, 8192] and rows[-1]["success"]
    config = load_config(run)
    assert (config.total_timesteps, config.num_evals, config.width, config.resume) == (8192, 1, 32, False)
    assert run.read("config.json")["machine"]


def test_from_python_what_is_as_by_default_was_not_asked_for(run: Run) -> None:
    stored = load_config(run)
    again = resumed(TrainConfig(out=str(run.path), resume=True), stored)
    assert dataclasses.replace(again, resume=False) == dataclasses.replace(stored, out=str(run.path))
    with pytest.raises(HindsightError, match="--num-envs 16"):
        resumed(TrainConfig(out=str(run.path), num_envs=16), stored)
    with pytest.raises(HindsightError, match="--num-envs 64"):
        resumed(dataclasses.replace(stored, num_envs=64), stored)


HOLD = """
import sys
from pathlib import Path
from hindsight_rl.agent.training.resume import Lock
from hindsight_rl.run import Run
with Lock(Run(Path(sys.argv[1]))):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_live_run_is_not_written_by_another_process(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    before = (run.path / "metrics.jsonl").read_bytes()
    command = [sys.executable, "-c", HOLD, str(run.path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None and other.stdout.readline() == "held\n"
        assert cli(["agent", "train", "--resume", "--out", str(run.path)]) == 2
        assert f"is being trained by process {other.pid}" in capsys.readouterr().err
        other.kill()
    assert (run.path / "metrics.jsonl").read_bytes() == before
    with Lock(run):  # a killed process holds nothing
        pass


@pytest.mark.parametrize("bad", [["--encoder", "/nowhere/model"], ["--delta", "1"], ["--delta", "5"]])
def test_a_refused_command_leaves_no_folder_in_the_way(
    bad: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    assert cli(["agent", "train", "--total-timesteps", "1000", "--out", str(out), *bad]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1 and not out.exists()


def test_a_full_disk_is_no_traceback(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Run, "append", full)
    with pytest.raises(HindsightError, match=r"No space left on device.*--resume"):
        train(tiny(run.path, total_timesteps=8192, resume=True))


def test_the_folder_of_a_run_keeps_its_settings(run: Run) -> None:
    stored = json.loads((run.path / "config.json").read_text("utf-8"))
    assert stored["settled"] is True and stored["total_timesteps"] == 4096


def test_a_config_with_an_unknown_setting_is_of_another_version(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", {"sed": 3}, kind="agent")
    with pytest.raises(HindsightError, match=r"config.json is of another version: unknown setting 'sed' .*'seed'"):
        load_config(run)
