"""The task of an agent that acts in turns (:mod:`hindsight_rl.lm.rooms`), in the sandbox's words.

A response is a transcript: in each turn the policy writes an action of two tokens, and the environment an observation
of two tokens. The policy ends the episode with the end token. The sandbox's model reads only the words of prompts and
transcripts that carry meaning: articles, prepositions and commas have no tokens.
"""

import re
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from hindsight_rl.errors import HindsightError
from hindsight_rl.lm.rooms.episode import MOST_MOVES, VERBS, Episode, transcript
from hindsight_rl.lm.rooms.goals import MOST_GOALS, Goal
from hindsight_rl.lm.rooms.house import CONTAINERS, OBJECTS, ROOMS, House
from hindsight_rl.lm.rooms.instructions import Instructions
from hindsight_rl.lm.rooms.replays import InHouse, SameObservations
from hindsight_rl.lm.sandbox.language import END, PAD, SPECIAL, TOKEN
from hindsight_rl.replay.instruction import Instruction
from hindsight_rl.replay.rollout import Rewriter
from hindsight_rl.replay.verification import Checks, Verifier

ACTION, TURN = 2, 4
"""Tokens of an action, and of an action with its observation."""
WITHOUT_MEANING = frozenset(("the", "is", "in", "at", "to", "and", "are"))
VOCABULARY = (
    *SPECIAL,
    *(".", *ROOMS, *OBJECTS, *CONTAINERS, *VERBS),
    *("floor", "goals", "ok", "no", "nothing"),
    *("doors", "closed", "you"),
    *("bring", "hold", "end", "use", "most", "moves", "never", "enter", "stop"),
    *(str(number) for number in range(MOST_MOVES + 3)),
)
WORD = {word: token for token, word in enumerate(VOCABULARY)}
_PIECE = re.compile(r"\w+|\.")


class Rooms:
    """Satisfies :class:`hindsight_rl.lm.sandbox.task.Task`."""

    name = "rooms"
    vocabulary = VOCABULARY
    longest = MOST_MOVES * TURN + 1
    most_constraints = MOST_GOALS
    layouts = ("list",)

    def source(
        self, low: int, high: int, room: int, *, dependent: float = 0.0, noise: float = 0.0, held_out: bool = False
    ) -> "Fitting":
        """Goals do not presuppose each other, so `dependent` has no effect."""
        return Fitting(Instructions(low, high, noise, held_out), room)

    def prompt_tokens(self, asked: Instruction | str) -> list[int]:
        """Tokens of the words with a meaning.

        Raises:
            HindsightError: a word is not in the vocabulary.
        """
        prompt = asked if isinstance(asked, str) else asked.prompt
        words = [word for word in _PIECE.findall(prompt.lower()) if word not in WITHOUT_MEANING]
        unknown = next((word for word in words if word not in WORD), None)
        if unknown is not None:
            raise HindsightError(f"{unknown!r} is no word of the task rooms (in the prompt {prompt[:60]!r})")
        return [1, *(WORD[word] for word in words)]

    def response_tokens(self, response: str) -> list[int]:
        """Tokens of the actions and the observations."""
        words = " ".join(line.replace(": ", " ").replace(", ", " ") for line in response.split("\n")).split()
        return [*(WORD[word] for word in words), TOKEN[END]]

    def decode(self, tokens: Sequence[int]) -> tuple[str, bool]:
        """The transcript; an action that was not finished is its last line."""
        words: list[str] = []
        ended = TOKEN[END] in tokens
        for token in tokens:
            if token == TOKEN[END]:
                break
            words.append(VOCABULARY[token])
        whole = len(words) // TURN * TURN
        turns = [(" ".join(words[at : at + ACTION]), (words[at + 2], words[at + 3])) for at in range(0, whole, TURN)]
        text = transcript(turns)
        left = " ".join(words[whole:])
        return (f"{text}\n{left}" if text and left else text or left), ended

    def written(self, tokens: Tensor) -> Tensor:
        """The actions and the end token."""
        place = torch.arange(tokens.shape[-1])
        ended = (tokens == TOKEN[END]).int()
        after = ended.cumsum(-1) - ended
        # Without an end token the padding of a shorter row must not count.
        return (place % TURN < ACTION) & (after == 0) & ((tokens != TOKEN[PAD]) | (ended.sum(-1, keepdim=True) > 0))

    def laid_out(self, instruction: Instruction, layout: str, order: Sequence[int] | None = None) -> Instruction:
        """There is one layout; the order can change."""
        indices = range(len(instruction.constraints)) if order is None else order
        return Instruction(instruction.task, tuple(instruction.constraints[index] for index in indices))

    def spans(self, instruction: Instruction) -> list[tuple[int, int]]:
        """The words of each goal, without its full stop."""
        found, at = [], len(self.prompt_tokens(instruction.task))
        for text in instruction.texts:
            words = len(self.prompt_tokens(text)) - 1
            found.append((at, at + words - 1))
            at += words
        return found

    def environment(self, instructions: Sequence[Instruction], samples: int) -> "Episodes":
        """One episode for each response."""
        return Episodes(instructions, samples)

    def verifier(self, inner: Verifier | None) -> Verifier:
        """Replays whose observations would differ are rejected."""
        return SameObservations(Checks() if inner is None else inner)

    def rewriter(self, inner: Rewriter) -> Rewriter:
        """Goals of other instructions are judged in the house of the episode."""
        return InHouse(inner)


class Fitting:
    """Instructions whose prompts are short enough.

    Args:
        inner: draws them.
        room: most tokens of a prompt.
    """

    def __init__(self, inner: Instructions, room: int):
        self.inner, self.room, self.too_long = inner, room, 0

    def draw(self, rng: np.random.Generator) -> tuple[Instruction, str]:
        """An instruction, and a transcript that fulfils it.

        Raises:
            HindsightError: no prompt is short enough.
        """
        for _ in range(100):
            found = self.inner.draw(rng)
            if len(ROOMS_TASK.prompt_tokens(found[0])) <= self.room:
                return found
            self.too_long += 1
        raise HindsightError(f"no prompt fits into {self.room} tokens: raise --model.context")


class Episodes:
    """Satisfies :class:`hindsight_rl.lm.sandbox.task.Environment`."""

    def __init__(self, instructions: Sequence[Instruction], samples: int):
        self.episodes = [
            Episode(House.read(each.task), [goal for goal in each.constraints if isinstance(goal, Goal)])
            for each in instructions
            for _ in range(samples)
        ]
        self.started: list[int] = []

    def reply(self, tokens: Tensor, alive: Tensor) -> Tensor | None:
        """The observation after the second token of an action."""
        if not self.started:
            self.started = tokens.flatten().tolist()
            return None
        found = [
            [WORD[word] for word in episode.act(f"{VOCABULARY[verb]} {VOCABULARY[noun]}")] if goes_on else [0, 0]
            for episode, verb, noun, goes_on in zip(
                self.episodes, self.started, tokens.flatten().tolist(), alive.flatten().tolist(), strict=True
            )
        ]
        self.started = []
        return torch.tensor(found).view(*tokens.shape, TURN - ACTION)


ROOMS_TASK = Rooms()
