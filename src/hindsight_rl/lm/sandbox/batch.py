"""The rows of one step: originals, their replays, and rows from the replay buffer."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

from hindsight_rl.lm.sandbox import reinforce
from hindsight_rl.lm.sandbox.model import Model, padded
from hindsight_rl.lm.sandbox.reinforce import ReinforceRules
from hindsight_rl.lm.sandbox.sampler import Sampled
from hindsight_rl.replay.item import ReplayItem


@dataclass
class Rows:
    """Prompts and responses. prompts: [..., L]. tokens, mask, old (log-probabilities): [..., T]."""

    prompts: Tensor
    tokens: Tensor
    mask: Tensor
    old: Tensor


@dataclass
class Batch:
    """Rows of one step.

    originals: P prompts, K responses to each [P, K, T]. replays: R rows, those from the replay buffer last. Rows from
    the buffer have no old log-probabilities (0); the policy imitates them. advantage: [P * K + R, T], originals first.
    items: the replays of these rows [R]. groups: the index of the prompt whose minibatch holds each replay [R]. A
    replay is in the minibatch of its own prompt; rows from the buffer are spread evenly.
    """

    originals: Rows
    replays: Rows
    advantage: Tensor
    items: Sequence[ReplayItem[str]]
    groups: list[int]

    @property
    def fresh(self) -> int:
        """Replays of this step."""
        return sum(each.source is not None for each in self.items)


def assemble(
    model: Model,
    base: Model | None,
    prompts: Tensor,
    sampled: Sampled,
    rewards: Sequence[float],
    items: Sequence[ReplayItem[str]],
    rules: ReinforceRules,
) -> Batch:
    """Rows, old log-probabilities and advantages of a step.

    Args:
        model: the policy that sampled the responses.
        base: the base model, for the KL penalty; None without one.
        prompts: [P, L].
        sampled: K responses to each prompt.
        rewards: of the responses [P * K].
        items: replays of this step, followed by rows from the replay buffer.
    """
    tokens, mask = sampled.tokens.flatten(0, 1), sampled.mask.flatten(0, 1)
    sources = [each.source for each in items if each.source is not None]
    buffered = [each for each in items if each.source is None]
    count, longest = len(sources), tokens.shape[1]
    replay_tokens, replay_mask = tokens[sources], mask[sources]
    if buffered:
        buffered_tokens = padded([model.task.response_tokens(each.completion) for each in buffered])
        longest = max(longest, buffered_tokens.shape[1])
        replay_tokens = torch.cat((_wide(replay_tokens, longest), _wide(buffered_tokens, longest)))
        written = model.task.written(buffered_tokens).float()
        replay_mask = torch.cat((_wide(replay_mask, longest), _wide(written, longest)))
    asked = [model.task.prompt_tokens(each.prompt) for each in items]
    replay_prompts = padded(asked) if asked else prompts[:0]
    original, original_mask = _wide(sampled.tokens, longest), _wide(sampled.mask, longest)
    old = _wide(sampled.log_probs, longest)
    replay_old = torch.zeros(len(asked), longest)
    with torch.no_grad():
        if count:
            replay_old[:count] = model.log_probs(replay_prompts[:count], replay_tokens[:count, None])[:, 0]
        penalty = replay_penalty = None
        if base is not None:
            penalty = (rules.kl * (old - base.log_probs(prompts, original))).flatten(0, 1)
            replay_penalty = torch.zeros(len(asked), longest)
            if count:
                own = base.log_probs(replay_prompts[:count], replay_tokens[:count, None])[:, 0]
                replay_penalty[:count] = rules.kl * (replay_old[:count] - own)
        if rules.old_logps == "original":
            replay_old[:count] = old.flatten(0, 1)[sources]
            if penalty is not None and replay_penalty is not None:
                replay_penalty[:count] = penalty[sources]
    originals_mask = original_mask.flatten(0, 1)
    advantage = reinforce.advantages(
        reinforce.returns(torch.tensor(rewards), originals_mask, penalty),
        originals_mask,
        reinforce.returns(torch.ones(len(asked)), replay_mask, replay_penalty),
        replay_mask,
        rules,
    )
    samples = sampled.tokens.shape[1]
    return Batch(
        originals=Rows(prompts=prompts, tokens=original, mask=original_mask, old=old),
        replays=Rows(prompts=replay_prompts, tokens=replay_tokens, mask=replay_mask, old=replay_old),
        advantage=advantage,
        items=[*(each for each in items if each.source is not None), *buffered],
        groups=[source // samples for source in sources] + [i % len(prompts) for i in range(len(buffered))],
    )


def _wide(rows: Tensor, longest: int) -> Tensor:
    """Padded on the right with zeros, which is the padding token."""
    return pad(rows, (0, longest - rows.shape[-1]))
