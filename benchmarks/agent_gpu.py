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
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import tyro
from agent_speed import arm

from hindsight_rl.agent.presets import PRESETS
from hindsight_rl.agent.rollout import roll
from hindsight_rl.agent.stretch import epsilons
from hindsight_rl.agent.train import TrainConfig, compile_cache, train
from hindsight_rl.agent.trainer import Trainer
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


def timed(call: Callable[[], Any], repeats: int = 3) -> float:
    """Median seconds of a call, after one that compiles."""
    jax.block_until_ready(call())
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        jax.block_until_ready(call())
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


def speed(config: GpuConfig, trainers: dict[str, Trainer]) -> dict[str, Any]:
    """Turns of one stretch each."""
    seconds: dict[str, list[float]] = {name: [] for name in trainers}
    for trainer in trainers.values():
        for _ in range(2):
            trainer.advance()
    for _ in range(config.rounds):
        for name, trainer in trainers.items():
            began = time.perf_counter()
            trainer.advance()
            jax.block_until_ready(trainer.learner.params)
            seconds[name].append(time.perf_counter() - began)
    steps = trainers["ours"].steps_per_stretch
    ratios = [a / b for a, b in zip(seconds["stock"], seconds["ours"], strict=True)]
    return {
        "steps_per_turn": steps,
        "seconds": {name: [round(x, 4) for x in times] for name, times in seconds.items()},
        "steps_per_second": {name: round(steps / statistics.median(times)) for name, times in seconds.items()},
        "ours_over_stock": {
            "median": round(statistics.median(ratios), 3),
            "min": round(min(ratios), 3),
            "max": round(max(ratios), 3),
        },
    }


def shares(trainer: Trainer) -> dict[str, Any]:
    """Milliseconds of one update by part, and their shares of the whole."""
    config, world, bank = trainer.config, trainer.world, trainer.bank
    learner, tables = trainer.learner, trainer.tables()
    n = config.envs

    @jax.jit
    def worlds(state: Any, observation: jax.Array, key: jax.Array) -> Any:
        def one(carry: Any, key: jax.Array) -> Any:
            k_action, k_step, k_world = jax.random.split(key, 3)
            action = jax.random.randint(k_action, (n,), 0, world.n_actions)
            step = jax.vmap(world.step)(jax.random.split(k_step, n), carry[0], action)
            return bank.renew(k_world, step.done, step.state, step.observation), step.events.sum(0)

        return jax.lax.scan(one, (state, observation), jax.random.split(key, config.rollout))

    @partial(jax.jit, static_argnums=0)
    def acting(steps: int, learner: Any, tables: Any, key: jax.Array) -> Any:
        rate = epsilons(trainer.schedule, jnp.float32(0.5), n)
        return roll(
            trainer.network, learner.params, world, bank, tables, trainer.acting, learner.actors, learner.order, rate,
            steps, key,
        )  # fmt: skip

    key = jax.random.key(0)
    env = timed(lambda: worlds(learner.actors.world, learner.actors.observation, key))
    act = timed(lambda: acting(config.rollout, learner, tables, key))
    before = dict(trainer.seconds)
    stretches = 3
    for _ in range(stretches):
        trainer.advance()
    train_s, host = (trainer.seconds[k] - before[k] for k in ("train", "relabel"))
    update, relabel = (x / stretches / config.stretch for x in (train_s, host))
    whole = update + relabel
    parts = {"worlds": env, "acting": act - env, "learning": update - act, "relabeling": relabel}
    return {
        "milliseconds_per_update": {name: round(1000 * x, 3) for name, x in parts.items()},
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
        result["speed"] = speed(config, trainers)
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
