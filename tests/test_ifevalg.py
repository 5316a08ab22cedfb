"""IF-RLVR's training constraints as a family; what each one checks is in the tests of its module."""

from hindsight_rl.constraints import if_rlvr as ifevalg
from hindsight_rl.constraints.core import checker_class, constraint, ids


def test_there_are_29_beside_ifevals() -> None:
    assert len(ifevalg.IDS) == 29 and set(ids()) >= ifevalg.IDS
    assert not any(checker_class(id).__module__.endswith("ifeval") for id in ifevalg.IDS)


def test_conflicts_are_those_of_the_public_table() -> None:
    assert len(checker_class("copy:copy").conflicts) == 25 + 29 - 1
    assert checker_class("keywords:palindrome").conflicts == {
        "copy:copy",
        "copy:copying_simple",
        "copy:copying_multiple",
        "new:copy_span_idx",
        "detectable_format:constrained_response",
        "detectable_format:json_format",
        "combination:two_responses",
        "combination:repeat_prompt",
    }
    assert "first_word:first_word_answer" in checker_class("first_word:first_word_sent").conflicts
    assert "count:counting_composition" in checker_class("paragraphs:paragraphs").conflicts
    for id in ifevalg.IDS:
        for other in checker_class(id).conflicts & ifevalg.IDS:
            assert id in checker_class(other).conflicts


def test_kwargs_load_as_the_training_rows_write_them() -> None:
    rows = [
        ("paragraphs:paragraphs2", {}),
        ("keywords:no_adjacent_consecutive", None),
        ("first_word:first_word_sent", {"first_word": ["sugar"]}),
        ("keywords:word_count_different_numbers", {"keyword": "pen ", "frequency": 2.0, "relation": "less than"}),
        ("copy:repeat_phrase", {"phrase": "The pen is mightier than sword", "small_n": 2, "N": None}),
    ]
    described = [constraint(id, kwargs).describe() for id, kwargs in rows]
    assert described[2] == "The first word of each sentence should be the word sugar."
    assert described[3] == "In your response, the word pen should appear 2 times."
    assert "exactly 2 times" in described[4]
