"""The short ways to declare a constraint."""

import pytest

from hindsight_rl.constraints import core as base
from hindsight_rl.constraints.core import ConstraintError, checker, constraint
from hindsight_rl.constraints.declare import Letter, Word, count, fixed


@pytest.fixture(autouse=True)
def registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "_REGISTRY", dict(base._REGISTRY))


def test_fixed_takes_no_kwargs_and_keeps_braces() -> None:
    fixed("test:braces", "Use {braces}.")(lambda text: "{" in text.raw)
    made = constraint("test:braces", {})
    assert made.describe() == "Use {braces}." and made.check("{") and not made.check("(")
    assert made.achieved("{") == {} and made.achieved("(") is None
    with pytest.raises(ConstraintError, match="takes no kwarg 'N'"):
        constraint("test:braces", {"N": 1})


def test_words_are_trimmed_and_unwrapped() -> None:
    checker("test:word", Word("word"), Letter("letter"), count("N"), wording="{word} {letter} {N}")(
        lambda text, word, letter, N: True
    )
    made = constraint("test:word", {"word": [" tea "], "letter": "a", "N": 2.0})
    assert made.kwargs == {"word": "tea", "letter": "a", "N": 2}
    for wrong in ({"word": ""}, {"word": ["a", "b"]}, {"letter": " "}, {"letter": "ab"}, {"N": -1}):
        with pytest.raises(ConstraintError, match="it must be"):
            constraint("test:word", {"word": "tea", "letter": "a", "N": 2} | wrong)
