"""Rewriters: from a failed response to an instruction that it did fulfil.

| name | what happens to a failed constraint |
|---|---|
| ``drop`` | it is dropped (HiR, arXiv 2512.23457) |
| ``retarget`` | it gets the value that the response achieved; without a sensible value it is dropped (ours) |
| ``keep`` | nothing: the failure is replayed under its own instruction, a control that must fail |

If a constraint is dropped, the constraints that presuppose it are dropped too. Sets of constraints that declare a
conflict are rejected. A constraint that holds only vacuously ("all sentences ..." with a single sentence) counts as
failed and is not retargeted. Standard library only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import combinations
from typing import Any, ClassVar

from hindsight_rl.errors import HindsightError
from hindsight_rl.replay.instruction import Achieving, Constraint, Instruction, MaybeVacuous, Verdict
from hindsight_rl.replay.rollout import Rejected, Rewrite, Rewriter, Rollout


def _made(
    rollout: Rollout, kept: Sequence[int], changed: Mapping[int, Constraint], *, closed: bool, refuse: bool
) -> Rewrite | None:
    """The rewrite with these constraints (`closed`: without those whose prerequisites are missing); None if empty."""
    asked = rollout.instruction
    order = asked.closed({*kept, *changed}) if closed else sorted({*kept, *changed})
    if not order:
        return None
    changed = {index: made for index, made in changed.items() if index in order}
    made = asked.rewritten([index for index in order if index not in changed], changed)
    # Unchanged constraints of the original instruction that are fulfilled together do not conflict.
    standing = [place for place, index in enumerate(order) if index not in changed]
    if refuse and (why := conflict(made.constraints, standing)):
        raise Rejected(why)
    return Rewrite(
        made,
        kept=tuple(index for index in order if index not in changed),
        changed=tuple(sorted(changed)),
        dropped=tuple(index for index in range(len(asked.constraints)) if index not in order),
    )


def _beside(constraint: Constraint, others: Sequence[Constraint], refuse: bool) -> Constraint | None:
    """The constraint; None if it repeats or contradicts one of the others."""
    mine = _identity(constraint)
    if any(_identity(other) == mine or (refuse and conflict((other, constraint))) for other in others):
        return None
    return constraint


def _holds(constraint: Constraint, response: str, prompt: str | None) -> bool:
    """Whether the response fulfils it, and not only vacuously."""
    return constraint.check(response, prompt) and not _vacuous(constraint, response)


def _vacuous(constraint: Constraint, response: str) -> bool:
    return isinstance(constraint, MaybeVacuous) and constraint.vacuous(response)


def _held(rollout: Rollout) -> list[int]:
    """The constraints that the response fulfils, without those that it fulfils only vacuously."""
    each = enumerate(zip(rollout.instruction.constraints, rollout.verdict, strict=True))
    return [index for index, (asked, holds) in each if holds and not _vacuous(asked, rollout.response)]


@dataclass(frozen=True)
class Drop:
    """Keep the constraints that hold, like the paper. Responses that fulfil none or all are never replayed.

    closed: also drop constraints that presuppose a dropped one. refuse: reject sets with a conflict.
    """

    name: ClassVar[str] = "drop"
    closed: bool = True
    refuse: bool = True

    def eligible(self, rollout: Rollout) -> bool:
        """Some constraints hold, not all."""
        return 0 < sum(rollout.verdict) < len(rollout.verdict) and not rollout.instruction.inline

    def rewrite(self, rollout: Rollout) -> Rewrite | None:
        """The instruction with the constraints that hold, and not only vacuously."""
        kept = _held(rollout)
        return _made(rollout, kept, {}, closed=self.closed, refuse=self.refuse)

    def lend(
        self, constraint: Constraint, response: str, beside: Sequence[Constraint], prompt: str | None = None
    ) -> Constraint | None:
        """The constraint if it holds unchanged, else None."""
        return _beside(constraint, beside, self.refuse) if _holds(constraint, response, prompt) else None


@dataclass(frozen=True)
class Retarget:
    """Give a failed constraint the value that the response achieved, otherwise drop it.

    This also works for a response that satisfied nothing. A new value must be sensible (:func:`sensible`), must hold
    for the response, and must not repeat another constraint. reach: the largest factor by which a number may change;
    ``inf`` for no limit. closed, refuse: see :class:`Drop`.
    """

    name: ClassVar[str] = "retarget"
    reach: float = 8.0
    closed: bool = True
    refuse: bool = True

    def eligible(self, rollout: Rollout) -> bool:
        """Whether a constraint failed, and one holds or might hold with another value."""
        if all(rollout.verdict) or rollout.instruction.inline:
            return False
        return any(rollout.verdict) or any(isinstance(each, Achieving) for each in rollout.instruction.constraints)

    def rewrite(self, rollout: Rollout) -> Rewrite | None:
        """The instruction with the constraints that hold, and the failed ones at their achieved values."""
        asked = rollout.instruction
        kept = _held(rollout)
        seen = {_identity(asked.constraints[index]) for index in kept}
        changed: dict[int, Constraint] = {}
        for index, holds in enumerate(rollout.verdict):
            made = None if holds else self.retargeted(asked.constraints[index], rollout.response, asked.prompt)
            if made is not None and _identity(made) not in seen:
                seen.add(_identity(made))
                changed[index] = made
        return _made(rollout, kept, changed, closed=self.closed, refuse=self.refuse)

    def retargeted(self, constraint: Constraint, response: str, prompt: str | None = None) -> Constraint | None:
        """The constraint with the value that the response achieved; None without a sensible value."""
        if not isinstance(constraint, Achieving):
            return None
        kwargs = constraint.achieved(response)
        if not kwargs or not sensible(constraint.kwargs, kwargs, self.reach):
            return None
        try:
            made = constraint.at(kwargs)
        except HindsightError:  # a value that the constraint does not accept
            return None
        return made if _holds(made, response, prompt) else None

    def lend(
        self, constraint: Constraint, response: str, beside: Sequence[Constraint], prompt: str | None = None
    ) -> Constraint | None:
        """The constraint if it holds, unchanged or with another value, else None."""
        there = _holds(constraint, response, prompt)
        holds = constraint if there else self.retargeted(constraint, response, prompt)
        return None if holds is None else _beside(holds, beside, self.refuse)


@dataclass(frozen=True)
class Keep:
    """Replay failures under their own instruction: a control. It needs :meth:`verify`; real checks would fail."""

    name: ClassVar[str] = "keep"

    def eligible(self, rollout: Rollout) -> bool:
        """The same as in :class:`Drop`, so that both replay the same responses."""
        return Drop().eligible(rollout)

    def rewrite(self, rollout: Rollout) -> Rewrite | None:
        """The unchanged instruction."""
        return Rewrite(rollout.instruction, kept=tuple(range(len(rollout.verdict))))

    def lend(
        self, constraint: Constraint, response: str, beside: Sequence[Constraint], prompt: str | None = None
    ) -> Constraint | None:
        """The constraint, whether it holds or not."""
        return _beside(constraint, beside, True)

    def verify(self, instruction: Instruction, response: str) -> Verdict:
        """A verdict that every constraint holds; this makes it a control."""
        return [True] * len(instruction.constraints)


REWRITERS: dict[str, type[Drop] | type[Retarget] | type[Keep]] = {"drop": Drop, "retarget": Retarget, "keep": Keep}


def rewriter(name: str, **settings: Any) -> Rewriter:
    """The rewriter of a name, e.g. ``rewriter("retarget", reach=4)``; raises :class:`HindsightError`."""
    if name not in REWRITERS:
        raise HindsightError(f"unknown rewriter {name!r}: one of {', '.join(REWRITERS)}")
    try:
        return REWRITERS[name](**settings)
    except TypeError:
        known = ", ".join(each.name for each in fields(REWRITERS[name])) or "none"
        raise HindsightError(f"rewriter {name!r} does not take {', '.join(settings)}; its settings: {known}") from None


# Most characters of a text in a new value: words of the response, not whole passages.
_LONGEST = 80


def sensible(old: Mapping[str, Any], new: Mapping[str, Any], reach: float = 8.0) -> bool:
    """Whether new kwargs are sensible in place of the old ones: no zero, no extremes, no empty words.

    A number must be at least 1, and differ from the old one by a factor of at most `reach` or by at most 3. A word must
    be short, on one line and not blank. A list must not be empty or longer than the old one.
    """
    return all(_sensible(old.get(name), value, reach) for name, value in new.items() if value is not None)


def _sensible(old: Any, new: Any, reach: float) -> bool:
    if new == old or isinstance(new, bool):
        return True
    if isinstance(new, int | float):
        if not isinstance(old, int | float) or isinstance(old, bool):
            return new >= 1
        near = abs(new - old) <= 3 or old / reach <= new <= old * reach
        return new >= 1 and near
    if isinstance(new, str):
        longest = max(_LONGEST, 2 * len(old)) if isinstance(old, str) else _LONGEST
        one_line = len(new.splitlines()) == 1 or (isinstance(old, str) and len(old.splitlines()) > 1)
        return bool(new.strip()) and one_line and len(new) <= longest
    if isinstance(new, list | tuple):
        if not new or (isinstance(old, list | tuple) and len(new) > len(old)):
            return False
        return all(_sensible(None, item, reach) for item in new)
    return new is not None


def conflict(constraints: Sequence[Constraint], standing: Sequence[int] = ()) -> str | None:
    """Why constraints contradict each other, in words; None if they do not.

    standing: indices of unchanged constraints; two unchanged constraints are never in conflict.

    Two constraints conflict if one names the other's id in ``conflicts`` (its own id: for two different values), or if
    both have the same id and bound the same count from both sides so that no number remains.
    """
    for (place, one), (beside, other) in combinations(enumerate(constraints), 2):
        if place in standing and beside in standing:
            continue
        against = other.id in getattr(one, "conflicts", ()) or one.id in getattr(other, "conflicts", ())
        if one.id == other.id:
            if (against and one.kwargs != other.kwargs) or _crossed(one.kwargs, other.kwargs):
                return f"two of {one.id} contradict each other"
        elif against:
            return f"{min(one.id, other.id)} conflicts with {max(one.id, other.id)}"
    return None


def _crossed(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two bounds of the same count exclude each other, e.g. "at least 5" and "less than 3"."""
    differ = sorted(name for name in {*one, *other} if one.get(name) != other.get(name))
    bounds = (("at least", "less than"), ("less than", "at least"))
    relations = [name for name in differ if (one.get(name), other.get(name)) in bounds]
    numbers = [name for name in {*one, *other} if _number(one.get(name)) and _number(other.get(name))]
    if len(relations) != 1 or len(numbers) != 1 or not set(differ) <= {*relations, *numbers}:
        return False
    low, high = (one, other) if one[relations[0]] == "at least" else (other, one)
    return bool(low[numbers[0]] >= high[numbers[0]])


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _identity(constraint: Constraint) -> tuple[str, str]:
    return constraint.id, repr(sorted((name, value) for name, value in constraint.kwargs.items() if name != "text"))
