"""Environments are found by name: built-in ones, those of installed packages, and `module:Class`."""

import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

pytest.importorskip("craftax")

from hindsight_rl import HindsightError, TrainConfig
from hindsight_rl.agent import envs
from hindsight_rl.agent.training.presets import preset_of, settled
from hindsight_rl.cli import main as cli

MODULE = '''
import jax, jax.numpy as jnp
from hindsight_rl import Environment, Event, Step

class Switch(Environment):
    """A lamp."""
    name = "switch"
    events = (Event("on", ("turned the light on",)), Event("off", ("turned the light off",)))
    instructions = ("turn the light on",)
    n_actions = 2
    observation_size = 1
    settings = (("acting.patience", 7), ("buffer.capacity", 9))

    def generate(self, key):
        return jnp.int32(0)

    def observe(self, state):
        return state[None].astype(jnp.float32)

    def step(self, key, state, action):
        events = jnp.stack([action > state, action < state])
        return Step(action, self.observe(action), events, jnp.float32(0), jnp.bool_(False))

class Wrong(Switch):
    observation_size = 3

class Faulty(Switch):
    def step(self, key, state, action):
        raise TypeError("a fault of step")

class Growing(Switch):
    def generate(self, key):
        return {"lamp": jnp.int32(0), "key": key}

    def observe(self, state):
        return state["lamp"][None].astype(jnp.float32)

    def step(self, key, state, action):
        after = {"lamp": self.after(action), "key": key}
        return Step(after, self.observe(state), jnp.zeros(2, bool), jnp.float32(0), jnp.bool_(False))

class Drifting(Growing):
    after = staticmethod(lambda lamp: lamp * 0.5)

class Long(Growing):
    after = staticmethod(lambda lamp: lamp[None])

class Costly(Switch):
    def __init__(self, size):
        self.size = size
'''


@pytest.fixture
def lamp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a module in the current folder with environments."""
    name = f"lamp_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    return name


def test_a_class_of_a_module_in_the_current_folder(lamp: str) -> None:
    env = envs.make_env(f"{lamp}:Switch")
    assert env.name == "switch" and envs.make_env(f"{lamp}:Switch") is env


def test_an_entry_point_of_an_installed_package(lamp: str, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = EntryPoint("Lamp-v1", f"{lamp}:Switch", envs.GROUP)
    monkeypatch.syspath_prepend(Path.cwd())
    monkeypatch.setattr(envs, "entry_points", lambda group: [entry] if group == envs.GROUP else [])
    assert envs.make_env("Lamp-v1").name == "switch"
    assert envs.names()["Lamp-v1"] == f"{lamp}:Switch" and envs.names()["classic"] == "built in"
    with pytest.raises(HindsightError, match="one observation only"):
        envs.make_env("Lamp-v1", "raw")


def test_an_unknown_name_is_an_error_that_lists_the_known_ones() -> None:
    with pytest.raises(HindsightError, match=r"'clasic': one of classic-32, .*MiniGrid-DoorKey-8x8.*module:Class"):
        envs.make_env("clasic")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("no_such_module:Switch", "No module named"),
        ("{lamp}:Lantern", "Lantern"),
        ("{lamp}:Wrong", r"observe\(state\) has shape \(1,\), expected \(3,\)"),
        ("{lamp}:Costly", "without arguments"),
        ("{lamp}:Drifting", r"state\['lamp'\] is float32 \[\] after step\(...\), int32 \[\] after generate"),
        ("{lamp}:Long", r"state\['lamp'\] is int32 \[1\] after step"),
    ],
)
def test_what_cannot_be_made_says_why(lamp: str, name: str, reason: str) -> None:
    with pytest.raises(HindsightError, match=reason):
        envs.make_env(name.format(lamp=lamp))


def test_an_error_inside_an_environment_is_not_called_one_of_making_it(lamp: str) -> None:
    with pytest.raises(TypeError, match="a fault of step"):
        envs.make_env(f"{lamp}:Faulty")


def test_the_environments_settings_replace_defaults_alone(lamp: str) -> None:
    name = f"{lamp}:Switch"
    config = preset_of(["--env", name])
    assert config.acting.patience == 7 and config.buffer.capacity == 9 and config.settled
    # The method's own settings take precedence over the environment's.
    assert preset_of(["--env", name, "--method", "oir-paper"]).buffer.capacity == 10
    own = settled(TrainConfig(buffer=TrainConfig().buffer.__class__(5)), envs.make_env(name).settings)
    assert own.buffer.capacity == 5 and own.acting.patience == 7
    with pytest.raises(HindsightError, match=r"'acting\.pace', which is no setting"):
        settled(TrainConfig(), (("acting.pace", 3),))


def test_the_command_lists_the_names(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli(["agent", "envs"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()[:3]] == [
        "classic-32",
        "classic",
        "craftax",
    ]


def test_a_package_that_is_missing_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in [name for name in sys.modules if name.startswith("hindsight_rl.agent.envs.minigrid.")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "xminigrid", None)
    with pytest.raises(HindsightError, match=r"needs the package 'xminigrid': pip install 'hindsight-rl\[minigrid\]'"):
        envs.make_env("MiniGrid-DoorKey-6x6")
