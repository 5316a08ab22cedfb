"""From prompts and a model's own responses to an SFT file, and a model trained on it: no labels, no judge, no teacher.

python examples/hindsight_sft.py --prompts prompts.jsonl --out runs/hindsight_sft

1. `hindsight compose` adds constraints to the prompts. Some prompts are held out for the evaluation.
2. The model responds to each instruction. Most responses fail it.
3. `hindsight relabel` rewrites what a failure was asked to what it did fulfil: training rows.
4. TRL's SFTTrainer trains the model on them.
5. Before and after: how many held-out instructions and constraints does it meet, and has it forgotten English?

`--prompts` takes any file that `hindsight compose` reads; without it, the list that ships is used. Every step keeps its
files in `--out`; after a kill the same command goes on from there. `--smoke` is a size for tests.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import tyro

from hindsight_rl.data.compose import ComposeConfig
from hindsight_rl.data.compose.output import write as write_composed
from hindsight_rl.data.relabel import RelabelConfig, relabel
from hindsight_rl.data.rows import read_dataset
from hindsight_rl.errors import HindsightError
from hindsight_rl.evaluation.accuracy import accuracy
from hindsight_rl.replay.instruction import Instruction
from hindsight_rl.replay.verification import verifying
from hindsight_rl.run import machine


@dataclass(frozen=True)
class Settings:
    """What is done, and how much of it."""

    prompts: str = "tasks"
    """Prompts without constraints: a file or a hub id, as `hindsight compose --prompts` reads them; or `tasks`, the
    list that ships."""
    model: str = "smollm2-135m"
    """A short name, a folder or an id on the hub."""
    out: Path = Path("runs/hindsight_sft")
    """Folder for everything that is made."""
    instructions: int = 427
    """Composed training instructions."""
    numbers: tuple[int, ...] = (2, 3)
    """Constraints of each."""
    responses: int = 1
    """Responses to each."""
    tokens: int = 64
    """Longest response. A response that is cut off there is not trained on."""
    temperature: float = 0.8
    """Of the responses that are trained on. The evaluation is greedy."""
    rewriter: Literal["drop", "retarget"] = "retarget"
    """How a failed instruction is rewritten, see `hindsight relabel`."""
    tests: int = 100
    """Held-out instructions, of prompts that are not trained on."""
    updates: int = 20
    """Updates of SFT: small, so that all ends in about 20 minutes on a CPU. A pass over the file takes more."""
    learning_rate: float = 5e-5
    """Of SFT, constant after a short warm-up."""
    batch: int = 4
    """Rows of an update."""
    at_once: int = 32
    """Responses that are generated together."""
    seed: int = 0
    """Of everything random."""
    note: str = ""
    """Words for the result file, e.g. that the machine was busy with other work."""
    smoke: bool = False
    """A size that ends in seconds with a tiny model."""


def main() -> None:
    settings = tyro.cli(Settings, description=(__doc__ or "").splitlines()[0])
    if settings.smoke:
        settings = replace(settings, instructions=24, tests=8, tokens=16, updates=4, at_once=8)
    try:
        print(json.dumps(run(settings), indent=1))
    except HindsightError as error:
        raise SystemExit(f"error: {error}") from None


def run(settings: Settings) -> dict[str, Any]:
    """All steps that are not done yet; returns what stands in result.json."""
    out = settings.out
    out.mkdir(parents=True, exist_ok=True)
    _same_settings(settings)
    steps = Steps(out / "seconds.json")
    composed = steps.timed("compose", lambda: _composed(settings))
    steps.timed("respond", lambda: _respond(settings, composed["train"]))
    counts = steps.timed("relabel", lambda: _relabel(settings))
    before = steps.timed("evaluate before", lambda: _evaluated(settings, "before", composed["test"]))
    steps.timed("train", lambda: _train(settings))
    after = steps.timed("evaluate after", lambda: _evaluated(settings, "after", composed["test"]))
    result = {
        "command": f"python examples/hindsight_sft.py {shlex.join(sys.argv[1:])}".strip(),
        "machine": machine() | {"threads": int(os.environ.get("OMP_NUM_THREADS", 0)) or None},
        "note": settings.note,
        "versions": {name: version(name) for name in ("torch", "transformers", "trl")},
        "settings": _said(settings),
        "seconds": steps.seconds,
        "prompts": composed["prompts"],
        "relabeled": counts,
        "before": before,
        "after": after,
        "instructions": _compared(before, after),
    }
    text = json.dumps(result, indent=1, ensure_ascii=False)
    (out / "result.json").write_text(text + "\n", "utf-8")
    return json.loads(text)


class Steps:
    """Seconds of each step, those of earlier calls included."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.seconds: dict[str, float] = json.loads(path.read_text("utf-8")) if path.exists() else {}

    def timed(self, name: str, step: Callable[[], Any]) -> Any:
        """Do a step and add its time."""
        print(f"{name} ...", file=sys.stderr, flush=True)
        started = time.monotonic()
        try:
            return step()
        finally:
            self.seconds[name] = round(self.seconds.get(name, 0.0) + time.monotonic() - started, 1)
            self.path.write_text(json.dumps(self.seconds) + "\n", "utf-8")


def _said(settings: Settings) -> dict[str, Any]:
    kept = {name: value for name, value in asdict(settings).items() if name not in ("out", "note", "smoke")}
    model = Path(settings.model).name if Path(settings.model).exists() else settings.model
    return kept | {"prompts": Path(settings.prompts).name, "model": model}


def _same_settings(settings: Settings) -> None:
    """A folder holds one run."""
    path, mine = settings.out / "settings.json", json.loads(json.dumps(_said(settings)))
    if path.exists() and (there := json.loads(path.read_text("utf-8"))) != mine:
        other = sorted(name for name in mine if mine[name] != there.get(name))
        raise HindsightError(f"{settings.out} was made with other settings ({', '.join(other)}); choose another --out")
    path.write_text(json.dumps(mine, indent=1) + "\n", "utf-8")


# -- data ------------------------------------------------------------------------------------------


def _composed(settings: Settings) -> dict[str, Any]:
    counts = write_composed(
        ComposeConfig(
            prompts=settings.prompts,
            rows=settings.instructions,
            numbers=settings.numbers,
            length="short",
            test_rows=settings.tests,
            seed=settings.seed,
            out=settings.out / "composed",
        )
    )
    files = {"train": "train", "test": "test_prompts"}
    return {name: settings.out / "composed" / f"{split}.jsonl" for name, split in files.items()} | {
        "prompts": counts.prompts | {"skipped": dict(counts.skipped.reasons)}
    }


def _respond(settings: Settings, file: Path) -> None:
    """Rows with the model's responses, a batch at a time; those that are there stay."""
    path = settings.out / "responses.jsonl"
    rows = [json.loads(line) for line in file.read_text("utf-8").splitlines() for _ in range(settings.responses)]
    rows.sort(key=lambda row: len(row["messages"][0]["content"]))  # little padding in a batch
    done = _whole_lines(path)
    if len(done) >= len(rows):
        return
    model, tokenizer = _loaded(settings.model)
    with path.open("a", encoding="utf-8") as out:
        for start in range(len(done), len(rows), settings.at_once):
            part = rows[start : start + settings.at_once]
            said = _responses(settings, model, tokenizer, [row["messages"] for row in part], start)
            for row, response in zip(part, said, strict=True):
                reason = "stop" if response.ended else "length"
                out.write(json.dumps({**row, "response": response.text, "finish_reason": reason}) + "\n")
            out.flush()
            print(f"  {start + len(part)} of {len(rows)} responses", file=sys.stderr, flush=True)


def _whole_lines(path: Path) -> list[str]:
    """The lines of a file that are whole; what a kill left of another is cut off."""
    if not path.exists():
        return []
    text = path.read_bytes()
    kept = text[: text.rfind(b"\n") + 1]
    if kept != text:
        path.write_bytes(kept)
    return kept.decode("utf-8").splitlines()


def _relabel(settings: Settings) -> dict[str, Any]:
    config = RelabelConfig(
        str(settings.out / "responses.jsonl"),
        rewriter=settings.rewriter,
        columns="prompt-completion",
        out=settings.out / "hindsight.jsonl",
    )
    counts = relabel(config)
    return {
        "responses": counts.responses,
        "met their instruction": counts.successes,
        "met a rewritten one": counts.rewritten,
        "rows": counts.written.total(),
        "rejected": dict(counts.rejected.most_common()),
    }


# -- model -----------------------------------------------------------------------------------------


def _loaded(model: str) -> tuple[Any, Any]:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from hindsight_rl.lm.models import local_model

    path, device = local_model(model), "cuda" if torch.cuda.is_available() else "cpu"
    return AutoModelForCausalLM.from_pretrained(path, dtype="float32").to(device), AutoTokenizer.from_pretrained(path)


def _responses(
    settings: Settings, model: Any, tokenizer: Any, chats: Sequence[Any], start: int, temperature: float | None = None
) -> list[Any]:
    from hindsight_rl.lm.generate import generate

    return generate(
        model,
        tokenizer,
        chats,
        max_new_tokens=settings.tokens,
        batch=settings.at_once,
        temperature=settings.temperature if temperature is None else temperature,
        seed=1_000_000 * settings.seed + start,
    )


def _train(settings: Settings) -> None:
    """SFT on the file; the trainer's last checkpoint is gone on from."""
    from datasets import load_dataset
    from transformers.trainer_utils import get_last_checkpoint
    from trl import SFTConfig, SFTTrainer

    from hindsight_rl.lm.models import local_model

    folder = settings.out / "model"
    if (folder / "config.json").exists():
        return
    rows = load_dataset(
        "json", data_files=str(settings.out / "hindsight.jsonl"), split="train", cache_dir=str(settings.out / "cache")
    ).select_columns(["prompt", "completion"])
    trainer = SFTTrainer(
        local_model(settings.model),
        args=SFTConfig(
            output_dir=str(settings.out / "trainer"),
            max_steps=settings.updates,
            per_device_train_batch_size=settings.batch,
            learning_rate=settings.learning_rate,
            lr_scheduler_type="constant_with_warmup",
            warmup_steps=5,
            seed=settings.seed,
            save_steps=5,
            save_total_limit=1,
            logging_steps=5,
            report_to=[],
            bf16=False,
            gradient_checkpointing=False,
            disable_tqdm=True,
            model_init_kwargs={"dtype": "float32"},
        ),
        train_dataset=rows,
    )
    checkpoints = settings.out / "trainer"
    last = get_last_checkpoint(str(checkpoints)) if checkpoints.exists() else None
    trainer.train(resume_from_checkpoint=last)
    trainer.save_model(str(settings.out / "model.part"))
    os.replace(settings.out / "model.part", folder)


def _evaluated(settings: Settings, when: str, file: Path) -> dict[str, Any]:
    """Greedy responses to held-out instructions, and their verdicts; a file that is there is read."""
    path = settings.out / f"evaluation_{when}.json"
    if path.exists():
        return json.loads(path.read_text("utf-8"))
    from hindsight_rl.lm.drift import perplexity, shape

    model, tokenizer = _loaded(settings.model if when == "before" else str(settings.out / "model"))
    asked: list[Instruction] = read_dataset(file).instructions
    answers = _responses(settings, model, tokenizer, [each.messages for each in asked], 0, temperature=0.0)
    verdicts = verifying().verify_batch([(each, one.text) for each, one in zip(asked, answers, strict=True)])
    found = accuracy(asked, verdicts)
    result = {
        "instructions met": found["prompt"],
        "constraints met": found["instruction"],
        "perplexity of the fixed text": round(perplexity(model, tokenizer), 3),
        **{name: round(value, 4) for name, value in shape(answers).items()},
        "verdicts": [list(map(bool, each)) for each in verdicts],
    }
    said = [{"key": each.key, "response": one.text} for each, one in zip(asked, answers, strict=True)]
    lines = "".join(json.dumps(each, ensure_ascii=False) + "\n" for each in said)
    path.with_suffix(".responses.jsonl").write_text(lines, "utf-8")
    path.write_text(json.dumps(result) + "\n", "utf-8")
    return result


def _compared(before: dict[str, Any], after: dict[str, Any]) -> dict[str, int]:
    """The same instructions before and after: how many are met now that were not, and the other way round."""
    pairs = [(all(one), all(other)) for one, other in zip(before["verdicts"], after["verdicts"], strict=True)]
    return {
        "met before and after": pairs.count((True, True)),
        "met after alone": pairs.count((False, True)),
        "met before alone": pairs.count((True, False)),
        "never met": pairs.count((False, False)),
    }


if __name__ == "__main__":
    main()
