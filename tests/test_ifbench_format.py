"""IFBench's formats where they are not what one would guess, and where the versions differ."""

import time

import pytest

from hindsight_rl.constraints.core import constraint


def holds(id: str, response: str, version: str = "current", **kwargs: object) -> bool:
    return constraint(f"format:{id}", kwargs, version=version).check(response)


@pytest.mark.parametrize(
    ("id", "satisfies", "violates"),
    [
        ("emoji", "Tea 🍵. 😀 Milk ❤️!", "Tea 🍵. Milk"),
        ("parentheses", "([{((x)", "([{(x)}]) ( ] ((x)"),
        ("quotes", "'a \"b 'c' b\" a'", "\"a 'b' a\""),
        ("newline", "Tea\n- and -\n\nmilk", "Tea and\nmilk"),
        ("line_indent", "a\n\n b\n  c", "a\n b\n b"),
        ("quote_unquote", '"Tea" is hot 7', '"Tea" "milk" are'),
        ("thesis", "<i>Tea</i> is", "<i> </i> is"),
        ("thesis", "so <em>Tea</em> is", "Tea</i> is"),
        ("sub-bullets", "no bullets", "* a - b * c"),
        ("no_bullets_bullets", "One. Two.\n\n* a\n* b", "One. Two.\n\n\n* a\n* b"),
        ("no_bullets_bullets", "One.\nTwo.\n* a\n  * b", "One. Two.\n* a\n* b\n"),
        ("output_template", "My Answer: My Conclusion: Future Outlook:", "My Answer:"),
        ("no_whitespace", "tea", "tea\u00a0milk"),
    ],
)
def test_verdicts(id: str, satisfies: str, violates: str) -> None:
    assert holds(id, satisfies) and not holds(id, violates)


def test_curly_quotes_count_in_the_earlier_version_only() -> None:
    assert holds("quote_unquote", "It is “tea”") and not holds("quote_unquote", "It is “tea”", "hir")
    assert holds("quote_unquote", "12.") and not holds("quote_unquote", "12.", "hir")


def test_small_letters_by_themselves_break_title_case_now() -> None:
    assert holds("title_case", "I Own A Radio, eReader, USA")
    assert not holds("title_case", "Such a Day") and holds("title_case", "Such a Day", "hir")


def test_lettered_options_are_exact() -> None:
    lettered = {"options": "a), b), c), d)"}
    assert holds("options", "a)", **lettered) and not holds("options", "a", **lettered)
    assert holds("options", " YES!", options="yes/no/maybe")
    assert holds("options", "I don't know.", options="I know or I don't know")


def test_blank_lines_are_passed_over_as_in_the_reference() -> None:
    # Of two blank lines in a row the second stays: it has no indent.
    assert not holds("line_indent", "a\n\n\n b")
    assert holds("line_indent", "\na\n\n b\n")


def test_blank_lines_by_the_thousand_take_linear_time() -> None:
    started = time.process_time()
    holds("line_indent", " \n" * 200_000)
    holds("newline", "\n" * 400_000)
    assert time.process_time() - started < 2
