"""Two preferences, measured on a fixed set of pairs: over responses to one instruction, and over instructions for one
response.

* The *instruction margin* of a failed response y: log pi(y | x') - log pi(y | x), where x' is its instruction x
  without the constraints that y violates. HiR's replays should raise it.
* The *response margin* of an instruction x: log pi(y+ | x) - log pi(y- | x), where y+ satisfies x and y- does not.

The responses are the base model's, so runs from one base model have the same pairs. Log-probabilities are sums over
the tokens of the response, in nats. NumPy only; each engine samples and computes log-probabilities in its own way.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hindsight_rl.replay.instruction import Instruction, Verdict

MOST = 2
"""Pairs of each kind that one instruction gives at most."""

Side = tuple[Instruction, str]
"""An instruction and a response."""


@dataclass
class Pairs:
    """The preferred side of each pair first."""

    instructions: list[tuple[Side, Side]] = field(default_factory=list)
    responses: list[tuple[Side, Side]] = field(default_factory=list)

    def add(self, asked: Instruction, texts: Sequence[str], ended: Sequence[bool], verdicts: Sequence[Verdict]) -> None:
        """Add the pairs that an instruction's responses give. Blank ones, and those that were cut off, give none.

        Args:
            asked: the instruction.
            texts, ended, verdicts: of its responses.
        """
        usable = [row for row, text in enumerate(texts) if ended[row] and text.strip()]
        met = [row for row in usable if all(verdicts[row])]
        failed = [row for row in usable if any(verdicts[row]) and not all(verdicts[row])]
        for row in failed[:MOST]:
            self.instructions.append(((asked.keep(verdicts[row]), texts[row]), (asked, texts[row])))
        for good, bad in zip(met[:MOST], failed, strict=False):
            self.responses.append(((asked, texts[good]), (asked, texts[bad])))

    def measure(self, log_probs: Callable[[list[Side]], np.ndarray]) -> dict[str, Any]:
        """Both margins.

        Args:
            log_probs: sides -> log pi(response | instruction), float [N].

        Returns:
            `instruction` and `response`: mean, standard error and number of pairs; a mean is None without pairs.
        """
        return {"instruction": _margin(log_probs, self.instructions), "response": _margin(log_probs, self.responses)}


def _margin(log_probs: Callable[[list[Side]], np.ndarray], pairs: Sequence[tuple[Side, Side]]) -> dict[str, Any]:
    if not pairs:
        return {"mean": None, "standard_error": None, "pairs": 0}
    better, other = (log_probs([pair[at] for pair in pairs]).astype(np.float64) for at in (0, 1))
    margins = better - other
    error = float(margins.std(ddof=1) / len(pairs) ** 0.5) if len(pairs) > 1 else None
    return {
        "mean": round(float(margins.mean()), 4),
        "standard_error": None if error is None else round(error, 4),
        "pairs": len(pairs),
    }
