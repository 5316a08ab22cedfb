"""What the parts of the agent's training cost, and how each cost grows: a study of costs, run by agent_study.py.

    python benchmarks/agent_study.py scaling

One thing is varied at a time: environments, capacity of the table of goals and instructions, hindsight goals, events,
and relabels on the host. Each part runs alone, compiled as it is in training, for as many updates as an iteration
has; `total` is `TrainingRun.iterate()`, everything together. Times are medians after a warm-up, in milliseconds per
training iteration. Parts that are compiled together share work, so they need not add up to the total.
"""

import dataclasses
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import numpy as np
from scaling_parts import Case, footprint

from hindsight_rl.agent.training.loop import compile_cache
from hindsight_rl.errors import HindsightError


@dataclass
class Costs:
    """What is varied; the rest is as the preset has it. The table `[costs]` of a settings file in `agent_studies/`."""

    preset: str = "laptop"
    """Whose settings: the name of a preset of `hindsight agent train`."""
    env: str = "classic"
    """The environment."""
    num_envs: Sequence[int] = (64, 256, 1024, 4096)
    base: int = 1024
    """Number of environments while other things are varied; one of num_envs."""
    tables: Sequence[int] = (1, 4, 16)
    """Factors of the library's capacity of goals and instructions."""
    hindsight: Sequence[int] = (12, 48, 192)
    """Hindsight goals per transition."""
    events: Sequence[int] = (1, 2, 4)
    """Factors of the environment's events: they are repeated, except in the environment's own step."""
    relabels: Sequence[str] = ("4x16", "8x64", "16x256")
    """Instructions proposed per trajectory (K) x trajectories."""
    num_updates: int = 16
    """Updates of one iteration, timed together."""
    repeats: int = 5
    num_worlds: int = 256
    footprints: Sequence[str] = ("classic-32", "classic", "craftax")
    """Environments whose bytes are counted."""

    def __post_init__(self) -> None:
        if self.base not in self.num_envs:
            raise HindsightError(f"costs: base {self.base} is not one of num_envs {self.num_envs}")


TINY: dict[str, Any] = {
    "env": "classic-32", "num_envs": (16, 64), "base": 16, "tables": (1, 4), "hindsight": (12, 48), "events": (1, 2),
    "relabels": ("2x4", "4x16"), "num_updates": 2, "repeats": 3, "num_worlds": 128,
}  # fmt: skip


Parts = dict[str, dict[str, Callable[[], Any]]]  # size -> part -> one iteration of it


def axes_of(config: Costs, base: Case) -> dict[str, Parts]:
    """What is varied beside the environments."""
    axes: dict[str, Parts] = {"table": {}, "hindsight": {}, "events": {}, "relabels": {}}
    library = base.training.library
    for times in config.tables:
        tables = base.larger_tables(times)
        axes["table"][str(library.max_goals * times)] = {
            "act": partial(base.act, tables),
            "learn": partial(base.learn, tables),
            "host: tables": partial(base.host_tables, times),
        }
    for count in config.hindsight:
        axes["hindsight"][str(count)] = {"learn": partial(base.learn, hindsight=count)}
    for times in config.events:
        axes["events"][str(len(base.training.env.events) * times)] = base.more_events(times)
    base.fetch()
    for text in config.relabels:
        k, count = (int(part) for part in text.split("x"))
        axes["relabels"][str(k * count)] = {"host: relabel": partial(base.relabel, k, count)}
    return axes


def environments(case: Case) -> dict[str, Callable[[], Any]]:
    """The parts that are timed for every number of environments."""
    return {
        "total": case.training.iterate,
        "env": case.walk,
        "act": partial(case.act, case.tables),
        "replay": case.replay,
        "learn": case.learn,
        "learn, as many minibatches": partial(case.learn, minibatch=case.wide()),
    }


def timed(call: Callable[[], Any], repeats: int) -> float:
    """Milliseconds, the median after one call that does not count."""
    jax.block_until_ready(call())
    spent = []
    for _ in range(repeats):
        began = time.perf_counter()
        jax.block_until_ready(call())
        spent.append(1e3 * (time.perf_counter() - began))
    return round(statistics.median(spent), 4)


def exponent(sizes: Iterable[float], times: Iterable[float]) -> float:
    """Slope of log time over log size: 0 does not grow, 1 grows in proportion."""
    return round(float(np.polyfit(np.log(list(sizes)), np.log(list(times)), 1)[0]), 3)


def growth(parts: dict[str, dict[str, float]]) -> dict[str, Any]:
    """By part: milliseconds at every size, the fitted exponent, and that between the two largest sizes."""
    sizes = [float(size) for size in parts]
    found = {}
    for name in next(iter(parts.values())):
        times = [row[name] for row in parts.values()]
        last = exponent(sizes[-2:], times[-2:]) if len(sizes) > 1 else None
        found[name] = {"ms": times, "exponent": exponent(sizes, times) if len(sizes) > 1 else None, "last": last}
    return {"sizes": [int(size) for size in sizes], "parts": found}


def measure(config: Costs, quick: bool) -> dict[str, Any]:
    """Time every part; what a result file holds.

    Args:
        quick: tiny sizes and programs that are not optimised, to see that all of it runs.
    """
    compile_cache()
    if quick:  # compiling takes nearly all of the time, and the figures mean nothing
        config = dataclasses.replace(config, **TINY)
        jax.config.update("jax_disable_most_optimizations", True)
    with tempfile.TemporaryDirectory() as name, ThreadPoolExecutor(os.cpu_count()) as pool:
        # Compilation takes most of the time; threads share it out, and only then does the clock run.
        cases = [Case(config, num_envs, Path(name)) for num_envs in config.num_envs]
        list(pool.map(Case.begin, cases))
        base = cases[config.num_envs.index(config.base)]
        axes: dict[str, Parts] = {"environments": {str(case.num_envs): environments(case) for case in cases}}
        axes |= axes_of(config, base)
        compiled = [
            call
            for parts in axes.values()
            for row in parts.values()
            for name, call in row.items()
            if name != "total" and "host" not in name
        ]
        list(pool.map(lambda call: jax.block_until_ready(call()), compiled))
        measured = {
            axis: growth({
                size: {name: timed(call, config.repeats) for name, call in row.items()} for size, row in parts.items()
            })
            for axis, parts in axes.items()
        }  # fmt: skip
        settings, library = base.training.config, base.training.library
        embedding = int(base.training.reward.embed(["wood"]).shape[1])
        result = {
            "device": jax.devices()[0].device_kind,
            "devices": jax.device_count(),
            "versions": {name: version(name) for name in ("craftax", "jax", "flax", "optax")},
            "config": dataclasses.asdict(config),
            "base": {
                "num_steps": settings.num_steps,
                "trajectories": settings.trajectories,
                "relabels": base.relabels,
                "max_goals": library.max_goals,
                "max_instructions": library.max_instructions,
                "learning": dataclasses.asdict(settings.learning),
            },
            "steps_per_iteration": {str(case.num_envs): case.training.steps_per_iteration for case in cases},
            "bytes": {env: footprint(env, settings, embedding) for env in config.footprints},
            "axes": measured,
        }
    print(json.dumps(measured, indent=1))
    return result
