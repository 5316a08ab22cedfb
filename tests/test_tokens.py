"""Tokens: equal to NLTK's word_tokenize on published responses."""

import json
import random

import pytest

from hindsight_rl.constraints.text.sentences import sentences, use_splitter
from hindsight_rl.constraints.text.tokens import capitals, repeats, tokens, tokens_in


def test_equal_to_nltk_on_published_responses(shared_data, monkeypatch):
    nltk = pytest.importorskip("nltk")
    monkeypatch.setattr(nltk.data, "path", [str(shared_data / "nltk_data")])
    monkeypatch.setenv("NLTK_DATA", str(shared_data / "nltk_data"))
    use_splitter("punkt")
    try:
        lines = (shared_data / "ifbench/responses_qwen25_7b.jsonl").read_text(encoding="utf-8").splitlines()
        for line in lines:
            text = json.loads(line)["response"]
            wanted = nltk.word_tokenize(text)
            assert tokens(text) == wanted
            assert capitals(text) == sum(map(str.isupper, wanted))
    finally:
        use_splitter("auto")


def test_clitics_and_contractions_come_apart():
    assert tokens("We can't, NASA's gonna.") == ["We", "ca", "n't", ",", "NASA", "'s", "gon", "na", "."]
    assert capitals("NASA's best OR the U.S. one") == 3


def test_repeats_agrees_with_all_the_tokens():
    rng = random.Random(0)
    marks = [
        '"',
        "'",
        "''",
        "`",
        "“",
        "”",
        ".",
        "...",
        ",",
        ":",
        "--",
        "(",
        ")",
        " ",
        "\n",
        "a",
        "I'm",
        "can't",
        "U.S.",
    ]
    for _ in range(2000):
        text = "".join(rng.choices(marks, k=rng.randint(1, 12)))
        found = tokens(text)
        assert tokens_in(sentences(text)) == found
        assert repeats(sentences(text)) == (len(set(found)) < len(found))


def test_repeats_stops_where_a_token_comes_again():
    def split():
        yield "Tea is tea, and tea is hot."
        raise AssertionError("read on")

    assert repeats(split())
