"""`hindsight lm evaluate` on a tiny model: responses saved as they come, going on, scores."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

pytest.importorskip("transformers", reason="transformers is not installed: pip install 'hindsight-rl[lm]'")

from hindsight_rl import cli
from hindsight_rl.lm import evaluate
from hindsight_rl.run import Run
from tiny_lm import WORDS, tiny_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return tiny_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def prompts(tmp_path: Path) -> str:
    rows = [
        {
            "key": at,
            "prompt": f"Write a line . {word}",
            "instruction_id_list": ["keywords:existence", "punctuation:no_comma"],
            "kwargs": [{"keywords": [word]}, {}],
        }
        for at, word in enumerate(WORDS)
    ]
    file = tmp_path / "ifeval.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return str(file)


def command(model: str, prompts: str, out: Path, *more: str) -> list[str]:
    words = [model, "--bench", "ifeval", "--prompts", f"ifeval={prompts}", "--out", str(out), "--batch", "3"]
    return ["lm", "evaluate", *words, "--max-new-tokens", "12", "--engine", "transformers", "--device", "cpu", *more]


def test_generates_saves_and_scores(model: str, prompts: str, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    out = tmp_path / "out"
    assert cli.main(command(model, prompts, out, "--json")) == 0
    scores = json.loads(capsys.readouterr().out)["ifeval"]
    rows = [json.loads(line) for line in (out / "ifeval.jsonl").read_text().splitlines()]
    assert [row["at"] for row in rows] == list(range(8))
    assert scores["prompts"] == 8 and scores["strict"]["instruction"]["total"] == 16
    assert scores["truncated"] == sum(not row["ended"] for row in rows)
    met = sum(WORDS[row["at"]] in row["response"] and "," not in row["response"] for row in rows)
    assert scores["strict"]["prompt"]["correct"] == met
    assert json.loads((out / "scores.json").read_text())["ifeval"] == scores
    assert len((out / "ifeval.verdicts.jsonl").read_text().splitlines()) == 8


def test_goes_on_where_it_stopped(
    model: str, prompts: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    whole, out = tmp_path / "whole", tmp_path / "out"
    assert cli.main(command(model, prompts, whole)) == 0
    made = evaluate.ENGINES["transformers"]
    calls = []

    def stopping(args: object) -> object:
        generate = made(args)  # type: ignore[arg-type]

        def once(batch: object, seed: int) -> object:
            if calls:
                raise KeyboardInterrupt
            calls.append(seed)
            return generate(batch, seed)  # type: ignore[arg-type]

        return once

    monkeypatch.setitem(evaluate.ENGINES, "transformers", stopping)
    with pytest.raises(KeyboardInterrupt):
        cli.main(command(model, prompts, out))
    with (out / "ifeval.jsonl").open("a") as file:
        file.write('{"at": 3, "respo')  # a line that the kill cut off
    monkeypatch.setitem(evaluate.ENGINES, "transformers", made)
    assert cli.main(command(model, prompts, out)) == 0
    assert (out / "ifeval.jsonl").read_text() == (whole / "ifeval.jsonl").read_text()
    monkeypatch.setitem(evaluate.ENGINES, "transformers", lambda config: pytest.fail("nothing is left to generate"))
    assert cli.main(command(model, prompts, out)) == 0
    capsys.readouterr()
    assert cli.main(command(model, prompts, out, "--temperature", "1")) == 2
    assert "holds responses with temperature 0.6, not 1.0; choose another --out" in capsys.readouterr().err


def test_bad_input_is_one_line(model: str, prompts: str, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    bare = tiny_model(tmp_path / "bare", template=None)
    for at, (given, said) in enumerate(
        (
            (command(str(tmp_path / "no"), prompts, tmp_path / "0"), "cannot be loaded"),
            (command(bare, prompts, tmp_path / "1"), "has no chat template; use --prompt-format text"),
            (["lm", "evaluate", model, "--bench", "mmlu"], "--bench mmlu: one of ifeval, ifbench, muldimif"),
            (["lm", "evaluate", model, "--prompts", "x"], "write BENCH=FILE"),
            (command(model, prompts, tmp_path / "4", "--engine", "vllm"), "--engine vllm needs the package vllm"),
            (command(model, prompts, tmp_path / "5", "--lm-eval", "general"), "pip install 'hindsight-rl[lm-eval]'"),
        )
    ):
        assert cli.main(given) == 2, at
        error = capsys.readouterr().err.strip().splitlines()[-1]
        assert error.startswith("hindsight: ") and said in error
    assert cli.main(command(bare, prompts, tmp_path / "6", "--prompt-format", "text", "--temperature", "0")) == 0


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The folder of a run of `hindsight lm train --model`: a model, and two checkpoints."""
    made = Run.create(tmp_path / "run", {"model": "tiny"}, kind="lm-trl").path
    for at, name in enumerate(("trainer/checkpoint-9", "trainer/checkpoint-10", "model")):
        tiny_model(made / name, seed=at)
    return made


def test_a_run_is_its_model_else_its_newest_whole_checkpoint(
    run: Path, prompts: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    for at, used in enumerate(("model", "trainer/checkpoint-10", "trainer/checkpoint-9")):
        out = tmp_path / f"out{at}"
        assert cli.main(command(str(run), prompts, out)) == 0
        assert json.loads((out / "config.json").read_text())["model"] == str(run / used)
        weights = run / used / "model.safetensors"
        if at == 0:
            shutil.rmtree(weights.parent)
        else:
            weights.write_bytes(weights.read_bytes()[:-7])  # torn
    capsys.readouterr()
    assert cli.main(command(str(run), prompts, tmp_path / "none")) == 2
    (line,) = [each for each in capsys.readouterr().err.splitlines() if each.startswith("hindsight:")]
    assert (
        "is a run without a complete model or checkpoint (trainer/checkpoint-10: model.safetensors is damaged;" in line
    )
    assert not (tmp_path / "none").exists()
    Run.create(tmp_path / "sandbox", {}, kind="lm")
    assert cli.main(command(str(tmp_path / "sandbox"), prompts, tmp_path / "none")) == 2
    assert "is a run of kind 'lm', which has no model" in capsys.readouterr().err


@pytest.mark.parametrize("fault", ["torn", "empty", "foreign", "part", "missing", "tokenizer", "config"])
def test_a_failed_call_is_one_line_and_blocks_no_other(
    model: str, prompts: str, tmp_path: Path, fault: str, capsys: pytest.CaptureFixture
) -> None:
    from safetensors.torch import load_file, save_file

    bad, out = tmp_path / "bad", tmp_path / "out"
    shutil.copytree(model, bad)
    weights = bad / "model.safetensors"
    if fault == "torn":
        weights.write_bytes(weights.read_bytes()[:1000])
    elif fault == "empty":
        weights.write_bytes(b"")
    elif fault == "foreign":
        weights.write_bytes(b"version https://git-lfs.github.com/spec/v1")
    elif fault == "part":
        kept = {name: value for name, value in load_file(weights).items() if "layers.1" not in name}
        save_file(kept, weights, {"format": "pt"})
    elif fault == "missing":
        weights.unlink()
    elif fault == "tokenizer":
        for file in bad.glob("token*"):
            file.unlink()
    elif fault == "config":
        (bad / "config.json").write_text('{"model_type": "no-such"}')
    assert cli.main(command(str(bad), prompts, out)) == 2
    (line,) = [each for each in capsys.readouterr().err.splitlines() if each.startswith("hindsight:")]
    assert "cannot be loaded" in line and str(bad) in line
    assert not out.exists()
    assert cli.main(command(model, prompts, out)) == 0


def test_a_call_that_failed_before_its_first_response_blocks_no_other(
    model: str, prompts: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(args: object) -> object:
        return lambda batch, seed: (_ for _ in ()).throw(MemoryError)

    with monkeypatch.context() as patch, pytest.raises(MemoryError):
        patch.setitem(evaluate.ENGINES, "transformers", failing)
        cli.main(command(model, prompts, tmp_path / "out"))
    assert cli.main(command(model, prompts, tmp_path / "out", "--temperature", "0")) == 0


def test_thoughts_are_no_part_of_the_response(
    model: str, prompts: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = ["<think>red</think>\n\ngold ", "<think>red", " red, "]

    def thinking(args: object) -> object:
        return lambda batch, seed: [(texts[at % 3], True) for at in range(len(batch))]

    monkeypatch.setitem(evaluate.ENGINES, "transformers", thinking)
    for more, found in (((), ["gold", "", "red,"]), (("--answer-after", "</think>"), ["gold", "", ""])):
        out = tmp_path / str(len(more))
        assert cli.main(command(model, prompts, out, "--limit", "3", *more)) == 0
        rows = [json.loads(line) for line in (out / "ifeval.jsonl").read_text().splitlines()]
        assert [row["response"] for row in rows] == found
        assert rows[0]["whole"] == texts[0]


def test_responses_to_other_prompts_are_not_scored(
    model: str, prompts: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    out = tmp_path / "out"
    assert cli.main(command(model, prompts, out)) == 0
    file = Path(prompts)
    file.write_text(file.read_text("utf-8").replace("Write a line", "Write a song"), "utf-8")
    assert cli.main(command(model, prompts, out)) == 2
    assert "responses to other prompts" in capsys.readouterr().err
