"""What a correction is: an id whose checker follows its own wording, and an input on which the two versions differ."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hindsight_rl.constraints.core import CORRECTED, CURRENT, Checker, checker_class, register
from hindsight_rl.constraints.text.response import Text, as_text


@dataclass(frozen=True)
class Correction:
    """How the corrected checker of an id differs from the current one.

    says: the words of the description that it follows. change: what it does differently, in one sentence. kwargs,
    response, prompt: an input on which the verdicts differ. holds: the corrected verdict on it (the current one is
    the other).
    """

    id: str
    says: str
    change: str
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    response: str = ""
    holds: bool = False
    prompt: str | None = None


CORRECTIONS: dict[str, Correction] = {}


def corrected(
    id: str,
    *,
    says: str,
    change: str,
    response: str,
    holds: bool = False,
    kwargs: Mapping[str, Any] | None = None,
    prompt: str | None = None,
    achieved: Callable[..., dict[str, Any] | None] | None = None,
) -> Callable[[Callable[..., bool]], Callable[..., bool]]:
    """Function decorator: ``f(text, **values) -> bool`` becomes the corrected checker of a declared id.

    The kwargs, their validation and the description stay those of the current version. achieved: see
    :meth:`hindsight_rl.constraints.core.Checker.achieved`; if omitted, a constraint without kwargs is achieved if
    it holds, and a constraint with kwargs is unknown. The rest: see :class:`Correction`.
    """

    def put(function: Callable[..., bool]) -> Callable[..., bool]:
        current = checker_class(id, version=CURRENT)

        def fulfilled(self: Checker, response: str | Text) -> dict[str, Any] | None:
            text = as_text(response)
            if achieved is not None:
                return achieved(text, **self.values)
            return {} if not self.params and function(text) else None

        body: dict[str, Any] = {
            "__doc__": f"{change} Follows: {says!r}.",
            "__module__": function.__module__,
            "follows": lambda self, text: function(text, **self.values),
            "achieved": fulfilled,
        }
        register(id, version=CORRECTED, conflicts=current.conflicts, depends=current.depends)(
            type("Corrected" + current.__name__, (current,), body)
        )
        CORRECTIONS[id] = Correction(id, says, change, kwargs or {}, response, holds, prompt)
        return function

    return put
