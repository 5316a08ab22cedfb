"""Run a study of the agent from its settings file; runs that are done are not run again.

    python benchmarks/agent_study.py methods            # agent_studies/methods.toml, writes results/agent_methods.json
    python benchmarks/agent_study.py methods --quick    # tiny sizes: does everything run?

A study trains every method on several seeds, one core per run, and evaluates it in held-out worlds by true events. The
result file has mean and spread over seeds per method, and every run in short. With cells, the study tunes: every cell
is run on the first seed; on the other seeds the defaults and, of each method, the best of its other cells. A method
leaves the defaults only for a cell that is ahead by more than the margin over all seeds. A study of costs trains
nothing: agent_costs.py times the parts of training. agent_pages.py makes tables and figures from the result files.
"""

import statistics
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import tyro
from agent_runs import COVERAGE, Runner, Study, StudyConfig, summary
from served import served
from studies import RESULTS, spread, write

from hindsight_rl.agent.training.config import TrainConfig, setting
from hindsight_rl.errors import HindsightError
from hindsight_rl.run import Run


def compare(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Mean and spread over seeds, per method."""
    table: dict[str, Any] = {}
    for method in dict.fromkeys(row["method"] for row in rows):
        own = [row for row in rows if row["method"] == method]
        first = own[0]
        table[method] = {name: spread([row["mean"][name] for row in own]) for name in first["mean"]}
        table[method]["achievements_per_trial"] = spread([row["achievements_per_trial"] for row in own])
        for name, means in first.get("evaluations", {}).items():
            table[method][name] = {part: spread([row["evaluations"][name][part] for row in own]) for part in means}
        table[method]["early_success"] = spread([row["early_success"] for row in own])
        table[method]["forgotten"] = spread([statistics.mean(row["lost"].values()) for row in own])
        table[method]["given"] = _means(own, "given")
        table[method]["canonical_by_event"] = _means(own, "canonical")
        table[method]["curve"] = [
            [step, spread([row["curve"][i][1] for row in own])] for i, (step, _) in enumerate(first["curve"])
        ]
        if all("instructions" in row for row in own):  # success of each instruction at each evaluation
            table[method]["instructions"] = {
                event: [
                    round(statistics.mean(values), 4)
                    for values in zip(*(row["instructions"][event] for row in own), strict=True)
                ]
                for event in first["instructions"]
            }
        if "coverage" in first:
            table[method]["coverage"] = [
                {"step": rows[0][0]} | {name: spread([row[i] for row in rows]) for i, name in enumerate(COVERAGE, 1)}
                for rows in zip(*(row["coverage"] for row in own), strict=True)
            ]
        table[method]["most_lost"] = max((value, event) for event, value in _means(own, "lost").items())
    return table


def _means(rows: list[dict[str, Any]], name: str) -> dict[str, float]:
    return {key: round(statistics.mean(row[name][key] for row in rows), 4) for key in rows[0][name]}


def methods(runner: Runner) -> dict[str, Any]:
    """Train what is missing, and compare the methods."""
    study = runner.study
    wanted = [
        (method, seed)
        for number, seed in enumerate(study.seeds)
        for method in study.methods
        if number < study.seeds_of.get(method, len(study.seeds))
    ]

    def one(pair: tuple[str, int]) -> dict[str, Any]:
        row = summary(runner, pair[0], runner.run(*pair))
        print(f"{row['method']:13} seed {row['seed']}  {row['mean']}", flush=True)
        return row

    with ThreadPoolExecutor(runner.config.jobs) as pool:
        rows = list(pool.map(one, wanted))
    ignored = ("method", "seed", "out", "resume", "machine", "kind", "endpoint")
    stored = Run(runner.run(*wanted[0])).read("config.json")
    found = compare(rows)
    for name, row in found.items():
        sets = next(each["mean"] for each in rows if each["method"] == name)
        means = "  ".join(f"{k} {row[k]['mean']:.3f} ± {row[k]['standard_error']:.3f}" for k in sets)
        print(f"{name:13} {means}")
    settings = {k: v for k, v in stored.items() if k not in ignored}
    return {"env": stored["env"], "settings": settings, "methods": found, "runs": rows}


def value_of(study: Study, method: str, path: Path) -> float:
    """What tuning judges a run by: mean success over the canonical instructions.

    The method `game` follows no instruction: it is judged by the achievements of a trial, as a share of all.
    """
    result = Run(path).read(f"evaluations/{next(iter(study.evaluations))}.json")
    if study.methods[method].split()[0] != "game":
        return round(float(result["mean"]["canonical"]), 4)
    rows = result["canonical"]
    return round(statistics.mean(row["achievements"] for row in rows) / len(rows), 4)


def tuning(runner: Runner) -> dict[str, Any]:
    """Run what is missing, and choose each method's cell."""
    study = runner.study
    default, *cells = study.cells
    if default:
        raise HindsightError('cells: the first must be the defaults, ""')
    first, *others = study.seeds

    def value(method: str, cell: str, seed: int) -> float:
        found = value_of(study, method, runner.run(method, seed, cell))
        print(f"{method:13} {cell or 'defaults':26} seed {seed}  {found:.4f}", flush=True)
        return found

    with ThreadPoolExecutor(runner.config.jobs) as pool:
        screened = {(m, c): pool.submit(value, m, c, first) for m in study.methods for c in study.cells}
        values = {pair: [future.result()] for pair, future in screened.items()}
        # The defaults are what another cell has to beat, so they are always among the two.
        ahead = [(m, c) for m in study.methods for c in (default, max(cells, key=lambda c: values[m, c][0]))]
        again = {pair: [pool.submit(value, *pair, seed) for seed in others] for pair in ahead}
        for pair, futures in again.items():
            values[pair] += [future.result() for future in futures]
    config = runner.settings(next(iter(study.methods)), first)
    result: dict[str, Any] = {
        "settings": {"total_timesteps": config.total_timesteps, "env": config.env, "seeds": study.seeds,
                     "margin": study.margin},
        "methods": {},
    }  # fmt: skip
    for m in study.methods:
        found: list[dict[str, Any]] = [
            {"settings": c, "values": values[m, c], "mean": round(statistics.mean(values[m, c]), 4)}
            for c in study.cells
        ]
        best = choose([each for each in found if len(each["values"]) == len(study.seeds)], study.margin)
        result["methods"][m] = {"cells": found, "chosen": whole(study.cells, best["settings"])}
        result["methods"][m]["defaults"] = whole(study.cells, "")
        print(f"{m}: {best['settings'] or 'the defaults'}")
    return result


def choose(cells: list[dict[str, Any]], margin: float) -> dict[str, Any]:
    """The cell whose settings a method gets, of its cells that were run on all seeds; the defaults first."""
    best = max(cells, key=lambda cell: cell["mean"])
    return best if best["mean"] > cells[0]["mean"] + margin else cells[0]


def whole(cells: Sequence[str], chosen: str) -> dict[str, str]:
    """A cell as all settings that any cell names, the defaults written out."""
    names = dict.fromkeys(each.split("=")[0] for cell in cells for each in cell.split())
    defaults = {name: str(setting(TrainConfig(), name.replace("-", "_"))) for name in names}
    return defaults | dict(each.split("=") for each in chosen.split())


def main() -> None:
    """Run what is missing, compare, and write the result file."""
    config = tyro.cli(StudyConfig, description=__doc__)
    study, name = Study.load("agent_studies", config.study), Path(config.study).stem
    out = config.out or (None if config.quick else RESULTS / f"agent_{name}.json")
    if study.costs:
        from agent_costs import Costs, measure

        result = measure(Costs(**study.costs), config.quick)
    else:
        if config.quick:
            study.methods, study.seeds = dict(list(study.methods.items())[:2]), study.seeds[:1]
            study.cells = study.cells[:2]
        runner = Runner(study, config, name)
        with served(study.serve) if study.serve else nullcontext():
            result = tuning(runner) if study.cells else methods(runner)
    if out:
        write(out, {"study": vars(study), **result})


if __name__ == "__main__":
    main()
