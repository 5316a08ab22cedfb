"""The options of `hindsight lm train`, from the command line and from a file: its own, HiRConfig's, and TRL's."""

from __future__ import annotations

import difflib
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NoReturn

import torch
import yaml
from transformers import HfArgumentParser

from hindsight_rl.errors import HindsightError
from hindsight_rl.lm.methods import method
from hindsight_rl.lm.models import fast_bfloat16
from hindsight_rl.lm.trl.config import HiRConfig
from hindsight_rl.lm.trl.resume import refuse_changes
from hindsight_rl.run import Run

KIND = "lm-trl"
FAILURES = 2
"""Failures that a method replays per prompt (the paper's value)."""
BUFFER_ROWS = 8
"""Rows per prompt that a method draws from its replay buffer. The sandbox's 64 would be too expensive for a large
model."""


def _option(default: Any, about: str) -> Any:
    return field(default=default, metadata={"help": about})


@dataclass
class Options:
    """Model, data and run folder; the other options are HiRConfig's."""

    model: str = _option("", "The model: an id on the hub, a folder, a .gguf file, or smollm2-135m.")
    dataset: str = _option(
        "", "Training data: a .jsonl, .json or .parquet file, hir-16k, if-rlvr, or an id on the hub."
    )
    out: str = _option("runs/lm-trl", "The run folder to create.")
    method: str = _option(
        "hir", "hir, retarget, rlvr, fraction, relabels-buffer, ...; other options override its choices."
    )
    split: str = _option("train", "Split of a dataset on the hub.")
    limit: int | None = _option(None, "Read only this many rows.")
    held_out: str | None = _option(
        None, "Instructions for evaluation before, during and after training; the same kinds of data as --dataset."
    )
    held_out_limit: int | None = _option(None, "Evaluate only the first N held-out instructions.")
    evaluate_every: int | None = _option(None, "Steps between evaluations; by default a fifth of the run.")
    probe: int = _option(
        0,
        "At each evaluation, also measure the preferences over instructions and over responses, on pairs from the base "
        "model's responses to this many held-out instructions. 0: do not.",
    )
    attention: int = _option(
        0,
        "At each evaluation, also measure attention to the words of the constraints, in the responses to this many "
        "held-out instructions. 0: do not.",
    )
    inline: Literal["keep", "skip", "reject"] = _option(
        "keep", "What to do with rows whose constraints are part of the prose of the prompt."
    )
    judged: Literal["keep", "skip", "reject"] = _option(
        "reject", "What to do with rows that have demands that no program checks."
    )
    bad: Literal["skip", "reject"] = _option("reject", "What to do with rows that cannot be read.")
    judge_url: str | None = _option(None, "OpenAI-compatible server that judges the demands that no program checks.")
    judge_model: str | None = _option(None, "Its model.")
    stored_code: bool = _option(False, "Run checkers that the data contains as Python source, in a separate process.")
    lora: int = _option(0, "Rank of a LoRA adapter on all linear layers; 0 trains all weights.")
    resume: bool = _option(
        False,
        "Resume the run in --out from its last complete checkpoint, with its own options. You may ask for a longer "
        "run.",
    )
    json: bool = _option(False, "Print the last metrics as JSON, on standard output.")


def parsed(argv: list[str], typed: list[str] | None = None) -> tuple[Options, HiRConfig]:
    """The options of a command line; raises :class:`HindsightError` for a bad one.

    typed: the words that a user typed, where `argv` has the words of the file of `--config` already.
    """
    typed = list(argv) if typed is None else typed
    file = _value(typed, "--config")
    argv = _with_file(argv)

    def where(option: str) -> str:
        return f"--config {file}: " if file and not given(typed, option.lstrip("-").replace("-", "_")) else ""

    if not _value(argv, "--model") and not {"-h", "--help"} & {*argv}:
        raise HindsightError("--model is needed (to train a tiny model from scratch: hindsight sandbox train)")
    kinds: Any = [Options, HiRConfig]
    parser = HfArgumentParser(kinds, prog="hindsight lm train", allow_abbrev=False)

    def refuse(message: str) -> NoReturn:
        named = re.match(r"argument (--[^/:]+)", message)
        raise HindsightError((where(named[1]) if named else "") + message)

    parser.error = refuse  # type: ignore[method-assign]
    name = _value(argv, "--method") or "hir"
    out = _value(argv, "--out") or Options.out
    # In front, so that options on the command line win. Two checkpoints, because the newest may be damaged.
    ours = ["--output_dir", str(Path(out) / "trainer"), "--report_to", "none", "--save_total_limit", "2"]
    ours += ["--logging_steps", "1", "--disable_tqdm", "true"]
    if not torch.accelerator.is_available():
        ours += ["--use_cpu", "true", "--bf16", str(fast_bfloat16()), "--gradient_checkpointing", "false"]
    argv = [*ours, *_method(name), *argv]
    try:
        options, config, unknown = parser.parse_args_into_dataclasses(argv, return_remaining_strings=True)
    except (ValueError, TypeError) as error:
        raise HindsightError(" ".join(str(error).split()).rstrip(".")) from error
    if unknown:
        known = [name for action in parser._actions for name in action.option_strings]
        near = difflib.get_close_matches(unknown[0], known, n=1)
        mend = f" (did you mean {near[0]}?)" if near else ""
        raise HindsightError(f"{where(unknown[0])}unknown option {unknown[0]}{mend}")
    if not options.dataset:
        raise HindsightError("--dataset is needed")
    for name in ("limit", "held_out_limit", "evaluate_every"):
        value = getattr(options, name)
        if value is not None and value < 1:
            raise HindsightError(f"--{name} {value}: it must be at least 1")
    for name, number in (("probe", options.probe), ("attention", options.attention)):
        if number < 0 or (number and options.held_out is None):
            raise HindsightError(f"--{name} {number}: a number of held-out instructions; it needs --held_out")
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
        if value is None:  # `limit: null` sets nothing
            continue
        if not isinstance(option, str) or not option.isidentifier():
            raise HindsightError(f"--config {name}: {option!r} is no option; write `name: value`")
        shown = json.dumps(value) if isinstance(value, dict) else str(value)
        words += [f"--{option}", *(map(str, value) if isinstance(value, list) else [shown])]
    return [*words, *rest]


def _value(argv: list[str], name: str) -> str | None:
    """The value of an option; the last one if it is given twice."""
    found = None
    for at, word in enumerate(argv):
        if word == name and at + 1 < len(argv):
            found = argv[at + 1]
        if word.startswith(name + "="):
            found = word.partition("=")[2]
    return found


def given(argv: list[str], *names: str) -> bool:
    return any(word.partition("=")[0].replace("-", "_").lstrip("_") in names for word in argv if word.startswith("--"))


def chosen(argv: list[str]) -> tuple[Options, HiRConfig, list[str]]:
    """The options, and the command line that they came from; a resumed run has the options of its first start.

    Raises:
        HindsightError: a bad option, or an option that differs from those of the resumed run.
    """
    new = _with_file(argv)
    out = _value(new, "--out") or Options.out
    if not _resumes(new):
        options, config = parsed(new, argv)
        places = {name: getattr(options, name) for name in ("model", "dataset", "held_out")}
        places["chat_template_path"] = config.chat_template_path
        # Absolute, so that the run can be resumed from another folder.
        words = [
            word
            for name, at in places.items()
            if at and Path(at).exists()
            for word in (f"--{name}", str(Path(at).resolve()))
        ]
        if not given(new, "bf16"):  # its default depends on the processor, and a run may move to another one
            words += ["--bf16", str(config.bf16)]
        return options, config, [*_without(new, "--json", "--resume"), *words]
    stored = Run.open(out, kind=KIND).read("config.json").get("command")
    if not isinstance(stored, list):
        raise HindsightError(f"--resume: {out} does not hold the options that it was made with; choose another --out")
    before, after = parsed([*stored, "--out", out]), parsed([*stored, *new])
    refuse_changes(out, *({**vars(options), **config.to_dict()} for options, config in (before, after)))
    return *after, [*stored, *_without(new, "--json", "--resume")]


def _without(argv: list[str], *flags: str) -> list[str]:
    """The words without these flags, each alone, with a value behind it, or joined to one by `=`."""
    kept: list[str] = []
    of_flag = False
    for word in argv:
        value_of_flag = of_flag and not word.startswith("--")
        of_flag = word in flags
        if not (value_of_flag or of_flag or word.partition("=")[0] in flags):
            kept.append(word)
    return kept


def _resumes(argv: list[str]) -> bool:
    return given(argv, "resume") and str(_value(argv, "--resume")).lower() not in ("false", "0", "no")


def _method(name: str) -> list[str]:
    """The settings of a method, as command-line arguments."""
    chosen = method(name)
    if chosen.two_anchors:
        raise HindsightError(f"--method {name}: only in the sandbox (hindsight sandbox train --arms {name})")
    settings = chosen.settings(failures=FAILURES, buffer_rows=BUFFER_ROWS)
    words = ["--reward", chosen.reward, *(["--repeat", "true"] if chosen.repeat else [])]
    return [*words, *(word for name, value in settings.items() for word in (f"--{name}", str(value)))]
