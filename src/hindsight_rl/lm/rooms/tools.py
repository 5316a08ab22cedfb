"""The houses as an environment with tools, for a language model that calls tools (TRL's ``environment_factory``).

    HiRTrainer(model, args, instructions, environment_factory=Rooms, transcript=transcript, verify=SameObservations())

Standard library only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hindsight_rl.constraints.completions import field_of, message_text
from hindsight_rl.lm.rooms.episode import Episode
from hindsight_rl.lm.rooms.episode import transcript as joined
from hindsight_rl.lm.rooms.house import House
from hindsight_rl.lm.rooms.instructions import read_instruction


class Rooms:
    """One episode at a time; every public method but ``reset`` is a tool. An answer is the room, and what was shown."""

    def __init__(self) -> None:
        self._episode: Episode | None = None

    def reset(self, prompt: Any = None, **_: Any) -> None:
        """Begin an episode.

        Args:
            prompt: the prompt, as a text or a chat; its last message of the user is the instruction.

        Raises:
            HindsightError: the prompt is no house followed by goals.
        """
        asked = read_instruction(message_text(prompt, "user"))
        self._episode = Episode(House.read(asked.task), asked.constraints)  # type: ignore[arg-type]

    def go(self, room: str) -> str:
        """
        Go through a door into another room.

        Args:
            room: The room to enter; a door must join it and the room where you are.

        Returns:
            The room where you are now, and an object that lies there.
        """
        return self._act(f"go {room}")

    def take(self, thing: str) -> str:
        """
        Take an object that is here. You can hold one object.

        Args:
            thing: The object to take; it lies on the floor or in an open container.

        Returns:
            The room where you are, and ok or no.
        """
        return self._act(f"take {thing}")

    def put(self, place: str) -> str:
        """
        Put down the object that you hold.

        Args:
            place: The floor, or an open container in this room.

        Returns:
            The room where you are, and ok or no.
        """
        return self._act(f"put {place}")

    def open(self, container: str) -> str:
        """
        Open a container in this room.

        Args:
            container: The container.

        Returns:
            The room where you are, and an object in the container, or no.
        """
        return self._act(f"open {container}")

    def close(self, container: str) -> str:
        """
        Close a container in this room.

        Args:
            container: The container.

        Returns:
            The room where you are, and ok or no.
        """
        return self._act(f"close {container}")

    def check(self) -> str:
        """
        Ask how many of your goals are reached.

        Returns:
            The room where you are, and how many goals would hold if you stopped now.
        """
        return self._act("check goals")

    def _act(self, action: str) -> str:
        assert self._episode is not None, "reset() comes first"
        return ", ".join(self._episode.act(" ".join(action.split())))


def transcript(completion: Any) -> str:
    """The transcript of a completion: its calls of tools that were answered, with their answers.

    completion: messages of the assistant with ``tool_calls``, each followed by the answers as messages of the tool; a
    text is its own transcript.
    """
    if not isinstance(completion, Sequence) or isinstance(completion, str):
        return message_text(completion)
    turns: list[tuple[str, tuple[str, str]]] = []
    calls: list[Any] = []
    for message in completion:
        if field_of(message, "role") == "tool" and calls:
            function = field_of(calls.pop(0), "function")
            room, _, showed = message_text([message], "tool").partition(", ")
            if showed:  # an answer without a comma is an error that TRL reports: nothing was done
                given = dict(field_of(function, "arguments") or {})
                words = " ".join(str(value) for value in given.values()).split()
                name = str(field_of(function, "name"))
                turns.append((" ".join([name, *(["goals"] if name == "check" else words)]), (room, showed)))
        else:
            calls = list(field_of(message, "tool_calls") or [])
    return joined(turns)
