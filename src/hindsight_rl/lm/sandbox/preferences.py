"""Two preferences, measured on a fixed probe set: over responses to one instruction, and over instructions for one
response.

* The *instruction margin* of a failed response y: log pi(y | x') - log pi(y | x), where x' is its instruction x
  without the constraints that y violates. HiR's replays should raise it.
* The *response margin* of an instruction x: log pi(y+ | x) - log pi(y- | x), where y+ satisfies x and y- does not.

The responses are the base model's, so all methods of a seed have the same probe set. Log-probabilities are sums over
the tokens of the response, in nats.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hindsight_rl.lm.sandbox.model import Model, padded
from hindsight_rl.lm.sandbox.sampler import sample
from hindsight_rl.lm.sandbox.task import Source
from hindsight_rl.replay.instruction import Instruction
from hindsight_rl.replay.verification import verify_batch

PROBE_SEED = 9
"""A stream of random numbers that neither training nor evaluation draws from."""
SAMPLES = 32
"""Responses of the base model per instruction."""
MOST = 2
"""Pairs of each kind that one instruction gives at most."""

Pair = tuple[str, str, str, str]
"""(prompt, response) with the preferred side first, then (prompt, response) of the other."""


class Probe:
    """The probe set.

    Args:
        base: the model whose responses are judged.
        source: of the instructions.
        seed: of the run.
        size: number of instructions.
    """

    def __init__(self, base: Model, source: Source, seed: int, size: int):
        rng = np.random.default_rng([seed, PROBE_SEED])
        asked: list[Instruction] = [source.draw(rng)[0] for _ in range(size)]
        generator = torch.Generator().manual_seed(seed * 1000 + PROBE_SEED)
        prompts = padded([base.task.prompt_tokens(each) for each in asked])
        environment = base.task.environment(asked, SAMPLES)
        texts = sample(base, prompts, SAMPLES, generator, environment=environment).texts()
        groups = [asked[row // SAMPLES] for row in range(len(texts))]
        verdicts = verify_batch([(each, text) for each, (text, _) in zip(groups, texts, strict=True)])
        self.instructions: list[Pair] = []
        self.responses: list[Pair] = []
        for at in range(size):
            rows = range(at * SAMPLES, (at + 1) * SAMPLES)
            ended = [row for row in rows if texts[row][1] and texts[row][0].strip()]
            met = [row for row in ended if all(verdicts[row])]
            failed = [row for row in ended if any(verdicts[row]) and not all(verdicts[row])]
            prompt = asked[at].prompt
            for row in failed[:MOST]:
                kept = asked[at].keep(verdicts[row]).prompt
                self.instructions.append((kept, texts[row][0], prompt, texts[row][0]))
            for good, bad in zip(met[:MOST], failed, strict=False):
                self.responses.append((prompt, texts[good][0], prompt, texts[bad][0]))

    def measure(self, model: Model) -> dict[str, Any]:
        """Both margins: mean, standard error and number of pairs; a mean is None without pairs."""
        return {"instruction": _margin(model, self.instructions), "response": _margin(model, self.responses)}


def _margin(model: Model, pairs: Sequence[Pair]) -> dict[str, Any]:
    if not pairs:
        return {"mean": None, "standard_error": None, "pairs": 0}
    better = _log_probs(model, [(each[0], each[1]) for each in pairs])
    other = _log_probs(model, [(each[2], each[3]) for each in pairs])
    margins = (better - other).double()
    error = float(margins.std() / len(pairs) ** 0.5) if len(pairs) > 1 else None
    return {
        "mean": round(float(margins.mean()), 4),
        "standard_error": None if error is None else round(error, 4),
        "pairs": len(pairs),
    }


@torch.no_grad()
def _log_probs(model: Model, rows: Sequence[tuple[str, str]]) -> Tensor:
    """log pi(response | prompt) of each row, over the tokens that the policy wrote [N]."""
    task = model.task
    tokens = padded([task.response_tokens(response) for _, response in rows])
    found = model.log_probs(padded([task.prompt_tokens(prompt) for prompt, _ in rows]), tokens[:, None])[:, 0]
    return torch.where(task.written(tokens), found, 0.0).sum(1)
