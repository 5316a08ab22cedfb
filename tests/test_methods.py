"""The methods and the settings that they share."""

import pytest

from hindsight_rl.agent.instructions.buffer import BufferRules
from hindsight_rl.agent.training.config import TrainConfig
from hindsight_rl.agent.training.methods import METHODS, method
from hindsight_rl.errors import HindsightError


def test_methods_differ_in_what_they_are_told_and_paid() -> None:
    assert set(METHODS) == {"oir", "none", "her", "buffer", "ellm", "oracle", "game"}
    assert len(set(METHODS.values())) == len(METHODS)
    assert [m for m in METHODS if not METHODS[m].conditioned] == ["ellm", "game"]
    assert method("her").hindsight and not method("her").buffer
    assert method("buffer").buffer and not method("buffer").hindsight


def test_unknown_methods_are_refused() -> None:
    with pytest.raises(HindsightError, match="oir, none"):
        method("dagger")


@pytest.mark.parametrize(
    "change",
    [{"steps": 0}, {"trajectories": 1000}, {"reward_mode": "x"}, {"condition": "x"}, {"buffer": BufferRules(0)}],
)
def test_bad_settings_name_their_flag(change: dict) -> None:
    with pytest.raises(HindsightError, match=f"--{next(iter(change)).replace('_', '-')}"):
        TrainConfig(**change).checked()


def test_the_papers_buffer_has_ten_slots() -> None:
    assert BufferRules().capacity == 10
