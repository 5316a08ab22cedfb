"""Responses of a file matched with a benchmark's prompts: rows, lm-eval's samples, batch outputs."""

import json
from pathlib import Path
from typing import Any

import pytest

from hindsight_rl.cli import main
from hindsight_rl.errors import HindsightError
from hindsight_rl.evaluation.prompts import read
from hindsight_rl.evaluation.responses import match

KEYS = (11, 12, 13)
PROMPTS = [
    {"key": key, "prompt": f"Name bird {key}.", "instruction_id_list": ["punctuation:no_comma"], "kwargs": [{}]}
    for key in KEYS
]


def write(path: Path, *rows: Any) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    return write(tmp_path / "prompts.jsonl", *PROMPTS)


def chat(custom_id: str, text: str, **changes: Any) -> dict[str, Any]:
    """A line of the batch output of vLLM's and OpenAI's chat completions."""
    message = {"role": "assistant", "content": text, "reasoning_content": None}
    body = {"id": "x", "object": "chat.completion", "choices": [{"index": 0, "message": message}]}
    response = {"status_code": 200, "request_id": "y", "body": body, **changes}
    return {"id": "vllm-1", "custom_id": custom_id, "response": response, "error": None}


def answer(custom_id: str, text: str) -> dict[str, Any]:
    """A line of the batch output of OpenAI's responses."""
    parts = [{"type": "output_text", "text": text, "annotations": []}]
    output = [{"type": "reasoning", "summary": []}, {"type": "message", "role": "assistant", "content": parts}]
    body = {"id": "x", "object": "response", "status": "completed", "output": output}
    return {"id": "batch_1", "custom_id": custom_id, "response": {"status_code": 200, "body": body}, "error": None}


def completion(custom_id: str, text: str) -> dict[str, Any]:
    """A line of the batch output of plain completions."""
    body = {"object": "text_completion", "choices": [{"index": 0, "text": text, "finish_reason": "stop"}]}
    return {"custom_id": custom_id, "response": {"status_code": 200, "body": body}}


@pytest.mark.parametrize("line", [chat, answer, completion])
def test_a_batch_is_matched_by_custom_id_in_any_order(line: Any, prompts: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "batch.jsonl", *(line(str(key), f"bird {key}") for key in (13, 11, 12)))
    found = match(read("ifeval", prompts), path)
    assert found.responses == ["bird 11", "bird 12", "bird 13"] and found.complaints() == []


def test_a_batch_with_ids_of_its_own_is_matched_by_its_input(
    prompts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    batch = write(tmp_path / "batch.jsonl", *(chat(f"request-{at}", f"bird {KEYS[at]}") for at in (2, 0, 1)))
    # Another order than the prompts': the place in the file says nothing.
    asked = write(
        tmp_path / "input.jsonl",
        *(
            {"custom_id": f"request-{at}", "url": "/v1/chat/completions", "body": {"messages": messages}}
            for at, messages in reversed(
                [(at, [{"role": "user", "content": row["prompt"]}]) for at, row in enumerate(PROMPTS)]
            )
        ),
    )
    found = match(read("ifeval", prompts), batch, asked)
    assert found.responses == ["bird 11", "bird 12", "bird 13"]
    args = ["score", "ifeval", str(batch), "--prompts", str(prompts), "--json"]
    assert main([*args, "--requests", str(asked)]) == 0
    assert json.loads(capsys.readouterr().out)["strict"]["prompt"]["correct"] == 3
    assert main(args) == 2
    assert "no custom_id is the key of a prompt (the first is 'request-2'); name the batch's input with --requests" in (
        capsys.readouterr().err
    )
    with pytest.raises(HindsightError, match=r"prompts.jsonl:1: no 'custom_id' with a 'body'"):
        match(read("ifeval", prompts), batch, prompts)


def test_failed_requests_are_missing_and_told(prompts: Path, tmp_path: Path) -> None:
    failed = {"custom_id": "12", "response": None, "error": {"code": "batch_expired", "message": "late"}}
    refused = chat("13", "ignored", status_code=400)
    found = match(read("ifeval", prompts), write(tmp_path / "b.jsonl", chat("11", "bird"), failed, refused))
    assert found.responses == ["bird", None, None] and found.missing == [12, 13]
    assert [where.rpartition(":")[2] for where in found.failed] == ["2", "3"]
    assert "2 requests of the batch that failed" in found.complaints()[1]


def test_samples_of_lm_eval(prompts: Path, tmp_path: Path) -> None:
    rows = [
        {"doc_id": at, "doc": row, "resps": [[f"bird {row['key']}"]], "filtered_resps": ["x"], "filter": kind}
        for at, row in enumerate(PROMPTS)
        for kind in ("none", "strip")
    ]
    path = write(tmp_path / "samples_ifeval.jsonl", *rows[::-1])
    found = match(read("ifeval", prompts), path)
    assert found.responses == ["bird 11", "bird 12", "bird 13"] and found.complaints() == []


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"response": "x"}, "r.jsonl:1: neither 'prompt' nor 'key'"),
        ({"key": 11}, "r.jsonl:1: no response in the row"),
        ({"key": 11, "response": 3}, "r.jsonl:1: 'response' is 3; it must be a text"),
        ({"key": 11, "responses": ["a", "b"]}, "r.jsonl:1: 2 responses to one prompt; a score needs one"),
    ],
)
def test_rows_that_do_not_fit_name_their_line(row: Any, said: str, prompts: Path, tmp_path: Path) -> None:
    with pytest.raises(HindsightError, match=said):
        match(read("ifeval", prompts), write(tmp_path / "r.jsonl", row))


@pytest.mark.parametrize("text", [b"", b"\n\n", b"[]", b"\xef\xbb\xbf"])
def test_empty_files_are_an_error_of_every_command(
    text: bytes, prompts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    empty = tmp_path / "empty.jsonl"
    empty.write_bytes(text)
    rows = write(tmp_path / "r.jsonl", {"key": 11, "response": "bird"})
    at = ["--endpoint.base-url", "http://127.0.0.1:9/v1", "--endpoint.model", "tiny"]
    for command in (
        ["score", "ifeval", str(rows), "--prompts", str(empty)],
        ["score", "ifeval", str(empty), "--prompts", str(prompts)],
        ["judge", "muldimif", str(rows), "--prompts", str(empty), "--out", str(tmp_path / "j.jsonl"), *at],
        ["decompose", str(empty), "--out", str(tmp_path / "d.jsonl"), *at],
        ["relabel", str(empty), "--out", str(tmp_path / "h.jsonl")],
        ["show", str(empty), "--out", str(tmp_path / "s.html")],
    ):
        assert main(command) == 2, command
        said = capsys.readouterr()
        assert "empty.jsonl" in said.err and not said.out
