"""Attention from the tokens of a response to the words of each constraint.

It is computed from the queries and keys of trained models, once at the end of a run. Training does not use it. Shares
are means over layers, heads and tokens of the response. *Lift* is the share per word, divided by the share per word
of uniform attention over all visible tokens; 1 means no preference. Attention shows which words a model reads. It
does not show why the model answers as it does.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional as F

from hindsight_rl.errors import HindsightError
from hindsight_rl.lm.sandbox.config import SandboxConfig
from hindsight_rl.lm.sandbox.evaluate import TEST_SEED
from hindsight_rl.lm.sandbox.instructions import Instructions
from hindsight_rl.lm.sandbox.language import (
    ANSWER,
    END,
    LONGEST,
    PAD,
    TOKEN,
    VOCABULARY,
    prompt_tokens,
    response_tokens,
)
from hindsight_rl.lm.sandbox.model import Model, ModelRules, padded, rotate
from hindsight_rl.lm.sandbox.pretrain import load_base
from hindsight_rl.lm.sandbox.run_arms import arm_folder, is_done
from hindsight_rl.lm.sandbox.sampler import sample
from hindsight_rl.replay.instruction import Instruction
from hindsight_rl.run import Run

STUDIED = 48
SHOWN = 2


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


def spans(instruction: Instruction) -> list[tuple[int, int]]:
    """The range of each constraint's words in the prompt's tokens: first index, and last index + 1."""
    found, at = [], 1  # after the start token of a prompt
    for text in instruction.texts:
        words = len(text.split())
        found.append((at, at + words))
        at += words + 1
    return found


class AttentionMaps:
    """The attention of one model to some instructions, for one given response to each.

    Args:
        responses: tokens of each, their end included.
    """

    def __init__(self, model: Model, instructions: Sequence[Instruction], responses: Sequence[list[int]]):
        self.instructions, self.responses = instructions, responses
        prompts = padded([prompt_tokens(each) for each in instructions])
        found = attention(model, prompts, padded(list(responses), LONGEST))
        self.to_prompt, self.to_own = found[0].double().numpy(), found[1].double().numpy()
        self.lengths = [len(prompt_tokens(each)) for each in instructions]

    def matrix(self, index: int) -> np.ndarray:
        """Share of attention on each constraint's words, token by token: [tokens, constraints], mean over layers."""
        rows = self.to_prompt[:, index, : len(self.responses[index])].mean(0)
        return np.stack([rows[:, a:b].sum(1) for a, b in spans(self.instructions[index])], 1)

    def lifts(self, index: int) -> np.ndarray:
        """Share per word over even attention: [tokens, constraints]."""
        widths = np.array([b - a for a, b in spans(self.instructions[index])])
        visible = self.lengths[index] + 1 + np.arange(len(self.responses[index]))
        return self.matrix(index) / widths * visible[:, None]

    def summary(self) -> dict[str, Any]:
        """Shares that add up to 1; lifts by kind of constraint; and lifts of the constraint that asks for a word, while
        that word is written and while another word is written."""
        parts: list[tuple[float, float, float]] = []
        layers: list[np.ndarray] = []
        kinds: dict[str, list[float]] = {}
        writing: dict[bool, list[float]] = {True: [], False: []}
        for index, (instruction, response) in enumerate(zip(self.instructions, self.responses, strict=True)):
            t, length = len(response), self.lengths[index]
            by_layer = np.stack([self.to_prompt[:, index, :t, a:b].sum(2) for a, b in spans(instruction)])
            asked = float(by_layer.sum(0).mean())
            own = float(self.to_own[:, index, :t].sum(2).mean())
            parts.append((asked, float(self.to_prompt[:, index, :t, :length].sum(2).mean()) - asked, own))
            layers.append(by_layer.sum(0).mean(1))
            lifts = self.lifts(index)
            for place, constraint in enumerate(instruction.constraints):
                kinds.setdefault(constraint.id.removeprefix("sandbox:"), []).append(float(lifts[:, place].mean()))
                word = constraint.kwargs.get("word")
                if constraint.id != "sandbox:avoid" and word:
                    for step, token in enumerate(response):
                        writing[VOCABULARY[token].lower() == word].append(float(lifts[step, place]))
        names = ("constraints", "separators", "response")
        return {
            "shares": {name: _mean([part[i] for part in parts]) for i, name in enumerate(names)},
            "constraints_by_layer": [_mean(list(column)) for column in zip(*layers, strict=True)],
            "lift_by_kind": {kind: _mean(values) for kind, values in sorted(kinds.items())},
            "lift_writing_the_word": _mean(writing[True]),
            "lift_writing_another": _mean(writing[False]),
        }


def study(run: Run, config: SandboxConfig, base: Path) -> dict[str, Any]:
    """The contents of `attention.json`: the base model, and the final model of each method that has finished.

    Measured on the first test instructions, for two responses: one that fulfils the instruction and is the same for
    all models (`same`), and the model's own greedy response (`own`). A model whose logits are not finite is
    skipped.
    """
    rng = np.random.default_rng([config.seed, TEST_SEED])
    low, high = config.regime
    source = Instructions(low, high, config.model.room, config.dependent)
    drawn = [source.draw(rng) for _ in range(min(STUDIED, config.test))]
    instructions = [instruction for instruction, _ in drawn]
    witnesses = [response_tokens(response) for _, response in drawn]
    models: dict[str, Any] = {}
    shown: list[dict[str, Any]] = [
        {
            "constraints": list(instructions[i].texts),
            "response": [VOCABULARY[token] for token in witnesses[i]],
            "models": {},
        }
        for i in range(min(SHOWN, len(drawn)))
    ]
    files = {"base": base} | {
        name: arm_folder(run, name) / "model.safetensors" for name in config.names if is_done(run, name)
    }
    for name, file in files.items():
        model = load_base(file, config.model) if name == "base" else load_arm(file, config.model)
        try:
            own = sample(model, padded([prompt_tokens(each) for each in instructions]), 1, None)
        except HindsightError:
            continue
        same = AttentionMaps(model, instructions, witnesses)
        models[name] = {"same": same.summary(), "own": _own(model, instructions, own.tokens[:, 0], own.texts())}
        for i, example in enumerate(shown):
            example["models"][name] = [[round(value, 4) for value in row] for row in same.matrix(i).tolist()]
    return {"instructions": len(drawn), "models": models, "examples": shown}


def _own(
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


def load_arm(path: Path, rules: ModelRules) -> Model:
    """The final model of a method.

    Raises:
        HindsightError: the file is missing, damaged, or holds a model of another size.
    """
    model = Model(rules)
    try:
        held = load_file(path)
        model.load_state_dict({name[6:]: value for name, value in held.items() if name.startswith("model.")})
    except (OSError, SafetensorError, RuntimeError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise HindsightError(
            f"{path} is no model of an arm ({reason}): delete that arm's folder and go on with --resume"
        ) from error
    return model


def _mean(values: Sequence[float]) -> float | None:
    """Rounded mean; None (null in JSON) without values, or if the mean is not finite."""
    mean = sum(values) / len(values) if values else math.nan
    return round(float(mean), 4) if math.isfinite(mean) else None
