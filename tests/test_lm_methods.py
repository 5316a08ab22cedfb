"""One table of methods, one set of setting names: the sandbox, TRL and verl mean the same by them."""

import dataclasses
import subprocess
import sys

import pytest

from hindsight_rl.errors import HindsightError
from hindsight_rl.lm.methods import METHODS, method
from hindsight_rl.lm.sandbox.config import ReplayRules, SandboxConfig, UpdateRules
from hindsight_rl.lm.trl.config import HiRConfig
from hindsight_rl.lm.trl.options import parsed
from hindsight_rl.lm.verl.rows import Settings
from hindsight_rl.replay.config import BufferConfig, ReplayConfig

WORDS = ["--model", "x", "--dataset", "y", "--use_cpu", "--bf16", "false"]


def names(kind: type) -> set[str]:
    return {each.name for each in dataclasses.fields(kind)}


def test_a_setting_has_one_name_in_every_engine() -> None:
    replay, buffer = names(ReplayConfig), names(BufferConfig)
    assert replay - {"closed", "distinct", "repeats"} <= names(HiRConfig) and buffer <= names(HiRConfig)
    assert replay <= names(Settings)
    assert (replay | buffer) - names(ReplayRules) == {"distinct", "repeats", "on_task", "answer_after", "seed"}
    update = {"advantage", "old_logps", "replay_advantage"}
    assert update <= names(HiRConfig) and "old_logps" in names(Settings)
    assert update <= names(type(SandboxConfig().reinforce))


@pytest.mark.parametrize("name", [name for name, each in METHODS.items() if not each.two_anchors])
def test_a_method_is_the_same_in_the_sandbox_and_in_trl(name: str) -> None:
    sandbox, (_, trl) = SandboxConfig(), parsed([*WORDS, "--method", name])
    one, other = sandbox.replay_config(name), trl.replay_config()
    chosen = sandbox.chosen(name)
    assert chosen == method(name) and trl.reward == chosen.reward and trl.repeat == chosen.repeat
    for field in ("rewriter", "strategy", "relabels", "scope", "lambda_start", "lambda_growth", "lambda_cap", "closed"):
        assert getattr(one, field) == getattr(other, field), field
    # As many failures as each engine replays, times their relabels.
    assert sandbox.added(name) == 4 * trl.replays_per_prompt
    assert (sandbox.buffer_config(name).buffer_rows_per_prompt > 0) == (trl.buffer_rows_per_prompt > 0) == chosen.buffer


def test_a_method_of_the_sandbox_alone_is_refused_by_trl() -> None:
    with pytest.raises(HindsightError, match="only in the sandbox"):
        parsed([*WORDS, "--method", "mdp-grpo"])


def test_settings_win_over_the_method() -> None:
    rules = ReplayRules(rewriter="retarget", strategy="random", relabels=2, buffer_rows_per_prompt=3)
    config = SandboxConfig(replay=rules, update=UpdateRules(learning_rate=0.1))
    found = config.replay_config("hir")
    assert (found.rewriter, found.strategy, found.relabels, found.replays_per_prompt) == ("retarget", "random", 2, 16)
    assert config.buffer_config("hir").buffer_rows_per_prompt == 3 and config.chosen("hir").learning_rate == 0.1
    # What does not replay does not begin to.
    assert config.chosen("rlvr").rewriter is None and config.replay_config("rlvr").replays_per_prompt == 0
    assert SandboxConfig(replay=ReplayRules(replays_per_prompt=3)).replay_config("relabels").replays_per_prompt == 3
    _, trl = parsed([*WORDS, "--method", "hir", "--rewriter", "retarget", "--lambda_start", "1", "--scope", "group"])
    assert (trl.replay_config().rewriter, trl.replay_config().lambda_start) == ("retarget", 1.0)
    assert trl.replay_config().scope == "group"


def test_an_unknown_method_is_named() -> None:
    with pytest.raises(HindsightError, match="unknown method 'hri': one of rlvr, fraction, hir, "):
        method("hri")


def test_the_names_of_the_core_are_loaded_when_they_are_asked_for() -> None:
    code = (
        "import sys, hindsight_rl.replay as replay; print('numpy' in sys.modules);"
        "print(all(getattr(replay, name).__doc__ for name in replay.__all__))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]
