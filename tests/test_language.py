"""Languages: the evident ones, langdetect's answers for the others, always the same answer."""

import pytest

from hindsight_rl.constraints.text.language import language
from hindsight_rl.constraints.text.profiles import _grams, _posterior, _profiles


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("The boat lay still on the water, and the people of the village were asleep.", "en"),
        ("Das Boot lag still auf dem Wasser und die Menschen in dem Dorf haben geschlafen, aber nicht er.", "de"),
        ("배는 물 위에 조용히 떠 있었고 마을 사람들은 모두 잠들어 있었습니다.", "ko"),
        ("今天天气很好，我们一起去公园散步吧。中国的经济发展很快，人民的生活水平不断提高。", "zh-cn"),
        ("", ""),
        ("12 + 3 = 15", ""),
        ("etchings", "de"),  # as the published verdicts have it
    ],
)
def test_language(text, code):
    assert language(text) == code


def test_short_and_mixed_texts_are_answered_as_langdetect_does_under_seed_0(shared_data):
    import json

    import langdetect

    langdetect.DetectorFactory.seed = 0
    lines = (shared_data / "ifbench/responses_qwen25_7b.jsonl").read_text(encoding="utf-8").splitlines()
    texts = [" ".join(json.loads(line)["response"].split()[2:6]) for line in lines[:60]]
    texts = [text for text in texts if any(map(str.isalpha, text))]
    assert [language(text) for text in texts] == [langdetect.detect(text) for text in texts]


def test_trials_that_are_left_out_do_not_change_the_answer():
    profiles = _profiles("latin")
    rows = profiles.word_lang_prob_map
    for text in ("etchings", "seaside elegance", "Guten Abend", "le chat", "un gato no", "tea", "nave luna", "wa na"):
        grams = [gram for word in text.split() for gram in _grams(word, True) if gram in rows]
        early, whole = _posterior(grams, rows), _posterior(grams, rows, whole=True)
        assert early.index(max(early)) == whole.index(max(whole))
        assert max(early) > 0.1
        assert sum(whole) == pytest.approx(1.0)


def test_the_table_holds_what_some_profile_holds():
    rows = _profiles("latin").word_lang_prob_map
    assert "the" in rows and "☃" not in rows
    assert rows.found(["the", "☃", "qqq"]) >= {"the"} and "☃" not in rows.found([])
    assert len(rows["the"]) == len(_profiles("latin").langlist) and max(rows["the"]) > 0
