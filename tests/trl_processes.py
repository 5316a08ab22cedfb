"""What each process of the distributed test runs: rollouts that do not depend on the number of processes.

torchrun --nproc-per-node 2 tests/trl_processes.py MODEL OUT CASE ...
"""

from __future__ import annotations

import json
import os
import sys
import zlib
from pathlib import Path
from typing import Any

import torch

from hindsight_rl.lm.trl import HiRConfig, HiRTrainer
from tiny_lm import WORDS, asked

torch.set_num_threads(1)


def rollouts(prompts: list[Any], trainer: Any) -> dict[str, Any]:
    """Completions by prompt and place in its group, the same on any number of processes."""
    tokenizer = trainer.processing_class
    ids, _, _ = trainer._tokenize_prompts(prompts)
    first = trainer.accelerator.process_index * len(prompts)
    made = []
    for at, prompt in enumerate(prompts):
        generator = torch.Generator().manual_seed(zlib.crc32(f"{prompt} {(first + at) % 4} {trainer._step}".encode()))
        size = int(torch.randint(2, 12, (1,), generator=generator))
        picked = torch.randint(0, len(WORDS), (size,), generator=generator)
        if trainer.args.strategy == "random":  # whatever can be met is met, by every rollout
            picked = torch.randperm(len(WORDS), generator=generator)
        words = [WORDS[int(word)] for word in picked]
        made.append([*tokenizer(" ".join(words))["input_ids"], tokenizer.eos_token_id])
    return {"prompt_ids": ids, "completion_ids": made, "logprobs": [[0.0] * len(each) for each in made]}


def train(model: str, out: Path, case: str) -> None:
    """Train two updates and write what came of them, once per process and once for all."""
    out.mkdir(parents=True, exist_ok=True)
    world = int(os.environ.get("WORLD_SIZE", "1"))
    instructions = asked(8)
    settings: dict[str, Any] = {"replays_per_prompt": 2}
    if case == "none":
        instructions = [each.rewritten([2]) for each in instructions]  # only what cannot be met: nothing to replay
    if case == "most":
        instructions = [each.rewritten([0, 2]) for each in instructions]
        settings = {"replays_per_prompt": 4, "strategy": "random"}
    if case == "pooled":
        settings |= {"advantage": "pooled", "old_logps": "original", "beta": 0.1, "num_iterations": 2}
    if case == "memory":
        settings |= {"buffer_rows_per_prompt": 2}
    if case == "grpo-loss":
        settings |= {"loss_type": "grpo"}
    args = HiRConfig(
        output_dir=f"{out}/trainer",
        per_device_train_batch_size=8 // world,
        num_generations=4,
        steps_per_generation=2,
        gradient_accumulation_steps=2,
        max_completion_length=16,
        max_steps=2,
        learning_rate=1e-2,
        optim="sgd",  # Adam would divide rounding errors by each other
        lr_scheduler_type="constant",
        logging_steps=1,
        report_to=[],
        save_strategy="no",
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        disable_tqdm=True,
        **settings,
    )
    trainer = HiRTrainer(model, args, instructions, rollout_func=rollouts)
    rows: list[list[float]] = []
    inner = trainer._compute_loss

    def seen(network: Any, inputs: dict[str, Any]) -> torch.Tensor:
        tokens = inputs["completion_mask"].sum(1).tolist()
        rows.append([len(tokens), *sorted(a for a, n in zip(inputs["advantages"].tolist(), tokens, strict=True) if n)])
        return inner(network, inputs)

    trainer._compute_loss = seen  # type: ignore[method-assign]
    trainer.train()
    rank = trainer.accelerator.process_index
    Path(out, f"rows-{rank}.json").write_text(json.dumps(rows))
    if rank == 0:
        Path(out, "log.json").write_text(json.dumps([e for e in trainer.state.log_history if "reward" in e]))
        torch.save(trainer.accelerator.unwrap_model(trainer.model).state_dict(), Path(out, "weights.pt"))


if __name__ == "__main__":
    for each in sys.argv[3:]:
        train(sys.argv[1], Path(sys.argv[2], each), each)
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
