"""The constraints of a row, in each of the public shapes."""

import ast
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hindsight_rl.constraints import stored
from hindsight_rl.constraints.core import ConstraintError
from hindsight_rl.constraints.rows import _literal, row_constraints

IDS = ["keywords:existence", "punctuation:no_comma", "keywords:existence"]
KWARGS = [{"keywords": ["tea"]}, {"keywords": None}, {"keywords": ["cup"]}]


@pytest.mark.parametrize(
    "row",
    [
        {"instruction_id_list": IDS, "kwargs": KWARGS, "answer": "other columns are ignored"},
        {"instruction_id_list": np.array(IDS), "kwargs": np.array(KWARGS, dtype=object)},
        {"instruction_id_list": IDS, "kwargs": [json.dumps(given) for given in KWARGS]},
        {"ground_truth": {"instruction_id_list": IDS, "kwargs": KWARGS}},
        {"ground_truth": json.dumps([{"instruction_id": IDS, "kwargs": KWARGS}])},
        {"ground_truth": repr([{"instruction_id": IDS, "kwargs": [KWARGS[0], None, KWARGS[2]]}])},
        {"ground_truth": [json.dumps({"instruction_id": IDS, "kwargs": KWARGS})]},
        {"ground_truth": [repr([{"instruction_id": IDS, "kwargs": [KWARGS[0], None, KWARGS[2]]}])]},
        {"ground_truth": json.dumps(json.dumps([{"instruction_id": IDS, "kwargs": KWARGS}]))},
    ],
)
def test_ids_with_kwargs(row: dict) -> None:
    constraints, unchecked = row_constraints(row)
    assert [each.id for each in constraints] == IDS  # ids repeat
    assert [each.kwargs for each in constraints] == [{"keywords": ["tea"]}, {}, {"keywords": ["cup"]}]
    assert unchecked == ()


def test_muldimif_with_what_no_program_checks() -> None:
    row = {"constraints": [["Length", "Words", "At most 5 words"], ["Format", "Text", "Write in full sentences"]]}
    constraints, unchecked = row_constraints({"ground_truth": row})
    assert [each.id for each in constraints] == ["muldimif:length:words"]
    assert unchecked == ("Write in full sentences (needs a reader's judgement)",)


def test_stored_code() -> None:
    source = "def check_following(instruction, response):\n    return len(response) < 5"
    row = {"checker": ["[llm] Be kind.", "[rule] Be short."], "functions": [source]}
    with stored.allowed():
        constraints, unchecked = row_constraints({"ground_truth": row})
        assert unchecked == ("Be kind.",)
        assert constraints[0].describe() == "Be short."
        assert constraints[0].check("tea") and not constraints[0].check("more tea")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"answer": 3}, "row 7: no constraints in the row: it needs one of instruction_id_list"),
        ({"instruction_id_list": ["no:such"], "kwargs": [{}]}, "row 7: unknown constraint id 'no:such'"),
        (
            {"instruction_id_list": IDS, "kwargs": []},
            "row 7: 3 ids in 'instruction_id_list' but 0 in 'kwargs'",
        ),
        (
            {"instruction_id_list": ["keywords:existence"]},
            "row 7: keywords:existence needs the kwarg 'keywords'",
        ),
        ({"instruction_id_list": [3], "kwargs": [{}]}, "row 7: 3 with kwargs {}; an id is a string"),
        ({"ground_truth": "yes"}, "row 7: 'yes' is neither JSON nor a Python literal"),
        ({"ground_truth": "3"}, "row 7: 3 holds no constraints"),
        ({"constraints": "[1]"}, "row 7: 'constraints' must be a list of"),
        ({"checker": ["[rule] a"], "functions": []}, r"row 7: 1 \[rule\] checkers but 0 'functions'"),
        ({"kwargs": object(), "instruction_id": []}, "row 7: a object among the constraints"),
    ],
)
def test_a_row_that_cannot_be_read_is_an_error(row: dict, message: str) -> None:
    with pytest.raises(ConstraintError, match=f"^{message}"):
        row_constraints(row, "row 7")


def test_the_published_prompts(shared_data: Path) -> None:
    for name in ("ifeval", "ifbench"):
        with (shared_data / name / "prompts.jsonl").open(encoding="utf-8") as lines:
            for line in lines:
                row = json.loads(line)
                assert [each.id for each in row_constraints(row).constraints] == row["instruction_id_list"]


LITERALS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3) | st.tuples(inner, inner)
    ),
    max_leaves=10,
)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(LITERALS)
def test_a_python_literal_is_read_as_python_reads_it(value: Any) -> None:
    assert _literal(repr([value])) == [value]


@pytest.mark.parametrize(
    "text",
    ["['None', None]", """["it's", 'say "tea"', True]""", "['a' 'b']", "[u'a']", "(1, 2)", r"['a\nb']", "[1_000]"],
)
def test_literals_that_json_does_not_know(text: str) -> None:
    assert _literal(text) == ast.literal_eval(text)
