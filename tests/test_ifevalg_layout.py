"""Verdicts of IF-RLVR's constraints on copying and layout, where they are not what one would guess."""

import time

from hindsight_rl.constraints.core import constraint

REQUEST = "Name three rivers of Peru."


def holds(id: str, response: str, **kwargs: object) -> bool:
    return constraint(id, kwargs).check(response)


def test_copies_may_differ_in_case_and_outer_white_space() -> None:
    for id in ("copy:copy", "copy:copying_simple"):
        assert holds(id, "\n" + REQUEST.upper() + " ", prompt_to_repeat=REQUEST)
        assert not holds(id, REQUEST + ".", prompt_to_repeat=REQUEST)
    twice = f"{REQUEST} ****** {REQUEST}"
    assert holds("copy:copying_multiple", twice, prompt_to_repeat=REQUEST, N=2)
    assert not holds("copy:copying_multiple", twice, prompt_to_repeat=REQUEST, N=3)


def test_a_span_leaves_out_its_last_index() -> None:
    span = {"prompt_to_repeat": REQUEST, "n_start": 5, "n_end": 10}
    assert holds("new:copy_span_idx", "three", **span)
    assert not holds("new:copy_span_idx", "three r", **span)


def test_a_phrase_changes_in_one_word_each_time() -> None:
    phrase = {"phrase": "Time flies so fast", "small_n": 2}
    assert holds("copy:repeat_phrase", "Time crawls so fast. Time flies too fast", **phrase)
    assert not holds("copy:repeat_phrase", "Time crawls so fast. Time flies so fast", **phrase)
    assert not holds("copy:repeat_phrase", "Time crawls too fast. Time flies too fast", **phrase)
    assert not holds("copy:repeat_phrase", "Time crawls so\nfast. Time flies too fast", **phrase)


def test_a_phrase_is_looked_for_in_linear_time() -> None:
    started = time.process_time()
    assert not holds("copy:repeat_phrase", "Time " * 200_000, phrase="Time flies so fast", small_n=2)
    assert time.process_time() - started < 1


def test_hyphens_between_sentences() -> None:
    assert holds("detectable_format:sentence_hyphens", "It rains.It pours.") is False
    assert holds("detectable_format:sentence_hyphens", "It rains.-It pours.")
    assert not holds("detectable_format:sentence_hyphens", "It rains. - It pours.")


def test_brackets() -> None:
    assert holds("detectable_format:square_brackets", "[It] [rains.]")
    assert not holds("detectable_format:square_brackets", "[It] [rains].")
    assert holds("detectable_format:bigram_wrapping", "<<It rains>> today")
    assert not holds("detectable_format:bigram_wrapping", "<<It rains>> all day")


def test_two_paragraphs_with_blank_ones_at_the_ends_only() -> None:
    assert holds("paragraphs:paragraphs", "***\nOne\n***\nTwo\n***")
    assert not holds("paragraphs:paragraphs", "One***\n \n***Two")
    assert holds("paragraphs:paragraphs2", "\n\nOne\n\nTwo")
    assert not holds("paragraphs:paragraphs2", "One\n\n\n\nTwo")


def test_a_composition_has_three_parts_of_equal_sentences() -> None:
    part = "It rains. It pours!"
    kwargs = {"n_sent": 2, "n_words": 3}
    assert holds("count:counting_composition", "***".join([part] * 3), **kwargs)
    assert not holds("count:counting_composition", "* * *".join([part] * 3), **kwargs)
    assert not holds("count:counting_composition", "***".join([part, part, "It rains."]), **kwargs)


def test_marks() -> None:
    assert not holds("punctuation:punctuation_dot", "3.5")
    assert not holds("punctuation:punctuation_exclamation", "a != b")
