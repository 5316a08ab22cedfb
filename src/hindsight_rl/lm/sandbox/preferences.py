"""Both preferences of :mod:`hindsight_rl.lm.preferences`, in the sandbox."""

from typing import Any

import numpy as np
import torch

from hindsight_rl.lm.preferences import Pairs, Side
from hindsight_rl.lm.sandbox.model import Model, padded
from hindsight_rl.lm.sandbox.sampler import sample
from hindsight_rl.lm.sandbox.task import Source
from hindsight_rl.replay.verification import verify_batch

PROBE_SEED = 9
"""A stream of random numbers that neither training nor evaluation draws from."""
SAMPLES = 32
"""Responses of the base model per instruction."""


class Probe:
    """The fixed pairs of a seed.

    Args:
        base: the model whose responses are judged.
        source: of the instructions.
        seed: of the run.
        size: number of instructions.
    """

    def __init__(self, base: Model, source: Source, seed: int, size: int):
        rng = np.random.default_rng([seed, PROBE_SEED])
        asked = [source.draw(rng)[0] for _ in range(size)]
        generator = torch.Generator().manual_seed(seed * 1000 + PROBE_SEED)
        prompts = padded([base.task.prompt_tokens(each) for each in asked])
        environment = base.task.environment(asked, SAMPLES)
        found = sample(base, prompts, SAMPLES, generator, environment=environment).texts()
        groups = [asked[row // SAMPLES] for row in range(len(found))]
        verdicts = verify_batch([(each, text) for each, (text, _) in zip(groups, found, strict=True)])
        self.pairs = Pairs()
        for at, each in enumerate(asked):
            rows = slice(at * SAMPLES, (at + 1) * SAMPLES)
            texts, ended = zip(*found[rows], strict=True)
            self.pairs.add(each, texts, ended, verdicts[rows])

    def measure(self, model: Model) -> dict[str, Any]:
        """Both margins; see :meth:`Pairs.measure`."""
        return self.pairs.measure(lambda sides: _log_probs(model, sides))


@torch.no_grad()
def _log_probs(model: Model, rows: list[Side]) -> np.ndarray:
    """log pi(response | prompt) of each row, over the tokens that the policy wrote [N]."""
    task = model.task
    tokens = padded([task.response_tokens(response) for _, response in rows])
    prompts = padded([task.prompt_tokens(asked.prompt) for asked, _ in rows])
    found = model.log_probs(prompts, tokens[:, None])[:, 0]
    return torch.where(task.written(tokens), found, 0.0).sum(1).numpy()
