"""`hindsight sandbox train`: train a tiny language model with several methods, all from the same base model.

hindsight sandbox train --arms rlvr,fraction,hir,retarget --constraints 7-8 --seed 0 --out runs/lm
hindsight sandbox train --task rooms --arms fraction,retarget --out runs/rooms
"""

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

from hindsight_rl.errors import HindsightError


def train(config: Any) -> Path:
    """Pretrain the base model of the seed if it is missing, then train each method.

    Args:
        config: a :class:`hindsight_rl.lm.sandbox.config.SandboxConfig`.

    Returns:
        the run folder: config, base model, a folder per method, `eval.json`, `attention.json`.

    Raises:
        HindsightError: bad settings, a folder in use, no disk space, or a method whose training failed (raised
            after the other methods are trained).
    """
    import torch

    from hindsight_rl.lm.sandbox.attention_study import study
    from hindsight_rl.lm.sandbox.config import from_json, to_json
    from hindsight_rl.lm.sandbox.pretrain import base_model
    from hindsight_rl.lm.sandbox.progress import Progress
    from hindsight_rl.lm.sandbox.results import results
    from hindsight_rl.lm.sandbox.run_arms import run_arms
    from hindsight_rl.run import Run, machine

    if config.resume:
        run = Run.open(config.out, kind="lm")
        stored = from_json(run.read("config.json"), str(run.path / "config.json"))
        config = dataclasses.replace(stored, out=config.out, resume=True, json=config.json, jobs=config.jobs)
    config = config.checked()
    if not config.resume:
        run = Run.create(config.out, {**to_json(config), "machine": machine()}, kind="lm")
    torch.set_num_threads(1)
    with Progress(config) as progress:
        folder = Path(config.base) if config.base else run.path / "base"
        rules = (config.pretrain, config.model, config.seed)
        base = base_model(folder, *rules, progress.pretraining, config.the_task)
        errors = run_arms(config, run, base, progress.show)
    run.write("eval.json", results(run, config.names))
    run.write("attention.json", study(run, config, base))
    if errors:
        raise HindsightError("; ".join(errors.values()))
    return run.path


def main(argv: list[str]) -> int:
    """`hindsight sandbox train`; returns the exit code."""
    from hindsight_rl.lm.sandbox.config import parsed
    from hindsight_rl.run import Run

    config = parsed(argv)
    path = train(config)
    print(f"run: {path}   next: hindsight report {path}", file=sys.stderr if config.json else sys.stdout)
    if config.json:
        arms = Run(path).read("eval.json")["arms"]
        print(json.dumps({name: {k: row[k] for k in ("rollouts", "accuracy")} for name, row in arms.items()}))
    return 0
