"""hindsight score: the published scores, the verdicts file, and input that does not fit."""

import json

import pytest

from hindsight_rl.cli import main
from hindsight_rl.errors import HindsightError
from hindsight_rl.evaluation.cfbench import priority, scores
from hindsight_rl.evaluation.prompts import read
from hindsight_rl.replay.instruction import Instruction

EXPECTED = {"ifeval": (394, 666, 404, 679), "ifbench": (77, 96, 84, 106)}


def _write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("bench", EXPECTED)
def test_published_scores_and_verdicts(bench, shared_data, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("NLTK_DATA", str(shared_data / "nltk_data"))
    folder, out = shared_data / bench, tmp_path / "verdicts.jsonl"
    args = ["score", bench, str(folder / "responses_qwen25_7b.jsonl"), "--prompts", str(folder / "prompts.jsonl")]
    assert main([*args, "--verdicts", str(out), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    levels = [found[mode][level]["correct"] for mode in ("strict", "loose") for level in ("prompt", "instruction")]
    assert tuple(levels) == EXPECTED[bench]
    assert found["splitter"] == "punkt" and found["splitter_version"].endswith("punkt_tab 87b74379")
    low, high = found["strict"]["prompt"]["ci95"]
    assert low < found["strict"]["prompt"]["accuracy"] < high
    assert out.read_text() == (folder / "verdicts_qwen25_7b.jsonl").read_text()
    if bench == "ifbench":
        split = found["trained_on_by_hir_16k"]["strict"]
        assert len(found["trained_on_by_hir_16k"]["ids"]) == 21 and found["evaluator"] == "hir"
        assert (split["seen"]["prompt"]["total"], split["seen"]["instruction"]["total"]) == (153, 170)


def test_versions_side_by_side(tmp_path, capsys):
    asked = {"instruction_id_list": ["keywords:existence"], "kwargs": [{"keywords": ["cat"]}]}
    prompts = _write(tmp_path / "prompts.jsonl", [{"key": key, "prompt": f"p{key}", **asked} for key in (1, 2)])
    said = [("p1", "The catalogue is long."), ("p2", "My cat.")]
    responses = _write(tmp_path / "r.jsonl", [{"prompt": p, "response": r} for p, r in said])
    args = ["score", "ifeval", responses, "--prompts", prompts]
    for names, right in (("corrected", [1]), ("current,corrected", [2, 1]), ("corrected,auto", [1, 2])):
        assert main([*args, "--version", names, "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        scores = found["versions"] if "," in names else [found]
        assert [each["strict"]["prompt"]["correct"] for each in scores] == right
    assert main([*args, "--version", "current,corrected"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[1].split() == ["current", "strict", "current", "loose", "corrected", "strict", "corrected", "loose"]
    assert shown[2].split() == ["prompt", "100.00", "100.00", "50.00", "50.00"]
    assert main([*args, "--version", "current,corrected", "--verdicts", str(tmp_path / "v.jsonl")]) == 2
    assert main([*args, "--version", "corected"]) == 2
    assert "--version corected: one of auto, current, hir, corrected" in capsys.readouterr().err


@pytest.fixture
def small(tmp_path):
    asked = {"instruction_id_list": ["punctuation:no_comma"], "kwargs": [{"n": None}]}
    return _write(tmp_path / "prompts.jsonl", [{"key": key, "prompt": f"p{key}", **asked} for key in (1, 2, 3)])


def test_missing_duplicate_and_extra_are_reported_and_fatal_on_request(small, tmp_path, capsys):
    rows = [("p1", "a, b"), ("p1", "ab"), ("q", "x"), (" p2 ", "a")]
    responses = _write(tmp_path / "r.jsonl", [{"prompt": p, "response": r} for p, r in rows])
    args = ["score", "ifeval", responses, "--prompts", small]
    assert main([*args, "--json"]) == 0
    said = capsys.readouterr()
    found = json.loads(said.out)
    assert found["input"]["missing"] == [3]
    assert [where.rpartition(":")[2] for where in found["input"]["duplicate"] + found["input"]["extra"]] == ["2", "3"]
    assert (found["strict"]["prompt"]["correct"], found["strict"]["prompt"]["total"]) == (2, 3)
    assert "1 prompts without a response" in said.err
    assert main([*args, "--strict-input"]) == 2


def test_rows_are_matched_by_key_where_they_have_no_prompt(small, tmp_path, capsys):
    responses = _write(tmp_path / "r.jsonl", [{"key": key, "response": "ab"} for key in (3, 1, 2)])
    assert main(["score", "ifeval", responses, "--prompts", small, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["strict"]["prompt"]["correct"] == 3


def test_a_wrong_prompts_row_names_file_and_line(tmp_path):
    good = {"key": 1, "prompt": "p", "instruction_id_list": ["punctuation:no_comma"], "kwargs": [{}]}
    path = _write(tmp_path / "prompts.jsonl", [good, {**good, "instruction_id_list": ["punctuation:no_coma"]}])
    with pytest.raises(HindsightError, match=r"prompts\.jsonl:2: .*did you mean punctuation:no_comma"):
        read("ifeval", path)


def test_training_rows_become_instructions(tmp_path):
    row = {
        "id": 4,
        "source": "type1",
        "prompt": "Tell me a story.",
        "criteria": ["Avoid commas."],
        "ground_truth": {"instruction_id_list": ["punctuation:no_comma"], "kwargs": [None]},
    }
    [found] = read("hir-16k", _write(tmp_path / "h.jsonl", [row]))
    assert found.prompt == "Tell me a story. Avoid commas." and found.texts == ("Avoid commas.",)
    assert read("hir-16k", _write(tmp_path / "h.jsonl", [{**row, "criteria": '["Avoid commas."]'}])) == [found]
    with pytest.raises(HindsightError, match=r"h.jsonl:1: 'criteria' must be a list of strings"):
        read("hir-16k", _write(tmp_path / "h.jsonl", [{**row, "criteria": [4]}]))
    truth = [{"instruction_id": ["keywords:existence"], "kwargs": [{"keywords": ["sea"]}]}]
    chat = {"key": "k", "messages": [{"role": "user", "content": "Hi."}], "ground_truth": str(truth)}
    [found] = read("if-rlvr", _write(tmp_path / "i.jsonl", [chat]))
    assert found.constraints[0].check("the sea") and found.prompt == "Hi."


def test_every_muldimif_row_is_checkable_or_listed(shared_data):
    found = read("muldimif", shared_data / "muldimif/test.json")
    assert len(found) == 1200
    assert all(each.constraints or each.soft for each in found)


def test_cfbench_scores_from_a_judge(tmp_path):
    assert priority([True, True, True], [True, False, False])
    assert not priority([False, True, True], [True, False, False])
    assert not priority([True, True, False], [False, False, False])
    asked = Instruction("q", (), "q", 1, soft=("a", "b"), meta={"primary": [True, False]})
    assert scores([asked, asked], [[True, True], [True, False]]).csr == 0.75


@pytest.mark.parametrize(
    "words",
    [
        ("ifeval", "--judged", "absent.jsonl"),
        ("cfbench", "--verdicts", "v.jsonl"),
        ("cfbench", "--version", "hir"),
        ("cfbench", "--answer-after", "[/THINK]"),
    ],
)
def test_an_option_that_a_benchmark_does_not_use_is_refused(words, capsys):
    benchmark, option, value = words
    assert main(["score", benchmark, "r.jsonl", "--splitter", "native", option, value]) == 2
    assert f"{option}: " in capsys.readouterr().err


def test_verdicts_that_cannot_be_written_are_an_error_after_the_scores(tmp_path, capsys):
    prompts, responses = tmp_path / "p.jsonl", tmp_path / "r.jsonl"
    row = {"key": 1, "prompt": "Say hi.", "instruction_id_list": ["punctuation:no_comma"], "kwargs": [{}]}
    prompts.write_text(json.dumps(row) + "\n")
    responses.write_text(json.dumps({"prompt": "Say hi.", "response": "hi"}) + "\n")
    words = ["score", "ifeval", str(responses), "--prompts", str(prompts), "--splitter", "native"]
    assert main([*words, "--verdicts", str(tmp_path)]) == 2
    said = capsys.readouterr()
    assert "1/1" in said.out and "cannot write" in said.err
