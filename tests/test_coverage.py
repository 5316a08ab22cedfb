"""Coverage of instructions by text and by meaning."""

import json

import numpy as np

from hindsight_rl.agent.evaluation.coverage import Coverage


def test_texts_and_clusters_are_counted_apart(real_reward) -> None:
    coverage = Coverage(4)
    for text in ("collect wood", "collect some wood", "collect wood", "drink water"):
        coverage.add(text, real_reward.embed([text])[0])
    counts = coverage.counts()
    assert (counts["unique_instructions"], counts["clusters"]) == (3, 2)


def test_events_are_named_and_their_entropy_forgets() -> None:
    coverage = Coverage(4)
    assert coverage.counts()["events_named"] == coverage.counts()["event_entropy"] == 0
    coverage.name([0, 1])
    assert coverage.counts()["events_named"] == 0.5 and coverage.counts()["event_entropy"] == 1.0
    for _ in range(100):
        coverage.next_iteration()
        coverage.name([2])
    counts = coverage.counts()
    assert counts["events_named"] == 0.75 and counts["event_entropy"] < 0.01


def test_a_known_text_is_not_news() -> None:
    coverage = Coverage(4)
    assert coverage.add("a", np.array([1.0, 0.0])) and not coverage.add("a", np.array([0.0, 1.0]))


def test_state_survives_json_empty_or_not() -> None:
    for texts in ([], ["a", "b"]):
        coverage = Coverage(4)
        for i, text in enumerate(texts):
            coverage.add(text, np.eye(3)[i] * 0.3)
            coverage.name([i, 3])
        again = Coverage(4)
        again.restore(json.loads(json.dumps(coverage.state())))
        assert again.counts() == coverage.counts()
        assert again.add("c", np.eye(3)[0]) and again.counts()["clusters"] == max(len(texts), 1)
