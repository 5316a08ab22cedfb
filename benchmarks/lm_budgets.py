"""Compare the methods with few rollouts: at each budget, tune each method on tuning seeds, then run it on new seeds.

    python benchmarks/lm_budgets.py --out results/lm_budgets.json

A method's best learning rate depends on the length of training. So at each budget all methods get the same grid
(learning rates, and the share of each that remains at the end) on the tuning seeds. The cell with the best mean final
accuracy is run on the new seeds, on which nothing is chosen. Runs are made as in lm_arms.py.
"""

from dataclasses import dataclass
from typing import Any

import tyro
from lm_runs import make, read, show, table, write
from lm_tuning import TuningConfig, best_of, tuned, wanted


@dataclass
class BudgetsConfig:
    """What to compare."""

    arms: tuple[str, ...] = ("rlvr", "fraction", "hir", "retarget", "relabels-buffer")
    rollouts: tuple[int, ...] = (5_120, 7_680, 10_240)
    learning_rates: tuple[float, ...] = (2.5e-4, 5e-4, 1e-3, 2e-3, 4e-3)
    decays: tuple[float, ...] = (1.0, 0.1)
    """Shares of the learning rate that remain at the end."""
    tuning_seeds: tuple[int, ...] = (100, 101, 102)
    seeds: tuple[int, ...] = tuple(range(300, 308))
    regime: str = "7-8"
    runs: str = "runs/lm_budgets"
    jobs: int = 2
    reference: str = "fraction"
    out: str | None = None


def main() -> None:
    """Tune, train the missing runs, and compare, budget by budget; the result file is written after each budget."""
    config = tyro.cli(BudgetsConfig, description=__doc__)
    budgets: dict[str, Any] = {}
    bases = f"{config.runs}/bases"
    for rollouts in config.rollouts:
        tuning = TuningConfig(
            arms=config.arms,
            learning_rates=config.learning_rates,
            decays=config.decays,
            epochs=(1,),
            seeds=config.tuning_seeds,
            regime=config.regime,
            rollouts=rollouts,
            runs=f"{config.runs}/{rollouts}",
            bases=bases,
            jobs=config.jobs,
        )
        cells = tuned(tuning)
        best = [best_of([cell for cell in cells if cell["arm"] == arm]) for arm in config.arms]
        runs = [
            wanted(tuning, cell["arm"], cell["learning_rate"], cell["decay"], 1, seed)
            for seed in config.seeds
            for cell in best
        ]
        make(runs, bases, config.jobs)
        rows = [read(each) for each in runs]
        found = table(rows, config.reference)
        budgets[str(rollouts)] = {"best": best, "cells": cells, "table": found, "runs": rows}
        show(f"{config.regime} constraints, {rollouts:,} rollouts", found)
        settings = {"regime": config.regime, "tuning_seeds": config.tuning_seeds, "reference": config.reference}
        write(config.out, "lm_budgets.py", settings | {"budgets": budgets})


if __name__ == "__main__":
    main()
