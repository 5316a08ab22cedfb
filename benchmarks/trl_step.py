"""Time of a training step with replay against plain GRPO, per row trained, on a random model.

    python benchmarks/trl_step.py --rounds 5 --out results/trl_step.json

Both trainers take turns in one process: the same model, prompts, rewards, rollouts per step and micro-batches. A step
is generation, scoring and one update. Rows trained are the rollouts and, with replay, the replays (those without
tokens are not counted). On a CPU the processor's time is taken, in one thread, so that other work on the machine does
not count; on a GPU the clock's.

The ratio per row is below 1 where generation is expensive, as a replay is not generated; `beyond_rows` therefore also
compares with plain GRPO plus what its own update takes for as many more rows.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import datasets
import tokenizers
import torch
import transformers
import trl
import tyro

from hindsight_rl.constraints.base import constraint
from hindsight_rl.constraints.rewards import constraint_reward
from hindsight_rl.instruction import Instruction
from hindsight_rl.lm.trl import HiRConfig, HiRTrainer
from hindsight_rl.run import machine

WORDS = [f"{start}{vowel}{end}" for start in "bdfgklmn" for vowel in "aeio" for end in "rt"]


@dataclass
class Options:
    """Sizes of the comparison."""

    width: int = 256
    layers: int = 4
    prompts: int = 8
    """Per step."""
    rollouts: int = 6
    """Per prompt."""
    replays: int = 2
    """Per prompt, at most."""
    tokens: int = 64
    """Of a response, at most."""
    steps: int = 4
    """Per turn; the first is not counted."""
    rounds: int = 5
    """Turns of each trainer."""
    device: str = "cpu"
    out: str = "results/trl_step.json"


def made(folder: Path, options: Options) -> str:
    """A random model and a word tokenizer, as files."""
    names = ["<pad>", "<eos>", "<unk>", "user", "assistant", *WORDS]
    plain = tokenizers.Tokenizer(tokenizers.models.WordLevel({name: at for at, name in enumerate(names)}, "<unk>"))
    plain.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=plain, pad_token="<pad>", eos_token="<eos>", unk_token="<unk>"
    )
    tokenizer.chat_template = "{% for message in messages %}user {{ message.content }} {% endfor %}assistant"
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = transformers.Qwen3Config(
        vocab_size=len(names),
        hidden_size=options.width,
        intermediate_size=3 * options.width,
        num_hidden_layers=options.layers,
        num_attention_heads=max(1, options.width // 64),
        num_key_value_heads=max(1, options.width // 64),
        head_dim=64,
        max_position_embeddings=1024,
        pad_token_id=0,
        eos_token_id=1,
        bos_token_id=None,
    )
    transformers.Qwen3ForCausalLM(config).save_pretrained(folder)
    return str(folder)


def asked(count: int) -> list[Instruction]:
    """Four words each, one of which the model cannot say."""
    found = []
    for at in range(count):
        words = [WORDS[(7 * at + 11 * place) % len(WORDS)] for place in range(3)]
        demands = [constraint("keywords:existence", {"keywords": [word]}) for word in (*words, "unsayable")]
        found.append(Instruction("Say something .", tuple(demands), key=at))
    return found


class Clock(transformers.TrainerCallback):
    """Seconds of every step but the first of a turn."""

    def __init__(self, cpu: bool) -> None:
        self.cpu, self.steps = cpu, []  # type: ignore[var-annotated]

    def now(self) -> float:
        if not self.cpu:
            torch.cuda.synchronize()
        return time.process_time() if self.cpu else time.perf_counter()

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.start = self.now()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step > 1:
            self.steps.append(self.now() - self.start)


def turn(path: str, options: Options, arm: str, folder: Path, seed: int) -> tuple[list[float], float]:
    """Seconds per step and rows trained per step."""
    micro = 2
    settings: dict[str, Any] = {
        "output_dir": str(folder),
        "per_device_train_batch_size": options.prompts * options.rollouts // micro,
        "num_generations": options.rollouts,
        "gradient_accumulation_steps": micro,
        "max_completion_length": options.tokens,
        "max_steps": options.steps,
        "learning_rate": 1e-6,
        "logging_steps": 1,
        "report_to": [],
        "save_strategy": "no",
        "use_cpu": options.device == "cpu",
        "bf16": options.device != "cpu",
        "gradient_checkpointing": False,
        "disable_tqdm": True,
        "seed": seed,
    }
    instructions = asked(options.prompts * 4)
    clock = Clock(options.device == "cpu")
    if arm == "plain":
        rows = [
            {
                "prompt": each.messages,
                "instruction_id_list": [one.id for one in each.constraints],
                "kwargs": [one.kwargs for one in each.constraints],
            }
            for each in instructions
        ]
        trainer: Any = trl.GRPOTrainer(
            path,
            constraint_reward("all"),
            args=trl.GRPOConfig(**settings),
            train_dataset=datasets.Dataset.from_list(rows),
            callbacks=[clock],
        )
    else:
        config = HiRConfig(**settings, replays_per_prompt=options.replays)
        trainer = HiRTrainer(path, config, instructions, callbacks=[clock])
    trainer.train()
    logs = [entry for entry in trainer.state.log_history if "reward" in entry]
    replays = statistics.mean(entry.get("hir/replays", 0.0) for entry in logs[1:])
    return clock.steps, options.prompts * options.rollouts + replays


def update_share(path: str, options: Options, folder: Path) -> float:
    """The part of plain GRPO's step that is the update: what more rows would add to."""
    spent = []
    inner = trl.GRPOTrainer._prepare_inputs
    cpu = options.device == "cpu"
    clock = Clock(cpu)

    def timed(self: Any, batch: Any) -> Any:
        start = clock.now()
        found = inner(self, batch)
        spent.append(clock.now() - start)
        return found

    trl.GRPOTrainer._prepare_inputs = timed
    try:
        steps, _ = turn(path, options, "plain", folder, seed=99)
    finally:
        trl.GRPOTrainer._prepare_inputs = inner
    return 1 - sum(spent[2:]) / sum(steps)


def main(options: Options) -> int:
    """Compare, print and write the result file."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = made(folder / "model", options)
        parameters = transformers.AutoModelForCausalLM.from_pretrained(path).num_parameters()
        share = update_share(path, options, folder / "out")
        seconds: dict[str, list[float]] = {"plain": [], "hir": []}
        rows: dict[str, list[float]] = {"plain": [], "hir": []}
        for round_ in range(options.rounds):
            order = ("plain", "hir") if round_ % 2 == 0 else ("hir", "plain")
            for arm in order:
                steps, trained = turn(path, options, arm, folder / "out", seed=round_)
                seconds[arm].append(statistics.median(steps))
                rows[arm].append(trained)
    step = [h / p for h, p in zip(seconds["hir"], seconds["plain"], strict=True)]
    more = [h / p for h, p in zip(rows["hir"], rows["plain"], strict=True)]
    per_row = [a / b for a, b in zip(step, more, strict=True)]
    beyond = [a / (1 + share * (b - 1)) for a, b in zip(step, more, strict=True)]
    result = {
        "command": "python benchmarks/trl_step.py " + " ".join(sys.argv[1:]),
        "machine": machine(),
        "device": torch.cuda.get_device_name() if options.device != "cpu" else "cpu, one thread, processor time",
        "versions": {name: version(name) for name in ("torch", "transformers", "trl")},
        "parameters": parameters,
        "sizes": vars(options),
        "seconds_per_step": {arm: [round(value, 4) for value in found] for arm, found in seconds.items()},
        "rows_per_step": {arm: round(statistics.mean(found), 2) for arm, found in rows.items()},
        "update_share_of_plain_step": round(share, 3),
        "step_ratio": _spread(step),
        "per_row_ratio": _spread(per_row),
        "beyond_rows_ratio": _spread(beyond),
    }
    Path(options.out).write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    print(json.dumps({name: result[name] for name in ("step_ratio", "per_row_ratio", "beyond_rows_ratio")}))
    return 0


def _spread(values: list[float]) -> dict[str, float]:
    return {
        "median": round(statistics.median(values), 3),
        "least": round(min(values), 3),
        "most": round(max(values), 3),
    }


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Options)))
