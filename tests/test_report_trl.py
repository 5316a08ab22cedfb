"""The report page on runs of TRL, from made-up run folders: what is shown, told apart, refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from hindsight_rl.cli import main as hindsight
from hindsight_rl.report.page import read, render
from hindsight_rl.report.trl_runs import TrlRun
from test_report import Page, make_run, shown


def make_trl(path: Path, method: str = "hir", seed: int = 0, steps: int = 20, done: bool = True, **more: Any) -> Path:
    """A run that logs every step; its reward rises, and it replays ever less."""
    path.mkdir(parents=True)
    settings = {"learning_rate": 1e-6, "output_dir": str(path), "loss_type": "grpo"} | more
    config = {
        "kind": "lm-trl", "version": "0", "model": "<tiny>/model", "dataset": "rows.jsonl", "method": method,
        "seed": seed, "machine": {"processor": "Test CPU", "cores": 2, "memory_gib": 8}, "settings": settings,
    }  # fmt: skip
    (path / "config.json").write_text(json.dumps(config))
    rows: list[dict[str, Any]] = []
    for step in range(1, steps + 1):
        rows.append({"step": step, "reward": step / steps, "grad_norm": None, "completions/clipped_ratio": 0.0})
        rows[-1]["constraints/all"] = step / steps
        if method == "hir":
            rows[-1] |= {"hir/replays": 40 - step, "hir/kept": 0.625, "hir/logp_shift": -0.125}
    if done:
        rows.append({"step": steps, "train_runtime": 120.0, "train_loss": 0.1})
    (path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def with_evaluations(path: Path) -> Path:
    """The same run with what an evaluation on held-out instructions, replays and a benchmark leave."""
    held_out = [
        {"step": step, "all": share, "each": 0.5, "instructions": 100, "by_number": {"1": share, "10": 0.125}}
        | {"examples": [{"prompt": "Say <b>.", "response": f"answer {step}"}]}
        for step, share in ((0, 0.25), (20, 0.75))
    ]
    replay = {"prompt": "Say it in < 5 words.", "rewritten": "Say it in < 9 words.", "response": "So it is said now"}
    replays = [{"step": step, "rejected": {"nothing <left>": 2}, "replays": [replay]} for step in (1, 2)]
    for name, rows in (("held_out", held_out), ("replays", replays)):
        (path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    accuracy = {"prompt": {"accuracy": 0.174, "ci95": [0.144, 0.208]}}
    (path / "evaluation").mkdir()
    (path / "evaluation" / "scores.json").write_text(json.dumps({"ifeval": {"strict": accuracy, "loose": {}}}))
    return path


def test_held_out_instructions_replays_and_scores(tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    assert hindsight(["report", str(with_evaluations(make_trl(tmp_path / "hir"))), "--out", str(out)]) == 0
    text = out.read_text()
    said = shown(text)
    Page(text)  # well formed
    for word in ("0.750", "0.657–0.825", "0.125", "answer 0", "answer 20", "Say it in < 9 words."):
        assert word in said, word
    assert "nothing <left> 4" in said and "0.174" in said and "0.144–0.208" in said
    assert said.index("Held-out instructions") < said.index("Training") < said.index("Replays")


def test_what_is_read(tmp_path: Path) -> None:
    (run,) = read(make_trl(tmp_path / "run"))
    assert isinstance(run, TrlRun)
    assert (run.steps, run.seconds, run.label) == (20, 120.0, "hir, seed 0")
    assert run.late("reward") == pytest.approx(0.975)  # the last two of twenty
    assert run.late("hir/replays") == pytest.approx(20.5)
    assert run.points("grad_norm") == [] and run.late("nothing") is None


def test_the_page(tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    runs = [make_trl(tmp_path / "hir"), make_trl(tmp_path / "rlvr", "rlvr", done=False, learning_rate=2e-6)]
    assert hindsight(["report", *map(str, runs), "--out", str(out)]) == 0
    text = out.read_text()
    said = shown(text)
    Page(text)  # well formed
    assert "<tiny>" not in text and "&lt;tiny&gt;/model on rows.jsonl" in text
    for word in (
        "hir, seed 0",
        "rlvr, seed 0",
        "not finished",
        "0.975",
        "20.5",
        "0.625",
        "-0.125",
        "settings.loss_type",
    ):
        assert word in said, word
    assert text.count("<svg") == 4  # reward and cut off of both, replays and kept of one; nothing for what is not there
    assert "1e-06" in said and "2e-06" in said  # what differs


def test_two_runs_of_one_name_are_told_apart(tmp_path: Path) -> None:
    runs = [make_trl(tmp_path / "a"), make_trl(tmp_path / "b")]
    page = render([run for folder in runs for run in read(folder)])
    assert "hir, seed 0 (a)" in page and "hir, seed 0 (b)" in page


def test_beside_an_agent(tmp_path: Path) -> None:
    folders = [make_run(tmp_path / "agent"), make_trl(tmp_path / "trl")]
    page = render([run for folder in folders for run in read(folder)])
    assert "Models trained with TRL" in page and 'href="#w1"' in page and 'id="w1-trl"' in page


def test_before_the_first_step_and_damaged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = make_trl(tmp_path / "run")
    (run / "metrics.jsonl").write_text("")
    assert "nothing recorded yet" not in render(read(run)) and "not finished" in render(read(run))
    (run / "metrics.jsonl").write_text('{"step": 1}\n{oops}\n')
    assert hindsight(["report", str(run)]) == 2
    assert "metrics.jsonl, line 2: not JSON" in capsys.readouterr().err
