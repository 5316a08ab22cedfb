"""The language file of an environment."""

import pytest

from hindsight_rl.agent.envs.craftax.captions import CLASSIC_EVENTS
from hindsight_rl.agent.envs.craftax.phrases import LANGUAGE
from hindsight_rl.agent.envs.events import Event
from hindsight_rl.agent.instructions.language import NOTHING, Language
from hindsight_rl.errors import HindsightError

EVENTS = (Event("open_door", ("opened the door",)), Event("push_ball", ("pushed the ball",)))
FILE = """
[phrasings.open_door]
train = ["open the door", "unlock the door"]
heldout = ["swing the door open"]
[nothing]
train = ["climb the ladder", "sing"]
[nothing_but]
"climb the ladder" = "ascend"
"""


def read(tmp_path, text):
    (tmp_path / "words.toml").write_text(text)
    return Language.read(tmp_path / "words.toml")


def test_phrasings_are_given_by_event_and_set(tmp_path):
    language = read(tmp_path, FILE)
    assert language.phrases("open_door", "train") == ("open the door", "unlock the door")
    assert language.phrases("push_ball", "train") == () == language.phrases("open_door", "calibration")
    assert language.labelled("heldout", EVENTS) == (["swing the door open"], [0])
    assert language.known == {"open the door": "open_door", "unlock the door": "open_door"}


def test_a_text_that_means_nothing_here_may_mean_something_elsewhere(tmp_path):
    language = read(tmp_path, FILE)
    assert language.phrases(NOTHING, "train") == language.unrelated("train", EVENTS) == ("climb the ladder", "sing")
    assert language.unrelated("train", (*EVENTS, Event("ascend", ("went up",)))) == ("sing",)


def test_an_environment_without_a_file_has_no_phrasings():
    empty = Language()
    assert empty.labelled("train", EVENTS) == ([], []) and empty.unrelated("train", EVENTS) == () == tuple(empty.known)


def test_craftax_has_phrasings_for_each_event():
    assert {event.name for event in CLASSIC_EVENTS} <= set(LANGUAGE.phrasings)
    assert LANGUAGE.known["plant a tree"] == "place_plant"


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("[phrases.x]\ntrain = []", "'phrases' is unknown: one of phrasings"),
        ("[phrasings.x]\ntests = ['go']", r"\[phrasings.x\] has 'tests': one of train, calibration, heldout"),
        ("[phrasings.x]\ntrain = 'go'", "phrasings.x.train must be a list of texts"),
        ("[phrasings.x]\ntrain = ['go', ' ']", "phrasings.x.train must be a list of texts"),
        ("[phrasings", "Expected"),
        ("actions = 3", "actions must be a table, .actions.; it is 3"),
        ("phrasings = 3", "phrasings must be a table"),
        ("nothing = 'go'", "nothing must be a table"),
        ("[actions]\ncollect = ['collect']", r"actions.collect must be one text; it is \['collect'\]"),
        ("[lexicon]\nsteps = ['find']", "lexicon.steps must be one text"),
        ("[forbids]\nhit = ['defeat']", "forbids.hit must be one text"),
        ("[nothing_but]\n'climb' = 3", "nothing_but.climb must be one text; it is 3"),
        ("[meanings]\nx = ['~']", "meanings.x: '~' must stand before an action"),
        ("[things]\nwood = 'wood'\n[meanings]\nx = ['wood']", r"meanings.x: 'wood' in 'wood' .* in \[actions\]"),
        ("[actions]\nget = 'get'\n[meanings]\nx = ['get get']", r"'get' in 'get get' is not listed in \[things\]"),
        ("[tools]\ncollect_coal = 'hammer'", r"tools.collect_coal: 'hammer' is not listed in \[things\]"),
    ],
)
def test_an_error_names_the_file_and_the_place(tmp_path, text, error):
    with pytest.raises(HindsightError, match=error) as caught:
        read(tmp_path, text)
    assert "words.toml" in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(HindsightError, match=r"absent\.toml"):
        Language.read(tmp_path / "absent.toml")
