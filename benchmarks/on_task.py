"""What the on-task filter rejects, of the responses of a real model.

    python benchmarks/on_task.py --out results/on_task.json

SmolLM2-135M-Instruct answers composed instructions once each, at temperature 1. Every failure that can be replayed is
compared with its own task and, as a control, with the task of another instruction: the cosine of their sentence
embeddings. A filter is useful if it rejects most of the second kind and few of the first, and if what it rejects of the
first is not about the task: the lowest and some from just above each threshold are kept for reading.
"""

import json
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro
from studies import write
from transformers import AutoModelForCausalLM, AutoTokenizer

from hindsight_rl.data.compose import ComposeConfig, compose
from hindsight_rl.data.compose.formats import write as write_rows
from hindsight_rl.data.rows import read_dataset
from hindsight_rl.lm.generate import generate
from hindsight_rl.lm.models import local_model
from hindsight_rl.replay.config import ReplayConfig
from hindsight_rl.replay.on_task import OnTask
from hindsight_rl.replay.replayer import Replayer
from hindsight_rl.replay.rollout import Rollout
from hindsight_rl.replay.verification import verifying

THRESHOLDS = (0.1, 0.2, 0.3, 0.4, 0.5)
EXAMPLES = 12


@dataclass
class OnTaskConfig:
    """Measure the filter."""

    model: str = "smollm2-135m"
    """A name or folder, as for `hindsight lm train --model`."""
    rows: int = 512
    """Instructions of one to three constraints."""
    tokens: int = 80
    """Most new tokens of a response."""
    seed: int = 0
    """Of the instructions and of sampling."""
    runs: Path = Path("runs/on_task")
    """Folder of the instructions."""
    out: Path | None = None
    """Write the result here."""


def replayable(config: OnTaskConfig) -> tuple[list[Rollout], dict[str, int]]:
    """The failures that `retarget` can replay, and how many responses there are of each kind."""
    made = compose(ComposeConfig(rows=config.rows, numbers=(1, 2, 3), length="short", seed=config.seed, test_rows=1))
    config.runs.mkdir(parents=True, exist_ok=True)
    file = config.runs / "instructions.jsonl"
    write_rows(file, made.train, "if-multi")
    instructions = read_dataset(str(file)).instructions
    path = local_model(config.model)
    tokenizer = AutoTokenizer.from_pretrained(path, padding_side="left")
    torch.manual_seed(config.seed)
    model = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32).eval()
    answers = generate(
        model, tokenizer, [each.messages for each in instructions], max_new_tokens=config.tokens, temperature=1.0,
        seed=config.seed,
    )  # fmt: skip
    verdicts = verifying().verify_answers([(i, a.text) for i, a in zip(instructions, answers, strict=True)])
    rollouts = [
        Rollout(instruction, answer.text, verdict, group=index, complete=answer.ended)
        for index, (instruction, answer, verdict) in enumerate(zip(instructions, answers, verdicts, strict=True))
    ]
    replays = Replayer(ReplayConfig(rewriter="retarget")).replay(rollouts, step=1, budget=len(rollouts)).replays
    found = [rollouts[each.source] for each in replays if each.source is not None]
    kinds = {
        "responses": len(rollouts),
        "ended": sum(each.complete for each in rollouts),
        "successes": sum(each.succeeded and each.complete for each in rollouts),
        "replayable": len(found),
    }
    return found, kinds


def main() -> None:
    """Answer, compare, and print."""
    config = tyro.cli(OnTaskConfig, description=__doc__)
    found, kinds = replayable(config)
    compare = OnTask(1.0).cosine
    own = np.array([compare(each.instruction.task, each.response) for each in found])
    others = np.roll(np.arange(len(found)), len(found) // 2)
    other = np.array([compare(found[i].instruction.task, each.response) for i, each in zip(others, found, strict=True)])
    order = np.argsort(own)

    def words(chosen: np.ndarray) -> float | None:
        lengths = [len(found[i].response.split()) for i in np.flatnonzero(chosen)]
        return round(statistics.mean(lengths), 1) if lengths else None

    def shown(index: int) -> dict[str, Any]:
        return {
            "cosine": round(float(own[index]), 3),
            "task": found[index].instruction.task,
            "response": found[index].response,
        }

    result = {
        "config": {k: v for k, v in vars(config).items() if k not in ("out", "runs")},
        **kinds,
        "own": [round(float(x), 3) for x in np.percentile(own, [5, 25, 50, 75, 95])],
        "other": [round(float(x), 3) for x in np.percentile(other, [5, 25, 50, 75, 95])],
        "own_above_other": round(float((own[:, None] > other).mean()), 4),
        "thresholds": [
            {
                "on_task": each,
                "own_refused": round(float((own < each).mean()), 4),
                "other_refused": round(float((other < each).mean()), 4),
                "words_refused": words(own < each),
                "words_kept": words(own >= each),
            }
            for each in THRESHOLDS
        ],
        "lowest": [shown(i) for i in order[:EXAMPLES]],
        "just_above": {
            str(each): [shown(i) for i in order if own[i] >= each][:EXAMPLES] for each in THRESHOLDS[:3]
        },
    }  # fmt: skip
    print(json.dumps({k: v for k, v in result.items() if k not in ("lowest", "just_above")}, indent=1))
    if config.out:
        write(config.out, result)


if __name__ == "__main__":
    main()
