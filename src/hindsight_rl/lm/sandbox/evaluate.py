"""Accuracy on new instructions, per instruction (ILA: all its constraints met) and per single constraint (CLA)."""

from dataclasses import dataclass

import numpy as np
import torch

from hindsight_rl.lm.sandbox.model import Model, Prompts, padded
from hindsight_rl.lm.sandbox.sampler import Sampled, sample
from hindsight_rl.lm.sandbox.task import Source, Task
from hindsight_rl.replay.instruction import Instruction
from hindsight_rl.replay.verification import verify_batch

TEST_SEED, DRAW_SEED = 7, 8  # streams of random numbers that training never draws from


@dataclass(frozen=True)
class Accuracies:
    """accuracy: share of instructions with every constraint met. constraint_accuracy: share of constraints met.
    by_count: accuracy by the number of constraints. by_kind: share met, by kind of constraint. entropy: mean per token,
    in nats. length: mean number of tokens that the policy wrote, the end included."""

    accuracy: float
    constraint_accuracy: float
    by_count: dict[str, float]
    by_kind: dict[str, float]
    entropy: float
    length: float


class Evaluator:
    """The same test instructions at every evaluation of a seed and regime."""

    def __init__(self, task: Task, source: Source, seed: int, size: int):
        rng = np.random.default_rng([seed, TEST_SEED])
        self.seed, self.task = seed, task
        self.instructions: list[Instruction] = [source.draw(rng)[0] for _ in range(size)]
        self.prompts = padded([task.prompt_tokens(each) for each in self.instructions])

    def evaluate(self, model: Model) -> dict[str, Accuracies]:
        """Sampled at temperature 1 (`sampled`) and greedily (`greedy`), one response each."""
        with torch.no_grad():
            read = model.read(self.prompts)
        generator = torch.Generator().manual_seed(self.seed * 1000 + DRAW_SEED)
        return {
            "sampled": self._mark(self._respond(model, read, generator)),
            "greedy": self._mark(self._respond(model, read, None)),
        }

    def _respond(self, model: Model, read: Prompts, generator: torch.Generator | None) -> Sampled:
        return sample(model, read, 1, generator, environment=self.task.environment(self.instructions, 1))

    def _mark(self, sampled: Sampled) -> Accuracies:
        passed: dict[str, list[bool]] = {}
        kinds: dict[str, list[bool]] = {}
        pairs = [(asked, text) for asked, (text, _) in zip(self.instructions, sampled.texts(), strict=True)]
        for instruction, verdict in zip(self.instructions, verify_batch(pairs), strict=True):
            passed.setdefault(str(len(verdict)), []).append(all(verdict))
            for each, holds in zip(instruction.constraints, verdict, strict=True):
                kinds.setdefault(each.id.partition(":")[2], []).append(holds)
        return Accuracies(
            _share([holds for row in passed.values() for holds in row]),
            _share([holds for row in kinds.values() for holds in row]),
            {count: _share(passed[count]) for count in sorted(passed)},
            {kind: _share(kinds[kind]) for kind in sorted(kinds)},
            round(float(sampled.entropy.mean()), 4),
            round(float(sampled.mask.sum(-1).mean()), 3),
        )


def _share(values: list[bool]) -> float:
    return round(sum(values) / len(values), 4) if values else 0.0
