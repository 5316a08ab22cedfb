"""What a reader of one kind of MulDimIF text gives back, and what the readers share."""

from __future__ import annotations

from typing import Any

from hindsight_rl.constraints.muldimif.prose import scope

# (id without its "muldimif:", kwargs)
Made = tuple[str, dict[str, Any]]


class NotCheckable(Exception):
    """Why a text is not one that a program can check."""


def given(low: int | None, high: int | None, prefix: str = "") -> dict[str, Any]:
    """The bounds that are set, as kwargs."""
    return {f"{prefix}{name}": bound for name, bound in (("low", low), ("high", high)) if bound is not None}


def scoped(text: str, cells: bool = True) -> dict[str, str]:
    """The kwarg ``scope`` of a text, if it narrows its demand to a part."""
    noun = scope(text, cells)
    return {"scope": noun} if noun else {}
