"""The environment package for verifiers, through `vf-eval`, against a scripted OpenAI server."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("hindsight_if", reason="the package for verifiers is not installed: make test-verifiers")

from hindsight_if.taskset import InstructionConfig, InstructionTaskset
from verifiers.v1.cli.eval.main import main

from hindsight_rl.errors import HindsightError

ROWS = [
    {"key": 1, "prompt": "Describe a gull. No commas.", "ids": ["punctuation:no_comma"], "kwargs": [{}]},
    {
        "key": 2,
        "prompt": "Name a tree in at least 3 words and without commas.",
        "ids": ["length_constraints:number_words", "punctuation:no_comma"],
        "kwargs": [{"relation": "at least", "num_words": 3}, {}],
    },
]
ANSWERS = {
    "Describe a gull. No commas.": "<think>white, grey</think>A white bird",
    "Name a tree in at least 3 words and without commas.": "Oak, ash",
    "Describe a gull.": "A bird",
}


@pytest.fixture
def server() -> Iterator[str]:
    class Scripted(BaseHTTPRequestHandler):
        """Answers by the last message."""

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
            text = ANSWERS[asked["messages"][-1]["content"]]
            choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
            usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
            body: dict[str, Any] = {"id": "1", "object": "chat.completion", "created": 0, "model": "scripted"}
            sent = json.dumps(body | {"choices": [choice], "usage": usage}).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        def log_message(self, *_: Any) -> None:
            pass

    made = ThreadingHTTPServer(("127.0.0.1", 0), Scripted)
    threading.Thread(target=made.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{made.server_port}/v1"
    made.shutdown()


def written(path: Path, rows: list[dict[str, Any]]) -> Path:
    lines = [
        {"key": row["key"], "prompt": row["prompt"], "instruction_id_list": row["ids"], "kwargs": row["kwargs"]}
        for row in rows
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    return path


def evaluated(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, server: str, *options: str
) -> dict[str, dict[str, dict[str, float]]]:
    """Rewards and metrics by the row's key, of `vf-eval`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    monkeypatch.setenv("SCRIPTED_KEY", "x")
    words = ["hindsight-if", "--env.agent.harness.id", "direct_harness", "--client.base-url", server]
    words += [
        "--client.api-key-var",
        "SCRIPTED_KEY",
        "--model",
        "scripted",
        "--env.agent.runtime.type",
        "subprocess",
        "--no-push",
        "--no-rich",
    ]
    words += ["--output-dir", str(tmp_path / "out"), "--run.name", "one", *options]
    monkeypatch.setattr(sys, "argv", ["vf-eval"])
    main(words)
    (file,) = (tmp_path / "out").rglob("traces.jsonl")
    found = {}
    for line in file.read_text("utf-8").splitlines():
        for trace in traces(json.loads(line)):
            found[trace["task"]["data"]["id"]] = {"rewards": trace["rewards"], "metrics": trace["metrics"]}
    return found


def traces(row: dict[str, Any]) -> list[dict[str, Any]]:
    """The traces of a line: an episode's, or the line itself."""
    return list(row.get("traces", [row]))


def value(reward: dict[str, Any]) -> float:
    return float(reward["score"])


def test_a_benchmark_is_evaluated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, server: str) -> None:
    file = written(tmp_path / "prompts.jsonl", ROWS)
    found = evaluated(monkeypatch, tmp_path, server, "--env.taskset.file", str(file))
    assert sorted(found) == ["1", "2"]
    # The thought of the first holds a comma, and is no part of the answer. The second is too short and has a comma.
    assert [value(found[key]["rewards"]["constraints"]) for key in ("1", "2")] == [1, 0]
    assert set(found["1"]["metrics"].values()) == {1.0} and set(found["2"]["metrics"].values()) == {0.0}
    assert sorted(found["1"]["metrics"]) == [
        "instruction_loose", "instruction_strict", "prompt_loose", "prompt_strict"
    ]  # fmt: skip


def test_training_rows_with_shares_as_reward(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, server: str) -> None:
    more = {
        "key": 3,
        "prompt": "Describe a gull.",
        "ids": ["length_constraints:number_words", "punctuation:no_comma"],
        "kwargs": [{"relation": "at least", "num_words": 3}, {}],
    }
    file = written(tmp_path / "train.jsonl", [ROWS[0], more])
    words = ["--env.taskset.data", str(file), "--env.taskset.task.reward", "fraction"]
    found = evaluated(monkeypatch, tmp_path, server, *words)
    assert value(found["1"]["rewards"]["constraints"]) == 1 and found["1"]["metrics"]["prompt_strict"] == 1
    assert value(found["3"]["rewards"]["constraints"]) == 0.5 and found["3"]["metrics"]["prompt_strict"] == 0


def test_with_a_mark_a_response_without_it_answers_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, server: str
) -> None:
    more = {"key": 3, "prompt": "Describe a gull.", "ids": ["punctuation:no_comma"], "kwargs": [{}]}
    file = written(tmp_path / "prompts.jsonl", [ROWS[0], more])
    words = ["--env.taskset.file", str(file), "--env.taskset.task.answer-after", "</think>"]
    found = evaluated(monkeypatch, tmp_path, server, *words)
    assert [value(found[key]["rewards"]["constraints"]) for key in ("1", "3")] == [1, 0]


def test_a_bad_row_is_named(tmp_path: Path) -> None:
    file = written(tmp_path / "rows.jsonl", [ROWS[0], {**ROWS[0], "ids": ["punctuation:no_coma"]}])
    with pytest.raises(HindsightError, match=r"rows.jsonl:2: unknown constraint id 'punctuation:no_coma'"):
        list(InstructionTaskset(InstructionConfig(id="hindsight-if", data=str(file))))


def test_rows_for_a_judge_can_be_an_error(tmp_path: Path) -> None:
    row = {"prompt": "Sing.", "instruction_id_list": ["punctuation:no_comma"], "kwargs": [{}], "soft": ["It is warm."]}
    (tmp_path / "rows.jsonl").write_text(json.dumps(row) + "\n")
    config = InstructionConfig(id="hindsight-if", data=str(tmp_path / "rows.jsonl"), judged="reject")
    with pytest.raises(HindsightError, match=r"rows\.jsonl:1: 1 of its demands need a judge"):
        list(InstructionTaskset(config))
