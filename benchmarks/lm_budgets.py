"""Compare the arms with few rollouts: at every budget, tune each arm on seeds of its own, then run fresh ones.

    python benchmarks/lm_budgets.py --out results/lm_budgets.json

An arm's best learning rate depends on how long it learns, so at each budget every arm gets the same grid (rates, and
shares of them that are left at the end) on the tuning seeds; its best cell, by mean accuracy at the end, is kept and
run on the fresh seeds. Nothing is chosen on these. Runs are made as in lm_arms.py.
"""

import statistics
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import tyro
from lm_runs import Wanted, make, read, show, table, write


@dataclass
class BudgetsConfig:
    """What to compare."""

    arms: tuple[str, ...] = ("rlvr", "fraction", "hir", "retarget", "named-memory")
    rollouts: tuple[int, ...] = (5_120, 7_680, 10_240)
    learning_rates: tuple[float, ...] = (2.5e-4, 5e-4, 1e-3, 2e-3, 4e-3)
    decays: tuple[float, ...] = (1.0, 0.1)
    """Shares of the learning rate that are left at the end."""
    tuning_seeds: tuple[int, ...] = (100, 101, 102)
    seeds: tuple[int, ...] = tuple(range(300, 308))
    regime: str = "7-8"
    runs: str = "runs/lm_budgets"
    jobs: int = 2
    reference: str = "fraction"
    out: str | None = None


def main() -> None:
    """Tune, run what is missing, compare, budget by budget; the result file is written after each."""
    config = tyro.cli(BudgetsConfig, description=__doc__)
    budgets: dict[str, Any] = {}
    for rollouts in config.rollouts:
        cells = _tuned(config, rollouts)
        best = {arm: max((c for c in cells if c["arm"] == arm), key=lambda c: float(c["mean"])) for arm in config.arms}
        wanted = [
            _wanted(config, rollouts, arm, cell["learning_rate"], cell["decay"], seed)
            for seed in config.seeds
            for arm, cell in best.items()
        ]
        make(wanted, str(Path(config.runs) / "bases"), config.jobs)
        rows = [read(each) for each in wanted]
        found = table(rows, config.reference)
        budgets[str(rollouts)] = {"best": list(best.values()), "cells": cells, "table": found, "runs": rows}
        show(f"{config.regime} constraints, {rollouts:,} rollouts", found)
        settings = {"regime": config.regime, "tuning_seeds": config.tuning_seeds, "reference": config.reference}
        write(config.out, "lm_budgets.py", settings | {"budgets": budgets})


def _tuned(config: BudgetsConfig, rollouts: int) -> list[dict[str, Any]]:
    cells = list(product(config.arms, config.learning_rates, config.decays))
    wanted = {cell: [_wanted(config, rollouts, *cell, seed) for seed in config.tuning_seeds] for cell in cells}
    make([each for runs in wanted.values() for each in runs], str(Path(config.runs) / "bases"), config.jobs)
    found = []
    for (arm, rate, decay), runs in wanted.items():
        accuracy = [read(each)["accuracy"][-1] for each in runs]
        mean = round(statistics.mean(accuracy), 4)
        found.append({"arm": arm, "learning_rate": rate, "decay": decay, "accuracy": accuracy, "mean": mean})
        print(f"{rollouts:>7,} {arm:<14} {rate:<6g} to {decay:<4g} {mean:.3f}   {accuracy}", flush=True)
    return found


def _wanted(config: BudgetsConfig, rollouts: int, arm: str, rate: float, decay: float, seed: int) -> Wanted:
    words = ["--arms", arm, "--rollouts", str(rollouts), "--update.learning-rate", str(rate)]
    path = Path(config.runs) / f"{config.regime}-{rollouts}" / f"{arm}-{rate:g}-to{decay:g}-{seed}"
    return Wanted(path, arm, config.regime, seed, (*words, "--update.decay", str(decay)))


if __name__ == "__main__":
    main()
