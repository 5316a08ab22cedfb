"""Words looked up in NLTK's data, or without it."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from hindsight_rl.constraints.text import lexicon
from hindsight_rl.constraints.text.lexicon import Weights
from hindsight_rl.errors import HindsightError


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(lexicon, "nltk_data", lambda relative: None)
    lexicon.forget()
    yield
    monkeypatch.undo()
    lexicon.forget()


@pytest.fixture
def data(shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("NLTK_DATA", str(shared_data / "nltk_data"))
    lexicon.forget()
    yield
    monkeypatch.undo()
    lexicon.forget()


def test_without_data_small_lists_answer(nowhere: None) -> None:
    assert {"the", "and", "don"} <= lexicon.stop_words() and "rain" not in lexicon.stop_words()
    assert lexicon.starts_with_verb(["Write", "it"]) and lexicon.starts_with_verb(["Considering", "it"])
    assert not lexicon.starts_with_verb(["The", "rain"]) and not lexicon.starts_with_verb([])


@pytest.mark.parametrize(
    ("tokens", "verdict"),
    [
        (["Walked", "home"], True),
        (["Is", "it"], True),
        (["Imagine", "a", "place"], True),
        (["Rain", "falls"], False),
        (["1999", "was"], False),
        (["well-known"], False),
    ],
)
def test_the_tagger_decides_with_data(data: None, tokens: list[str], verdict: bool) -> None:
    assert lexicon.starts_with_verb(tokens) is verdict


def test_stop_words_of_the_data(data: None) -> None:
    assert len(lexicon.stop_words()) > 170 and "yourselves" in lexicon.stop_words()


def test_syllables_and_emoji() -> None:
    assert [lexicon.syllables(word) for word in ("cat", "water", "x1", "")] == [1, 2, 0, 0]
    assert lexicon.is_emoji("😀") and not lexicon.is_emoji("a")


def test_a_missing_package_is_named() -> None:
    with pytest.raises(HindsightError, match=r"'no_such_package' .* pip install \"hindsight-rl\[constraints\]\""):
        lexicon._package("no_such_package")


KEPT = {"bias": {"VB": 1.5, "NN": -2.0}, 'i word "': {"NN": 0.5}, "i word é": {"RB": 1}, "i word bias": {"JJ": 3}}


@pytest.mark.parametrize("lookups", [0, 2, 100])
def test_weights_are_those_of_the_file_before_and_after_it_is_parsed(tmp_path: Path, lookups: int) -> None:
    path = tmp_path / "weights.json"
    path.write_text(json.dumps(KEPT), encoding="utf-8")
    weights = Weights(path, lookups)
    for _ in range(2):
        assert {feature: weights.of(feature) for feature in KEPT} == KEPT
        assert weights.of("i word no") == {}


def test_the_published_file(shared_data: Path) -> None:
    name = "averaged_perceptron_tagger_eng"
    path = shared_data / "nltk_data" / "taggers" / name / f"{name}.weights.json"
    whole = json.loads(path.read_text(encoding="utf-8"))
    weights = Weights(path)
    for feature in [*list(whole)[::2000], "bias", "i word write", "i word no such word"]:
        assert weights.of(feature) == whole.get(feature, {})
