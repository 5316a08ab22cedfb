"""Sentences: equal to NLTK's on its data, close without it."""

import random

import pytest

from hindsight_rl.constraints.text.sentences import native, punkt, splitter_version, use_splitter
from hindsight_rl.errors import HindsightError

PIECES = [*".?!\"')(,;:-*[]}#$’”“»", "...", " ", " ", "\n", "\n\n", "--", "Mr", "U.S", "e.g", "a", "The", "12", "J"]
PIECES += ["hello", "etc", "\xa0", "\u2003", "é", "St", "p.m", "co-op", "``", "No", "1", "3.5"]


def _split(kind, text):
    return [text[start:end] for start, end in kind.spans(text)]


def test_equal_to_nltk_on_random_text(shared_data, monkeypatch):
    nltk = pytest.importorskip("nltk")
    monkeypatch.setattr(nltk.data, "path", [str(shared_data / "nltk_data")])
    ours = punkt(shared_data / "nltk_data/tokenizers/punkt_tab/english")
    rng = random.Random(7)
    for _ in range(5000):
        text = "".join(rng.choice(PIECES) for _ in range(rng.randint(1, 14)))
        assert _split(ours, text) == nltk.sent_tokenize(text), repr(text)


def test_native_knows_titles_initials_and_quotes():
    text = 'Mr. Smith met J. Doe at 5 p.m. on Monday. "Stop!" he said. (It was late.) Why? Nobody knew...'
    assert _split(native(), text) == [
        "Mr. Smith met J. Doe at 5 p.m. on Monday.",
        '"Stop!"',
        "he said.",
        "(It was late.)",
        "Why?",
        "Nobody knew...",
    ]


def test_punkt_without_its_data_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr("hindsight_rl.constraints.text.sentences.nltk_data", lambda relative: None)
    with pytest.raises(HindsightError, match="NLTK_DATA"):
        use_splitter("punkt")
    assert use_splitter("auto").name == "native"
    monkeypatch.undo()
    use_splitter("auto")


def test_the_version_says_which_data_split_the_text(shared_data, monkeypatch, tmp_path):
    monkeypatch.setenv("NLTK_DATA", str(shared_data / "nltk_data"))
    try:
        use_splitter("punkt")
        published = splitter_version()
        assert published == "Punkt as in NLTK 3.10.2 to 3.10.4, punkt_tab 87b74379"
        other = tmp_path / "tokenizers/punkt_tab/english"
        other.mkdir(parents=True)
        for file in (shared_data / "nltk_data/tokenizers/punkt_tab/english").iterdir():
            (other / file.name).write_bytes(file.read_bytes())
        (other / "abbrev_types.txt").write_text("dr\n", encoding="utf-8")
        monkeypatch.setenv("NLTK_DATA", str(tmp_path))
        use_splitter("punkt")
        assert splitter_version() != published
        use_splitter("native")
        assert splitter_version().startswith("native lists of hindsight-rl ")
    finally:
        use_splitter("auto")
