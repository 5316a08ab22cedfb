"""HiR as a TRL trainer: ``HiRTrainer`` and ``HiRConfig``, loaded on first use."""

from importlib import import_module
from typing import Any

_HOME = {"HiRConfig": "config", "HiRTrainer": "trainer"}
__all__ = ["HiRConfig", "HiRTrainer"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
