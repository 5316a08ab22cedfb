"""`hindsight lm train --model M --dataset D`: train any Hugging Face model with HiR, or with a baseline.

hindsight lm train --model Qwen/Qwen2.5-7B-Instruct --dataset hir-16k --judged skip --method hir --out runs/qwen \
--num_generations 6 --per_device_train_batch_size 6 --gradient_accumulation_steps 8

All options of TRL's GRPOConfig and all fields of HiRConfig are options of this command. `--config FILE.yaml` reads
them from a file. With several processes: `accelerate launch -m hindsight_rl.cli lm train ...`. Needs the extra `lm`.
"""

from __future__ import annotations

import json
import math
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from accelerate import PartialState
from transformers import TrainerCallback

from hindsight_rl.constraints import stored
from hindsight_rl.data.rows import Loaded, read_dataset
from hindsight_rl.errors import HindsightError
from hindsight_rl.lm.models import local_model
from hindsight_rl.lm.trl import HiRConfig, HiRTrainer
from hindsight_rl.lm.trl.buffer import FILE as BUFFER
from hindsight_rl.lm.trl.held_out import FILE as HELD_OUT
from hindsight_rl.lm.trl.held_out import HeldOut
from hindsight_rl.lm.trl.options import KIND, Options, chosen, given
from hindsight_rl.lm.trl.progress import Progress, quiet
from hindsight_rl.lm.trl.replays import FILE as REPLAYS
from hindsight_rl.lm.trl.replays import Replays
from hindsight_rl.lm.trl.resume import SavesWithin, Stop, Stopped, check_room, last_whole
from hindsight_rl.replay.instruction import Instruction
from hindsight_rl.replay.verification import Verifier, verifying
from hindsight_rl.run import Run, machine

if TYPE_CHECKING:
    from hindsight_rl.lm.judge import Judge

STOPPED = 130


class _Log(TrainerCallback):
    """Writes TRL's metrics to the run's `metrics.jsonl`, on the first process."""

    def __init__(self, run: Run) -> None:
        self.run = run

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        if state.is_world_process_zero and logs:
            numbers = {name: value for name, value in logs.items() if isinstance(value, int | float)}
            kept = {name: value if math.isfinite(value) else None for name, value in numbers.items()}
            self.run.append("metrics.jsonl", {"step": state.global_step, **kept})


def train(options: Options, config: HiRConfig, command: list[str] | None = None) -> Path:
    """Train and save; returns the run folder with config, metrics, checkpoints and `model`.

    command: the command line of the options; it is stored for a resume.

    Raises:
        HindsightError: bad options or data; no room for a checkpoint.
        Stopped: training was stopped before its end.
    """
    first, words = PartialState().is_main_process, command or []
    with _judging(options) as judge:
        if judge is not None and config.rewriter == "keep":
            raise HindsightError(
                "rewriter keep replays failures unchanged, and a judge would reject them; choose another rewriter"
            )
        loaded = _read(options, options.dataset, options.split, options.limit, judge)
        held_out = _read(options, options.held_out, "test", options.held_out_limit, judge).instructions
        if first:
            _tell(loaded)
        run, checkpoint = _opened(options, config, words, first)
        stop, progress = Stop(), Progress(options.model, len(loaded.instructions))
        saves = [] if given(words, "save_steps", "save_strategy") else [SavesWithin()]
        callbacks = [_Log(run), stop, *saves, progress]  # the progress says when the first checkpoint is saved
        if held_out:
            callbacks.append(_evaluation(options, run, held_out, verifying(judge, config.answer_after)))
        try:
            trainer = _trainer(options, config, loaded, judge, callbacks, Replays(run) if first else None)
            if first:
                check_room(run.path, config, trainer.model)
        except (HindsightError, ValueError, OSError) as error:
            if first and not options.resume:  # nothing was trained: without the folder, the command can be repeated
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
        finally:
            progress.close()
    if stop.asked and trainer.state.global_step < trainer.state.max_steps:
        raise Stopped(_go_on(config, options.out, f"stopped after step {trainer.state.global_step}"))
    trainer.save_model(str(run.path / "model"))
    if first and trainer.processing_class is not None:
        trainer.processing_class.save_pretrained(run.path / "model")
    return run.path


@contextmanager
def _judging(options: Options) -> Iterator[Judge | None]:
    """The judge of the demands that no program checks, where one is given."""
    if not (options.judge_url or options.judge_model):
        yield None
        return
    from hindsight_rl.endpoint import Endpoint, EndpointSettings
    from hindsight_rl.lm.judge import Judge

    asked: dict[str, Any] = {"base_url": options.judge_url, "model": options.judge_model}
    settings = EndpointSettings(**{name: value for name, value in asked.items() if value})
    with Endpoint(settings.resolved()) as endpoint:
        yield Judge(endpoint)


def _read(options: Options, source: str | None, split: str, limit: int | None, judge: Judge | None) -> Loaded:
    """Instructions for training, or held out of it; none without a source."""
    if source is None:
        return Loaded([])
    if options.stored_code:
        stored.allow()
    choices: dict[str, Any] = {"inline": options.inline, "judged": options.judged, "bad": options.bad}
    if judge is not None:
        choices["judge"] = judge.constraint
    return read_dataset(source, split=split, limit=limit, **choices)


def _opened(options: Options, config: HiRConfig, words: list[str], first: bool) -> tuple[Run, Path | None]:
    """The run folder, a new one or that of a resumed run, and the checkpoint to resume from."""
    settings = {"settings": json.loads(config.to_json_string()), "command": words}
    if not options.resume:
        about = {"model": options.model, "dataset": options.dataset, "method": options.method, "seed": config.seed}
        made = {**about, "machine": machine(), **settings}
        return (Run.create(options.out, made, kind=KIND) if first else Run(Path(options.out))), None
    run = Run.open(options.out, kind=KIND)
    checkpoint = _checkpoint(config, first)
    if first:
        run.write("config.json", {**run.read("config.json"), **settings})
        step = int(checkpoint.name.rsplit("-", 1)[1]) if checkpoint else 0
        for name in ("metrics.jsonl", HELD_OUT, REPLAYS):
            run.cut_back(name, step)
    return run, checkpoint


def _evaluation(options: Options, run: Run, held_out: list[Instruction], verifier: Verifier) -> HeldOut:
    return HeldOut(run, held_out, verifier, options.evaluate_every, probe=options.probe, attention=options.attention)


def _trainer(
    options: Options,
    config: HiRConfig,
    loaded: Loaded,
    judge: Judge | None,
    callbacks: list[TrainerCallback],
    on_replays: Replays | None,
) -> HiRTrainer:
    """The trainer, with its model; says how many prompts are too long."""
    trainer = HiRTrainer(
        local_model(options.model),
        config,
        loaded.instructions,
        verify=judge,
        callbacks=callbacks,
        peft_config=_lora(options.lora) if options.lora else None,
        on_replays=on_replays,
    )
    Progress.alone(trainer)
    if on_replays is not None and trainer.too_long:
        print(f"{trainer.too_long} instructions skipped: their prompt is too long", file=sys.stderr)
    for each in callbacks:
        if isinstance(each, HeldOut):
            each.attach(trainer)
    return trainer


def _needs(config: HiRConfig) -> tuple[str, ...]:
    return (BUFFER,) if config.buffer_rows_per_prompt else ()


def _checkpoint(config: HiRConfig, first: bool) -> Path | None:
    """The checkpoint to resume from; prints a note if it is not the newest one, or if there is none."""
    found, passed = last_whole(Path(str(config.output_dir)), _needs(config))
    if first:
        for why in passed:
            print(f"hindsight: skipping {why}", file=sys.stderr)
        if found is None:
            print(
                f"hindsight: {config.output_dir} holds no complete checkpoint: starting from the beginning",
                file=sys.stderr,
            )
        else:
            print(f"hindsight: resuming from {found}", file=sys.stderr)
    return found


def _go_on(config: HiRConfig, out: str, what: str) -> str:
    found, _ = last_whole(Path(str(config.output_dir)), _needs(config))
    saved = f"saved as {found.name}" if found else "nothing saved yet"
    return f"{what}, {saved}; continue with: hindsight lm train --out {out} --resume"


def _lora(rank: int) -> Any:
    from peft import LoraConfig

    return LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear", task_type="CAUSAL_LM")


def _tell(loaded: Loaded) -> None:
    said = [f"{len(loaded.instructions)} instructions"]
    said += [f"{loaded.inline} of them without replay (inline constraints)"] if loaded.inline else []
    said += [f"{count} skipped: {reason}" for reason, count in loaded.skipped.items()]
    print("; ".join(said), file=sys.stderr)


def main(argv: list[str]) -> int:
    """`hindsight lm train --model ...`; returns the exit code, 130 if a user stopped it."""
    quiet()
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
