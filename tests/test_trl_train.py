"""`hindsight lm train --model ...`: a tiny model on a file of rows, going on, bad options."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("trl", reason="TRL is not installed: pip install 'hindsight-rl[lm]'")

from hindsight_rl import cli
from hindsight_rl.run import Run
from tiny_lm import WORDS, tiny_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return tiny_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    made = [
        {
            "id": at,
            "prompt": "Write a line .",
            "criteria": [f"Include the word {word}", f"Include the word {other}", "Include the word unsayable"],
            "ground_truth": {
                "instruction_id_list": ["keywords:existence"] * 3,
                "kwargs": [{"keywords": [each]} for each in (word, other, "unsayable")],
            },
        }
        for at, (word, other) in enumerate(zip(WORDS, WORDS[1:] + WORDS[:1], strict=True))
    ]
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in made), "utf-8")
    return file


def command(model: str, rows: Path, out: Path, *more: str) -> list[str]:
    words = ["--model", model, "--dataset", str(rows), "--out", str(out), "--max_completion_length", "16"]
    words += ["--per_device_train_batch_size", "8", "--num_generations", "4", "--steps_per_generation", "2"]
    words += ["--gradient_accumulation_steps", "2", "--use_cpu", "--bf16", "false", "--disable_tqdm", "true"]
    words += ["--gradient_checkpointing", "false", "--max_steps", "2", "--save_steps", "1", "--logging_steps", "1"]
    return ["lm", "train", *words, *more]


def test_trains_saves_and_goes_on(model: str, rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    out = tmp_path / "run"
    assert cli.main(command(model, rows, out, "--json")) == 0
    last = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    assert last["step"] == 2 and last["hir/replays"] > 0
    run = Run.open(out, kind="lm-trl")
    assert run.read("config.json")["method"] == "hir"
    assert [row["step"] for row in run.lines("metrics.jsonl") if "reward" in row] == [1, 2]
    assert (out / "model" / "config.json").is_file() and (out / "model" / "tokenizer.json").is_file()
    assert cli.main(command(model, rows, out)) == 2
    assert "exists: choose another --out, or add --resume" in capsys.readouterr().err
    assert cli.main(command(model, rows, out, "--resume", "--method", "rlvr")) == 2
    assert "was made with method hir, not rlvr" in capsys.readouterr().err
    assert cli.main(command(model, rows, out, "--resume", "--max_steps", "3")) == 0
    assert [row["step"] for row in run.lines("metrics.jsonl") if "reward" in row] == [1, 2, 3]
    assert cli.main(["report", str(out)]) == 0
    page = (out / "report.html").read_text("utf-8")
    assert "hir, seed" in page and "<figcaption>replays<" in page and "<figcaption>no signal<" in page


def test_options_of_methods_and_files(model: str, rows: Path, tmp_path: Path) -> None:
    from hindsight_rl.lm.trl.train import parsed

    words = command(model, rows, tmp_path / "x")[2:]
    found = {name: parsed([*words, "--method", name])[1] for name in ("hir", "retarget", "rlvr", "fraction", "keep")}
    assert [found[name].rewriter for name in ("hir", "retarget", "keep")] == ["drop", "retarget", "keep"]
    assert found["rlvr"].replays_per_prompt == found["fraction"].replays_per_prompt == 0
    assert found["rlvr"].reward == "all" and found["fraction"].reward == "fraction"
    assert parsed([*words, "--method", "rlvr-rows"])[1].repeat
    named = parsed([*words, "--method", "named-memory"])[1]
    assert (named.rewriter, named.names, named.replays_per_prompt, named.memory_per_prompt) == ("retarget", 4, 8, 8)
    remembered = parsed([*words, "--method", "rlvr-memory", "--memory_per_prompt", "3"])[1]
    assert (remembered.replays_per_prompt, remembered.memory_per_prompt, remembered.names) == (0, 3, 1)
    file = tmp_path / "options.yaml"
    file.write_text("learning_rate: 0.5\nlambda_start: 3\n", "utf-8")
    _, config = parsed([*words, "--config", str(file), "--learning_rate", "0.25"])
    assert config.lambda_start == 3 and config.learning_rate == 0.25


def test_bad_input_is_one_line_and_leaves_no_folder(
    model: str, rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    bad = tmp_path / "bad.jsonl"
    good = json.loads(rows.read_text().splitlines()[0])
    for broken, said in (
        ({"id": 0, "prompt": "Write a line ."}, f"{bad}:2"),
        ({**good, "ground_truth": {"instruction_id_list": ["no:such"], "kwargs": [{}]}}, f"{bad}:2"),
        ({**good, "ground_truth": {"instruction_id_list": ["keywords:existence"] * 3, "kwargs": [{}] * 3}}, "keywords"),
    ):
        bad.write_text(json.dumps(good) + "\n" + json.dumps(broken) + "\n", "utf-8")
        assert cli.main(command(model, bad, tmp_path / "out")) == 2
        (line,) = [each for each in capsys.readouterr().err.splitlines() if each.startswith("hindsight:")]
        assert said in line
    for more, said in (
        (["--lerning_rate", "1"], "unknown option --lerning_rate (did you mean --learning_rate?)"),
        (["--method", "x"], "unknown arm 'x'"),
        (["--method", "hir-shuffled"], "is the sandbox's alone"),
        (["--num_generations", "3"], "divisible"),
        (["--max_steps", "many"], "many"),
        (["--max_completion_length", "127"], "1 fit beside 127"),
        (["--dataset", "nothing"], "neither a file nor a dataset"),
    ):
        assert cli.main(command(model, rows, tmp_path / "out", *more)) == 2
        (line,) = [each for each in capsys.readouterr().err.splitlines() if each.startswith("hindsight:")]
        assert said in line
    assert not (tmp_path / "out").exists()
