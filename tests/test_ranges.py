"""Every number among the settings has a range, and what lies outside is refused by name."""

import dataclasses
from pathlib import Path

import pytest

from hindsight_rl.agent.instructions.buffer import BufferRules
from hindsight_rl.agent.training.config import TrainConfig, setting, with_setting
from hindsight_rl.agent.training.presets import PRESETS
from hindsight_rl.agent.training.ranges import RANGES, numbers
from hindsight_rl.agent.training.sharding import ProcessRules
from hindsight_rl.cli import main as cli
from hindsight_rl.errors import HindsightError

FULL = TrainConfig(delta=0.5, processes=ProcessRules("host:1", 1, 0))


def test_every_number_has_a_range_and_every_range_a_number() -> None:
    assert {name for name, _ in numbers(FULL)} == set(RANGES)


@pytest.mark.parametrize("name", sorted(set(RANGES) - {"buffer.weights"}))
def test_what_lies_outside_is_refused_by_name(name: str) -> None:
    limits = RANGES[name]
    whole = isinstance(setting(FULL, name), int)
    beyond = [limits.low if limits.above else limits.low - (1 if whole else 0.01), *([] if whole else [float("nan")])]
    if limits.high != float("inf"):
        beyond.append(limits.high + (1 if whole else 0.01))
    for value in [*beyond, *([] if whole else [float("inf")])]:
        with pytest.raises(HindsightError, match=rf"^--{name.replace('_', '-')} \S+: must be "):
            with_setting(FULL, name, value).checked()


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_presets_lie_inside(name: str) -> None:
    PRESETS[name].checked()


def test_values_of_a_table_have_a_range_too() -> None:
    weights = BufferRules().weights | {"failing": -1.0}
    with pytest.raises(HindsightError, match=r"--buffer\.weights -1"):
        TrainConfig(buffer=BufferRules(weights=weights)).checked()


def test_what_must_lie_below_another() -> None:
    with pytest.raises(HindsightError, match=r"--buffer\.failing-below 0\.9: at most --buffer\.mastered-above"):
        TrainConfig(buffer=dataclasses.replace(FULL.buffer, failing_below=0.9)).checked()
    with pytest.raises(HindsightError, match="--delta 1"):
        TrainConfig(delta=1.0).checked()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--learning.q-lambda", "7"], "--learning.q-lambda 7.0: must be between 0 and 1"),
        (["--learning-rate", "-1"], "--learning-rate -1.0: must be above 0 and at most 1"),
        (["--epsilon-end", "3"], "--epsilon-end 3.0: must be between 0 and 1"),
        (["--acting.new-event-share", "7"], "--acting.new-event-share 7.0: must be between 0 and 1"),
        (["--composed", "7"], "--composed 7.0: must be between 0 and 1"),
        (["--delta", "2"], "--delta 2.0: must be above 0 and at most 1"),
        (["--total-timesteps", "0"], "--total-timesteps 0: must be at least 1"),
    ],
)
def test_the_command_says_so_in_one_line_and_makes_nothing(
    arguments: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli(["agent", "train", "--out", str(tmp_path / "run"), *arguments]) == 2
    error = capsys.readouterr().err
    assert says in error and len(error.strip().splitlines()) == 1
    assert not (tmp_path / "run").exists()
