"""The usual task of the sandbox: a response of a few words that meets demands. See :mod:`.language`."""

from collections.abc import Sequence

from torch import Tensor

from hindsight_rl.lm.sandbox import language
from hindsight_rl.lm.sandbox.instructions import MOST_DEMANDS, Instructions
from hindsight_rl.replay.instruction import Instruction
from hindsight_rl.replay.rollout import Rewriter
from hindsight_rl.replay.verification import Verifier


class Words:
    """Satisfies :class:`hindsight_rl.lm.sandbox.task.Task`; a response has one turn."""

    name = "words"
    vocabulary = language.VOCABULARY
    longest = language.LONGEST
    most_constraints = MOST_DEMANDS
    layouts = tuple(language.LAYOUTS)

    def source(
        self, low: int, high: int, room: int, *, dependent: float = 0.0, noise: float = 0.0, held_out: bool = False
    ) -> Instructions:
        """Every instruction is drawn from the same distribution; responses have no noise."""
        return Instructions(low, high, room, dependent)

    def prompt_tokens(self, asked: Instruction | str) -> list[int]:
        """See :func:`hindsight_rl.lm.sandbox.language.prompt_tokens`."""
        return language.prompt_tokens(asked)

    def response_tokens(self, response: str) -> list[int]:
        """See :func:`hindsight_rl.lm.sandbox.language.response_tokens`."""
        return language.response_tokens(response)

    def decode(self, tokens: Sequence[int]) -> tuple[str, bool]:
        """Padding is skipped wherever it stands."""
        return language.decode([token for token in tokens if token != language.TOKEN[language.PAD]])

    def written(self, tokens: Tensor) -> Tensor:
        """All tokens that are not padding."""
        return tokens != language.TOKEN[language.PAD]

    def laid_out(self, instruction: Instruction, layout: str, order: Sequence[int] | None = None) -> Instruction:
        """See :func:`hindsight_rl.lm.sandbox.language.laid_out`."""
        return language.laid_out(instruction, layout, order)

    def spans(self, instruction: Instruction) -> list[tuple[int, int]]:
        """Of prompts in the usual layout."""
        found, at = [], 1  # after the start token of a prompt
        for text in instruction.texts:
            words = len(text.split())
            found.append((at, at + words))
            at += words + 1
        return found

    def environment(self, instructions: Sequence[Instruction], samples: int) -> None:
        """There is none."""
        return None

    def verifier(self, inner: Verifier | None) -> Verifier | None:
        """The inner one."""
        return inner

    def rewriter(self, inner: Rewriter) -> Rewriter:
        """The inner one."""
        return inner


WORDS = Words()
