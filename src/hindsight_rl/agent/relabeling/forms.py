"""The two forms in which a language model is asked what a trajectory achieved. Their prompts are files.

`json` states rules and wants a JSON object with the steps that prove each instruction. `lines` shows two worked
examples and wants one command on each line: small models follow examples, but not rules or a schema. Prompts are
versioned by name and content; the version is recorded with every relabel.
"""

import hashlib
import re
import tomllib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from hindsight_rl.agent.envs.environment import Environment
from hindsight_rl.agent.envs.events import Event
from hindsight_rl.agent.relabeling.snapshot import Snapshot, event_text
from hindsight_rl.endpoint import Answer, Question
from hindsight_rl.endpoint.answers import without_reasoning
from hindsight_rl.errors import HindsightError

if TYPE_CHECKING:
    from pydantic import BaseModel

_BULLET = re.compile(r"^\s*(?:[-*•]|\d+[.)])\s*")


class Proposed(NamedTuple):
    """An instruction as the model proposes it. steps: its evidence for each goal; None: it gives none."""

    instruction: str
    steps: Sequence[int] | None


class Form(ABC):
    """How the model is asked, and how its answer is read.

    Args:
        scene: the first sentence of a prompt, from the environment; `lines` does without.

    Attributes:
        text: what the model reads beside the events. An instruction must not repeat its words.
        version: name of the prompt's file and the beginning of its SHA-256.
    """

    file: ClassVar[str]

    def __init__(self, scene: str = Environment.scene):
        name, _, _ = self.file.rpartition(".")
        self.text = self._text(files("hindsight_rl.agent.relabeling").joinpath(f"prompts/{self.file}"), scene)
        self.version = f"{name}@{hashlib.sha256(self.text.encode()).hexdigest()[:8]}"

    def _text(self, file: Any, scene: str) -> str:
        return str(file.read_text("utf-8"))

    @abstractmethod
    def question(self, snapshot: Snapshot, events: Sequence[Event], k: int) -> Question:
        """The question about a snapshot; the same snapshot gives the same question, so the answer can be cached."""

    @abstractmethod
    def read(self, answer: Answer) -> list[Proposed]:
        """What the model proposes."""


class JsonForm(Form):
    """Rules, and an answer that fits a JSON schema."""

    file = "relabel-1.txt"

    def _text(self, file: Any, scene: str) -> str:
        return super()._text(file, scene).replace("{scene}", scene.replace("{", "{{").replace("}", "}}"))

    def question(self, snapshot: Snapshot, events: Sequence[Event], k: int) -> Question:
        """See :meth:`Form.question`."""
        listed = event_text(snapshot, events)
        fence = hashlib.sha256(listed.encode()).hexdigest()[:12]  # a caption cannot contain its own hash
        said = self.text.format(k=k, events=listed, fence=fence)
        return Question([{"role": "user", "content": said}], _candidates())

    def read(self, answer: Answer) -> list[Proposed]:
        """See :meth:`Form.read`."""
        return [Proposed(each.instruction, each.steps) for each in answer.value.instructions]


class LinesForm(Form):
    """Two worked examples, and an answer of one command on each line, without steps."""

    file = "relabel-lines-1.toml"

    def question(self, snapshot: Snapshot, events: Sequence[Event], k: int) -> Question:
        """See :meth:`Form.question`."""
        prompt = tomllib.loads(self.text)
        messages = []
        for example in prompt["examples"]:
            messages += [
                {"role": "user", "content": prompt["ask"].format(k=k, events="\n".join(example["events"]))},
                {"role": "assistant", "content": "\n".join(f"- {command}" for command in example["commands"])},
            ]
        messages.append({"role": "user", "content": prompt["ask"].format(k=k, events=event_text(snapshot, events))})
        return Question(messages)

    def read(self, answer: Answer) -> list[Proposed]:
        """See :meth:`Form.read`."""
        lines = (_BULLET.sub("", line).strip() for line in without_reasoning(answer.text).splitlines())
        return [Proposed(line, None) for line in dict.fromkeys(lines) if line]


FORMS: dict[str, type[Form]] = {"json": JsonForm, "lines": LinesForm}


@cache
def form(name: str, scene: str = Environment.scene) -> Form:
    """The form of that name.

    Raises:
        HindsightError: there is none.
    """
    if name not in FORMS:
        raise HindsightError(f"--llm.form {name}: one of {', '.join(FORMS)}")
    return FORMS[name](scene)


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
