"""What an action and its things mean: frames such as `make wood pickaxe ?tool`, from an environment's language file."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Frame:
    """One way in which an action and things make an event.

    Attributes:
        event: its name.
        actions: families of actions; empty where the things alone say it.
        things: for each thing that must be there, its alternatives.
        optional: things that may be there.
        forbidden_only: the things alone say it, but only where they are forbidden ("no zombies").
        weak: it counts only if no other frame fits.
    """

    event: str
    actions: frozenset[str]
    things: tuple[frozenset[str], ...]
    optional: frozenset[str]
    forbidden_only: bool = False
    weak: bool = False

    @classmethod
    def read(cls, event: str, text: str) -> "Frame":
        """A frame from its text, e.g. "make|collect wood pickaxe ?tool"."""
        parts = text.split()
        weak = parts[0] == "~"
        head, *rest = parts[weak:]
        things = tuple(frozenset(part.split("|")) for part in rest if not part.startswith("?"))
        optional = frozenset(thing for part in rest if part.startswith("?") for thing in part[1:].split("|"))
        actions = frozenset() if head in ("*", "!") else frozenset(head.split("|"))
        return cls(event, actions, things, optional, head == "!", weak)

    def fits(self, things: frozenset[str]) -> bool:
        """Are all things that must be there among these, and no other than those that may?"""
        allowed = self.optional.union(*self.things)
        return all(alternatives & things for alternatives in self.things) and things <= allowed


class Meanings:
    """All frames of an environment's events.

    Args:
        frames: by event.
        events: names of the environment's events; frames of other events are left out.
    """

    def __init__(self, frames: Mapping[str, Sequence[str]], events: Iterable[str]):
        names = set(events)
        self.frames = [Frame.read(event, text) for event, texts in frames.items() if event in names for text in texts]

    def of(self, actions: frozenset[str], things: frozenset[str], forbidden: bool = False) -> set[str]:
        """The events that these actions (alternatives of one word) and things may mean.

        Args:
            actions: empty if there is no action, only things.
            forbidden: whether a negation stands before it.
        """
        found = [
            frame
            for frame in self.frames
            if frame.fits(things) and (frame.actions & actions if actions else self._bare(frame, forbidden))
        ]
        strong = [frame for frame in found if not frame.weak] or found
        most = max((len(frame.things) for frame in strong), default=0)
        return {frame.event for frame in strong if len(frame.things) == most}

    @staticmethod
    def _bare(frame: Frame, forbidden: bool) -> bool:
        return not frame.actions and (forbidden or not frame.forbidden_only)

    def things_of(self, event: str) -> frozenset[str]:
        """All things that the frames of an event know."""
        own = [frame for frame in self.frames if frame.event == event]
        return frozenset().union(*(frame.optional.union(*frame.things) for frame in own))
