"""Markup read off a response."""

from hindsight_rl.constraints.text.response import Text
from hindsight_rl.constraints.text.structure import (
    attributes,
    depth,
    headings,
    items,
    json_values,
    paragraphs,
    prose_lines,
    sections,
    tables,
    units,
)


def test_headings_have_a_space_and_stand_outside_code() -> None:
    text = Text("# One #\n#tag\n   ### Two\n    # code\n```\n# no\n```\n#######\n##")
    assert headings(text) == [(1, "One"), (3, "Two"), (2, "")]


def test_an_open_fence_hides_nothing() -> None:
    assert prose_lines(Text("```\n# a")) == ["```", "# a"]


def test_tables_with_and_without_outer_pipes() -> None:
    first, second = tables(Text("| a | b |\n|:-:|---|\n| 1 | |\ntext | with one pipe\n\na | b | c\n- | - | -\n1|2|3"))
    assert (first.header, first.rows) == (["a", "b"], [["1", ""]])
    assert (second.header, second.rows) == (["a", "b", "c"], [["1", "2", "3"]])


def test_items_are_the_outermost_with_what_belongs_to_them() -> None:
    assert items(Text("Intro\n1. one\n   more\n   - inner\n2) two\nOutro\n- three")) == [
        "one\nmore\n- inner",
        "two",
        "three",
    ]


def test_paragraphs_and_sections() -> None:
    text = Text("# T\nfirst\n\n \n---\n\n## U\n\nsecond\nthird")
    assert paragraphs(text) == ["first", "second\nthird"]
    assert sections(text) == ["first\n\n \n---", "second\nthird"]
    assert sections(Text("a\n\nb")) == ["a", "b"]


def test_json_is_found_whole_fenced_or_embedded() -> None:
    assert json_values(Text(' {"a": 1} ')) == [{"a": 1}]
    assert json_values(Text('x [not] y {"a": [1, {}]} z [2]')) == [{"a": [1, {}]}, [2]]
    assert json_values(Text("[" * 100_000)) == []


def test_depth_and_attributes() -> None:
    assert [depth(value) for value in (1, [], {"a": 1}, {"a": {"b": []}})] == [0, 1, 1, 3]
    assert attributes(Text("""<a x = '1' y="='2'">t</a><b/><1 z="3">""")) == [2, 0]


def test_units_of_a_noun() -> None:
    table = Text("| Term | Meaning |\n|---|---|\n| a | b c |")
    assert units(table, "") == [table.raw]
    assert units(table, "terms") == ["a"]
    assert units(table, "example") == ["a b c"]
    assert units(table, "cell") == ["a", "b c"]
    assert units(Text("- p\n- q"), "example") == ["p", "q"]
    assert units(Text("# H\np\n# I\nq"), "example") == ["p", "q"]
    assert units(Text("One. Two!"), "sentence") == ["One.", "Two!"]
