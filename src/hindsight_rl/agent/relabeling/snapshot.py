"""The question to a language model about a trajectory: a snapshot, its text, and the prompt, which is a file.

Prompts are versioned by name and content; the version is recorded with every relabel.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from hindsight_rl.agent.envs.environment import Environment
from hindsight_rl.agent.envs.events import Event
from hindsight_rl.endpoint import Question

if TYPE_CHECKING:
    from pydantic import BaseModel

PROMPT = "relabel-1"


@dataclass(frozen=True)
class Snapshot:
    """A trajectory as it is sent to the language model.

    happened: (step, index of the event), in order. length: steps. step: of training, when it was taken.
    """

    happened: tuple[tuple[int, int], ...]
    length: int
    step: int

    def events(self, n_events: int) -> np.ndarray:
        """bool [length, n_events]."""
        array = np.zeros((self.length, n_events), bool)
        if self.happened:
            array[tuple(np.array(self.happened).T)] = True
        return array


@cache
def prompt(scene: str = Environment.scene, name: str = PROMPT) -> tuple[str, str]:
    """The text of a prompt file and its version: its name and the beginning of its SHA-256.

    Args:
        scene: the first sentence, from the environment.
    """
    text = files("hindsight_rl.agent.relabeling").joinpath(f"prompts/{name}.txt").read_text("utf-8")
    text = text.replace("{scene}", scene.replace("{", "{{").replace("}", "}}"))
    return text, f"{name}@{hashlib.sha256(text.encode()).hexdigest()[:8]}"


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


def question(snapshot: Snapshot, events: Sequence[Event], k: int, scene: str = Environment.scene) -> Question:
    """The question about a snapshot; the same snapshot gives the same question, so the answer can be cached."""
    listed = event_text(snapshot, events)
    fence = hashlib.sha256(listed.encode()).hexdigest()[:12]  # a caption cannot contain its own hash
    said = prompt(scene)[0].format(k=k, events=listed, fence=fence)
    return Question([{"role": "user", "content": said}], _candidates())


@cache
def _candidates() -> "type[BaseModel]":
    from pydantic import BaseModel

    class Candidate(BaseModel):
        instruction: str
        steps: list[int]

    class Candidates(BaseModel):
        instructions: list[Candidate]

        example: ClassVar[dict[str, Any]] = {
            "instructions": [
                {"instruction": "light the lamp", "steps": [4]},
                {"instruction": "read a book, then close the window", "steps": [9, 31]},
            ]
        }

    return Candidates
