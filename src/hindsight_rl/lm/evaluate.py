"""`hindsight lm evaluate MODEL`: generate responses to instruction-following benchmarks, and score them.

hindsight lm evaluate runs/qwen --bench ifeval,ifbench,muldimif --out runs/qwen/evaluation

Responses are saved after each batch. A second call with the same --out continues where the first one stopped. MODEL is
an id on the hub, the folder of a model or of a PEFT adapter, or a run of `hindsight lm train` (its `model`, or else
its newest complete checkpoint). For general abilities, `--lm-eval general` calls the lm-eval harness (extra `lm-eval`).
Needs the extra `lm`.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from hindsight_rl.constraints.core import CURRENT
from hindsight_rl.errors import HindsightError
from hindsight_rl.evaluation.prompts import read
from hindsight_rl.evaluation.responses import match
from hindsight_rl.evaluation.score import is_older_ifbench, score, table, verdicts_of, write_verdicts
from hindsight_rl.lm.checkpoints import model_of
from hindsight_rl.lm.models import local_model
from hindsight_rl.replay.instruction import Instruction
from hindsight_rl.replay.verification import answer_of
from hindsight_rl.run import Run

BENCHMARKS = ("ifeval", "ifbench", "muldimif")
OUT = "runs/evaluation"
GENERAL = "hendrycks_math500,gpqa_main_zeroshot,mmlu_pro"
# Responses depend on these settings. Resuming with other values would mix two evaluations.
SETTINGS = (
    "model", "temperature", "top_p", "max_new_tokens", "seed", "engine", "prompt_format", "answer_after", "limit",
)  # fmt: skip
# From a batch of chats and a seed to one (text, whether it ended with an end token) per chat.
Generate = Callable[[Sequence[list[dict[str, Any]]], int], list[tuple[str, bool]]]


@dataclass(frozen=True)
class EvaluateConfig:
    """Generate responses to instruction-following benchmarks, and score them."""

    model: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="MODEL")]
    """An id on the hub, the folder of a model or of a PEFT adapter, or a run of `hindsight lm train`."""
    bench: str = "ifeval,ifbench,muldimif"
    """Benchmarks, separated by commas; an empty text for none."""
    prompts: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """A local file with the prompts of a benchmark, as BENCH=FILE. Can be given several times."""
    out: str | None = None
    """Folder for responses and scores; by default RUN/evaluation for a run, otherwise runs/evaluation."""
    temperature: float = 0.6
    """Sampling temperature; 0 takes the most likely token."""
    top_p: float = 1.0
    """Sample from the most likely tokens whose probabilities sum to this share."""
    max_new_tokens: int = 4096
    """Maximum number of tokens of a response."""
    batch: int = 16
    """Number of responses that are generated at the same time."""
    seed: int = 0
    """Random seed."""
    limit: int | None = None
    """Use only the first prompts of each benchmark, up to this number."""
    engine: Literal["auto", "transformers", "vllm"] = "auto"
    """What generates; `auto` is vLLM if it is installed."""
    device: str = "auto"
    """`cpu`, `cuda`, ...; `auto` is a GPU if there is one."""
    prompt_format: Literal["chat", "text"] = "chat"
    """`chat` uses the chat template of the model; `text` gives it the plain text of the prompt."""
    answer_after: str | None = None
    """Score only the text after the last of these marks, e.g. </think>; a response without the mark has no answer."""
    lm_eval: str | None = None
    """Also run these tasks of the lm-eval harness, separated by commas. `general` stands for MATH-500, GPQA and
    MMLU-Pro."""
    json: bool = False
    """Print the scores as one JSON object."""


def main(argv: list[str]) -> int:
    """Run the command; returns the exit code. Raises :class:`HindsightError` for bad input."""
    config = tyro.cli(EvaluateConfig, args=argv, prog="hindsight lm evaluate")
    names = [name.strip() for name in config.bench.split(",") if name.strip()]
    for name in names:
        if name not in BENCHMARKS:
            raise HindsightError(f"--bench {name}: one of {', '.join(BENCHMARKS)}")
    for name, value in (("batch", config.batch), ("max-new-tokens", config.max_new_tokens), ("limit", config.limit)):
        if value is not None and value < 1:
            raise HindsightError(f"--{name} {value}: it must be at least 1")
    if config.lm_eval and not importlib.util.find_spec("lm_eval"):
        raise HindsightError("--lm-eval needs the lm-eval harness: pip install 'hindsight-rl[lm-eval]'")
    files = dict(_file(text) for text in config.prompts)
    asked = {name: _read(name, files.get(name), config.limit) for name in names}
    # The report of a run reads its evaluation from the run's folder.
    own = str(Path(config.model) / "evaluation") if (Path(config.model) / "metrics.jsonl").is_file() else OUT
    out = config.out or own
    engine = config.engine
    if engine == "auto":
        engine = "vllm" if importlib.util.find_spec("vllm") else "transformers"
    config = replace(config, model=local_model(model_of(config.model)), engine=engine)
    run, fresh = _folder(config, out)
    scores: dict[str, Any] = {}
    left = {name: _left(run, name, asked[name][1]) for name in names}
    generate: Generate | None = None
    try:
        generate = ENGINES[engine](config) if any(left.values()) else None
    finally:
        if generate is None and any(left.values()) and fresh:
            _discard(run)
    for name in names:
        evaluator, instructions = asked[name]
        if generate is not None and left[name]:
            respond(run, name, instructions, left[name], generate, config)
        scores[name] = _scored(run, name, evaluator, instructions)
    run.write("scores.json", scores)
    print(json.dumps(scores) if config.json else "\n\n".join(table(each) for each in scores.values()))
    return _general(config, out) if config.lm_eval else 0


def _file(text: str) -> tuple[str, str]:
    name, split, path = text.partition("=")
    if not split or name not in BENCHMARKS:
        raise HindsightError(f"--prompts {text}: write BENCH=FILE, BENCH one of {', '.join(BENCHMARKS)}")
    return name, path


def _read(name: str, path: str | None, limit: int | None) -> tuple[str, list[Instruction]]:
    instructions, evaluator = read(name, path), CURRENT
    if name == "ifbench" and is_older_ifbench(instructions):
        evaluator = "hir"
        instructions = read(name, path, evaluator)
    return evaluator, instructions[:limit]


def _folder(config: EvaluateConfig, out: str) -> tuple[Run, bool]:
    """The folder of this evaluation, and whether it is new (otherwise the evaluation is resumed)."""
    settings = {name: getattr(config, name) for name in SETTINGS}
    if not (Path(out) / "config.json").exists():
        return Run.create(out, settings, kind="lm-evaluation", exists="choose another --out"), True
    run = Run.open(out, kind="lm-evaluation")
    stored = run.read("config.json")
    if not any(
        file.stat().st_size for file in run.path.glob("*.jsonl")
    ):  # left by a call that failed before any response
        run.write("config.json", {**stored, **settings})
        return run, False
    for name, value in settings.items():
        if stored.get(name) != value:
            raise HindsightError(
                f"{out} holds responses with {name} {stored.get(name)}, not {value}; choose another --out"
            )
    return run, False


def _discard(run: Run) -> None:
    """Delete a folder that contains only settings."""
    (run.path / "config.json").unlink(missing_ok=True)
    if not any(run.path.iterdir()):
        run.path.rmdir()


def _left(run: Run, name: str, instructions: Sequence[Instruction]) -> list[int]:
    """Indices of the prompts without a response.

    Raises:
        HindsightError: the folder has responses to other prompts.
    """
    done = set()
    for row in run.lines(f"{name}.jsonl"):
        if row["at"] >= len(instructions) or row["prompt"] != instructions[row["at"]].prompt:
            raise HindsightError(
                f"{run.path / f'{name}.jsonl'} holds responses to other prompts (the first is {row['prompt']!r:.80}); "
                "choose another --out"
            )
        done.add(row["at"])
    return [at for at in range(len(instructions)) if at not in done]


def respond(
    run: Run,
    name: str,
    instructions: Sequence[Instruction],
    left: Sequence[int],
    generate: Generate,
    config: EvaluateConfig,
) -> None:
    """Generate the missing responses batch by batch; each batch is saved before the next."""
    # Drop a last line that was cut off by a kill; its response is generated once more.
    if (run.path / f"{name}.jsonl").exists():
        rows = run.lines(f"{name}.jsonl")
        run.write_text(f"{name}.jsonl", "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    for start in range(0, len(left), config.batch):
        places = left[start : start + config.batch]
        # The seed depends on the index of the first prompt, so a resumed evaluation gives the same responses.
        made = generate([instructions[at].messages for at in places], config.seed * 1_000_003 + places[0])
        answers = [answer_of(text, config.answer_after) for text, _ in made]
        run.append(
            f"{name}.jsonl",
            *(
                {
                    "at": at,
                    "key": instructions[at].key,
                    "prompt": instructions[at].prompt,
                    "response": answer,
                    "ended": ended,
                    **({} if answer == text.strip() else {"whole": text}),
                }
                for at, answer, (text, ended) in zip(places, answers, made, strict=True)
            ),
        )
        print(f"{name}: {len(instructions) - len(left) + start + len(places)}/{len(instructions)}", file=sys.stderr)


def _scored(run: Run, name: str, evaluator: str, instructions: Sequence[Instruction]) -> dict[str, Any]:
    matched = match(instructions, run.path / f"{name}.jsonl")
    if run.read("config.json").get("answer_after") is None and (marks := matched.marks()):
        print(f"hindsight: {name}: {marks}", file=sys.stderr)
    strict, loose = verdicts_of(instructions, matched.responses)
    write_verdicts(run.path / f"{name}.verdicts.jsonl", instructions, strict, loose)
    cut = sum(not row["ended"] for row in run.lines(f"{name}.jsonl"))
    return {**score(name, evaluator, instructions, matched, strict, loose), "truncated": cut}


def _transformers(config: EvaluateConfig) -> Generate:
    """Generation with Hugging Face transformers: slow, but available everywhere."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from hindsight_rl.lm.generate import generate as responses

    device = ("cuda" if torch.cuda.is_available() else "cpu") if config.device == "auto" else config.device
    adapter = (Path(config.model) / "adapter_config.json").is_file()
    try:
        tokenizer = AutoTokenizer.from_pretrained(config.model, padding_side="left")
        if set(tokenizer.get_vocab()) <= set(
            tokenizer.all_special_tokens
        ):  # transformers makes an empty tokenizer if the files are missing
            raise HindsightError(f"{config.model}: cannot be loaded (no tokenizer)")
        if adapter:
            from peft import AutoPeftModelForCausalLM

            model: Any = AutoPeftModelForCausalLM.from_pretrained(config.model, dtype="auto")
        else:
            made: Any = AutoModelForCausalLM.from_pretrained(config.model, dtype="auto", output_loading_info=True)
            model, loaded = made
            if missing := sorted(loaded["missing_keys"]):
                raise HindsightError(
                    f"{config.model}: cannot be loaded ({len(missing)} weights missing: {missing[0]}, ...)"
                )
    except HindsightError:
        raise
    except Exception as error:  # each library that reads a part of a model raises its own errors
        raise HindsightError(f"{config.model}: cannot be loaded ({_reason(error)})") from error
    _check_format(config, tokenizer.chat_template)
    model = model.to(device).eval()

    def generate(batch: Sequence[list[dict[str, Any]]], seed: int) -> list[tuple[str, bool]]:
        made = responses(
            model,
            tokenizer,
            batch,
            max_new_tokens=config.max_new_tokens,
            batch=len(batch),
            temperature=config.temperature,
            top_p=config.top_p,
            seed=seed,
            prompt_format=config.prompt_format,
        )
        return [(each.text, each.ended) for each in made]

    return generate


def _vllm(config: EvaluateConfig) -> Generate:
    """Generation with vLLM, if it is installed."""
    try:
        from vllm import LLM, SamplingParams
    except ModuleNotFoundError:
        raise HindsightError("--engine vllm needs the package vllm (pip install vllm)") from None
    if (Path(config.model) / "adapter_config.json").is_file():
        raise HindsightError(
            f"{config.model} is an adapter: merge it into its model first, or use --engine transformers"
        )
    try:
        engine = LLM(model=config.model, seed=config.seed)
    except Exception as error:
        raise HindsightError(f"{config.model}: vLLM cannot load it ({_reason(error)})") from error
    _check_format(config, engine.get_tokenizer().chat_template)

    def generate(batch: Sequence[list[dict[str, Any]]], seed: int) -> list[tuple[str, bool]]:
        params = SamplingParams(
            temperature=config.temperature, top_p=config.top_p, max_tokens=config.max_new_tokens, seed=seed
        )
        if config.prompt_format == "chat":
            made = engine.chat(list(batch), params, use_tqdm=False)
        else:
            made = engine.generate([each[-1]["content"] for each in batch], params, use_tqdm=False)
        return [(each.outputs[0].text, each.outputs[0].finish_reason == "stop") for each in made]

    return generate


ENGINES: dict[str, Callable[[EvaluateConfig], Generate]] = {"transformers": _transformers, "vllm": _vllm}


def _reason(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _check_format(config: EvaluateConfig, template: Any) -> None:
    if config.prompt_format == "chat" and not template:
        raise HindsightError(f"{config.model}: its tokenizer has no chat template; use --prompt-format text")


def _general(config: EvaluateConfig, out: str) -> int:
    """Run the lm-eval harness on these tasks, in a separate process."""
    tasks = GENERAL if config.lm_eval == "general" else str(config.lm_eval)
    command = [sys.executable, "-m", "lm_eval", "--model", "hf", "--model_args", f"pretrained={config.model}"]
    command += ["--tasks", tasks, "--output_path", str(Path(out) / "lm_eval"), "--batch_size", "auto"]
    command += ["--apply_chat_template"] if config.prompt_format == "chat" else []
    return subprocess.run(command, check=False).returncode
