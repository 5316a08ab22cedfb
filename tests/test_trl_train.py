"""`hindsight lm train --model ...`: a tiny model on a file of rows, going on, bad options."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("trl", reason="TRL is not installed: pip install 'hindsight-rl[lm]'")

from hindsight_rl import cli
from hindsight_rl.lm.trl import HiRTrainer, options
from hindsight_rl.lm.trl.held_out import HeldOut
from hindsight_rl.lm.trl.options import KIND, chosen
from hindsight_rl.lm.trl.resume import last_whole
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
    assert cli.main(["lm", "train", "--out", str(out), "--resume", "--max_steps", "3"]) == 0
    assert "resuming from" in capsys.readouterr().err
    assert [row["step"] for row in run.lines("metrics.jsonl") if "reward" in row] == [1, 2, 3]
    assert cli.main(["report", str(out)]) == 0
    page = (out / "report.html").read_text("utf-8")
    assert "hir, seed" in page and "<span>replays<" in page and "<span>no signal<" in page


def test_held_out_instructions_replays_and_a_table(
    model: str, rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    out, held_out = tmp_path / "run", tmp_path / "held_out.jsonl"
    held_out.write_text("".join(line + "\n" for line in rows.read_text("utf-8").splitlines()[:3]), "utf-8")
    more = [
        "--held_out",
        str(held_out),
        "--evaluate_every",
        "1",
        "--probe",
        "3",
        "--attention",
        "2",
        "--learning_rate",
        "1e-3",
        "--seed",
        "5",  # a seed whose steps both have something to learn from
    ]
    assert cli.main(command(model, rows, out, *more)) == 0
    said = capsys.readouterr().err
    assert "parameters, float32 on cpu" in said and "8 instructions" in said
    heads = next(line.split("  ") for line in said.splitlines() if "all met" in line and "replays" in line)
    assert {"step", "of 3", "each met", "no signal", "ended", "left"} <= {each.strip() for each in heads}
    assert not any(noise in said for noise in ("frac_reward_zero_std", "Warning", "Loading weights", "Writing model"))
    run = Run.open(out)
    found = run.lines("held_out.jsonl")
    assert [row["step"] for row in found] == [0, 1, 2] and all(row["instructions"] == 3 for row in found)
    assert all(row["numbers"] == {"3": 3} and set(row["wins"]) <= {"0", "1"} for row in found)
    assert [len(row.get("examples", [])) for row in found] == [3, 0, 3] and found[0]["perplexity"] > 1
    margins = [row["margins"]["instruction"] for row in found]
    assert margins[0]["pairs"] == len(run.read("probe.json")["instructions"]) > 0
    assert len({each["mean"] for each in margins}) == 3  # the pairs stay, the model changes
    seen = [row["attention"] for row in found]
    assert all(0 < each["constraints"] < 1 and each["responses"] <= 2 for each in seen if each["responses"])
    assert any(each["responses"] for each in seen)
    replays = run.lines("replays.jsonl")
    assert [row["step"] for row in replays] == [1, 2]
    shown = [each for row in replays for each in row["replays"]]
    assert shown and all(each["prompt"] != each["rewritten"] and each["kept"] and each["dropped"] for each in shown)
    assert cli.main(["report", str(out)]) == 0
    page = (out / "report.html").read_text("utf-8")
    assert "Held-out instructions" in page and "replays, early and late" in page and "side by side" in page
    assert "instruction margin" in page and "attention to constraints" in page
    longer = ["lm", "train", "--out", str(out), "--resume", "--max_steps", "3", "--attention", "1"]
    assert cli.main(longer) == 0
    assert [row["step"] for row in run.lines("held_out.jsonl")] == [0, 1, 2, 3]
    assert [row["step"] for row in run.lines("replays.jsonl")] == [1, 2, 3]


def test_the_precision_of_a_run_is_that_of_its_first_processor(
    model: str, rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = command(model, rows, tmp_path / "run", "--max_steps", "1")
    del words[words.index("--bf16") : words.index("--bf16") + 2]
    monkeypatch.setattr(options, "fast_bfloat16", lambda: True)
    assert cli.main(words) == 0
    assert "float32 with bfloat16 products on cpu" in capsys.readouterr().err
    monkeypatch.setattr(options, "fast_bfloat16", lambda: False)
    assert cli.main(["lm", "train", "--out", str(tmp_path / "run"), "--resume", "--max_steps", "2"]) == 0
    assert "float32 with bfloat16 products on cpu" in capsys.readouterr().err
    words[words.index("--out") + 1] = str(tmp_path / "other")
    assert cli.main(words) == 0
    assert "float32 on cpu" in capsys.readouterr().err


def test_held_out_responses_are_judged_like_those_of_training(model: str, rows: Path, tmp_path: Path) -> None:
    held_out = tmp_path / "held_out.jsonl"
    asked = {"prompt": "Write a line .", "instruction_id_list": ["punctuation:no_comma"], "kwargs": [{}]}
    held_out.write_text(json.dumps(asked) + "\n", "utf-8")
    wins = []
    for name, more in (("plain", []), ("marked", ["--answer_after", "[/THINK]"])):
        words = command(model, rows, tmp_path / name, "--held_out", str(held_out), "--max_steps", "1", *more)
        assert cli.main(words) == 0
        wins.append(Run(tmp_path / name).lines("held_out.jsonl")[0]["wins"])
    assert wins == ["1", "0"]  # without the mark there is no answer


def test_every_process_waits_for_an_evaluation_whatever_it_sees_of_the_file(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", {}, kind="lm-trl")
    run.append("held_out.jsonl", {"step": 0})
    for first in (True, False):
        waited: list[int] = []
        callback = HeldOut(run, [])
        accelerator = SimpleNamespace(wait_for_everyone=lambda waited=waited: waited.append(1))
        callback.attach(SimpleNamespace(accelerator=accelerator))
        state = SimpleNamespace(is_world_process_zero=first, global_step=0, max_steps=5)
        callback.on_train_begin(None, state, None)
        assert waited == [1]
    assert run.lines("held_out.jsonl") == [{"step": 0}]


def test_options_of_methods_and_files(model: str, rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    from hindsight_rl.lm.trl.options import parsed

    words = command(model, rows, tmp_path / "x")[2:]
    found = {name: parsed([*words, "--method", name])[1] for name in ("hir", "retarget", "rlvr", "fraction", "keep")}
    assert [found[name].rewriter for name in ("hir", "retarget", "keep")] == ["drop", "retarget", "keep"]
    assert found["rlvr"].replays_per_prompt == found["fraction"].replays_per_prompt == 0
    assert found["rlvr"].reward == "all" and found["fraction"].reward == "fraction"
    assert parsed([*words, "--method", "hir", "--repeat", "true"])[1].repeat
    named = parsed([*words, "--method", "relabels-buffer"])[1]
    assert (named.rewriter, named.relabels, named.replays_per_prompt, named.buffer_rows_per_prompt) == (
        "retarget",
        4,
        8,
        8,
    )
    remembered = parsed([*words, "--method", "rlvr-buffer", "--buffer_rows_per_prompt", "3"])[1]
    assert (remembered.replays_per_prompt, remembered.buffer_rows_per_prompt, remembered.relabels) == (0, 3, 1)
    file = tmp_path / "options.yaml"
    file.write_text("learning_rate: 0.5\nlambda_start: 3\n", "utf-8")
    _, config = parsed([*words, "--config", str(file), "--learning_rate", "0.25"])
    assert config.lambda_start == 3 and config.learning_rate == 0.25
    for line, said in (
        ("lerning_rate: 0.5", "unknown option --lerning_rate (did you mean"),
        ("learning_rat: 0.5", "unknown option --learning_rat (did you mean"),
        ("learning_rate: abc", "argument --learning_rate/--learning-rate: invalid float value"),
    ):
        file.write_text(f"limit: null\n{line}\n", "utf-8")
        assert cli.main(["lm", "train", *words, "--config", str(file)]) == 2
        assert f"--config {file}: {said}" in capsys.readouterr().err
    file.write_text("limit: null\n", "utf-8")
    for more, said in (("--lerning_rate", "unknown option"), ("--learning_rate", "argument --learning_rate/")):
        assert cli.main(["lm", "train", *words, "--config", str(file), more, "abc"]) == 2
        assert f"hindsight: {said}" in capsys.readouterr().err
    file.write_text("limit: null\nmodel: elsewhere\n", "utf-8")
    options, _ = parsed([*words[2:], "--config", str(file)])
    assert options.model == "elsewhere" and options.limit is None


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
    hollow = tmp_path / "hollow"
    shutil.copytree(model, hollow, ignore=shutil.ignore_patterns("*.safetensors"))
    for more, said in (
        (["--lerning_rate", "1"], "unknown option --lerning_rate (did you mean --learning_rate?)"),
        (["--method", "x"], "unknown method 'x'"),
        (["--num_generations", "3"], "divisible"),
        (["--meth", "rlvr"], "unknown option --meth (did you mean --method?)"),
        (["--limit", "-1"], "--limit -1: it must be at least 1"),
        (["--held_out", str(rows), "--evaluate_every", "0"], "--evaluate_every 0: it must be at least 1"),
        (["--model", str(hollow)], "model.safetensors"),
        (["--max_steps", "many"], "many"),
        (["--max_completion_length", "127"], "1 fit beside 127"),
        (["--dataset", "nothing"], "neither a file nor a dataset"),
    ):
        assert cli.main(command(model, rows, tmp_path / "out", *more)) == 2
        (line,) = [each for each in capsys.readouterr().err.splitlines() if each.startswith("hindsight:")]
        assert said in line
    assert not (tmp_path / "out").exists()


def again(out: Path, *more: str) -> list[str]:
    return ["lm", "train", "--out", str(out), "--resume", *more]


def steps(out: Path) -> list[int]:
    return [row["step"] for row in Run(out).lines("metrics.jsonl") if "reward" in row]


def weights(out: Path) -> bytes:
    return (out / "model" / "model.safetensors").read_bytes()


def test_a_resume_has_the_options_of_the_run_and_refuses_others(
    model: str, rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    out = tmp_path / "run"
    assert cli.main(command(model, rows.relative_to(tmp_path), out, "--lora", "2", "--method", "retarget")) == 0
    monkeypatch.chdir("/")
    for more, said in (
        (["--learning_rate", "0.5"], "was made with learning_rate 1e-06, not 0.5; remove --learning_rate"),
        (["--rewriter", "drop"], "was made with rewriter retarget, not drop"),
        (["--lora", "0"], "was made with lora 2, not 0"),
        (["--model", "other"], f"was made with model {model}, not other"),
        (["--max_steps", "1"], "was made with max_steps 2; 1 is less, and a run can only become longer"),
        (["--lerning_rate", "1"], "unknown option --lerning_rate"),
    ):
        assert cli.main(again(out, *more)) == 2
        assert said in capsys.readouterr().err
    assert cli.main(again(out, "--max_steps", "3", "--json")) == 0
    assert json.loads(capsys.readouterr().out.strip().splitlines()[-1])["step"] == 3
    stored = Run(out).read("config.json")
    assert stored["settings"]["max_steps"] == 3 and stored["settings"]["rewriter"] == "retarget"
    assert (out / "model" / "adapter_config.json").is_file() and steps(out) == [1, 2, 3]
    assert cli.main(again(tmp_path / "no")) == 2


def test_a_resume_needs_no_folder_and_no_flag_of_the_first_start(
    model: str, rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, template = tmp_path / "held.jsonl", tmp_path / "chat.jinja"
    held.write_text(rows.read_text())
    template.write_text("{{ messages[-1]['content'] }}")
    monkeypatch.chdir(tmp_path)
    places = ["--held_out", "held.jsonl", "--chat_template_path", "chat.jinja", "--out", str(tmp_path / "r")]
    first = ["--model", model, "--dataset", str(rows), *places, "--json", "true", "--resume=false"]
    stored = chosen(first)[2]
    assert not {"true", "--json", "--resume=false"} & {*stored}
    Run.create(tmp_path / "r", {"command": stored}, kind=KIND)
    monkeypatch.chdir("/")
    for flags in (["--resume"], ["--resume", "true", "--json"], ["--resume=true", "--json", "true"]):
        options, config, words = chosen(["--out", str(tmp_path / "r"), *flags, "--max_steps", "9"])
        assert options.held_out == str(held) and config.chat_template_path == str(template)
        assert config.max_steps == 9 and "true" not in words[len(stored) :]


def test_a_resume_without_a_checkpoint_says_that_it_starts_anew(
    model: str, rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    out = tmp_path / "run"
    assert cli.main(command(model, rows, out, "--save_strategy", "no")) == 0
    assert "no checkpoints, so a stopped run cannot go on" in capsys.readouterr().err
    before = weights(out)
    assert cli.main(again(out)) == 0
    assert f"{out}/trainer holds no complete checkpoint: starting from the beginning" in capsys.readouterr().err
    assert steps(out) == [1, 2] and weights(out) == before


def spoil(checkpoint: Path, name: str) -> None:
    file = checkpoint / name
    if name == "hindsight_replay_buffer.json":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:100])


def test_a_torn_checkpoint_is_passed_over(
    model: str, rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    out = tmp_path / "run"
    assert cli.main(command(model, rows, out, "--max_steps", "3", "--buffer_rows_per_prompt", "2")) == 0
    before, trainer = weights(out), out / "trainer"
    for name in (
        "model.safetensors",
        "optimizer.pt",
        "trainer_state.json",
        "rng_state.pth",
        "hindsight_replay_buffer.json",
    ):
        copy = tmp_path / name
        shutil.copytree(trainer, copy)
        spoil(copy / "checkpoint-3", name)
        found, passed = last_whole(copy, ("hindsight_replay_buffer.json",))
        assert found == copy / "checkpoint-2" and len(passed) == 1 and name in passed[0], passed
    spoil(trainer / "checkpoint-3", "optimizer.pt")
    capsys.readouterr()
    assert cli.main(again(out)) == 0
    said = capsys.readouterr().err
    assert "skipping checkpoint-3: optimizer.pt is damaged" in said and f"resuming from {trainer}/checkpoint-2" in said
    assert steps(out) == [1, 2, 3] and weights(out) == before


def test_a_run_that_says_nothing_saves_within_it(
    model: str, rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    out = tmp_path / "run"
    words = command(model, rows, out, "--max_steps", "7")
    at = words.index("--save_steps")
    assert cli.main(words[:at] + words[at + 2 :]) == 0
    said = capsys.readouterr().err
    wanted = "7 steps of 16 rollouts (4 for each prompt), at most 8 replays a generation batch, at most 8 rows a pass"
    assert wanted in said
    assert "checkpoints of about 0 MiB, the first at step 2" in said
    assert sorted(each.name for each in (out / "trainer").glob("checkpoint-*")) == ["checkpoint-6", "checkpoint-7"]


def test_no_room_for_a_checkpoint_is_said_before_training(
    model: str, rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hindsight_rl.lm.trl import resume

    monkeypatch.setattr(resume, "checkpoint_bytes", lambda model: 2**60)
    assert cli.main(command(model, rows, tmp_path / "run")) == 2
    assert "MiB free for" in capsys.readouterr().err and not (tmp_path / "run").exists()


@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_saves_and_says_how_to_go_on(
    model: str,
    rows: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
    times: int,
) -> None:
    # A shell's background job starts with SIGINT ignored, which is not what is tested here.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))
    whole, out = tmp_path / "whole", tmp_path / "run"
    more = ("--max_steps", "4", "--save_steps", "3")
    assert cli.main(command(model, rows, whole, *more)) == 0
    inner, left = HiRTrainer._compute_loss, [signal.SIGINT] * times

    def interrupted(self: HiRTrainer, *args: object) -> object:
        while self.state.global_step == 1 and left:
            os.kill(os.getpid(), left.pop())
        return inner(self, *args)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(HiRTrainer, "_compute_loss", interrupted)
        assert cli.main(command(model, rows, out, *more)) == 130
    said = capsys.readouterr().err
    assert f"continue with: hindsight lm train --out {out} --resume" in said
    if times == 1:
        assert "stopped after step 2, saved as checkpoint-2" in said and steps(out) == [1, 2]
    else:
        assert "stopped within a step, nothing saved yet" in said
    assert not (out / "model").exists() and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert cli.main(again(out)) == 0
    assert steps(out) == [1, 2, 3, 4] and weights(out) == weights(whole)
