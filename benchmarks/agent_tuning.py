"""Tune every method of the agent with the same effort, on seeds of its own: one grid, the same cells for all.

    python benchmarks/agent_tuning.py --out results/agent_tuning.json

Every cell is run on the first seed; on the others the defaults and, of each method, the best of its other cells. A
method leaves the defaults only for a cell that is ahead by more than ``margin`` over all seeds: less is what two seeds
differ by. `oracle` is not tuned: its runs are those of `oir`. agent_methods.py takes each method's settings from the
result file.
"""

import json
import os
import statistics
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro
from agent_methods import ONE_CORE

from hindsight_rl.agent.training.config import TrainConfig
from hindsight_rl.run import Run, machine


@dataclass
class TuningConfig:
    """What to try."""

    methods: tuple[str, ...] = ("none", "oir", "oir-no-buffer", "oir-paper", "her", "game", "buffer", "ellm")
    cells: tuple[str, ...] = (
        "",
        "learning-rate=0.00015",
        "learning-rate=0.0006",
        "epsilon-end=0.02",
        "epsilon-end=0.05",
        "epsilon-end=0.2",
    )
    """Settings of `hindsight agent train`, without the dashes, one text per cell; the defaults first, an empty text."""
    seeds: tuple[int, ...] = (10, 11)
    margin: float = 0.01
    total_timesteps: int = 1_500_000
    env: str = "classic-32"
    runs: str = "runs/agent_tuning"
    jobs: int = 2
    out: str | None = None


def measure(config: TuningConfig, method: str, cell: str, seed: int) -> float:
    """What a run of this cell comes to, trained and evaluated unless it is there already.

    `game` follows no instruction: it is judged by the achievements of a trial, as a share of the 22; the others by
    mean success over the canonical instructions.
    """
    name = "-".join([method, *cell.split(), str(seed)])
    path = Path(config.runs) / name
    found = path / "tuning.json"
    if not found.exists():
        hindsight = [sys.executable, "-m", "hindsight_rl.cli", "agent"]
        train = ["train", "--method", method, "--seed", str(seed), "--total-timesteps"]
        train += [str(config.total_timesteps)]
        train += ["--env", config.env, "--out", str(path), "--num-evals", "0", "--no-final-eval"]
        train += ["--resume"] if (path / "config.json").exists() else []
        environment = {**os.environ, **ONE_CORE}
        train += [f"--{setting}" for setting in cell.split()]
        subprocess.run([*hindsight, *train], check=True, env=environment, stdout=subprocess.DEVNULL)
        evaluate = [*hindsight, "eval", str(path), "--json", "--parts", "canonical"]
        printed = subprocess.run(evaluate, check=True, env=environment, stdout=subprocess.PIPE, text=True).stdout
        Run(path).write("tuning.json", json.loads(printed.splitlines()[-1]))
    result = json.loads(found.read_text("utf-8"))
    if method == "game":
        rows = result["canonical"]
        value = statistics.mean(row["achievements"] for row in rows) / len(rows)
    else:
        value = result["mean"]["canonical"]
    print(f"{method:13} {cell or 'defaults':26} seed {seed}  {value:.4f}", flush=True)
    return round(float(value), 4)


def choose(cells: list[dict[str, Any]], margin: float) -> dict[str, Any]:
    """The cell whose settings a method gets, of one method's cells that were run on all seeds; the defaults first."""
    best = max(cells, key=lambda cell: cell["mean"])
    return best if best["mean"] > cells[0]["mean"] + margin else cells[0]


def whole(cells: tuple[str, ...], chosen: str) -> dict[str, str]:
    """A cell as all settings that any cell names, the defaults written out."""
    defaults: Any = TrainConfig()
    values = {}
    for name in dict.fromkeys(setting.split("=")[0] for cell in cells for setting in cell.split()):
        values[name] = defaults
        for part in name.split("."):
            values[name] = getattr(values[name], part.replace("-", "_"))
    return {k: str(v) for k, v in values.items()} | dict(setting.split("=") for setting in chosen.split())


def main() -> None:
    """Run what is missing, then show every cell and what each method gets."""
    config = tyro.cli(TuningConfig, description=__doc__)
    if config.cells[0]:
        raise SystemExit('--cells: the first must be the defaults, ""')
    first, *others = config.seeds
    with ThreadPoolExecutor(config.jobs) as pool:
        pairs = [(m, c) for m in config.methods for c in config.cells]
        screened = {pair: pool.submit(measure, config, *pair, first) for pair in pairs}
        values = {pair: [future.result()] for pair, future in screened.items()}
        ahead = []
        for m in config.methods:
            ranked = sorted(config.cells[1:], key=lambda c: values[m, c][0], reverse=True)
            # The defaults are what another cell has to beat, so they are always among the two.
            ahead += [(m, config.cells[0]), (m, ranked[0])]
        again = {pair: [pool.submit(measure, config, *pair, seed) for seed in others] for pair in ahead}
        for pair, futures in again.items():
            values[pair] += [future.result() for future in futures]
    result: dict[str, Any] = {
        "command": "python benchmarks/agent_tuning.py " + " ".join(sys.argv[1:]),
        "machine": machine(),
        "settings": {k: getattr(config, k) for k in ("total_timesteps", "env", "seeds", "margin")},
        "methods": {},
    }
    for m in config.methods:
        cells: list[dict[str, Any]] = [
            {"settings": c, "values": values[m, c], "mean": round(statistics.mean(values[m, c]), 4)}
            for c in config.cells
        ]
        chosen = choose([c for c in cells if len(c["values"]) == len(config.seeds)], config.margin)
        result["methods"][m] = {"cells": cells, "chosen": whole(config.cells, chosen["settings"])}
        result["methods"][m]["defaults"] = whole(config.cells, "")
        print(f"{m}: {chosen['settings'] or 'the defaults'}")
    if config.out:
        Path(config.out).write_text(json.dumps(result, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
