"""What the MulDimIF constraints share: bounds and scope as kwargs, and the wording of a description."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

from hindsight_rl.constraints.core import Checker, Param
from hindsight_rl.constraints.text.plurals import agreeing

TEXT = Param("text", str, required=False)
SCOPE = Param("scope", str, required=False, default="")


def bounds_params(noun: str, low: int = 0) -> tuple[Param, Param]:
    """The kwargs ``low`` and ``high`` (or ``noun_low``, ``noun_high``), both optional."""
    prefix = f"{noun}_" if noun else ""
    return (
        Param(f"{prefix}low", int, low=low, required=False),
        Param(f"{prefix}high", int, low=low, required=False),
    )


def within(count: int, low: int | None, high: int | None) -> bool:
    """Whether a count lies between two bounds, either of which may be absent."""
    return (low is None or count >= low) and (high is None or count <= high)


def bounds_in_words(low: int | None, high: int | None) -> str:
    """ "at least 2", "at most 5", "between 2 and 5", "exactly 2"."""
    if low is not None and high is not None:
        return f"exactly {low}" if low == high else f"between {low} and {high}"
    return f"at least {low}" if low is not None else f"at most {high}"


def moved(low: int | None, high: int | None, least: int, most: int) -> tuple[int | None, int | None]:
    """Bounds that contain the counts from `least` to `most`, moved as little as possible, widened only if needed."""
    if low is None or high is None:
        return (None if low is None else min(low, least)), (None if high is None else max(high, most))
    if most - least > high - low:
        return least, most
    shift = min(least - low, 0) + max(most - high, 0)
    return max(low + shift, min(least, 1)), high + shift


def listed(items: Sequence[str], last: str = "and") -> str:
    """'a', 'b' and 'c', quoted."""
    quoted = [f"'{item}'" for item in items]
    return quoted[0] if len(quoted) == 1 else ", ".join(quoted[:-1]) + f" {last} {quoted[-1]}"


class MulDimIF(Checker):
    """A constraint whose description is the dataset's wording where there is one."""

    # pairs (low, high) of kwargs, of which at least one has to be given; () where there are none
    pairs: ClassVar[tuple[tuple[str, str], ...]] = ()

    def validated(self) -> None:
        for low, high in self.pairs:
            if None not in (self.values[low], self.values[high]) and self.values[low] > self.values[high]:
                raise ValueError(f"{low!r} is above {high!r}")
        names = [name for pair in self.pairs for name in pair]
        if names and not any(self.values[name] is not None for name in names):
            raise ValueError("needs one of " + ", ".join(map(repr, names)))

    def describe(self) -> str:
        return self.values["text"] or agreeing(self.sentence())

    def at(self, kwargs: Mapping[str, Any]) -> Self:
        """This constraint with these kwargs in place of its own. The data's wording no longer fits, so ours is used."""
        return super().at({**kwargs, "text": None})

    def sentence(self) -> str:
        """The constraint in this project's words."""
        raise NotImplementedError

    @property
    def subject(self) -> str:
        """ "The response", or "Each" part that the constraint is about."""
        scope = self.values.get("scope")
        return f"Each {scope}" if scope else "The response"
