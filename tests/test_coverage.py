"""Coverage of instructions by text and by meaning."""

import json

import numpy as np

from hindsight_rl.agent.evaluation.coverage import Coverage


def test_texts_and_clusters_are_counted_apart(real_reward) -> None:
    coverage = Coverage()
    for text in ("collect wood", "collect some wood", "collect wood", "drink water"):
        coverage.add(text, real_reward.embed([text])[0])
    assert coverage.counts() == {"unique_instructions": 3, "clusters": 2}


def test_a_known_text_is_not_news() -> None:
    coverage = Coverage()
    assert coverage.add("a", np.array([1.0, 0.0])) and not coverage.add("a", np.array([0.0, 1.0]))


def test_state_survives_json_empty_or_not() -> None:
    for texts in ([], ["a", "b"]):
        coverage = Coverage()
        for i, text in enumerate(texts):
            coverage.add(text, np.eye(3)[i] * 0.3)
        again = Coverage()
        again.restore(json.loads(json.dumps(coverage.state())))
        assert again.counts() == coverage.counts()
        assert again.add("c", np.eye(3)[0]) and again.counts()["clusters"] == max(len(texts), 1)
