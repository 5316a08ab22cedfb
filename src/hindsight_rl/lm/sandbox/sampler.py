"""Generation: several responses to each prompt, one token at a time, with cached keys and values."""

from dataclasses import dataclass

import torch
from torch import Tensor

from hindsight_rl.errors import HindsightError
from hindsight_rl.lm.sandbox.language import ANSWER, END, PAD, TOKEN
from hindsight_rl.lm.sandbox.model import Model, Past, Prompts
from hindsight_rl.lm.sandbox.task import Environment, Task


@dataclass
class Sampled:
    """Responses to P prompts, K each, of T tokens.

    tokens: [P, K, T], padded after the end. mask: [P, K, T], 1 for tokens that the policy wrote, its end included.
    log_probs: of these tokens, under the policy that sampled them [P, K, T]. entropy: mean over these tokens, in nats
    [P, K]. task: whose tokens they are.
    """

    tokens: Tensor
    mask: Tensor
    log_probs: Tensor
    entropy: Tensor
    task: Task

    def texts(self) -> list[tuple[str, bool]]:
        """Text of each response, and whether it has an end token; ordered by prompt."""
        return [self.task.decode(row) for row in self.tokens.flatten(0, 1).tolist()]


@torch.no_grad()
def sample(
    model: Model,
    prompts: Tensor | Prompts,
    count: int,
    generator: torch.Generator | None,
    longest: int | None = None,
    temperatures: Tensor | None = None,
    environment: Environment | None = None,
) -> Sampled:
    """Sample `count` responses to each prompt; with `generator` None, decode greedily.

    longest: most tokens of a response; by default the task's. environment: answers the policy's actions; its tokens
    have mask, log-probability and entropy 0.
    temperatures: of the responses to each prompt [count]; by default 1. Log-probabilities and entropy are always those
    of temperature 1.

    Raises:
        HindsightError: the logits are not finite.
    """
    read = model.read(prompts) if isinstance(prompts, Tensor) else prompts
    p = len(read.lengths)
    token = torch.full((p, count, 1), TOKEN[ANSWER])
    alive = torch.ones(p, count, dtype=torch.bool)
    past = Past(model.rules.layers)
    columns: list[tuple[Tensor, Tensor, Tensor, Tensor]] = []
    longest = model.task.longest if longest is None else longest
    while len(columns) < longest:
        log_probs = model.answer(read, token, past)[:, :, -1].log_softmax(-1)
        if not torch.isfinite(log_probs[..., 0]).all():
            raise HindsightError("the policy's logits are not finite")
        probs = log_probs.exp()
        if generator is None:
            drawn = log_probs.argmax(-1)
        else:  # the index of the smallest Exp(1) / p is a sample from p
            odds = probs if temperatures is None else (log_probs / temperatures[:, None]).softmax(-1)
            drawn = (odds / torch.empty_like(odds).exponential_(generator=generator)).argmax(-1)
        chosen = log_probs.gather(-1, drawn[..., None])[..., 0]
        entropy = -(probs * log_probs).sum(-1)
        columns.append((drawn.masked_fill(~alive, TOKEN[PAD]), alive.float(), chosen * alive, entropy * alive))
        alive = alive & (drawn != TOKEN[END])
        token = columns[-1][0][..., None]
        if not alive.any():
            break
        reply = environment.reply(drawn, alive) if environment is not None else None
        if reply is not None:
            nothing = torch.zeros(p, count)
            columns += [(observed, nothing, nothing, nothing) for observed in reply.unbind(-1)]
            token = torch.cat((token, reply), -1)
    tokens, mask, chosen, entropy = (torch.stack(column, -1) for column in zip(*columns, strict=True))
    return Sampled(tokens, mask, chosen, entropy.sum(-1) / mask.sum(-1), model.task)
