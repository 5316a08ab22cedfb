"""Houses: rooms joined by doors, containers, and objects; drawn at random, and described in words.

A description says everything about the start of an episode, so an episode can be simulated from its instruction and its
actions alone. Standard library and NumPy only.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from zlib import crc32

import numpy as np

from hindsight_rl.errors import HindsightError

ROOMS = ("attic", "cellar", "garden", "hall", "kitchen", "study")
OBJECTS = ("bell", "book", "coin", "key", "lamp", "rope")
CONTAINERS = ("basket", "box", "chest")
ROOMS_OF_HOUSE, OBJECTS_OF_HOUSE, CONTAINERS_OF_HOUSE = 3, 2, 2
HELD_OUT = 10
"""One house in so many is held out: it occurs in evaluations only."""


@dataclass(frozen=True)
class House:
    """The start of an episode.

    doors: pairs of rooms. containers: name, room, and whether it is open. objects: name, and the room or the container
    that it is in. start: the room in which the agent begins.
    """

    doors: tuple[tuple[str, str], ...]
    containers: tuple[tuple[str, str, bool], ...]
    objects: tuple[tuple[str, str], ...]
    start: str

    @property
    def rooms(self) -> tuple[str, ...]:
        """The rooms, in alphabetical order."""
        return tuple(sorted({room for door in self.doors for room in door}))

    def place(self, container: str) -> str | None:
        """The room of a container; None for another name."""
        return next((room for name, room, _ in self.containers if name == container), None)

    def path(self, start: str, end: str, avoid: Sequence[str] = ()) -> list[str] | None:
        """The rooms of a shortest way, without the first one; None if there is no way around the avoided rooms."""
        before: dict[str, str] = {start: start}
        waiting = [start]
        for room in waiting:
            if room == end:
                break
            for one, other in self.doors:
                if room in (one, other):
                    beyond = other if room == one else one
                    if beyond not in before and beyond not in avoid:
                        before[beyond] = room
                        waiting.append(beyond)
        if end not in before:
            return None
        way = []
        while end != start:
            way.append(end)
            end = before[end]
        return way[::-1]

    @property
    def held_out(self) -> bool:
        """Whether the house occurs in evaluations only."""
        return crc32(self.describe().encode()) % HELD_OUT == 0

    def describe(self) -> str:
        """The description in the prompt; :meth:`read` is its inverse."""
        doors = ", ".join(f"{one} and {other}" for one, other in self.doors)
        said = [f"Doors: {doors}."]
        said += [f"The {name} is in the {room}, {'open' if up else 'closed'}." for name, room, up in self.containers]
        said += [f"The {name} is in the {place}." for name, place in self.objects]
        return " ".join([*said, f"You are in the {self.start}."])

    @staticmethod
    def read(prompt: str) -> House:
        """The house that a prompt begins with.

        Raises:
            HindsightError: the prompt does not begin with a description of a house.
        """
        return _read(prompt)


_DESCRIPTION = re.compile(r"Doors: (.*?)\.((?: The \w+ is in the \w+(?:, \w+)?\.)*) You are in the (\w+)\.")
_THING = re.compile(r"The (\w+) is in the (\w+)(?:, (open|closed))?\.")


@lru_cache(4096)
def _read(prompt: str) -> House:
    found = _DESCRIPTION.match(prompt)
    if found is None:
        raise HindsightError(
            f"the prompt {prompt[:60]!r} does not begin with a house: it must begin like 'Doors: hall and kitchen. "
            "The lamp is in the hall. You are in the hall.'"
        )
    doors = tuple((one, other) for one, _, other in (door.partition(" and ") for door in found[1].split(", ")))
    things = _THING.findall(found[2])
    return House(
        doors,
        tuple((name, place, state == "open") for name, place, state in things if state),
        tuple((name, place) for name, place, state in things if not state),
        found[3],
    )


def draw_house(rng: np.random.Generator) -> House:
    """A random house: three rooms joined by two or three doors, two containers, two objects."""
    rooms = [ROOMS[i] for i in rng.permutation(len(ROOMS))[:ROOMS_OF_HOUSE]]
    doors = [(rooms[int(rng.integers(at))], rooms[at]) for at in range(1, len(rooms))]
    if rng.random() < 0.5:
        left = [(a, b) for i, a in enumerate(rooms) for b in rooms[i + 1 :] if (a, b) not in doors]
        doors.append(left[int(rng.integers(len(left)))])
    containers = [
        (CONTAINERS[i], rooms[int(rng.integers(len(rooms)))], bool(rng.random() < 0.5))
        for i in sorted(rng.permutation(len(CONTAINERS))[:CONTAINERS_OF_HOUSE])
    ]
    objects = []
    for i in sorted(rng.permutation(len(OBJECTS))[:OBJECTS_OF_HOUSE]):
        inside = rng.random() < 0.25
        place = containers[int(rng.integers(len(containers)))][0] if inside else rooms[int(rng.integers(len(rooms)))]
        objects.append((OBJECTS[i], place))
    return House(tuple(doors), tuple(containers), tuple(objects), rooms[int(rng.integers(len(rooms)))])
