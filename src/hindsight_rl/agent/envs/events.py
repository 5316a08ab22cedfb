"""Events: what a transition can do, in words."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Event:
    """One thing that a transition can do.

    Attributes:
        name: identifier, unique in the vocabulary.
        captions: sentences for it, without subject, the first one the plainest.
        achievement: index of the game's achievement, None where no achievement names it.
        implies: names of more general events; whoever did this did those too.
    """

    name: str
    captions: tuple[str, ...]
    achievement: int | None = None
    implies: tuple[str, ...] = ()
