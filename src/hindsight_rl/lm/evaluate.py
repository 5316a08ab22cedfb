"""`hindsight lm evaluate MODEL`: generate responses to instruction-following benchmarks, and score them.

hindsight lm evaluate runs/qwen --bench ifeval,ifbench,muldimif --out runs/qwen/evaluation

Responses are saved after each batch. A second call with the same --out continues where the first one stopped. MODEL is
an id on the hub, the folder of a model or of a PEFT adapter, or a run of `hindsight lm train` (its `model`, or else
its newest complete checkpoint). For general abilities, `--lm-eval TASKS` calls the lm-eval harness (extra `lm-eval`).
Needs the extra `lm`.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

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
    "model",
    "temperature",
    "top_p",
    "max_new_tokens",
    "seed",
    "engine",
    "prompt_format",
    "answer_after",
    "limit",
)
# From a batch of chats and a seed to one (text, whether it ended with an end token) per chat.
Generate = Callable[[Sequence[list[dict[str, Any]]], int], list[tuple[str, bool]]]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="hindsight lm evaluate", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("model", help="id on the hub, folder of a model or a PEFT adapter, or a run")
    parser.add_argument(
        "--bench", default="ifeval,ifbench,muldimif", help="benchmarks, separated by commas; '' for none"
    )
    parser.add_argument("--prompts", action="append", default=[], metavar="BENCH=FILE", help="local prompts")
    parser.add_argument(
        "--out", help="folder for responses and scores; by default RUN/evaluation for a run, else runs/evaluation"
    )
    parser.add_argument("--temperature", type=float, default=0.6, help="sampling temperature; 0 decodes greedily")
    parser.add_argument("--top-p", type=float, default=1.0)
    parser.add_argument("--max-new-tokens", type=int, default=4096)
    parser.add_argument("--batch", type=int, default=16, help="responses generated at the same time")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--limit", type=int, help="use only the first N prompts of each benchmark")
    parser.add_argument("--engine", choices=("auto", "transformers", "vllm"), default="auto")
    parser.add_argument("--device", default="auto", help="cpu, cuda, ...; auto: a GPU if there is one")
    parser.add_argument("--prompt-format", choices=("chat", "text"), default="chat")
    parser.add_argument(
        "--answer-after",
        help="score only the text after the last of these marks, e.g. </think>; without the mark it scores as empty",
    )
    parser.add_argument("--lm-eval", nargs="?", const=GENERAL, metavar="TASKS", help=f"default tasks: {GENERAL}")
    parser.add_argument("--json", action="store_true", help="print the scores as a JSON object")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns the exit code. Raises :class:`HindsightError` for bad input."""
    args = _parser().parse_args(argv)
    names = [name.strip() for name in args.bench.split(",") if name.strip()]
    for name in names:
        if name not in BENCHMARKS:
            raise HindsightError(f"--bench {name}: one of {', '.join(BENCHMARKS)}")
    if args.batch < 1 or args.max_new_tokens < 1:
        raise HindsightError("--batch and --max-new-tokens must be at least 1")
    files = dict(_file(text) for text in args.prompts)
    asked = {name: _read(name, files.get(name), args.limit) for name in names}
    if args.engine == "auto":
        args.engine = "vllm" if importlib.util.find_spec("vllm") else "transformers"
    if args.out is None:  # the report of the run reads it from there
        args.out = str(Path(args.model) / "evaluation" if (Path(args.model) / "metrics.jsonl").is_file() else OUT)
    args.model = local_model(model_of(args.model))
    run, fresh = _folder(args)
    scores: dict[str, Any] = {}
    left = {name: _left(run, name, asked[name][1]) for name in names}
    generate: Generate | None = None
    try:
        generate = ENGINES[args.engine](args) if any(left.values()) else None
    finally:
        if generate is None and any(left.values()) and fresh:
            _discard(run)
    for name in names:
        evaluator, instructions = asked[name]
        if generate is not None and left[name]:
            respond(run, name, instructions, left[name], generate, args)
        scores[name] = _scored(run, name, evaluator, instructions)
    run.write("scores.json", scores)
    print(json.dumps(scores) if args.json else "\n\n".join(table(each) for each in scores.values()))
    return _general(args) if args.lm_eval else 0


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


def _folder(args: argparse.Namespace) -> tuple[Run, bool]:
    """The folder of this evaluation, and whether it is new (otherwise the evaluation is resumed)."""
    settings = {name: getattr(args, name) for name in SETTINGS}
    if not (Path(args.out) / "config.json").exists():
        return Run.create(args.out, settings, kind="lm-evaluation"), True
    run = Run.open(args.out, kind="lm-evaluation")
    stored = run.read("config.json")
    if not any(
        file.stat().st_size for file in run.path.glob("*.jsonl")
    ):  # left by a call that failed before any response
        run.write("config.json", {**stored, **settings})
        return run, False
    for name, value in settings.items():
        if stored.get(name) != value:
            raise HindsightError(
                f"{args.out} holds responses with {name} {stored.get(name)}, not {value}; choose another --out"
            )
    return run, False


def _discard(run: Run) -> None:
    """Delete a folder that contains only settings."""
    (run.path / "config.json").unlink(missing_ok=True)
    if not any(run.path.iterdir()):
        run.path.rmdir()


def _left(run: Run, name: str, instructions: Sequence[Instruction]) -> list[int]:
    """Indices of the prompts without a response."""
    done = {row["at"] for row in run.lines(f"{name}.jsonl")}
    return [at for at in range(len(instructions)) if at not in done]


def respond(
    run: Run,
    name: str,
    instructions: Sequence[Instruction],
    left: Sequence[int],
    generate: Generate,
    args: argparse.Namespace,
) -> None:
    """Generate the missing responses batch by batch; each batch is saved before the next."""
    # Drop a last line that was cut off by a kill; its response is generated once more.
    file, rows = run.path / f"{name}.jsonl", run.lines(f"{name}.jsonl")
    if file.exists():
        file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    for start in range(0, len(left), args.batch):
        places = left[start : start + args.batch]
        # The seed depends on the index of the first prompt, so a resumed evaluation gives the same responses.
        made = generate([instructions[at].messages for at in places], args.seed * 1_000_003 + places[0])
        answers = [answer_of(text, args.answer_after) for text, _ in made]
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


def _transformers(args: argparse.Namespace) -> Generate:
    """Generation with Hugging Face transformers: slow, but available everywhere."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from hindsight_rl.lm.generate import generate as responses

    device = ("cuda" if torch.cuda.is_available() else "cpu") if args.device == "auto" else args.device
    adapter = (Path(args.model) / "adapter_config.json").is_file()
    try:
        tokenizer = AutoTokenizer.from_pretrained(args.model, padding_side="left")
        if set(tokenizer.get_vocab()) <= set(
            tokenizer.all_special_tokens
        ):  # transformers makes an empty tokenizer if the files are missing
            raise HindsightError(f"{args.model}: cannot be loaded (no tokenizer)")
        if adapter:
            from peft import AutoPeftModelForCausalLM

            model: Any = AutoPeftModelForCausalLM.from_pretrained(args.model, dtype="auto")
        else:
            made: Any = AutoModelForCausalLM.from_pretrained(args.model, dtype="auto", output_loading_info=True)
            model, loaded = made
            if missing := sorted(loaded["missing_keys"]):
                raise HindsightError(
                    f"{args.model}: cannot be loaded ({len(missing)} weights missing: {missing[0]}, ...)"
                )
    except HindsightError:
        raise
    except Exception as error:  # each library that reads a part of a model raises its own errors
        raise HindsightError(f"{args.model}: cannot be loaded ({_reason(error)})") from error
    _check_format(args, tokenizer.chat_template)
    model = model.to(device).eval()

    def generate(batch: Sequence[list[dict[str, Any]]], seed: int) -> list[tuple[str, bool]]:
        made = responses(
            model,
            tokenizer,
            batch,
            max_new_tokens=args.max_new_tokens,
            batch=len(batch),
            temperature=args.temperature,
            top_p=args.top_p,
            seed=seed,
            prompt_format=args.prompt_format,
        )
        return [(each.text, each.ended) for each in made]

    return generate


def _vllm(args: argparse.Namespace) -> Generate:
    """Generation with vLLM, if it is installed."""
    try:
        from vllm import LLM, SamplingParams
    except ModuleNotFoundError:
        raise HindsightError("--engine vllm needs the package vllm (pip install vllm)") from None
    if (Path(args.model) / "adapter_config.json").is_file():
        raise HindsightError(f"{args.model} is an adapter: merge it into its model first, or use --engine transformers")
    try:
        engine = LLM(model=args.model, seed=args.seed)
    except Exception as error:
        raise HindsightError(f"{args.model}: vLLM cannot load it ({_reason(error)})") from error
    _check_format(args, engine.get_tokenizer().chat_template)

    def generate(batch: Sequence[list[dict[str, Any]]], seed: int) -> list[tuple[str, bool]]:
        params = SamplingParams(
            temperature=args.temperature, top_p=args.top_p, max_tokens=args.max_new_tokens, seed=seed
        )
        if args.prompt_format == "chat":
            made = engine.chat(list(batch), params, use_tqdm=False)
        else:
            made = engine.generate([each[-1]["content"] for each in batch], params, use_tqdm=False)
        return [(each.outputs[0].text, each.outputs[0].finish_reason == "stop") for each in made]

    return generate


ENGINES: dict[str, Callable[[argparse.Namespace], Generate]] = {"transformers": _transformers, "vllm": _vllm}


def _reason(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _check_format(args: argparse.Namespace, template: Any) -> None:
    if args.prompt_format == "chat" and not template:
        raise HindsightError(f"{args.model}: its tokenizer has no chat template; use --prompt-format text")


def _general(args: argparse.Namespace) -> int:
    """Run the lm-eval harness on these tasks, in a separate process."""
    if not importlib.util.find_spec("lm_eval"):
        raise HindsightError("--lm-eval needs the lm-eval harness: pip install 'hindsight-rl[lm-eval]'")
    command = [sys.executable, "-m", "lm_eval", "--model", "hf", "--model_args", f"pretrained={args.model}"]
    command += ["--tasks", args.lm_eval, "--output_path", str(Path(args.out) / "lm_eval"), "--batch_size", "auto"]
    command += ["--apply_chat_template"] if args.prompt_format == "chat" else []
    return subprocess.run(command, check=False).returncode
