"""Goals of an episode: their checks, what else an episode achieved, and which replays of it are true."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from hindsight_rl.errors import HindsightError
from hindsight_rl.lm.rooms.episode import MOST_MOVES, Episode
from hindsight_rl.lm.rooms.goals import KINDS, Goal
from hindsight_rl.lm.rooms.house import House
from hindsight_rl.lm.rooms.instructions import Instructions, read_instruction
from hindsight_rl.lm.rooms.replays import DIFFERS, NOTHING, InHouse, SameObservations
from hindsight_rl.replay.config import ReplayConfig
from hindsight_rl.replay.instruction import Achieving, Constraint, Instruction, MaybeVacuous
from hindsight_rl.replay.replayer import Replayed, Replayer
from hindsight_rl.replay.rewriting import rewriter
from hindsight_rl.replay.rollout import Rollout
from hindsight_rl.replay.verification import verify_batch

TEXT = (
    "Doors: hall and kitchen, kitchen and cellar, hall and attic. The box is in the cellar, closed. "
    "The chest is in the hall, open. The coin is in the box. The lamp is in the hall. You are in the hall."
)
HOUSE = House.read(TEXT)
DEFAULTS: dict[str, Any] = {"object": "lamp", "room": "kitchen", "container": "chest", "count": 5}


def played(*actions: str, asked: Instruction | None = None) -> str:
    episode = Episode(HOUSE, asked.constraints if asked else ())  # type: ignore[arg-type]
    for action in actions:
        episode.act(action)
    return episode.transcript()


BROUGHT = ("take lamp", "go kitchen", "put floor")
STORED = ("close chest", "open chest", "take lamp", "put chest", "close chest")


@pytest.mark.parametrize(
    ("kind", "values", "actions", "holds", "achieved", "vacuous"),
    [
        ("bring", {}, BROUGHT, True, {"object": "lamp", "room": "kitchen"}, False),
        ("bring", {"room": "hall"}, (), True, None, True),
        ("bring", {"object": "coin", "room": "attic"}, BROUGHT, False, {"object": "lamp", "room": "kitchen"}, True),
        ("bring", {}, BROUGHT[:2], False, None, True),  # still in the hand
        ("hold", {}, BROUGHT[:1], True, {"object": "lamp"}, False),
        ("hold", {"object": "coin"}, BROUGHT[:1], False, {"object": "lamp"}, False),
        ("hold", {}, BROUGHT, False, None, False),
        ("store", {}, STORED, True, {"object": "lamp", "container": "chest"}, False),
        ("store", {"object": "coin", "container": "box"}, STORED, True, {"object": "lamp", "container": "chest"}, True),
        ("closed", {}, STORED, True, {"container": "chest"}, False),
        ("closed", {"container": "box"}, STORED, True, {"container": "chest"}, True),
        ("open", {}, STORED[:2], True, {"container": "chest"}, False),
        ("open", {}, ("go attic",), True, None, True),
        ("moves", {}, BROUGHT, True, {"count": 3}, False),
        ("moves", {"count": 2}, BROUGHT, False, {"count": 3}, False),
        ("moves", {"count": MOST_MOVES}, BROUGHT, True, {"count": 3}, True),
        ("avoid", {"room": "cellar"}, BROUGHT, True, {"room": "attic"}, False),
        ("avoid", {"room": "cellar"}, BROUGHT[:1], True, None, True),  # the agent went nowhere
        ("avoid", {}, BROUGHT, False, {"room": "attic"}, False),
        ("avoid", {"room": "garden"}, BROUGHT, False, {"room": "cellar"}, False),  # the house has no garden
        ("visit", {}, BROUGHT, True, {"room": "kitchen"}, False),
        ("visit", {"room": "hall"}, BROUGHT, False, {"room": "kitchen"}, False),
        ("stop", {}, BROUGHT, True, {"room": "kitchen"}, False),
        ("stop", {"room": "hall"}, BROUGHT[:1], True, None, True),
    ],
)
def test_checks_achieved_values_and_vacuous_goals(
    kind: str, values: dict[str, Any], actions: tuple[str, ...], holds: bool, achieved: Any, vacuous: bool
) -> None:
    names = [name for name in DEFAULTS if f"{{{name}}}" in KINDS[kind].wording]
    goal = Goal(kind, {name: values.get(name, DEFAULTS[name]) for name in names}, HOUSE)
    assert isinstance(goal, Constraint) and isinstance(goal, Achieving) and isinstance(goal, MaybeVacuous)
    text = played(*actions)
    assert goal.check(text) is holds and goal.vacuous(text) is vacuous
    found = goal.achieved(text)
    if kind == "avoid" and found:  # one of those that fit, always the same
        assert Goal("avoid", found, HOUSE).check(text) and found == goal.achieved(text)
    else:
        assert found == achieved
    with pytest.raises(HindsightError, match="unknown kind of goal 'sing'"):
        Goal("sing", {}, HOUSE)


def test_what_an_episode_achieved_is_true_of_it_and_not_trivial() -> None:
    rng, source, found = np.random.default_rng(0), Instructions(1, 5), 0
    for _ in range(150):
        text = source.draw(rng)[1]
        other = source.draw(rng)[0]
        house = House.read(source.draw(rng)[0].prompt)
        for goal in other.constraints:
            assert isinstance(goal, Goal)
            moved = goal.within(house)
            values = moved.achieved(text)
            if values is not None:
                made = moved.at(values)
                assert made.check(text) and not made.vacuous(text), (made, text)
                found += 1
    assert found > 50


def replays(asked: Instruction, text: str, how: str, others: tuple[Instruction, ...] = (), **settings: Any) -> Replayed:
    """The replays of one failed episode."""
    rollouts = [Rollout(each, text, verify_batch([(each, text)])[0]) for each in (asked,)]
    rollouts += [Rollout(each, "", [False] * len(each.constraints), group=1) for each in others]
    config = ReplayConfig(rewriter=how, replays_per_prompt=4, **settings)  # type: ignore[arg-type]
    replayer = Replayer(config, rewriter=InHouse(rewriter(how)), verifier=SameObservations())
    return replayer.replay(rollouts, step=1)


ASKED = read_instruction(
    f"{TEXT} Bring the coin to the kitchen. Use at most 2 moves. Never enter the cellar. The box is closed at the end."
)


def test_drop_and_retarget_say_what_happened() -> None:
    text = played(*BROUGHT, asked=ASKED)
    # The box was closed from the start, so it counts for nothing; what is left only forbids.
    assert replays(ASKED, text, "drop").rejected == {NOTHING: 1}
    more = read_instruction(f"{ASKED.prompt} Enter the kitchen.")
    (dropped,) = replays(more, text, "drop").replays
    assert dropped.prompt == f"{TEXT} Never enter the cellar. Enter the kitchen." and dropped.completion == text
    (retargeted,) = replays(ASKED, text, "retarget").replays
    assert retargeted.prompt == f"{TEXT} Bring the lamp to the kitchen. Use at most 3 moves. Never enter the cellar."


def test_a_goal_of_another_house_is_judged_in_the_house_of_the_episode() -> None:
    other = "Doors: hall and kitchen, kitchen and attic. The lamp is in the kitchen. You are in the hall."
    lender = read_instruction(f"{other} Bring the lamp to the kitchen.")
    text = played(*BROUGHT, asked=ASKED)
    found = replays(read_instruction(f"{ASKED.prompt} Enter the kitchen."), text, "drop", (lender,), relabels=2)
    own, lent = found.replays
    assert own.own and not lent.own
    # In its own house the lamp lay in the kitchen from the start; in this one the agent brought it there.
    assert "Bring the lamp to the kitchen." in lent.prompt and lent.prompt.startswith(TEXT)


def test_a_replay_is_rejected_if_an_observation_would_differ() -> None:
    more = read_instruction(f"{ASKED.prompt} Enter the kitchen.")
    text = played(*BROUGHT[:2], "check goals", "put floor", asked=more)
    assert "check goals: kitchen, 3" in text  # never in the cellar; the box is closed; in the kitchen
    dropped = replays(more, text, "drop")
    assert not dropped.replays and dropped.rejected == {DIFFERS: 1}
    # The goal that is dropped did not hold when the agent asked, and the one that changes its value neither.
    asked = read_instruction(f"{TEXT} Enter the kitchen. Bring the coin to the attic. Use at most 2 moves.")
    text = played(*BROUGHT[:2], "check goals", "put floor", asked=asked)
    (kept,) = replays(asked, text, "drop").replays
    assert "check goals: kitchen, 1" in text and kept.prompt == f"{TEXT} Enter the kitchen."
    # Forged observations are no transcript of this house.
    forged = replays(replace(asked), text.replace("kitchen, nothing", "kitchen, coin"), "drop")
    assert not forged.replays and forged.rejected == {DIFFERS: 1}
