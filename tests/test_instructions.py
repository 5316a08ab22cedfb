"""The composition parser."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hindsight_rl.agent.envs.craftax.captions import CANONICAL, CLASSIC_EVENTS
from hindsight_rl.agent.envs.craftax.phrases import LANGUAGE
from hindsight_rl.agent.instructions.parser import join, parse
from hindsight_rl.agent.reward.semantic import InstructionError

ORDERED = [
    ("collect wood, then place a table", ("collect wood", "place a table")),
    ("Collect wood. Then place a table.", ("Collect wood", "place a table")),
    (
        "first collect wood, then place a table and then make a sword",
        ("collect wood", "place a table", "make a sword"),
    ),
    (
        "collect wood; then, place a table; finally make a sword!",
        ("collect wood", "place a table", "make a sword"),
    ),
    ("after collecting wood, place a table", ("collect wood", "place a table")),
    ("after you have placed a table, make a sword", ("place a table", "make a sword")),
    ("once you have eaten a cow, drink water", ("eat a cow", "drink water")),
    ("place a table after collecting wood", ("collect wood", "place a table")),
    ("place a table before making a sword", ("place a table", "make a sword")),
    ("before making a sword, place a table", ("place a table", "make a sword")),
    ("drink water and afterwards eat a cow", ("drink water", "eat a cow")),
    ("collect wood -> place a table", ("collect wood", "place a table")),
    ("find coal, then mine it", ("find coal", "mine coal")),
    ("hit a cow followed by eating it", ("hit a cow", "eat a cow")),
]
UNORDERED = [
    ("drink water and eat a cow", ("drink water", "eat a cow")),
    ("both drink water and plant a sapling", ("drink water", "plant a sapling")),
    ("eat a cow as well as defeat a zombie", ("eat a cow", "defeat a zombie")),
    ("collect wood, place a table and make a sword", ("collect wood", "place a table", "make a sword")),
    ("collect wood, place a table, and make a sword", ("collect wood", "place a table", "make a sword")),
    ("eat a cow and drink", ("eat a cow", "drink")),
    ("kill a cow and eat it and set up a workbench", ("kill a cow and eat it", "set up a workbench")),
]
SINGLE = [
    "collect wood",
    "hit the cow and eat it",
    "kill the cow and have its meat",
    "place a stone on the water and cross",
    "go to the lake and drink",
    "move next to a tree",
    "place a table next to water",
    "obtain a young tree to plant later",
    "get up after sleeping",
    "drink after becoming parched",
]


@pytest.mark.parametrize(("text", "goals"), ORDERED)
def test_order_is_kept(text, goals):
    parsed = parse(text)
    assert parsed.goals == goals and parsed.ordered and parsed.text == text


@pytest.mark.parametrize(("text", "goals"), UNORDERED)
def test_no_order_where_none_is_said(text, goals):
    parsed = parse(text)
    assert parsed.goals == goals and not parsed.ordered


@pytest.mark.parametrize("text", SINGLE)
def test_one_goal_stays_one(text):
    parsed = parse(text)
    assert parsed.goals == (text,) and not parsed.ordered


def test_a_shared_verb_is_handed_on_when_the_meaning_fits(real_reward):
    assert parse("collect wood, stone and coal", real_reward).goals == (
        "collect wood",
        "collect stone",
        "collect coal",
    )
    assert parse("defeat a zombie and a skeleton", real_reward).goals == (
        "defeat a zombie",
        "defeat a skeleton",
    )
    assert parse("search and destroy a zombie", real_reward).goals == ("search and destroy a zombie",)


def test_every_known_phrasing_is_one_goal(real_reward):
    for split in ("train", "calibration"):
        for text in LANGUAGE.labelled(split, CLASSIC_EVENTS)[0]:
            assert parse(text, real_reward).goals == (text,), text


def test_every_pair_of_canonical_instructions(real_reward):
    for a, b in itertools.permutations(CANONICAL, 2):
        for pattern, ordered in (("{} and {}", False), ("both {} and {}", False), ("{}, then {}", True)):
            parsed = parse(pattern.format(a, b), real_reward)
            assert (parsed.goals, parsed.ordered) == ((a, b), ordered)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from(CANONICAL), min_size=1, max_size=4, unique=True), st.booleans())
def test_joining_and_parsing_are_inverse(goals, ordered):
    parsed = parse(join(tuple(goals), ordered))
    assert parsed.goals == tuple(goals) and parsed.ordered == (ordered and len(goals) > 1)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=80))
def test_any_text_is_parsed_or_refused(text):
    try:
        parsed = parse(text)
    except InstructionError:
        return
    assert 1 <= len(parsed.goals) <= 4


def test_too_many_goals():
    with pytest.raises(InstructionError, match="5 goals, at most 4"):
        parse("drink water, eat a cow, plant a sapling, collect wood, collect stone")
