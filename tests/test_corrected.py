"""Corrected checkers: each follows its wording, and differs from the current one where its table says so."""

import json
import time
from pathlib import Path

import pytest
from hypothesis import given, settings

from hindsight_rl.constraints.core import CORRECTED, ConstraintError, constraint, ids
from hindsight_rl.constraints.corrected import CORRECTIONS
from hindsight_rl.constraints.rows import row_constraints
from hindsight_rl.constraints.verdicts import batch, both
from test_constraints_properties import QUIET, RESPONSES, UNICODE, witnesses

TABLE = sorted(CORRECTIONS)


def test_every_corrected_id_is_in_the_table():
    assert ids(CORRECTED) == TABLE
    assert set(TABLE) <= set(ids())


@pytest.mark.parametrize("id", TABLE)
def test_the_table_holds(id):
    row = CORRECTIONS[id]
    current, corrected = (constraint(id, row.kwargs, version=version) for version in ("current", "corrected"))
    assert row.says in current.describe() == corrected.describe()
    assert corrected.check(row.response, row.prompt) is row.holds
    assert current.check(row.response, row.prompt) is not row.holds
    assert corrected.conflicts == current.conflicts


def test_the_page_shows_every_correction_and_the_committed_result():
    """Both are written by benchmarks/corrected.py."""
    root = Path(__file__).parents[1]
    page = (root / "docs/corrected.md").read_text("utf-8")
    result = json.loads((root / "results/corrected.json").read_text("utf-8"))
    lines = {line.split("`")[1]: line for line in page.splitlines() if line.startswith("| `") and line.count("|") > 6}
    assert sorted(lines) == TABLE
    counts = {}
    for found in result["benchmarks"].values():
        for id, each in found["ids"].items():
            if id in CORRECTIONS:
                changed, verdicts = counts.get(id, (0, 0))
                counts[id] = (changed + each["lost"] + each["won"], verdicts + each["verdicts"])
            else:
                assert each["lost"] == each["won"] == 0
    for id, line in lines.items():
        assert CORRECTIONS[id].change.replace("*", "\\*") in line
        shown = "\u2013" if id not in counts else "{} of {}".format(*counts[id])
        assert line.endswith(f"| {shown} |")


# Where a witness of the property tests satisfies, or violates, the current checker by the quirk that is corrected.
QUIRKS = {
    "copy:copy",
    "count:counting_composition",
    "custom:european_capitals_sort",
    "detectable_format:sentence_hyphens",
    "format:title_case",
    "keywords:exclude_word_harder",
    "keywords:word_count_different_numbers",
    "keywords:word_once",
    "new:copy_span_idx",
    "words:palindrome",
}


def agrees_with_its_witness(id):
    evidence = witnesses()[id]

    @settings(max_examples=8, deadline=None, suppress_health_check=QUIET, derandomize=True, report_multiple_bugs=False)
    @given(evidence.kwargs)
    def holds(kwargs):
        made = constraint(id, kwargs, version=CORRECTED)
        assert made.check(evidence.satisfy(kwargs)), evidence.satisfy(kwargs)
        assert not made.check(evidence.violate(kwargs)), evidence.violate(kwargs)

    holds()


@pytest.mark.parametrize("id", [id for id in TABLE if id not in QUIRKS])
def test_plain_responses_get_the_verdict_of_the_current_version(id):
    agrees_with_its_witness(id)


@pytest.mark.parametrize("id", sorted(QUIRKS))
def test_the_quirks_are_quirks(id):
    with pytest.raises(AssertionError):
        agrees_with_its_witness(id)


@pytest.mark.parametrize("id", TABLE)
def test_no_response_makes_a_corrected_checker_raise_and_what_it_achieves_holds(id):
    @settings(max_examples=40, deadline=None, suppress_health_check=QUIET, derandomize=True)
    @given(witnesses()[id].kwargs, RESPONSES, UNICODE)
    def answers(kwargs, response, prompt):
        made = constraint(id, kwargs, version=CORRECTED)
        assert made.check(response, prompt) in (True, False)
        found = made.achieved(response)
        if found is not None:
            assert made.at(found).check(response, prompt), (found, response)

    answers()


@pytest.mark.parametrize(
    "part",
    [
        "<",
        "[",
        "*",
        "**a",
        "a ",
        ".",
        '"',
        "\n",
        "a.",
        "-",
        "\u3002",
        "e\u0301",
        "\u0301",
        "P.S. ",
        "1. ",
        "<<a",
        "don't ",
    ],
)
def test_hostile_responses_are_answered_in_bounded_time(part):
    response = part * (100_000 // len(part))
    for id in TABLE:
        row = CORRECTIONS[id]
        made = constraint(id, row.kwargs, version=CORRECTED)
        started = time.process_time()
        made.check(response, row.prompt)
        assert time.process_time() - started < 3, id


def test_the_version_travels_with_rows_and_batches():
    row = {"instruction_id_list": ["keywords:existence"], "kwargs": [{"keywords": ["cat"]}]}
    response = "The catalogue is long."
    for version, holds in (("current", True), ("hir", True), ("corrected", False)):
        asked = row_constraints(row, version=version).constraints
        assert both(asked, response) == ([holds], [holds])
        jobs = [([("keywords:existence", {"keywords": ["cat"]})], response, None)]
        assert batch(jobs, version=version) == [[holds]]


def test_an_unknown_version_is_an_error():
    with pytest.raises(ConstraintError, match="unknown version 'corected' of the checkers; one of: current, hir, cor"):
        constraint("punctuation:no_comma", version="corected")
