"""IFEval: equal to the published verdicts; kwargs checked; hostile responses answered in time."""

import json
import time

import pytest

from hindsight_rl.constraints.core import ConstraintError, constraint, ids
from hindsight_rl.constraints.ifeval import CONFLICTS, IDS
from hindsight_rl.constraints.text.sentences import use_splitter
from hindsight_rl.constraints.verdicts import both

# Random in the reference: language detection, and the frequency of "#" and "!".
RANDOM = {(3653, 0), (3456, 1), (1122, 1), (1129, 0)}


def _rows(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("splitter", ["punkt", "native"])
def test_equals_the_published_verdicts(shared_data, monkeypatch, splitter):
    monkeypatch.setenv("NLTK_DATA", str(shared_data / "nltk_data"))
    use_splitter(splitter)
    try:
        folder = shared_data / "ifeval"
        responses = {row["prompt"]: row["response"] for row in _rows(folder / "responses_qwen25_7b.jsonl")}
        differ, scores = [], [0, 0, 0, 0]
        for row, wanted in zip(
            _rows(folder / "prompts.jsonl"), _rows(folder / "verdicts_qwen25_7b.jsonl"), strict=True
        ):
            asked = [constraint(*pair) for pair in zip(row["instruction_id_list"], row["kwargs"], strict=True)]
            strict, loose = both(asked, responses[row["prompt"]])
            for at, found in enumerate(zip(strict, loose, strict=True)):
                if found != (wanted["strict"][at], wanted["loose"][at]) and (row["key"], at) not in RANDOM:
                    differ.append((row["key"], at, asked[at]))
            for at, found in enumerate((strict, loose)):
                scores[2 * at] += all(found)
                scores[2 * at + 1] += sum(found)
        assert differ == []
        assert scores == [394, 666, 404, 679]
    finally:
        use_splitter("auto")


def test_all_ids_are_there_and_conflicts_are_mutual():
    assert len(IDS) == 25 and set(IDS) <= set(ids())
    assert all(a in CONFLICTS[b] for a in IDS for b in CONFLICTS[a])
    assert "change_case:english_lowercase" in constraint("change_case:english_capital").conflicts


@pytest.mark.parametrize(
    ("id", "kwargs", "said"),
    [
        ("length_constraints:number_words", {"num_words": 5}, "needs the kwarg 'relation': one of 'less than'"),
        ("length_constraints:number_words", {"num_words": 5, "relation": "more"}, "'at least'"),
        ("length_constraints:number_words", {"num_words": 5, "relation": "at least", "n": 1}, "no kwarg 'n'"),
        ("keywords:letter_frequency", {"letter": "ab", "let_relation": "at least", "let_frequency": 1}, "one char"),
        ("language:response_language", {"language": "tlh"}, "one of 'en'"),
        ("keywords:existance", {}, "did you mean keywords:existence"),
    ],
)
def test_wrong_kwargs_and_ids_name_the_place_and_the_mend(id, kwargs, said):
    with pytest.raises(ConstraintError, match=said) as error:
        constraint(id, kwargs, where="prompts.jsonl:7")
    assert str(error.value).startswith("prompts.jsonl:7: ")


def test_keywords_are_literal_and_frequencies_count_the_symbol():
    assert not constraint("keywords:existence", {"keywords": ["a.c"]}).check("abc")
    assert constraint("keywords:existence", {"keywords": ["c++"]}).check("I like C++.")
    hashes = {"letter": "#", "let_relation": "at least", "let_frequency": 2}
    assert constraint("keywords:letter_frequency", hashes).check("# and #")


def test_the_hir_version_differs_where_it_is_said_to():
    answer, chinese = "detectable_format:constrained_response", "language:response_language"
    assert not constraint(answer).check("我的答案是可能")
    assert constraint(answer, version="hir").check("我的答案是可能")
    traditional = "臺灣的經濟發展與國際貿易關係密切。政府將繼續推動科技產業。學校裡的學生們正在學習歷史與語言。"
    assert constraint(chinese, {"language": "zh"}).check(traditional)
    assert not constraint(chinese, {"language": "zh"}, version="hir").check(traditional)


@pytest.mark.parametrize(
    "response",
    [
        *(character * 1_000_000 for character in "<[\n*a.!"),
        " " * 1_000_000 + "*",
        "'\"" * 500_000,
        "A. " * 300_000,
        "\ud800" * 100_000,
        "\x00\x1b[" * 300_000,
    ],
    ids=lambda text: repr(text[:4]),
)
def test_a_megabyte_is_answered_in_bounded_time(response):
    kwargs = {
        "keywords:existence": {"keywords": ["aa", "bb"]},
        "keywords:frequency": {"keyword": "aa", "relation": "at least", "frequency": 3},
        "keywords:forbidden_words": {"forbidden_words": ["aa"]},
        "keywords:letter_frequency": {"letter": "a", "let_relation": "at least", "let_frequency": 3},
        "language:response_language": {"language": "en"},
        "length_constraints:number_sentences": {"relation": "at least", "num_sentences": 3},
        "length_constraints:number_paragraphs": {"num_paragraphs": 3},
        "length_constraints:number_words": {"relation": "at least", "num_words": 3},
        "length_constraints:nth_paragraph_first_word": {
            "num_paragraphs": 3,
            "nth_paragraph": 2,
            "first_word": "so",
        },
        "detectable_content:number_placeholders": {"num_placeholders": 3},
        "detectable_content:postscript": {"postscript_marker": "P.P.S"},
        "detectable_format:number_bullet_lists": {"num_bullets": 3},
        "detectable_format:number_highlighted_sections": {"num_highlights": 3},
        "detectable_format:multiple_sections": {"section_spliter": "(a+)+", "num_sections": 3},
        "combination:repeat_prompt": {"prompt_to_repeat": "so"},
        "startend:end_checker": {"end_phrase": "so"},
        "change_case:capital_word_frequency": {"capital_relation": "at least", "capital_frequency": 3},
    }
    for id in IDS:
        asked = constraint(id, kwargs.get(id))
        start = time.process_time()
        asked.check(response)
        assert time.process_time() - start < 5, id


def test_deeply_nested_json_is_not_json():
    assert not constraint("detectable_format:json_format").check("[" * 200_000 + "]" * 200_000)


def test_achieved_names_what_the_response_fulfils():
    response = "One [a] two.\n* three\n* FOUR"
    assert constraint("punctuation:no_comma").achieved(response) is None
    for id, kwargs in (
        ("length_constraints:number_words", {"relation": "at least", "num_words": 9}),
        ("detectable_format:number_bullet_lists", {"num_bullets": 9}),
    ):
        asked = constraint(id, kwargs)
        found = asked.achieved(response)
        assert found and asked.at(found).check(response)
