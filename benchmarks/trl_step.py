"""Time of a training step with replay against plain GRPO, per row trained, on a random model.

    python benchmarks/trl_step.py --rounds 5 --out results/trl_step.json
    python benchmarks/trl_step.py 0.6b --out results/trl_step_gpu.json

Both trainers take turns in one process: the same model, prompts, rewards, rollouts per step and micro-batches. A step
is generation, scoring and one update. Rows trained are the rollouts and, with replay, the replays (those without
tokens are not counted). On a CPU the processor's time is taken, in one thread, so that other work on the machine does
not count; on a GPU the clock's, once it has finished. `0.6b` is Qwen3-0.6B's shape, in bf16; any option may follow.

The ratio per row is below 1 where generation is expensive, as a replay is not generated; `beyond_rows` therefore also
compares with plain GRPO plus what its own update takes for as many more rows, and `without_generation` leaves the
generation of both out: what replay would cost per row if generating took no time. On a CPU our trainer also shares
prompts, which plain GRPO does not, so the ratios are not of replay alone.
"""

from __future__ import annotations

import gc
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import datasets
import tokenizers
import torch
import transformers
import trl
import tyro

from hindsight_rl.constraints.core import constraint
from hindsight_rl.constraints.rewards import constraint_reward
from hindsight_rl.lm.trl import HiRConfig, HiRTrainer
from hindsight_rl.replay.instruction import Instruction
from hindsight_rl.run import machine

MOST_WORDS = [f"{start}{vowel}{end}" for start in "bdfgklmnprst" for vowel in "aeiou" for end in "rtnl"]


@dataclass
class Options:
    """Sizes of the comparison."""

    width: int = 256
    layers: int = 4
    heads: int = 0
    """0: width / 64, and as many of keys and values."""
    kv_heads: int = 0
    head_dim: int = 64
    intermediate: int = 0
    """0: three times the width."""
    vocabulary: int = 0
    """Tokens that the model prices; 0: those of the tokenizer, which are all that it says."""
    words: int = 64
    """Words that the model says; the end of a response is as likely as each, so that this is nearly its mean length."""
    prompts: int = 8
    """Per step."""
    rollouts: int = 6
    """Per prompt."""
    replays: int = 2
    """Per prompt, at most."""
    tokens: int = 64
    """Of a response, at most."""
    micro: int = 2
    """Micro-batches per step."""
    steps: int = 4
    """Per turn; the first is not counted."""
    rounds: int = 5
    """Turns of each trainer."""
    limit: float = 0.0
    """Seconds after which no further round begins; 0: none."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Of the weights and, where it is bfloat16, of autocast."""
    device: str = "cpu"
    out: str = "results/trl_step.json"


PRESETS = {
    "0.6b": Options(
        width=1024,
        layers=28,
        heads=16,
        kv_heads=8,
        head_dim=128,
        intermediate=3072,
        vocabulary=151_936,
        words=128,
        prompts=16,
        tokens=192,
        micro=4,
        steps=3,
        rounds=3,
        limit=110.0,
        dtype="bfloat16",
        device="cuda",
        out="results/trl_step_gpu.json",
    )
}


def names_of(options: Options) -> list[str]:
    """The tokenizer's tokens, by their ids; the words come last."""
    return ["<pad>", "<eos>", "<unk>", "user", "assistant", *MOST_WORDS[: options.words]]


def made(folder: Path, options: Options) -> tuple[str, int]:
    """A random model and a word tokenizer, as files; and how many parameters it has."""
    names = names_of(options)
    plain = tokenizers.Tokenizer(tokenizers.models.WordLevel({name: at for at, name in enumerate(names)}, "<unk>"))
    plain.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=plain, pad_token="<pad>", eos_token="<eos>", unk_token="<unk>"
    )
    tokenizer.chat_template = "{% for message in messages %}user {{ message.content }} {% endfor %}assistant"
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    heads = options.heads or max(1, options.width // 64)
    config = transformers.Qwen3Config(
        vocab_size=options.vocabulary or len(names),
        hidden_size=options.width,
        intermediate_size=options.intermediate or 3 * options.width,
        num_hidden_layers=options.layers,
        num_attention_heads=heads,
        num_key_value_heads=options.kv_heads or heads,
        head_dim=options.head_dim,
        max_position_embeddings=1024,
        tie_word_embeddings=False,  # tied, a random model says its last token again for ever
        pad_token_id=0,
        eos_token_id=1,
        bos_token_id=None,
    )
    with torch.device(options.device):
        model = transformers.Qwen3ForCausalLM(config)
    getattr(model, options.dtype.removesuffix("32"))()  # .float() or .bfloat16()
    model.save_pretrained(folder)
    return str(folder), model.num_parameters()


def asked(count: int, options: Options) -> list[Instruction]:
    """Four words each, one of which the model cannot say: every response fails, and most fulfil something."""
    found, words = [], names_of(options)[5:]
    for at in range(count):
        three = [words[(7 * at + 11 * place) % len(words)] for place in range(3)]
        demands = [constraint("keywords:existence", {"keywords": [word]}) for word in (*three, "unsayable")]
        found.append(Instruction("Say something .", tuple(demands), key=at))
    return found


def plain_rows(instructions: Sequence[Instruction]) -> list[dict[str, Any]]:
    """Rows for TRL's own trainer, with the constraints that `constraint_reward` reads."""
    return [
        {
            "prompt": each.messages,
            "instruction_id_list": [one.id for one in each.constraints],
            "kwargs": [one.kwargs for one in each.constraints],
        }
        for each in instructions
    ]


class Clock(transformers.TrainerCallback):
    """Seconds of every step, and of what a step spends before its update; filled in by `measured` trainers."""

    def __init__(self, cpu: bool) -> None:
        self.cpu = cpu
        self.seen: dict[str, list[float]] = {name: [] for name in SEEN}

    def now(self) -> float:
        if not self.cpu:
            torch.cuda.synchronize()
        return time.process_time() if self.cpu else time.perf_counter()

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.start = self.now()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.seen["step"].append(self.now() - self.start)


SEEN = ("step", "generation", "prepared", "rows", "generated", "trained")
"""Of each step: its seconds, those of generation, those before the update (generation, scoring, replay); rows trained,
tokens of the rollouts, tokens of all rows trained (responses alone)."""


def measured(base: Any, clock: Clock, rollouts: int) -> Any:
    """The trainer's class, telling the clock how long the parts of a step take and what they made."""

    class Measured(base):
        def _generate(self, *args: Any, **kwargs: Any) -> Any:
            start = clock.now()
            found = super()._generate(*args, **kwargs)
            clock.seen["generation"].append(clock.now() - start)
            return found

        def _generate_and_score_completions(self, inputs: Any) -> Any:
            start = clock.now()
            batch = super()._generate_and_score_completions(inputs)
            clock.seen["prepared"].append(clock.now() - start)
            lengths = batch["completion_mask"].sum(1)
            clock.seen["rows"].append(int((lengths > 0).sum()))
            clock.seen["generated"].append(int(lengths[:rollouts].sum()))
            clock.seen["trained"].append(int(lengths.sum()))
            return batch

    return Measured


def turn(path: str, options: Options, arm: str, folder: Path, seed: int) -> dict[str, float]:
    """What is named in `SEEN`, the median over the steps but the first."""
    cpu = options.device == "cpu"
    settings: dict[str, Any] = {
        "output_dir": str(folder),
        "per_device_train_batch_size": options.prompts * options.rollouts // options.micro,
        "num_generations": options.rollouts,
        "gradient_accumulation_steps": options.micro,
        "max_completion_length": options.tokens,
        "max_steps": options.steps,
        "learning_rate": 1e-6,
        "logging_steps": 1,
        "report_to": [],
        "save_strategy": "no",
        "use_cpu": cpu,
        "bf16": options.dtype == "bfloat16",
        "model_init_kwargs": {"dtype": options.dtype},
        "gradient_checkpointing": False,
        "disable_tqdm": True,
        "seed": seed,
    }
    if options.vocabulary:
        silent = [0, *range(len(names_of(options)), options.vocabulary)]
        settings["generation_kwargs"] = {"suppress_tokens": silent}
    instructions = asked(options.prompts * 4, options)
    clock = Clock(cpu)
    rollouts = options.prompts * options.rollouts
    if arm == "plain":
        trainer: Any = measured(trl.GRPOTrainer, clock, rollouts)(
            path,
            constraint_reward("all"),
            args=trl.GRPOConfig(**settings),
            train_dataset=datasets.Dataset.from_list(plain_rows(instructions)),
            callbacks=[clock],
        )
    else:
        config = HiRConfig(**settings, replays_per_prompt=options.replays)
        trainer = measured(HiRTrainer, clock, rollouts)(path, config, instructions, callbacks=[clock])
    trainer.train()
    assert {str(each.dtype) for each in trainer.model.parameters()} == {f"torch.{options.dtype}"}
    found = {name: statistics.median(values[1:]) for name, values in clock.seen.items()}
    del trainer
    gc.collect()
    if not cpu:
        torch.cuda.empty_cache()
    return found


def compared(options: Options) -> tuple[dict[str, list[dict[str, float]]], int]:
    """What every turn of each trainer saw, and the model's parameters."""
    began = time.monotonic()
    seen: dict[str, list[dict[str, float]]] = {"plain": [], "hir": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path, parameters = made(folder / "model", options)
        for round_ in range(options.rounds):
            for arm in ("plain", "hir") if round_ % 2 == 0 else ("hir", "plain"):
                seen[arm].append(turn(path, options, arm, folder / "out", seed=round_))
                print(f"round {round_}, {arm}: {seen[arm][-1]['step']:.2f} s per step", file=sys.stderr)
            if options.limit and time.monotonic() - began > options.limit:
                break
    return seen, parameters


def ratios(plain: dict[str, float], hir: dict[str, float]) -> dict[str, float]:
    """Replay against plain GRPO in one round."""
    step, more = hir["step"] / plain["step"], hir["rows"] / plain["rows"]
    share = 1 - plain["prepared"] / plain["step"]
    bare = (hir["step"] - hir["generation"]) / (plain["step"] - plain["generation"])
    return {
        "step_ratio": step,
        "per_row_ratio": step / more,
        "beyond_rows_ratio": step / (1 + share * (more - 1)),
        "without_generation_per_row_ratio": bare / more,
    }


def main(options: Options) -> int:
    """Compare, print and write the result file."""
    cpu = options.device == "cpu"
    if options.prompts * options.rollouts % options.micro or options.prompts * options.replays % options.micro:
        sys.exit(f"--micro {options.micro}: must divide prompts x rollouts and prompts x replays")
    if not 24 <= options.words <= len(MOST_WORDS):
        sys.exit(f"--words {options.words}: from 24 to {len(MOST_WORDS)}")
    if cpu:
        torch.set_num_threads(1)
    seen, parameters = compared(options)
    rounds = [ratios(plain, hir) for plain, hir in zip(seen["plain"], seen["hir"], strict=True)]
    told = {name: _spread([each[name] for each in rounds]) for name in rounds[0]}

    def each(name: str) -> dict[str, list[float]]:
        return {arm: [round(one[name], 4) for one in turns] for arm, turns in seen.items()}

    def rate(make: Callable[[dict[str, float]], float]) -> dict[str, dict[str, float]]:
        return {arm: _spread([make(one) for one in turns], 1) for arm, turns in seen.items()}

    result = {
        "command": "python benchmarks/trl_step.py " + " ".join(sys.argv[1:]),
        "machine": machine(),
        "device": "cpu, one thread, processor time" if cpu else torch.cuda.get_device_name(),
        "versions": {name: version(name) for name in ("torch", "transformers", "trl", "accelerate")},
        "parameters": parameters,
        "sizes": vars(options),
        "rounds": len(rounds),
        "seconds_per_step": each("step"),
        "seconds_of_generation": each("generation"),
        "seconds_before_update": each("prepared"),
        "rows_per_step": {arm: round(statistics.mean(found), 2) for arm, found in each("rows").items()},
        "tokens_of_rollouts": {arm: round(statistics.mean(found)) for arm, found in each("generated").items()},
        "tokens_per_second": {
            "generated": rate(lambda one: one["generated"] / one["generation"]),
            "trained_in_update": rate(lambda one: one["trained"] / (one["step"] - one["prepared"])),
            "trained_in_step": rate(lambda one: one["trained"] / one["step"]),
        },
        "update_share_of_plain_step": _spread([1 - one["prepared"] / one["step"] for one in seen["plain"]]),
        **told,
    }
    if not cpu:
        result["peak_gib"] = round(torch.cuda.max_memory_allocated() / 2**30, 1)
    Path(options.out).write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    print(json.dumps(told))
    return 0


def _spread(values: list[float], digits: int = 3) -> dict[str, float]:
    return {
        "median": round(statistics.median(values), digits),
        "least": round(min(values), digits),
        "most": round(max(values), digits),
    }


def options_of(argv: list[str]) -> Options:
    """A preset's name may come first."""
    if argv and argv[0] in PRESETS:
        return tyro.cli(Options, args=argv[1:], default=PRESETS[argv[0]])
    return tyro.cli(Options, args=argv)


if __name__ == "__main__":
    sys.exit(main(options_of(sys.argv[1:])))
