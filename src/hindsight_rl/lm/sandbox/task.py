"""What the sandbox must know of a task: its words, its instructions, and how a response comes about.

The learner, the sampler and the evaluations use nothing else, so a further task is one more module like
:mod:`~hindsight_rl.lm.sandbox.words_task`.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from torch import Tensor

from hindsight_rl.replay.instruction import Instruction
from hindsight_rl.replay.rollout import Rewriter
from hindsight_rl.replay.verification import Verifier


class Source(Protocol):
    """A source of instructions. too_long: instructions that were discarded because their prompt is too long."""

    too_long: int

    def draw(self, rng: np.random.Generator) -> tuple[Instruction, str]:
        """An instruction, and a response that fulfils it."""
        ...


class Environment(Protocol):
    """Answers the actions in responses to P prompts, K responses each."""

    def reply(self, tokens: Tensor, alive: Tensor) -> Tensor | None:
        """What the environment adds after the newest tokens.

        Args:
            tokens: the newest token of each response [P, K].
            alive: false for responses that have ended [P, K].

        Returns:
            the observation's tokens [P, K, N], padding for responses that have ended; None while an action goes on.
        """
        ...


class Task(Protocol):
    """A task. Its first four tokens are padding, the start of a prompt, the start of a response, and its end."""

    @property
    def name(self) -> str:
        """Its name on the command line."""
        ...

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """The word of each token."""
        ...

    @property
    def longest(self) -> int:
        """Most tokens of a response, its end included."""
        ...

    @property
    def most_constraints(self) -> int:
        """Most constraints of an instruction."""
        ...

    @property
    def layouts(self) -> tuple[str, ...]:
        """Layouts that a rewritten instruction may have; ``list`` is that of the originals."""
        ...

    def source(
        self, low: int, high: int, room: int, *, dependent: float = 0.0, noise: float = 0.0, held_out: bool = False
    ) -> Source:
        """Instructions with `low` to `high` constraints whose prompts have at most `room` tokens.

        dependent: share of constraints that presuppose another one. noise: of the responses that fulfil them.
        held_out: for evaluations, if the task keeps some of its instructions for them.
        """
        ...

    def prompt_tokens(self, asked: Instruction | str) -> list[int]:
        """Tokens of an instruction's prompt, or of a prompt."""
        ...

    def response_tokens(self, response: str) -> list[int]:
        """Tokens of a response, its end included."""
        ...

    def decode(self, tokens: Sequence[int]) -> tuple[str, bool]:
        """The text of a response up to its end, and whether it has an end."""
        ...

    def written(self, tokens: Tensor) -> Tensor:
        """Which tokens of responses [..., T] the policy wrote: true up to the end, but not for the environment's."""
        ...

    def laid_out(self, instruction: Instruction, layout: str, order: Sequence[int] | None = None) -> Instruction:
        """The same constraints in a layout, or in another order (indices of the constraints)."""
        ...

    def spans(self, instruction: Instruction) -> list[tuple[int, int]]:
        """The range of each constraint's words in the prompt's tokens: first index, and last index + 1."""
        ...

    def environment(self, instructions: Sequence[Instruction], samples: int) -> Environment | None:
        """Answers `samples` responses to each instruction; None if responses have one turn."""
        ...

    def verifier(self, inner: Verifier | None) -> Verifier | None:
        """What verifies replays: the inner verifier and what the task adds; None for the constraints' own checks."""
        ...

    def rewriter(self, inner: Rewriter) -> Rewriter:
        """The rewriter of replays."""
        ...
