"""Hindsight RL: train instruction followers from their own failures.

An attempt that failed its instruction is evidence of another instruction that it fulfilled: name that one,
verify it, and replay the attempt as a success. Learners live in :mod:`hindsight_rl.agent` (OIR) and
:mod:`hindsight_rl.lm` (HiR).

The names below are the public API. Each is loaded when it is first asked for, so that importing this package is quick
and imports no engine.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# Name -> the module that holds it.
_HOME = {
    # What is asked, and replay of what failed.
    "Instruction": "replay.instruction",
    "Rollout": "replay.replayer",
    "Replayer": "replay.replayer",
    "ReplayConfig": "replay.replayer",
    "Verifier": "replay.verification",
    "verify_batch": "replay.verification",
    # Constraints, as checkers and as rewards.
    "constraint": "constraints.core",
    "checker": "constraints.core",
    "constraint_reward": "constraints.rewards",
    # Training rows.
    "read_dataset": "data.rows",
    "compose": "data.compose",
    "ComposeConfig": "data.compose",
    # Language models: TRL.
    "HiRConfig": "lm.trl",
    "HiRTrainer": "lm.trl",
    # The agent.
    "TrainConfig": "agent.training.config",
    "Trainer": "agent.training.trainer",
    "train": "agent.training.train",
    "load_policy": "agent.training.trainer",
    "Policy": "agent.policy.policy",
    "Environment": "agent.envs.environment",
    "Event": "agent.envs.events",
    "Composition": "agent.envs.environment",
    "Language": "agent.instructions.language",
    "Step": "agent.envs.environment",
    "Encoder": "encoder",
    "load_encoder": "encoder",
    # Errors that a user can mend.
    "HindsightError": "errors",
}
__all__ = [
    "ComposeConfig",
    "Composition",
    "Encoder",
    "Environment",
    "Event",
    "HiRConfig",
    "HiRTrainer",
    "HindsightError",
    "Instruction",
    "Language",
    "Policy",
    "ReplayConfig",
    "Replayer",
    "Rollout",
    "Step",
    "TrainConfig",
    "Trainer",
    "Verifier",
    "__version__",
    "checker",
    "compose",
    "constraint",
    "constraint_reward",
    "load_encoder",
    "load_policy",
    "read_dataset",
    "train",
    "verify_batch",
]

if TYPE_CHECKING:
    from hindsight_rl.agent.envs.environment import Composition, Environment, Step
    from hindsight_rl.agent.envs.events import Event
    from hindsight_rl.agent.instructions.language import Language
    from hindsight_rl.agent.policy.policy import Policy
    from hindsight_rl.agent.training.config import TrainConfig
    from hindsight_rl.agent.training.train import train
    from hindsight_rl.agent.training.trainer import Trainer, load_policy
    from hindsight_rl.constraints.core import checker, constraint
    from hindsight_rl.constraints.rewards import constraint_reward
    from hindsight_rl.data.compose import ComposeConfig, compose
    from hindsight_rl.data.rows import read_dataset
    from hindsight_rl.encoder import Encoder, load_encoder
    from hindsight_rl.errors import HindsightError
    from hindsight_rl.lm.trl.config import HiRConfig
    from hindsight_rl.lm.trl.trainer import HiRTrainer
    from hindsight_rl.replay.instruction import Instruction
    from hindsight_rl.replay.replayer import ReplayConfig, Replayer, Rollout
    from hindsight_rl.replay.verification import Verifier, verify_batch


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
