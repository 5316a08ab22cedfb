"""Instructions taken apart: what the model proposes is quoted, known and accepted, or it is dropped or soft."""

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("openai")
from chat_server import ChatServer
from hindsight_rl.cli import main as cli
from hindsight_rl.data.rows import read_dataset
from hindsight_rl.endpoint import Endpoint, EndpointError, EndpointSettings
from hindsight_rl.errors import HindsightError
from hindsight_rl.lm.decompose import KINDS, Decomposer

TEXT = "Write a poem about rain in at least 50 words, in a sad voice, and do not use any commas."
GOOD: dict[str, Any] = {
    "task": "Write a poem about rain.",
    "constraints": [
        {
            "quote": "in at least 50 words",
            "text": "Use at least 50 words.",
            "id": "length_constraints:number_words",
            "kwargs": '{"relation": "at least", "num_words": 50}',
        },
        {"quote": "in a sad voice", "text": "Write in a sad voice.", "id": "", "kwargs": "{}"},
        {"quote": "do not use any commas", "text": "Use no commas.", "id": "punctuation:no_comma", "kwargs": "{}"},
    ],
}


def decomposed(said: Any, text: str = TEXT) -> Any:
    with ChatServer([said if isinstance(said, str) else json.dumps(said)]) as server:
        settings = EndpointSettings(base_url=server.url, model="tiny", cache="none", attempts=1).resolved({})
        with Endpoint(settings) as endpoint:
            return Decomposer(endpoint).decompose(text, key=3)


def test_demands_become_constraints_or_soft() -> None:
    made = decomposed(GOOD)
    instruction = made.instruction
    assert instruction.task == "Write a poem about rain." and instruction.prompt == TEXT and instruction.key == 3
    assert [each.id for each in instruction.constraints] == ["length_constraints:number_words", "punctuation:no_comma"]
    assert instruction.constraints[0].kwargs == {"relation": "at least", "num_words": 50}
    assert instruction.texts == ("Use at least 50 words.", "Use no commas.")
    assert instruction.soft == ("Write in a sad voice.",) and made.dropped == ()
    assert made.prompt.startswith("decompose-1@")


@pytest.mark.parametrize(
    ("change", "soft", "dropped"),
    [
        ({"quote": "in German"}, 1, "does not contain"),
        ({"quote": ""}, 1, "is empty"),
        ({"id": "no:such_kind"}, 2, None),
        ({"kwargs": '{"relation": "about", "num_words": 50}'}, 2, None),
        ({"kwargs": "{"}, 2, None),
        ({"kwargs": "[1]"}, 2, None),
        ({"text": "Use no commas."}, 1, "duplicate"),
    ],
)
def test_what_cannot_be_trusted_is_dropped_or_soft(change: dict[str, str], soft: int, dropped: str | None) -> None:
    said = json.loads(json.dumps(GOOD))
    said["constraints"][0] |= change
    made = decomposed(said)
    assert len(made.instruction.soft) == soft
    assert [dropped in reason for _, reason in made.dropped] == ([True] if dropped else [])


def test_an_answer_that_is_none_raises() -> None:
    with pytest.raises(EndpointError, match="twice"):
        decomposed("I would rather not.")


def test_every_kind_it_may_choose_from_exists() -> None:
    settings = EndpointSettings(base_url="http://127.0.0.1:9/v1", model="tiny", cache="none").resolved({})
    with Endpoint(settings) as endpoint:
        told = Decomposer(endpoint).question("Say {braces} and <<< markers").messages[0]["content"]
        assert all(f"- {id} (" in told for id in KINDS) and "{braces}" in told
        with pytest.raises(HindsightError, match="no:such"):
            Decomposer(endpoint, ["no:such"])


def test_the_command_writes_rows_that_training_reads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, out = tmp_path / "p.jsonl", tmp_path / "rows.jsonl"
    source.write_text(json.dumps({"key": 5, "prompt": TEXT}) + "\n")
    with ChatServer([json.dumps(GOOD)]) as server:
        command = [
            "decompose",
            str(source),
            "--out",
            str(out),
            "--endpoint.base-url",
            server.url,
            "--endpoint.model",
            "tiny",
        ]
        assert cli([*command, "--endpoint.cache", "none"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["prompts"], told["checkable"], told["soft"]) == (1, 2, 1)
    (row,) = [json.loads(line) for line in out.read_text().splitlines()]
    assert row["id"] == 5 and row["prompt"] == "Write a poem about rain."
    (read,) = read_dataset(out, judged="keep").instructions
    assert [each.id for each in read.constraints] == row["instruction_id_list"] and read.soft == (row["soft"][0],)
    assert "Write in a sad voice." in read.prompt and not read.inline
    assert row["criteria"] == ["Use at least 50 words.", "Use no commas.", "Write in a sad voice."]


def test_earlier_turns_are_kept_and_a_failed_call_leaves_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HINDSIGHT_CACHE", str(tmp_path / "cache"))
    earlier = [{"role": "system", "content": "You are a pirate."}, {"role": "user", "content": "Hi."}]
    earlier += [{"role": "assistant", "content": "Ahoy."}]
    given, out = tmp_path / "given.jsonl", tmp_path / "new" / "rows.jsonl"
    given.write_text(json.dumps({"id": "a", "messages": [*earlier, {"role": "user", "content": TEXT}]}) + "\n")
    words = ["decompose", str(given), "--endpoint.model", "tiny", "--endpoint.attempts", "1"]
    with ChatServer([json.dumps(GOOD)]) as server:
        assert cli([*words, "--out", str(out), "--endpoint.base-url", server.url]) == 0
    (row,) = read_dataset(out, judged="keep").instructions
    assert [*row.earlier] == earlier and row.task == GOOD["task"]
    before = out.read_text()
    more = ["--endpoint.cache", "none", "--endpoint.base-url", "http://127.0.0.1:9"]
    assert cli([*words, *more, "--out", str(out)]) == 2
    assert out.read_text() == before
    with ChatServer([json.dumps(GOOD)]) as server:
        there = ["--endpoint.cache", "none", "--endpoint.base-url", server.url, "--out", str(tmp_path)]
        assert cli([*words, *there]) == 2
    assert "cannot write" in capsys.readouterr().err
