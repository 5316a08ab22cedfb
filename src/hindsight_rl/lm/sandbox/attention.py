"""Attention from the tokens of a response to the words of each constraint.

It is computed from the queries and keys of a model. Training does not use it. Shares
are means over layers, heads and tokens of the response. *Lift* is the share per word, divided by the share per word
of uniform attention over all visible tokens; 1 means no preference. Attention shows which words a model reads. It
does not show why the model answers as it does.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from hindsight_rl.lm.sandbox.language import ANSWER, END, PAD, TOKEN
from hindsight_rl.lm.sandbox.model import Model, padded, rotate
from hindsight_rl.lm.sandbox.sampler import Sampled, sample
from hindsight_rl.replay.instruction import Instruction

ASKED = ("word", "object", "room", "container")
"""The kwargs of a constraint that are words for the policy to write."""


@torch.no_grad()
def attention(model: Model, prompts: Tensor, responses: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Attention at the moment when each token of a response is chosen; mean over heads.

    Args:
        prompts: [P, L], padded on the right.
        responses: [P, T], one to each prompt, their end included.

    Returns:
        attention to the prompt's tokens [layers, P, T, L], attention to the response so far, its start token first
        [layers, P, T, T], and the logits [P, T, vocabulary], equal to those of :meth:`Model.answer`.
    """
    read = model.read(prompts)
    tokens = torch.cat((torch.full_like(responses[:, :1], TOKEN[ANSWER]), responses[:, :-1]), 1)[:, None]
    t, length = responses.shape[1], prompts.shape[1]
    place = read.lengths[:, None] + torch.arange(t)
    turn = (model.cos[place][:, None, None], model.sin[place][:, None, None])
    hidden = torch.zeros(prompts.shape).masked_fill_(read.padding, float("-inf"))[:, None, None]
    future = torch.full((t, t), float("-inf")).triu(1)
    x = model.embedding(tokens)
    to_prompt, to_own = [], []
    for number, block in enumerate(model.layers):
        query, key, value = (part[:, :, 0] for part in block.split(x, block.qkv.weight))
        query, key = rotate(query, (turn[0][:, 0], turn[1][:, 0])), rotate(key, (turn[0][:, 0], turn[1][:, 0]))
        scores = torch.cat(
            (query @ read.keys[number].transpose(-1, -2) + hidden, query @ key.transpose(-1, -2) + future), -1
        )
        # The mask is -inf, so the order of masking and scaling does not matter.
        weight = (scores * model.scale).softmax(-1)
        to_prompt.append(weight[..., :length].mean(1))
        to_own.append(weight[..., length:].mean(1))
        seen = weight[..., :length] @ read.values[number] + weight[..., length:] @ value
        x = block.after(x, seen[:, :, None])
    logits = F.linear(model.norm(x), model.embedding.weight)[:, 0]
    return torch.stack(to_prompt), torch.stack(to_own), logits


class AttentionMaps:
    """The attention of one model to some instructions, for one given response to each.

    Args:
        responses: tokens of each, their end included.
    """

    def __init__(self, model: Model, instructions: Sequence[Instruction], responses: Sequence[list[int]]):
        self.instructions, self.task = instructions, model.task
        prompts = padded([self.task.prompt_tokens(each) for each in instructions])
        tokens = padded(list(responses), self.task.longest)
        found = attention(model, prompts, tokens)
        self.to_prompt, self.to_own = found[0].double().numpy(), found[1].double().numpy()
        self.lengths = [len(self.task.prompt_tokens(each)) for each in instructions]
        # The steps at which the policy chose a token; others are the environment's.
        self.steps = [np.flatnonzero(row.numpy()) for row in self.task.written(tokens)]
        self.written = [np.array(each)[steps] for each, steps in zip(responses, self.steps, strict=True)]

    def matrix(self, index: int) -> np.ndarray:
        """Share of attention on each constraint's words, for each token that the policy wrote: [tokens, constraints],
        mean over layers."""
        rows = self.to_prompt[:, index, self.steps[index]].mean(0)
        return np.stack([rows[:, a:b].sum(1) for a, b in self.task.spans(self.instructions[index])], 1)

    def lifts(self, index: int) -> np.ndarray:
        """Share per word over even attention: [tokens, constraints]."""
        widths = np.array([b - a for a, b in self.task.spans(self.instructions[index])])
        visible = self.lengths[index] + 1 + self.steps[index]
        return self.matrix(index) / widths * visible[:, None]

    def summary(self) -> dict[str, Any]:
        """Shares that add up to 1; lifts by kind of constraint; and lifts of the constraint that asks for a word, while
        that word is written and while another word is written."""
        parts: list[tuple[float, float, float]] = []
        layers: list[np.ndarray] = []
        kinds: dict[str, list[float]] = {}
        writing: dict[bool, list[float]] = {True: [], False: []}
        for index, instruction in enumerate(self.instructions):
            to_prompt = self.to_prompt[:, index, self.steps[index], : self.lengths[index]]
            by_layer = np.stack([to_prompt[:, :, a:b].sum(2) for a, b in self.task.spans(instruction)])
            asked = float(by_layer.sum(0).mean())
            own = float(self.to_own[:, index, self.steps[index]].sum(2).mean())
            parts.append((asked, float(to_prompt.sum(2).mean()) - asked, own))
            layers.append(by_layer.sum(0).mean(1))
            lifts = self.lifts(index)
            for place, constraint in enumerate(instruction.constraints):
                kind = constraint.id.partition(":")[2]
                kinds.setdefault(kind, []).append(float(lifts[:, place].mean()))
                words = {constraint.kwargs[name] for name in ASKED if name in constraint.kwargs}
                if kind != "avoid" and words:
                    for step, token in enumerate(self.written[index].tolist()):
                        writing[self.task.vocabulary[token].lower() in words].append(float(lifts[step, place]))
        names = ("constraints", "separators", "response")
        return {
            "shares": {name: _mean([part[i] for part in parts]) for i, name in enumerate(names)},
            "constraints_by_layer": [_mean(list(column)) for column in zip(*layers, strict=True)],
            "lift_by_kind": {kind: _mean(values) for kind, values in sorted(kinds.items())},
            "lift_writing_the_word": _mean(writing[True]),
            "lift_writing_another": _mean(writing[False]),
        }


def greedily(model: Model, instructions: Sequence[Instruction]) -> Sampled:
    """A model's greedy response to each instruction."""
    prompts = padded([model.task.prompt_tokens(each) for each in instructions])
    return sample(model, prompts, 1, None, environment=model.task.environment(instructions, 1))


def own_responses(
    model: Model, instructions: Sequence[Instruction], tokens: Tensor, texts: Sequence[tuple[str, bool]]
) -> dict[str, Any]:
    """For a model's own responses: the summary, and the lifts of the constraints that were met and that were missed."""
    responses = [[token for token in row if token != TOKEN[PAD]] or [TOKEN[END]] for row in tokens.tolist()]
    look = AttentionMaps(model, instructions, responses)
    lifts: dict[bool, list[float]] = {True: [], False: []}
    for index, (instruction, (text, _)) in enumerate(zip(instructions, texts, strict=True)):
        means = look.lifts(index).mean(0)
        for constraint, lift in zip(instruction.constraints, means, strict=True):
            lifts[constraint.check(text)].append(float(lift))
    return look.summary() | {"lift_met": _mean(lifts[True]), "lift_missed": _mean(lifts[False])}


def watch(model: Model, instructions: Sequence[Instruction]) -> dict[str, float | None]:
    """Attention of a model during training, for its own greedy responses.

    Returns:
        constraints: share of attention on the words of all constraints. lift_met, lift_missed: lift of the words of
        the constraints that the response satisfies, and of those that it violates.
    """
    greedy = greedily(model, instructions)
    found = own_responses(model, instructions, greedy.tokens[:, 0], greedy.texts())
    return {
        "constraints": found["shares"]["constraints"],
        **{name: found[name] for name in ("lift_met", "lift_missed")},
    }


def _mean(values: Sequence[float]) -> float | None:
    """Rounded mean; None (null in JSON) without values, or if the mean is not finite."""
    mean = sum(values) / len(values) if values else math.nan
    return round(float(mean), 4) if math.isfinite(mean) else None
