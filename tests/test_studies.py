"""The studies in benchmarks/: every settings file is understood, and the runner of each learner runs a tiny one."""

import dataclasses
import json
import sys
import tomllib
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from queue import Queue
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import tyro

from hindsight_rl.agent.envs import make_env
from hindsight_rl.agent.training.config import TrainConfig
from hindsight_rl.agent.training.presets import preset_of
from hindsight_rl.errors import HindsightError
from hindsight_rl.run import Run

ROOT = Path(__file__).parents[1]
BENCHMARKS = ROOT / "benchmarks"
LM_STUDIES = sorted((BENCHMARKS / "lm_studies").glob("*.toml"))
AGENT_STUDIES = sorted((BENCHMARKS / "agent_studies").glob("*.toml"))
RESULTS = [file for file in sorted((ROOT / "results").glob("*_*.json")) if '"study": {' in file.read_text("utf-8")]
TINY_LM = """
question = "Does everything run?"
options = "--rollouts 32 --test 8 --evaluations 1 --update.prompts 4 --update.samples 2 --pretrain.steps 2"
seeds = [1]
tuning_seeds = [0]
reference = "fraction"

[conditions]
"2" = "--constraints 2"

[methods]
fraction = "fraction"
"hir, plain" = "hir --no-closed"

[grid]
"update.learning-rate" = [5e-4, 1e-3]
"""


@pytest.fixture
def lm_study(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return import_module("lm_study")


def run(module: ModuleType, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", [f"benchmarks/{module.__name__}.py", *arguments])
    module.main()


@pytest.mark.parametrize("file", LM_STUDIES, ids=lambda file: file.stem)
def test_every_study_of_the_sandbox_is_understood(lm_study: ModuleType, file: Path) -> None:
    study = lm_study.Study.load("lm_studies", file.stem)
    assert study.seeds or study.grid
    assert study.reference is None or study.reference in study.methods
    runner = lm_study.Runner(study, lm_study.StudyConfig(file.stem), file.stem)
    cell = {option: values[-1] for option, values in study.grid.items()}
    paths = set()
    for condition in study.conditions:
        for method in study.methods:
            wanted = runner.wanted(condition, method, 7, cell)
            wanted.config("bases")  # raises where the sandbox does not know an option
            paths.add(wanted.path)
    assert len(paths) == len(study.conditions) * len(study.methods)


@pytest.mark.parametrize("file", RESULTS, ids=lambda file: file.stem)
def test_a_result_file_is_of_its_study(file: Path) -> None:
    learner, _, name = file.stem.partition("_")
    result = json.loads(file.read_text("utf-8"))
    study = tomllib.loads((BENCHMARKS / f"{learner}_studies" / f"{name}.toml").read_text("utf-8"))
    assert result["command"].startswith(f"python benchmarks/{learner}_study.py {name}")
    assert {key: result["study"][key] for key in study} == study
    if learner == "agent":
        assert list(result.get("methods", ())) == list(study.get("methods", ()))
        return
    assert list(result["conditions"]) == list(study["conditions"])
    for found in result["conditions"].values():
        names = found["table"]["names"] if "table" in found else {cell["method"]: None for cell in found["cells"]}
        assert set(names) <= set(study["methods"])


def test_a_study_tunes_compares_and_does_nothing_twice(
    lm_study: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, out = tmp_path / "tiny.toml", tmp_path / "tiny.json"
    file.write_text(TINY_LM)
    arguments = [str(file), "--runs", str(tmp_path / "runs"), "--out", str(out), "--jobs", "1"]
    run(lm_study, monkeypatch, *arguments)
    first = json.loads(out.read_text("utf-8"))
    found = first["conditions"]["2"]
    assert [each["method"] for each in found["best"]] == ["fraction", "hir, plain"] and len(found["cells"]) == 4
    assert found["table"]["names"]["hir, plain"]["seeds"] == [1]
    assert "over_reference" in found["table"]["names"]["hir, plain"]
    assert first["command"].startswith("python benchmarks/lm_study.py ") and first["study"]["seeds"] == [1]
    assert capsys.readouterr().out.count(" s of CPU\n") == 4 + 2  # a line per run
    run(lm_study, monkeypatch, *arguments)
    assert json.loads(out.read_text("utf-8")) == first
    assert " s of CPU\n" not in capsys.readouterr().out
    file.write_text(TINY_LM.replace("--test 8", "--test 9"))
    with pytest.raises(HindsightError, match="was made with another test: choose other --runs"):
        run(lm_study, monkeypatch, *arguments)
    for each in (tmp_path / "runs").rglob("eval.json"):  # runs that were stopped before their end
        each.unlink()
    with pytest.raises(HindsightError, match="was made with another test: choose other --runs"):
        run(lm_study, monkeypatch, *arguments)


def test_a_study_of_the_real_model_refuses_the_folder_of_another(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    real = import_module("lm_real")
    file = tmp_path / "study.json"
    real._check(real.Study(), file)
    file.write_text(json.dumps(dataclasses.asdict(real.Study())))
    real._check(real.Study(workers=8, seeds=(4,), rates=(1e-3,)), file)
    with pytest.raises(SystemExit, match="was made with --tokens 80, not 120: choose other --runs"):
        real._check(real.Study(tokens=120), file)


def test_a_queue_that_nobody_works_on_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    real = import_module("lm_real")
    queue: Any = Queue()
    queue.put("a run")
    with pytest.raises(SystemExit, match="a worker ended with exit code -9"):
        real._wait(queue, [SimpleNamespace(is_alive=lambda: False, exitcode=-9)], every=0.05)


# What later studies need: choices of a method varied one by one, other instructions, other benches of evaluation.
TINY_AGENT = """
question = "Does everything run?"
options = "--env classic-32 --total-timesteps 2048"
seeds = [0, 1]
seeds_of = { "few candidates" = 1 }

[methods]
oir = "oir"
"few candidates" = "oir --relabels 1"
"low threshold" = "oir --reward-mode global --delta 0.3"
"small buffer" = "oir --buffer.capacity 4"
"no instructions" = "oir --initial-instructions none"

[evaluations]
words = "--parts paraphrased held_out"
"""
EVALUATED = {
    "seed": 0, "steps": 2048, "mean": {"canonical": 0.5}, "achievements_per_trial": 2.0,
    "canonical": [{"event": "wood", "text": "collect wood", "success": 0.5, "achievements": 2.0}],
    "forgetting": [{"event": "wood", "lost": 0.1}],
}  # fmt: skip


class Hindsight:
    """The commands of the agent, as `agent_runs.call` calls them: every run has the same metrics and results."""

    def __init__(self, runs: ModuleType):
        self.runs, self.calls = runs, []

    def __call__(self, *words: str) -> str:
        self.calls.append(words)
        if words[0] == "eval":
            return json.dumps({"mean": {"paraphrased": 0.25, "canonical": 0.5}, "canonical": EVALUATED["canonical"]})
        words = words[1:]
        path = Path(words[words.index("--out") + 1])
        shown = [word for word in words if word not in ("--resume", "--no-final-eval")]
        config = tyro.cli(TrainConfig, args=shown, default=preset_of(shown))
        row = {
            "step": 2048,
            "success": {"wood": 0.5},
            "success_of_given": 0.125,
            "given": {"initial": 3},
            "unique_instructions": 2,
            "clusters": 1,
            "events_named": 0.5,
            "event_entropy": 1.0,
            "seconds": {"train": 1.0},
        }
        path.mkdir(parents=True, exist_ok=True)
        run = Run(path)
        run.write("config.json", {"kind": "agent", **json.loads(json.dumps(dataclasses.asdict(config)))})
        (path / "metrics.jsonl").write_text(json.dumps(row) + "\n")
        if "--no-final-eval" not in words:
            run.write("eval.json", EVALUATED | {"seed": config.seed})
        return ""


@pytest.fixture
def agent_study(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return import_module("agent_study")


@pytest.fixture
def called(agent_study: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Hindsight:
    runs = import_module("agent_runs")
    stub = Hindsight(runs)
    monkeypatch.setattr(runs, "call", stub)
    return stub


@pytest.mark.parametrize("file", AGENT_STUDIES, ids=lambda file: file.stem)
def test_every_study_of_the_agent_is_understood(agent_study: ModuleType, file: Path) -> None:
    study = agent_study.Study.load("agent_studies", file.stem)
    if study.costs:
        import_module("agent_costs").Costs(**study.costs)  # raises on an unknown name
        return
    runner = agent_study.Runner(study, agent_study.StudyConfig(file.stem), file.stem)
    assert study.seeds and study.methods
    for method in study.methods:
        config = runner.settings(method, 7, study.cells[-1] if study.cells else "")
        assert config.seed == 7 and config.env in study.options


def test_a_study_of_the_agent_compares_and_does_nothing_twice(
    agent_study: ModuleType, called: Hindsight, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file, out = tmp_path / "tiny.toml", tmp_path / "tiny.json"
    file.write_text(TINY_AGENT)
    arguments = [str(file), "--runs", str(tmp_path / "runs"), "--out", str(out), "--jobs", "1"]
    run(agent_study, monkeypatch, *arguments)
    result = json.loads(out.read_text("utf-8"))
    assert [row["method"] for row in result["runs"]].count("few candidates") == 1 and len(result["runs"]) == 9
    assert result["methods"]["oir"]["canonical"]["mean"] == 0.5
    assert result["methods"]["oir"]["words"]["paraphrased"]["mean"] == 0.25
    assert result["methods"]["oir"]["early_success"]["mean"] == 0.125
    assert result["methods"]["oir"]["forgotten"]["mean"] == 0.1
    [covered] = result["methods"]["oir"]["coverage"]
    assert covered["step"] == 2048 and covered["event_entropy"]["mean"] == 1.0
    assert len(called.calls) == 18 and ("--relabels", "1") in pairwise(called.calls[2])
    evaluated = next(words for words in called.calls if words[0] == "eval")
    assert evaluated[2:] == ("--json", "--parts", "paraphrased", "held_out")
    called.calls.clear()
    run(agent_study, monkeypatch, *arguments)
    assert called.calls == [] and json.loads(out.read_text("utf-8")) == result
    (tmp_path / "runs" / "agent_tiny" / "oir-1" / "eval.json").unlink()  # a run that was interrupted
    run(agent_study, monkeypatch, *arguments)
    assert len(called.calls) == 1 and called.calls[0][-1] == "--resume"
    file.write_text(TINY_AGENT.replace("--delta 0.3", "--delta 0.4"))
    with pytest.raises(HindsightError, match="low threshold-0 was made with another --delta: choose other --runs"):
        run(agent_study, monkeypatch, *arguments)


def test_half_of_the_instructions_are_given_and_the_others_evaluated(
    agent_study: ModuleType, called: Hindsight, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file, out = tmp_path / "half.toml", tmp_path / "half.json"
    file.write_text("give_half = true\n" + TINY_AGENT.replace("seeds_of", "# "))
    arguments = [str(file), "--runs", str(tmp_path / "runs"), "--out", str(out), "--jobs", "1"]
    run(agent_study, monkeypatch, *arguments)
    given = [(tmp_path / "runs" / "agent_half" / f"given-{seed}.txt").read_text().splitlines() for seed in (0, 1)]
    every = set(make_env("classic-32").instructions)
    assert all(len(set(each)) == 11 and set(each) < every for each in given) and given[0] != given[1]
    files = [tmp_path / "runs" / "agent_half" / f"given-{seed}.txt" for seed in (0, 1)]
    before = [(each.stat().st_ino, each.stat().st_mtime_ns) for each in files]
    files[1].write_text("another\n")
    run(agent_study, monkeypatch, *arguments)
    assert (files[0].stat().st_ino, files[0].stat().st_mtime_ns) == before[0]  # a training process may be reading it
    assert files[1].read_text().splitlines() == given[1] and files[1].stat().st_ino != before[1][0]
    sources = {
        (words[words.index("--method") + 1], Path(text).name)
        for words in called.calls if words[0] == "train"
        for name, text in pairwise(words) if name == "--initial-instructions"
    }  # fmt: skip
    assert sources >= {("oir", "given-0.txt"), ("oir", "given-1.txt"), ("oir", "none")}
    config = Run(tmp_path / "runs" / "agent_half" / "no instructions-0").read("config.json")
    assert config["initial_instructions"] == "none"  # a method's own options win
    means = {row["method"]: row["mean"] for row in json.loads(out.read_text("utf-8"))["runs"]}
    assert means["no instructions"] == {"other half": 0.5, "canonical": 0.5}


def test_tuning_keeps_the_defaults_unless_a_cell_is_well_ahead(
    agent_study: ModuleType, called: Hindsight, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file, out = tmp_path / "tuning.toml", tmp_path / "tuning.json"
    cells = 'cells = ["", "epsilon-end=0.2", "epsilon-end=0.3"]\nmargin = 0.01\n'
    file.write_text(cells + TINY_AGENT.replace("seeds_of", "# "))
    ahead = {("oir", "epsilon-end=0.3"): 0.6, ("few candidates", "epsilon-end=0.2"): 0.505}

    def value(study: object, method: str, path: Path) -> float:
        return ahead.get((method, path.name.removeprefix(f"{method}-").rpartition("-")[0]), 0.5)

    monkeypatch.setattr(agent_study, "value_of", value)
    run(agent_study, monkeypatch, str(file), "--runs", str(tmp_path / "runs"), "--out", str(out), "--jobs", "1")
    found = json.loads(out.read_text("utf-8"))["methods"]
    assert found["oir"]["chosen"] == {"epsilon-end": "0.3"} and found["oir"]["defaults"] == {"epsilon-end": "0.1"}
    assert found["few candidates"]["chosen"] == {"epsilon-end": "0.1"}  # ahead by less than the margin
    assert [len(cell["values"]) for cell in found["oir"]["cells"]] == [2, 1, 2]
    trained = [words for words in called.calls if words[0] == "train"]
    assert all("--no-final-eval" in words and ("--num-evals", "0") in pairwise(words) for words in trained)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("question =", "tiny.toml: not TOML"),
        (TINY_LM.replace("seeds =", "seed =", 1), "tiny.toml: unknown key 'seed': one of question, methods, seeds"),
        ("seeds = [1]", "tiny.toml: 'question' is missing"),
    ],
)
def test_a_bad_settings_file_is_an_error_that_names_it(
    lm_study: ModuleType, tmp_path: Path, text: str, said: str
) -> None:
    file = tmp_path / "tiny.toml"
    file.write_text(text)
    with pytest.raises(HindsightError, match=said):
        lm_study.Study.load("lm_studies", str(file))
    with pytest.raises(HindsightError, match="one of ablations, ablations_more, arms"):
        lm_study.Study.load("lm_studies", "absent")
