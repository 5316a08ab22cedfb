"""From failed attempts to verified replays: instructions, selection, rewriting, the replay buffer, prompt layouts."""

from importlib import import_module
from typing import Any

# Name -> module that defines it; imported on first use, so that importing `hindsight_rl.replay.instruction` is fast.
_HOME = {
    "Instruction": "instruction",
    "Constraint": "instruction",
    "Verdict": "instruction",
    "Rollout": "rollout",
    "Rewrite": "rollout",
    "Rewriter": "rollout",
    "Selector": "selection",
    "Curriculum": "selection",
    "ReplayConfig": "config",
    "BufferConfig": "config",
    "Replayer": "replayer",
    "Replayed": "replayer",
    "ReplayItem": "item",
    "ReplayBuffer": "buffer",
    "Drop": "rewriting",
    "Retarget": "rewriting",
    "Keep": "rewriting",
    "rewriter": "rewriting",
    "Verifier": "verification",
    "verify_batch": "verification",
}
__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
