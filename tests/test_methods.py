"""The methods and the settings that they share."""

import dataclasses

import pytest
import tyro

from hindsight_rl.agent.envs import make_env
from hindsight_rl.agent.instructions.buffer import BufferRules
from hindsight_rl.agent.training.config import TrainConfig
from hindsight_rl.agent.training.methods import METHODS, method
from hindsight_rl.agent.training.presets import PRESETS, preset_of, settled, without_effect
from hindsight_rl.errors import HindsightError


def test_methods_differ_in_what_they_are_told_and_paid() -> None:
    assert set(METHODS) == {
        "oir", "oir-paper", "oir-no-buffer", "none", "her", "buffer", "ellm", "oracle", "game",
    }  # fmt: skip
    assert len(set(METHODS.values())) == len(METHODS)
    assert [m for m in METHODS if not METHODS[m].conditioned] == ["ellm", "game"]
    assert method("her").hindsight and not method("her").buffer and not method("her").relabel
    assert method("oir-no-buffer").hindsight and not method("oir-no-buffer").buffer and method("oir-no-buffer").relabel
    assert method("buffer").buffer and not method("buffer").hindsight


def test_unknown_methods_are_refused() -> None:
    with pytest.raises(HindsightError, match="oir, none"):
        method("dagger")


@pytest.mark.parametrize(
    "change",
    [
        {"total_timesteps": 0},
        {"trajectories": 1000},
        {"reward_mode": "x"},
        {"condition": "x"},
        {"buffer": BufferRules(0)},
    ],
)
def test_bad_settings_name_their_flag(change: dict) -> None:
    with pytest.raises(HindsightError, match=f"--{next(iter(change)).replace('_', '-')}"):
        TrainConfig(**change).checked()


def test_the_settings_of_a_method_give_way_to_what_is_set() -> None:
    assert settled(TrainConfig()) == dataclasses.replace(TrainConfig(), settled=True)
    paper = settled(TrainConfig(method="oir-paper"))
    assert (paper.buffer.capacity, paper.reward_mode) == (10, "global")
    assert (paper.acting.initial, paper.favour_rare) == (0.0, 0.0)
    assert settled(TrainConfig(method="oir-paper", buffer=BufferRules(5))).buffer.capacity == 5
    large = settled(dataclasses.replace(PRESETS["gpu"], method="oir-paper"))
    assert large.learning.replay_windows == 0 and large.learning.minibatch == PRESETS["gpu"].learning.minibatch


@pytest.mark.parametrize("argv", [["--method", "oir-paper"], ["--method=oir-paper"]])
def test_on_the_command_line_what_is_given_counts_also_where_it_is_the_default(argv: list[str]) -> None:
    default = preset_of(argv)
    assert default.settled and default.buffer.capacity == 10
    config = tyro.cli(TrainConfig, args=[*argv, "--buffer.capacity", "48"], default=default)
    assert config.settled and config.method == "oir-paper" and settled(config).buffer.capacity == 48
    assert settled(config).acting.reset_on_success
    with pytest.raises(HindsightError, match="unknown method"):
        preset_of(["--method", "magic"])


def test_the_papers_buffer_has_ten_slots() -> None:
    assert BufferRules().capacity == 10


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ("--method oir --relabels 2 --buffer.capacity 5 --acting.candidates 2", []),
        ("--method none --relabels 2 --buffer.capacity 5", ["buffer", "relabels"]),
        ("--method her --acting.explore-after 3 --learning.hindsight 4", ["acting.explore_after"]),
        ("--method none --learning.hindsight 4 --noise.rate 0.1", ["learning.hindsight", "noise"]),
        ("--method oir-no-buffer --buffer.rehearsal 0.9", ["buffer"]),
        *((f"--method {name}", []) for name in METHODS),
        ("--method none --env MiniGrid-DoorKey-8x8", []),
    ],
)
def test_settings_that_a_method_does_not_use_are_named(words: str, named: list[str]) -> None:
    config = tyro.cli(TrainConfig, args=words.split(), default=preset_of(words.split()))
    assert without_effect(config, make_env(config.env).settings) == named


@pytest.mark.parametrize("option", ["--acting.objective", "--learning.bounded"])
def test_what_the_method_decides_is_no_option(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        tyro.cli(TrainConfig, args=[option, "game"], default=TrainConfig())
    assert "Unrecognized" in capsys.readouterr().err
