"""The runs of a study of the sandbox, each made only once, and the table of a condition."""

import dataclasses
import multiprocessing
import statistics
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from studies import interval

from hindsight_rl.errors import HindsightError
from hindsight_rl.lm.sandbox.config import SandboxConfig, from_json, parsed, to_json
from hindsight_rl.lm.sandbox.pretrain import base_model
from hindsight_rl.lm.sandbox.train import train
from hindsight_rl.run import Run

# Settings that do not change the results of a run.
OF_NO_EFFECT = ("out", "resume", "json", "jobs", "base", "checkpoints", "examples")


@dataclasses.dataclass(frozen=True)
class Wanted:
    """One run: its folder, its name in the tables, and the arguments of `hindsight sandbox train`."""

    path: Path
    name: str
    condition: str
    seed: int
    arguments: tuple[str, ...]

    def config(self, bases: str) -> SandboxConfig:
        """The settings of the run."""
        given = ["--out", str(self.path), "--seed", str(self.seed), "--jobs", "1"]
        return parsed([*given, "--base", bases, *self.arguments]).checked()


def _pretrain(config: SandboxConfig) -> None:
    import torch

    torch.set_num_threads(1)
    assert config.base
    rules = (config.pretrain, config.model, config.seed)
    base_model(Path(config.base), *rules, lambda step, loss: None, config.the_task)


def effective(config: SandboxConfig) -> dict[str, Any]:
    """The effective settings of a run of one method: defaults of the method equal the same values given explicitly."""
    values = {k: v for k, v in to_json(config).items() if k not in OF_NO_EFFECT}
    name = config.names[0]
    method = dataclasses.asdict(config.chosen(name))
    values["update"] = {k: v for k, v in values["update"].items() if k not in method}
    replay, buffer = dataclasses.asdict(config.replay_config(name)), dataclasses.asdict(config.buffer_config(name))
    return values | {"method": method, "replay": replay | buffer}


def done(wanted: Wanted, config: SandboxConfig) -> bool:
    """Whether the run is there, complete.

    Raises:
        HindsightError: it was made, or begun, with other settings.
    """
    if not (wanted.path / "config.json").exists():
        return False
    stored = from_json(Run.open(wanted.path, kind="lm").read("config.json"), str(wanted.path / "config.json"))
    settings, before = effective(config), effective(stored)
    differ = [k for k, v in settings.items() if before[k] != v]
    if differ:
        raise HindsightError(f"{wanted.path} was made with another {', '.join(differ)}: choose other --runs")
    if not (wanted.path / "eval.json").exists():
        return False
    return all(row["done"] for row in Run(wanted.path).read("eval.json")["arms"].values())


def _train(wanted: Wanted, config: SandboxConfig) -> str:
    train(dataclasses.replace(config, resume=(wanted.path / "config.json").exists()))
    row = Run(wanted.path).read("eval.json")["arms"][config.names[0]]
    return f"{wanted.path}  accuracy {row['accuracy'][-1]:.3f}  {row['cpu_seconds'][-1]:.0f} s of CPU"


def make(wanted: Sequence[Wanted], bases: str, jobs: int) -> None:
    """Train the missing runs, `jobs` at a time, one thread each; base models are trained first, each once."""
    configs = [each.config(bases) for each in wanted]
    missing = [(each, config) for each, config in zip(wanted, configs, strict=True) if not done(each, config)]
    if not missing:
        return
    models = {repr((c.task, c.seed, c.pretrain, c.model)): c for _, c in missing}
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool:
        list(pool.map(_pretrain, models.values()))
        for number, line in enumerate(pool.map(_train, *zip(*missing, strict=True)), start=1):
            print(f"{number} of {len(missing)}  {line}", flush=True)


def read(wanted: Wanted) -> dict[str, Any]:
    """The part of a run that goes into a result file."""
    arms = Run.open(wanted.path, kind="lm").read("eval.json")["arms"]
    (name, row), *_ = arms.items()
    kept = (
        "rollouts",
        "accuracy",
        "greedy",
        "constraint_accuracy",
        "cpu_seconds",
        "seconds",
        "rows",
        "by_count",
        "area",
        "entropy",
        "length",
        "by_kind",
        "by_kind_before",
    )
    about = {"name": wanted.name, "arm": name, "condition": wanted.condition, "seed": wanted.seed}
    return about | {k: row[k] for k in kept} | {k: row[k] for k in ("margins", "attention") if k in row}


def _known(values: Sequence[float | None]) -> dict[str, Any] | None:
    """The interval of the values that could be measured; None without any."""
    found = [value for value in values if value is not None]
    return interval(found) if found else None


def at(xs: Sequence[float], ys: Sequence[float], x: float) -> float:
    """The curve's value at x: linear between its points, constant after the last point."""
    for (x0, y0), (x1, y1) in zip(zip(xs, ys, strict=True), zip(xs[1:], ys[1:], strict=True), strict=False):
        if x <= x1:
            return y0 + (y1 - y0) * (x - x0) / (x1 - x0) if x1 > x0 else y1
    return ys[-1]


def reached(xs: Sequence[float], ys: Sequence[float], y: float) -> float | None:
    """The x at which the curve first reaches y, linear between its points; None if it never does."""
    if ys[0] >= y:
        return xs[0]
    for (x0, y0), (x1, y1) in zip(zip(xs, ys, strict=True), zip(xs[1:], ys[1:], strict=True), strict=False):
        if y1 >= y:
            return x0 + (x1 - x0) * (y - y0) / (y1 - y0)
    return None


def table(rows: Sequence[dict[str, Any]], reference: str | None) -> dict[str, Any]:
    """Means and intervals over seeds per name, of rows of one condition; against the reference where it is there.

    `rollouts_to_reference`: where the mean curve reaches the reference's mean final accuracy. `at_equal_time`:
    accuracy at the CPU seconds of the cheapest. `over_reference`: paired differences of final accuracy, seed by seed.
    """
    names = list(dict.fromkeys(row["name"] for row in rows))
    own = {name: [row for row in rows if row["name"] == name] for name in names}
    cheapest = min(statistics.mean(row["cpu_seconds"][-1] for row in own[name]) for name in names)
    finals = {name: {row["seed"]: row["accuracy"][-1] for row in own[name]} for name in names}
    target = statistics.mean(finals[reference].values()) if reference in finals else None
    result: dict[str, Any] = {"equal_time_cpu_seconds": round(cheapest, 1), "names": {}}
    for name in names:
        runs = own[name]
        rollouts = runs[0]["rollouts"]
        curve = [interval([row["accuracy"][i] for row in runs]) for i in range(len(rollouts))]
        entry: dict[str, Any] = {
            "seeds": [row["seed"] for row in runs],
            "accuracy": interval(list(finals[name].values())),
            "greedy": interval([row["greedy"][-1] for row in runs]),
            "constraint_accuracy": interval([row["constraint_accuracy"][-1] for row in runs]),
            "area": interval([row["area"] for row in runs]),
            "by_count": {
                count: interval([row["by_count"][count] for row in runs if count in row["by_count"]])
                for count in runs[0]["by_count"]
            },
            "curve": {"rollouts": rollouts, "accuracy": curve},
            "rows": round(statistics.mean(row["rows"][-1] for row in runs)),
            "cpu_seconds": interval([row["cpu_seconds"][-1] for row in runs]),
            "seconds": interval([row["seconds"][-1] for row in runs]),
            "at_equal_time": interval([at(row["cpu_seconds"], row["accuracy"], cheapest) for row in runs]),
        }
        for measured in ("margins", "attention"):
            if measured in runs[0]:
                entry[measured] = {
                    which: [_known([row[measured][which][i] for row in runs]) for i in range(len(rollouts))]
                    for which in runs[0][measured]
                }
        if target is not None:
            where = reached(rollouts, [point["mean"] for point in curve], target)
            entry["rollouts_to_reference"] = None if where is None else round(where)
            entry["times_reference"] = round(entry["accuracy"]["mean"] / target, 3) if target else None
            both = [seed for seed in finals[name] if seed in finals[str(reference)]]
            if name != reference and both:
                entry["over_reference"] = interval([finals[name][s] - finals[str(reference)][s] for s in both])
        result["names"][name] = entry
    return result


def show(title: str, found: dict[str, Any]) -> None:
    """Print a table of means."""
    print(f"{title}   (equal time: {found['equal_time_cpu_seconds']} s of CPU)")
    for name, row in found["names"].items():
        final, same = row["accuracy"], row["at_equal_time"]
        line = f"  {name:<22} {final['mean']:.3f} ± {final['half']:.3f}   area {row['area']['mean']:.3f}"
        line += f"   at equal time {same['mean']:.3f} ± {same['half']:.3f}   rows {row['rows']:,}"
        if row.get("times_reference") is not None:
            line += f"   {row['times_reference']:.2f} x   reached at {row['rollouts_to_reference'] or 'never'}"
        print(line)
