"""The semantic reward against the events that texts truly mean."""

import json

import numpy as np
import pytest

from hindsight_rl.agent.envs.craftax.captions import CANONICAL, CLASSIC_EVENTS
from hindsight_rl.agent.envs.craftax.phrases import LANGUAGE
from hindsight_rl.agent.envs.events import Event, event_index, fulfilling
from hindsight_rl.agent.instructions.clauses import InstructionError
from hindsight_rl.agent.instructions.language import NOTHING, Language
from hindsight_rl.agent.reward import precision
from hindsight_rl.agent.reward.calibration import best_global, fit_reading
from hindsight_rl.agent.reward.precision import _roc
from hindsight_rl.agent.reward.semantic import SemanticReward
from hindsight_rl.cli import main

INDEX = event_index(CLASSIC_EVENTS)
FULFILS = np.array(fulfilling(CLASSIC_EVENTS))


def cells(reward, texts, owners):
    truth = FULFILS[:, owners]
    fired = reward.table(texts)
    return (fired & truth).sum() / fired.sum(), (fired & truth).sum() / truth.sum()


def test_every_canonical_instruction_fires_on_its_event_and_on_no_other(real_reward):
    table = real_reward.table(CANONICAL)
    assert table.shape == (44, 22) and table.dtype == bool
    np.testing.assert_array_equal(table, FULFILS[:, :22])


def test_precision_and_recall_on_held_out_paraphrases(real_reward):
    precision, recall = cells(real_reward, *LANGUAGE.labelled("heldout", CLASSIC_EVENTS))
    assert precision >= 0.95 and recall >= 0.85


def test_the_paraphrases_that_agents_train_on_are_never_false(real_reward):
    texts, owners = LANGUAGE.labelled("train", CLASSIC_EVENTS)
    precision, recall = cells(real_reward, texts, owners)
    assert precision >= 0.99 and recall >= 0.95


def test_calibration_beats_the_global_threshold(real_reward, real_encoder):
    texts, owners = LANGUAGE.labelled("heldout", CLASSIC_EVENTS)
    paper = SemanticReward.fit(real_encoder, CLASSIC_EVENTS, LANGUAGE, mode="global")
    for mine, theirs in zip(cells(real_reward, texts, owners), cells(paper, texts, owners), strict=True):
        assert mine > theirs
    np.testing.assert_array_equal(paper.table(texts), (paper.cosines(texts) >= paper.delta).T)


def test_unrelated_texts_fire_on_nothing(real_reward):
    assert real_reward.table(LANGUAGE.phrases(NOTHING, "heldout")).any(axis=0).mean() <= 0.1


def test_affinity_is_a_distribution_that_peaks_at_the_meant_event(real_reward):
    texts, owners = LANGUAGE.labelled("heldout", CLASSIC_EVENTS)
    affinity = real_reward.affinity(texts)
    assert affinity.shape == (len(texts), 44) and affinity.dtype == np.float32
    np.testing.assert_allclose(affinity.sum(1), 1.0, atol=1e-5)
    assert (affinity.argmax(1) == owners).mean() >= 0.9
    flatter = real_reward.affinity(texts, temperature=5 * real_reward.reading.temperature)
    assert flatter.max(1).mean() < affinity.max(1).mean()


def test_the_special_event_fulfils_the_general_instruction_but_not_the_reverse(real_reward):
    general, special = real_reward.table(["place a stone", "build a stone bridge over the water"]).T
    assert general[INDEX["place_stone"]] and general[INDEX["bridge_water"]]
    assert special[INDEX["bridge_water"]] and not special[INDEX["place_stone"]]


def test_blanks_punctuation_and_politeness_change_nothing(real_reward):
    vectors = real_reward.embed(["collect wood", "  collect   wood. ", "Please collect wood!"])
    assert np.ptp(vectors, axis=0).max() < 1e-5
    assert real_reward.table([]).shape == (44, 0)


@pytest.mark.parametrize("text", ["fly to the moon", "open the door", "asdf qwer"])
def test_what_no_event_resembles_is_refused_with_the_nearest(real_reward, text):
    with pytest.raises(
        InstructionError, match=r"no event .* resembles it \(nearest by cosine: \w+ -?\d\.\d\d"
    ) as caught:
        real_reward.check(text)
    assert "\n" not in str(caught.value)


def test_check_returns_the_goals(real_reward):
    assert real_reward.check("collect wood, then place a table").goals == ("collect wood", "place a table")
    with pytest.raises(InstructionError, match="fly to the moon"):
        real_reward.check("collect wood, then fly to the moon")


def test_what_could_mean_several_events_is_asked_back(real_reward):
    with pytest.raises(InstructionError, match=r"it may mean make_\w+_pickaxe or make_\w+_pickaxe"):
        real_reward.check("make a pickaxe")


def test_nearest_is_sorted(real_reward):
    near = real_reward.nearest("collect wood", k=5)
    assert near[0][0] == "collect_wood" and len(near) == 5
    assert [cosine for _, cosine in near] == sorted((cosine for _, cosine in near), reverse=True)
    assert real_reward.meaning("collect wood") == "collect_wood" and real_reward.meaning("open the door") is None


def test_fitting_is_deterministic_and_never_sees_held_out(real_encoder, monkeypatch):
    asked = []
    labelled = LANGUAGE.labelled
    monkeypatch.setattr(
        Language, "labelled", lambda self, split, events: asked.append(split) or labelled(split, events)
    )
    first, second = (
        SemanticReward.fit(real_encoder, CLASSIC_EVENTS, LANGUAGE),
        SemanticReward.fit(real_encoder, CLASSIC_EVENTS, LANGUAGE),
    )
    np.testing.assert_array_equal(first.reading.weights, second.reading.weights)
    assert first.delta == second.delta and "heldout" not in asked


def test_a_vocabulary_without_phrases_stands_on_its_captions(real_encoder):
    events = (
        Event("milk_goat", ("milked a goat",)),
        Event("light_torch", ("lit a torch", "set a torch alight")),
    )
    reward = SemanticReward.fit(real_encoder, events, Language())
    assert reward.meaning("milk the goat") == "milk_goat" and reward.meaning("light a torch") == "light_torch"
    assert SemanticReward.fit(real_encoder, events, Language(), mode="global").table(["milk a goat"]).shape == (2, 1)


def test_bad_settings_are_told(real_encoder):
    with pytest.raises(InstructionError, match="one of calibrated, global"):
        SemanticReward.fit(real_encoder, CLASSIC_EVENTS, LANGUAGE, mode="cosine")  # type: ignore[arg-type]
    with pytest.raises(InstructionError, match="between 0 and 1"):
        SemanticReward.fit(real_encoder, CLASSIC_EVENTS, LANGUAGE, delta=1.5)


def test_the_map_separates_what_is_separate():
    rng = np.random.default_rng(0)
    centres = np.eye(12)[:6]
    labels = np.repeat(np.arange(6), 20)
    vectors = centres[labels] + 0.05 * rng.standard_normal((120, 12))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    reading = fit_reading(vectors, labels, 6, fixed=6)
    assert (reading.probabilities(vectors).argmax(1) == labels).all()
    assert reading.delta == 0.3 and 0.5 < reading.floor < 1.0


def test_roc_and_best_threshold_by_hand():
    area, curve = _roc(np.array([0.9, 0.8, 0.4]), np.array([0.5, 0.4, 0.1, 0.0]))
    assert area == pytest.approx((4 + 4 + 2.5) / 12, abs=1e-4) and set(curve.values()) == {0.6667}
    truth = np.array([[True, False], [False, True]])
    assert best_global(np.array([[0.8, 0.5], [0.3, 0.7]]), truth) == pytest.approx(0.51)


def test_where_the_result_cannot_be_written_nothing_is_measured(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(precision, "measure", lambda config: measured.append(config) or {})
    monkeypatch.setattr(precision, "show", lambda result, verbose: None)
    measured, blocked = [], tmp_path / "file"
    blocked.write_text("")
    for out in (blocked / "x.json", tmp_path):
        assert main(["agent", "reward", "--out", str(out)]) == 2
        assert f"cannot write {out}" in capsys.readouterr().err
    assert measured == []
    assert main(["agent", "reward", "--out", str(tmp_path / "new" / "x.json")]) == 0
    assert "command" in json.loads((tmp_path / "new" / "x.json").read_text())


def test_the_command_writes_what_it_prints(tmp_path, capsys, real_encoder):
    out = tmp_path / "reward.json"
    assert main(["agent", "reward", "--out", str(out)]) == 0
    result = json.loads(out.read_text())
    assert result["encoder"] == real_encoder.id and result["command"].startswith("hindsight agent reward")
    assert result["modes"]["calibrated"]["sets"]["heldout"]["precision"] >= 0.95
    assert "calibrated, delta" in capsys.readouterr().out
    assert len(CLASSIC_EVENTS) == result["events"]
