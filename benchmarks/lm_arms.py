"""Compare the sandbox's methods at equal rollouts: several seeds each, three regimes, intervals over seeds.

    python benchmarks/lm_arms.py --out results/lm_arms.json

Each run has its own folder under --runs; finished runs are skipped. Two runs at a time, one thread each. All methods of
a seed start from the same base model. The result file holds means with 95 % intervals, learning curves, cost, the
rollouts at which a method reaches the final accuracy of `fraction`, accuracy at equal time, and every run.
"""

import shlex
from dataclasses import dataclass
from pathlib import Path

import tyro
from lm_runs import Wanted, make, read, show, table, write

from hindsight_rl.lm.sandbox.config import to_json


@dataclass
class ArmsConfig:
    """What to compare."""

    arms: tuple[str, ...] = ("rlvr", "fraction", "hir", "retarget")
    seeds: tuple[int, ...] = tuple(range(200, 208))
    regimes: tuple[str, ...] = ("7-8", "5-7", "3-6")
    rollouts: int = 30_720
    runs: str = "runs/lm_arms"
    jobs: int = 2
    reference: str = "fraction"
    """The method with which the others are compared."""
    extra: str = ""
    """More arguments for every `hindsight sandbox train`, e.g. `--extra="--update.minibatch 32"`."""
    out: str | None = None


def main() -> None:
    """Train the missing runs, then compare."""
    config = tyro.cli(ArmsConfig, description=__doc__)
    wanted = [
        Wanted(
            Path(config.runs) / regime / f"{arm}-{seed}",
            arm,
            regime,
            seed,
            ("--arms", arm, "--rollouts", str(config.rollouts), *shlex.split(config.extra)),
        )
        for regime in config.regimes
        for seed in config.seeds
        for arm in config.arms
    ]
    bases = str(Path(config.runs) / "bases")
    make(wanted, bases, config.jobs)
    rows = [read(each) for each in wanted]
    settings = to_json(wanted[0].config(bases))
    result = {
        "settings": {
            k: v
            for k, v in settings.items()
            if k not in ("arms", "seed", "out", "resume", "json", "jobs", "constraints", "base")
        },
        "learning_rates": {each.name: each.config(bases).chosen(each.name).learning_rate for each in wanted},
        "reference": config.reference,
        "regimes": {
            regime: table([row for row in rows if row["regime"] == regime], config.reference)
            for regime in config.regimes
        },
        "runs": rows,
    }
    for regime in config.regimes:
        show(f"{regime} constraints", result["regimes"][regime])  # type: ignore[index]
    write(config.out, "lm_arms.py", result)


if __name__ == "__main__":
    main()
