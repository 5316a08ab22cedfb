"""Instructions with growing shares of dependent constraints: dependency-closed rewriting against plain dropping.

    python benchmarks/lm_dependent.py --out results/lm_dependent.json

"Bullet 2 moon" presupposes "2 bullets". If "2 bullets" failed, closed rewriting drops both; plain dropping keeps a
constraint without its prerequisite. Base models also see dependent constraints, in pairs. Runs: as in lm_arms.py.
"""

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro
from lm_runs import Wanted, make, read, show, table, write

# name -> method and arguments
WAYS: dict[str, tuple[str, str]] = {
    "fraction": ("fraction", ""),
    "hir, closed": ("hir", ""),
    "hir, plain": ("hir", "--no-closed"),
    "retarget, closed": ("retarget", ""),
    "retarget, plain": ("retarget", "--no-closed"),
}


@dataclass
class DependentConfig:
    """What to compare."""

    shares: tuple[float, ...] = (0.0, 0.2, 0.4)
    """Shares of constraints that presuppose another constraint."""
    taught: float = 0.3
    """The share in pretraining."""
    seeds: tuple[int, ...] = tuple(range(200, 205))
    regime: str = "6-8"
    rollouts: int = 30_720
    runs: str = "runs/lm_dependent"
    jobs: int = 2
    extra: str = ""
    out: str | None = None


def main() -> None:
    """Train the missing runs, then compare."""
    config = tyro.cli(DependentConfig, description=__doc__)
    bases = str(Path(config.runs) / "bases")
    wanted: dict[float, list[Wanted]] = {}
    for share in config.shares:
        for seed in config.seeds:
            for name, (arm, arguments) in WAYS.items():
                words = ["--arms", arm, "--rollouts", str(config.rollouts), "--dependent", str(share)]
                words += [
                    "--pretrain.dependent",
                    str(config.taught),
                    *shlex.split(config.extra),
                    *shlex.split(arguments),
                ]
                path = Path(config.runs) / f"{share:g}" / f"{name.replace(', ', '-')}-{seed}"
                wanted.setdefault(share, []).append(Wanted(path, name, config.regime, seed, tuple(words)))
    make([each for row in wanted.values() for each in row], bases, config.jobs)
    tables: dict[str, Any] = {}
    for share, row in wanted.items():
        tables[f"{share:g}"] = table([read(each) for each in row], "fraction")
        show(f"share {share:g}, {config.regime} constraints", tables[f"{share:g}"])
    result = {
        "regime": config.regime,
        "rollouts": config.rollouts,
        "taught": config.taught,
        "ways": {name: f"{arm} {arguments}".strip() for name, (arm, arguments) in WAYS.items()},
        "shares": tables,
    }
    write(config.out, "lm_dependent.py", result)


if __name__ == "__main__":
    main()
