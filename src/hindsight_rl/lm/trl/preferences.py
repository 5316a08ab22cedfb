"""Both preferences of :mod:`hindsight_rl.lm.preferences`, for a transformers model.

The pairs are made once, before training, from responses of the base model to held-out instructions, and kept in the
run as `probe.json`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hindsight_rl.lm.drift import log_probs
from hindsight_rl.lm.generate import generate, prompt_ids
from hindsight_rl.lm.preferences import Pairs, Side
from hindsight_rl.replay.instruction import Instruction
from hindsight_rl.replay.verification import Verifier, verifying
from hindsight_rl.run import Run

FILE = "probe.json"
SAMPLES = 8
"""Responses of the base model per instruction, at temperature 1."""


class Probe:
    """The fixed pairs of a run.

    Args:
        tokenizer: of transformers.
        prompt_format: `chat` or `text`.
        batch: responses that pass through the model at the same time.
    """

    def __init__(self, tokenizer: Any, prompt_format: Any = "chat", batch: int = 8) -> None:
        self.tokenizer, self.prompt_format, self.batch = tokenizer, prompt_format, batch
        self.pairs = Pairs()

    def make(
        self,
        model: Any,
        instructions: Sequence[Instruction],
        max_new_tokens: int,
        verifier: Verifier | None = None,
        seed: int = 0,
    ) -> None:
        """Make the pairs from responses of this model, :data:`SAMPLES` to each instruction."""
        asked = [each for each in instructions for _ in range(SAMPLES)]
        made = generate(
            model,
            self.tokenizer,
            [each.messages for each in asked],
            max_new_tokens=max_new_tokens,
            temperature=1.0,
            seed=seed,
            prompt_format=self.prompt_format,
        )
        verdicts = (verifier or verifying()).verify_batch(
            [(each, response.text) for each, response in zip(asked, made, strict=True)]
        )
        for at, each in enumerate(instructions):
            rows = slice(at * SAMPLES, (at + 1) * SAMPLES)
            texts, ended = [row.text for row in made[rows]], [row.ended for row in made[rows]]
            self.pairs.add(each, texts, ended, verdicts[rows])

    def save(self, run: Run) -> None:
        """Keep the pairs in a run."""
        run.write(FILE, {name: [[_plain(side) for side in pair] for pair in found] for name, found in self._named()})

    def load(self, run: Run) -> bool:
        """Take the pairs that a run holds; False if it holds none."""
        if not (run.path / FILE).is_file():
            return False
        stored = run.read(FILE)
        for name, found in self._named():
            found[:] = [(_side(better), _side(other)) for better, other in stored[name]]
        return True

    def _named(self) -> tuple[tuple[str, list[tuple[Side, Side]]], ...]:
        return ("instructions", self.pairs.instructions), ("responses", self.pairs.responses)

    def measure(self, model: Any) -> dict[str, Any]:
        """Both margins; see :meth:`Pairs.measure`."""
        return self.pairs.measure(lambda sides: self._log_probs(model, sides))

    def _log_probs(self, model: Any, sides: list[Side]) -> np.ndarray:
        """log pi(response and end token | prompt) of each side, float64 [N]."""
        prompts = prompt_ids(self.tokenizer, [asked.messages for asked, _ in sides], self.prompt_format)
        read = [self.tokenizer(text=response, add_special_tokens=False)["input_ids"] for _, response in sides]
        answers = [[*ids, self.tokenizer.eos_token_id] for ids in read]
        return np.array(log_probs(model, prompts, answers, self.batch))


def _plain(side: Side) -> dict[str, Any]:
    asked, response = side
    return {"messages": asked.messages, "response": response}


def _side(stored: dict[str, Any]) -> Side:
    """The messages are all that log-probabilities need."""
    *earlier, last = stored["messages"]
    return Instruction(last["content"], (), prompt=last["content"], earlier=tuple(earlier)), stored["response"]
