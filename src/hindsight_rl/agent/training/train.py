"""Train an agent to follow instructions in Craftax, from its own failures.

    hindsight agent train --method oir --world classic-32 --steps 1500000 --seed 0 --out runs/oir
    hindsight agent train --preset gpu --out runs/gpu

Between stretches of training inside `jit`, the host relabels a few trajectories, verifies the relabels, offers
them to the instruction buffer, and lays down new tables; text never enters the training step.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax

from hindsight_rl.agent.envs import make_world
from hindsight_rl.agent.envs.bank import cache_dir
from hindsight_rl.agent.evaluation.evaluate import evaluate_run
from hindsight_rl.agent.relabeling.relabeler import Relabeler
from hindsight_rl.agent.relabeling.sources import relabeler_of
from hindsight_rl.agent.training.checkpoint import Checkpoints
from hindsight_rl.agent.training.cohort import Cohort
from hindsight_rl.agent.training.config import TrainConfig, load_config
from hindsight_rl.agent.training.presets import preset_of
from hindsight_rl.agent.training.progress import Progress
from hindsight_rl.agent.training.sharding import first_process, meet
from hindsight_rl.agent.training.trainer import Trainer
from hindsight_rl.errors import HindsightError
from hindsight_rl.run import ReadOnlyRun, Run, machine


def train(config: TrainConfig, relabeler: Relabeler | None = None) -> Path:
    """Train, and evaluate at the end.

    Args:
        config: the settings.
        relabeler: another source of relabels than the templates.

    Returns:
        the run folder: config, metrics, relabels, buffer decisions, checkpoints, evaluation.

    Raises:
        HindsightError: bad settings, a folder in use, no space, a diverging loss.
    """
    return train_seeds(config, [config.seed], [config.out], relabeler)[0]


def train_seeds(
    config: TrainConfig, seeds: Sequence[int], outs: Sequence[str], relabeler: Relabeler | None = None
) -> list[Path]:
    """As :func:`train`, several seeds side by side in one program, each with a run folder of its own."""
    config.processes.join()
    if len(seeds) > 1 and (config.relabeler == "llm" or relabeler is not None):
        raise HindsightError("--seeds: with a relabeler beside training, train one seed at a time")
    configs = [_settings(dataclasses.replace(config, seed=s, out=o)) for s, o in zip(seeds, outs, strict=True)]
    compile_cache()
    if not config.resume:
        make_world(config.world, config.observation)  # refuse a bad name before a folder is made
    trainers, saved = [], []
    for own in configs:
        trainer = Trainer(own, _folder(own), relabeler)
        trainer.relabeler = relabeler or relabeler_of(own, trainer.reward, trainer.run)
        checkpoints = Checkpoints(trainer.run.path / "checkpoints")
        if config.resume and checkpoints.latest() is not None:
            trainer.restore(checkpoints)
        for name in ("metrics.jsonl", "relabels.jsonl", "buffer.jsonl"):
            trainer.run.cut_back(name, trainer.step)
        if config.resume and trainer.source:
            trainer.source.resume()
        trainers.append(trainer)
        saved.append(checkpoints)
    try:
        _loop(Cohort(trainers), saved)
    finally:
        for trainer in trainers:
            if trainer.source:
                trainer.source.close()
    for trainer in trainers:
        if trainer.config.final_eval:
            evaluate_run(trainer.run, trainer.policy)
    meet("trained")
    return [trainer.run.path for trainer in trainers]


def _settings(config: TrainConfig) -> TrainConfig:
    """The settings asked for or, on resume, those that the run was made with."""
    if config.resume:
        stored = load_config(Run.open(config.out, kind="agent"))
        config = dataclasses.replace(stored, out=config.out, resume=True, processes=config.processes)
    return config.checked()


def _folder(config: TrainConfig) -> Run:
    """The run, made by the first process and read by the others."""
    writes = first_process()
    if not config.resume and writes:
        settings = {k: v for k, v in dataclasses.asdict(config).items() if k != "processes"}
        devices = {"devices": jax.device_count(), "device": jax.devices()[0].device_kind}
        Run.create(config.out, {**settings, "machine": machine() | devices}, kind="agent")
    meet("folder")
    return (Run if writes else ReadOnlyRun).open(config.out, kind="agent")


def _loop(cohort: Cohort, saved: Sequence[Checkpoints]) -> None:
    """Train to the end, with a look at the policy and a checkpoint now and then."""
    lead = cohort.trainers[0]
    config = lead.config

    def due(times: int) -> bool:
        """Is this stretch the last, or one of ``times`` evenly spaced ones?"""
        return times > 0 and lead.stretch * times // lead.stretches > (lead.stretch - 1) * times // lead.stretches

    total = lead.stretches * lead.steps_per_stretch
    with Progress(config.method, total, lead.step, silent=not first_process()) as progress:
        while lead.stretch < lead.stretches:
            rows: list[dict[str, Any]] = cohort.advance()
            if due(config.eval_every) or due(config.checkpoints):
                cohort.part()
            for trainer, metrics, checkpoints in zip(cohort.trainers, rows, saved, strict=True):
                if due(config.eval_every):
                    metrics["success"] = trainer.evaluate()
                trainer.run.append("metrics.jsonl", metrics)
                if due(config.checkpoints):
                    trainer.save(checkpoints)
            progress.show(rows[0])
    cohort.part()


def compile_cache() -> None:
    """Keep compiled programs on disk, so that the second run starts in seconds."""
    jax.config.update("jax_compilation_cache_dir", str(cache_dir() / "xla"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 1.0)


def main(argv: list[str]) -> int:
    """`hindsight agent train`."""
    import tyro

    config = tyro.cli(TrainConfig, args=argv, prog="hindsight agent train", default=preset_of(argv))
    if config.seeds > 1:
        seeds = range(config.seed, config.seed + config.seeds)
        paths = train_seeds(config, list(seeds), [f"{config.out}-{seed}" for seed in seeds])
    else:
        paths = [train(config)]
    if first_process():
        several = " ".join(map(str, paths))
        print(f'run: {several}   next: hindsight report {several}   hindsight agent watch {paths[0]} "collect wood"')
    return 0
