"""Instructions that can be fulfilled: a house and goals are drawn, and the scripted agent shows how to meet them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hindsight_rl.errors import HindsightError
from hindsight_rl.lm.rooms.episode import MOST_MOVES
from hindsight_rl.lm.rooms.goals import KINDS, Goal, read_goals
from hindsight_rl.lm.rooms.house import House, draw_house
from hindsight_rl.lm.rooms.solver import Solver, Stuck
from hindsight_rl.replay.instruction import Instruction

TRIES = 1000
SLACK = 2
"""The bound of "at most ... moves" is at most this much above the moves of the scripted agent."""


def instruct(goals: Sequence[Goal], key: int | None = None) -> Instruction:
    """The instruction with these goals of one house."""
    return Instruction(goals[0].house.describe(), tuple(goals), key=key)


def read_instruction(prompt: str) -> Instruction:
    """The instruction of a prompt; raises :class:`HindsightError` where it is no house followed by goals."""
    return instruct(read_goals(prompt))


@dataclass
class Instructions:
    """A source of instructions.

    low, high: fewest and most goals, drawn uniformly. noise: share of random actions in the scripted agent's episodes.
    held_out: draw only from the houses that are held out, instead of only from the others.
    """

    low: int
    high: int
    noise: float = 0.0
    held_out: bool = False

    def draw(self, rng: np.random.Generator) -> tuple[Instruction, str]:
        """An instruction, and the transcript of an episode that fulfils it.

        Raises:
            HindsightError: no such instruction was found.
        """
        pool = [name for name, kind in KINDS.items() for _ in range(kind.repeats)]
        for _ in range(TRIES):
            house = draw_house(rng)
            if house.held_out is not self.held_out:
                continue
            count = int(rng.integers(self.low, self.high + 1))
            kinds = [pool[i] for i in rng.permutation(len(pool))[:count]]
            found = self._solved(rng, house, kinds)
            if found is not None:
                return found
        raise HindsightError(
            f"no instruction with {self.low} to {self.high} goals can be fulfilled in {MOST_MOVES} moves: ask for fewer"
        )

    def _solved(self, rng: np.random.Generator, house: House, kinds: Sequence[str]) -> tuple[Instruction, str] | None:
        """Goals of these kinds and an episode that fulfils each of them, none vacuously; None if there is none."""
        goals = [Goal(kind, _values(rng, house, kind), house) for kind in kinds]
        if len({each.describe() for each in goals}) < len(goals):
            return None
        try:
            episode = Solver(house, goals, self.noise, rng).solve()
        except Stuck:
            return None
        for place, goal in enumerate(goals):
            if goal.kind == "moves":
                least = len(episode.turns) + int(rng.integers(SLACK + 1))
                goals[place] = Goal("moves", {"count": least}, house)
        text = episode.transcript()
        if not text or not all(each.check(text) and not each.vacuous(text) for each in goals):
            return None
        if self.noise:  # what `check goals` shows depends on the bound of the moves
            again = Solver(house, goals, 0.0, rng)
            for action, _ in episode.turns:
                again.episode.act(action)
            text = again.episode.transcript()
        return instruct(goals), text


def _values(rng: np.random.Generator, house: House, kind: str) -> dict[str, object]:
    """Values for a goal of this kind; the bound of the moves is set later."""
    choices = {
        "object": [name for name, _ in house.objects],
        "room": list(house.rooms),
        "container": [name for name, _, _ in house.containers],
    }
    names = [name for name in choices if f"{{{name}}}" in KINDS[kind].wording]
    if not names:
        return {"count": MOST_MOVES}
    return {name: choices[name][int(rng.integers(len(choices[name])))] for name in names}
