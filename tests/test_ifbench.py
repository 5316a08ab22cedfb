"""IFBench: the ids, the descriptions that the prompts carry, and the published verdicts."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from hindsight_rl.constraints import ifbench
from hindsight_rl.constraints.core import checker_class, constraint, ids
from hindsight_rl.constraints.text import lexicon
from hindsight_rl.constraints.text.sentences import use_splitter
from hindsight_rl.constraints.verdicts import both

# What differs between the versions; everything else has one behaviour.
CHANGED = {
    "count:person_names",
    "count:pronouns",
    "custom:sentence_alphabet",
    "format:emoji",
    "format:no_bullets_bullets",
    "format:quote_unquote",
    "format:title_case",
    "ratio:sentence_balance",
    "ratio:sentence_type",
    "ratio:sentence_words",
    "repeat:repeat_change",
    "repeat:repeat_span",
    "sentence:alliteration_increment",
    "sentence:increment",
    "sentence:keyword",
    "words:keywords_specific_position",
    "words:last_first",
    "words:paragraph_last_first",
    "words:words_position",
}


def rows(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def published(shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The benchmark's folder, with the language data that the published verdicts rest on."""
    monkeypatch.setenv("NLTK_DATA", str(shared_data / "nltk_data"))
    use_splitter("punkt")
    lexicon.forget()
    yield shared_data / "ifbench"
    monkeypatch.undo()
    use_splitter()
    lexicon.forget()


def test_there_are_58_and_19_have_an_earlier_behaviour() -> None:
    assert len(ifbench.IDS) == 58 and set(ids()) >= ifbench.IDS
    assert set(ids(version="hir")) & ifbench.IDS == CHANGED


def test_every_published_verdict_is_ours(published: Path) -> None:
    prompts = rows(published / "prompts.jsonl")
    responses = {row["prompt"]: row["response"] for row in rows(published / "responses_qwen25_7b.jsonl")}
    verdicts = {row["key"]: row for row in rows(published / "verdicts_qwen25_7b.jsonl")}
    wrong = []
    for row in prompts:
        constraints = [
            constraint(id, kwargs, version="hir")
            for id, kwargs in zip(row["instruction_id_list"], row["kwargs"], strict=True)
        ]
        strict, loose = both(constraints, responses[row["prompt"]], row["prompt"])
        expected = verdicts[row["key"]]
        if [strict, loose] != [expected["strict"], expected["loose"]]:
            wrong.append((row["key"], row["instruction_id_list"]))
    assert not wrong and len(prompts) == 294


def test_descriptions_are_those_of_the_prompts(published: Path) -> None:
    def plain(text: str) -> str:
        return " ".join(text.replace("'", '"').split()).lower()

    unlike: Counter[str] = Counter()
    for row in rows(published / "prompts.jsonl"):
        for id, kwargs in zip(row["instruction_id_list"], row["kwargs"], strict=True):
            if plain(constraint(id, kwargs, version="hir").describe()).strip(" .") not in plain(row["prompt"]):
                unlike[id] += 1
    # Prompts that were edited by hand: "in your response" put in, quotes left out, 22-nd for 22-th, 4.0 for 4.
    assert set(unlike) <= {
        "count:conjunctions",
        "custom:csv_city",
        "format:options",
        "ratio:sentence_balance",
        "sentence:increment",
        "sentence:keyword",
        "words:alphabet",
        "words:keywords_specific_position",
        "words:paragraph_last_first",
    }
    assert sum(unlike.values()) <= 44


def test_conflicts_hold_both_ways_and_for_both_versions() -> None:
    for id in ifbench.IDS:
        declared = checker_class(id)
        assert declared.conflicts == checker_class(id, version="hir").conflicts
        for other in declared.conflicts & ifbench.IDS:
            assert id in checker_class(other).conflicts
