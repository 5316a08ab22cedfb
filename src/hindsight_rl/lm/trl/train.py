"""`hindsight lm train --model M --dataset D`: HiR, or a method to compare it with, on any Hugging Face model.

hindsight lm train --model Qwen/Qwen2.5-7B-Instruct --dataset hir-16k --judged skip --method hir --out runs/qwen \
--num_generations 6 --per_device_train_batch_size 6 --gradient_accumulation_steps 8

Every option of TRL's GRPOConfig is an option here, as is every field of HiRConfig; `--config FILE.yaml` reads them from
a file. With several processes: `accelerate launch -m hindsight_rl.cli lm train ...`. Needs the extra `lm`.
"""

from __future__ import annotations

import difflib
import json
import math
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NoReturn

import torch
import yaml
from accelerate import PartialState
from transformers import HfArgumentParser, TrainerCallback

from hindsight_rl.data.rows import Loaded, read_dataset
from hindsight_rl.errors import HindsightError
from hindsight_rl.lm.methods import method
from hindsight_rl.lm.models import local_model
from hindsight_rl.lm.trl import HiRConfig, HiRTrainer
from hindsight_rl.lm.trl.buffer import FILE as BUFFER
from hindsight_rl.lm.trl.resume import SavesWithin, Stop, Stopped, Told, check_room, last_whole, refuse_changes
from hindsight_rl.run import Run, machine

KIND = "lm-trl"
STOPPED = 130
FAILURES = 2
"""Failures that a method replays per prompt, as in the paper."""
BUFFER_ROWS = 8
"""Rows per prompt that a method with a replay buffer trains on again; the sandbox's 64 would make the step of a large
model too expensive."""


def _option(default: Any, about: str) -> Any:
    return field(default=default, metadata={"help": about})


@dataclass
class Options:
    """What is trained on what; the other options are HiRConfig's."""

    model: str = _option("", "Id on the hub, folder, .gguf file, or smollm2-135m.")
    dataset: str = _option("", "A .jsonl, .json or .parquet file, hir-16k, if-rlvr, or an id on the hub.")
    out: str = _option("runs/lm-trl", "The run folder to make.")
    method: str = _option("hir", "hir, retarget, rlvr, fraction, named-memory, ...; other options win over it.")
    split: str = _option("train", "Of a dataset on the hub.")
    limit: int | None = _option(None, "Read only so many rows.")
    woven: Literal["keep", "skip", "refuse"] = _option("keep", "Rows whose constraints are part of the prose.")
    judged: Literal["keep", "skip", "refuse"] = _option("refuse", "Rows with demands that no program checks.")
    bad: Literal["skip", "refuse"] = _option("refuse", "Rows that cannot be read.")
    judge_url: str | None = _option(None, "OpenAI-compatible server that judges what no program checks.")
    judge_model: str | None = _option(None, "Its model.")
    stored_code: bool = _option(False, "Run checkers that the data brings as Python source, in a separate process.")
    lora: int = _option(0, "Rank of a LoRA adapter on all linear layers; 0 trains all weights.")
    resume: bool = _option(
        False,
        "Go on from the last whole checkpoint of the run in --out, with the options that it was made with; a longer "
        "run may be asked for.",
    )
    json: bool = _option(False, "Print the last metrics as JSON, on standard output.")


class _Log(TrainerCallback):
    """TRL's metrics as the run's `metrics.jsonl`, on the first process."""

    def __init__(self, run: Run) -> None:
        self.run = run

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        if state.is_world_process_zero and logs:
            numbers = {name: value for name, value in logs.items() if isinstance(value, int | float)}
            kept = {name: value if math.isfinite(value) else None for name, value in numbers.items()}
            self.run.append("metrics.jsonl", {"step": state.global_step, **kept})


def parsed(argv: list[str]) -> tuple[Options, HiRConfig]:
    """The options of a command line; raises :class:`HindsightError` on a bad one."""
    argv = _with_file(argv)
    if not _value(argv, "--model") and not {"-h", "--help"} & {*argv}:
        raise HindsightError("--model is needed (to train a tiny model from scratch: hindsight sandbox train)")
    kinds: Any = [Options, HiRConfig]
    parser = HfArgumentParser(kinds, prog="hindsight lm train")

    def refuse(message: str) -> NoReturn:
        raise HindsightError(message)

    parser.error = refuse  # type: ignore[method-assign]
    name = _value(argv, "--method") or "hir"
    out = _value(argv, "--out") or Options.out
    # In front, so that an option given by hand wins. Two checkpoints: the newest may turn out torn.
    ours = ["--output_dir", str(Path(out) / "trainer"), "--report_to", "none", "--save_total_limit", "2"]
    if not torch.accelerator.is_available():
        ours += ["--use_cpu", "true", "--bf16", "false", "--gradient_checkpointing", "false"]
    argv = [*ours, *_method(name), *argv]
    try:
        options, config, unknown = parser.parse_args_into_dataclasses(argv, return_remaining_strings=True)
    except (ValueError, TypeError) as error:
        raise HindsightError(" ".join(str(error).split()).rstrip(".")) from error
    if unknown:
        known = [name for action in parser._actions for name in action.option_strings]
        near = difflib.get_close_matches(unknown[0], known, n=1)
        raise HindsightError(f"unknown option {unknown[0]}" + (f" (did you mean {near[0]}?)" if near else ""))
    if not options.dataset:
        raise HindsightError("--dataset is needed")
    return options, config


def _with_file(argv: list[str]) -> list[str]:
    name = _value(argv, "--config")
    if name is None:
        return argv
    try:
        given = yaml.safe_load(Path(name).read_text("utf-8")) or {}
    except (OSError, yaml.YAMLError) as error:
        raise HindsightError(f"--config {name}: {' '.join(str(error).split())}") from error
    if not isinstance(given, dict):
        raise HindsightError(f"--config {name}: it must hold options as `name: value`")
    rest = [word for word in argv if not word.startswith("--config=")]
    if "--config" in rest:
        del rest[rest.index("--config") : rest.index("--config") + 2]
    words = []
    for option, value in given.items():
        shown = json.dumps(value) if isinstance(value, dict) else str(value)
        words += [f"--{option}", *(map(str, value) if isinstance(value, list) else [shown])]
    return [*words, *rest]


def _value(argv: list[str], name: str) -> str | None:
    """The value of an option, the last one where it is given twice."""
    found = None
    for at, word in enumerate(argv):
        if word == name and at + 1 < len(argv):
            found = argv[at + 1]
        if word.startswith(name + "="):
            found = word.partition("=")[2]
    return found


def _given(argv: list[str], *names: str) -> bool:
    return any(word.partition("=")[0].replace("-", "_").lstrip("_") in names for word in argv if word.startswith("--"))


def chosen(argv: list[str]) -> tuple[Options, HiRConfig, list[str]]:
    """The options, and all words that they came from; a resumed run has those that it was made with.

    Raises:
        HindsightError: a bad option, or one that a resumed run was not made with.
    """
    new = _with_file(argv)
    out = _value(new, "--out") or Options.out
    if not _resumes(new):
        options, config = parsed(new)
        places = {name: getattr(options, name) for name in ("model", "dataset")}
        # Absolute, so that a resume may come from another folder.
        words = [
            word for name, at in places.items() if Path(at).exists() for word in (f"--{name}", str(Path(at).resolve()))
        ]
        return options, config, [*(word for word in new if word != "--json"), *words]
    stored = Run.open(out, kind=KIND).read("config.json").get("command")
    if not isinstance(stored, list):
        raise HindsightError(f"--resume: {out} does not hold the options that it was made with; choose another --out")
    before, after = parsed([*stored, "--out", out]), parsed([*stored, *new])
    refuse_changes(out, *({**vars(options), **config.to_dict()} for options, config in (before, after)))
    kept = [word for word in new if word not in ("--json", "--resume")]
    return *after, [*stored, *kept]


def _resumes(argv: list[str]) -> bool:
    return _given(argv, "resume") and str(_value(argv, "--resume")).lower() not in ("false", "0", "no")


def _method(name: str) -> list[str]:
    """The settings of a method, as words."""
    chosen = method(name)
    settings = chosen.settings(failures=FAILURES, buffer_rows=BUFFER_ROWS)
    words = ["--reward", chosen.reward, *(["--repeat", "true"] if chosen.repeat else [])]
    return [*words, *(word for name, value in settings.items() for word in (f"--{name}", str(value)))]


def load(options: Options) -> tuple[Loaded, Any]:
    """The instructions and what verifies them."""
    choices: dict[str, Any] = {"woven": options.woven, "judged": options.judged, "bad": options.bad}
    verify: Any = None
    if options.stored_code:
        from hindsight_rl.constraints import stored

        stored.allow()
    if options.judge_url or options.judge_model:
        from hindsight_rl.endpoint import Endpoint, EndpointSettings
        from hindsight_rl.lm.judge import Judge

        given: dict[str, Any] = {"base_url": options.judge_url, "model": options.judge_model}
        settings = EndpointSettings(**{name: value for name, value in given.items() if value})
        verify = Judge(Endpoint(settings.resolved()))
        choices["judge"] = verify.constraint
    loaded = read_dataset(options.dataset, split=options.split, limit=options.limit, **choices)
    return loaded, verify


def train(options: Options, config: HiRConfig, command: list[str] | None = None) -> Path:
    """Train and save; returns the run folder with config, metrics, checkpoints and `model`.

    command: the words that the options came from, which a resume reads.

    Raises:
        HindsightError: bad options or data; no room for a checkpoint.
        Stopped: training was stopped before its end.
    """
    first = PartialState().is_main_process
    loaded, verify = load(options)
    if verify is not None and config.rewriter == "keep":
        raise HindsightError("rewriter keep replays failures as they are, which a judge would refuse; leave it out")
    if first:
        _tell(loaded)
    words = command or []
    told = {"model": options.model, "dataset": options.dataset, "method": options.method, "seed": config.seed}
    settings = {"settings": json.loads(config.to_json_string()), "command": words}
    checkpoint: Path | None = None
    if options.resume:
        run = Run.open(options.out, kind=KIND)
        checkpoint = _checkpoint(config, first)
        if first:
            run.write("config.json", {**run.read("config.json"), **settings})
            run.cut_back("metrics.jsonl", int(checkpoint.name.rsplit("-", 1)[1]) if checkpoint else 0)
    elif first:
        run = Run.create(options.out, {**told, "machine": machine(), **settings}, kind=KIND)
    else:
        run = Run(Path(options.out))
    stop = Stop()
    callbacks = [_Log(run), stop, *([] if _given(words, "save_steps", "save_strategy") else [SavesWithin()]), Told()]
    try:
        peft = _lora(options.lora) if options.lora else None
        trainer = HiRTrainer(
            local_model(options.model),
            config,
            loaded.instructions,
            verify=verify,
            callbacks=callbacks,
            peft_config=peft,
        )
        if first:
            check_room(run.path, config, trainer.model)
    except (HindsightError, ValueError) as error:
        if first and not options.resume:  # nothing was trained: leave no folder in the way of the next try
            shutil.rmtree(run.path, ignore_errors=True)
        if isinstance(error, HindsightError):
            raise
        raise HindsightError(" ".join(str(error).split())) from error
    stop.trainer = trainer
    try:
        with stop.listening(first):
            trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    except KeyboardInterrupt:
        raise Stopped(_go_on(config, options.out, "stopped within a step")) from None
    if stop.asked and trainer.state.global_step < trainer.state.max_steps:
        raise Stopped(_go_on(config, options.out, f"stopped after step {trainer.state.global_step}"))
    trainer.save_model(str(run.path / "model"))
    if first and trainer.processing_class is not None:
        trainer.processing_class.save_pretrained(run.path / "model")
    return run.path


def _needs(config: HiRConfig) -> tuple[str, ...]:
    return (BUFFER,) if config.buffer_rows_per_prompt else ()


def _checkpoint(config: HiRConfig, first: bool) -> Path | None:
    """Where to go on from; says so where that is not the newest checkpoint, or none."""
    found, passed = last_whole(Path(str(config.output_dir)), _needs(config))
    if first:
        for why in passed:
            print(f"hindsight: passing over {why}", file=sys.stderr)
        if found is None:
            print(f"hindsight: {config.output_dir} holds no whole checkpoint: starting anew", file=sys.stderr)
        else:
            print(f"hindsight: going on from {found}", file=sys.stderr)
    return found


def _go_on(config: HiRConfig, out: str, what: str) -> str:
    found, _ = last_whole(Path(str(config.output_dir)), _needs(config))
    saved = f"saved as {found.name}" if found else "nothing saved yet"
    return f"{what}, {saved}; go on with: hindsight lm train --out {out} --resume"


def _lora(rank: int) -> Any:
    from peft import LoraConfig

    return LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear", task_type="CAUSAL_LM")


def _tell(loaded: Loaded) -> None:
    said = [f"{len(loaded.instructions)} instructions"]
    said += [f"{loaded.woven} of them without replay (constraints woven into the prompt)"] if loaded.woven else []
    said += [f"{count} left out: {reason}" for reason, count in loaded.skipped.items()]
    print("; ".join(said), file=sys.stderr)


def main(argv: list[str]) -> int:
    """`hindsight lm train --model ...`; returns the exit code, 130 where a person stopped it."""
    options, config, command = chosen(argv)
    try:
        path = train(options, config, command)
    except Stopped as said:
        if PartialState().is_main_process:
            print(f"hindsight: {said}", file=sys.stderr)
        return STOPPED
    if PartialState().is_main_process:
        print(f"run: {path}   next: hindsight report {path}   hindsight lm evaluate {path}", file=sys.stderr)
        if options.json:
            rows = [row for row in Run(path).lines("metrics.jsonl") if "reward" in row]
            print(json.dumps(rows[-1] if rows else {}))
    return 0
