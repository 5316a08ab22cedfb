"""The library: text to tables."""

import json

import numpy as np
import pytest

from hindsight_rl.agent.envs.craftax.captions import CANONICAL, CLASSIC_EVENTS
from hindsight_rl.agent.envs.events import event_index
from hindsight_rl.agent.instructions.library import Library, condition

INDEX = event_index(CLASSIC_EVENTS)


@pytest.fixture
def library(real_reward) -> Library:
    return Library(real_reward, CLASSIC_EVENTS, max_goals=8, max_instructions=10)


def chances(library: Library) -> np.ndarray:
    return np.full(library.max_instructions, 1 / library.max_instructions, np.float32)


def test_columns_are_the_semantic_reward(library: Library, real_reward) -> None:
    library.add("collect wood", ["collect wood"], [INDEX["collect_wood"]], False)
    library.add("drink water", ["drink water"], [INDEX["collect_drink"]], False)
    tables = library.tables(chances(library))
    np.testing.assert_array_equal(np.asarray(tables.fires)[:2], real_reward.table(["collect wood", "drink water"]).T)
    assert not np.asarray(tables.fires)[2:].any()
    np.testing.assert_allclose(
        np.asarray(tables.condition)[:2], condition(real_reward, ["collect wood", "drink water"]), atol=1e-6
    )


def test_the_oracle_is_paid_for_true_events_alone(real_reward) -> None:
    oracle = Library(real_reward, CLASSIC_EVENTS, true_reward=True)
    oracle.add("drink water", ["drink water"], [INDEX["collect_drink"]], False)
    paid = np.flatnonzero(np.asarray(oracle.tables(chances(oracle)).fires)[0])
    assert {CLASSIC_EVENTS[i].name for i in paid} == {"collect_drink", "drink_when_thirsty"}


def test_compositions_share_goals_with_single_instructions(library: Library) -> None:
    wood, table = INDEX["collect_wood"], INDEX["place_table"]
    single = library.add("collect wood", ["collect wood"], [wood], False)
    both = library.add("collect wood, then place a table", ["collect wood", "place a table"], [wood, table], True)
    assert (single, both) == (0, 1) and library.goals == ["collect wood", "place a table"]
    tables = library.tables(chances(library))
    assert np.asarray(tables.goals)[:2].tolist() == [[0, -1, -1], [0, 1, -1]]
    assert np.asarray(tables.ordered)[:2].tolist() == [False, True]
    assert library.add("collect wood", ["collect wood"], [wood], False) == single


def test_counts_and_what_is_forbidden_stand_in_the_tables(library: Library, real_reward) -> None:
    wood, drink = INDEX["collect_wood"], INDEX["collect_drink"]
    plain = library.add("collect wood", ["collect wood"], [wood], False)
    text = "collect 3 wood, but do not drink"
    strict = library.add(text, ["collect wood"], [wood], False, (3,), {"drink water": drink})
    tables = library.tables(chances(library))
    assert np.asarray(tables.times)[[plain, strict]].tolist() == [[1, 0, 0], [3, 0, 0]]
    assert np.asarray(tables.avoid)[[plain, strict]].tolist() == [[-1] * 3, [1, -1, -1]]
    forbidden = np.asarray(tables.forbidden)
    assert not forbidden[plain].any()
    np.testing.assert_array_equal(forbidden[strict], real_reward.table(["drink water"])[:, 0])
    again = Library(real_reward, CLASSIC_EVENTS, max_goals=8, max_instructions=10)
    again.restore(json.loads(json.dumps(library.state())))
    for name in ("times", "avoid", "forbidden", "goals"):
        np.testing.assert_array_equal(getattr(again.tables(chances(again)), name), getattr(tables, name))
    assert library.add("x", ["x"], [wood], False, (), dict.fromkeys("abcd", drink)) is None


def test_a_full_library_says_no_and_stays_whole(library: Library) -> None:
    for i, text in enumerate(CANONICAL[:8]):
        assert library.add(text, [text], [i], False) == i
    assert library.add(CANONICAL[8], [CANONICAL[8]], [8], False) is None
    assert len(library.goals) == len(library.instructions) == 8
    assert library.add("too many", list(CANONICAL[:4]), [0, 1, 2, 3], False) is None


def test_every_event_weighs_alike_whatever_its_phrasings(library: Library) -> None:
    for text in ("collect wood", "chop down a tree", "get some wood"):
        library.add(text, [text], [INDEX["collect_wood"]], False)
    library.add("drink water", ["drink water"], [INDEX["collect_drink"]], False)
    weights = library.hindsight_weights(favour_rare=0.0)
    assert weights[:3].sum() == pytest.approx(weights[3]) and (weights[4:] == 0).all()


def test_rare_events_weigh_more(library: Library) -> None:
    library.add("collect wood", ["collect wood"], [INDEX["collect_wood"]], False)
    library.add("drink water", ["drink water"], [INDEX["collect_drink"]], False)
    counts = np.zeros(len(CLASSIC_EVENTS))
    counts[INDEX["collect_wood"]] = 1000
    library.observe(counts)
    rarity = library.rarity()
    assert rarity[INDEX["collect_wood"]] == 0 and rarity[INDEX["collect_drink"]] == 1
    weights = library.hindsight_weights(favour_rare=1.0)
    assert weights[1] == pytest.approx(2 * weights[0])


@pytest.mark.parametrize("parts", ["both", "affinity", "embedding"])
def test_parts_of_the_condition(real_reward, parts: str) -> None:
    rows = condition(real_reward, ["collect wood"], parts)
    affinity, embedding = rows[:, : len(CLASSIC_EVENTS)], rows[:, len(CLASSIC_EVENTS) :]
    assert (np.abs(affinity).sum() > 0) == (parts != "embedding")
    assert (np.abs(embedding).sum() > 0) == (parts != "affinity")


def test_state_survives_json(library: Library, real_reward) -> None:
    library.add("collect wood, then drink water", ["collect wood", "drink water"], [0, 4], True)
    library.observe(np.arange(len(CLASSIC_EVENTS)))
    again = Library(real_reward, CLASSIC_EVENTS, max_goals=8, max_instructions=10)
    again.restore(json.loads(json.dumps(library.state())))
    ours, theirs = library.tables(chances(library), 1.0), again.tables(chances(again), 1.0)
    for name in ("condition", "fires", "hindsight", "goals", "ordered"):
        np.testing.assert_array_equal(np.asarray(getattr(ours, name)), np.asarray(getattr(theirs, name)))
