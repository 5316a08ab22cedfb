"""The event vocabulary and its phrases."""

import pytest

from hindsight_rl.agent.envs.craftax.captions import CANONICAL, CLASSIC_EVENTS
from hindsight_rl.agent.envs.craftax.phrases import LANGUAGE
from hindsight_rl.agent.envs.events import event_index, fulfilling
from hindsight_rl.agent.instructions.language import NOTHING, SPLITS

# Written out again: the world's event vector has this order, so a change here is a change of the interface.
ORDER = """collect_wood place_table eat_cow collect_sapling collect_drink make_wood_pickaxe make_wood_sword
place_plant defeat_zombie collect_stone place_stone eat_plant defeat_skeleton make_stone_pickaxe
make_stone_sword wake_up place_furnace collect_coal collect_iron collect_diamond
make_iron_pickaxe make_iron_sword drink_when_thirsty eat_when_hungry fall_asleep take_damage
recover_health hit_zombie hit_cow hit_skeleton reach_tree reach_water reach_cow enter_tunnel
step_on_sand bridge_water place_table_by_water find_coal find_iron find_diamond find_lava
see_night_fall return_to_table die"""


def labelled(split):
    return LANGUAGE.labelled(split, CLASSIC_EVENTS)[0]


def test_the_order_is_the_worlds():
    assert [event.name for event in CLASSIC_EVENTS] == ORDER.split()
    assert [event.achievement for event in CLASSIC_EVENTS] == [*range(22), *[None] * 22]


def test_the_achievements_are_the_games_own():
    constants = pytest.importorskip("craftax.craftax_classic.constants")
    names = [achievement.name.lower() for achievement in constants.Achievement]
    assert names == [event.name for event in CLASSIC_EVENTS[: len(names)]]


def test_implications_name_more_general_events():
    index, table = event_index(CLASSIC_EVENTS), fulfilling(CLASSIC_EVENTS)
    assert {e.name: e.implies for e in CLASSIC_EVENTS if e.implies} == {
        "drink_when_thirsty": ("collect_drink",),
        "bridge_water": ("place_stone",),
        "place_table_by_water": ("place_table",),
    }
    assert table[index["bridge_water"]][index["place_stone"]]
    assert not table[index["place_stone"]][index["bridge_water"]]
    assert sum(map(sum, table)) == len(CLASSIC_EVENTS) + 3


def test_captions_have_no_subject():
    for event in CLASSIC_EVENTS:
        assert event.captions
        for caption in event.captions:
            assert caption.split()[0].lower() not in ("the", "agent", "i", "you", "player", "it"), caption


def test_every_event_has_enough_phrases():
    for event in CLASSIC_EVENTS:
        assert len(LANGUAGE.phrases(event.name, "train")) >= 6, event.name
        assert len(LANGUAGE.phrases(event.name, "calibration")) >= 3, event.name
        assert len(LANGUAGE.phrases(event.name, "heldout")) >= (4 if event.achievement is not None else 2), event.name
    assert all(LANGUAGE.phrases(NOTHING, split) for split in SPLITS)


def test_no_phrase_is_used_twice():
    said = [text.lower() for split in SPLITS for text in (*labelled(split), *LANGUAGE.phrases(NOTHING, split))]
    assert len(set(said)) == len(said)
    assert not {text.lower() for text in CANONICAL} & {text.lower() for split in SPLITS[1:] for text in labelled(split)}
