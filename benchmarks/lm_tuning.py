"""Tune every method of the sandbox with the same grid, on separate tuning seeds.

    python benchmarks/lm_tuning.py --out results/lm_tuning.json

The best learning rates with one pass over the rollouts, and their decay, are in `lm/methods.py`. lm_arms.py uses them
on new seeds. Runs are made as in lm_arms.py.
"""

import shlex
import statistics
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import tyro
from lm_runs import Wanted, make, read, write


@dataclass
class TuningConfig:
    """The grid."""

    arms: tuple[str, ...] = ("rlvr", "fraction", "hir", "retarget")
    learning_rates: tuple[float, ...] = (5e-4, 1e-3)
    decays: tuple[float, ...] = (1.0,)
    """Shares of the learning rate that remain at the end."""
    epochs: tuple[int, ...] = (1, 2)
    """Passes over a batch of rollouts."""
    seeds: tuple[int, ...] = (100, 101)
    regime: str = "7-8"
    rollouts: int = 30_720
    runs: str = "runs/lm_tuning"
    bases: str | None = None
    """Folder of the base models; by default --runs."""
    jobs: int = 2
    extra: str = ""
    """More arguments for every run, as in lm_arms.py."""
    out: str | None = None


def tuned(config: TuningConfig) -> list[dict[str, Any]]:
    """Train the missing runs; returns every cell of the grid with its accuracy per seed and their mean."""
    cells = list(product(config.arms, config.learning_rates, config.decays, config.epochs))
    runs = {cell: [wanted(config, *cell, seed) for seed in config.seeds] for cell in cells}
    make([each for row in runs.values() for each in row], config.bases or f"{config.runs}/bases", config.jobs)
    found = []
    for (arm, rate, decay, epochs), each in runs.items():
        rows = [read(run) for run in each]
        finals, greedy = ([row[key][-1] for row in rows] for key in ("accuracy", "greedy"))
        cell = {"arm": arm, "learning_rate": rate, "decay": decay, "epochs": epochs, "accuracy": finals}
        found.append(cell | {"mean": round(statistics.mean(finals), 4), "greedy": greedy})
    return found


def best_of(cells: list[dict[str, Any]]) -> dict[str, Any]:
    """The cell with the highest mean accuracy; the first one if several are equal."""
    return max(cells, key=lambda cell: float(cell["mean"]))


def main() -> None:
    """Train the missing runs, then show every cell and mark the best one of each method."""
    config = tyro.cli(TuningConfig, description=__doc__)
    found = tuned(config)
    best = [best_of([c for c in found if (c["arm"], c["epochs"]) == of]) for of in product(config.arms, config.epochs)]
    for cell in found:
        shown = "  ".join(f"{value:.3f}" for value in cell["accuracy"])
        where = f"{cell['arm']:<20} {cell['learning_rate']:<8g} to {cell['decay']:<4g} epochs {cell['epochs']}"
        print(f"{where}   {cell['mean']:.3f}   {shown}{'   best' if cell in best else ''}")
    settings = {k: getattr(config, k) for k in ("regime", "rollouts", "seeds", "extra")}
    write(config.out, "lm_tuning.py", settings | {"best": best, "cells": found})


def wanted(config: TuningConfig, arm: str, rate: float, decay: float, epochs: int, seed: int) -> Wanted:
    """The run of a cell on a seed."""
    words = ["--arms", arm, "--rollouts", str(config.rollouts), "--update.decay", str(decay)]
    words += ["--update.learning-rate", str(rate), "--update.epochs", str(epochs), *shlex.split(config.extra)]
    falls = "" if decay == 1 else f"-to{decay:g}"
    path = Path(config.runs) / config.regime / f"{arm}-{rate:g}{falls}-{epochs}-{seed}"
    return Wanted(path, arm, config.regime, seed, tuple(words))


if __name__ == "__main__":
    main()
