"""Train an agent to follow instructions in Craftax, from its own failures.

    hindsight agent train --method oir --world classic-32 --steps 1500000 --seed 0 --out runs/oir
    hindsight agent train --preset gpu --out runs/gpu

Between stretches of training inside `jit`, the host relabels a few trajectories, verifies the relabels, offers
them to the instruction buffer, and lays down new tables; text never enters the training step.
"""

import dataclasses
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import jax

from hindsight_rl.agent.envs.bank import cache_dir
from hindsight_rl.agent.evaluation.evaluate import evaluate_run
from hindsight_rl.agent.relabeling.relabeler import Relabeler
from hindsight_rl.agent.relabeling.sources import relabeler_of
from hindsight_rl.agent.training.checkpoint import Checkpoints
from hindsight_rl.agent.training.cohort import Cohort
from hindsight_rl.agent.training.config import TrainConfig, load_config
from hindsight_rl.agent.training.presets import preset_of, settled, word_after
from hindsight_rl.agent.training.progress import Progress
from hindsight_rl.agent.training.resume import Lock, resumed, vacant
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
    with ExitStack() as held:
        # A run that goes on is held before it is read, a new one as soon as it is there.
        for own in configs if config.resume else ():
            _hold(held, own)
        # All that can be refused is made before any folder is: the corrected command finds none in its way.
        trainers = [_trainer(own, relabeler) for own in configs]
        for trainer in trainers:
            held.callback(_close, trainer)
        for own in () if config.resume else configs:
            _make_folder(own)
        meet("folder")
        for own in () if config.resume else configs:
            _hold(held, own)
        saved = [_go_on(trainer) for trainer in trainers]
        try:
            _loop(Cohort(trainers), saved)
            for trainer in trainers:
                _close(trainer)
                if trainer.config.final_eval:
                    evaluate_run(trainer.run, trainer.policy)
        except OSError as error:
            raise HindsightError(
                f"cannot write to {', '.join(str(t.run.path) for t in trainers)}: {error.strerror or error}; "
                "mend that, then go on with --resume"
            ) from error
        meet("trained")
    return [trainer.run.path for trainer in trainers]


def _settings(config: TrainConfig) -> TrainConfig:
    """The settings asked for or, on resume, those that the run was made with."""
    if config.resume:
        return resumed(config, load_config(Run.open(config.out, kind="agent"))).checked()
    if first_process():
        vacant(config.out)
    return settled(config).checked()


def _trainer(config: TrainConfig, relabeler: Relabeler | None) -> Trainer:
    """A trainer at the start, whose run folder need not be there."""
    trainer = Trainer(config, (Run if first_process() else ReadOnlyRun)(Path(config.out)), relabeler)
    trainer.relabeler = relabeler or relabeler_of(config, trainer.reward, trainer.run)
    return trainer


def _go_on(trainer: Trainer) -> Checkpoints:
    """Bring a trainer to where its run is; returns the run's checkpoints."""
    checkpoints, resume = Checkpoints(trainer.run.path / "checkpoints"), trainer.config.resume
    if resume and checkpoints.latest() is not None:
        trainer.restore(checkpoints)
    for name in ("metrics.jsonl", "relabels.jsonl", "buffer.jsonl"):
        trainer.run.cut_back(name, trainer.step)
    if resume:
        # What was given anew, such as more steps, is what the run is made with from now on.
        trainer.run.write("config.json", trainer.run.read("config.json") | _kept(trainer.config) | {"resume": False})
        if trainer.source:
            trainer.source.resume()
    return checkpoints


def _close(trainer: Trainer) -> None:
    if trainer.source:
        trainer.source.close()


def _hold(held: ExitStack, config: TrainConfig) -> None:
    if first_process():
        held.enter_context(Lock(Run.open(config.out, kind="agent")))


def _kept(config: TrainConfig) -> dict[str, Any]:
    """What `config.json` holds of the settings."""
    return {k: v for k, v in dataclasses.asdict(config).items() if k != "processes"}


def _make_folder(config: TrainConfig) -> None:
    """The run's folder, made by the first process."""
    if first_process():
        devices = {"devices": jax.device_count(), "device": jax.devices()[0].device_kind}
        Run.create(config.out, {**_kept(config), "machine": machine() | devices}, kind="agent")


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


def _defaults(argv: Sequence[str]) -> TrainConfig:
    """Where the options that are not given come from: the preset and the method, or the run that goes on.

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
        several = " ".join(map(str, paths))
        print(f'run: {several}   next: hindsight report {several}   hindsight agent watch {paths[0]} "collect wood"')
    return 0
