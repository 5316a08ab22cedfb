"""The studies in benchmarks/: every settings file is understood, and the runner of each learner runs a tiny one."""

import json
import sys
import tomllib
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from hindsight_rl.errors import HindsightError

ROOT = Path(__file__).parents[1]
BENCHMARKS = ROOT / "benchmarks"
LM_STUDIES = sorted((BENCHMARKS / "lm_studies").glob("*.toml"))
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


@pytest.mark.parametrize("file", LM_STUDIES, ids=lambda file: file.stem)
def test_a_result_file_is_of_its_study(file: Path) -> None:
    result_file = ROOT / "results" / f"lm_{file.stem}.json"
    if not result_file.exists():
        assert "not run yet" in file.read_text("utf-8")
        return
    result = json.loads(result_file.read_text("utf-8"))
    study = tomllib.loads(file.read_text("utf-8"))
    assert {key: result["study"][key] for key in study} == study
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
