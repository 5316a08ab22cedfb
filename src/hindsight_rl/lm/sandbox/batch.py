"""The rows of one step: originals, their replays, and what is remembered of earlier steps."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

from hindsight_rl.lm.sandbox import reinforce
from hindsight_rl.lm.sandbox.language import PAD, TOKEN, prompt_tokens, response_tokens
from hindsight_rl.lm.sandbox.model import Model, padded
from hindsight_rl.lm.sandbox.reinforce import ReinforceRules
from hindsight_rl.lm.sandbox.sampler import Sampled
from hindsight_rl.replay.buffer import Remembered


@dataclass
class Replays:
    """What is trained on beside the originals.

    sources, groups: row and prompt of the original that each replay of this step is made of. prompts: what each is
    asked instead. again: those of earlier steps.
    """

    sources: list[int]
    groups: list[int]
    prompts: list[str]
    again: Sequence[Remembered] = ()


@dataclass
class Batch:
    """Rows of one step. Originals: prompts [P, L], tokens, mask and old [P, K, T]. Replays, those remembered last:
    [R, L'], [R, T]. advantage: [P * K + R, T], originals first. of: the prompt whose minibatch each replay is in [R]:
    the one that it came from; those remembered are spread evenly. fresh: replays of this step; those remembered have no
    old log-probabilities (replay_old is 0), they are imitated."""

    prompts: Tensor
    tokens: Tensor
    mask: Tensor
    old: Tensor
    replay_prompts: Tensor
    replay_tokens: Tensor
    replay_mask: Tensor
    replay_old: Tensor
    advantage: Tensor
    of: list[int]
    fresh: int


def assemble(
    model: Model,
    base: Model | None,
    prompts: Tensor,
    sampled: Sampled,
    rewards: Sequence[float],
    replays: Replays,
    rules: ReinforceRules,
) -> Batch:
    """Rows, old log-probabilities and advantages of a step.

    Args:
        model: the policy that drew the responses. base: for the KL penalty, where there is one. prompts: [P, L].
        sampled: K responses to each. rewards: of the responses [P * K].
    """
    tokens, mask = sampled.tokens.flatten(0, 1), sampled.mask.flatten(0, 1)
    count, longest = len(replays.sources), tokens.shape[1]
    replay_tokens, replay_mask = tokens[replays.sources], mask[replays.sources]
    if replays.again:
        remembered = padded([response_tokens(each.response) for each in replays.again])
        longest = max(longest, remembered.shape[1])
        replay_tokens = torch.cat((_wide(replay_tokens, longest), _wide(remembered, longest)))
        replay_mask = torch.cat((_wide(replay_mask, longest), _wide((remembered != TOKEN[PAD]).float(), longest)))
    asked = [prompt_tokens(text) for text in (*replays.prompts, *(each.prompt for each in replays.again))]
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
        if rules.old == "original":
            replay_old[:count] = old.flatten(0, 1)[replays.sources]
            if penalty is not None and replay_penalty is not None:
                replay_penalty[:count] = penalty[replays.sources]
    originals_mask = original_mask.flatten(0, 1)
    advantage = reinforce.advantages(
        reinforce.returns(torch.tensor(rewards), originals_mask, penalty),
        originals_mask,
        reinforce.returns(torch.ones(len(asked)), replay_mask, replay_penalty),
        replay_mask,
        rules,
    )
    of = replays.groups + [i % len(prompts) for i in range(len(replays.again))]
    return Batch(
        prompts,
        original,
        original_mask,
        old,
        replay_prompts,
        replay_tokens,
        replay_mask,
        replay_old,
        advantage,
        of,
        count,
    )


def _wide(rows: Tensor, longest: int) -> Tensor:
    """Padded on the right with zeros, which is the padding token."""
    return pad(rows, (0, longest - rows.shape[-1]))
