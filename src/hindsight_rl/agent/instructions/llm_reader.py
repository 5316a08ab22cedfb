"""A language model reads the instructions that grammar, lexicon and embedding do not understand.

It answers with names of events, never with free text, and its answer is checked: all names must be events of the
environment, numbers must be in range, nothing harmful may be asked for, and every clause that is understood without the
model must be in the answer. Answers are cached by the endpoint.
"""

from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

from hindsight_rl.agent.instructions.clauses import HarmfulError, InstructionError
from hindsight_rl.agent.instructions.parser import (
    MAX_FORBIDDEN,
    MAX_PARSED_GOALS,
    MAX_TIMES,
    ParsedInstruction,
    all_forbidden,
)
from hindsight_rl.endpoint import Endpoint, MalformedAnswer, Question

if TYPE_CHECKING:
    from pydantic import BaseModel

    from hindsight_rl.agent.reward.semantic import SemanticReward

_PROMPT = """You read instructions for an agent in a game. Say which events the instruction asks for and which it \
forbids, by their names in this list:

{events}

Answer with: "goals", a list of the events that must happen, in the order of the text, each with "event" and "times" \
(1 unless the text gives a number); "ordered", whether the text asks for this order; "avoid", the events that must not \
happen; "understood", false if any part of the instruction is about something that is not in the list. Do not guess.

Instruction: {text}"""


class LlmReader:
    """Reads with a language model.

    Args:
        endpoint: where it answers; closed together with this object.
        reward: knows the events.
    """

    def __init__(self, endpoint: Endpoint, reward: "SemanticReward"):
        self.endpoint, self.reward = endpoint, reward
        self.events = {event.name: event for event in reward.events}

    def read(self, text: str, reason: InstructionError) -> ParsedInstruction:
        """Understand an instruction.

        Args:
            reason: why it was not understood otherwise.

        Raises:
            InstructionError: ``reason``, if it harms or if the model does not understand it either, or why the model's
                answer was rejected.
            EndpointError: the endpoint does not answer.
        """
        if isinstance(reason, HarmfulError):
            raise reason
        listed = "\n".join(f"{name}: {event.captions[0]}" for name, event in self.events.items())
        question = Question([{"role": "user", "content": _PROMPT.format(events=listed, text=text)}], _answer())
        try:
            value = self.endpoint.ask(question).value
        except MalformedAnswer as error:
            raise InstructionError(f"{reason}; the language model gave no usable answer ({error})") from None
        if not value.understood:
            raise InstructionError(f"{reason}; the language model does not understand it either")
        if why := self._wrong(value, text):
            raise InstructionError(f"{reason}; the language model's answer was rejected: {why}")
        goals = tuple(self.reward.plain(goal.event) for goal in value.goals)
        events, times = tuple(goal.event for goal in value.goals), tuple(goal.times for goal in value.goals)
        avoid = all_forbidden(value.avoid, self.reward.language)
        return ParsedInstruction(" ".join(text.split()), goals, value.ordered and len(goals) > 1, events, times, avoid)

    def close(self) -> None:
        """Close the endpoint."""
        self.endpoint.close()

    def _wrong(self, value: Any, text: str) -> str | None:
        """Why an answer is rejected, or None."""
        asked = [goal.event for goal in value.goals]
        if unknown := [name for name in (*asked, *value.avoid) if name not in self.events]:
            return f"'{unknown[0]}' is no event"
        if harmful := [name for name in asked if self.events[name].harmful]:
            return f"{harmful[0]} harms the agent"
        avoid = all_forbidden(value.avoid, self.reward.language)
        if not 1 <= len(asked) <= MAX_PARSED_GOALS or len(avoid) > MAX_FORBIDDEN:
            return f"{len(asked)} goals and {len(avoid)} forbidden events"
        if odd := [goal for goal in value.goals if not 1 <= goal.times <= MAX_TIMES]:
            return f"{odd[0].event} {odd[0].times} times"
        if both := set(asked) & set(avoid):
            return f"{min(both)} is asked for and forbidden"
        for event, forbidden in self.reward.reader.certain(text):
            if event not in (value.avoid if forbidden else asked):
                return f"it leaves out {event}, which the text {'forbids' if forbidden else 'asks for'}"
        return None


@cache
def _answer() -> "type[BaseModel]":
    from pydantic import BaseModel

    class Goal(BaseModel):
        event: str
        times: int

    class Answer(BaseModel):
        goals: list[Goal]
        ordered: bool
        avoid: list[str]
        understood: bool

        example: ClassVar[dict[str, Any]] = {
            "goals": [{"event": "light_lamp", "times": 1}, {"event": "read_book", "times": 2}],
            "ordered": True,
            "avoid": ["close_window"],
            "understood": True,
        }

    return Answer
