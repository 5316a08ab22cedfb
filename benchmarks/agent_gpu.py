"""The agent on a GPU: the `gpu` preset trained to its end, its speed against stock Craftax, and where the time goes.

    python benchmarks/agent_gpu.py --out results/agent_gpu.json
    python benchmarks/agent_gpu.py --steps 65536 --envs 64 --rounds 1 --extra="--worlds 64"       # a dry run on a CPU

Three parts, in one process, on one device. (1) Turns of ours and of stock Craftax with plain PQN, as agent_speed.py
has them. (2) What one update takes: the worlds alone under random actions, acting, learning, and relabeling on the
host. (3) Training, in --run (gone on with after a kill), and the examination in held-out worlds.
"""

import dataclasses
import json
import shlex
import statistics
import sys
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import tyro
from agent_scaling import timed
from agent_speed import against_stock, arm, turns
from scaling_parts import act, walk

from hindsight_rl.agent.training.presets import PRESETS
from hindsight_rl.agent.training.train import TrainConfig, compile_cache, train
from hindsight_rl.agent.training.trainer import Trainer
from hindsight_rl.run import Run, machine


@dataclass
class GpuConfig:
    """What to train and to time."""

    preset: str = "gpu"
    steps: int | None = None
    """The preset's when absent."""
    envs: int | None = None
    world: str = "classic"
    seed: int = 0
    run: str = "runs/agent-gpu"
    rounds: int = 5
    """Turns of each arm, alternating."""
    extra: str = ""
    """More arguments for `hindsight agent train`."""
    out: str | None = None


def settings(config: GpuConfig) -> TrainConfig:
    """Of the run that is trained."""
    words = ["--preset", config.preset, "--world", config.world, "--seed", str(config.seed), "--out", config.run]
    words += [w for k in ("steps", "envs") if (v := getattr(config, k)) is not None for w in (f"--{k}", str(v))]
    return tyro.cli(TrainConfig, args=[*words, *shlex.split(config.extra)], default=PRESETS[config.preset])


def shares(trainer: Trainer) -> dict[str, Any]:
    """Milliseconds of one update by part, and their shares of the whole."""
    config, learner, rollout = trainer.config, trainer.learner, trainer.config.rollout
    at, tables = learner.actors, trainer.tables()
    env = timed(lambda: walk(trainer.world, rollout, trainer.bank, at.world, at.observation, learner.key), 3)
    acted = timed(
        lambda: act(trainer.network, trainer.world, 1, rollout, trainer.bank, tables, trainer.acting, learner), 3
    )
    before = dict(trainer.seconds)
    stretches = 3
    for _ in range(stretches):
        trainer.advance()
    train_s, host = (trainer.seconds[k] - before[k] for k in ("train", "relabel"))
    update, relabel = (1000 * x / stretches / config.stretch for x in (train_s, host))
    whole = update + relabel
    parts = {"worlds": env, "acting": acted - env, "learning": update - acted, "relabeling": relabel}
    return {
        "milliseconds_per_update": {name: round(x, 3) for name, x in parts.items()},
        "share": {name: round(x / whole, 4) for name, x in parts.items()},
    }


def main() -> None:
    """Time, take apart, train, examine."""
    config = tyro.cli(GpuConfig, description=__doc__)
    compile_cache()
    wanted = settings(config).checked()
    device = jax.devices()[0]
    result: dict[str, Any] = {
        "command": "python benchmarks/agent_gpu.py " + " ".join(sys.argv[1:]),
        "machine": machine() | {"device": device.device_kind, "devices": jax.device_count()},
        "versions": {name: version(name) for name in ("craftax", "jax", "flax", "optax")},
    }
    with tempfile.TemporaryDirectory() as folder:
        trainers = {name: arm(wanted, name, Path(folder)) for name in ("stock", "ours")}
        seconds = turns(trainers, config.rounds, 1)
        result["speed"] = against_stock(seconds, trainers["ours"].steps_per_stretch)
        print(json.dumps(result["speed"]), flush=True)
        result["parts"] = shares(trainers["ours"])
        print(json.dumps(result["parts"]), flush=True)
    del trainers
    if not (Path(config.run) / "eval.json").exists():
        train(dataclasses.replace(wanted, resume=(Path(config.run) / "config.json").exists()))
    run = Run.open(config.run, kind="agent")
    examined, rows = run.read("eval.json"), run.lines("metrics.jsonl")
    spent = rows[-1]["seconds"]
    result["training"] = {
        "settings": {k: v for k, v in run.read("config.json").items() if k not in ("machine", "out", "resume", "kind")},
        "steps": examined["steps"],
        "seconds": spent,
        "steps_per_second": round(examined["steps"] / (spent["train"] + spent["relabel"])),
        "mean": examined["mean"],
        "achievements_per_trial": examined["achievements_per_trial"],
        "success": {row["text"]: row["success"] for row in examined["canonical"]},
        "curve": [[r["step"], round(statistics.mean(r["success"].values()), 4)] for r in rows if r.get("success")],
    }
    print(json.dumps(result["training"]["mean"]), result["training"]["steps_per_second"], "steps per second")
    if config.out:
        Path(config.out).write_text(json.dumps(result, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
