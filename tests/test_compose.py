"""Composed training rows: every row has a witness, its words say what is checked, splits are apart, same seed, same
bytes; bad prompts are counted, bad files and settings are named."""

import json
import os
import re
import subprocess
import sys
from collections import Counter
from itertools import combinations
from pathlib import Path
from random import Random
from typing import Any

import pytest

from hindsight_rl.cli import main as cli
from hindsight_rl.constraints.core import constraint, ids
from hindsight_rl.constraints.rows import row_constraints
from hindsight_rl.constraints.text.sentences import splitter, use_splitter
from hindsight_rl.constraints.verdicts import verdicts
from hindsight_rl.data.compose import ComposeConfig, compose
from hindsight_rl.data.compose.composer import rows_of
from hindsight_rl.data.compose.draft import Infeasible
from hindsight_rl.data.compose.infeasible import ALONE, CHOICE, table, why_not
from hindsight_rl.data.compose.prompts import read_prompts
from hindsight_rl.data.compose.ranges import FAMILY_IDS, RANGES, composed, drawn
from hindsight_rl.data.compose.row import Row
from hindsight_rl.data.compose.templates import INEXACT
from hindsight_rl.data.compose.witness import search
from hindsight_rl.data.compose.wordings import wordings
from hindsight_rl.data.compose.words import FILLERS, FUNCTION_WORDS, KEYWORDS
from hindsight_rl.data.rows import read_dataset
from hindsight_rl.errors import HindsightError
from hindsight_rl.lm.verl.rows import to_row
from hindsight_rl.replay.rewriting import Retarget
from hindsight_rl.replay.rollout import Rollout

TASK = "Write an email to a landlord asking when the broken kitchen tap will be repaired."
LENGTHS = ("short", "standard")
SINGULAR = re.compile(
    r"\b(?<!paragraph )1 (?:words|sentences|times|paragraphs|placeholders|blanks|letters|parts|points)\b"
)
UNFILLED = re.compile(r"\{\w*[:}]")
ORDINALS = ("zeroth", "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")


# Neither order of hashing nor what is installed may change a row.
WITHOUT_LANGDETECT = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name == "langdetect":
            raise ModuleNotFoundError(name, name=name)

sys.meta_path.insert(0, Absent())
"""


def composed_to(out: Path, *options: str) -> Path:
    assert cli(["compose", "--out", str(out), *options]) == 0
    return out


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("composed")
    options = "--rows 300 --length short --numbers 1 2 3 4 --test-ids 6 --test-rows 40 --seed 3"
    return composed_to(out, *options.split(" "))


def test_rows_are_read_as_instructions_that_can_be_rewritten(files: Path) -> None:
    rows = lines(files / "train.jsonl")
    loaded = read_dataset(files / "train.jsonl", judged="reject", inline="reject", bad="reject")
    assert len(loaded.instructions) == len(rows) == 300 and not loaded.skipped
    for row, made in zip(rows, loaded.instructions, strict=True):
        assert made.prompt == row["messages"][0]["content"]
        assert made.task == row["question"] and made.texts == tuple(row["criteria"])
        assert row["constraint_type"] == ("single" if len(made.constraints) == 1 else "multi")
    assert {len(made.constraints) for made in loaded.instructions} == {1, 2, 3, 4}
    assert {made.layout for made in loaded.instructions} == {f"type{n}" for n in range(1, 7)}


def test_retargeting_a_composed_row_keeps_its_task(files: Path) -> None:
    found = 0
    for made in read_dataset(files / "train.jsonl").instructions:
        response = "The tap is broken. Please come on Monday."
        verdict = verdicts(made.constraints, response)
        if len(verdict) > 1 and any(verdict) and not all(verdict):
            rewrite = Retarget(refuse=False).rewrite(Rollout(made, response, verdict, 0))
            assert rewrite is not None and rewrite.instruction.task == made.task
            assert all(verdicts(rewrite.instruction.constraints, response))
            found += 1
    assert found > 20


@pytest.mark.parametrize("split", ["train", "test_prompts", "test_ids"])
def test_every_row_has_a_witness_that_passes_for_what_it_is_about(files: Path, split: str) -> None:
    witnesses = {each["key"]: each["response"] for each in lines(files / f"{split}.witness.jsonl")}
    for made in read_dataset(files / f"{split}.jsonl").instructions:
        response = witnesses[str(made.key)]
        assert all(verdicts(made.constraints, response)), (made.constraints, response)
        assert not any(each.vacuous(response) for each in made.constraints), (made.constraints, response)


def test_splits_share_no_prompts_and_no_held_out_ids(files: Path) -> None:
    def of(split: str) -> tuple[set[str], set[str]]:
        rows = lines(files / f"{split}.jsonl")
        return {row["question"] for row in rows}, {each.id for row in rows for each in row_constraints(row).constraints}

    (train, seen), (test, again), (other, held) = map(of, ("train", "test_prompts", "test_ids"))
    assert not train & (test | other)
    assert again <= seen and not held & seen
    told = json.loads((files / "compose.json").read_text())
    assert held <= set(told["held-out ids"]) and len(told["held-out ids"]) == 6
    assert told["splits"]["train"]["rows"] == 300
    assert sum(told["splits"]["train"]["by number of constraints"].values()) == 300


def test_named_ids_are_held_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    held = ["punctuation:no_comma", "startend:quotation"]
    composed_to(tmp_path, "--rows", "50", "--test-rows", "20", "--test-ids", *held)
    rows = read_dataset(tmp_path / "test_ids.jsonl").instructions
    assert {each.id for row in rows for each in row.constraints} == set(held)
    assert {len(row.constraints) for row in rows} == {1, 2}  # three cannot be had of two
    said = capsys.readouterr().out
    assert "held out, only in test_ids: punctuation:no_comma, startend:quotation" in said
    assert "train: 50 rows" in said and str(tmp_path / "train.jsonl") in said


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    def made(seed: int, hashing: str, before: str = "") -> dict[str, bytes]:
        out = tmp_path / f"{seed}-{hashing}"
        command = f"compose --rows 150 --test-rows 10 --test-ids 3 --seed {seed} --out {out}"
        code = f"{before}from hindsight_rl.cli import main; raise SystemExit(main({command.split()!r}))"
        subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": hashing}, check=True)
        return {path.name: path.read_bytes().replace(str(out).encode(), b"") for path in sorted(out.iterdir())}

    first = made(1, "1")
    assert first == made(1, "2", WITHOUT_LANGDETECT)
    assert first["train.jsonl"] != made(2, "1")["train.jsonl"]


def test_rows_do_not_depend_on_what_was_drawn_again_or_on_the_splitter() -> None:
    before = splitter().name
    try:
        use_splitter("native")
        few = compose(ComposeConfig(rows=10, test_rows=5)).train
        assert splitter().name == "native"
    finally:
        use_splitter(before)
    many = compose(ComposeConfig(rows=30, test_rows=0)).train
    assert many[:10] == few and splitter().name == before


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("id", RANGES)
def test_every_constraint_alone_has_witnesses_and_words_that_name_its_values(id: str, length: str) -> None:
    if not composed(id, length):  # type: ignore[arg-type]
        pytest.skip(f"not composed at length {length}")
    for seed in range(12):
        rng = Random(f"{id}/{seed}")
        made = constraint(id, drawn(id, length, rng, TASK))  # type: ignore[arg-type]
        response = search([made], rng)
        assert length == "standard" or len(response.split()) <= 60
        said = wordings(made)
        assert len(said) == len(set(said)) >= (1 if id in FAMILY_IDS["ifbench"] else 2)
        for text in said:
            assert text == text.strip() and not UNFILLED.search(text) and not SINGULAR.search(text), text
            for name, value in made.kwargs.items():
                if name not in ("prompt_to_repeat", "language", "relation", "let_relation", "capital_relation"):
                    assert _named(value, text), (name, value, text)


def _named(value: Any, text: str) -> bool:
    if isinstance(value, list):
        return all(_named(each, text) for each in value)
    if isinstance(value, int | float):
        value = int(value)
        ordinal = ORDINALS[value] if value < len(ORDINALS) else str(value)
        return re.search(rf"\b({value}|{value - 1})\b|\b{ordinal}\b|{value}-?(?:th|nd|rd|st)\b", text) is not None
    return str(value) in text


def test_every_composed_constraint_has_several_wordings() -> None:
    known = set(ids())
    assert set(RANGES) <= known
    assert known >= INEXACT
    for id in (*FAMILY_IDS["ifeval"], *FAMILY_IDS["if-rlvr"]):
        made = constraint(id, drawn(id, "standard", Random(id), TASK))
        assert 3 <= len(wordings(made)) + (id in INEXACT) <= 6, id
        assert (made.describe().strip() in wordings(made)) != (id in INEXACT), id


@pytest.mark.parametrize(
    ("asked", "feasible"),
    [
        ([("length_constraints:number_words", {"relation": "at least", "num_words": 60}),
          ("length_constraints:number_sentences", {"relation": "less than", "num_sentences": 2})], True),
        ([("change_case:english_lowercase", {}), ("detectable_format:title", {})], True),
        ([("change_case:english_lowercase", {}),
          ("detectable_format:multiple_sections", {"section_spliter": "SECTION", "num_sections": 2})], False),
        ([("length_constraints:number_words", {"relation": "at least", "num_words": 60}),
          ("letters:letter_counting", {"relation": "less than", "N": 100})], False),
        ([("keywords:existence", {"keywords": ["sea"]}),
          ("keywords:forbidden_words", {"forbidden_words": ["sea"]})], False),
        ([("keywords:existence", {"keywords": ["sea"]}),
          ("keywords:letter_frequency", {"letter": "e", "let_relation": "less than", "let_frequency": 1})], False),
        ([("keywords:existence", {"keywords": ["sea"]}),
          ("keywords:letter_frequency", {"letter": "e", "let_relation": "less than", "let_frequency": 2})], True),
        ([("startend:end_checker", {"end_phrase": "That is all."}), ("punctuation:punctuation_dot", {})], False),
        ([("startend:end_checker", {"end_phrase": "That is it"}), ("punctuation:punctuation_dot", {})], True),
        ([("punctuation:punctuation_dot", {}), ("punctuation:punctuation_exclamation", {}),
          ("length_constraints:number_sentences", {"relation": "at least", "num_sentences": 3})], True),
    ],
)  # fmt: skip
def test_joint_feasibility(asked: list[tuple[str, dict[str, Any]]], feasible: bool) -> None:
    constraints = [constraint(id, kwargs) for id, kwargs in asked]
    if feasible:
        assert all(verdicts(constraints, search(constraints, Random(0))))
    else:
        with pytest.raises(Infeasible, match=r"\w"):
            search(constraints, Random(0))


def test_keywords_stand_in_no_other_word() -> None:
    others = (*KEYWORDS, *FILLERS, *FUNCTION_WORDS)
    assert len(set(others)) == len(others)
    assert not [(one, other) for one in KEYWORDS for other in others if one != other and one in other]


def test_rows_of_other_formats_say_the_same(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    options = ["--rows", "40", "--test-rows", "10", "--numbers", "2", "3", "--length", "short", "--no-witnesses"]
    plain = composed_to(tmp_path / "plain", *options)
    asked = read_dataset(plain / "train.jsonl").instructions
    assert not list(plain.glob("*.witness.jsonl"))
    gym = lines(composed_to(tmp_path / "gym", *options, "--format", "nemo-gym") / "train.jsonl")
    for row, made in zip(gym, asked, strict=True):
        told = row["verifier_metadata"]
        assert row_constraints(told).constraints == made.constraints
        assert told["prompt"] == made.prompt == row["responses_create_params"]["input"][0]["content"]
    from pyarrow import parquet

    table = parquet.read_table(composed_to(tmp_path / "verl", *options, "--format", "verl") / "train.parquet")
    for at, (row, made) in enumerate(zip(table.to_pylist(), asked, strict=True)):
        assert row == to_row(made, at, source="hindsight_compose")


def test_inline_constraints_stand_around_the_task(tmp_path: Path) -> None:
    composed_to(tmp_path, "--rows", "30", "--test-rows", "0", "--numbers", "2", "3", "--layouts", "inline")
    for row, made in zip(
        lines(tmp_path / "train.jsonl"), read_dataset(tmp_path / "train.jsonl").instructions, strict=True
    ):
        assert made.inline and "question" not in row
        first, *_, last = wordings(made.constraints[0]) and [made.prompt.split(".")[0], made.prompt]
        assert first and row["messages"][0]["content"] == last


@pytest.mark.parametrize("kind", ["txt", "jsonl", "json", "parquet"])
def test_prompts_from_any_file(tmp_path: Path, kind: str) -> None:
    prompts = ["Describe a gull.", "Why is the sky blue?", "Name a river."]
    path = tmp_path / f"prompts.{kind}"
    if kind == "txt":
        path.write_text("\n".join(prompts))
    elif kind == "jsonl":
        rows = [{"task": prompts[0]}, {"prompt": prompts[1]}, {"messages": [{"role": "user", "content": prompts[2]}]}]
        path.write_text("\n".join(map(json.dumps, rows)))
    elif kind == "json":
        path.write_text(json.dumps([{"instruction": text} for text in prompts]))
    else:
        pyarrow = pytest.importorskip("pyarrow")
        from pyarrow import parquet

        parquet.write_table(pyarrow.Table.from_pylist([{"prompt": text} for text in prompts]), path)
    composed_to(tmp_path / "out", "--prompts", str(path), "--rows", "20", "--test-prompts", "0")
    assert {row["question"] for row in lines(tmp_path / "out" / "train.jsonl")} == set(prompts)
    assert not (tmp_path / "out" / "test_prompts.jsonl").exists()


@pytest.mark.parametrize(
    ("prompt", "asks"),
    [
        ("Write a poem without commas.", True),
        ("Describe a gull in a single sentence.", True),
        ("Write an essay of 300 words.", True),
        ("Keep it short (max 3 lines): what is a gull?", True),
        ("Begin your reply with 'Dear Sir'.", True),
        ("Reply in French: what is a gull?", True),
        ("What is the longest word in English?", False),
        ("Why do people begin with an apology?", False),
        ("Write a letter without being rude.", False),
    ],
)
def test_a_prompt_with_a_constraint_of_its_own_is_skipped(prompt: str, asks: bool, tmp_path: Path) -> None:
    path = tmp_path / "prompts.txt"
    path.write_text(f"Name a river.\n{prompt}\n")
    kept, skipped = read_prompts(str(path))
    assert (prompt not in kept) == (skipped.reasons["asks for a constraint itself"] == 1) == asks


def test_unfit_prompts_are_counted_and_the_rest_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bench = tmp_path / "bench.jsonl"
    bench.write_text(json.dumps({"prompt": "Please tell me the names of all the large lakes in Finland."}))
    prompts = [
        "", "  \n ", "x" * 3000, "Describe a gull.", "describe a GULL", "Write a poem in 50 words.",
        "Tell me about foxes and do not use the letter q.", "Опиши чайку на берегу.", "1 + 1 = ?",
        "Can you tell me the names of all the large lakes?", None, 7, "\ud83d\ude00",
    ]  # fmt: skip
    path = tmp_path / "prompts.jsonl"
    path.write_text("\n".join([*(json.dumps({"prompt": text}) for text in prompts), "{no json", '["a"]']))
    options = ["--prompts", str(path), "--rows", "9", "--test-prompts", "0", "--against", str(bench)]
    composed_to(tmp_path / "out", *options)
    said = capsys.readouterr().out
    assert "prompts: 1 for training" in said
    for line in (
        f"2 skipped: empty (first at {path}:1)",
        f"1 skipped: longer than 2000 characters (first at {path}:3)",
        f"1 skipped: there already (first at {path}:5)",
        f"2 skipped: asks for a constraint itself (first at {path}:6)",
        f"1 skipped: in another script than Latin (first at {path}:8)",
        f"2 skipped: no letters in it (first at {path}:9)",
        f"1 skipped: shares 8 words in a row with a benchmark (first at {path}:10)",
        f"1 skipped: no prompt in the row: give it one of task, prompt, instruction, question, messages, conversations "
        f"(first at {path}:11)",
        f"1 skipped: 'prompt' is int; it must be a string (first at {path}:12)",
        f"1 skipped: not JSON (first at {path}:14)",
        f"1 skipped: list instead of an object (first at {path}:15)",
    ):
        assert line in said, line
    kept, _ = read_prompts(str(path))
    assert kept == ["Describe a gull.", "Can you tell me the names of all the large lakes?"]


@pytest.mark.parametrize(
    ("content", "options", "said"),
    [
        (None, [], r"absent\.jsonl: cannot be read"),
        ('{"text": "?"}', [], r"no prompt can be used: 1 skipped: no prompt in the row: give it one of task, "),
        ('{"prompt": 7}', [], r"1 skipped: 'prompt' is int; it must be a string \(first at .*absent\.jsonl:1\)"),
        (
            '{"messages": [{"role": "system", "content": "x"}]}',
            [],
            r"'messages' holds no message of the user \(first at .*:1\)",
        ),
        ('{"prompt": ""}', [], r"no prompt can be used: 1 skipped: empty \(first at .*:1\)"),
        ('{"prompt": "Fine."}', ["--ids", "punctuation:no_coma"], r"unknown constraint id.*did you mean.*no_comma"),
        (
            '{"prompt": "Fine."}',
            ["--ids", "language:response_language", "--length", "short"],
            r"cannot be composed \(not at length short\)",
        ),
        (
            '{"prompt": "Fine."}',
            ["--ids", "custom:csv_city"],
            r"custom:csv_city cannot be composed \(it is a task of its own",
        ),
        ('{"prompt": "Fine."}', ["--numbers", "9"], r"numbers is \(9,\): one or more from 1 to 8"),
        ('{"prompt": "Fine."}', ["--rows", "0"], r"rows is 0: it must be at least 1"),
        ('{"prompt": "Fine."}', ["--test-prompts", "1"], r"test_prompts is 1\.0: a share from 0 to below 1"),
        ('{"prompt": "Fine."}', ["--test-ids", "500"], r"test_ids is 500, but there are \d+ ids: hold out fewer"),
        ('{"prompt": "Fine."}', ["--test-ids", "2", "--test-prompts", "0"], r"test_ids needs prompts of its own"),
        (
            '{"prompt": "Fine."}',
            ["--ids", "copy:copy", "punctuation:no_comma", "--numbers", "2"],
            r"train: no 2 of the 2 ids are compatible; ask for fewer constraints",
        ),
        ('{"prompt": "Fine."}', ["--against", "nowhere.jsonl"], r"nowhere\.jsonl: cannot be read"),
    ],
)
def test_bad_input_is_one_line_with_the_place_and_the_mend(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str | None, options: list[str], said: str
) -> None:
    path = tmp_path / "absent.jsonl"
    if content is not None:
        path.write_text(content)
    assert cli(["compose", "--prompts", str(path), "--out", str(tmp_path / "out"), *options]) == 2
    error = capsys.readouterr().err
    assert re.search(said, error), error
    assert error.count("\n") == 1


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert cli(["compose", "--rows", "3", "--out", str(tmp_path / "file")]) == 2
    assert "choose another --out" in capsys.readouterr().err


def test_progress_is_told() -> None:
    told: list[tuple[str, int]] = []
    compose(ComposeConfig(rows=5, test_rows=2), lambda split, made: told.append((split, made)))
    assert told[:5] == [("train", made) for made in range(1, 6)]
    assert told[5:7] == [("test_prompts", 1), ("test_prompts", 2)]


def test_short_rows_ask_often_for_what_a_small_model_meets_now_and_then() -> None:
    rows = compose(ComposeConfig(rows=400, length="short", test_rows=0, test_ids=0)).train
    used = Counter(id for row in rows for id in row.ids)
    often = ["keywords:forbidden_words", "punctuation:no_comma", "detectable_format:number_bullet_lists"]
    rare = ["detectable_format:bigram_wrapping", "count:counting_composition", "keywords:no_adjacent_consecutive"]
    assert sum(used[id] for id in often) > 1.8 * sum(used[id] for id in rare)


def test_infeasible_pairs_are_never_asked_for_together() -> None:
    rows = compose(ComposeConfig(rows=400, numbers=(2, 3, 5, 8), test_rows=0)).train
    for row in rows:
        assert not [pair for pair in combinations(row.ids, 2) if why_not(*pair)]
        assert not set(row.ids) & set(ALONE)
        assert len(set(row.ids)) == len(row.ids)
    assert {len(row.ids) for row in rows} == {2, 3, 5, 8}


def test_a_prompt_of_each_layout_reads_as_written() -> None:
    row = Row("k", 0, "Name a gull.", ("a:b", "c:d"), ({}, {}), ("Use no commas.", "End well"), "type2", "w")
    assert row.prompt == "Name a gull.\nUse no commas. End well."
    inline = Row("k", 0, "Name a gull.", ("a:b", "c:d"), ({}, {}), ("Use no commas.", "End well"), "inline", "w")
    assert inline.prompt == "Use no commas. Name a gull. End well."


def test_unknown_settings_are_refused() -> None:
    for settings in ({"layouts": ("type9",)}, {"layouts": ()}, {"families": ("ifevil",)}, {"families": ()}):
        with pytest.raises(HindsightError, match=r"layout|famil"):
            ComposeConfig(**settings)  # type: ignore[arg-type]
    with pytest.raises(HindsightError, match="every id is held out"):
        compose(ComposeConfig(ids=("punctuation:no_comma",), test_ids=("punctuation:no_comma",)))


def test_ifbench_is_composed_when_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    composed_to(tmp_path, *["--rows", "200", "--test-rows", "0", "--families", "ifbench"])
    rows = read_dataset(tmp_path / "train.jsonl").instructions
    used = {each.id for row in rows for each in row.constraints}
    assert used <= set(FAMILY_IDS["ifbench"]) and len(used) > 40
    assert "of these are IFBench's, which are meant for tests" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize("length", LENGTHS)
def test_every_pair_was_composed_twenty_times_or_has_a_reason(length: Any) -> None:
    config = ComposeConfig(length=length, numbers=(2,), families=("ifeval", "if-rlvr", "ifbench"))
    tasks, _ = read_prompts("tasks")
    for one, other in combinations(config.candidates(), 2):
        if one not in ALONE and other not in ALONE and not why_not(one, other):
            for row in rows_of((one, other), config, tasks, 20):
                made = [constraint(id, kwargs) for id, kwargs in zip(row.ids, row.kwargs, strict=True)]
                assert all(verdicts(made, row.witness))


@pytest.mark.slow
@pytest.mark.parametrize(("length", "numbers"), [("short", (1, 2)), ("standard", (1, 2, 3)), ("standard", (8,))])
def test_no_row_of_ten_thousand_is_infeasible(length: Any, numbers: tuple[int, ...]) -> None:
    """Each has a witness, which passes for what it is about."""
    rows = compose(ComposeConfig(length=length, numbers=numbers, test_rows=0)).train
    assert len(rows) == 10_000
    for row in rows:
        made = [constraint(id, kwargs) for id, kwargs in zip(row.ids, row.kwargs, strict=True)]
        assert all(verdicts(made, row.witness)), row
        assert not any(each.vacuous(row.witness) for each in made), row


@pytest.mark.slow
def test_pairs_in_the_table_have_no_witness() -> None:
    """But for those that are a choice, and say so."""
    for pair, why in table().items():
        if why.startswith(CHOICE):
            continue
        one, other = sorted(pair)
        found = 0
        for seed in range(5):
            rng = Random(f"{one}/{other}/{seed}")
            made = [constraint(id, drawn(id, "standard", rng, TASK)) for id in (one, other)]
            try:
                search(made, rng)
                found += 1
            except Infeasible:
                pass
        assert not found, (one, other, why)
