"""Instructions, constraints and verdicts. Standard library only.

An :class:`Instruction` is a task with atomic constraints. A :data:`Verdict` is one boolean per constraint, in their
order. It is not a dict by id, because an id can occur several times in an instruction.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from hindsight_rl.replay.layouts import PLAIN, FoundLayout, Layout, Template, render

Verdict = list[bool]


@runtime_checkable
class Constraint(Protocol):
    """One checkable demand. The checkers of :mod:`hindsight_rl.constraints` satisfy it."""

    @property
    def id(self) -> str:
        """The public id, e.g. ``keywords:existence``."""
        ...

    @property
    def kwargs(self) -> dict[str, Any]:
        """Its parameters, in the form of the public data."""
        ...

    def describe(self) -> str:
        """The demand in words, always the same."""
        ...

    def check(self, response: str, prompt: str | None = None) -> bool:
        """Whether the response meets it."""
        ...


@runtime_checkable
class Achieving(Protocol):
    """A constraint that can find the value at which a response fulfils it; for rewriting, not for checking."""

    def achieved(self, response: str) -> dict[str, Any] | None:
        """Kwargs with which the response fulfils it, close to its own kwargs; None if there are none."""
        ...

    def at(self, kwargs: Mapping[str, Any]) -> Constraint:
        """The same demand with these kwargs."""
        ...


@runtime_checkable
class MaybeVacuous(Protocol):
    """A constraint that knows when it holds only vacuously; for rewriting, not for checking."""

    def vacuous(self, response: str) -> bool:
        """Whether the response fulfils it only vacuously, e.g. "all sentences ..." with a single sentence."""
        ...


@dataclass(frozen=True)
class Instruction:
    """A task and its constraints.

    task: the request, without the constraints if the data separates them. constraints: in the order of the data.
    prompt: the whole text for the model; in a chat, the last message of the user. key: the id of the row in the data.
    texts: the constraints in the data's own words, aligned with `constraints`; by default their descriptions. soft:
    demands that only a judge can check. meta: other fields of the data. layout: how task and texts become the prompt,
    see :func:`hindsight_rl.replay.layouts.render`. needs: for each constraint, the indices of the constraints that it
    presupposes; by default from the constraints' ``depends`` (ids). earlier: the chat before the prompt, system message
    included, as messages {"role", "content"}.
    """

    task: str
    constraints: tuple[Constraint, ...]
    prompt: str = ""
    key: str | int | None = None
    texts: tuple[str, ...] = ()
    soft: tuple[str, ...] = ()
    meta: dict[str, Any] = field(default_factory=dict, compare=False)
    layout: str | Layout = PLAIN
    needs: tuple[tuple[int, ...], ...] = ()
    earlier: tuple[Mapping[str, Any], ...] = ()

    def __post_init__(self) -> None:
        if not self.texts:
            object.__setattr__(self, "texts", tuple(each.describe() for each in self.constraints))
        if len(self.texts) != len(self.constraints):
            raise ValueError(f"{len(self.texts)} texts for {len(self.constraints)} constraints")
        if not self.needs:
            object.__setattr__(self, "needs", _presupposed(self.constraints))
        elif len(self.needs) != len(self.constraints):
            raise ValueError(f"{len(self.needs)} needs for {len(self.constraints)} constraints")
        elif any(not 0 <= index < len(self.constraints) for needed in self.needs for index in needed):
            raise ValueError(f"needs name a constraint that is not among the {len(self.constraints)}: {self.needs}")
        if not self.prompt:
            object.__setattr__(self, "prompt", render(self.layout, self.task, [*self.texts, *self.soft]))

    @property
    def inline(self) -> bool:
        """The constraints are part of the prose of the task and cannot be removed, so it is not rewritten."""
        return bool(self.constraints) and self.prompt == self.task

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The chat: the earlier messages, and the prompt as a message of the user."""
        return [*(dict(message) for message in self.earlier), {"role": "user", "content": self.prompt}]

    def chat(self, template: Template) -> str:
        """The text that the model reads; `template` is a tokenizer's chat template (a function of the messages)."""
        return template(self.messages)

    def keep(self, verdict: Sequence[bool]) -> Instruction:
        """This instruction with only the constraints whose verdict is true, and a new prompt.

        Raises ``ValueError`` when the verdict is not aligned with the constraints.
        """
        if len(verdict) != len(self.constraints):
            raise ValueError(f"{len(verdict)} verdicts for {len(self.constraints)} constraints")
        return self.rewritten([index for index, holds in enumerate(verdict) if holds])

    def rewritten(self, kept: Sequence[int], changed: Mapping[int, Constraint] | None = None) -> Instruction:
        """This instruction with the constraints `kept`, and those `changed` (index -> the new constraint).

        The order stays the same; `needs` gets the new indices. A changed constraint is said as by :func:`restated`.
        """
        changed = changed or {}
        order = sorted({*kept, *changed})
        place = {index: at for at, index in enumerate(order)}
        return Instruction(
            self.task,
            tuple(changed.get(index, self.constraints[index]) for index in order),
            key=self.key,
            texts=tuple(restated(changed[index]) if index in changed else self.texts[index] for index in order),
            soft=self.soft,
            meta=self.meta,
            layout=self.layout.keeping(order) if isinstance(self.layout, FoundLayout) else self.layout,
            needs=tuple(tuple(place[need] for need in self.needs[index] if need in place) for index in order),
            earlier=self.earlier,
        )

    def closed(self, kept: Iterable[int]) -> list[int]:
        """The constraints of `kept` whose prerequisites, direct and indirect, are also in `kept`."""
        left = set(kept)
        while broken := {index for index in left if not left.issuperset(self.needs[index])}:
            left -= broken
        return sorted(left)


def restated(constraint: Constraint) -> str:
    """A constraint in the words of a rewritten instruction: its ``restate()``, if it has one, else its description."""
    own = getattr(constraint, "restate", constraint.describe)
    return str(own())


def _presupposed(constraints: Sequence[Constraint]) -> tuple[tuple[int, ...], ...]:
    """From the ids in the constraints' ``depends`` to indices; ids that the instruction lacks are ignored."""
    for each in constraints:
        if getattr(each, "depends", ()):
            break
    else:
        return ((),) * len(constraints)
    return tuple(
        tuple(
            other
            for other, needed in enumerate(constraints)
            if other != index and needed.id in getattr(each, "depends", ())
        )
        for index, each in enumerate(constraints)
    )
