"""Instructions: goals, their order and number, and what is forbidden."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hindsight_rl.agent.envs.craftax.captions import CANONICAL, CLASSIC_EVENTS
from hindsight_rl.agent.envs.craftax.phrases import LANGUAGE
from hindsight_rl.agent.envs.events import Event
from hindsight_rl.agent.instructions.clauses import InstructionError
from hindsight_rl.agent.instructions.language import Language
from hindsight_rl.agent.instructions.parser import MAX_CHARACTERS, join, parse
from hindsight_rl.agent.reward.semantic import SemanticReward

FITTED = [
    (text, event.name)
    for event in CLASSIC_EVENTS
    if not event.harmful
    for split in ("train", "calibration")
    for text in LANGUAGE.phrases(event.name, split)
]
PAIRS = (
    ("{} and {}", False),
    ("{}, {}", False),
    ("{}; {}", False),
    ("{} as well as {}", False),
    ("{} plus {}", False),
    ("{} & {}", False),
    ("{} and also {}", False),
    ("both {} and {}", False),
    ("you should {} and {}, in any order", False),
    ("{}, then {}", True),
    ("{} and then {}", True),
    ("first {}, then {}", True),
    ("{}. {}.", True),
    ("{} -> {}", True),
    ("{}, and finally {}!", True),
    ("{} before you {}", True),
    ("after you {}, {}", True),
    ("once you {}, {}", True),
)
TRIPLES = (
    ("{}, {} and {}", False),
    ("{}, {}, and {}", False),
    ("{} and {} and {}", False),
    ("please {}; also {}; {}", False),
    ("{}, then {}, then {}", True),
    ("first {}, then {} and then {}", True),
    ("{}. After that, {}. Finally, {}.", True),
    ("after you {}, {}, then {}", True),
)
ORDERED = [
    ("collect wood, then place a table", ("collect wood", "place a table")),
    ("Collect wood. Then place a table.", ("Collect wood", "place a table")),
    (
        "first collect wood, then place a table and then make a wood sword",
        ("collect wood", "place a table", "make a wood sword"),
    ),
    (
        "collect wood; then, place a table; finally make a wood sword!",
        ("collect wood", "place a table", "make a wood sword"),
    ),
    ("after collecting wood, place a table", ("collect wood", "place a table")),
    ("after you have placed a table, make a wood sword", ("place a table", "make a wood sword")),
    ("once you have eaten a cow, drink water", ("eat a cow", "drink water")),
    ("place a table after collecting wood", ("collect wood", "place a table")),
    ("place a table before making a wood sword", ("place a table", "make a wood sword")),
    ("before making a wood sword, place a table", ("place a table", "make a wood sword")),
    ("drink water and afterwards eat a cow", ("drink water", "eat a cow")),
    ("collect wood -> place a table", ("collect wood", "place a table")),
    ("find coal, then mine it", ("find coal", "collect coal")),
    ("hit a cow followed by eating it", ("hit a cow", "eat a cow")),
]
UNORDERED = [
    ("drink water and eat a cow", ("drink water", "eat a cow")),
    ("both drink water and plant a sapling", ("drink water", "plant a sapling")),
    ("eat a cow as well as defeat a zombie", ("eat a cow", "defeat a zombie")),
    ("collect wood, place a table and make a wood sword", ("collect wood", "place a table", "make a wood sword")),
    ("collect wood, place a table, and make a wood sword", ("collect wood", "place a table", "make a wood sword")),
    ("kill a cow and eat it and set up a workbench", ("kill a cow and eat it", "set up a workbench")),
    ("collect wood, stone and coal", ("collect wood", "collect stone", "collect coal")),
    ("defeat a zombie and a skeleton", ("defeat a zombie", "defeat a skeleton")),
]
ONE = [
    ("collect wood", "collect_wood"),
    ("hit the cow and eat it", "eat_cow"),
    ("kill the cow and have its meat", "eat_cow"),
    ("fight a zombie and win", "defeat_zombie"),
    ("search and destroy a zombie", "defeat_zombie"),
    ("move next to a tree", "reach_tree"),
    ("place a table next to water", "place_table_by_water"),
    ("obtain a young tree to plant later", "collect_sapling"),
    ("get up after sleeping", "wake_up"),
    ("drink after becoming parched", "drink_when_thirsty"),
    ("drink as soon as you feel thirsty", "drink_when_thirsty"),
    ("do something about your hunger", "eat_when_hungry"),
    ("get hold of the sapling in the field", "collect_sapling"),
    ("spot a gem in the rock", "find_diamond"),
    ("discover some coal", "find_coal"),
    ("hack away at the rock until you hold a stone", "collect_stone"),
    ("put the cobblestone back", "place_stone"),
    ("stand at a tree", "reach_tree"),
]
# By others: from the issue, and what a stranger might type.
OTHERS = [
    ("Plant a tree and eliminate a zombie.", "place_plant defeat_zombie", ""),
    ("plant a tree", "place_plant", ""),
    ("place a sapling", "place_plant", ""),
    ("place a shrub", "place_plant", ""),
    ("Awake first, collect some timber and lastly place a boulder.", "wake_up collect_wood place_stone", ""),
    ("Find some iron ore, craft a wooden pickaxe and drink", "collect_iron make_wood_pickaxe collect_drink", ""),
    ("During your game, ensure you have gathered both timber and rocks.", "collect_wood collect_stone", ""),
    ("Assemble logs then defeat a living dead.", "collect_wood defeat_zombie", ""),
    ("take on a zombie", "defeat_zombie", ""),
    (
        "Procure some iron resources, build a wooden tool called pickaxe and eat beef",
        "collect_iron make_wood_pickaxe eat_cow",
        "",
    ),
    ("collect wood but do not make an iron pickaxe", "collect_wood", "make_iron_pickaxe"),
    ("eat a cow without drinking", "eat_cow", "collect_drink"),
    ("collect 3 wood", "collect_wood*3", ""),
    ("drink twice", "collect_drink*2", ""),
    ("Eat a cow, not a plant.", "eat_cow", "eat_plant"),
    ("Consume some greens but a cow must not be eaten.", "eat_plant", "eat_cow"),
    ("Never craft an iron sword; a stone sword must be obtained.", "make_stone_sword", "make_iron_sword"),
    ("Make a stone pickaxe and use it to mine coal.", "make_stone_pickaxe collect_coal", ""),
    ("Collect a rock and put it back on the ground.", "collect_stone place_stone", ""),
    ("gather wood; never forgetting to sip water", "collect_wood collect_drink", ""),
    # A stranger's.
    ("yo grab some logs n stuff", "", "stuff"),
    ("pls chop 2 trees and smack that ghoul to death", "", "smack"),
    ("get me three diamonds", "collect_diamond*3", ""),
    ("kill two zombies, then sleep", "defeat_zombie*2 fall_asleep", ""),
    ("I want a stone pickaxe and a stone sword", "make_stone_pickaxe make_stone_sword", ""),
    ("could you plop down a workbench for me, mate?", "place_table", ""),
    ("Thou shalt slay the skeleton, yet harm no zombie.", "defeat_skeleton", "hit_zombie defeat_zombie"),
    ("don't drink or eat a cow, but collect wood", "collect_wood", "collect_drink eat_cow"),
    ("build a furnace, but never ever place a stone", "place_furnace", "place_stone"),
    ("avoid zombies and collect coal", "collect_coal", "defeat_zombie"),
    ("mine some coal w/o dying", "collect_coal", "die"),
    ("wood/stone", "", "wood / stone|wood/stone"),
    ("make wood and stone pickaxes", "make_wood_pickaxe make_stone_pickaxe", ""),
    ("collect wood until it is night", "", "until"),
    ("collect wood or stone", "", "choice"),
    ("eat exactly 2 cows", "", "exactly"),
    ("collect lots of wood", "", "how many"),
    ("drink 50 times", "", "50 times"),
    ("make a pickaxe", "", "Pickaxe|pickaxe"),
    ("only eat plants", "", "only"),
    ("you may drink", "", "open"),
    ("fly to the moon and collect wood", "", "fly to the moon"),
    ("drink, but don't drink", "", "asked for and forbidden"),
    ("do not not drink", "", "two negations"),
    ("don't forget to drink", "collect_drink", ""),
    ("no zombies", "", "only forbids"),
    ("survive", "", "survive"),
    ("kill something", "", "does not say of what"),
    ("do anything but sleep", "", "anything but"),
    ("die", "", "harms"),
    ("get hurt and collect wood", "", "harms"),
    ("do not drink and eat a cow", "", "forbidden too"),
    ("place a stone next to a tree", "", "next to a tree"),
    ("befriend a zombie", "", "befriend"),
    ("let the zombie kill you", "", "zombie kill you"),
    ("forget about wood", "", "leaves it open"),
    ("defeat all zombies", "", "all"),
    ("craft an iron pickaxe with iron and coal", "", "coal"),
    ("feed the cow", "", "feed"),
    ("spurn drinking and collect wood", "collect_wood", "collect_drink"),
    ("wibble from drinking and collect wood", "", "wibble"),
    # Verbs in two parts, tools that are there, states, and what stands before "until".
    ("pick two saplings up, then plant them", "collect_sapling*2 place_plant", ""),
    ("take a zombie down but don't take a skeleton down", "defeat_zombie", "defeat_skeleton"),
    ("cut two trees down, but leave the cow alone", "collect_wood*2", "eat_cow"),
    ("give the cow a kick twice", "hit_cow*2", ""),
    ("do not give the zombie a punch, but eat a plant", "eat_plant", "hit_zombie defeat_zombie"),
    ("put the zombie to death, then go straight back to the table", "defeat_zombie return_to_table", ""),
    ("collect 3 stone with your pickaxe", "collect_stone*3", ""),
    ("use the pickaxe to mine two diamonds, then eat a cow", "collect_diamond*2 eat_cow", ""),
    ("mine coal with the pickaxe, but do not make an iron pickaxe", "collect_coal", "make_iron_pickaxe"),
    ("slay a zombie with your iron sword", "make_iron_sword defeat_zombie", ""),
    ("slay a zombie with the sword", "", "slay a zombie with the sword"),
    ("make a pickaxe, a wooden one, and a sword, a stone one", "make_wood_pickaxe make_stone_sword", ""),
    ("turn your wood into a table, without placing a stone", "place_table", "place_stone"),
    ("forge the best sword, made of iron", "make_iron_sword", ""),
    ("eat a fully grown sapling without killing a cow", "eat_plant", "eat_cow"),
    ("if you are thirsty, drink, but do not eat a cow", "drink_when_thirsty", "eat_cow"),
    ("collect wood, and if you are hungry, eat", "collect_wood eat_when_hungry", ""),
    ("wait until you are hungry, then eat", "eat_when_hungry", ""),
    ("mine until you have 5 stones", "collect_stone*5", ""),
    ("have two naps and no drink", "fall_asleep*2", "collect_drink"),
    ("kill the cow, then eat it", "eat_cow", ""),
    ("go and get wood", "collect_wood", ""),
    ("if you are thirsty, collect wood", "", "thirsty collect wood"),
    ("eat a cow when you are hungry", "", "when"),
    ("never drink unless you are thirsty", "", "unless"),
    ("collect wood until you have a sword", "", "until"),
    ("sleep until you have collected wood", "", "until"),
    ("let your health drop", "", "harms"),
    ("make a wooden shield", "", "shield"),
    ("watch the zombie", "", "watch the zombie"),
    ("turn the furnace off", "", "turn the furnace off"),
]


def read(text, reward):
    parsed = parse(text, reward)
    times = zip(parsed.events, parsed.times, strict=True)
    return " ".join(e if n == 1 else f"{e}*{n}" for e, n in times), " ".join(parsed.avoid)


@pytest.mark.parametrize(("text", "events", "avoid"), OTHERS)
def test_what_others_write_is_understood_as_a_whole_or_not_at_all(text, events, avoid, real_reward):
    if events:
        assert read(text, real_reward) == (events, avoid)
    else:
        with pytest.raises(InstructionError, match=avoid) as caught:
            parse(text, real_reward)
        assert "\n" not in str(caught.value) and str(caught.value).startswith(f"instruction '{text}'")


STRANGERS = (
    # text, events in their order, how often each, what is forbidden; an order that the text gives
    ("place a table, but collect wood first", "collect_wood place_table", (1, 1), "", True),
    ("drink, but not before eating a cow", "eat_cow collect_drink", (1, 1), "", True),
    ("drink; before doing so eat a cow", "eat_cow collect_drink", (1, 1), "", True),
    ("drink, but collect wood before that", "collect_wood collect_drink", (1, 1), "", True),
    ("drink and sleep afterwards", "collect_drink fall_asleep", (1, 1), "", True),
    ("1. drink 2. eat a cow 3. sleep", "collect_drink eat_cow fall_asleep", (1, 1, 1), "", True),
    ("To do: 1) collect wood 2) place a table", "collect_wood place_table", (1, 1), "", True),
    ("Step 1: collect wood. Step 2: place a table.", "collect_wood place_table", (1, 1), "", True),
    ("place a table and a stone", "place_table place_stone", (1, 1), "", False),
    ("see coal and iron", "find_coal find_iron", (1, 1), "", False),
    ("drink but do not place a table or stone", "collect_drink", (1,), "place_table place_stone", False),
    ("collect wood, 3 times", "collect_wood", (3,), "", False),
    ("collect wood (twice)", "collect_wood", (2,), "", False),
    ("three times: collect wood", "collect_wood", (3,), "", False),
    ("wood: 3, stone: 2", "collect_wood collect_stone", (3, 2), "", False),
    ("collect 3+ wood", "collect_wood", (3,), "", False),
    ("refuse to drink and collect wood", "collect_wood", (1,), "collect_drink", False),
    ("drinking is bad, sleep", "fall_asleep", (1,), "collect_drink", False),
    ("don`t drink; sleep", "fall_asleep", (1,), "collect_drink", False),
    ("don't be afraid to drink, then eat a cow", "collect_drink eat_cow", (1, 1), "", True),
    ("mine stone with the iron pickaxe", "collect_stone", (1,), "", False),
    ("use the iron pickaxe to mine stone", "collect_stone", (1,), "", False),
)


@pytest.mark.parametrize(("text", "events", "times", "avoid", "ordered"), STRANGERS)
def test_what_a_stranger_types(text, events, times, avoid, ordered, real_reward):
    parsed = parse(text, real_reward)
    assert " ".join(parsed.events) == events and parsed.times == times
    assert (" ".join(parsed.avoid), parsed.ordered) == (avoid, ordered)


@pytest.mark.parametrize(
    ("text", "clause"),
    [
        ("drink last, sleep first", "drink last"),
        ("sleep first, then drink, but collect wood before that", "collect wood"),
        ("collect wood, but do not approach a cow or a zombie", "a zombie"),
        ("do not harm anyone and collect wood", "harm anyone"),
        ("do not go and drink, but sleep", "drink"),
        ("collect 3 (three) wood", "collect"),
        ("collect wood and drink, all three times", "all three times"),
        ("collect wood four or five times", "five times"),
        ("gather twenty wood", "twenty"),
        ("collect a dozen wood", "dozen"),
        ("drink for 5 minutes", "minutes"),
        ("collect -2 wood", "-2"),
        ("hate water, eat a cow", "water"),
        ("go away from water", "water"),
        ("not until you have collected wood place a table", "until"),
    ],
)
def test_what_cannot_be_followed_is_refused_by_its_clause(text, clause, real_reward):
    with pytest.raises(InstructionError, match=f"^instruction .*: .*{clause}"):
        parse(text, real_reward)


@pytest.mark.parametrize(("text", "goals"), ORDERED)
def test_order_is_kept(text, goals, real_reward):
    parsed = parse(text, real_reward)
    assert parsed.goals == goals and parsed.ordered and parsed.text == text


@pytest.mark.parametrize(("text", "goals"), UNORDERED)
def test_no_order_where_none_is_said(text, goals, real_reward):
    parsed = parse(text, real_reward)
    assert parsed.goals == goals and not parsed.ordered


@pytest.mark.parametrize(("text", "event"), ONE)
def test_one_goal_stays_one(text, event, real_reward):
    parsed = parse(text, real_reward)
    assert parsed.events == (event,) and not parsed.ordered


def test_every_known_phrasing_is_one_goal(real_reward):
    for text, event in FITTED:
        parsed = parse(text, real_reward)
        assert parsed.events == (event,) and parsed.times == (1,) and not parsed.avoid, text


def test_the_reward_fires_for_each_goal_of_a_known_phrasing(real_reward):
    names = [event.name for event in CLASSIC_EVENTS]
    for text, event in FITTED:
        assert real_reward.table(parse(text, real_reward).goals)[names.index(event), 0], text


def composed(pattern, chosen, reward):
    parsed = parse(pattern.format(*(text for text, _ in chosen)), reward)
    return parsed.events, parsed.ordered, parsed.avoid, set(parsed.times)


def different(chosen):
    return len({event for _, event in chosen}) == len(chosen)


@settings(max_examples=1000, deadline=None, derandomize=True)
@given(st.lists(st.sampled_from(FITTED), min_size=2, max_size=2).filter(different), st.sampled_from(PAIRS))
def test_pairs_of_phrasings_are_read_as_exactly_their_events(real_reward, chosen, how):
    pattern, ordered = how
    assert composed(pattern, chosen, real_reward) == (tuple(event for _, event in chosen), ordered, (), {1})


@settings(max_examples=600, deadline=None, derandomize=True)
@given(st.lists(st.sampled_from(FITTED), min_size=3, max_size=3).filter(different), st.sampled_from(TRIPLES))
def test_triples_of_phrasings_are_read_as_exactly_their_events(real_reward, chosen, how):
    pattern, ordered = how
    assert composed(pattern, chosen, real_reward) == (tuple(event for _, event in chosen), ordered, (), {1})


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    st.lists(st.sampled_from(FITTED), min_size=2, max_size=2).filter(different),
    st.sampled_from(("{}, but do not {}", "{} but never {}", "do not {}, but {}", "{}. Don't {}.")),
)
def test_a_forbidden_phrasing_is_forbidden_and_the_other_one_is_asked_for(real_reward, chosen, pattern):
    (first, asked), (second, forbidden) = chosen
    if pattern.startswith("do not"):
        first, second = second, first
    more = LANGUAGE.forbids.get(forbidden)
    if asked == more:
        return
    parsed = parse(pattern.format(first, second), real_reward)
    assert parsed.events == (asked,) and parsed.avoid == ((forbidden, more) if more else (forbidden,))


@pytest.mark.parametrize(
    ("text", "events"),
    [
        ("after you find a diamond, kill a cow and eat it", ("find_diamond", "eat_cow")),
        ("once you finish off a zombie, drink", ("defeat_zombie", "collect_drink")),
        ("put a rock down before you see the sun go down", ("place_stone", "see_night_fall")),
    ],
)
def test_words_without_meaning_take_no_verb_from_a_known_phrasing(text, events, real_reward):
    parsed = parse(text, real_reward)
    assert parsed.events == events and parsed.ordered


def test_every_pair_of_canonical_instructions(real_reward):
    for a, b in itertools.permutations(CANONICAL, 2):
        for pattern, ordered in (("{} and {}", False), ("both {} and {}", False), ("{}, then {}", True)):
            parsed = parse(pattern.format(a, b), real_reward)
            assert (parsed.goals, parsed.ordered) == ((a, b), ordered)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.lists(st.sampled_from(CANONICAL), min_size=1, max_size=4, unique=True), st.booleans())
def test_joining_and_parsing_are_inverse(real_reward, goals, ordered):
    parsed = parse(join(tuple(goals), ordered), real_reward)
    assert parsed.goals == tuple(goals) and parsed.ordered == (ordered and len(goals) > 1)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.text(max_size=40))
def test_any_text_is_understood_or_an_error_says_why(real_reward, text):
    try:
        parsed = parse(text, real_reward)
    except InstructionError as error:
        assert str(error).startswith("instruction")
        return
    assert 1 <= len(parsed.goals) <= 4


WORDS = (
    "not",
    "and",
    "drink",
    "wood",
    "3",
    ",",
    "then",
    "after",
    "collect",
    "no",
    "or",
    "it",
    "zombie",
    ".",
    "but",
    "a",
)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.lists(st.sampled_from(WORDS), max_size=9))
def test_any_order_of_words_of_the_grammar_is_understood_or_an_error_says_why(real_reward, words):
    try:
        parsed = parse(" ".join(words), real_reward)
    except InstructionError as error:
        assert str(error).startswith("instruction")
        return
    assert parsed.events and not set(parsed.events) & set(parsed.avoid)


def test_too_many_goals(real_reward):
    with pytest.raises(InstructionError, match="5 goals, at most 4"):
        parse("drink water, eat a cow, plant a sapling, collect wood, collect stone", real_reward)


@pytest.mark.parametrize(
    ("text", "error"), [("", "empty"), (" \n", "empty"), ("wood " * MAX_CHARACTERS, "at most 400")]
)
def test_empty_and_endless_texts(text, error, real_reward):
    with pytest.raises(InstructionError, match=error):
        parse(text, real_reward)


EVENTS = (
    Event("open_red", ("opened the red door",)),
    Event("open_blue", ("opened the blue door",)),
    Event("push_ball", ("pushed the ball", "kicked the ball")),
    Event("reach_goal", ("reached the goal",)),
)


@pytest.fixture(scope="module")
def captions_only(real_encoder):
    return SemanticReward.fit(real_encoder, EVENTS, Language())


@pytest.mark.parametrize(
    ("text", "events", "avoid"),
    [
        ("push the ball and open the red door", "push_ball open_red", ""),
        ("open the blue door, then reach the goal", "open_blue reach_goal", ""),
        ("push the ball twice but do not open the red door", "push_ball*2", "open_red"),
        ("kick the ball", "push_ball", ""),
    ],
)
def test_captions_are_enough_for_an_environment(captions_only, text, events, avoid):
    assert read(text, captions_only) == (events, avoid)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("push the ball and eat a cow", "eat a cow"),
        ("close the red door", "close the red door"),
        ("push the red ball", "push the red ball"),
        ("open the door", "open the door"),
    ],
)
def test_what_captions_do_not_know_is_an_error_that_names_it(captions_only, text, error):
    with pytest.raises(InstructionError, match=error):
        parse(text, captions_only)
