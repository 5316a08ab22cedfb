"""How an IFEval constraint is declared: its conflicts, and the kwargs that several of them take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hindsight_rl.constraints.core import Param, checker
from hindsight_rl.constraints.declare import RELATIONS
from hindsight_rl.constraints.ifeval.conflicts import CONFLICTS
from hindsight_rl.constraints.text.response import Text


def ifeval(
    id: str,
    *params: Param,
    wording: str,
    restatement: str = "",
    achieved: Callable[..., dict[str, Any] | None] | None = None,
    vacuous: Callable[[Text], bool] | None = None,
) -> Callable[[Callable[..., bool]], Callable[..., bool]]:
    """As :func:`hindsight_rl.constraints.core.checker`, with the conflicts of the public table."""
    return checker(
        id,
        *params,
        wording=wording,
        restatement=restatement,
        conflicts=CONFLICTS[id],
        achieved=achieved,
        vacuous=vacuous,
    )


def relation(name: str) -> Param:
    """A kwarg that is "less than" or "at least"."""
    return Param(name, str, choices=RELATIONS)
