"""What the three scripts share: the paper's settings (arXiv 2512.23457, released script), for one call of the trainer.

A step is 64 prompts x 6 rollouts and 2 replays a prompt, 512 rows, in 2 updates, as the released code makes them with
4 GPUs: 16 prompts, 96 rollouts and 32 replays on each, in micro-batches of 6 + 2. Where the released recipe and ours
differ, `--released` takes theirs.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

PROMPTS, ROLLOUTS, REPLAYS, UPDATES = 64, 6, 2, 2


def settings(gpus: int, micro: int = ROLLOUTS) -> dict[str, Any]:
    """HiRConfig's fields. gpus: processes. micro: rollouts per micro-batch and GPU (activations' memory)."""
    steps, rest = divmod(PROMPTS * ROLLOUTS, gpus * micro)
    if rest or steps % UPDATES:
        raise SystemExit(f"{PROMPTS * ROLLOUTS} rollouts do not divide over {gpus} GPUs in micro-batches of {micro}")
    return {
        "num_generations": ROLLOUTS,
        "replays_per_prompt": REPLAYS,
        "per_device_train_batch_size": micro,
        "steps_per_generation": steps,
        "gradient_accumulation_steps": steps // UPDATES,
        "max_completion_length": 4096,
        "max_prompt_tokens": 2048,
        "long_prompts": "skip",
        "temperature": 1.0,
        "learning_rate": 1e-6,
        "lr_scheduler_type": "constant",
        "weight_decay": 0.01,
        "max_grad_norm": 1.0,
        "epsilon": 0.2,
        "epsilon_high": 0.2,
        "loss_type": "dapo",  # the mean over the tokens of the batch
        "num_train_epochs": 5,
        "save_steps": 200,
        "logging_steps": 1,
        "bf16": True,
        "gradient_checkpointing": True,
        "log_completions": True,
    }


def released() -> dict[str, Any]:
    """What the released code does where our default is another.

    Its KL term stands in the reward (coefficient 0.001, k1); TRL's stands in the loss (k3).
    """
    return {"advantage": "pooled", "old_logps": "original", "beta": 0.001, "delta": 3.0}


def arguments(about: str, model: str, dataset: str, out: str) -> argparse.Namespace:
    """The scripts' command line."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--model", default=model)
    parser.add_argument("--dataset", default=dataset, help="hub id, hir-16k, if-rlvr, or a local file")
    parser.add_argument("--out", default=out)
    parser.add_argument("--method", default="hir", choices=("hir", "retarget", "rlvr", "fraction"))
    parser.add_argument("--released", action="store_true", help="normalise and clip as the released code does")
    parser.add_argument("--vllm", choices=("none", "colocate", "server"), default="none")
    parser.add_argument("--micro", type=int, default=ROLLOUTS, help="rollouts per micro-batch and GPU")
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--max-steps", type=int, default=-1)
    parser.add_argument("--dry", action="store_true", help="print the settings and the data, load no model")
    return parser.parse_args()


def run(args: argparse.Namespace, **given: Any) -> None:
    """Train; `given` are settings of the script's own."""
    from hindsight_rl.data.rows import read_dataset
    from hindsight_rl.lm.methods import method

    found = {**settings(int(os.environ.get("WORLD_SIZE", "1")), args.micro), **given}
    chosen = method(args.method)
    found |= {"reward": chosen.reward, **chosen.settings(failures=REPLAYS, buffer_rows=0)}
    if args.released:
        found |= released()
    if args.vllm != "none":
        found |= {"use_vllm": True, "vllm_mode": args.vllm}
    if args.max_steps > 0:
        found["max_steps"] = args.max_steps
    # Rows that need a judge are left out, as the released reward leaves them out.
    loaded = read_dataset(args.dataset, judged="skip", bad="skip")
    print(f"{len(loaded.instructions)} instructions, {loaded.inline} without replay, left out: {loaded.skipped}")
    if args.dry:
        print("\n".join(f"{name}: {value}" for name, value in sorted(found.items())))
        return

    from hindsight_rl.lm.trl import HiRConfig, HiRTrainer

    trainer = HiRTrainer(args.model, HiRConfig(output_dir=args.out, **found), loaded.instructions)
    trainer.train(resume_from_checkpoint=args.resume or None)
    trainer.save_model(str(Path(args.out) / "model"))
