"""Prompts that are chats, in each of the public shapes, through every door that reads them."""

import json
from pathlib import Path
from typing import Any

import pytest

from hindsight_rl.cli import main
from hindsight_rl.data.chats import asked, chat_of
from hindsight_rl.data.compose.prompts import read_prompts
from hindsight_rl.data.rows import read_dataset
from hindsight_rl.errors import HindsightError
from hindsight_rl.evaluation.prompts import read
from hindsight_rl.lm.decompose import _row

TURNS = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Hi."},
    {"role": "assistant", "content": "Hello."},
    {"role": "user", "content": "Name a bird."},
]
SHAREGPT = [{"from": "system", "value": "Be brief."}, {"from": "human", "value": "Hi."}]
SHAREGPT += [{"from": "gpt", "value": "Hello."}, {"from": "human", "value": "Name a bird."}]
PARTS = [{**turn, "content": [{"type": "text", "text": turn["content"]}]} for turn in TURNS]
ASKS = {"instruction_id_list": ["punctuation:no_comma"], "kwargs": [{}]}
FORMS: list[Any] = [TURNS, SHAREGPT, PARTS, json.dumps(TURNS), repr(TURNS), f" {json.dumps(SHAREGPT)}\n"]


def write(folder: Path, *rows: Any, name: str = "rows.jsonl") -> Path:
    path = folder / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


@pytest.mark.parametrize("given", FORMS, ids=["chat", "sharegpt", "parts", "json", "python", "sharegpt as json"])
@pytest.mark.parametrize("column", ["messages", "prompt", "conversations"])
def test_every_shape_is_the_same_chat(given: Any, column: str, tmp_path: Path) -> None:
    assert asked({column: given}, "row 1") == (tuple(TURNS[:3]), "Name a bird.")
    (one,) = read_dataset(write(tmp_path, {column: given, **ASKS})).instructions
    assert one.messages == TURNS


@pytest.mark.parametrize("given", FORMS)
def test_every_door_reads_the_last_user_turn(given: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    row = {"key": 1, "messages": given, "ground_truth": [{"instruction_id": ["punctuation:no_comma"], "kwargs": [{}]}]}
    path = write(tmp_path, row)
    (one,) = read("if-rlvr", path)
    assert one.messages == TURNS  # as read_dataset: the last turn, with what came before
    assert read_prompts(str(path))[0] == ["Name a bird."]
    assert _row("row 1", row) == ("row 1", 1, tuple(TURNS[:-1]), "Name a bird.")
    page = tmp_path / "page.html"
    assert main(["show", str(path), "--against", str(path), "--out", str(page)]) == 0
    answered = write(tmp_path, {**row, "response": "A gull"}, name="answered.jsonl")
    assert main(["relabel", str(answered), "--out", str(tmp_path / "out.jsonl")]) == 0
    (made,) = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert made["messages"] == [*TURNS, {"role": "assistant", "content": "A gull"}]
    prompts = write(tmp_path, {"key": 1, "prompt": "Name a bird.", **ASKS}, name="prompts.jsonl")
    responses = write(tmp_path, {"prompt": given, "response": "A gull"}, name="responses.jsonl")
    capsys.readouterr()
    assert main(["score", "ifeval", str(responses), "--prompts", str(prompts), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["input"]["missing"] == []


def test_muldimif_and_ifeval_chats_have_their_first_turns(tmp_path: Path) -> None:
    row = {"id": 1, "conversations": TURNS, "constraints": [["Length", "Words", "At most 5 words"]]}
    assert read("muldimif", write(tmp_path, row))[0].messages == TURNS
    assert read("ifeval", write(tmp_path, {"key": 1, "prompt": TURNS, **ASKS}))[0].messages == TURNS


@pytest.mark.parametrize(
    "text", ["Go.", "[1] Name a bird.", '[{"bird": 1}]', '[{"role"', "[]", "[{name}] greets you: reply", ""]
)
def test_a_text_stays_a_text(text: str) -> None:
    if text == '[{"role"':
        with pytest.raises(HindsightError, match="row 1: this text looks like a chat but cannot be read"):
            chat_of(text, "row 1")
        return
    assert chat_of(text, "row 1") is None


def test_half_a_chat_is_refused_by_line(tmp_path: Path) -> None:
    path = write(tmp_path, {"prompt": "Go.", **ASKS}, {"messages": json.dumps(TURNS)[:40], **ASKS})
    with pytest.raises(
        HindsightError, match=r"rows.jsonl:2: this text looks like a chat but cannot be read.*; write it as JSON"
    ):
        read_dataset(path)
