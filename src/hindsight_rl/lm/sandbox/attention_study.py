"""The study of attention at the end of a run: `attention.json`."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from hindsight_rl.errors import HindsightError
from hindsight_rl.lm.sandbox.attention import AttentionMaps, greedily, own_responses
from hindsight_rl.lm.sandbox.config import SandboxConfig
from hindsight_rl.lm.sandbox.evaluate import TEST_SEED
from hindsight_rl.lm.sandbox.model import Model, ModelRules
from hindsight_rl.lm.sandbox.pretrain import load_base
from hindsight_rl.lm.sandbox.run_arms import arm_folder, is_done
from hindsight_rl.lm.sandbox.task import Task
from hindsight_rl.lm.sandbox.words_task import WORDS
from hindsight_rl.run import Run

STUDIED = 48
SHOWN = 2


def study(run: Run, config: SandboxConfig, base: Path) -> dict[str, Any]:
    """The contents of `attention.json`: the base model, and the final model of each method that has finished.

    Measured on the first test instructions, for two responses: one that fulfils the instruction and is the same for
    all models (`same`), and the model's own greedy response (`own`). A model whose logits are not finite is
    skipped.
    """
    rng = np.random.default_rng([config.seed, TEST_SEED])
    source = config.source(held_out=True)
    task = config.the_task
    drawn = [source.draw(rng) for _ in range(min(STUDIED, config.test))]
    instructions = [instruction for instruction, _ in drawn]
    witnesses = [task.response_tokens(response) for _, response in drawn]
    models: dict[str, Any] = {}
    shown: list[dict[str, Any]] = [
        {
            "constraints": list(instructions[i].texts),
            "response": [
                task.vocabulary[token]
                for token, own in zip(witnesses[i], task.written(torch.tensor(witnesses[i])).tolist(), strict=True)
                if own
            ],
            "models": {},
        }
        for i in range(min(SHOWN, len(drawn)))
    ]
    files = {"base": base} | {
        name: arm_folder(run, name) / "model.safetensors" for name in config.names if is_done(run, name)
    }
    for name, file in files.items():
        model = load_base(file, config.model, task) if name == "base" else load_arm(file, config.model, task)
        try:
            own = greedily(model, instructions)
        except HindsightError:
            continue
        same = AttentionMaps(model, instructions, witnesses)
        models[name] = {
            "same": same.summary(),
            "own": own_responses(model, instructions, own.tokens[:, 0], own.texts()),
        }
        for i, example in enumerate(shown):
            example["models"][name] = [[round(value, 4) for value in row] for row in same.matrix(i).tolist()]
    return {"instructions": len(drawn), "models": models, "examples": shown}


def load_arm(path: Path, rules: ModelRules, task: Task = WORDS) -> Model:
    """The final model of a method.

    Raises:
        HindsightError: the file is missing, damaged, or holds a model of another size.
    """
    model = Model(rules, task)
    try:
        held = load_file(path)
        model.load_state_dict({name[6:]: value for name, value in held.items() if name.startswith("model.")})
    except (OSError, SafetensorError, RuntimeError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise HindsightError(
            f"{path} is no model of an arm ({reason}): delete that arm's folder and go on with --resume"
        ) from error
    return model
