"""What a response achieves holds of it: over made text for every id, and over published responses."""

import importlib
import json
import pkgutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import witness
from hindsight_rl.constraints import constraint
from hindsight_rl.constraints.core import _REGISTRY, Checker, ConstraintError, ids
from hindsight_rl.constraints.declare import nearest
from hindsight_rl.constraints.text.response import Text
from hindsight_rl.replay.rewriting import Retarget

ids()  # declares all
WITNESSES = {
    id: each
    for module in pkgutil.iter_modules(witness.__path__)
    for id, each in importlib.import_module(f"witness.{module.name}").WITNESSES.items()
}
AIMED = [key for key, declared in _REGISTRY.items() if declared.achieved is not Checker.achieved and WITNESSES[key[0]]]
WORDS = ["tea", "Tea", "RUM", "a", "B", "7", ".", "?", "!", ",", "\n", "\n\n", "***", "* x\n", "- y\n", "[z]", "*hi*"]
WORDS += [
    "# T\n",
    "<a b='1'>",
    '{"a": {"b": 1}}',
    "P.S.",
    "Section 1",
    "| a | b |\n|---|---|\n| 1 | 2 |",
    "中文。",
    '"',
]
MADE = st.lists(st.sampled_from(WORDS), max_size=14).map(" ".join) | st.text(max_size=30)


@pytest.mark.parametrize("key", AIMED, ids="-".join)
def test_what_is_achieved_holds(key: tuple[str, str]) -> None:
    evidence = WITNESSES[key[0]]

    @settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(evidence.kwargs, evidence.kwargs, MADE)
    def holds(kwargs: dict, other: dict, made: str) -> None:
        asked = constraint(key[0], kwargs, version=key[1])
        for response in (made, evidence.satisfy(other), evidence.satisfy(kwargs), evidence.violate(kwargs)):
            found = asked.achieved(response)
            if found is None:
                continue
            try:
                there = asked.at(found)
            except ConstraintError:  # nothing of it at all, where the constraint wants one at least
                assert any(value in (0, "", []) for value in found.values()), found
                continue
            if not Text(response).blank:
                assert there.check(response), (found, response)
                assert type(there) is type(asked) and there.describe()

    holds()


@pytest.mark.parametrize(
    ("id", "kwargs", "response", "becomes"),
    [
        (
            "length_constraints:number_words",
            {"relation": "less than", "num_words": 3},
            "one two three",
            {"num_words": 4},
        ),
        (
            "length_constraints:number_words",
            {"relation": "at least", "num_words": 5},
            "one two three",
            {"num_words": 3},
        ),
        ("startend:end_checker", {"end_phrase": "the end"}, "It was\nall very good.", {"end_phrase": "very good."}),
        ("startend:end_checker", {"end_phrase": "the end"}, "x\n***", None),
        ("keywords:existence", {"keywords": ["tea", "rum"]}, "Some rum", {"keywords": ["rum"]}),
        ("keywords:existence", {"keywords": ["tea"]}, "Some rum", None),
        ("keywords:frequency", {"keyword": "tea", "relation": "at least", "frequency": 3}, "tea tea", {"frequency": 2}),
        ("keywords:forbidden_words", {"forbidden_words": ["tea", "rum"]}, "rum", {"forbidden_words": ["tea"]}),
        ("detectable_content:postscript", {"postscript_marker": "P.P.S"}, "P.S. x", {"postscript_marker": "P.S."}),
        (
            "length_constraints:nth_paragraph_first_word",
            {"num_paragraphs": 4, "nth_paragraph": 3, "first_word": "tea"},
            "A b\n\nRum, c",
            {"num_paragraphs": 2, "nth_paragraph": 2, "first_word": "rum"},
        ),
        ("count:word_count_range", {"min_words": 5, "max_words": 7}, "a b c", {"min_words": 3, "max_words": 5}),
        ("sentence:keyword", {"word": "tea", "N": 3}, "Tea is hot. Rum is.", {"N": 1}),
        ("letters:letter_counting", {"N": 3, "relation": "less than"}, "abcd", {"N": 5}),
        ("muldimif:length:words", {"low": 4, "high": 6, "text": "4 to 6 words"}, "a b", {"low": 2, "high": 4}),
        (
            "muldimif:content:keywords",
            {"keywords": ["tea", "rum"], "times": 3},
            "tea tea",
            {"keywords": ["tea"], "times": 2},
        ),
        ("muldimif:content:ending", {"marks": ["?"]}, "Tea!", {"marks": ["!"]}),
        ("muldimif:language:case", {"case": "uppercase"}, "some tea", {"case": "lowercase"}),
        ("muldimif:format:json_nesting", {"low": 3}, '{"a": {"b": 1}}', {"low": 2}),
    ],
)
def test_nearest_values(id: str, kwargs: dict, response: str, becomes: dict | None) -> None:
    asked = constraint(id, kwargs)
    found = asked.achieved(response)
    if becomes is None:
        assert found is None
        return
    assert found is not None
    there = asked.at(found)
    expected = {**kwargs, **becomes}
    expected.pop("text", None)  # the data's words would no longer be true
    assert there.kwargs == expected and there.check(response) and not asked.check(response)


def test_the_nearest_bound() -> None:
    assert [nearest("at least", 3, 5), nearest("at least", 9, 5)] == [3, 5]
    assert [nearest("less than", 7, 5), nearest("less than", 2, 5)] == [8, 5]


def test_published_responses(shared_data: Path) -> None:
    tried = made = 0
    for name, every in (("ifeval", 3), ("ifbench", 2)):
        lines = (shared_data / name / "prompts.jsonl").read_text().splitlines()[::every]
        answers = {
            row["prompt"]: row["response"]
            for row in map(json.loads, (shared_data / name / "responses_qwen25_7b.jsonl").read_text().splitlines())
        }
        for row in map(json.loads, lines):
            response = Text(answers[row["prompt"]])
            for id, kwargs in zip(row["instruction_id_list"], row["kwargs"], strict=True):
                asked = constraint(id, kwargs)
                if type(asked).achieved is Checker.achieved or asked.check(response):
                    continue
                tried += 1
                found = asked.achieved(response)
                if found and all(value not in (0, "", []) for value in found.values()):
                    assert asked.at(found).check(response), (id, kwargs, found)
                made += Retarget().retargeted(asked, response.raw) is not None
    assert made > 50, (made, tried)
