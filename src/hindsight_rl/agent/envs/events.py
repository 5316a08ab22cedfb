"""Events: what can happen in a transition, with captions."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Event:
    """One kind of thing that can happen in a transition.

    Attributes:
        name: identifier, unique in the vocabulary.
        captions: sentences for it without a subject; the first one is the simplest.
        achievement: index of the game's achievement, None if it is not an achievement.
        implies: names of more general events, which this event fulfils too.
    """

    name: str
    captions: tuple[str, ...]
    achievement: int | None = None
    implies: tuple[str, ...] = ()
