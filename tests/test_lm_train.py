"""`hindsight sandbox train`, through the public door."""

import dataclasses
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file, save_file

from hindsight_rl.cli import main as cli
from hindsight_rl.errors import HindsightError
from hindsight_rl.lm.judge_noise import JudgeErrors
from hindsight_rl.lm.methods import METHODS
from hindsight_rl.lm.sandbox import learner as learning
from hindsight_rl.lm.sandbox import reinforce
from hindsight_rl.lm.sandbox.config import ReplayRules, SandboxConfig, UpdateRules, from_json, to_json
from hindsight_rl.lm.sandbox.language import KINDS, Demand, decode
from hindsight_rl.lm.sandbox.model import ModelRules
from hindsight_rl.lm.sandbox.pretrain import PretrainRules, base_model
from hindsight_rl.lm.sandbox.progress import Progress
from hindsight_rl.lm.sandbox.reinforce import ReinforceRules
from hindsight_rl.lm.sandbox.train import train
from hindsight_rl.run import Run
from patience import HUNG

ROWS = UpdateRules(prompts=4, samples=4, minibatch=16)
TIMES = ("seconds", "cpu_seconds", "evaluation_cpu_seconds")


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Base models that the tests share."""
    return tmp_path_factory.mktemp("bases")


@pytest.fixture
def tiny(tmp_path: Path, bases: Path) -> Any:
    """Settings that train in a second."""

    def make(arms: str, name: str = "run", **changes: Any) -> SandboxConfig:
        base = SandboxConfig(
            arms=arms, constraints="2-3", rollouts=80, out=str(tmp_path / name), base=str(bases), jobs=1, test=20,
            evaluations=2, checkpoints=5, model=ModelRules(width=16, heads=2, layers=1, context=48),
            pretrain=PretrainRules(steps=300, batch=16), update=ROWS, replay=ReplayRules(replays_per_prompt=2),
        )  # fmt: skip
        return dataclasses.replace(base, **changes)

    return make


def rows(path: Path, arm: str, file: str = "metrics.jsonl") -> list[dict[str, Any]]:
    """Lines of an arm, without times."""
    found = Run(path / "arms" / arm).lines(file)
    return [{k: v for k, v in line.items() if k not in (*TIMES, "arm")} for line in found]


def weights(path: Path, arm: str) -> dict[str, torch.Tensor]:
    return {k: v for k, v in load_file(path / "arms" / arm / "model.safetensors").items() if k.startswith("model.")}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(value, other[name]) for name, value in one.items())


def test_every_arm_trains_and_differs_only_as_declared(tiny: Any) -> None:
    path = train(tiny(",".join(METHODS)))
    first = {name: rows(path, name)[0] for name in METHODS}
    for name, method in METHODS.items():
        lines = rows(path, name)
        assert [line["rollouts"] for line in lines] == [16, 32, 48, 64, 80]
        assert (sum(line["replays"] for line in lines) > 0) == (method.rewriter is not None)
        assert (lines[-1]["rows"] > 80) == (method.rewriter is not None or method.repeat or method.buffer)
        # Nothing is remembered before the first step is over.
        assert lines[0]["buffer_rows"] == 0 and (lines[-1]["buffer_rows"] > 0) == method.buffer
        # The same instructions and the same rollouts, as long as the policies and the temperatures are the same.
        for key in () if method.two_anchors else ("success", "fraction", "entropy", "length"):
            assert first[name][key] == first["rlvr"][key]
        evals = rows(path, name, "evals.jsonl")
        assert [line["rollouts"] for line in evals] == [0, 48, 80]
        assert evals[0]["sampled"] == rows(path, "rlvr", "evals.jsonl")[0]["sampled"]
        assert set(evals[-1]["sampled"]["by_count"]) == {"2", "3"}
        summary = Run(path / "arms" / name).read("summary.json")
        assert (
            summary["rollouts"] == 80 and summary["cpu_seconds"] > 0 and summary["settings"]["reward"] == method.reward
        )
    for line in rows(path, "hir", "rewrites.jsonl"):
        kept = [text for text, holds in zip(line["prompt"].split(" ; "), line["verdict"], strict=True) if holds]
        assert line["rewritten"] == " ; ".join(kept)
    for line in rows(path, "keep", "rewrites.jsonl"):
        assert line["rewritten"] == line["prompt"] and not all(line["verdict"])
    assert any(line["changed"] for line in rows(path, "retarget", "rewrites.jsonl"))
    assert set(Run(path).read("eval.json")["arms"]) == set(METHODS)


def test_judge_errors_reach_training_and_no_evaluation(tiny: Any) -> None:
    wrong = JudgeErrors(false_positive=1.0, false_negative=1.0)
    path, true = train(tiny("rlvr,retarget", judge=wrong)), train(tiny("rlvr,retarget", "true"))
    for arm in ("rlvr", "retarget"):
        noisy, clean = rows(path, arm), rows(true, arm)
        # The same first rollouts; every verdict is the opposite.
        assert noisy[0]["fraction"] == pytest.approx(1 - clean[0]["fraction"], abs=1e-3)
        assert rows(path, arm, "evals.jsonl")[0] == rows(true, arm, "evals.jsonl")[0]
    for line in rows(path, "retarget", "rewrites.jsonl"):
        assert len(line["verdict"]) in (2, 3)
    with pytest.raises(HindsightError, match=r"--judge.false-positive 1.5"):
        train(tiny("rlvr", "bad", judge=JudgeErrors(false_positive=1.5)))


def test_margins_are_measured_at_each_evaluation_and_the_same_before_training(tiny: Any) -> None:
    path = train(tiny("rlvr,hir", probe=12, attention=8))
    found = {arm: [line["margins"] for line in rows(path, arm, "evals.jsonl")] for arm in ("rlvr", "hir")}
    assert found["rlvr"][0] == found["hir"][0] and found["rlvr"][-1] != found["hir"][-1]
    assert found["hir"][0]["instruction"]["pairs"] > 5
    arm = Run(path).read("eval.json")["arms"]["hir"]
    assert arm["margins"]["instruction"] == [each["instruction"]["mean"] for each in found["hir"]]
    looked = [line["attention"] for line in rows(path, "hir", "evals.jsonl")]
    assert arm["attention"]["constraints"] == [each["constraints"] for each in looked]
    assert all(0 < each["constraints"] < 1 for each in looked) and looked[0] != looked[-1]
    assert len(arm["entropy"]) == len(arm["length"]) == len(arm["rollouts"])


def test_without_replays_the_arms_are_one(tiny: Any) -> None:
    same_rate = dataclasses.replace(ROWS, learning_rate=1e-3)  # the arms have learning rates of their own
    path = train(tiny("rlvr,retarget,hir", replay=ReplayRules(replays_per_prompt=0), evaluations=0, update=same_rate))
    plain = weights(path, "rlvr")
    assert same(plain, weights(path, "retarget")) and same(plain, weights(path, "hir"))
    trained = train(tiny("retarget", "more", evaluations=0, update=same_rate))
    assert not same(plain, weights(trained, "retarget"))


def test_when_nothing_succeeds_only_replay_learns(tiny: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    real = learning.verify_batch
    monkeypatch.setattr(learning, "verify_batch", lambda pairs: [[False, *each[1:]] for each in real(pairs)])
    config = tiny("rlvr,hir,retarget", evaluations=0)
    path = train(config)
    for line in rows(path, "rlvr"):
        assert line["success"] == 0 and line["no_signal"] == 1 and line["gradient"] == 0 and line["loss"] == 0
    base = load_file(next(Path(config.base).glob("base-0-*")))
    untouched = weights(path, "rlvr")
    found = [
        name
        for name in ("rlvr", "hir", "retarget")
        if weights(path, name)["model.norm.weight"].ne(base["norm.weight"]).any()
    ]
    assert found == ["hir", "retarget"] and same(untouched, {f"model.{k}": v for k, v in base.items()})
    assert all(line["gradient"] > 0 and line["replays"] > 0 for line in rows(path, "hir"))


def test_when_everything_succeeds_there_is_nothing_to_replay(tiny: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learning, "verify_batch", lambda pairs: [[True] * len(i.constraints) for i, _ in pairs])
    path = train(tiny("hir,fraction,retarget", evaluations=0))
    for name in ("hir", "fraction", "retarget"):
        for line in rows(path, name):
            assert line["success"] == 1 and line["replays"] == 0 and line["candidates"] == 0
            assert line["gradient"] < 1e-3


def test_updates_that_are_not_finite_are_left_out_and_counted(tiny: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = reinforce.loss, []

    def once(*args: Any) -> torch.Tensor:
        calls.append(1)
        return real(*args) * (float("nan") if len(calls) == 2 else 1.0)

    monkeypatch.setattr(reinforce, "loss", once)
    path = train(tiny("hir"))
    assert rows(path, "hir")[-1]["skipped"] == 1 and len(rows(path, "hir")) == 5
    assert all(torch.isfinite(value).all() for value in weights(path, "hir").values())


def test_an_arm_that_diverges_does_not_hold_up_the_others(tiny: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    real = reinforce.loss
    monkeypatch.setattr(reinforce, "loss", lambda *a: real(*a) * (float("nan") if a[4].any() else 1.0))
    update = dataclasses.replace(ROWS, patience=2)
    with pytest.raises(HindsightError, match=r"arm hir, step \d: 2 updates in a row.*--update\.learning-rate"):
        train(tiny("hir,rlvr", update=update))
    path = Path(tiny("x").out)
    assert Run(path).read("eval.json")["arms"]["rlvr"]["done"]
    assert not Run(path).read("eval.json")["arms"]["hir"]["done"]


def test_a_policy_that_is_not_finite_is_told(tiny: Any, tmp_path: Path) -> None:
    config = tiny("rlvr", base=str(tmp_path / "broken"))
    made = base_model(tmp_path / "broken", config.pretrain, config.model, 0, lambda step, loss: None)
    save_file({name: value * float("nan") for name, value in load_file(made).items()}, made)
    with pytest.raises(HindsightError, match="logits are not finite"):
        train(config)


def test_instructions_longer_than_the_context(tiny: Any) -> None:
    path = train(tiny("rlvr", model=ModelRules(width=16, heads=2, layers=1, context=19)))
    assert rows(path, "rlvr")[-1]["too_long"] > 0
    with pytest.raises(HindsightError, match=r"--model\.context"):
        train(tiny("rlvr", "second", constraints="8", model=ModelRules(width=16, heads=2, layers=1, context=19)))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"pretrain": PretrainRules(low=3, high=2)}, "--pretrain.low 3 and --pretrain.high 2: between 1 and"),
        ({"pretrain": PretrainRules(high=20)}, "--pretrain.high 20"),
        ({"model": ModelRules(heads=0)}, "--model.heads 0: must be at least 1"),
        ({"replay": ReplayRules(lambda_start=float("nan"))}, "lambda_start is nan"),
    ],
)
def test_settings_that_mean_nothing_are_refused(tiny: Any, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(HindsightError, match=re.escape(said)):
        train(tiny("hir", **changes))


@pytest.mark.parametrize("changes", [
    {"reinforce": ReinforceRules(advantage="pooled", old_logps="original", kl=0.01)},
    {"reinforce": ReinforceRules(clip_replays=False, kl=0.01)},
    {"replay": ReplayRules(replays_per_prompt=2, scope="group")},
    {"replay": ReplayRules(replays_per_prompt=2, strategy="random")},
    {"replay": ReplayRules(replays_per_prompt=2, rewriter="retarget")},
    {"reward": "fraction"},
    {"update": dataclasses.replace(ROWS, epochs=2, decay=0.1)},
    {"reinforce": ReinforceRules(replay_end=0.1)},
    {"dependent": 0.5},
])  # fmt: skip
def test_settings_make_a_difference(tiny: Any, changes: dict[str, Any]) -> None:
    usual = weights(train(tiny("hir", "usual", evaluations=0)), "hir")
    path = train(tiny("hir", evaluations=0, **changes))
    assert not same(usual, weights(path, "hir"))
    assert rows(path, "hir")[-1]["gradient"] > 0


def demand(words: str) -> Demand:
    """Read back from how a prompt says it."""
    for name, kind in KINDS.items():
        found = re.fullmatch(re.sub(r"\{(\w+)\}", r"(?P<\1>\\w+)", kind.wording), words)
        if found:
            return Demand(name, {k: int(v) if v.isdigit() else v for k, v in found.groupdict().items()})
    raise AssertionError(words)


def test_what_is_trained_on_again_fulfils_its_instruction(tiny: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    real = learning.assemble

    def spy(*args: Any) -> Any:
        batch = real(*args)
        seen.append(batch)
        return batch

    monkeypatch.setattr(learning, "assemble", spy)
    rules = ReplayRules(replays_per_prompt=4, buffer_rows_per_prompt=6)
    train(tiny("retarget", evaluations=0, replay=rules, update=dataclasses.replace(ROWS, epochs=2)))
    counts = [len(batch.items) - batch.fresh for batch in seen]
    assert counts[0] == 0 < counts[1] and counts[2:] == [24, 24, 24]
    for batch in seen[1:]:
        fresh, own = batch.fresh, len(batch.originals.tokens) * batch.originals.tokens.shape[1]
        assert len(batch.replays.tokens) == len(batch.items) > fresh
        assert (batch.advantage[own + fresh :] == batch.replays.mask[fresh:]).all()
        assert batch.replays.tokens.shape[1] == batch.originals.tokens.shape[2] == batch.advantage.shape[1]
        for row, item in enumerate(batch.items[fresh:], start=fresh):
            text, complete = decode([t for t in batch.replays.tokens[row].tolist() if t])
            assert item.source is None and complete and text == item.completion
            assert all(demand(words).check(text) for words in item.prompt.split(" ; "))


def test_rows_of_the_buffer_need_no_old_log_probability(tiny: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    rules = ReplayRules(replays_per_prompt=4, buffer_rows_per_prompt=6)
    runs = {"whole": train(tiny("retarget", "whole", evaluations=0, replay=rules))}
    real = learning.assemble

    def changed(first: int) -> Any:
        def other(*args: Any) -> Any:
            batch = real(*args)
            batch.replays.old[batch.fresh if first else 0 :] = -0.01
            return batch

        return other

    for name, first in (("remembered", 1), ("all", 0)):
        monkeypatch.setattr(learning, "assemble", changed(first))
        runs[name] = train(tiny("retarget", name, evaluations=0, replay=rules))
    whole, remembered, all_rows = (weights(path, "retarget") for path in runs.values())
    assert same(whole, remembered) and not same(whole, all_rows)


def test_a_replay_buffer_is_part_of_the_checkpoint(tiny: Any, tmp_path: Path) -> None:
    config = tiny(
        "relabels-buffer",
        rollouts=16 * 8,
        replay=ReplayRules(replays_per_prompt=2, buffer_rows_per_prompt=4, buffer_capacity=40),
    )
    whole = train(dataclasses.replace(config, out=str(tmp_path / "whole")))
    calls = iter(range(100))
    real = learning.Learner.advance

    def dies(learner: Any) -> Any:
        if next(calls) == 5:
            raise KeyboardInterrupt
        return real(learner)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(learning.Learner, "advance", dies)
        train(config)
    path = train(dataclasses.replace(config, resume=True))
    assert rows(path, "relabels-buffer") == rows(whole, "relabels-buffer")
    assert same(weights(path, "relabels-buffer"), weights(whole, "relabels-buffer"))


def test_the_layout_of_a_rewritten_instruction_is_a_choice(tiny: Any) -> None:
    runs = {}
    for layout in ("list", "shuffled", "numbered", "bullets", "bare", "mixed"):
        rules = ReplayRules(replays_per_prompt=2, layout=layout)  # type: ignore[arg-type]
        runs[layout] = train(tiny("hir", layout, evaluations=0, replay=rules))
    assert len({rows(path, "hir")[0]["replays"] for path in runs.values()} - {0}) == 1
    for one, other in combinations(runs, 2):
        assert not same(weights(runs[one], "hir"), weights(runs[other], "hir")), (one, other)


def test_rollouts_are_repeated_in_place_of_replays(tiny: Any) -> None:
    path = train(tiny("rlvr,hir", evaluations=0, replay=ReplayRules(replays_per_prompt=2, repeat=True)))
    for name in ("rlvr", "hir"):
        last = rows(path, name)[-1]
        # 2 rows for each of 4 prompts are 2 prompts of 4 rollouts; 5 steps.
        assert last["replays"] == 0 and last["rollouts"] == 80 and last["rows"] == 80 + 5 * 8


def test_two_processes_do_the_same_as_one(tiny: Any) -> None:
    one, two = train(tiny("hir,rlvr", "one")), train(tiny("hir,rlvr", "two", jobs=2))
    for name in ("hir", "rlvr"):
        assert rows(one, name) == rows(two, name) and same(weights(one, name), weights(two, name))


def test_killed_and_resumed_equals_uninterrupted(tiny: Any, tmp_path: Path) -> None:
    config = tiny("rlvr,retarget", "killed", rollouts=16 * 60, checkpoints=20)
    whole = train(dataclasses.replace(config, out=str(tmp_path / "whole")))
    out = tmp_path / "killed"
    code = (
        "import json, sys; from hindsight_rl.lm.sandbox.config import from_json;"
        "from hindsight_rl.lm.sandbox.train import train;"
        "train(from_json(json.loads(sys.argv[1]), 'argument'))"
    )
    process = subprocess.Popen([sys.executable, "-c", code, json.dumps(to_json(config))], stderr=subprocess.DEVNULL)
    for _ in range(int(HUNG / 0.05)):
        if (out / "arms/retarget/checkpoint.safetensors").exists() or process.poll() is not None:
            break
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert (out / "arms/rlvr/summary.json").exists() and not (out / "arms/retarget/summary.json").exists()
    finished = (out / "arms/rlvr/metrics.jsonl").stat().st_mtime_ns
    assert train(dataclasses.replace(config, resume=True, arms="hir")) == out  # its own settings are used
    assert (out / "arms/rlvr/metrics.jsonl").stat().st_mtime_ns == finished
    for name in ("rlvr", "retarget"):
        assert rows(out, name) == rows(whole, name)
        assert rows(out, name, "evals.jsonl") == rows(whole, name, "evals.jsonl")
        assert rows(out, name, "rewrites.jsonl") == rows(whole, name, "rewrites.jsonl")
        assert same(weights(out, name), weights(whole, name))


def test_without_a_checkpoint_training_starts_from_the_beginning(tiny: Any) -> None:
    config = tiny("hir")
    path = train(config)
    whole = rows(path, "hir", "evals.jsonl")
    (path / "arms/hir/summary.json").unlink()
    evals = path / "arms/hir/evals.jsonl"
    evals.write_text(evals.read_text().splitlines(keepends=True)[0])  # the evaluation at the start, and no checkpoint
    train(dataclasses.replace(config, resume=True))
    assert rows(path, "hir", "evals.jsonl") == whole


def test_a_torn_checkpoint_is_named(tiny: Any) -> None:
    config = tiny("hir")
    path = train(config)
    (path / "arms/hir/summary.json").unlink()
    (path / "arms/hir/checkpoint.safetensors").write_bytes(b"torn")
    with pytest.raises(HindsightError, match=r"checkpoint\.safetensors is damaged"):
        train(dataclasses.replace(config, resume=True))


def test_the_command_prints_accuracy_as_json(tiny: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tiny("x")
    argv = f"""sandbox train --arms rlvr,hir --constraints 2 --rollouts 32 --seed 3 --out {config.out} --json --jobs 1
        --update.prompts 4 --update.samples 4 --pretrain.steps 20 --pretrain.batch 4 --test 10 --evaluations 2
        --model.width 16 --model.heads 2 --model.layers 1""".split()
    assert cli(argv) == 0
    out, err = capsys.readouterr()
    arms = json.loads(out)
    assert list(arms) == ["rlvr", "hir"] and arms["hir"]["rollouts"] == [0, 16, 32]
    assert all(0 <= value <= 1 for value in arms["hir"]["accuracy"])
    assert f"run: {config.out}" in err and "base model: step 20 of 20" in err
    assert cli(argv) == 2 and "--resume" in capsys.readouterr().err
    stored = Run.open(config.out, kind="lm").read("config.json")
    assert from_json(stored, "x").constraints == "2" and stored["machine"]["cores"]


@pytest.mark.parametrize(("changes", "said"), [
    ({"arms": "hri"}, "unknown method 'hri'"),
    ({"arms": " , "}, "--arms is empty"),
    ({"constraints": "many"}, "--constraints many"),
    ({"constraints": "8-7"}, "--constraints 8-7"),
    ({"constraints": "12"}, "--constraints 12"),
    ({"rollouts": 3}, "--rollouts 3"),
    ({"jobs": 0}, "--jobs 0"),
    ({"dependent": 1.5}, "--dependent 1.5"),
    ({"update": dataclasses.replace(ROWS, learning_rate=2.0)}, r"--update\.learning-rate 2.0"),
    ({"model": ModelRules(width=20, heads=4)}, r"--model\.width 20"),
    ({"model": ModelRules(context=10)}, r"--model\.context 10"),
    ({"replay": ReplayRules(replays_per_prompt=-1)}, r"--replays-per-prompt -1"),
    ({"update": dataclasses.replace(ROWS, decay=1.5)}, r"--update\.decay 1.5"),
    ({"reinforce": ReinforceRules(replay_end=-0.1)}, r"--replay-end -0.1"),
    ({"replay": ReplayRules(buffer_rows_per_prompt=-1)}, r"--buffer-rows-per-prompt -1"),
    ({"replay": ReplayRules(buffer_successes=1.5)}, r"--buffer-successes 1\.5: a share between 0 and 1"),
    ({"replay": ReplayRules(buffer_capacity=0)}, r"--buffer-capacity 0"),
])  # fmt: skip
def test_bad_settings_are_named_before_anything_is_made(tiny: Any, changes: dict[str, Any], said: str) -> None:
    config = dataclasses.replace(tiny("hir"), **changes)
    with pytest.raises(HindsightError, match=said):
        train(config)
    assert not Path(config.out).exists()


def test_what_a_person_sees(tiny: Any) -> None:
    config = tiny("rlvr,hir")
    path = train(config)
    for terminal in (True, False):
        console = Console(file=io.StringIO(), force_terminal=terminal, width=150)
        with Progress(config, console) as progress:
            progress.pretraining(300, 2.5)
            for name in ("rlvr", "hir"):
                for kind, file in (("metrics", "metrics.jsonl"), ("eval", "evals.jsonl")):
                    for line in Run(path / "arms" / name).lines(file):
                        progress.show({"kind": kind, **line})
                progress.show({"kind": "done", "arm": name})
            progress.show({"nonsense": 1})
        text = console.file.getvalue()  # type: ignore[attr-defined]
        assert "hir" in text and "80" in text and "lambda" in text and "n=3" in text


def test_a_config_with_an_unknown_setting_is_of_another_version() -> None:
    stored = {"kind": "lm", "version": "0.1.0", "machine": {}, **to_json(SandboxConfig())}
    assert from_json(stored, "config.json") == SandboxConfig()
    with pytest.raises(HindsightError, match=r"config.json is of another version: unknown setting 'sed' .*'seed'"):
        from_json({**stored, "sed": 3}, "config.json")
