"""Events: what can happen in a transition, with captions."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Event:
    """One kind of thing that can happen in a transition.

    Attributes:
        name: identifier, unique in the vocabulary.
        captions: sentences for it without a subject; the first one is the simplest.
        achievement: index of the game's achievement, None if it is not an achievement.
        implies: names of more general events, which this event fulfils too.
        harmful: harm or an accident; no instruction may ask for it.
        held_out: no instruction in training asks for it, so that evaluation can measure how well the policy generalizes
            to it.
    """

    name: str
    captions: tuple[str, ...]
    achievement: int | None = None
    implies: tuple[str, ...] = ()
    harmful: bool = False
    held_out: bool = False

    @property
    def trained(self) -> bool:
        """May an instruction in training ask for it?"""
        return not (self.harmful or self.held_out)


def event_index(events: Sequence[Event]) -> dict[str, int]:
    """Position of each event by name."""
    return {event.name: index for index, event in enumerate(events)}


def fulfilling(events: Sequence[Event]) -> tuple[tuple[bool, ...], ...]:
    """Which events truly fulfil an instruction for an event: row = event that happened, column = event that is asked
    for."""
    return tuple(tuple(done == meant or meant.name in done.implies for meant in events) for done in events)
