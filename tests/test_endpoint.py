"""The chat client against a real HTTP server on loopback that plays every fault."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, ClassVar

import pytest

pytest.importorskip("openai")
from pydantic import BaseModel

from chat_server import ChatServer, Reply
from hindsight_rl.endpoint import BudgetSpent, Endpoint, EndpointError, EndpointSettings, MalformedAnswer, Question
from hindsight_rl.endpoint.answers import read
from hindsight_rl.endpoint.cache import AnswerCache, Paid, question_key
from hindsight_rl.endpoint.limits import backoff

GOOD = '{"words": ["a", "b"]}'
KEY = "sk-secret-0123456789"


class Words(BaseModel):
    words: list[str]


def settings(url: str, **changes: Any) -> EndpointSettings:
    values = {"model": "tiny", "cache": "none", "timeout": 30.0, "deadline": 60.0, "attempts": 4, **changes}
    return EndpointSettings(base_url=url, **values).resolved({})


def question(text: str = "say words", **changes: Any) -> Question:
    return Question([{"role": "user", "content": text}], Words, **changes)


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    return KEY


def test_a_structured_answer(key: str) -> None:
    with ChatServer([GOOD]) as server, Endpoint(settings(server.url)) as endpoint:
        answer = endpoint.ask(question())
        assert answer.value.words == ["a", "b"] and not answer.cached
        sent = server.requests[0]
        assert sent["model"] == "tiny" and sent["response_format"]["json_schema"]["schema"]["required"] == ["words"]
        assert server.headers[0]["authorization"] == f"Bearer {KEY}"
        used = endpoint.usage.snapshot()
        assert (used["requests"], used["answered"], used["tokens_in"], used["tokens_out"]) == (1, 1, 10, 5)
        assert used["latency_median"] > 0


@pytest.mark.parametrize("status", [400, 422])
def test_a_server_without_response_format_is_asked_in_words(status: int) -> None:
    def script(body: dict[str, Any]) -> Reply | str:
        return Reply("unknown field response_format", status) if "response_format" in body else f"Sure!\n{GOOD}"

    with ChatServer(script) as server, Endpoint(settings(server.url)) as endpoint:
        assert endpoint.ask(question()).value.words == ["a", "b"]
        assert endpoint.ask(question("more")).value.words == ["a", "b"]
        assert len(server.requests) == 3  # the refusal is met once
        assert '"required": ["words"]' in server.requests[-1]["messages"][-1]["content"]


def _asks_for_schema(body: dict[str, Any]) -> bool:
    return "response_format" in body


LONG = "This model's maximum context length is 10 tokens. However, you requested 20 tokens."


@pytest.mark.parametrize(
    "refusal",
    [
        Reply(LONG, 400),
        Reply(raw=json.dumps({"error": {"message": LONG, "code": "context_length_exceeded"}}).encode(), status=400),
        # The request repeated beside the reason, as FastAPI does it.
        Reply(
            raw=json.dumps(
                {"detail": [{"loc": ["body", "max_tokens"], "msg": "too large", "input": {"response_format": {}}}]}
            ).encode(),
            status=422,
        ),
        Reply("The model `tiny` does not exist", 404),
    ],
)
def test_another_refusal_leaves_response_format_on(refusal: Reply) -> None:
    def script(body: dict[str, Any]) -> Reply | str:
        return refusal if "long" in body["messages"][0]["content"] else GOOD

    with ChatServer(script) as server, Endpoint(settings(server.url)) as endpoint:
        with pytest.raises(EndpointError):
            endpoint.ask(question("long"))
        assert len(server.requests) == 1  # nothing that another form of the question would mend
        endpoint.ask(question("short"))
        assert all(map(_asks_for_schema, server.requests))


def test_a_server_that_does_not_say_what_it_refused_is_asked_in_words() -> None:
    def refuses(body: dict[str, Any]) -> Reply | str:
        return Reply("Bad Request", 400) if _asks_for_schema(body) else GOOD

    with ChatServer(refuses) as server, Endpoint(settings(server.url)) as endpoint:
        endpoint.ask(question())
        endpoint.ask(question("more"))
        assert [_asks_for_schema(body) for body in server.requests] == [True, False, False]

    def refuses_one(body: dict[str, Any]) -> Reply | str:
        return Reply("Bad Request", 400) if "bad" in body["messages"][0]["content"] else GOOD

    with ChatServer(refuses_one) as server, Endpoint(settings(server.url)) as endpoint:
        with pytest.raises(EndpointError, match=r"400: .*Bad Request"):
            endpoint.ask(question("bad"))
        endpoint.ask(question("good"))
        assert _asks_for_schema(server.requests[-1])


@pytest.mark.parametrize(
    ("body", "said", "requests"),
    [
        ({"error": {"message": "Insufficient credits", "code": 402}}, "402: Insufficient credits", 1),
        ({"error": "quota exceeded"}, "body: quota exceeded", 2),
        ({"object": "error", "message": "Loading model", "code": 503}, "503: Loading model", 2),
        ({"detail": "no such route"}, "body: no such route", 2),
        ({"choices": [{"error": {"message": "Upstream overloaded", "code": 502}}]}, "502: Upstream overloaded", 2),
        ({"choices": []}, "body: 15 bytes that are no chat completion", 2),
    ],
)
def test_a_200_with_an_error_is_told_in_the_servers_words(body: dict[str, Any], said: str, requests: int) -> None:
    reply = Reply(raw=json.dumps(body).encode())
    with ChatServer([reply]) as server, Endpoint(settings(server.url, attempts=2)) as endpoint:
        with pytest.raises(EndpointError) as caught:
            endpoint.ask(question())
        assert said in str(caught.value) and len(server.requests) == requests


def test_null_in_extra_removes_a_field_from_every_question() -> None:
    extra = '{"temperature": null, "max_tokens": null, "max_completion_tokens": 9}'
    with ChatServer([GOOD]) as server, Endpoint(settings(server.url, extra=extra)) as endpoint:
        endpoint.ask(question())
        endpoint.ask(question(parameters={"temperature": 0.0}))  # as the judge and the decomposer put it
        for sent in server.requests:
            assert "temperature" not in sent and "max_tokens" not in sent and sent["max_completion_tokens"] == 9


def test_an_answer_in_parts_is_one_text() -> None:
    message = {"role": "assistant", "content": [{"type": "text", "text": GOOD[:9]}, {"type": "text", "text": GOOD[9:]}]}
    reply = Reply(raw=json.dumps({"choices": [{"message": message}]}).encode())
    with ChatServer([reply]) as server, Endpoint(settings(server.url)) as endpoint:
        assert endpoint.ask(question()).value.words == ["a", "b"]


@pytest.mark.parametrize(
    ("fault", "counted"),
    [
        (Reply("slow down", 429, {"retry-after": "0"}), "429"),
        (Reply("broken", 500), "500"),
        (Reply("conflict", 409), "409"),
        (Reply(GOOD, reset=True), "connection"),
        (Reply(raw=b"<html>gateway</html>"), "body"),
        (Reply(raw=b'{"choices": []}'), "body"),
        (Reply(raw=b"[1]"), "body"),
    ],
)
def test_passing_faults_are_retried(fault: Reply, counted: str) -> None:
    with ChatServer([fault, GOOD]) as server, Endpoint(settings(server.url)) as endpoint:
        assert endpoint.ask(question()).value.words == ["a", "b"]
        used = endpoint.usage.snapshot()
        assert used["faults"] == {counted: 1} and used["retries"] == 1 and used["failed"] == 0


def test_bytes_that_drip_run_into_the_time_limit() -> None:
    # No pause between two bytes is long: only the limit on the whole answer ends it.
    with ChatServer([Reply(GOOD, drip=0.1), GOOD]) as server, Endpoint(settings(server.url, timeout=2.0)) as endpoint:
        assert endpoint.ask(question()).value.words == ["a", "b"]
        assert endpoint.usage.snapshot()["faults"]["timeout"] >= 1


def test_retry_after_is_honoured() -> None:
    slow = Reply("", 429, {"retry-after": "1"})
    with ChatServer([slow, GOOD]) as server, Endpoint(settings(server.url)) as endpoint:
        began = time.monotonic()
        endpoint.ask(question())
        assert time.monotonic() - began >= 1.0


def test_a_wait_beyond_the_deadline_is_not_waited() -> None:
    later = Reply("later", 429, {"retry-after": "3600"})
    with ChatServer([later]) as server, Endpoint(settings(server.url)) as endpoint:
        with pytest.raises(EndpointError, match="429"):
            endpoint.ask(question())
        assert len(server.requests) == 1


def test_backoff_doubles_with_jitter() -> None:
    for attempt, most in enumerate((0.5, 1, 2, 4)):
        waits = [backoff(attempt) for _ in range(50)]
        assert most / 2 <= min(waits) < max(waits) <= most
    assert backoff(0, "7") == 7.0 and backoff(0, "Wed, 21 Oct 2015 07:28:00 GMT") == 0.0


@pytest.mark.parametrize("second", [GOOD, None])
@pytest.mark.parametrize("first", ["no JSON", '{"words": 3}', '{"words": ["a"', "", '{"other": 1}'])
def test_another_shape_is_asked_again_once(first: str, second: str | None) -> None:
    with ChatServer([first, second or first]) as server, Endpoint(settings(server.url)) as endpoint:
        if second:
            assert endpoint.ask(question()).value.words == ["a", "b"]
        else:
            with pytest.raises(MalformedAnswer, match="twice"):
                endpoint.ask(question())
        used = endpoint.usage.snapshot()
        assert len(server.requests) == 2 and used["reasked"] == 1 and used["malformed"] == (second is None)
        assert "could not be read" in server.requests[1]["messages"][-1]["content"]


def test_a_model_whose_server_ignores_the_schema_is_given_it_in_words() -> None:
    with ChatServer(["no JSON", GOOD, GOOD]) as server, Endpoint(settings(server.url)) as endpoint:
        assert endpoint.ask(question()).value.words == ["a", "b"]
        assert endpoint.usage.snapshot()["faults"] == {"response_format ignored": 1}
        assert '"words"' in server.requests[1]["messages"][-1]["content"]
        # From then on the schema stands in the question itself.
        endpoint.ask(question(sample=1))
        assert (
            "response_format" not in server.requests[2] and '"words"' in server.requests[2]["messages"][-1]["content"]
        )


def test_an_example_is_shown_where_the_schema_is_given_in_words() -> None:
    class Shown(Words):
        example: ClassVar[dict[str, Any]] = {"words": ["lamp"]}

    asked = Question([{"role": "user", "content": "say words"}], Shown)
    with ChatServer([GOOD]) as server, Endpoint(settings(server.url)) as endpoint:
        endpoint.ask(asked)
        assert "lamp" not in json.dumps(server.requests[0])  # `response_format` needs none
    with ChatServer([GOOD]) as server, Endpoint(settings(server.url, structure="prompt")) as endpoint:
        assert endpoint.ask(asked).value.words == ["a", "b"]
        assert server.requests[0]["messages"][-1]["content"].endswith('{"words": ["lamp"]}')


def test_a_flood_is_cut_off() -> None:
    flood = Reply(raw=b'{"choices": [{"message": {"content": "' + b"x" * 10_000_000 + b'"}}]}')
    with ChatServer([flood, GOOD]) as server, Endpoint(settings(server.url)) as endpoint:
        assert endpoint.ask(question()).value.words == ["a", "b"]
        assert endpoint.usage.snapshot()["oversized"] == 1


@pytest.mark.parametrize(
    "text",
    [
        f"<think>maybe {{}} or {{'a'}}</think>{GOOD}",
        f'the {{"words": "wrong"}} thoughts\n</think>\n\n{GOOD}',
        f"```json\n{GOOD}\n```",
        f'First {{"x": 1}}, then {GOOD} and more',
    ],
)
def test_thoughts_and_fences_are_stripped(text: str) -> None:
    assert read(text, Words).words == ["a", "b"]  # type: ignore[attr-defined]


def test_a_thought_without_end_is_no_answer() -> None:
    with pytest.raises(ValueError, match="empty"):
        read(f"<think>I could say {GOOD}", Words)


def test_the_budget_stops_asking_and_says_so() -> None:
    with ChatServer([GOOD]) as server:
        with Endpoint(settings(server.url, max_calls=2, concurrency=1)) as endpoint:
            found = endpoint.ask_many([question(str(i)) for i in range(5)])
            assert [isinstance(each, BudgetSpent) for each in found] == [False, False, True, True, True]
            assert "--endpoint.max-calls" in str(found[-1])
        with Endpoint(settings(server.url, max_tokens=20)) as endpoint:
            endpoint.ask(question("a")), endpoint.ask(question("b"))
            with pytest.raises(BudgetSpent, match="max-tokens"):
                endpoint.ask(question("c"))
    assert len(server.requests) == 4


def test_concurrency_is_bounded() -> None:
    now, most = [0], [0]

    class Counting(ChatServer):
        def play(self, handler: Any, reply: Reply, body: dict[str, Any]) -> None:
            now[0] += 1
            most[0] = max(most[0], now[0])
            time.sleep(0.05)
            now[0] -= 1
            super().play(handler, reply, body)

    with Counting([GOOD]) as server, Endpoint(settings(server.url, concurrency=3)) as endpoint:
        assert len(endpoint.ask_many([question(str(i)) for i in range(12)])) == 12
    assert 2 <= most[0] <= 3


def test_a_dead_endpoint_fails_in_one_line() -> None:
    with Endpoint(settings("http://127.0.0.1:9/v1", attempts=2)) as endpoint, pytest.raises(EndpointError) as caught:
        endpoint.ask(question())
    assert "127.0.0.1:9" in str(caught.value) and "\n" not in str(caught.value)


def test_an_answer_is_paid_once(tmp_path: Path) -> None:
    file = str(tmp_path / "cache" / "answers.sqlite3")
    with ChatServer([GOOD]) as server:
        for turn in range(2):
            with Endpoint(settings(server.url, cache=file)) as endpoint:
                answer = endpoint.ask(question())
                assert answer.cached == bool(turn) and answer.value.words == ["a", "b"]
                assert endpoint.ask(question(parameters={"seed": 1})).cached == bool(turn)
        assert len(server.requests) == 2
    with Endpoint(settings("http://127.0.0.1:9/v1", cache=file)) as endpoint:
        assert endpoint.ask(question()).cached  # the server may be gone


def test_malformed_answers_were_paid_too(tmp_path: Path) -> None:
    file = str(tmp_path / "answers.sqlite3")
    with ChatServer(["nonsense"]) as server:
        for _ in range(2):
            with Endpoint(settings(server.url, cache=file)) as endpoint, pytest.raises(MalformedAnswer):
                endpoint.ask(question())
        assert len(server.requests) == 2  # the question and its one repeat


def test_the_same_question_at_the_same_time_is_sent_once() -> None:
    with ChatServer([Reply(GOOD, delay=0.3)]) as server, Endpoint(settings(server.url)) as endpoint:
        assert len(endpoint.ask_many([question()] * 5)) == 5
        assert len(server.requests) == 1


def test_the_key_is_nowhere_but_in_the_header(key: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    file = tmp_path / "answers.sqlite3"
    with ChatServer([GOOD, Reply(f"wrong key: {KEY}", 401)]) as server:
        with Endpoint(settings(server.url, cache=str(file))) as endpoint:
            endpoint.ask(question())
            with pytest.raises(EndpointError, match="OPENAI_API_KEY") as caught:
                endpoint.ask(question("more"))
        said = [str(caught.value), repr(endpoint.settings), json.dumps(endpoint.usage.snapshot()), caplog.text]
        assert len(server.requests) == 2  # 401 is not asked again
    said += [path.read_bytes().decode("latin-1") for path in tmp_path.iterdir()]
    assert not any(KEY in each for each in said)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"base_url": ""}, "OPENAI_BASE_URL"),
        ({"base_url": "localhost:8000"}, "http://"),
        ({"base_url": "http://me:secret@host/v1"}, "no key"),
        ({"model": ""}, "HINDSIGHT_MODEL"),
        ({"attempts": 0}, "--endpoint.attempts"),
        ({"structure": "magic"}, "json_schema"),
        ({"extra": "{"}, "not JSON"),
        ({"max_calls": -1}, "max-calls"),
    ],
)
def test_bad_settings_name_themselves(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(EndpointError) as caught:
        EndpointSettings(**{"base_url": "http://h/v1", "model": "m", **changes}).resolved({})
    assert told in str(caught.value) and "secret" not in str(caught.value)


def test_settings_come_from_the_environment() -> None:
    made = EndpointSettings().resolved({"OPENAI_BASE_URL": "http://h/v1/", "HINDSIGHT_MODEL": "m"})
    assert (made.base_url, made.model) == ("http://h/v1", "m")


def test_a_file_that_is_no_cache_is_set_aside(tmp_path: Path) -> None:
    file = tmp_path / "answers.sqlite3"
    file.write_bytes(b"this is not a database at all" * 100)
    cache = AnswerCache(file)
    cache.put("k", "m", Paid("t", 1, 2))
    assert cache.get("k") == Paid("t", 1, 2) and cache.errors == 1
    assert len(list(tmp_path.glob("*unreadable*"))) == 1


def test_a_place_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    cache = AnswerCache(tmp_path / "file" / "answers.sqlite3")
    cache.put("k", "m", Paid("t", 1, 2))
    assert cache.get("k") is None and cache.errors


WRITER = """
import sys
from pathlib import Path
from hindsight_rl.endpoint.cache import AnswerCache, Paid
cache = AnswerCache(Path(sys.argv[1]))
for i in range(int(sys.argv[3])):
    cache.put(f"{sys.argv[2]}-{i}", "m", Paid("t" * 2000, 1, 1))
    print(i, flush=True)
"""


def writer(file: Path, name: str, count: int) -> "subprocess.Popen[str]":
    arguments = [sys.executable, "-c", WRITER, str(file), name, str(count)]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)


def test_killed_at_any_moment_the_cache_opens_again(tmp_path: Path) -> None:
    file = tmp_path / "answers.sqlite3"
    for turn, after in enumerate((3, 11, 30)):
        process = writer(file, f"w{turn}", 100000)
        seen = -1
        while seen < after:
            seen = int(process.stdout.readline())  # type: ignore[union-attr]
        os.kill(process.pid, signal.SIGKILL)
        rest = process.communicate()[0].split()
        seen = int(rest[-1]) if rest else seen
        cache = AnswerCache(file)
        assert all(cache.get(f"w{turn}-{i}") for i in range(seen + 1)) and cache.errors == 0
        cache.close()
    assert sqlite3.connect(file).execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_several_processes_share_the_cache(tmp_path: Path) -> None:
    file = tmp_path / "answers.sqlite3"
    processes = [writer(file, f"p{i}", 20) for i in range(3)]
    for process in processes:
        process.communicate()
        assert process.returncode == 0
    cache = AnswerCache(file)
    assert all(cache.get(f"p{i}-{j}") for i in range(3) for j in range(20)) and cache.errors == 0


def test_questions_differ_by_model_messages_and_parameters() -> None:
    message = [{"role": "user", "content": "a"}]
    keys = {
        question_key("m", message, {}),
        question_key("n", message, {}),
        question_key("m", [{"role": "system", "content": "a"}], {}),
        question_key("m", message, {"temperature": 0.1}),
    }
    assert len(keys) == 4 and question_key("m", message, {"b": 1, "a": 2}) == question_key(
        "m", message, {"a": 2, "b": 1}
    )


def test_importing_it_imports_no_client_and_no_engine() -> None:
    script = (
        "import sys, hindsight_rl.endpoint, hindsight_rl.lm.judge, hindsight_rl.lm.decompose\n"
        "print([name for name in ('openai', 'pydantic', 'torch', 'jax') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
