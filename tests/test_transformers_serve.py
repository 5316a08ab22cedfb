"""A real chat server with a real, tiny, untrained model: `transformers serve`. Its answers are nonsense, which is the
point: a run beside a model that understands nothing finishes, and equals the run with templates."""

import os
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

pytest.importorskip("openai")
pytest.importorskip("uvicorn")
pytest.importorskip("fastapi")
from hindsight_rl.agent.relabeling.llm import LlmRules
from hindsight_rl.agent.training.train import train
from hindsight_rl.endpoint import Endpoint, EndpointError, EndpointSettings, Question
from hindsight_rl.endpoint.settings import BASE_URL_VARIABLE, MODEL_VARIABLE
from hindsight_rl.lm.judge import Judge
from hindsight_rl.lm.soft import Ask
from hindsight_rl.run import Run
from test_train import tiny, without_clock
from tiny_lm import tiny_model

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """(address, model) of a running server, started as the studies do."""
    folder = tiny_model(tmp_path_factory.mktemp("served") / "model")
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(str(Path(__file__).parents[1] / "benchmarks"))
        with import_module("served").served(folder):
            yield os.environ[BASE_URL_VARIABLE], os.environ[MODEL_VARIABLE]
    assert BASE_URL_VARIABLE not in os.environ


def settings(served: tuple[str, str], cache: str) -> EndpointSettings:
    url, model = served
    return EndpointSettings(
        base_url=url, model=model, cache=cache, answer_tokens=24, timeout=120.0, deadline=240.0, concurrency=2
    ).resolved({})


def test_it_answers_and_its_nonsense_is_malformed(served: tuple[str, str], tmp_path: Path) -> None:
    with Endpoint(settings(served, str(tmp_path / "answers.sqlite3"))) as endpoint:
        plain = endpoint.ask(Question([{"role": "user", "content": "hello"}]))
        assert isinstance(plain.text, str)
        judge = Judge(endpoint)
        assert judge.decide([Ask("mention rain", "rain")]) == [None]  # missing, never a no
        told = judge.metrics()
        assert told["malformed"] == 1 and told["unanswered"] == 0
        assert told["endpoint"]["faults"].get("response_format refused", 0) <= 1
        assert told["endpoint"]["tokens_out"] > 0
        before = told["endpoint"]["requests"]
        with pytest.raises(EndpointError, match="twice"):
            endpoint.ask(judge._question(Ask("mention rain", "rain"), 0))
        assert endpoint.usage.snapshot()["requests"] == before  # nonsense was paid for, too


def test_training_beside_it_equals_training_with_templates(served: tuple[str, str], tmp_path: Path) -> None:
    plain = Run.open(train(tiny(tmp_path / "templates", total_timesteps=32768)))
    config = tiny(
        tmp_path / "llm", total_timesteps=32768, relabeler="llm", llm=LlmRules(candidates=2, pending=2),
        endpoint=settings(served, str(tmp_path / "answers.sqlite3")),
    )  # fmt: skip
    run = Run.open(train(config))
    rows = [{k: v for k, v in row.items() if k != "llm"} for row in without_clock(run.lines("metrics.jsonl"))]
    assert rows == without_clock(plain.lines("metrics.jsonl"))
    said = run.lines("metrics.jsonl")[-1]["llm"]
    assert said["asked"] > 0 and said["accepted"] == 0 and said["failed"] == 0
