"""What holds for every registered constraint id, whoever declared it.

The default run checks 200 responses an id; `-m slow` checks 2,000.
"""

import importlib
import json
import pkgutil
from collections.abc import Iterator
from functools import cache

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import witness
from hindsight_rl.constraints import stored
from hindsight_rl.constraints.core import checker_class, constraint, ids
from witness import Witness

QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]

# Lone surrogates included: a tokenizer that splits inside a character hands them out.
UNICODE = st.text(st.characters(), max_size=60)
PIECES = [
    *"\n\t\x00|{}\"'!?.,;\u3002\ud800\U0001f600",
    *("\n\n", "***", "* ", "- a", "1. b", "# c", "> d", "```", "...", "<<g>>", "[h]", "(i)", "</>", "A) b"),
    *("| e | f |\n|---|---|", "P.S.", "hello", "Hello World", "WORLD", "2024", "3.14", "https://a.b/c"),
    *("e\u0301", "Section 1", "Paragraph\n\n***\n\nParagraph"),
]
FRAGMENTS = st.lists(
    st.one_of(
        UNICODE,
        st.sampled_from(PIECES),
    ),
    max_size=12,
).map("".join)
RESPONSES = st.one_of(UNICODE, FRAGMENTS)


@pytest.fixture(autouse=True)
def stored_code() -> Iterator[None]:
    with stored.allowed():
        yield


@cache
def witnesses() -> dict[str, Witness]:
    found: dict[str, Witness] = {}
    for module in pkgutil.iter_modules(witness.__path__):
        found |= importlib.import_module(f"witness.{module.name}").WITNESSES
    return found


def test_every_id_has_a_witness_and_every_witness_an_id() -> None:
    assert sorted(witnesses()) == ids()


@pytest.mark.parametrize("id", ids())
def test_satisfying_and_violating_responses(id: str) -> None:
    evidence = witnesses()[id]

    @settings(max_examples=25, deadline=None, suppress_health_check=QUIET, derandomize=True)
    @given(evidence.kwargs)
    def holds(kwargs: dict) -> None:
        made = constraint(id, kwargs)
        assert made.check(evidence.satisfy(kwargs)), evidence.satisfy(kwargs)
        assert not made.check(evidence.violate(kwargs)), evidence.violate(kwargs)

    holds()


@pytest.mark.parametrize("id", ids())
def test_description_and_kwargs_survive_json(id: str) -> None:
    @settings(max_examples=15, deadline=None, suppress_health_check=QUIET, derandomize=True)
    @given(witnesses()[id].kwargs)
    def survives(kwargs: dict) -> None:
        made = constraint(id, kwargs)
        again = constraint(**json.loads(json.dumps(made.to_json())))
        assert again == made and hash(again) == hash(made)
        assert again.describe() == made.describe() != ""
        assert again.kwargs == made.kwargs

    survives()


def never_raises(id: str, cases: int) -> None:
    @settings(max_examples=cases, deadline=None, suppress_health_check=QUIET, derandomize=True)
    @given(witnesses()[id].kwargs, RESPONSES, st.one_of(st.none(), UNICODE))
    def answers(kwargs: dict, response: str, prompt: str | None) -> None:
        verdict = constraint(id, kwargs).check(response, prompt)
        assert verdict is True or verdict is False

    answers()


@pytest.mark.parametrize("id", ids())
def test_no_response_makes_a_checker_raise(id: str) -> None:
    never_raises(id, 200)


@pytest.mark.slow
@pytest.mark.parametrize("id", ids())
def test_no_response_makes_a_checker_raise_at_length(id: str) -> None:
    never_raises(id, 2000)


@pytest.mark.parametrize("id", ids())
def test_conflicts_and_dependencies_name_ids(id: str) -> None:
    declared = checker_class(id)
    assert declared.conflicts | declared.depends <= set(ids())
    assert id not in declared.conflicts | declared.depends
