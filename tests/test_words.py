"""Words: marks belong to their letter, literal words stand by themselves."""

import time

import pytest

from hindsight_rl.constraints.core import constraint
from hindsight_rl.constraints.text.readings import is_word
from hindsight_rl.constraints.text.response import Text
from hindsight_rl.constraints.text.words import standing


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("नमस्ते दुनिया कैसे हैं", ["नमस्ते", "दुनिया", "कैसे", "हैं"]),
        ("مُحَمَّدٌ رَسُولٌ", ["مُحَمَّدٌ", "رَسُولٌ"]),
        ("שָׁלוֹם עוֹלָם", ["שָׁלוֹם", "עוֹלָם"]),
        ("cafe\u0301 re\u0301sume\u0301", ["cafe\u0301", "re\u0301sume\u0301"]),
        ("می\u200cخواهم", ["می\u200cخواهم"]),
        ("don't 3.5 a_b", ["don", "t", "3", "5", "a_b"]),  # IFEval's words, as ever
        ("1\ufe0f\u20e32\ufe0f\u20e3 \u2764\ufe0f", ["1", "2"]),  # an emoji's marks make no word
        ("", []),
    ],
)
def test_marks_belong_to_their_letter(text, words):
    assert Text(text).words == words


@pytest.mark.parametrize(
    ("word", "text", "found"),
    [
        ("C++", "I like C++ and Rust.", True),
        ("Ph.D.", "She has a Ph.D. in history", True),
        ("\U0001f600", "good\U0001f600", True),
        ("C#", "I write c#.", True),
        ("C#", "I write xC#.", False),
        ("cat", "concatenate", False),
        ("cat", "A Cat!", True),
        ("ह", "कैसे हैं", False),  # a letter without its vowel sign is not the word
        ("हैं", "कैसे हैं।", True),
        ("love", "\u2764\ufe0flove", True),
    ],
)
def test_a_border_is_asked_for_beside_letters_and_digits_only(word, text, found):
    assert (standing(word, text) is not None) is found
    assert constraint("keywords:forbidden_words", {"forbidden_words": [word]}).check(text) is not found
    assert constraint("sentence:keyword", {"word": word, "N": 1}).check(text) is found


def test_a_last_word_may_end_in_a_vowel_sign():
    assert is_word("हिन्दी")
    assert constraint("last_word:last_word_answer", {"last_word": "हिन्दी"}).check("भाषा है हिन्दी।")


def test_words_take_linear_time():
    started = time.process_time()
    for part in ("a\u0301", "\u0301", "क्", "\u200d"):
        assert Text(part * 300_000).words is not None
        assert standing("क", part * 300_000) is None
    assert time.process_time() - started < 5
