"""The template relabeler and the verification of relabels."""

import dataclasses

import numpy as np
import pytest

from hindsight_rl.agent.envs.craftax.captions import CLASSIC_EVENTS
from hindsight_rl.agent.envs.craftax.phrases import LANGUAGE
from hindsight_rl.agent.envs.events import event_index
from hindsight_rl.agent.instructions.parser import parse
from hindsight_rl.agent.relabeling.relabeler import Relabel, TemplateRelabeler, verify

INDEX = event_index(CLASSIC_EVENTS)


def templates(**settings):
    return TemplateRelabeler(CLASSIC_EVENTS, LANGUAGE, **settings)


def trajectory(*happened: tuple[int, str], length: int = 20) -> np.ndarray:
    events = np.zeros((length, len(CLASSIC_EVENTS)), bool)
    for step, name in happened:
        events[step, INDEX[name]] = True
    return events


WALK = trajectory((2, "collect_wood"), (5, "collect_wood"), (9, "place_table"), (9, "take_damage"), (14, "eat_cow"))


def test_an_empty_trajectory_has_no_relabels():
    rng = np.random.default_rng(0)
    assert templates().propose(trajectory(), 5, rng) == []
    assert templates().propose(trajectory((3, "die"), (2, "take_damage")), 5, rng) == []
    assert templates().propose(WALK, 0, rng) == []


def test_proposals_are_what_happened_with_their_evidence():
    for seed in range(20):
        proposed = templates(composed=0.5).propose(WALK, 4, np.random.default_rng(seed))
        assert 0 < len(proposed) <= 4
        for relabel in proposed:
            assert len(relabel.goals) == len(relabel.evidence) <= 3
            for goal, (step, name) in zip(relabel.goals, relabel.evidence, strict=True):
                assert WALK[step, INDEX[name]] and goal in LANGUAGE.phrases(name, "train")
                assert step == WALK[:, INDEX[name]].argmax() and CLASSIC_EVENTS[INDEX[name]].trained
            if relabel.ordered:
                steps = [step for step, _ in relabel.evidence]
                assert steps == sorted(set(steps)) and len(steps) > 1


def test_compositions_are_understood_again(real_reward):
    for seed in range(40):
        for relabel in templates(composed=1.0).propose(WALK, 3, np.random.default_rng(seed)):
            if verify(relabel, WALK, real_reward) is None:
                parsed = parse(relabel.text, real_reward)
                assert (parsed.goals, parsed.ordered) == (relabel.goals, relabel.ordered), relabel.text


def test_the_same_generator_gives_the_same_proposals():
    first, second = (templates().propose(WALK, 5, np.random.default_rng(3)) for _ in range(2))
    assert first == second


def test_events_that_training_may_not_ask_for_are_not_proposed():
    held_out = [dataclasses.replace(e, held_out=e.name == "eat_cow") for e in CLASSIC_EVENTS]
    rng = np.random.default_rng(0)
    proposed = {name for r in TemplateRelabeler(held_out, LANGUAGE).propose(WALK, 9, rng) for _, name in r.evidence}
    assert proposed == {"collect_wood", "place_table"}  # the walk also has damage, which harms


def test_weights_steer():
    rng = np.random.default_rng(0)
    wanted = TemplateRelabeler(
        CLASSIC_EVENTS, LANGUAGE, composed=0.0, weights={"collect_wood": 0.0, "place_table": 0.0}
    )
    assert {r.evidence[0][1] for _ in range(20) for r in wanted.propose(WALK, 1, rng)} == {"eat_cow"}
    same = np.ones(len(CLASSIC_EVENTS))
    same[INDEX["eat_cow"]] = 1e9
    first = templates(composed=0.0, weights=same).propose(WALK, 1, rng)
    assert first[0].evidence == ((14, "eat_cow"),)


def test_rare_and_late_is_preferred():
    events = trajectory(*((step, "reach_tree") for step in range(15)), (16, "place_table"))
    rng = np.random.default_rng(0)
    first = [templates(composed=0.0).propose(events, 1, rng)[0].evidence[0][1] for _ in range(200)]
    assert first.count("place_table") > 150


def test_true_relabels_pass(real_reward):
    good = Relabel(
        "collect wood, then eat a cow",
        ("collect wood", "eat a cow"),
        True,
        ((2, "collect_wood"), (14, "eat_cow")),
    )
    assert verify(good, WALK, real_reward) is None


@pytest.mark.parametrize(
    ("relabel", "reason"),
    [
        (
            Relabel("collect stone", ("collect stone",), False, ((2, "collect_wood"),)),
            "does not fire on collect_wood",
        ),
        (
            Relabel("collect wood", ("collect wood",), False, ((3, "collect_wood"),)),
            "did not happen at step 3",
        ),
        (
            Relabel("collect wood", ("collect wood",), False, ((99, "collect_wood"),)),
            "outside the trajectory",
        ),
        (
            Relabel("collect wood", ("collect wood",), False, ((-1, "collect_wood"),)),
            "outside the trajectory",
        ),
        (Relabel("fly", ("fly",), False, ((2, "fly_away"),)), "no event of this environment"),
        (Relabel("collect wood", ("collect wood",), False, ()), "1 goals but 0 pieces of evidence"),
        (Relabel("", (), False, ()), "0 goals"),
        (
            Relabel("x", ("eat a cow", "collect wood"), True, ((14, "eat_cow"), (2, "collect_wood"))),
            r"ordered but its evidence is at steps \[14, 2\]",
        ),
    ],
)
def test_false_relabels_are_rejected_with_a_reason(real_reward, relabel, reason):
    import re

    assert re.search(reason, verify(relabel, WALK, real_reward) or "accepted")


def test_most_templates_pass_verification(real_reward):
    rng = np.random.default_rng(0)
    events = rng.random((60, len(CLASSIC_EVENTS))) < 0.05
    proposed = [r for _ in range(60) for r in templates().propose(events, 5, rng)]
    passed = [verify(relabel, events, real_reward) is None for relabel in proposed]
    assert np.mean(passed) > 0.95
