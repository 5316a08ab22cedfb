"""The example of an environment in a package of its own: installed, found by its name, trained, asked and drawn."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.agent

pytest.importorskip("craftax")
pytest.importorskip("setuptools")

EXAMPLE = Path(__file__).parents[1] / "examples" / "environment"
COMMAND = (sys.executable, "-m", "hindsight_rl.cli", "agent")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The variables of a process that has the package installed."""
    copy, target = tmp_path_factory.mktemp("example") / "copy", tmp_path_factory.mktemp("site")
    shutil.copytree(EXAMPLE, copy)  # building writes into the folder
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index")
    subprocess.run([*pip, "--target", str(target), str(copy)], check=True)
    return {**os.environ, "PYTHONPATH": str(target), "JAX_PLATFORMS": "cpu"}


def called(installed: dict[str, str], *words: str) -> str:
    done = subprocess.run([*COMMAND, *words], env=installed, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_installed_package_is_listed_with_the_environment(installed: dict[str, str]) -> None:
    listed = dict(line.split(maxsplit=1) for line in called(installed, "envs").splitlines())
    assert listed["Garden"] == "hindsight-garden" and listed["MiniGrid-DoorKey-8x8"] == "built in"
    assert len((EXAMPLE / "garden.py").read_text("utf-8").splitlines()) <= 61


def test_it_is_trained_evaluated_and_filmed_by_its_name(installed: dict[str, str], tmp_path: Path) -> None:
    run = tmp_path / "run"
    short = ("--num-checkpoints", "1", "--no-final-eval")
    called(installed, "train", "--env", "Garden", "--out", str(run), *short)
    stored = json.loads((run / "config.json").read_text("utf-8"))
    assert stored["env"] == "Garden" and stored["width"] == 64 and stored["acting"]["patience"] == 40
    success = json.loads((run / "metrics.jsonl").read_text("utf-8").splitlines()[-1])["success"]
    assert set(success) == {"take_key", "open_chest", "use_well", "ring_bell", "pick_flower"}
    assert sum(success.values()) / 5 > 0.7  # a policy that has learned nothing is far below
    film = tmp_path / "bell.gif"
    called(installed, "watch", str(run), "ring the bell", "--out", str(film), "--steps", "30", "--size", "16")
    assert film.stat().st_size > 1000
