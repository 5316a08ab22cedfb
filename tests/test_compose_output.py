"""Composed files grow row by row: after a kill the next call goes on and ends with the same bytes; nothing that is
there is written over unasked."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from hindsight_rl.cli import main as cli
from hindsight_rl.data.compose import ComposeConfig, compose
from hindsight_rl.data.compose.formats import asked, line
from hindsight_rl.data.compose.output import write
from hindsight_rl.errors import HindsightError
from patience import HUNG

FORMATS = ("if-multi", "nemo-gym", "verl")
FEW = {"test_rows": 10, "numbers": (1, 2), "length": "short", "test_ids": 3}


class Stop(Exception):
    """What a kill in the middle of the work looks like from inside."""


def contents(folder: Path) -> dict[str, bytes]:
    """Every file's bytes; of compose.json what does not say where it stands."""
    found = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
    state = json.loads(found.pop("compose.json"))
    del state["settings"]["out"], state["settings"]["overwrite"]
    return {**found, "state": json.dumps(state).encode()}


def stopped(config: ComposeConfig, at: int) -> None:
    made = 0

    def step(split: str, rows: int) -> None:
        nonlocal made
        made += 1
        if made == at:
            raise Stop

    with pytest.raises(Stop):
        write(config, step)


@pytest.mark.parametrize("format", FORMATS)
def test_a_call_goes_on_where_another_stopped(tmp_path: Path, format: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hindsight_rl.data.compose.output._EVERY", 8)
    write(ComposeConfig(rows=60, format=format, out=tmp_path / "whole", **FEW))  # type: ignore[arg-type]
    config = ComposeConfig(rows=60, format=format, out=tmp_path / "part", **FEW)  # type: ignore[arg-type]
    for at in (21, 30, 28):  # within train, twice, then within the tests
        stopped(config, at)
        assert not (tmp_path / "part" / "train.jsonl").exists()
        with (tmp_path / "part" / "train.witness.jsonl.part").open("ab") as file:
            file.write(b'{"key": "tr')  # as a kill may leave it
    counts = write(config)
    assert 60 <= counts.resumed < 80
    assert contents(tmp_path / "part") == contents(tmp_path / "whole")


def test_after_a_kill_the_next_call_ends_with_the_same_bytes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["compose", "--rows", "4000", "--test-rows", "20", "--out"]
    assert cli([*command, str(tmp_path / "whole")]) == 0
    out = tmp_path / "killed"
    started = subprocess.Popen(
        [sys.executable, "-m", "hindsight_rl.cli", *command, str(out)], stderr=subprocess.DEVNULL
    )
    until = time.monotonic() + HUNG
    while started.poll() is None and time.monotonic() < until and not (out / "compose.json").exists():
        time.sleep(0.005)
    os.kill(started.pid, signal.SIGKILL)
    started.wait()
    state = json.loads((out / "compose.json").read_text())
    rows = (out / "train.jsonl.part").read_bytes()[: state["bytes"]["train.jsonl"]].splitlines()
    assert not state["finished"] and 0 < len(rows) == state["splits"]["train"]["rows"] < 4000
    assert all(json.loads(each)["key"] == f"train-{at:06d}" for at, each in enumerate(rows))
    capsys.readouterr()
    assert cli([*command, str(out)]) == 0
    assert f"resumed after {len(rows):,} rows" in capsys.readouterr().out
    assert contents(out) == contents(tmp_path / "whole")
    assert cli([*command, str(out)]) == 0
    assert "all rows existed already" in capsys.readouterr().out


def test_files_hold_what_compose_makes(tmp_path: Path) -> None:
    config = ComposeConfig(rows=40, out=tmp_path, **FEW)  # type: ignore[arg-type]
    counts, made = write(config), compose(config)
    assert set(counts.splits) == set(made.splits) == {"train", "test_prompts", "test_ids"}
    for split, rows in made.splits.items():
        lines = [json.loads(each) for each in (tmp_path / f"{split}.jsonl").read_text("utf-8").splitlines()]
        assert lines == [line(row, "if-multi") for row in rows] and counts.splits[split].rows == len(rows)
    assert counts.resampled == made.resampled and counts.skipped == made.skipped


@pytest.mark.parametrize("format", FORMATS)
def test_a_row_says_what_it_asks(format: str) -> None:
    for row in compose(ComposeConfig(rows=40, test_rows=0, layouts=("type1", "inline"))).train:
        there = json.loads(json.dumps(line(row, format)))
        assert asked(there, format) == (row.index, list(zip(row.ids, row.kwargs, strict=True)))


def test_other_settings_or_files_are_not_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prompts, out = tmp_path / "prompts.txt", tmp_path / "out"
    prompts.write_text("Describe a gull.\nName a river.\n")
    command = ["compose", "--prompts", str(prompts), "--rows", "5", "--test-rows", "2", "--out", str(out)]
    assert cli(command) == 0
    before = contents(out)
    assert cli([*command, "--seed", "1"]) == 2
    assert "made with other settings (seed); choose another --out, or --overwrite" in capsys.readouterr().err
    prompts.write_text("Describe a gull.\nName a lake.\n")
    assert cli(command) == 2
    assert "other settings (content of prompts)" in capsys.readouterr().err
    assert contents(out) == before
    assert cli([*command, "--overwrite"]) == 0 and contents(out) != before
    (out / "compose.json").unlink()
    assert cli(command) == 2
    assert "train.jsonl is there already, without its counts" in capsys.readouterr().err
    (out / "compose.json").write_text("{}")
    assert cli(command) == 2
    assert "cannot be read" in capsys.readouterr().err
    assert cli([*command, "--overwrite"]) == 0
    (out / "train.jsonl").write_text("")
    assert cli(command) == 2
    assert "0 bytes, but" in capsys.readouterr().err


def test_a_full_disk_leaves_what_was_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hindsight_rl.data.compose.output._EVERY", 8)
    config, full = ComposeConfig(rows=40, out=tmp_path / "out", **FEW), False  # type: ignore[arg-type]
    replace = os.replace

    def failing(one: Any, other: Any) -> None:
        if full:
            raise OSError(28, "No space left on device")
        replace(one, other)

    def step(split: str, rows: int) -> None:
        nonlocal full
        full = rows > 16

    monkeypatch.setattr("hindsight_rl.data.compose.output.os.replace", failing)
    with pytest.raises(HindsightError, match="No space left on device; choose another --out, or run the command again"):
        write(config, step)
    full = False
    assert write(config).resumed == 16
    write(ComposeConfig(rows=40, out=tmp_path / "whole", **FEW))  # type: ignore[arg-type]
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_out_is_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli(["compose", "--rows", "2", "--out", str(tmp_path / "rows.jsonl")]) == 2
    assert f"give a folder, which will hold train.jsonl: {tmp_path / 'rows'}" in capsys.readouterr().err
    assert not (tmp_path / "rows.jsonl").exists()
