"""What is asked, and what came of it. Standard library only.

An :class:`Instruction` is a task with atomic constraints; a :data:`Verdict` is one boolean per constraint, in
their order. Never a dict by id: ids repeat within an instruction.
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
        """Its parameters as the public data carry them."""
        ...

    def describe(self) -> str:
        """The demand in words, the same every time."""
        ...

    def check(self, response: str, prompt: str | None = None) -> bool:
        """Whether the response meets it."""
        ...


@runtime_checkable
class Achieving(Protocol):
    """A constraint that can name the value at which a response fulfils it; for rewriting, not for checking."""

    def achieved(self, response: str) -> dict[str, Any] | None:
        """Kwargs, as near to its own as can be, at which the response fulfils it; None where there are none."""
        ...

    def at(self, kwargs: Mapping[str, Any]) -> Constraint:
        """The same demand with these kwargs in place of its own."""
        ...


@runtime_checkable
class MaybeVacuous(Protocol):
    """A constraint that knows when it holds for want of what it is about; for rewriting, not for checking."""

    def vacuous(self, response: str) -> bool:
        """Whether it could hold of the response in no other way: "all sentences ..." of a single one."""
        ...


@dataclass(frozen=True)
class Instruction:
    """A task and its constraints.

    task: what is asked, without the constraints where the data separates them. constraints: in the order of
    the data. prompt: the whole text as it is put to the model, in a chat what the user says last. key: how the
    data names it. texts: the constraints in the data's own words where it carries them (aligned), else their
    descriptions. soft: demands that only a judge can check. meta: what else the data says. layout: how task and
    texts become the prompt, see :func:`hindsight_rl.replay.layouts.render`. needs: for each constraint the indices of
    those that it presupposes; left out, the constraints' ``depends`` (ids) say it. earlier: the chat before the
    prompt, system message included, as messages {"role", "content"}.
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
        """The constraints stand in the task's own prose and cannot be taken out of it, so it is not rewritten."""
        return bool(self.constraints) and self.prompt == self.task

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The chat: what came before, and the prompt as the user's message."""
        return [*(dict(message) for message in self.earlier), {"role": "user", "content": self.prompt}]

    def chat(self, template: Template) -> str:
        """The text that the model reads, by a tokenizer's chat template (a function of the messages)."""
        return template(self.messages)

    def keep(self, verdict: Sequence[bool]) -> Instruction:
        """This instruction with only the constraints whose verdict is true; its prompt is put together anew.

        Raises ``ValueError`` when the verdict is not aligned with the constraints.
        """
        if len(verdict) != len(self.constraints):
            raise ValueError(f"{len(verdict)} verdicts for {len(self.constraints)} constraints")
        return self.rewritten([index for index, holds in enumerate(verdict) if holds])

    def rewritten(self, kept: Sequence[int], changed: Mapping[int, Constraint] | None = None) -> Instruction:
        """This instruction with the constraints `kept` and those `changed` (index -> what is asked instead).

        Their order stays, and what they need is renumbered. A changed constraint is told by its description.
        """
        changed = changed or {}
        order = sorted({*kept, *changed})
        place = {index: at for at, index in enumerate(order)}
        return Instruction(
            self.task,
            tuple(changed.get(index, self.constraints[index]) for index in order),
            key=self.key,
            texts=tuple(changed[index].describe() if index in changed else self.texts[index] for index in order),
            soft=self.soft,
            meta=self.meta,
            layout=self.layout.keeping(order) if isinstance(self.layout, FoundLayout) else self.layout,
            needs=tuple(tuple(place[need] for need in self.needs[index] if need in place) for index in order),
            earlier=self.earlier,
        )

    def closed(self, kept: Iterable[int]) -> list[int]:
        """Those of `kept` for which everything that they presuppose, and that in turn presupposes, is kept too."""
        left = set(kept)
        while broken := {index for index in left if not left.issuperset(self.needs[index])}:
            left -= broken
        return sorted(left)


def _presupposed(constraints: Sequence[Constraint]) -> tuple[tuple[int, ...], ...]:
    """From the ids that constraints name in ``depends`` to indices; what is not asked for is not needed."""
    if not any(getattr(each, "depends", ()) for each in constraints):
        return ((),) * len(constraints)
    return tuple(
        tuple(
            other
            for other, needed in enumerate(constraints)
            if other != index and needed.id in getattr(each, "depends", ())
        )
        for index, each in enumerate(constraints)
    )
