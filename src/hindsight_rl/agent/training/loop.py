"""The training loop: iterations, evaluations and checkpoints, of one run or of several seeds side by side."""

import dataclasses
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import jax

from hindsight_rl.agent.envs import make_env
from hindsight_rl.agent.envs.environment import Environment
from hindsight_rl.agent.evaluation.evaluate import evaluate_run
from hindsight_rl.agent.relabeling.relabeler import Relabeler
from hindsight_rl.agent.relabeling.sources import relabeler_of
from hindsight_rl.agent.reward.semantic import TextEncoder
from hindsight_rl.agent.training.checkpoint import Checkpoints
from hindsight_rl.agent.training.cohort import Cohort
from hindsight_rl.agent.training.compiler import check_compiler
from hindsight_rl.agent.training.config import TrainConfig, load_config, setting
from hindsight_rl.agent.training.presets import settled, without_effect
from hindsight_rl.agent.training.progress import Progress
from hindsight_rl.agent.training.resume import Lock, resumed, vacant
from hindsight_rl.agent.training.sharding import first_process, meet
from hindsight_rl.agent.training.training_run import TrainingRun
from hindsight_rl.encoder import default_cache_dir
from hindsight_rl.errors import HindsightError
from hindsight_rl.run import ReadOnlyRun, Run, machine


def train_runs(
    config: TrainConfig,
    seeds: Sequence[int],
    outs: Sequence[str],
    relabeler: Relabeler | None = None,
    env: Environment | None = None,
    encoder: TextEncoder | None = None,
) -> list[TrainingRun]:
    """Train several seeds in parallel in one program, each in its own run folder, and evaluate them at the end.

    Args:
        config: the settings.
        seeds, outs: the seed and the folder of each run.
        relabeler, env, encoder: used instead of those in the settings.

    Raises:
        HindsightError: bad settings, a folder in use, no space, a diverging loss, a compiler that may not
            come to an end.
    """
    config.processes.join()
    check_compiler()
    if len(seeds) > 1 and (config.relabeler == "llm" or relabeler is not None):
        raise HindsightError("--seeds: a relabeler that works in the background trains one seed at a time")
    configs = [_settings(dataclasses.replace(config, seed=s, out=o), env) for s, o in zip(seeds, outs, strict=True)]
    compile_cache()
    with ExitStack() as held:
        # A resumed run is locked before it is read, a new run as soon as its folder exists.
        for own in configs if config.resume else ():
            _hold(held, own)
        # All checks come before any folder is created. So the corrected command does not find a folder that is in use.
        runs = [_training_run(own, relabeler, env, encoder) for own in configs]
        for each in runs:
            held.callback(_close, each)
        for own in () if config.resume else configs:
            _make_folder(own)
        meet("folder")
        for own in () if config.resume else configs:
            _hold(held, own)
        saved = [_go_on(each) for each in runs]
        try:
            with _progress(runs[0]) as progress:
                _loop(Cohort(runs), saved, progress)
                for each in runs:
                    _close(each)
                    if each.config.final_eval:
                        evaluate_run(each.run, each.policy, step=_says(progress, each, len(runs)))
        except OSError as error:
            raise HindsightError(
                f"cannot write to {', '.join(str(r.run.path) for r in runs)}: {error.strerror or error}; "
                "fix this, then continue with --resume"
            ) from error
        meet("trained")
    return runs


def compile_cache() -> None:
    """Cache compiled programs on disk, so that the second run starts in seconds.

    A folder that was chosen by `JAX_COMPILATION_CACHE_DIR` or in JAX's config is kept.
    """
    if not jax.config.jax_compilation_cache_dir:  # type: ignore[attr-defined]
        jax.config.update("jax_compilation_cache_dir", str(default_cache_dir() / "xla"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 1.0)


def _settings(config: TrainConfig, env: Environment | None) -> TrainConfig:
    """The settings of this call or, on resume, those of the run."""
    if config.resume:
        return resumed(config, load_config(Run.open(config.out, kind="agent"))).checked()
    if first_process():
        vacant(config.out)
    if config.settled:
        return config.checked()
    return settled(config, (env or make_env(config.env, config.observation)).settings).checked()


def _training_run(
    config: TrainConfig, relabeler: Relabeler | None, env: Environment | None, encoder: TextEncoder | None
) -> TrainingRun:
    """A run at its start. Its folder may not exist yet."""
    folder = (Run if first_process() else ReadOnlyRun)(Path(config.out))
    made = TrainingRun(config, folder, env=env, encoder=encoder)
    made.relabeling.relabeler = relabeler or relabeler_of(config, made.reward, made.run, made.env.scene)
    return made


def _go_on(training: TrainingRun) -> Checkpoints:
    """Restore a run from its newest checkpoint. Returns its checkpoints."""
    checkpoints, resume = Checkpoints(training.run.path / "checkpoints"), training.config.resume
    training.keep_instructions()
    if resume and checkpoints.latest() is not None:
        training.restore(checkpoints)
    for name in ("metrics.jsonl", "relabels.jsonl", "buffer.jsonl"):
        training.run.cut_back(name, training.step)
    if resume:
        # Changed settings, such as more steps, become the settings of the run.
        stored = training.run.read("config.json")
        training.run.write("config.json", stored | _kept(training.config) | {"resume": False})
        if training.source:
            training.source.resume()
    return checkpoints


def _close(training: TrainingRun) -> None:
    if training.source:
        training.source.close()


def _hold(held: ExitStack, config: TrainConfig) -> None:
    if first_process():
        held.enter_context(Lock(Run.open(config.out, kind="agent")))


def _kept(config: TrainConfig) -> dict[str, Any]:
    """The settings as they are written to `config.json`."""
    return {k: v for k, v in dataclasses.asdict(config).items() if k != "processes"}


def _make_folder(config: TrainConfig) -> None:
    """The run's folder, created by the first process."""
    if first_process():
        devices = {"devices": jax.device_count(), "device": jax.devices()[0].device_kind}
        Run.create(config.out, {**_kept(config), "machine": machine() | devices}, kind="agent")


def _progress(lead: TrainingRun) -> Progress:
    """The display of a run, or of several that train together."""
    total = lead.iterations * lead.steps_per_iteration
    return Progress(lead.config.method, total, lead.step, silent=not first_process())


def _says(progress: Progress, training: TrainingRun, runs: int) -> Callable[[str], None]:
    """Shows the part of the final evaluation that is running."""
    of = f" of seed {training.config.seed}" if runs > 1 else ""
    return lambda part: progress.phase(f"final evaluation{of}: {part}")


def _loop(cohort: Cohort, saved: Sequence[Checkpoints], progress: Progress) -> None:
    """Train to the end, with evaluations and checkpoints."""
    lead = cohort.runs[0]
    config = lead.config

    def due(times: int) -> bool:
        """Is this iteration the last, or one of ``times`` evenly spaced ones?"""
        n, of = lead.iteration, lead.iterations
        return times > 0 and n * times // of > (n - 1) * times // of

    if progress.total != config.total_timesteps:
        progress.say(
            f"{config.total_timesteps:,} steps are rounded up to {progress.total:,}: an iteration has "
            f"{lead.steps_per_iteration:,}"
        )
    for name in without_effect(config, lead.env.settings):
        option = f"--{name.replace('_', '-')}" + (".*" if dataclasses.is_dataclass(setting(config, name)) else "")
        progress.say(f"{option} has no effect with --method {config.method}")
    if lead.iteration < lead.iterations:
        progress.phase("compiling: a minute or two, seconds where it was done before")
    while lead.iteration < lead.iterations:
        rows: list[dict[str, Any]] = cohort.iterate()
        if due(config.num_evals) or due(config.num_checkpoints):
            cohort.part()
        if due(config.num_evals):
            progress.phase("evaluating", plain=False)
        for training, metrics, checkpoints in zip(cohort.runs, rows, saved, strict=True):
            if due(config.num_evals):
                metrics["success"] = training.evaluate()
            training.run.append("metrics.jsonl", metrics)
            if due(config.num_checkpoints):
                training.save(checkpoints)
        progress.show(rows[0])
    cohort.part()
