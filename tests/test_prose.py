"""Numbers, scopes and quotes in constraint prose."""

import pytest

from hindsight_rl.constraints.muldimif.prose import bounds, quoted, scope


@pytest.mark.parametrize(
    ("text", "noun", "expected"),
    [
        ("at least 3 words", "words?", (3, None)),
        ("no more than twelve words", "words?", (None, 12)),
        ("not have more than 3 rows", "rows?", (None, 3)),
        ("more than 3 rows", "rows?", (4, None)),
        ("between 5 and 9 words and 2 sentences", "sentences?", (2, 2)),
        ("no more than 5 rows and 3 columns", "columns?", (None, 3)),
        ("5 rows or fewer", "rows?", (None, 5)),
        ("limit the number of rows to 4", "rows?", (None, 4)),
        ("10到20个词", "words?", (10, 20)),
        ("十二句", "sentences?", (12, 12)),
        ("as short as can be", "words?", None),
    ],
)
def test_bounds(text: str, noun: str, expected: tuple[int | None, int | None] | None) -> None:
    assert bounds(text, noun) == expected


def test_scope() -> None:
    assert scope("Each name must be short") == "name"
    assert scope("Capitalize each word") == ""
    assert scope("Each entry in the table must be short") == "cell"
    assert scope("Each entry in the table must be short", cells=False) == "row"
    assert scope("Ten words to ensure the clarity of each part") == ""


def test_quoted() -> None:
    assert quoted("'a's b', \"c.\" and “d” 'U.S.A.' 'a's b'") == ["a's b", "c", "d", "U.S.A."]
