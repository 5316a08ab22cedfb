"""Training rows of every public shape, and what is said of bad ones."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hindsight_rl.constraints import Checker, constraint, stored
from hindsight_rl.data.rows import read_dataset, separated
from hindsight_rl.errors import HindsightError
from hindsight_rl.replay.instruction import Instruction
from hindsight_rl.replay.layouts import FoundLayout, layout_from_json, layout_to_json

COMMA = "In your entire response, refrain from the use of any commas."
WORDS = "Answer with at least 5 words."
IDS = {
    "instruction_id_list": ["punctuation:no_comma", "length_constraints:number_words"],
    "kwargs": [{}, {"relation": "at least", "num_words": 5}],
}
HIR = {"id": 7, "source": "type1", "prompt": "Name a bird.", "criteria": ["No commas", "Five words, at least"]}
SOURCE = "def check_following(instruction, response):\n    return len(response) < 50"
TYPE4 = {
    "id": 9,
    "source": "type4",
    "prompt": "Name a bird.",
    "criteria": ["Be kind.", "Be short."],
    "ground_truth": {"checker": ["[llm] Be kind.", "[rule] Be short."], "functions": [SOURCE]},
}


def _constraint(id: str, kwargs: dict) -> Checker:
    return constraint(id, kwargs)


def write(folder: Path, *rows: object) -> Path:
    path = folder / "rows.jsonl"
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def test_hir_rows_have_a_task_and_criteria(tmp_path: Path) -> None:
    rows = [HIR | {"ground_truth": IDS}, HIR | {"ground_truth": json.dumps(IDS), "extra_info": {"q_type": "type5"}}]
    first, second = read_dataset(write(tmp_path, *rows)).instructions
    assert (first.task, first.texts, first.key) == ("Name a bird.", ("No commas", "Five words, at least"), 7)
    assert first.meta == {"source": "type1", "where": f"{tmp_path}/rows.jsonl:1"}
    assert second.prompt == "No commas. Five words, at least.\n\nName a bird." and not second.inline
    assert second.keep([True, False]).prompt == "No commas.\n\nName a bird."
    again = read_dataset(write(tmp_path, *rows)).instructions
    assert [each.prompt for each in again] == [first.prompt, second.prompt]
    (third,) = read_dataset(write(tmp_path, rows[0]), layout="type4").instructions
    assert third.prompt == "Name a bird.\n\n- No commas\n- Five words, at least"


def test_type3_rows(tmp_path: Path) -> None:
    row = HIR | {
        "source": "type3",
        "criteria": ["At most 5 words"],
        "ground_truth": {"constraints": [["Length", "Words", "At most 5 words"]]},
    }
    (one,) = read_dataset(write(tmp_path, row)).instructions
    assert one.texts == ("At most 5 words",) and one.constraints[0].check("A red kite")


def test_prompts_that_say_their_constraints_word_for_word(tmp_path: Path) -> None:
    chat = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": f"Name a bird. {COMMA} {WORDS}"},
        {"role": "assistant", "content": "A gull."},
    ]
    (one,) = read_dataset(write(tmp_path, {"key": "k", "messages": chat, "ground_truth": [IDS]})).instructions
    assert one.prompt == chat[1]["content"] and one.task == "Name a bird." and not one.inline
    assert one.keep([False, True]).messages == [chat[0], {"role": "user", "content": f"Name a bird. {WORDS}"}]


@pytest.mark.parametrize(
    ("prompt", "task", "without_comma"),
    [
        (
            f"Go.\n\nYour response should comply with these constraints:\n1. {COMMA}\n2. {WORDS}",
            "Go.",
            f"Go.\n\nYour response should comply with these constraints:\n1. {WORDS}",
        ),
        (f"Go.\n{WORDS} {COMMA}", "Go.", f"Go.\n{WORDS}"),
        (f"{COMMA} {WORDS}\n\nGo.", "Go.", f"{WORDS}\n\nGo."),
        (f"Go.\n\n{COMMA}\n{WORDS}", "Go.", f"Go.\n\n{WORDS}"),
        (f"Go.\n\n- {COMMA}\n- {WORDS}", "Go.", f"Go.\n\n- {WORDS}"),
        (f"Go.\n* {COMMA}\n* {WORDS}\n", "Go.", f"Go.\n* {WORDS}\n"),
        (f"Go. Follow these rules:\n1) {COMMA}\n2) {WORDS}", "Go.", f"Go. Follow these rules:\n1) {WORDS}"),
        (f"Follow these rules:\n- {WORDS}\n- {COMMA}\n\nGo.", "Go.", f"Follow these rules:\n- {WORDS}\n\nGo."),
        (f"Go with these rules:\n- {COMMA}\n- {WORDS}", "Go with these rules:", f"Go with these rules:\n- {WORDS}"),
        (f"Go. {COMMA[:-1]} and {WORDS}", "Go.", f"Go. {WORDS}"),
        (f"Go. {WORDS[:-1]} and {COMMA}", "Go.", f"Go. {WORDS}"),
        (f"{COMMA} Go. {WORDS}", None, None),
        ("Go with five words.", None, None),
        (f"{COMMA} {WORDS}", None, None),
    ],
)
def test_a_rewrite_keeps_the_layout_that_it_found(prompt: str, task: str | None, without_comma: str | None) -> None:
    found, texts, layout = separated(prompt, [COMMA, WORDS])
    assert found == (task or prompt)
    asked = Instruction(found, tuple(map(_constraint, IDS["instruction_id_list"], IDS["kwargs"])), prompt, texts=texts,
                        layout=layout)  # fmt: skip
    assert asked.inline == (task is None)
    if task is not None:
        assert asked.keep([True, True]).prompt == prompt
        assert asked.keep([False, True]).prompt == without_comma
        assert asked.rewritten([0], {1: asked.constraints[1].at({"num_words": 3})}).prompt == prompt.replace("5", "3")


def test_a_constraint_is_found_with_the_plurals_of_the_public_data() -> None:
    one = constraint("length_constraints:number_sentences", {"relation": "at least", "num_sentences": 1})
    assert one.describe() == "Your response should contain at least 1 sentence."
    prompt = f"Go. Your response should contain at least 1 sentences. {COMMA}"
    task, texts, _ = separated(prompt, [one.describe(), COMMA])
    assert task == "Go." and texts == ("Your response should contain at least 1 sentences.", COMMA)


TEXTS = ["No commas", "Use 5 words", "Begin with tea", "Write a title", "Be blue"]
LEADS = ["", "\n\nFollow these rules:", " Please keep to these constraints.", "\nRules:\n"]


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    st.permutations(TEXTS).map(lambda texts: texts[:4]),
    st.sampled_from(LEADS),
    st.sampled_from(["- ", "* ", "{}. ", "{}) ", "", "\u2022 "]),
    st.sampled_from(["\n", "\n\n", "\n  "]),
    st.lists(st.sampled_from(["", "."]), min_size=4, max_size=4),
    st.sampled_from(["", "\n", " \n"]),
    st.booleans(),
    st.sets(st.integers(0, 3), min_size=1),
)
def test_dropping_a_constraint_takes_its_line_alone(
    texts: list[str], lead: str, mark: str, gap: str, stops: list[str], end: str, before: bool, kept: set[int]
) -> None:
    def prompt(places: list[int]) -> str:
        lines = [mark.format(at) + texts[place] + stops[place] for at, place in enumerate(places, 1)]
        rules = gap.join(lines)
        if before:
            return f"{lead.strip()}{gap if lead else ''}{rules}\n\nDescribe a cat.{end}"
        return f"Describe a cat.{lead}{gap}{rules}{end}"

    whole = prompt([0, 1, 2, 3])
    order = sorted(range(4), key=texts.__getitem__)  # of the data, which need not be the prompt's
    task, words, layout = separated(whole, [texts[place] for place in order])
    assert isinstance(layout, FoundLayout) and task.strip() == "Describe a cat."
    asked = Instruction(
        task, tuple(constraint("punctuation:no_comma") for _ in order), whole, texts=words, layout=layout
    )
    assert asked.keep([True] * 4).prompt == whole
    assert asked.keep([place in kept for place in order]).prompt == prompt(sorted(kept))
    assert layout_from_json(layout_to_json(layout)) == layout


def test_inline_rows_are_trained_on_whole_or_not_at_all(tmp_path: Path) -> None:
    path = write(tmp_path, HIR | {"ground_truth": IDS}, {"prompt": "Five words, no commas!", **IDS})
    loaded = read_dataset(path)
    assert [each.inline for each in loaded.instructions] == [False, True] and loaded.inline == 1
    assert read_dataset(path, inline="skip").skipped == {"inline constraints": 1}
    with pytest.raises(HindsightError, match=r"rows.jsonl:2: the constraints are inline .* 'criteria'"):
        read_dataset(path, inline="reject")


def test_demands_for_a_judge(tmp_path: Path) -> None:
    path = write(tmp_path, TYPE4, HIR | {"ground_truth": IDS})
    with stored.allowed():
        with pytest.raises(HindsightError, match=r"rows.jsonl:1: 1 of its demands need a judge \('Be kind.'\)"):
            read_dataset(path)
        assert read_dataset(path, judged="skip").skipped == {"needs a judge": 1}
        kept = read_dataset(path, judged="keep", layout="type4").instructions[0]
        assert kept.prompt == "Name a bird.\n\n- Be short.\n- Be kind." and kept.soft == ("Be kind.",)
        judged = read_dataset(path, judge=lambda text, task: constraint("punctuation:no_comma")).instructions[0]
        assert judged.texts == ("Be short.", "Be kind.") and judged.soft == () and len(judged.constraints) == 2


def test_stored_code_is_off_until_someone_says_so(tmp_path: Path) -> None:
    with pytest.raises(HindsightError, match=r"rows.jsonl:1: it brings Python code .* off"):
        read_dataset(write(tmp_path, TYPE4), judged="keep")


def test_parquet(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    # a column of structs pads every row's kwargs with nulls
    row = {
        "extra_info": {"question": "Name a bird.", "criteria": HIR["criteria"], "q_type": "type1"},
        "ground_truth": IDS,
    }
    row["prompt"] = [{"role": "user", "content": "Name a bird. No commas. Five words, at least."}]
    path = tmp_path / "rows.parquet"
    parquet.write_table(pyarrow.Table.from_pylist([row, row]), path)
    one, two = read_dataset(path).instructions
    assert one.task == "Name a bird." and one.prompt == "Name a bird. No commas. Five words, at least."
    assert [each.kwargs for each in one.constraints] == [{}, IDS["kwargs"][1]] and two.key == f"{path}:row 2"
    (tmp_path / "torn.parquet").write_bytes(b"PAR1")
    with pytest.raises(HindsightError, match=r"torn.parquet: cannot be read as parquet"):
        read_dataset(tmp_path / "torn.parquet")


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("{", "rows.jsonl:2: not JSON"),
        ({"prompt": "Go."}, "rows.jsonl:2: no constraints in the row"),
        ({"prompt": "Go.", "instruction_id_list": [], "kwargs": []}, "rows.jsonl:2: the row asks for nothing"),
        ({"prompt": "Go.", "instruction_id_list": ["a:b"]}, "rows.jsonl:2: unknown constraint id 'a:b'"),
        (
            {"prompt": "Go.", "instruction_id_list": ["length_constraints:number_words"], "kwargs": [{"num_word": 5}]},
            r"rows.jsonl:2: length_constraints:number_words takes no kwarg 'num_word' \(did you mean num_words",
        ),
        (IDS, "rows.jsonl:2: no prompt in the row"),
        (IDS | {"messages": [{"role": "user"}]}, "rows.jsonl:2: 'messages' must be a list of messages"),
        (IDS | {"messages": [{"role": "system", "content": "x"}]}, "rows.jsonl:2: 'messages' holds no message of the"),
        (HIR | {"ground_truth": IDS, "criteria": ["one"]}, "rows.jsonl:2: 1 'criteria' but 2 constraints; they go in"),
        (HIR | {"ground_truth": IDS, "criteria": ["one", " "]}, "rows.jsonl:2: an empty text among 'criteria'"),
        (HIR | {"ground_truth": IDS, "criteria": 3}, "rows.jsonl:2: 'criteria' must be a list"),
    ],
)
def test_bad_rows_name_their_line_and_the_mend(tmp_path: Path, row: object, said: str) -> None:
    path = write(tmp_path, HIR | {"ground_truth": IDS}, row)
    with pytest.raises(HindsightError, match=said) as caught:
        read_dataset(path)
    assert "\n" not in str(caught.value)
    if row != "{":
        assert read_dataset(path, bad="skip").skipped == {"cannot be read": 1}


def test_bad_sources_and_choices(tmp_path: Path) -> None:
    with pytest.raises(HindsightError, match=r"rows.jsonl: nothing to train on"):
        read_dataset(write(tmp_path))
    with pytest.raises(HindsightError, match=r"no.jsonl: cannot be read"):
        read_dataset(tmp_path / "no.jsonl")
    with pytest.raises(HindsightError, match="what: neither a file nor a dataset"):
        read_dataset("what")
    with pytest.raises(HindsightError, match="inline is 'no': one of keep, skip, reject"):
        read_dataset(tmp_path, inline="no")


def test_published_prompts(shared_data: Path) -> None:
    loaded = read_dataset(shared_data / "ifeval" / "prompts.jsonl")
    assert len(loaded.instructions) == 541 and loaded.inline > 300
    assert all(each.prompt.startswith(each.task) or each.prompt.endswith(each.task) for each in loaded.instructions)
    loaded = read_dataset(shared_data / "muldimif" / "test.json", judged="skip")
    assert len(loaded.instructions) + sum(loaded.skipped.values()) == 1200


def test_without_a_key_the_same_row_has_the_same_prompt_in_every_file(tmp_path: Path) -> None:
    row = {"question": "Name a bird.", "criteria": [WORDS, COMMA], **IDS}
    prompts = set()
    for folder in ("a", "b", "some/where"):
        (tmp_path / folder).mkdir(parents=True)
        file = tmp_path / folder / f"{folder[0]}.jsonl"
        file.write_text("".join(json.dumps(row) + "\n" for _ in range(3)), "utf-8")
        prompts |= {each.prompt for each in read_dataset(file).instructions}
    assert len(prompts) == 1
    others = [row | {"question": f"Name a bird of {place}."} for place in "abcdefghijkl"]
    file.write_text("".join(json.dumps(each) + "\n" for each in others), "utf-8")
    assert len({each.layout for each in read_dataset(file).instructions}) > 2
