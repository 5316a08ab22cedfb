"""All arms of a run: side by side in processes, each with a folder of its own, each going on where it was killed."""

import dataclasses
import multiprocessing
import queue
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from hindsight_rl.errors import HindsightError
from hindsight_rl.lm.sandbox.config import SandboxConfig
from hindsight_rl.lm.sandbox.learner import Learner
from hindsight_rl.run import Run

Tell = Callable[[dict[str, Any]], None]
CHECKPOINT, SUMMARY = "checkpoint.safetensors", "summary.json"


def arm_folder(run: Run, name: str) -> Path:
    """Where an arm's files are."""
    return run.path / "arms" / name


def is_done(run: Run, name: str) -> bool:
    """Was the arm trained to its end?"""
    return (arm_folder(run, name) / SUMMARY).exists()


def run_arm(config: SandboxConfig, name: str, folder: Path, base: Path, tell: Tell) -> None:
    """Train one arm: `metrics.jsonl` (a line a step), `evals.jsonl`, `rewrites.jsonl`, `model.safetensors` and
    `summary.json`.

    Args:
        tell: is given every line of metrics and every evaluation.
    """
    torch.set_num_threads(1)
    folder.mkdir(parents=True, exist_ok=True)
    files = Run(folder)
    learner = Learner(config, name, base)
    checkpoint = folder / CHECKPOINT
    if checkpoint.exists():
        learner.restore(checkpoint)
    # Killed before its first checkpoint it begins anew, its first evaluation included.
    standing = learner.totals.step or -1
    for file in ("metrics.jsonl", "evals.jsonl", "rewrites.jsonl"):
        files.cut_back(file, standing)

    def due(times: int) -> bool:
        step, steps = learner.totals.step, config.steps
        return times > 0 and step * times // steps > (step - 1) * times // steps

    def examine() -> None:
        began = time.process_time()
        marks = {how: dataclasses.asdict(mark) for how, mark in learner.exam.take(learner.model).items()}
        spent = {n: round(getattr(learner.totals, n), 3) for n in ("rows", "updates", "seconds", "cpu_seconds")}
        line = {"arm": name, "step": learner.totals.step, "rollouts": learner.totals.rollouts, **marks, **spent}
        files.append("evals.jsonl", {**line, "examining_cpu_seconds": round(time.process_time() - began, 3)})
        tell({"kind": "eval", **line})

    if learner.totals.step == 0:
        examine()
    while not learner.finished:
        metrics = learner.advance()
        files.append("metrics.jsonl", metrics)
        tell({"kind": "metrics", **metrics})
        if due(max(config.evaluations, 10)):
            files.append("rewrites.jsonl", *learner.examples)
        if due(config.evaluations) or (learner.finished and not config.evaluations):
            examine()
        if due(config.checkpoints) and not learner.finished:
            learner.save(checkpoint)
    learner.save(folder / "model.safetensors")
    evals = files.lines("evals.jsonl")
    files.write(
        SUMMARY,
        {
            "arm": name,
            "about": learner.method.about,
            "settings": dataclasses.asdict(learner.method),
            **dataclasses.asdict(learner.totals),
            "accuracy": evals[-1]["sampled"]["accuracy"],
            "greedy": evals[-1]["greedy"]["accuracy"],
            "area": area(evals),
        },
    )
    checkpoint.unlink(missing_ok=True)
    tell({"kind": "done", "arm": name})


def area(evals: list[dict[str, Any]]) -> float:
    """Mean sampled accuracy of the evaluations after the start."""
    later = [line["sampled"]["accuracy"] for line in evals if line["step"]]
    return round(sum(later) / len(later), 4) if later else 0.0


def _worker(config: SandboxConfig, name: str, folder: Path, base: Path, messages: Any) -> None:
    try:
        run_arm(config, name, folder, base, messages.put)
    except HindsightError as error:
        messages.put({"kind": "failed", "arm": name, "error": str(error)})
    except KeyboardInterrupt:
        pass


def run_arms(config: SandboxConfig, run: Run, base: Path, tell: Tell) -> dict[str, str]:
    """Train the arms that are not done, as many side by side as `config.jobs`.

    Returns:
        the error of each arm that could not be trained to its end; the others are not held up by it.
    """
    waiting = [name for name in config.names if not is_done(run, name)]
    errors: dict[str, str] = {}
    if min(config.jobs, len(waiting)) <= 1:
        for name in waiting:
            try:
                run_arm(config, name, arm_folder(run, name), base, tell)
            except HindsightError as error:
                errors[name] = str(error)
                tell({"kind": "failed", "arm": name, "error": str(error)})
        return errors
    context = multiprocessing.get_context("spawn")
    messages = context.Queue()
    running: dict[str, Any] = {}
    try:
        while waiting or running:
            while waiting and len(running) < config.jobs:
                name = waiting.pop(0)
                process = context.Process(
                    target=_worker, args=(config, name, arm_folder(run, name), base, messages), daemon=True
                )
                process.start()
                running[name] = process
            try:
                message = messages.get(timeout=0.5)
            except queue.Empty:
                message = None
            if message is not None:
                if message["kind"] == "failed":
                    errors[message["arm"]] = message["error"]
                tell(message)
                if message["kind"] in ("failed", "done") and message["arm"] in running:
                    running.pop(message["arm"]).join()  # the next arm starts while the others go on
                continue
            for name, process in list(running.items()):
                if not process.is_alive() and messages.empty():
                    del running[name]
                    if not is_done(run, name):
                        errors[name] = f"arm {name} ended early (exit code {process.exitcode}): go on with --resume"
    finally:
        for process in running.values():
            process.terminate()
            process.join()
    return errors
