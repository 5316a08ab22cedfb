"""MulDimIF's constraints on responses that tell apart what they count."""

import time
from typing import Any

import pytest

from hindsight_rl.constraints.core import ConstraintError, constraint


def check(id: str, response: str, **kwargs: Any) -> bool:
    return constraint(f"muldimif:{id}", kwargs).check(response)


def test_the_dataset_wording_is_the_description() -> None:
    worded = constraint("muldimif:length:words", {"high": 50, "text": "At most 50 words"})
    assert worded.describe() == "At most 50 words"
    assert constraint("muldimif:length:words", {"high": 50}).describe() == (
        "The response must contain at most 50 words."
    )
    scoped = constraint("muldimif:length:words", {"low": 2, "high": 2, "scope": "cell"})
    assert scoped.describe() == "Each cell must contain exactly 2 words."


def test_words_are_not_punctuation_and_han_characters_are_words() -> None:
    assert check("length:words", "# A title - with **two** marks", low=5, high=5)
    assert check("length:words", "我爱北京 very much", low=6, high=6)


def test_bounds_have_to_be_given_and_in_order() -> None:
    with pytest.raises(ConstraintError, match="needs one of 'low', 'high'"):
        constraint("muldimif:length:words", {})
    with pytest.raises(ConstraintError, match="'low' is above 'high'"):
        constraint("muldimif:length:words", {"low": 5, "high": 2}, "rows.jsonl:3")


def test_scope_asks_every_part_and_needs_one() -> None:
    table = "| Name | What |\n|---|---|\n| Ann | a long story |\n| Bo | b |"
    assert check("length:words", table, high=1, scope="name")
    assert not check("length:words", table, high=1, scope="cell")
    assert check("length:words", "1. one two\n2. three", high=2, scope="item")
    assert not check("length:words", "1. one two three\n2. three", high=2, scope="item")
    assert not check("length:words", "no cell here", high=99, scope="cell")
    assert check("content:keywords", "# A\nred\n# B\nRed too", keywords=["red"], scope="section")
    assert not check("content:keywords", "# A\nred\n# B\nblue", keywords=["red"], scope="section")


def test_keywords_are_whole_words_in_any_case() -> None:
    assert check("content:keywords", "MACHINE\nlearning", keywords=["machine learning"])
    assert check("content:keywords", "many fruits", keywords=["fruit"])
    assert not check("content:keywords", "he said so", keywords=["AI"])
    assert check("content:keywords", "我喜歡代表大會", keywords=["代表"])
    assert check("content:keywords", "C++ it is", keywords=["c++"])
    assert not check("content:keywords", "a combat", keywords=["combat"], times=2)
    assert check("content:keywords", "one", keywords=["one", "two"], any=True)
    assert not check("content:keywords", "one, dormant", keywords=["one"], forbidden=["dormant"])
    with pytest.raises(ConstraintError, match="needs 'keywords' or 'forbidden'"):
        constraint("muldimif:content:keywords", {})


def test_the_end_is_looked_for_behind_quotes_and_decoration() -> None:
    assert check("content:ending", 'He said "**yes.**"\n', marks=["."])
    assert check("content:ending", "好。", marks=["."])
    assert not check("content:ending", "yes!", marks=["."])
    assert not check("content:ending", "", marks=["."])
    assert check("content:ending", "Is it? It is.", marks=[".", "?"], scope="sentence")
    with pytest.raises(ConstraintError, match="the mark '~' is not one of"):
        constraint("muldimif:content:ending", {"marks": ["~"]})


@pytest.mark.parametrize(
    ("case", "response", "verdict"),
    [
        ("capitalized", 'It Is 3rd-Rate: "Quoted" (And Bracketed)', True),
        ("capitalized", "It Is (not) So", False),
        ("capitalized", "", False),
        ("uppercase", "ÉCOLE 4 ALL", True),
        ("uppercase", "123", True),
        ("lowercase", "iPhone", False),
    ],
)
def test_case(case: str, response: str, verdict: bool) -> None:
    assert check("language:case", response, case=case) is verdict


def test_case_of_json_keys_and_headings_only() -> None:
    assert check("language:case", 'So: {"Name": "ann", "Kids": [{"Age": 2}]}', case="capitalized", scope="key")
    assert not check("language:case", '{"Name": {"age": 2}}', case="capitalized", scope="key")
    assert check("language:case", "# LOUD\nquiet", case="uppercase", scope="heading")


def test_chinese_scripts() -> None:
    assert check("language:chinese", "我们（we）这样写", script="simplified")
    assert not check("language:chinese", "我們這樣寫", script="simplified")
    assert check("language:chinese", "你好", script="traditional")  # the same in both scripts
    assert not check("language:chinese", "Mostly English here with one 字 in it")


def test_tables() -> None:
    two = "| A | B |\n|---|---|\n| 1 | 2 |\n| 3 | 4 |"
    assert check("format:table", two, rows_low=2, rows_high=2, columns_high=2, header=["a"])
    assert not check("format:table", two, rows_high=1)
    assert not check("format:table", two, columns_high=3, header=["Price"])
    assert not check("format:table", "none", rows_high=1)
    assert check("format:table", "none", rows_high=1, required=False)
    # every table has to fit
    assert not check("format:table", f"{two}\n\n{two}\n| 5 | 6 |", rows_high=2)


def test_json_and_xml() -> None:
    assert check("format:json_nesting", '```json\n{"a": {"b": [1]}}\n```', low=3, high=3)
    assert not check("format:json_nesting", "{not json}", low=1)
    assert check("format:xml_attributes", "<a x='1' y=\"2\"><b/></a>", high=2)
    assert check("format:xml_attributes", "<a x='1' y=\"2\"><b z='3'/></a>", low=3, high=3, each=False)
    assert check("format:xml_attributes", "none", high=2, required=False)


def test_headings() -> None:
    assert check("format:heading", "## The *Overview* ##\n", level=2, title="overview")
    assert not check("format:heading", "```\n# comment\n```", level=1)
    assert check("format:heading_levels", "# a\n## b", levels=["1", "2"])
    assert not check("format:heading_levels", "# a\n### b", deepest=2)
    with pytest.raises(ConstraintError, match="the level '7' is not one of"):
        constraint("muldimif:format:heading_levels", {"levels": ["7"]})


HOSTILE = {
    "open tag": "<a" + "b" * 1_000_000,
    "attributes": "<a " + "a" * 500_000 + '="' * 100_000 + ">",
    "braces": "{[" * 500_000,
    "nested": "[" * 1_000 + "]" * 1_000,
    "quotes": '{"a": "' * 150_000,
    "hashes": "#" * 1_000_000,
    "pipes": "|" * 1_000_000,
    "rows": "| a | b |\n" * 100_000,
    "newlines": "\n " * 500_000,
    "bullets": "- a\n  - b\n" * 100_000,
    "fences": "```\n" * 250_000,
    "han": "这" * 300_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_megabyte_is_answered_in_bounded_time(name: str) -> None:
    response = HOSTILE[name]
    for id, kwargs in [
        ("length:words", {"high": 5}),
        ("length:paragraphs", {"high": 5}),
        ("content:keywords", {"keywords": ["a b", "c"], "scope": "entry"}),
        ("content:ending", {"marks": ["."], "scope": "section"}),
        ("language:case", {"case": "capitalized", "scope": "key"}),
        ("language:chinese", {"script": "simplified"}),
        ("format:heading_levels", {"low": 2}),
        ("format:table", {"rows_high": 2}),
        ("format:entries", {"high": 2}),
        ("format:json_nesting", {"low": 2}),
        ("format:xml_attributes", {"low": 2}),
    ]:
        start = time.process_time()
        check(id, response, **kwargs)
        assert time.process_time() - start < 10, id  # a second at most; what is not linear takes minutes
