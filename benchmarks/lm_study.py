"""Run a study of the sandbox's methods from its settings file; runs that are done are not run again.

    python benchmarks/lm_study.py arms              # lm_studies/arms.toml, writes results/lm_arms.json
    python benchmarks/lm_study.py arms --quick      # tiny sizes: does everything run?

A study trains every method under every condition, on several seeds, one thread per run. All methods of a seed start
from the same base model. With a grid, every method is first tuned under each condition on the tuning seeds, and its
best cell is run on the seeds, on which nothing is chosen; without seeds the study ends with tuning. The result file
has means with 95 % intervals over seeds, learning curves, cost, and every run, by condition. It is written after each
condition. lm_pages.py makes the tables and figures of docs/experiments from it.
"""

import shlex
import statistics
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import tyro
from lm_runs import Wanted, make, read, show, table
from studies import RESULTS, Settings, StudyConfig, write

from hindsight_rl.lm.sandbox.config import to_json

QUICK = "--rollouts 128 --test 32 --evaluations 1 --update.prompts 8 --update.samples 4 --pretrain.steps 20"


@dataclass
class Study(Settings):
    """A settings file in `lm_studies/`."""

    question: str
    methods: dict[str, str]
    """Name in the tables -> method and options of `hindsight sandbox train`."""
    seeds: list[int] = field(default_factory=list)
    conditions: dict[str, str] = field(default_factory=lambda: {"all": ""})
    """Name -> options of its runs. Each condition has a table of its own."""
    options: str = ""
    """Options of every run. Those of a condition, of a method, and of the grid come after them."""
    reference: str | None = None
    """The method with which the others are compared."""
    grid: dict[str, list[float]] = field(default_factory=dict)
    """Option -> the values that are tried, for every method alike."""
    tuning_seeds: list[int] = field(default_factory=list)
    best_for_each: list[str] = field(default_factory=list)
    """Options of the grid that tuning does not choose: the best cell is reported for each of their values."""


Cell = dict[str, float]
"""A cell of the grid: option -> value."""


class Runner:
    """The runs of a study."""

    def __init__(self, study: Study, config: StudyConfig, name: str):
        self.study, self.config = study, config
        self.folder = config.runs / f"lm_{name}{'_quick' if config.quick else ''}"
        self.bases = str(config.runs / "lm_bases")

    def wanted(self, condition: str, method: str, seed: int, cell: Cell) -> Wanted:
        """One run."""
        arm, *own = shlex.split(self.study.methods[method])
        given = [f"--{name}={value:g}" for name, value in cell.items()]
        words = ["--arms", arm, *shlex.split(self.study.options), *shlex.split(self.study.conditions[condition])]
        words += [*own, *given, *(shlex.split(QUICK) if self.config.quick else [])]
        label = "-".join([method.replace(", ", "-"), *(f"{value:g}" for value in cell.values()), str(seed)])
        return Wanted(self.folder / condition / label, method, condition, seed, tuple(words))

    def rows(self, wanted: list[Wanted]) -> list[dict[str, Any]]:
        """Train the missing runs; returns what a result file keeps of each."""
        make(wanted, self.bases, self.config.jobs)
        return [read(each) for each in wanted]

    def tuned(self, condition: str) -> dict[str, list[dict[str, Any]]]:
        """Every cell of the grid with its accuracy on the tuning seeds, and the best one of each method."""
        grid, seeds = self.study.grid, self.study.tuning_seeds
        cells = [dict(zip(grid, values, strict=True)) for values in product(*grid.values())]
        pairs = [(method, cell) for method in self.study.methods for cell in cells]
        rows = iter(self.rows([self.wanted(condition, m, seed, cell) for m, cell in pairs for seed in seeds]))
        found = []
        for method, cell in pairs:
            own = [next(rows) for _ in seeds]
            finals, greedy = ([row[key][-1] for row in own] for key in ("accuracy", "greedy"))
            mean = round(statistics.mean(finals), 4)
            found.append({"method": method, "options": cell, "accuracy": finals, "mean": mean, "greedy": greedy})
        groups: dict[Any, list[dict[str, Any]]] = {}
        for each in found:
            kept = [each["options"][name] for name in self.study.best_for_each]
            groups.setdefault((each["method"], *kept), []).append(each)
        return {"best": [max(group, key=lambda each: each["mean"]) for group in groups.values()], "cells": found}

    def condition(self, name: str) -> dict[str, Any]:
        """Everything under one condition."""
        found: dict[str, Any] = self.tuned(name) if self.study.grid else {}
        chosen = {each["method"]: each["options"] for each in found.get("best", ())}
        for each in found.get("cells", ()):
            shown = "  ".join(f"{value:.3f}" for value in each["accuracy"])
            mark = "   best" if each in found["best"] else ""
            print(f"{name}  {each['method']:<20} {each['options']}   {each['mean']:.3f}   {shown}{mark}")
        if self.study.seeds:
            methods = self.study.methods
            pairs = [(method, seed) for seed in self.study.seeds for method in methods]
            rows = self.rows([self.wanted(name, *pair, chosen.get(pair[0], {})) for pair in pairs])
            found |= {"table": table(rows, self.study.reference), "runs": rows}
            show(name, found["table"])
        return found


def main() -> None:
    """Train the missing runs, and compare."""
    config = tyro.cli(StudyConfig, description=__doc__)
    study, name = Study.load("lm_studies", config.study), Path(config.study).stem
    if config.quick:
        study.seeds, study.tuning_seeds = study.seeds[:1], study.tuning_seeds[:1]
        study.conditions = dict(list(study.conditions.items())[:1])
        study.grid = {option: values[:2] for option, values in study.grid.items()}
    runner = Runner(study, config, name)
    out = config.out or (None if config.quick else RESULTS / f"lm_{name}.json")
    first = runner.wanted(next(iter(study.conditions)), next(iter(study.methods)), 0, {}).config(runner.bases)
    ignored = ("arms", "seed", "out", "resume", "json", "jobs", "constraints", "base")
    settings = {k: v for k, v in to_json(first).items() if k not in ignored}
    result = {"study": vars(study), "settings": settings, "conditions": {}}
    for each in study.conditions:
        result["conditions"][each] = runner.condition(each)
        if out:
            write(out, result)


if __name__ == "__main__":
    main()
