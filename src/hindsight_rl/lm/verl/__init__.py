"""HiR in verl: ``HirTrainer`` and ``HirSampler``, loaded on first use; ``.rows`` needs no verl."""

from importlib import import_module
from typing import Any

_HOME = {"HirTrainer": "trainer", "HirSampler": "trainer"}
__all__ = ["HirSampler", "HirTrainer"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
