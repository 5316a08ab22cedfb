"""Spoiled relabelers: as wrong as was asked for, known to be, and caught by verification."""

import json

import numpy as np
import pytest

from hindsight_rl.agent.envs.craftax.captions import CLASSIC_EVENTS
from hindsight_rl.agent.envs.craftax.phrases import LANGUAGE
from hindsight_rl.agent.envs.events import event_index
from hindsight_rl.agent.relabeling.noise import NoiseRules, NoisyRelabeler
from hindsight_rl.agent.relabeling.relabeler import RelabelSource, TemplateRelabeler, verify
from hindsight_rl.errors import HindsightError

INDEX = event_index(CLASSIC_EVENTS)
RARITY = np.full(len(CLASSIC_EVENTS), 0.5)


def walk() -> np.ndarray:
    events = np.zeros((40, len(CLASSIC_EVENTS)), bool)
    for step, name in ((2, "collect_wood"), (9, "place_table"), (20, "eat_cow"), (30, "collect_drink")):
        events[step, INDEX[name]] = True
    return events


def proposals(reward, rate: float, kind: str, n: int = 150):
    noisy = NoisyRelabeler(NoiseRules(rate, kind), reward, seed=3)
    noisy.at(0, TemplateRelabeler(CLASSIC_EVENTS, LANGUAGE), RARITY)
    rng = np.random.default_rng(0)
    return [relabel for _ in range(n) for relabel in noisy.propose(walk(), 4, rng)]


@pytest.mark.parametrize("kind", ["hallucinated", "confused"])
def test_as_many_are_wrong_as_was_asked_for_and_verification_finds_them(real_reward, kind) -> None:
    found = proposals(real_reward, 0.3, kind)
    wrong = [relabel for relabel in found if relabel.wrong]
    assert len(wrong) / len(found) == pytest.approx(0.3, abs=0.05)
    caught = [verify(relabel, walk(), real_reward) is not None for relabel in wrong]
    kept = [verify(relabel, walk(), real_reward) is None for relabel in found if not relabel.wrong]
    assert np.mean(caught) > 0.95 and np.mean(kept) > 0.9


def test_a_confused_relabel_is_nearer_to_the_truth_than_an_invented_one(real_reward) -> None:
    def nearness(kind: str) -> float:
        wrong = [each for each in proposals(real_reward, 1.0, kind) if len(each.goals) == 1]
        said = real_reward.embed([each.goals[0] for each in wrong])
        true = real_reward.embed([CLASSIC_EVENTS[INDEX[each.evidence[0][1]]].captions[0] for each in wrong])
        return float((said * true).sum(1).mean())

    assert nearness("confused") > nearness("hallucinated") + 0.1


def test_missed_proposals_are_dropped(real_reward) -> None:
    clean, missed = proposals(real_reward, 0.0, "missed"), proposals(real_reward, 0.4, "missed")
    assert len(missed) / len(clean) == pytest.approx(0.6, abs=0.06)
    assert not any(each.wrong for each in missed)


def test_training_randomness_is_left_alone_and_noise_goes_on_after_a_restart(real_reward) -> None:
    noisy = NoisyRelabeler(NoiseRules(0.5), real_reward, seed=1)
    assert isinstance(noisy, RelabelSource)
    noisy.at(0, TemplateRelabeler(CLASSIC_EVENTS, LANGUAGE), RARITY)
    with_noise, without = np.random.default_rng(0), np.random.default_rng(0)
    noisy.propose(walk(), 4, with_noise), TemplateRelabeler(CLASSIC_EVENTS, LANGUAGE).propose(walk(), 4, without)
    assert with_noise.bit_generator.state == without.bit_generator.state
    state = json.loads(json.dumps(noisy.state()))
    expected = noisy.propose(walk(), 4, np.random.default_rng(5))
    other = NoisyRelabeler(NoiseRules(0.5), real_reward, seed=9)
    other.at(0, TemplateRelabeler(CLASSIC_EVENTS, LANGUAGE), RARITY)
    other.restore(state)
    assert other.propose(walk(), 4, np.random.default_rng(5)) == expected


@pytest.mark.parametrize("rules", [NoiseRules(1.5), NoiseRules(-0.1), NoiseRules(0.1, "odd")])
def test_bad_noise_is_refused(real_reward, rules) -> None:
    with pytest.raises(HindsightError, match=r"--noise\."):
        NoisyRelabeler(rules, real_reward)
