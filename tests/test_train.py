"""Training through the public door: every method trains, tells what it did, and survives `kill -9`."""

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from hindsight_rl.agent.envs.craftax.captions import CLASSIC_EVENTS
from hindsight_rl.agent.envs.craftax.phrases import LANGUAGE
from hindsight_rl.agent.evaluation.evaluate import evaluate_run
from hindsight_rl.agent.instructions.buffer import BufferRules
from hindsight_rl.agent.policy.pqn import LearningRules
from hindsight_rl.agent.relabeling.relabeler import Relabel
from hindsight_rl.agent.training.config import load_config
from hindsight_rl.agent.training.loop import compile_cache
from hindsight_rl.agent.training.methods import METHODS
from hindsight_rl.agent.training.progress import SOURCES
from hindsight_rl.agent.training.train import TrainConfig, train
from hindsight_rl.agent.training.trainer import load_policy
from hindsight_rl.cli import main as cli
from hindsight_rl.encoder import default_cache_dir
from hindsight_rl.errors import HindsightError
from hindsight_rl.run import Run
from patience import HUNG

GOALS = {event.name for event in CLASSIC_EVENTS if not event.harmful}
SAFE = [text for text, event in LANGUAGE.known.items() if event in GOALS]
"""Far more phrasings than a library has room for."""


def tiny(out: Path, **changes: Any) -> TrainConfig:
    """Small enough for seconds; one shape, so that methods share compiled programs."""
    base = TrainConfig(
        out=str(out), total_timesteps=8192, num_envs=32, num_steps=16, num_updates=4, num_worlds=128, width=32,
        rank=8, depth=1, trajectories=8, num_evals=0, num_checkpoints=2, final_eval=False,
        learning=LearningRules(hindsight=8), buffer=BufferRules(min_attempts=4),
    )  # fmt: skip
    return dataclasses.replace(base, **changes)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """One finished `oir` run."""
    return Run.open(train(tiny(tmp_path_factory.mktemp("runs") / "oir", num_evals=1)))


@pytest.fixture(scope="module")
def run_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Run]:
    """A finished run of the method of that name, trained once.

    Most methods have a program of their own, which runs for a second. To optimise it would take half a minute.
    """
    folder = tmp_path_factory.mktemp("methods")

    @cache
    def trained(name: str) -> Run:
        jax.config.update("jax_disable_most_optimizations", True)
        try:
            return Run.open(train(tiny(folder / name, method=name)))
        finally:
            jax.config.update("jax_disable_most_optimizations", False)
            jax.clear_caches()  # else a later test would run this program and one in another process an optimised one

    return trained


@pytest.mark.agent
@pytest.mark.parametrize("name", [m for m in METHODS if m != "oir"])
def test_every_method_trains(name: str, run_of: Callable[[str], Run]) -> None:
    out = run_of(name)
    rows = out.lines("metrics.jsonl")
    assert [row["step"] for row in rows] == [2048, 4096, 6144, 8192]
    assert all(np.isfinite(row["loss"]) for row in rows)
    assert (out.path / "checkpoints").is_dir()
    relabels = sum(row.get("accepted", 0) for row in rows)
    assert (relabels > 0) == METHODS[name].relabel
    assert (rows[-1]["slots"] != []) == METHODS[name].buffer
    assert (rows[-1]["known_goals"] > 22) == METHODS[name].relabel or METHODS[name].objective == "novel"
    if not METHODS[name].buffer and METHODS[name].conditioned:
        assert all({k for k, v in row["given"].items() if v} == {"initial"} for row in rows)
    assert ("given" in rows[-1]) == METHODS[name].conditioned


@pytest.mark.agent
def test_the_run_tells_what_it_did(run: Run) -> None:
    rows = run.lines("metrics.jsonl")
    assert sum(row["events"]["collect_wood"] for row in rows) > 0
    assert rows[-1]["known_goals"] > 5 and rows[-1]["unique_instructions"] >= rows[-1]["clusters"] > 3
    assert set(rows[-1]["success"]) == {e.name for e in load_policy(run).env.events[:22]}
    decisions = run.lines("buffer.jsonl")
    assert {row["what"] for row in decisions} >= {"admit"}
    samples = run.lines("relabels.jsonl")
    assert any(row["rejected"] is None for row in samples) and all(row["evidence"] for row in samples)
    assert load_config(run) == dataclasses.replace(tiny(run.path), num_evals=1, settled=True)
    given = [row["given"] for row in rows]
    assert all(set(row) == set(SOURCES) for row in given)
    assert all(sum(row[source] for row in given) > 0 for source in ("initial", "slots", "new_event", "repeated_event"))


@pytest.mark.agent
def test_evaluation_reports_every_question_with_counts(run: Run) -> None:
    policy = load_policy(run)
    result = evaluate_run(run, policy, scale=0.03, batch=64)
    assert [len(result[k]) for k in ("canonical", "composed")] == [22, 16]
    assert len(result["paraphrased"]) >= 66 and len(result["others"]) >= 20
    for group in ("canonical", "paraphrased", "others", "composed"):
        for row in result[group]:
            assert row["success"] == pytest.approx(row["successes"] / row["trials"], abs=1e-4)
    assert run.read("eval.json") == json.loads(json.dumps(result))
    by_event = {row["event"] for row in result["paraphrased"]}
    assert len(by_event) == 22
    again = evaluate_run(run, policy, scale=0.03, batch=64, parts=("canonical",))
    assert again["canonical"] == result["canonical"]


@pytest.mark.agent
def test_a_part_of_the_evaluation_is_a_look(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    file = run.path / "eval.json"
    before = file.read_bytes() if file.exists() else None
    assert cli(["agent", "eval", str(run.path), "--json", "--scale", "0.03", "--parts", "canonical"]) == 0
    part = json.loads(capsys.readouterr().out)
    assert list(part["mean"]) == ["canonical"] and len(part["canonical"]) == 22 and "composed" not in part
    assert (file.read_bytes() if file.exists() else None) == before
    assert cli(["agent", "eval", str(run.path), "--parts", "cannonical"]) == 2
    assert "--parts cannonical" in capsys.readouterr().err


@pytest.mark.agent
def test_the_evaluation_of_a_run_that_was_stopped_is_of_its_checkpoint(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stopped = Path(shutil.copytree(run.path, tmp_path / "stopped"))
    *_, before, newest = sorted((each for each in (stopped / "checkpoints").iterdir() if each.name.isdigit()), key=step)
    shutil.rmtree(newest)
    assert cli(["agent", "eval", str(stopped), "--json", "--scale", "0.03", "--parts", "canonical"]) == 0
    assert json.loads(capsys.readouterr().out)["steps"] == step(before) < run.lines("metrics.jsonl")[-1]["step"]


def step(checkpoint: Path) -> int:
    return int(checkpoint.name)


@pytest.mark.agent
def test_policy_of_a_method_that_cannot_see_instructions(run_of: Callable[[str], Run]) -> None:
    policy = load_policy(run_of("game"))
    conditions = policy.conditions(["collect wood", "drink water"])
    np.testing.assert_array_equal(conditions[0], conditions[1])


@pytest.mark.agent
def test_the_papers_method_takes_its_instructions_from_the_buffer(run_of: Callable[[str], Run]) -> None:
    run = run_of("oir-paper")
    config, rows = load_config(run), run.lines("metrics.jsonl")
    assert config.buffer.capacity == 10 and config.reward_mode == "global" and config.acting.reset_on_success
    assert config.buffer.min_attempts == 4 and config.learning.hindsight == 8  # what was set is kept
    first, *later = (row["given"] for row in rows)
    assert first["initial"] > 0 and first["slots"] == 0, "the buffer is empty until the first relabels"
    assert all({k for k, v in row.items() if v} == {"slots"} for row in later)
    assert all(len(row["slots"]) <= 10 for row in rows)


def test_compiled_programs_are_cached_where_the_user_says() -> None:
    chosen = jax.config.jax_compilation_cache_dir
    try:
        jax.config.update("jax_compilation_cache_dir", "/somewhere")
        compile_cache()
        assert jax.config.jax_compilation_cache_dir == "/somewhere"
        jax.config.update("jax_compilation_cache_dir", None)
        compile_cache()
        assert jax.config.jax_compilation_cache_dir == str(default_cache_dir() / "xla")
    finally:
        jax.config.update("jax_compilation_cache_dir", chosen)


class Liar:
    """A relabeler that names what never happened."""

    def propose(self, events: np.ndarray, k: int, rng: np.random.Generator) -> list[Relabel]:
        return [Relabel("collect a diamond", ("collect a diamond",), False, ((0, "collect_diamond"),))] * k


def test_relabels_without_evidence_never_reach_the_buffer(tmp_path: Path) -> None:
    run = Run.open(train(tiny(tmp_path / "liar", total_timesteps=2048, initial_instructions="none"), relabeler=Liar()))
    rows = run.lines("metrics.jsonl")
    assert sum(row["rejected"] for row in rows) > 0 and sum(row["accepted"] for row in rows) == 0
    assert rows[-1]["slots"] == []
    assert all("did not happen" in row["rejected"] for row in run.lines("relabels.jsonl"))


def without_clock(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{k: v for k, v in row.items() if k != "seconds"} for row in rows]


SCRIPT = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_train import long
from hindsight_rl.agent.training.train import train
train(long(Path(sys.argv[2]), resume=len(sys.argv) > 3))
"""


def long(out: Path, **changes: Any) -> TrainConfig:
    """16 iterations with a checkpoint after each."""
    return tiny(out, num_checkpoints=16, total_timesteps=32768, **changes)


def start(out: Path, *more: str) -> subprocess.Popen:
    arguments = [sys.executable, "-c", SCRIPT, str(Path(__file__).parent), str(out), *more]
    return subprocess.Popen(arguments, stdout=subprocess.DEVNULL)


def killed_and_resumed(out: Path, kills: list[int]) -> list[dict[str, Any]]:
    """Kill the run when its metrics reach each of these lengths, resume every time, at last here and to the end."""
    for length in kills:
        process = start(out, *(["resume"] if (out / "config.json").exists() else []))
        deadline = time.monotonic() + HUNG
        while len(Run(out).lines("metrics.jsonl")) < length and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
        assert process.wait() in (0, -signal.SIGKILL)
    return Run.open(train(long(out, resume=True))).lines("metrics.jsonl")


@pytest.mark.agent
def test_killed_and_resumed_equals_uninterrupted(tmp_path: Path) -> None:
    whole = Run.open(train(long(tmp_path / "whole")))
    rows = killed_and_resumed(tmp_path / "killed", [5])
    assert without_clock(rows) == without_clock(whole.lines("metrics.jsonl"))
    assert Run.open(tmp_path / "killed").lines("buffer.jsonl") == whole.lines("buffer.jsonl")


@pytest.mark.slow
def test_killed_at_five_random_points(tmp_path: Path) -> None:
    whole = Run.open(train(long(tmp_path / "whole")))
    points = sorted(np.random.default_rng(int(time.time())).integers(1, 16, 5).tolist())
    rows = killed_and_resumed(tmp_path / "killed", points)
    assert without_clock(rows) == without_clock(whole.lines("metrics.jsonl")), points


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--method", "magic"], "oir"),
        (["--env", "nether"], "classic-32"),
        (["--encoder", "/nowhere/model"], "encoder"),
        (["--num-envs", "16", "--num-steps", "4"], "minibatch"),
        (["--buffer.capacity", "0"], "capacity"),
    ],
)
def test_bad_settings_are_refused_before_anything_is_made(
    arguments: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli(["agent", "train", "--total-timesteps", "1000", "--out", str(tmp_path / "run"), *arguments]) == 2
    error = capsys.readouterr().err
    assert says in error and len(error.strip().splitlines()) == 1
    assert not (tmp_path / "run" / "metrics.jsonl").exists()


@pytest.mark.agent
def test_an_existing_run_is_never_overwritten(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    before = (run.path / "metrics.jsonl").read_bytes()
    assert cli(["agent", "train", "--total-timesteps", "1000", "--out", str(run.path)]) == 2
    assert "--resume" in capsys.readouterr().err
    assert (run.path / "metrics.jsonl").read_bytes() == before


@pytest.mark.agent
def test_a_corrupt_checkpoint_is_named(run: Run, tmp_path: Path) -> None:
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(run.path, copy)
    for file in copy.glob("checkpoints/*/arrays/**/*"):
        if file.is_file():
            file.write_bytes(b"nothing")
    with pytest.raises(HindsightError, match="corrupt"):
        load_policy(Run.open(copy))


def test_a_foreign_folder_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(HindsightError, match=r"config\.json"):
        load_policy(Run.open(tmp_path))


@pytest.mark.agent
def test_diverging_training_stops_with_the_mend(tmp_path: Path) -> None:
    with pytest.raises(HindsightError, match="--learning-rate"):
        train(tiny(tmp_path / "wild", learning=LearningRules(hindsight=8, own_weight=1e39)))


@pytest.mark.agent
def test_a_method_is_given_the_instructions_of_a_file(tmp_path: Path) -> None:
    given = tmp_path / "given.txt"
    given.write_text(
        "# two of the 22, and one with two goals\ncollect wood\n\neat a cow\ncollect wood, then eat a cow\n"
    )
    path = train(tiny(tmp_path / "run", method="none", total_timesteps=1024, initial_instructions=str(given)))
    given.unlink()  # the run has its own copy
    train(tiny(tmp_path / "run", method="none", total_timesteps=2048, initial_instructions=str(given), resume=True))
    rows = Run.open(path).lines("metrics.jsonl")
    assert rows[-1]["step"] == 2048 and rows[-1]["known_goals"] == 2


@pytest.mark.parametrize(
    ("text", "method", "message"),
    [
        ("collect wood\nwrite a poem\n", "oir", "given.txt:2: "),
        ("# nothing\n", "oir", "no instruction in it"),
        (None, "oir", "cannot be read"),
        (None, "seeds", "seeds 3: one run has one seed"),
        ("none", "her", "has no instruction buffer"),
        ("\n".join(SAFE), "oir", "no room for '.*': all .* 384 different goals"),
    ],
)
def test_wrong_initial_instructions_are_refused_and_leave_no_folder(
    tmp_path: Path, text: str | None, method: str, message: str
) -> None:
    given = tmp_path / "given.txt"
    if text and text != "none":
        given.write_text(text)
    source = "none" if text == "none" else str(given)
    with pytest.raises(HindsightError, match=message):
        several: dict[str, Any] = {"seeds": 3} if method == "seeds" else {"method": method}
        train(tiny(tmp_path / "run", initial_instructions=source, **several))
    assert not (tmp_path / "run").exists()
