"""Train an agent to follow instructions in Craftax, from its own failures.

    hindsight agent train --method oir --world classic-32 --steps 1500000 --seed 0 --out runs/oir

Between stretches of training inside `jit`, the host relabels a few trajectories, verifies the relabels, offers
them to the instruction buffer, and lays down new tables; text never enters the training step.
"""

import dataclasses
from pathlib import Path

import jax

from hindsight_rl.agent.bank import cache_dir
from hindsight_rl.agent.checkpoint import Checkpoints
from hindsight_rl.agent.config import TrainConfig, load_config
from hindsight_rl.agent.evaluate import evaluate_run
from hindsight_rl.agent.progress import Progress
from hindsight_rl.agent.relabel import Relabeler
from hindsight_rl.agent.sources import relabeler_of
from hindsight_rl.agent.trainer import Trainer
from hindsight_rl.agent.worlds import make_world
from hindsight_rl.run import Run, machine


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
    if config.resume:
        run = Run.open(config.out, kind="agent")
        config = dataclasses.replace(load_config(run), out=config.out, resume=True)
    config = config.checked()
    compile_cache()
    if not config.resume:
        make_world(config.world, config.observation)  # refuse a bad name before a folder is made
        run = Run.create(config.out, {**dataclasses.asdict(config), "machine": machine()}, kind="agent")
    trainer = Trainer(config, run, relabeler)
    trainer.relabeler = relabeler or relabeler_of(config, trainer.reward, run)
    checkpoints = Checkpoints(run.path / "checkpoints")
    if config.resume and checkpoints.latest() is not None:
        trainer.restore(checkpoints)
    for name in ("metrics.jsonl", "relabels.jsonl", "buffer.jsonl"):
        run.cut_back(name, trainer.step)
    if config.resume and trainer.source:
        trainer.source.resume()

    def due(times: int) -> bool:
        """Is this stretch the last, or one of ``times`` evenly spaced ones?"""
        return (
            times > 0
            and trainer.stretch * times // trainer.stretches > (trainer.stretch - 1) * times // trainer.stretches
        )

    try:
        with Progress(config.method, trainer.stretches * trainer.steps_per_stretch, trainer.step) as progress:
            while trainer.stretch < trainer.stretches:
                metrics = trainer.advance()
                if due(config.eval_every):
                    metrics["success"] = trainer.evaluate()
                run.append("metrics.jsonl", metrics)
                progress.show(metrics)
                if due(config.checkpoints):
                    trainer.save(checkpoints)
    finally:
        if trainer.source:
            trainer.source.close()
    if config.final_eval:
        evaluate_run(run, trainer.policy)
    return run.path


def compile_cache() -> None:
    """Keep compiled programs on disk, so that the second run starts in seconds."""
    jax.config.update("jax_compilation_cache_dir", str(cache_dir() / "xla"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 1.0)


def main(argv: list[str]) -> int:
    """`hindsight agent train`."""
    import tyro

    path = train(tyro.cli(TrainConfig, args=argv, prog="hindsight agent train"))
    print(f'run: {path}   next: hindsight report {path}   hindsight agent watch {path} "collect wood"')
    return 0
