"""Verifiable constraints on text: public ids and kwargs, one object to describe and to check.

from hindsight_rl.constraints import both, constraint

asked = [constraint("punctuation:no_comma"), constraint("keywords:existence", {"keywords": ["sea"]})]
strict, loose = both(asked, "The sea is calm.")     # [True, True], [True, True]
"""

from typing import Any

# Imported when first asked for: `hindsight_rl.constraints.text.response` alone should not load the registry.
_HOME = {
    "constraint": "core",
    "checker": "core",
    "register": "core",
    "ids": "core",
    "Checker": "core",
    "Param": "core",
    "ConstraintError": "core",
    "Text": "text.response",
    "both": "verdicts",
    "batch": "verdicts",
}
__all__ = ["Checker", "ConstraintError", "Param", "Text", "batch", "both", "checker", "constraint", "ids", "register"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
