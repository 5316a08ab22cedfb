"""The wheel that a release uploads: every file that the package reads is inside, and nothing else."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "hindsight_rl"
READ = {".toml", ".jsonl", ".txt", ".css", ".html", ".js", ".typed"}
"""Endings of files that the package reads or marks itself with, beside its modules."""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True, text=True)
    (file,) = folder.glob("*.whl")
    return zipfile.ZipFile(file)


@pytest.mark.slow
def test_the_wheel_holds_the_package_and_nothing_else(wheel):
    packed = {name for name in wheel.namelist() if ".dist-info/" not in name}
    sources = {
        file.relative_to(PACKAGE.parent).as_posix() for file in PACKAGE.rglob("*") if file.suffix in {".py"} | READ
    }
    assert packed == sources
    assert {Path(name).suffix for name in packed} == {".py"} | READ


@pytest.mark.slow
def test_the_wheel_names_its_command_and_its_version(wheel):
    import hindsight_rl

    (folder,) = {name.split("/")[0] for name in wheel.namelist() if ".dist-info/" in name}
    assert folder == f"hindsight_rl-{hindsight_rl.__version__}.dist-info"
    assert "hindsight = hindsight_rl.cli:main" in wheel.read(f"{folder}/entry_points.txt").decode()
    assert "License-Expression: Apache-2.0" in wheel.read(f"{folder}/METADATA").decode()
