"""Speed and memory of training SmolLM2-135M on a CPU: `hindsight lm train` against TRL's GRPOTrainer.

    python benchmarks/lm_real_speed.py                 # writes results/lm_real_speed.json; about half an hour
    python benchmarks/lm_real_speed.py --quick         # does everything run?

Every turn is a process of its own, so that its peak memory is its own. The variants take turns, each round in the other
order. All have the same instructions, rollouts per step, length of a response and number of updates. The first step of
a turn is not counted.

- `trl`: GRPOTrainer with its defaults.
- `trl, tuned`: without gradient checkpointing, and with small passes.
- `hindsight, rlvr` and `hindsight, retarget`: `hindsight lm train` with its defaults, and passes as small.
"""

import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro
from studies import RESULTS, middle, write

VARIANTS = ("trl", "trl, tuned", "hindsight, rlvr", "hindsight, retarget")
PEERS = ("trl", "trl, tuned")
"""Variants of TRL's own trainer."""


@dataclass
class Options:
    """Sizes of the comparison."""

    rounds: int = 3
    steps: int = 3
    """Per turn; the first is not counted."""
    prompts: int = 4
    samples: int = 4
    """Rollouts per prompt."""
    tokens: int = 48
    """Of a response, at most."""
    passes: int = 4
    """Rows of a forward and backward pass, where a variant chooses them."""
    threads: int = 2
    only: str | None = None
    """Run one turn of this variant here, and print what it took; used by the command itself."""
    data: str = ""
    quick: bool = False
    out: Path = RESULTS / "lm_real_speed.json"


def turn(options: Options) -> dict[str, Any]:
    """One turn, in this process."""
    import datasets
    import torch
    import transformers
    import trl
    from trl_step import plain_rows

    from hindsight_rl.constraints.rewards import constraint_reward
    from hindsight_rl.data.rows import read_dataset
    from hindsight_rl.lm.models import local_model
    from hindsight_rl.lm.trl import HiRTrainer
    from hindsight_rl.lm.trl.options import parsed

    torch.set_num_threads(options.threads)
    seen: dict[str, list[float]] = {"seconds": [], "cpu_seconds": [], "rows": []}

    class Clock(transformers.TrainerCallback):
        def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            self.start = time.perf_counter(), time.process_time()

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            seen["seconds"].append(time.perf_counter() - self.start[0])
            seen["cpu_seconds"].append(time.process_time() - self.start[1])

    rollouts, path = options.prompts * options.samples, local_model("smollm2-135m")
    asked = read_dataset(options.data).instructions
    with tempfile.TemporaryDirectory() as folder:
        same = {
            "num_generations": options.samples, "max_completion_length": options.tokens, "max_steps": options.steps,
            "learning_rate": 1e-6, "report_to": "none", "save_strategy": "no", "seed": 1,
        }  # fmt: skip
        small = {
            "per_device_train_batch_size": options.passes,
            "gradient_accumulation_steps": rollouts // options.passes,
        }
        if options.only in PEERS:
            tuned = small | {"gradient_checkpointing": False}
            sizes = tuned if options.only == "trl, tuned" else {"per_device_train_batch_size": rollouts}
            config = trl.GRPOConfig(
                output_dir=folder, use_cpu=True, model_init_kwargs={"dtype": "float32"}, **same, **sizes
            )
            reward, data = constraint_reward("all"), datasets.Dataset.from_list(plain_rows(asked))
            trainer: Any = trl.GRPOTrainer(path, reward, args=config, train_dataset=data, callbacks=[Clock()])
        else:
            words = [word for name, value in {**same, **small}.items() for word in (f"--{name}", str(value))]
            method = str(options.only).partition(", ")[2]
            words += ["--model", "smollm2-135m", "--dataset", options.data, "--out", folder, "--method", method]
            trainer = HiRTrainer(path, parsed(words)[1], asked, callbacks=[Clock()])
        prepare = trainer._generate_and_score_completions

        def counted(inputs: Any) -> Any:
            batch = prepare(inputs)
            seen["rows"].append(int((batch["completion_mask"].sum(1) > 0).sum()))
            return batch

        trainer._generate_and_score_completions = counted
        trainer.train()
    found: dict[str, Any] = {name: round(statistics.mean(values[1:]), 3) for name, values in seen.items()}
    # Linux gives KiB, macOS bytes.
    found["peak_gib"] = round(
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2 ** (30 if sys.platform == "darwin" else 20), 2
    )
    found["rollouts"] = rollouts
    return found


def main() -> None:
    """All turns, and the ratios of each round."""
    options = tyro.cli(Options, description=__doc__)
    if options.only:
        print(json.dumps(turn(options)))
        return
    if options.quick:
        options.rounds, options.steps, options.tokens = 1, 2, 8
    from hindsight_rl.data.compose import ComposeConfig, compose
    from hindsight_rl.data.compose.formats import write as write_rows

    turns: dict[str, list[dict[str, Any]]] = {name: [] for name in VARIANTS}
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "train.jsonl"
        write_rows(data, compose(ComposeConfig(rows=200, length="short", numbers=(1, 2, 3), seed=3)).train, "if-multi")
        for number in range(options.rounds):
            for name in VARIANTS if number % 2 == 0 else VARIANTS[::-1]:
                words = ["--only", name, "--data", str(data)]
                for size in ("steps", "prompts", "samples", "tokens", "passes", "threads"):
                    words += [f"--{size}", str(getattr(options, size))]
                done = subprocess.run([sys.executable, __file__, *words], stdout=subprocess.PIPE, text=True, check=True)
                turns[name].append(json.loads(done.stdout.splitlines()[-1]))
                print(number, name, turns[name][-1], file=sys.stderr, flush=True)
    table = {}
    for name, own in turns.items():
        row: dict[str, Any] = {
            "rollouts_per_second": middle([each["rollouts"] / each["seconds"] for each in own]),
            "rows": middle([each["rows"] for each in own]),
            "peak_gib": middle([each["peak_gib"] for each in own]),
        }
        for other in PEERS:
            pairs = list(zip(turns[other], own, strict=True))
            row[f"times as fast as {other}"] = middle([one["seconds"] / each["seconds"] for one, each in pairs])
            per_row = [(each["seconds"] / each["rows"]) / (one["seconds"] / one["rows"]) for one, each in pairs]
            row[f"time per row over {other}"] = middle(per_row)
        table[name] = row
        print(name, json.dumps(row))
    sizes = {k: getattr(options, k) for k in ("rounds", "steps", "prompts", "samples", "tokens", "passes", "threads")}
    if not options.quick:
        write(options.out, {"sizes": sizes, "table": table, "turns": turns})


if __name__ == "__main__":
    main()
