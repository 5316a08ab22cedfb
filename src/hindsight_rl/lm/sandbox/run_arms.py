"""Train all methods ("arms") of a run, several processes at a time. Each arm has its own folder and can be resumed."""

import dataclasses
import multiprocessing
import queue
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from hindsight_rl.errors import HindsightError
from hindsight_rl.lm.sandbox.attention import watch
from hindsight_rl.lm.sandbox.config import SandboxConfig
from hindsight_rl.lm.sandbox.learner import Learner
from hindsight_rl.run import Run

Notify = Callable[[dict[str, Any]], None]
CHECKPOINT, SUMMARY = "checkpoint.safetensors", "summary.json"


def arm_folder(run: Run, name: str) -> Path:
    """The folder of an arm."""
    return run.path / "arms" / name


def is_done(run: Run, name: str) -> bool:
    """Whether the training of the arm has finished."""
    return (arm_folder(run, name) / SUMMARY).exists()


def run_arm(config: SandboxConfig, name: str, folder: Path, base: Path, notify: Notify) -> None:
    """Train one arm. Writes `metrics.jsonl` (one line per step), `evals.jsonl`, `rewrites.jsonl`, `model.safetensors`
    and `summary.json`.

    Args:
        notify: is called with every line of metrics and every evaluation.
    """
    torch.set_num_threads(1)
    folder.mkdir(parents=True, exist_ok=True)
    files = Run(folder)
    learner = Learner(config, name, base)
    checkpoint = folder / CHECKPOINT
    if checkpoint.exists():
        learner.restore(checkpoint)
    # Without a checkpoint the arm starts from the beginning, its first evaluation included.
    standing = learner.totals.step or -1
    for file in ("metrics.jsonl", "evals.jsonl", "rewrites.jsonl"):
        files.cut_back(file, standing)

    def due(times: int) -> bool:
        step, steps = learner.totals.step, config.steps
        return times > 0 and step * times // steps > (step - 1) * times // steps

    def evaluate() -> None:
        began = time.process_time()
        marks = {how: dataclasses.asdict(mark) for how, mark in learner.evaluator.evaluate(learner.model).items()}
        spent = {n: round(getattr(learner.totals, n), 3) for n in ("rows", "updates", "seconds", "cpu_seconds")}
        line = {"arm": name, "step": learner.totals.step, "rollouts": learner.totals.rollouts, **marks, **spent}
        if learner.probe is not None:
            line["margins"] = learner.probe.measure(learner.model)
        if config.attention:
            line["attention"] = watch(learner.model, learner.evaluator.instructions[: config.attention])
        files.append("evals.jsonl", {**line, "evaluation_cpu_seconds": round(time.process_time() - began, 3)})
        notify({"kind": "eval", **line})

    if learner.totals.step == 0:
        evaluate()
    while not learner.finished:
        metrics = learner.advance()
        files.append("metrics.jsonl", metrics)
        notify({"kind": "metrics", **metrics})
        if due(max(config.evaluations, 10)):
            files.append("rewrites.jsonl", *learner.examples)
        if due(config.evaluations) or (learner.finished and not config.evaluations):
            evaluate()
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
    notify({"kind": "done", "arm": name})


def area(evals: list[dict[str, Any]]) -> float:
    """Mean sampled accuracy of the evaluations, without the one before training."""
    later = [line["sampled"]["accuracy"] for line in evals if line["step"]]
    return round(sum(later) / len(later), 4) if later else 0.0


def _worker(config: SandboxConfig, name: str, folder: Path, base: Path, messages: Any) -> None:
    try:
        run_arm(config, name, folder, base, messages.put)
    except HindsightError as error:
        messages.put({"kind": "failed", "arm": name, "error": str(error)})
    except KeyboardInterrupt:
        pass


def run_arms(config: SandboxConfig, run: Run, base: Path, notify: Notify) -> dict[str, str]:
    """Train the arms that have not finished, `config.jobs` at a time.

    Returns:
        the error of each arm that failed, by its name; the other arms are still trained.
    """
    waiting = [name for name in config.names if not is_done(run, name)]
    errors: dict[str, str] = {}
    if min(config.jobs, len(waiting)) <= 1:
        for name in waiting:
            try:
                run_arm(config, name, arm_folder(run, name), base, notify)
            except HindsightError as error:
                errors[name] = str(error)
                notify({"kind": "failed", "arm": name, "error": str(error)})
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
                notify(message)
                if message["kind"] in ("failed", "done") and message["arm"] in running:
                    running.pop(message["arm"]).join()  # the next arm starts while the others continue
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
