"""Train an agent to follow instructions, from its own failures.

hindsight agent train --method oir --env classic-32 --total-timesteps 1500000 --seed 0 --out runs/oir
hindsight agent train --preset gpu --out runs/gpu
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from hindsight_rl.agent.envs import make_env
from hindsight_rl.agent.relabeling.relabeler import Relabeler
from hindsight_rl.agent.training.config import TrainConfig, check_one_seed, load_config
from hindsight_rl.agent.training.loop import train_runs
from hindsight_rl.agent.training.presets import preset_of, word_after
from hindsight_rl.agent.training.sharding import first_process
from hindsight_rl.run import Run


def train(config: TrainConfig, relabeler: Relabeler | None = None) -> Path:
    """Train, and evaluate at the end.

    Args:
        config: the settings.
        relabeler: used instead of the relabeler in the settings.

    Returns:
        the run folder: config, metrics, relabels, buffer decisions, checkpoints, evaluation.

    Raises:
        HindsightError: bad settings, a folder in use, no space, a diverging loss.
    """
    check_one_seed(config)
    return train_seeds(config, [config.seed], [config.out], relabeler)[0]


def train_seeds(
    config: TrainConfig, seeds: Sequence[int], outs: Sequence[str], relabeler: Relabeler | None = None
) -> list[Path]:
    """As :func:`train`, for several seeds in parallel in one program, each with its own run folder."""
    return [each.run.path for each in train_runs(config, seeds, outs, relabeler)]


def _defaults(argv: Sequence[str]) -> TrainConfig:
    """The defaults of the options: from the preset and the method, or from the run that is resumed.

    Raises:
        HindsightError: no such preset, method or run.
    """
    config = preset_of(argv)
    if "--resume" not in argv:
        return config
    out, seeds = word_after("--out", argv) or config.out, word_after("--seeds", argv)
    if seeds is not None and seeds != "1":
        out += f"-{word_after('--seed', argv) or config.seed}"
    stored = load_config(Run.open(out, kind="agent"))
    return dataclasses.replace(stored, out=config.out, resume=False, seeds=1, settled=True)


def main(argv: list[str]) -> int:
    """`hindsight agent train`."""
    import tyro

    config = tyro.cli(TrainConfig, args=argv, prog="hindsight agent train", default=_defaults(argv))
    if config.seeds > 1:
        seeds = range(config.seed, config.seed + config.seeds)
        paths = train_seeds(config, list(seeds), [f"{config.out}-{seed}" for seed in seeds])
    else:
        paths = [train(config)]
    if first_process():
        several, first = " ".join(map(str, paths)), make_env(config.env, config.observation).instructions[0]
        print(f'run: {several}   next: hindsight report {several}   hindsight agent watch {paths[0]} "{first}"')
    return 0
