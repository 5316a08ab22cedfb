"""Vary one choice of a method at a time in the sandbox, from the same base models, and measure its effect.

    python benchmarks/lm_ablations.py --arm hir --out results/lm_ablations.json

Runs are made as in lm_arms.py. The unchanged method replays two failures per prompt, like the paper. With the
sandbox's default of eight, every failure is replayed, so lambda and selection have no effect.
"""

import shlex
from dataclasses import dataclass
from pathlib import Path

import tyro
from lm_runs import Wanted, make, read, show, table, write

from hindsight_rl.errors import HindsightError
from hindsight_rl.lm.methods import METHODS

# name -> arguments in addition to the method's own
VARIANTS: dict[str, str] = {
    "lambda0-0": "--lambda-start 0",
    "lambda0-0.8": "--lambda-start 0.8",
    "lambda0-5": "--lambda-start 5",
    "lambda0-10": "--lambda-start 10",
    "lambda-level": "--lambda-growth 0",
    "random": "--strategy random",
    "integrity": "--strategy integrity",
    "diversity": "--strategy diversity",
    "group": "--scope group",
    "pooled": "--advantage pooled",
    "old-original": "--old-logps original",
    "pooled-old-original": "--advantage pooled --old-logps original",
    "unclipped": "--no-clip-replays",
    "old-original-unclipped": "--old-logps original --no-clip-replays",
    "kl-0.001": "--kl 0.001",
    "epochs-2": "--update.epochs 2",
    "decay": "--update.decay 0.1",
    "advantage-0.5": "--replay-advantage 0.5",
    "advantage-2": "--replay-advantage 2",
    "replays-1": "--replays-per-prompt 1",
    "replays-4": "--replays-per-prompt 4",
    "replays-8": "--replays-per-prompt 8",
}
# name -> method and arguments, compared with the unchanged method
OTHERS: dict[str, tuple[str, str]] = {
    "rlvr-rows": ("rlvr", "--repeat"),
    "hir-shuffled": ("hir", "--layout shuffled"),
    "hir-numbered": ("hir", "--layout numbered"),
    "hir-bullets": ("hir", "--layout bullets"),
    "hir-bare": ("hir", "--layout bare"),
    "hir-mixed": ("hir", "--layout mixed"),
}


@dataclass
class AblationsConfig:
    """What to vary."""

    arm: str = "hir"
    """The method whose choices are varied."""
    variants: tuple[str, ...] = tuple(VARIANTS)
    references: tuple[str, ...] = ("rlvr", "fraction", "keep", *OTHERS)
    """Methods to compare with it, or names of OTHERS."""
    seeds: tuple[int, ...] = tuple(range(200, 205))
    regime: str = "7-8"
    rollouts: int = 30_720
    per_prompt: int = 2
    """Replays per prompt of the unchanged method."""
    runs: str = "runs/lm_ablations"
    jobs: int = 2
    extra: str = ""
    """More arguments for every run, as in lm_arms.py."""
    out: str | None = None


def main() -> None:
    """Train the missing runs, then compare with the unchanged method."""
    config = tyro.cli(AblationsConfig, description=__doc__)
    unknown = [name for name in config.variants if name not in VARIANTS]
    if unknown:
        raise HindsightError(f"unknown variant '{unknown[0]}': one of {', '.join(VARIANTS)}")
    names = {config.arm: (config.arm, "")}
    names |= {variant: (config.arm, VARIANTS[variant]) for variant in config.variants}
    names |= {name: OTHERS.get(name, (name, "")) for name in config.references}
    wanted = []
    for seed in config.seeds:
        for name, (arm, arguments) in names.items():
            folder = name if name in METHODS or name in OTHERS else f"{arm}+{name}"
            words = ["--arms", arm, "--rollouts", str(config.rollouts)]
            words += ["--replays-per-prompt", str(config.per_prompt), *shlex.split(config.extra)]
            path = Path(config.runs) / config.regime / f"{folder}-{seed}"
            wanted.append(Wanted(path, name, config.regime, seed, (*words, *shlex.split(arguments))))
    make(wanted, str(Path(config.runs) / "bases"), config.jobs)
    rows = [read(each) for each in wanted]
    result = {
        "arm": config.arm,
        "regime": config.regime,
        "rollouts": config.rollouts,
        "variants": {name: f"{arm} {arguments}".strip() for name, (arm, arguments) in names.items()},
        "table": table(rows, config.arm),
        "runs": rows,
    }
    show(f"{config.arm}, {config.regime} constraints", result["table"])  # type: ignore[arg-type]
    write(config.out, "lm_ablations.py", result)


if __name__ == "__main__":
    main()
