"""The run folder."""

from collections import namedtuple
from pathlib import Path

import pytest

from hindsight_rl import run as run_module
from hindsight_rl.errors import HindsightError
from hindsight_rl.run import Run, known_settings, machine


def test_a_run_is_made_once_and_opened_again(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "a" / "run", {"seed": 3}, kind="agent")
    assert Run.open(run.path, kind="agent").read("config.json")["seed"] == 3
    with pytest.raises(HindsightError, match="--resume"):
        Run.create(run.path, {}, kind="agent")
    with pytest.raises(HindsightError, match="kind 'agent'"):
        Run.open(run.path, kind="lm")


def test_an_empty_folder_may_be_used_and_a_file_may_not(tmp_path: Path) -> None:
    Run.create(tmp_path, {}, kind="agent")
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(HindsightError, match="--out"):
        Run.create(file, {}, kind="agent")
    with pytest.raises(HindsightError, match="--out"):
        Run.create(file / "below", {}, kind="agent")


def test_a_full_disk_is_noticed_before_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(run_module.shutil, "disk_usage", lambda path: usage(10**9, 10**9, 5 * 2**20))
    with pytest.raises(HindsightError, match="5 MiB free"):
        Run.create(tmp_path / "run", {}, kind="agent")


def test_lines_survive_a_torn_end_and_name_a_torn_middle(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.append("m.jsonl", {"step": 1}, {"step": 2})
    with (tmp_path / "m.jsonl").open("a") as file:
        file.write('{"step": 3, "lo')
    assert [row["step"] for row in run.lines("m.jsonl")] == [1, 2]
    (tmp_path / "m.jsonl").write_text('{"step": 1}\n{"step"\n{"step": 3}\n')
    with pytest.raises(HindsightError, match="line 2"):
        run.lines("m.jsonl")
    assert run.lines("absent.jsonl") == []


def test_cutting_back_keeps_what_the_checkpoint_knows(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.append("m.jsonl", *({"step": i} for i in range(5)))
    run.cut_back("m.jsonl", 2)
    assert [row["step"] for row in run.lines("m.jsonl")] == [0, 1, 2]
    run.cut_back("absent.jsonl", 2)


def test_bad_json_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{\n"a": 1,\nb}')
    with pytest.raises(HindsightError, match=r"config\.json, line 3"):
        Run(tmp_path).read("config.json")
    with pytest.raises(HindsightError, match="missing"):
        Run(tmp_path).read("eval.json")


def test_the_machine_is_told_by_kind() -> None:
    kind = machine()
    assert kind["cores"] >= 1 and kind["python"].count(".") == 2 and "hostname" not in kind


def test_a_processor_without_a_model_name_hides_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    known = machine()
    monkeypatch.setattr(Path, "read_text", lambda *given: "processor : 0\n")
    assert machine() | {"processor": ""} == known | {"processor": ""}
    monkeypatch.delattr("os.sysconf")  # as on Windows
    assert "memory_gib" not in machine() and machine()["cores"] == known["cores"]


def test_settings_are_known_by_name() -> None:
    stored = {"kind": "agent", "version": "0.1.0", "machine": {}, "seed": 3}
    assert known_settings(stored, ["seed", "steps"], "config.json") == {"seed": 3}
    with pytest.raises(HindsightError, match=r"config.json is of another version: unknown setting 'sed'.*'seed'"):
        known_settings({**stored, "sed": 4}, ["seed", "steps"], "config.json")


def test_a_line_ends_only_at_a_newline(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "r", {}, kind="lm")
    rows = [{"step": at, "text": f"red{mark}gold"} for at, mark in enumerate("\u2028\u2029\x85\x0b\x0c\x1c\r")]
    run.append("rows.jsonl", *rows)
    assert run.lines("rows.jsonl") == rows
    run.cut_back("rows.jsonl", 2)
    assert run.lines("rows.jsonl") == rows[:3]
