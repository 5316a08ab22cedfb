"""Compare the methods at equal environment steps: several seeds each, judged on held-out worlds by true events.

    python benchmarks/agent_methods.py --out results/agent_methods.json

Runs land in --runs (finished ones are not run again), two at a time, one core each; `hindsight report` makes a page
of them. The result file holds every run's evaluation in short, and mean and spread per method.
"""

import json
import os
import shlex
import statistics
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro
from studies import spread

from hindsight_rl.agent.training.methods import METHODS
from hindsight_rl.run import Run, machine

# One core per run: two side by side finish sooner than one after the other on two cores.
ONE_CORE = {"XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1", "OMP_NUM_THREADS": "1"}
PARTS = ("canonical", "paraphrased", "others", "composed")


@dataclass
class MethodsConfig:
    """What to compare."""

    methods: tuple[str, ...] = tuple(METHODS)
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    references: tuple[str, ...] = ()
    """Methods of which only the first ``few`` seeds are run."""
    few: int = 2
    total_timesteps: int = 1_500_000
    env: str = "classic-32"
    runs: str = "runs/methods"
    jobs: int = 2
    extra: str = ""
    """More arguments for every `hindsight agent train`, e.g. `--extra="--buffer.capacity 10"`."""
    tuned: str | None = None
    """Result file of agent_tuning.py: each method gets the settings chosen for it, `oracle` those of `oir`."""
    out: str | None = None

    def arguments(self, method: str) -> dict[str, str]:
        """Of `hindsight agent train`, for this method: its tuned settings."""
        if self.tuned is None:
            return {}
        chosen = json.loads(Path(self.tuned).read_text("utf-8"))["methods"]
        method = "oir" if method == "oracle" else method
        if method not in chosen:
            raise SystemExit(f"{self.tuned} has no {method}: run benchmarks/agent_tuning.py with it")
        return dict(chosen[method]["chosen"])


def train(config: MethodsConfig, method: str, seed: int) -> Path:
    """One run, unless it is there already."""
    path = Path(config.runs) / f"{method}-{seed}"
    own = config.arguments(method)
    if (path / "eval.json").exists():
        for name, value in own.items():
            stored = Run(path).read("config.json")
            for part in name.split("."):
                stored = stored[part.replace("-", "_")]
            if stored != float(value):
                raise SystemExit(f"{path} was made with another --{name}: choose other --runs")
        return path
    command = [sys.executable, "-m", "hindsight_rl.cli", "agent", "train", "--method", method, "--seed", str(seed)]
    command += ["--total-timesteps", str(config.total_timesteps), "--env", config.env, "--out", str(path)]
    command += shlex.split(config.extra)
    command += [f"--{name}={value}" for name, value in own.items()]
    if (path / "config.json").exists():
        command.append("--resume")
    environment = {**os.environ, **ONE_CORE}
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
    print(path, Run(path).read("eval.json")["mean"], flush=True)
    return path


def summary(config: MethodsConfig, path: Path) -> dict[str, Any]:
    """What the result file keeps of one run."""
    run = Run.open(path, kind="agent")
    result, metrics = run.read("eval.json"), run.lines("metrics.jsonl")
    evaluations = [row for row in metrics if row.get("success")]
    return {
        "method": result["method"],
        "seed": result["seed"],
        "steps": result["steps"],
        "settings": config.arguments(result["method"]),
        "mean": result["mean"],
        "achievements_per_trial": result["achievements_per_trial"],
        "canonical": {row["event"]: row["success"] for row in result["canonical"]},
        "lost": {row["event"]: row["lost"] for row in result["forgetting"]},
        "curve": [[row["step"], round(statistics.mean(row["success"].values()), 4)] for row in evaluations],
        "given": shares([row["given"] for row in metrics if "given" in row]),
        "clusters": metrics[-1]["clusters"],
        "seconds": metrics[-1]["seconds"],
    }


def shares(given: list[dict[str, int]]) -> dict[str, float]:
    """Of all instructions given in training, the share that each source chose; {} where none is seen."""
    total = sum(sum(row.values()) for row in given)
    return {name: round(sum(row[name] for row in given) / total, 4) for name in given[0]} if total else {}


def compare(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Mean and spread over seeds, per method."""
    table: dict[str, Any] = {}
    for method in dict.fromkeys(row["method"] for row in rows):
        own = [row for row in rows if row["method"] == method]
        table[method] = {name: spread([row["mean"][name] for row in own]) for name in PARTS}
        table[method]["achievements_per_trial"] = spread([row["achievements_per_trial"] for row in own])
        table[method]["given"] = {
            name: round(statistics.mean(row["given"][name] for row in own), 4) for name in own[0].get("given", {})
        }
        table[method]["canonical_by_event"] = {
            event: round(statistics.mean(row["canonical"][event] for row in own), 4) for event in own[0]["canonical"]
        }
        table[method]["curve"] = [
            [own[0]["curve"][i][0], spread([row["curve"][i][1] for row in own])] for i in range(len(own[0]["curve"]))
        ]
        table[method]["most_lost"] = max(
            (round(statistics.mean(row["lost"][event] for row in own), 4), event) for event in own[0]["lost"]
        )
    return table


def main() -> None:
    """Train what is missing, then compare."""
    config = tyro.cli(MethodsConfig, description=__doc__)
    few = config.seeds[: config.few]
    wanted = [(m, s) for s in config.seeds for m in config.methods if s in few or m not in config.references]
    with ThreadPoolExecutor(config.jobs) as pool:
        paths = list(pool.map(lambda pair: train(config, *pair), wanted))
    rows = [summary(config, path) for path in paths]
    settings = Run.open(paths[0]).read("config.json")
    result: dict[str, Any] = {
        "command": "python benchmarks/agent_methods.py " + " ".join(sys.argv[1:]),
        "machine": machine(),
        "env": config.env,
        "settings": {
            k: v for k, v in settings.items() if k not in ("method", "seed", "out", "resume", "machine", "kind")
        },
        "methods": compare(rows),
        "runs": rows,
    }
    for name, row in result["methods"].items():
        means = "  ".join(f"{k} {row[k]['mean']:.3f} ± {row[k]['standard_error']:.3f}" for k in PARTS)
        print(f"{name:8} {means}")
    if config.out:
        Path(config.out).write_text(json.dumps(result, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
