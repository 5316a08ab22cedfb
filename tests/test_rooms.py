"""Houses, episodes, and instructions that can be fulfilled."""

import numpy as np
import pytest

from hindsight_rl.errors import HindsightError
from hindsight_rl.lm.rooms.episode import MOST_MOVES, Episode, actions, outcome, read
from hindsight_rl.lm.rooms.house import House, draw_house
from hindsight_rl.lm.rooms.instructions import Instructions, read_instruction
from hindsight_rl.lm.rooms.solver import Solver

TEXT = (
    "Doors: hall and kitchen, kitchen and cellar, hall and attic. The box is in the cellar, closed. "
    "The chest is in the hall, open. The coin is in the box. The lamp is in the hall. You are in the hall."
)
HOUSE = House.read(TEXT)


def test_a_description_and_its_house_are_each_others_inverse() -> None:
    rng = np.random.default_rng(0)
    for _ in range(300):
        house = draw_house(rng)
        assert House.read(house.describe()) == house and House.read(house.describe() + " Enter the hall.") == house
        assert all(house.path(house.start, room) is not None for room in house.rooms)
    assert HOUSE.describe() == TEXT and HOUSE.rooms == ("attic", "cellar", "hall", "kitchen")
    assert HOUSE.path("attic", "cellar") == ["hall", "kitchen", "cellar"]
    assert HOUSE.path("attic", "cellar", avoid=["kitchen"]) is None and HOUSE.path("hall", "hall") == []
    with pytest.raises(HindsightError, match="does not begin with a house"):
        House.read("Bring the lamp to the hall.")


def test_what_each_action_does_and_shows() -> None:
    episode = Episode(HOUSE)
    for action, room, showed in (
        ("go cellar", "hall", "no"),  # no door leads there
        ("take coin", "hall", "no"),  # not here
        ("put floor", "hall", "no"),  # nothing is held
        ("take lamp", "hall", "ok"),
        ("take lamp", "hall", "no"),
        ("put chest", "hall", "ok"),
        ("close chest", "hall", "ok"),
        ("take lamp", "hall", "no"),  # in a closed container
        ("open chest", "hall", "lamp"),
        ("take lamp", "hall", "ok"),
        ("go kitchen", "kitchen", "nothing"),
        ("go cellar", "cellar", "nothing"),
        ("put box", "cellar", "no"),  # closed
        ("open box", "cellar", "coin"),
        ("take coin", "cellar", "no"),  # the hand is full
        ("put floor", "cellar", "ok"),
        ("take coin", "cellar", "ok"),
        ("go kitchen", "kitchen", "nothing"),
        ("go cellar", "cellar", "lamp"),
        ("check goals", "cellar", "0"),
        ("dance", "cellar", "no"),
        ("open", "cellar", "no"),
    ):
        assert episode.act(action) == (room, showed), action
    found = episode.outcome()
    assert (found.room, found.held, found.moves) == ("cellar", "coin", 22)
    assert found.entered == ("kitchen", "cellar", "kitchen", "cellar") and found.handled == {"chest", "box"}
    assert found.room_of("lamp") == "cellar" and found.room_of("coin") is None and found.room_of("rope") is None
    # The outcome follows from the actions of the transcript alone; what it says of observations is not believed.
    text = episode.transcript()
    assert outcome(HOUSE, text) == found == outcome(HOUSE, text.replace("cellar, lamp", "attic, coin"))
    assert read("go hall: hall, ok\ngo") == (("go hall", ("hall", "ok")),)


def test_the_listed_actions_are_those_that_can_have_an_effect() -> None:
    rng, choices, worked = np.random.default_rng(3), actions(HOUSE), set()
    episode = Episode(HOUSE)
    for at in rng.integers(len(choices), size=2000):
        if episode.act(choices[at])[1] != "no":
            worked.add(choices[at])
    assert worked == set(choices)


@pytest.mark.parametrize(("low", "high", "noise"), [(1, 1, 0.0), (1, 1, 0.3), (2, 5, 0.0)])
def test_instructions_come_with_an_episode_that_fulfils_them(low: int, high: int, noise: float) -> None:
    source, rng = Instructions(low, high, noise), np.random.default_rng(1)
    kinds, noisy = set(), 0
    for _ in range(150):
        asked, text = source.draw(rng)
        assert low <= len(asked.constraints) <= high and not House.read(asked.prompt).held_out
        assert all(each.check(text) and not each.vacuous(text) for each in asked.constraints)  # type: ignore[attr-defined]
        assert 1 <= len(read(text)) <= MOST_MOVES
        assert read_instruction(asked.prompt).constraints == asked.constraints
        assert read_instruction(asked.prompt).prompt == asked.prompt
        kinds |= {each.id for each in asked.constraints}
        noisy += ", no" in text.replace(", nothing", "")
    assert len(kinds) == 9 and (noisy > 20) == (noise > 0)


def test_houses_of_evaluations_never_occur_in_training() -> None:
    rng = np.random.default_rng(2)
    held = [Instructions(1, 2, held_out=True).draw(rng)[0] for _ in range(20)]
    assert all(House.read(each.prompt).held_out for each in held)


def test_what_cannot_be_fulfilled_is_an_error_and_not_a_loop() -> None:
    with pytest.raises(HindsightError, match="13 to 13 goals"):
        Instructions(13, 13).draw(np.random.default_rng(0))
    episode = Solver(HOUSE, read_instruction(f"{TEXT} Bring the coin to the attic.").constraints, 0.0, None).solve()  # type: ignore[arg-type]
    assert [action for action, _ in episode.turns][-2:] == ["go attic", "put floor"]
    with pytest.raises(HindsightError, match="no goal: 'Sing a song"):
        read_instruction(f"{TEXT} Enter the attic. Sing a song.")
