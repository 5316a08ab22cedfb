"""Episodes: what each action does, what is observed, and the transcript as text.

An action is two words, an observation too: the room in which the agent is after the action, and what the action showed.

| action | condition | the second word of the observation |
|---|---|---|
| ``go ROOM`` | a door leads there | an object that lies in the room, or ``nothing`` |
| ``take OBJECT`` | it lies in this room or in an open container here, and the hand is empty | ``ok`` |
| ``put floor``, ``put CONTAINER`` | something is held; the container is here and open | ``ok`` |
| ``open CONTAINER`` | it is here and closed | an object in it, or ``nothing`` |
| ``close CONTAINER`` | it is here and open | ``ok`` |
| ``check goals`` | | how many goals hold if the episode ends after it |

If the condition does not hold, or the words are no action, nothing changes and the second word is ``no``. An episode
ends when the agent stops. Standard library only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Protocol

from hindsight_rl.lm.rooms.house import House

MOST_MOVES = 10
"""The moves after which an episode is cut off."""

Observation = tuple[str, str]


@dataclass(frozen=True)
class Outcome:
    """What an episode has come to.

    room: where the agent is. held: the object in its hand. places: room, container or "hand" of each object. open:
    whether each container is open. entered: the rooms that were entered, in order; the first room is none of them.
    handled: containers that were opened or closed. moves: number of actions, those without effect included.
    """

    house: House
    room: str
    held: str | None
    places: dict[str, str]
    open: dict[str, bool]
    entered: tuple[str, ...]
    handled: frozenset[str]
    moves: int

    @property
    def changed(self) -> bool:
        """Whether any action had an effect."""
        return bool(self.entered or self.handled or self.held or self.places != dict(self.house.objects))

    def room_of(self, name: str) -> str | None:
        """The room in which an object lies, on the floor or in a container; None if it is held or unknown."""
        place = self.places.get(name)
        return (self.house.place(place) or place) if place is not None and place != "hand" else None


class Holds(Protocol):
    """A goal."""

    def holds(self, outcome: Outcome) -> bool:
        """Whether it holds if the episode ends now."""
        ...


class Episode:
    """An episode in a house.

    Args:
        house: the start.
        goals: for the action ``check goals``.
    """

    def __init__(self, house: House, goals: Sequence[Holds] = ()):
        self.house, self.goals = house, goals
        self.room = house.start
        self.held: str | None = None
        self.places = dict(house.objects)
        self.open = {name: up for name, _, up in house.containers}
        self.entered: list[str] = []
        self.handled: set[str] = set()
        self.turns: list[tuple[str, Observation]] = []

    def act(self, action: str) -> Observation:
        """Do an action; returns the observation."""
        verb, _, noun = action.partition(" ")
        does = _ACTIONS.get(verb)
        showed = does(self, noun) if does else "no"
        observation = (self.room, showed)
        self.turns.append((action, observation))
        return observation

    def outcome(self) -> Outcome:
        """The outcome if the episode ends now."""
        return Outcome(
            self.house, self.room, self.held, dict(self.places), dict(self.open), tuple(self.entered),
            frozenset(self.handled), len(self.turns),
        )  # fmt: skip

    def transcript(self) -> str:
        """The text of the episode so far."""
        return transcript(self.turns)

    def _go(self, noun: str) -> str:
        if (self.room, noun) not in self.house.doors and (noun, self.room) not in self.house.doors:
            return "no"
        self.room = noun
        self.entered.append(noun)
        return self._first(noun)

    def _take(self, noun: str) -> str:
        place = self.places.get(noun)
        here = place == self.room or (self.open.get(place or "", False) and self.house.place(place or "") == self.room)
        if self.held is not None or not here:
            return "no"
        self.held, self.places[noun] = noun, "hand"
        return "ok"

    def _put(self, noun: str) -> str:
        inside = self.open.get(noun, False) and self.house.place(noun) == self.room
        if self.held is None or not (noun == "floor" or inside):
            return "no"
        self.places[self.held] = self.room if noun == "floor" else noun
        self.held = None
        return "ok"

    def _open(self, noun: str) -> str:
        if self.open.get(noun, True) or self.house.place(noun) != self.room:
            return "no"
        self.open[noun] = True
        self.handled.add(noun)
        return self._first(noun)

    def _close(self, noun: str) -> str:
        if not self.open.get(noun, False) or self.house.place(noun) != self.room:
            return "no"
        self.open[noun] = False
        self.handled.add(noun)
        return "ok"

    def _check(self, noun: str) -> str:
        if noun != "goals":
            return "no"
        outcome = replace(self.outcome(), moves=len(self.turns) + 1)
        return str(sum(goal.holds(outcome) for goal in self.goals))

    def _first(self, place: str) -> str:
        return next((name for name, held in self.places.items() if held == place), "nothing")


_ACTIONS: dict[str, Callable[[Episode, str], str]] = {
    "go": Episode._go,
    "take": Episode._take,
    "put": Episode._put,
    "open": Episode._open,
    "close": Episode._close,
    "check": Episode._check,
}
VERBS = tuple(_ACTIONS)


def actions(house: House) -> list[str]:
    """All actions that can have an effect in a house."""
    return [
        *(f"go {room}" for room in house.rooms),
        *(f"take {name}" for name, _ in house.objects),
        "put floor",
        *(f"{verb} {name}" for name, _, _ in house.containers for verb in ("put", "open", "close")),
        "check goals",
    ]


def transcript(turns: Sequence[tuple[str, Observation]]) -> str:
    """The text of an episode: a line ``action: room, what it showed`` for each turn."""
    return "\n".join(f"{action}: {room}, {showed}" for action, (room, showed) in turns)


@lru_cache(4096)
def read(text: str) -> tuple[tuple[str, Observation], ...]:
    """The turns of a transcript; lines that are no turn, such as an action that was cut off, are skipped."""
    turns = []
    for line in text.split("\n"):
        action, colon, seen = line.rpartition(": ")
        room, comma, showed = seen.partition(", ")
        if colon and comma:
            turns.append((action, (room, showed)))
    return tuple(turns)


@lru_cache(4096)
def outcome(house: House, text: str) -> Outcome:
    """The outcome of a transcript: its actions are done again in the house, its observations are not read."""
    episode = Episode(house)
    for action, _ in read(text):
        episode.act(action)
    return episode.outcome()


def true_of(house: House, goals: Sequence[Holds], text: str) -> bool:
    """Whether the environment, with these goals, would have answered with exactly the observations of a transcript."""
    episode = Episode(house, goals)
    return all(episode.act(action) == observation for action, observation in read(text))
