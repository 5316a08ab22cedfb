"""Goals of an episode, as constraints with verifiers on its transcript. Standard library only.

A goal knows the house of its instruction and simulates the actions of the transcript there. ``achieved`` finds another
value at which the transcript fulfils the same kind of goal: another object that was brought somewhere, another number
of moves. A goal that holds although the agent did nothing for it (a box that was closed from the start) is *vacuous*:
it is never kept by a rewrite.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from zlib import crc32

from hindsight_rl.errors import HindsightError
from hindsight_rl.lm.rooms.episode import MOST_MOVES, Outcome, outcome
from hindsight_rl.lm.rooms.house import House

Values = dict[str, Any]


@dataclass(frozen=True)
class Kind:
    """One kind of goal.

    wording: with the names of the kwargs in braces. holds: the check. achieved: other kwargs at which an outcome
    fulfils this kind of goal; None if there are none. vacuous: whether it holds only because nothing was done.
    repeats: how often an instruction may have it. forbids: it asks for no action.
    """

    wording: str
    holds: Callable[[Outcome, Values], bool]
    achieved: Callable[[Outcome, Values], Values | None]
    vacuous: Callable[[Outcome, Values], bool] = lambda o, v: False
    repeats: int = 1
    forbids: bool = False


def _draw(choices: list[Values], *seed: object) -> Values | None:
    """One of the choices: the same for the same seed."""
    return choices[crc32(repr(seed).encode()) % len(choices)] if choices else None


def _moved(o: Outcome) -> dict[str, str]:
    """Objects that now lie in another room than at the start, and their rooms."""
    before = {name: o.house.place(place) or place for name, place in o.house.objects}
    return {name: room for name in o.places if (room := o.room_of(name)) and room != before[name]}


def _brought(o: Outcome, v: Values) -> Values | None:
    moved = _moved(o)
    if v["object"] in moved:
        return {"object": v["object"], "room": moved[v["object"]]}
    there = [{"object": name, "room": room} for name, room in moved.items() if room == v["room"]]
    return _draw(there or [{"object": name, "room": room} for name, room in moved.items()], o.entered, v)


def _stored(o: Outcome, v: Values) -> Values | None:
    before = dict(o.house.objects)
    now = [
        {"object": name, "container": place}
        for name, place in o.places.items()
        if place in o.open and before[name] != place
    ]
    same = [each for each in now if v["object"] == each["object"] or v["container"] == each["container"]]
    return _draw(same or now, o.entered, v)


def _state(up: bool) -> Callable[[Outcome, Values], Values | None]:
    def achieved(o: Outcome, v: Values) -> Values | None:
        return _draw([{"container": each} for each in sorted(o.handled) if o.open[each] is up], o.entered, v)

    return achieved


def _avoided(o: Outcome, v: Values) -> Values | None:
    left = [room for room in o.house.rooms if room not in o.entered and room != o.house.start]
    return _draw([{"room": room} for room in left], o.entered, v) if o.entered else None


KINDS: dict[str, Kind] = {
    "bring": Kind(
        "Bring the {object} to the {room}.",
        lambda o, v: o.room_of(v["object"]) == v["room"],
        _brought,
        lambda o, v: v["object"] not in _moved(o),
        repeats=2,
    ),
    "hold": Kind(
        "Hold the {object} at the end.",
        lambda o, v: o.held == v["object"],
        lambda o, v: {"object": o.held} if o.held else None,
    ),
    "store": Kind(
        "Put the {object} in the {container}.",
        lambda o, v: o.places.get(v["object"]) == v["container"],
        _stored,
        lambda o, v: (v["object"], v["container"]) in o.house.objects,
    ),
    "closed": Kind(
        "The {container} is closed at the end.",
        lambda o, v: o.open.get(v["container"]) is False,
        _state(False),
        lambda o, v: v["container"] not in o.handled,
    ),
    "open": Kind(
        "The {container} is open at the end.",
        lambda o, v: o.open.get(v["container"]) is True,
        _state(True),
        lambda o, v: v["container"] not in o.handled,
    ),
    "moves": Kind(
        "Use at most {count} moves.",
        lambda o, v: o.moves <= v["count"],
        lambda o, v: {"count": o.moves} if o.changed and o.moves < MOST_MOVES else None,
        lambda o, v: not o.changed or v["count"] >= MOST_MOVES,
        forbids=True,
    ),
    "avoid": Kind(
        "Never enter the {room}.",
        lambda o, v: v["room"] in o.house.rooms and v["room"] not in o.entered,
        _avoided,
        lambda o, v: not o.entered,
        repeats=2,
        forbids=True,
    ),
    "visit": Kind(
        "Enter the {room}.",
        lambda o, v: v["room"] in o.entered,
        lambda o, v: _draw([{"room": room} for room in dict.fromkeys(o.entered)], o.entered, v),
        repeats=2,
    ),
    "stop": Kind(
        "Stop in the {room}.",
        lambda o, v: o.room == v["room"],
        lambda o, v: {"room": o.room} if o.entered else None,
        lambda o, v: not o.entered,
    ),
}
MOST_GOALS = sum(kind.repeats for kind in KINDS.values())


@dataclass(frozen=True)
class Goal:
    """A goal in a house. Satisfies :class:`hindsight_rl.replay.instruction.Constraint`."""

    kind: str
    kwargs: Values = field(hash=False)
    house: House = field(repr=False)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise HindsightError(f"unknown kind of goal '{self.kind}': one of {', '.join(KINDS)}")

    @property
    def id(self) -> str:
        """`rooms:` followed by the kind."""
        return f"rooms:{self.kind}"

    def describe(self) -> str:
        """The goal in the words of the prompt."""
        return KINDS[self.kind].wording.format_map(self.kwargs)

    def holds(self, outcome: Outcome) -> bool:
        """Whether an outcome fulfils it."""
        return KINDS[self.kind].holds(outcome, self.kwargs)

    def check(self, response: str, prompt: str | None = None) -> bool:
        """Whether the actions of a transcript fulfil it."""
        return self.holds(outcome(self.house, response))

    def achieved(self, response: str) -> Values | None:
        """Kwargs at which the transcript fulfils this kind of goal, or None."""
        return KINDS[self.kind].achieved(outcome(self.house, response), self.kwargs)

    def vacuous(self, response: str) -> bool:
        """Whether it holds although the agent did nothing for it."""
        return KINDS[self.kind].vacuous(outcome(self.house, response), self.kwargs)

    def at(self, kwargs: Mapping[str, Any]) -> Goal:
        """The same kind of goal with other kwargs."""
        return Goal(self.kind, dict(kwargs), self.house)

    def within(self, house: House) -> Goal:
        """The same goal in another house."""
        return Goal(self.kind, self.kwargs, house)


_FORMS = {
    name: re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>\\w+)", re.escape(kind.wording))) for name, kind in KINDS.items()
}


@lru_cache(4096)
def read_goals(prompt: str) -> tuple[Goal, ...]:
    """The goals of a prompt, in their order; the house that the prompt begins with is theirs.

    Raises:
        HindsightError: the prompt does not begin with a house, or what follows is no goal.
    """
    house = House.read(prompt)
    left, goals = prompt.removeprefix(house.describe()).strip(), []
    while left:
        name, found = next(((name, found) for name, form in _FORMS.items() if (found := form.match(left))), ("", None))
        if found is None:
            known = "; ".join(kind.wording for kind in KINDS.values())
            raise HindsightError(f"no goal: {left[:60]!r}; the goals are {known}")
        values = {key: int(value) if key == "count" else value for key, value in found.groupdict().items()}
        goals.append(Goal(name, values, house))
        left = left[found.end() :].strip()
    return tuple(goals)
