"""A trajectory as it is shown to a language model: what happened, step by step."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hindsight_rl.agent.envs.events import Event


@dataclass(frozen=True)
class Snapshot:
    """A trajectory as it is sent to the language model.

    happened: (step, index of the event), in order. length: steps. step: of training, when it was taken.
    """

    happened: tuple[tuple[int, int], ...]
    length: int
    step: int

    @classmethod
    def of(cls, events: np.ndarray, step: int) -> "Snapshot":
        """A snapshot of bool [T, n_events]."""
        pairs = zip(*np.nonzero(events), strict=True)
        return cls(tuple((int(at), int(event)) for at, event in pairs), len(events), step)

    def events(self, n_events: int) -> np.ndarray:
        """bool [length, n_events]."""
        array = np.zeros((self.length, n_events), bool)
        if self.happened:
            array[tuple(np.array(self.happened).T)] = True
        return array


def event_text(snapshot: Snapshot, events: Sequence[Event]) -> str:
    """One line for each event, in the order of first occurrence; without harm and accidents."""
    at: dict[int, list[int]] = {}
    for step, event in snapshot.happened:
        if events[event].trained:
            at.setdefault(event, []).append(step)
    lines = []
    for event, steps in at.items():
        again = ", ".join(map(str, steps[1:4])) + (" and later" if len(steps) > 4 else "")
        caption = " ".join(events[event].captions[0].split())
        lines.append(f"step {steps[0]}: {caption}" + (f" (again at {again})" if again else ""))
    return "\n".join(lines)
