"""A scripted agent that fulfils a list of goals, if that is easy; its episodes teach the base model what actions do.

It brings and stores objects one after another, then visits, opens and closes, then takes what is to be held, and stops
in the right room. It knows the house from its description. Standard library and NumPy only.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hindsight_rl.lm.rooms.episode import MOST_MOVES, Episode, actions
from hindsight_rl.lm.rooms.goals import Goal
from hindsight_rl.lm.rooms.house import House

WANDERED = 4
ORDER = ("store", "bring", "visit", "open", "closed", "hold", "stop")


class Stuck(Exception):
    """The agent found no way, or used up its moves."""


class Solver:
    """Acts in an episode until its goals hold, one after another; a later goal can undo an earlier one.

    Args:
        house: the start.
        goals: what to fulfil; "at most ... moves" is ignored.
        noise: share of random actions.
        rng: for the noise, and for a walk where the goals ask for no action.
    """

    def __init__(self, house: House, goals: Sequence[Goal], noise: float, rng: np.random.Generator):
        self.house, self.noise, self.rng = house, noise, rng
        self.goals = sorted((each for each in goals if each.kind in ORDER), key=lambda each: ORDER.index(each.kind))
        self.avoid = [each.kwargs["room"] for each in goals if each.kind == "avoid"]
        self.episode = Episode(house, goals)
        self.choices = actions(house) if noise else []

    def solve(self) -> Episode:
        """The episode; its goals may still be unfulfilled, because goals can contradict each other.

        Raises:
            Stuck: there is no way.
        """
        for goal in self.goals:
            while not goal.holds(self.episode.outcome()):
                before = len(self.episode.turns)
                self._fulfil(goal)
                if len(self.episode.turns) == before:  # it asks to enter the room where the agent is
                    raise Stuck
        if not self.goals:
            self._wander()
        return self.episode

    def _fulfil(self, goal: Goal) -> None:
        values = goal.kwargs
        if goal.kind in ("bring", "store"):
            self._fetch(values["object"])
            self._walk(values["room"] if goal.kind == "bring" else values["container"])
            if goal.kind == "store":
                self._opened(values["container"], True)
            self._act(f"put {values.get('container', 'floor')}")
        elif goal.kind in ("open", "closed"):
            self._walk(values["container"])
            self._opened(values["container"], goal.kind == "open")
        elif goal.kind == "hold":
            self._fetch(values["object"])
        else:
            self._walk(values["room"])

    def _fetch(self, name: str) -> None:
        """Have an object in the hand."""
        episode = self.episode
        while episode.held != name:
            if episode.held is not None:
                self._act("put floor")
                continue
            place = episode.places[name]
            self._walk(place)
            if place in episode.open:
                self._opened(place, True)
            self._act(f"take {name}")

    def _wander(self) -> None:
        """A few steps, for goals that only forbid."""
        for _ in range(int(self.rng.integers(1, WANDERED + 1))):
            near = [room for room in self.house.rooms if self.house.path(self.episode.room, room) == [room]]
            allowed = [room for room in near if room not in self.avoid]
            if not allowed:
                raise Stuck
            self._act(f"go {allowed[int(self.rng.integers(len(allowed)))]}")

    def _walk(self, place: str) -> None:
        """Be in a room, or in the room of a container."""
        room = self.house.place(place) or place
        while self.episode.room != room:
            way = self.house.path(self.episode.room, room, self.avoid)
            if way is None:
                raise Stuck
            self._act(f"go {way[0]}")

    def _opened(self, container: str, up: bool) -> None:
        if self.episode.open[container] is not up:
            self._act(f"{'open' if up else 'close'} {container}")

    def _act(self, action: str) -> None:
        """An action, or a random one in its place; the caller looks again at what is true now."""
        if self.noise and self.rng.random() < self.noise:
            action = self.choices[int(self.rng.integers(len(self.choices)))]
        if len(self.episode.turns) == MOST_MOVES:
            raise Stuck
        self.episode.act(action)
