"""The base model: trained from scratch on instructions with one or two constraints. All methods of a seed share it."""

import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from hindsight_rl.atomic_files import replacing
from hindsight_rl.errors import HindsightError
from hindsight_rl.lm.sandbox.model import Model, ModelRules, padded
from hindsight_rl.lm.sandbox.task import Task
from hindsight_rl.lm.sandbox.words_task import WORDS

WARM_UP = 50


@dataclass(frozen=True)
class PretrainRules:
    """How the base model is trained."""

    steps: int = 1800
    batch: int = 64
    learning_rate: float = 3e-3
    """Learning rate of AdamW; it falls to a tenth with a cosine schedule."""
    low: int = 1
    high: int = 2
    """Constraints per instruction."""
    dependent: float = 0.0
    """Share of constraints that presuppose another constraint (see --dependent)."""
    noise: float = 0.2
    """Only in the task rooms: share of random actions in the scripted agent's episodes."""


def base_name(rules: PretrainRules, model: ModelRules, seed: int, task: Task = WORDS) -> str:
    """File name of the base model for these settings."""
    settings = asdict(rules)
    if task is WORDS:
        del settings["noise"]
    digest = hashlib.sha256(json.dumps([settings, asdict(model)]).encode()).hexdigest()[:8]
    return f"base-{'' if task is WORDS else task.name + '-'}{seed}-{digest}.safetensors"


def base_model(
    folder: Path,
    rules: PretrainRules,
    model_rules: ModelRules,
    seed: int,
    notify: Callable[[int, float], None],
    task: Task = WORDS,
) -> Path:
    """The base model's file in the folder; if it is missing, the model is trained first.

    Args:
        notify: is called with the step and the loss from time to time.

    Raises:
        HindsightError: the loss is not finite.
    """
    path = folder / base_name(rules, model_rules, seed, task)
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    model = pretrain(rules, model_rules, seed, notify, task)
    with replacing(path) as partial:
        save_file(model.state_dict(), partial)
    return path


def load_base(path: Path, rules: ModelRules, task: Task = WORDS) -> Model:
    """The model in a file.

    Raises:
        HindsightError: the file is missing, damaged, or holds a model of another size.
    """
    model = Model(rules, task)
    try:
        model.load_state_dict(load_file(path))
    except (OSError, SafetensorError, RuntimeError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise HindsightError(f"{path} is no base model of this size ({reason}): delete it") from error
    return model


def pretrain(
    rules: PretrainRules,
    model_rules: ModelRules,
    seed: int,
    notify: Callable[[int, float], None],
    task: Task = WORDS,
) -> Model:
    """Supervised learning on responses that fulfil their instructions; the loss counts only what a policy writes."""
    torch.manual_seed(seed)
    model = Model(model_rules, task)
    rng = np.random.default_rng([seed, 0])
    room = model_rules.room(task)
    source = task.source(rules.low, rules.high, room, dependent=rules.dependent, noise=rules.noise)
    optimizer = torch.optim.AdamW(model.parameters(), rules.learning_rate, betas=(0.9, 0.99), weight_decay=0.0)
    for step in range(1, rules.steps + 1):
        done = step / rules.steps
        cosine = 0.1 + 0.45 * (1 + math.cos(math.pi * done))
        for group in optimizer.param_groups:
            group["lr"] = rules.learning_rate * min(step / WARM_UP, cosine)
        drawn = [source.draw(rng) for _ in range(rules.batch)]
        prompts = padded([task.prompt_tokens(instruction) for instruction, _ in drawn])
        responses = padded([task.response_tokens(response) for _, response in drawn], task.longest)[:, None]
        mask = task.written(responses)
        loss = -(model.log_probs(prompts, responses) * mask).sum() / mask.sum()
        if not torch.isfinite(loss):
            raise HindsightError(f"pretraining: loss {loss.item()} at step {step}; lower --pretrain.learning-rate")
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if step % 100 == 0 or step == rules.steps:
            notify(step, loss.item())
    return model
