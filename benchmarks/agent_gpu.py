"""The agent on a GPU: the `gpu` preset trained for as long as there is time, evaluated, taken apart, and timed.

    python benchmarks/agent_gpu.py --out results/agent_gpu.json                      # 100 million steps, all parts
    python benchmarks/agent_gpu.py --seconds 225 --rest 30 --out results/agent_gpu.json
    python benchmarks/agent_gpu.py --dry --total-timesteps 65536 --num-envs 64 --rounds 1 --extra="--num-worlds 64"

The last one runs on a CPU.

In one process, on one device, what matters most first: (1) compile, everything at once; (2) time a few training
iterations, and choose the steps that fit, since the learning rate and the rate of random actions fall over the steps
there will be; (3) train from the start; (4) the evaluation in held-out worlds; then (5) what one update takes: the
environments alone under random actions, acting, learning, and relabeling on the host; and (6) turns of ours and of
stock Craftax with plain PQN, as agent_speed.py has them.

--seconds counts from the start of the process, and ends it wherever it is. --out is whole after every part.
"""

import dataclasses
import json
import math
import os
import shlex
import statistics
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import tyro
from agent_costs import timed
from agent_speed import against_stock, arm, turns
from scaling_parts import act, walk

from hindsight_rl.agent.envs.bank import load_bank
from hindsight_rl.agent.evaluation.evaluate import EPISODES, evaluate_run
from hindsight_rl.agent.evaluation.suite import (
    BATCH,
    EVAL_WORLDS,
    HORIZON,
    EvalInstruction,
    evaluate_instructions,
    evaluation_suite,
)
from hindsight_rl.agent.training.checkpoint import Checkpoints
from hindsight_rl.agent.training.config import TrainConfig
from hindsight_rl.agent.training.iteration import train_iteration
from hindsight_rl.agent.training.loop import compile_cache
from hindsight_rl.agent.training.presets import preset_of
from hindsight_rl.agent.training.training_run import TrainingRun
from hindsight_rl.atomic_files import write_text
from hindsight_rl.run import Run, machine

LAST = 1.0  # seconds before the bound at which the process ends, whatever it does
SPARE = 1.15  # times what the first iterations took; on an H200 all of training took 1.09 times as long per iteration
AROUND = 3.0  # seconds for what is around training and evaluation: worlds, a checkpoint, files


@dataclass
class GpuConfig:
    """What to train and to time."""

    seconds: float | None = None
    """Of the whole program, from the start of the process."""
    total_timesteps: int | None = None
    """At most; the preset's when absent."""
    rest: float = 0.0
    """Seconds kept for parts and turns; without, they get what is left after training."""
    num_evals: int | None = None
    """Evaluations of the canonical instructions during training; the preset's when absent."""
    scale: float = 1.0
    """Multiplies the trials of the evaluation at the end."""
    preset: str = "gpu"
    num_envs: int | None = None
    env: str = "classic"
    seed: int = 0
    run: str = "runs/agent-gpu"
    """The run folder to make."""
    iterations: int = 3
    """Of training, that are timed before its length is chosen."""
    rounds: int = 3
    """Turns of each arm, alternating."""
    dry: bool = False
    """Programs that are not optimised, to see that everything runs."""
    extra: str = ""
    """More arguments for `hindsight agent train`."""
    out: str | None = None


def settings(config: GpuConfig) -> TrainConfig:
    """Of the run that is trained."""
    given = {
        "total-timesteps": config.total_timesteps, "num-envs": config.num_envs, "num-evals": config.num_evals,
    }  # fmt: skip
    words = ["--preset", config.preset, "--env", config.env, "--seed", str(config.seed), "--out", config.run]
    words += [w for k, v in given.items() if v is not None for w in (f"--{k}", str(v))]
    words += shlex.split(config.extra)
    return tyro.cli(TrainConfig, args=words, default=preset_of(words))


def age() -> float:
    """Seconds since this process began; 0 where the system does not say."""
    try:
        ticks = int(Path("/proc/self/stat").read_text().rsplit(")", 1)[1].split()[19])
        gone = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError, AttributeError):
        return 0.0
    return gone if 0 <= gone < 3600 else 0.0


class Record:
    """What has been found, in a file that is whole at any time, and how long there is.

    Args:
        out: the file; None keeps none.
        bound: seconds of the whole program; None is no bound.
        gone: seconds gone before.
    """

    def __init__(self, out: str | None, bound: float | None, gone: float = 0.0):
        self.out, self.bound, self.found = out, bound, {"phases": {}, "ended_by_bound": None}  # type: ignore[var-annotated]
        self._began, self._phase, self._lock = time.monotonic() - gone, "start", threading.RLock()

    def gone(self) -> float:
        """Seconds since the program began."""
        return time.monotonic() - self._began

    def left(self) -> float:
        """Seconds until the process is ended."""
        return math.inf if self.bound is None else self.bound - LAST - self.gone()

    def put(self, **found: Any) -> None:
        """Keep what has been found, and write the file."""
        with self._lock:
            self.found.update(found)
            if self.out:
                write_text(Path(self.out), json.dumps(self.found, indent=1) + "\n")

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """What is done now."""
        self._phase, began = name, self.gone()
        print(f"[{began:6.1f} s] {name}", flush=True)
        yield
        self.put(phases=self.found["phases"] | {name: round(self.gone() - began, 2)})

    def compiled(self, event: str, seconds: float, **of: Any) -> None:
        """A listener of JAX: which programs took a second or more to compile, and when."""
        if event.endswith("backend_compile_duration") and seconds >= 1:
            row = {"program": str(of.get("fun_name")), "during": self._phase, "seconds": round(seconds, 2)}
            with self._lock:
                self.put(programs=[*self.found.get("programs", []), row])

    def watch(self) -> None:
        """End the process at the bound, wherever it is: a compilation cannot be asked to."""
        if self.bound is not None:
            timer = threading.Timer(max(self.left(), 0.0), self._end)
            timer.daemon = True
            timer.start()

    def _end(self) -> None:
        self.put(ended_by_bound={"during": self._phase, "seconds": round(self.gone(), 2)})
        print(f"[{self.gone():6.1f} s] the bound: ended during '{self._phase}'", flush=True)
        os._exit(0)


def fitting(most: int, per_iteration: int, seconds: float, iteration: float, evals: float) -> int:
    """Steps, whole iterations of them, that fit; at least one iteration, and no more than ``most`` rounded up.

    Args:
        most: steps asked for.
        per_iteration: steps of an iteration.
        seconds: that there are.
        iteration: seconds of an iteration.
        evals: seconds of all evaluations during training.
    """
    asked = -(-most // per_iteration)
    if math.isinf(seconds):
        return asked * per_iteration
    return min(max(1, int((seconds - evals) / iteration)), asked) * per_iteration


def steps_to_evaluate(asked: dict[str, list[EvalInstruction]], scale: float) -> int:
    """Steps of the environments, BATCH of them side by side, that the evaluation takes."""
    steps = 0
    for name, group in asked.items():
        trials = max(1, min(EVAL_WORLDS, round(EPISODES[name] * scale)))
        for length in {len(q.events) for q in group}:
            batches = -(-trials * sum(len(q.events) == length for q in group) // BATCH)
            steps += batches * HORIZON * length
    return steps


def compile_beside(
    training: TrainingRun, stock: TrainingRun | None, pool: ThreadPoolExecutor
) -> dict[str, Future[Any]]:
    """Compile what comes after training, in threads: trials of every length, the parts, the stock arm's iteration.

    Args:
        training: not trained meanwhile, since an iteration uses up the arrays that it is given.
    """
    policy = training.policy
    by_length = {len(q.events): q for group in evaluation_suite(policy).values() for q in group}
    work = {f"trials of {n} goals": pool.submit(evaluate_instructions, policy, [q], 1) for n, q in by_length.items()}
    if stock is not None:
        work["stock"] = pool.submit(stock.iterate)
        work |= {name: pool.submit(part) for name, part in parts(training).items()}
    return work


def parts(training: TrainingRun) -> dict[str, Callable[[], Any]]:
    """The environments alone, and acting, as long as one update."""
    num_steps, bank, env, at = training.config.num_steps, training.bank, training.env, training.state
    actors, tables, key = at.actors, training.tables(), at.key
    return {
        "env": lambda: walk(env, num_steps, bank, actors.env_state, actors.observation, key),
        "acting": lambda: act(training.network, env, 1, num_steps, bank, tables, training.acting, at),
    }


def shares(training: TrainingRun) -> dict[str, Any]:
    """Milliseconds of one update by part, and their shares of the whole."""
    env, acted = (timed(part, 3) for part in parts(training).values())
    training.iterate()  # compiled before the clock runs
    before = dict(training.seconds)
    iterations = 3
    for _ in range(iterations):
        training.iterate()
    train_s, host = (training.seconds[k] - before[k] for k in ("train", "relabel"))
    update, relabel = (1000 * x / iterations / training.config.num_updates for x in (train_s, host))
    whole = update + relabel
    found = {"env": env, "acting": acted - env, "learning": update - acted, "relabeling": relabel}
    return {
        "milliseconds_per_update": {name: round(x, 3) for name, x in found.items()},
        "share": {name: round(x / whole, 4) for name, x in found.items()},
    }


def train(
    training: TrainingRun, num_evals: int, late: Callable[[], bool], put: Callable[[dict[str, Any]], None]
) -> None:
    """Train to the end, or until it is late, with an evaluation now and then.

    Args:
        training: at its start.
        num_evals: evaluations, the one at the end included; there is one more before the first step.
        late: must training end with this iteration?
        put: is given what is known of training, after every evaluation.
    """
    began = time.perf_counter()
    curve: list[dict[str, Any]] = []

    def evaluate() -> dict[str, float]:
        success: dict[str, float] = training.evaluate()
        mean = round(statistics.mean(success.values()), 4)
        gone = round(time.perf_counter() - began, 2)
        curve.append({"step": training.step, "seconds": gone, "mean": mean, "success": success})
        spent = training.seconds["train"] + training.seconds["relabel"]
        known = {
            "steps": training.step,
            "steps_planned": training.iterations * training.steps_per_iteration,
            "cut_short": training.iteration < training.iterations,
            "seconds": {k: round(v, 2) for k, v in training.seconds.items()} | {"whole": gone},
            "steps_per_second": round(training.step / spent) if spent else None,
            "curve": list(curve),
        }
        put(known)
        print(f"    step {training.step:,}: success {mean:.3f}, {known['steps_per_second'] or 0:,} steps/s", flush=True)
        return success

    evaluate()
    ended = False
    while not ended:
        row = training.iterate()
        n, of = training.iteration, training.iterations
        ended = late() or n >= of
        if ended or num_evals * n // of > num_evals * (n - 1) // of:
            row["success"] = evaluate()
        training.run.append("metrics.jsonl", row)


def made(config: TrainConfig, folder: Path | str, like: TrainingRun | None = None) -> TrainingRun:
    """A run at its start, which uses the same compiled programs as another one."""
    config = dataclasses.replace(config, out=str(folder))
    device = {"devices": jax.device_count(), "device": jax.devices()[0].device_kind}
    stored = {**dataclasses.asdict(config), "machine": machine() | device}
    folder_of = Run.create(config.out, {k: v for k, v in stored.items() if k != "processes"}, "agent")
    training = TrainingRun(config, folder_of)
    if like is not None:
        training.env, training.network = like.env, like.network
    return settled_down(training)


def settled_down(training: TrainingRun) -> TrainingRun:
    """With its arrays laid out from the start as an update leaves them, on one device: otherwise the second iteration
    would be compiled anew."""
    if len(training.placement.devices) == 1:
        training.state = training.placement.copy(training.state)
    return training


def save(training: TrainingRun) -> str:
    """A checkpoint, or why there is none: the evaluation must come in any case."""
    try:
        training.save(Checkpoints(training.run.path / "checkpoints"))
    except Exception as error:
        return f"none: {type(error).__name__}: {error}"[:300]
    return f"at step {training.step}"


def measured(config: GpuConfig, record: Record, folder: Path) -> None:
    """Everything, part by part."""
    wanted = settings(config).checked()
    with record.phase("set up"):
        stored = {k: v for k, v in dataclasses.asdict(wanted).items() if k not in ("out", "resume", "processes")}
        record.put(settings=stored)
        first = made(wanted, folder / "first")
        beside = made(wanted, folder / "beside", first)
        stock = settled_down(arm(wanted, "stock", folder)) if config.rest or config.seconds is None else None
        load_bank(first.env, "eval", EVAL_WORLDS)  # once, before several threads want it
    with record.phase("compile"):
        # Traced before the threads begin: tracing is Python, and would be slowed down by theirs.
        inputs = first.inputs()
        began = time.perf_counter()
        train_iteration.lower(first.static, inputs, first.state)
        traced = time.perf_counter() - began
        work = compile_beside(beside, stock, ThreadPoolExecutor(os.cpu_count()))
        began = time.perf_counter()
        first.iterate()
        compiled = time.perf_counter() - began
        record.put(compile={"trace": round(traced, 2), "compile_and_first_iteration": round(compiled, 2)})
        for name in [name for name in work if name.startswith("trials")]:
            work.pop(name).result()
    with record.phase("pace"):
        first.iterate()
        seconds = [timed_once(first.iterate) for _ in range(config.iterations)]
        first.evaluate()
        one_eval = timed_once(first.evaluate)
        evaluation = steps_to_evaluate(evaluation_suite(first.policy), config.scale)
        last_eval = SPARE * one_eval / HORIZON * evaluation + AROUND
        iteration, num_evals = SPARE * statistics.mean(seconds), wanted.num_evals
        until = last_eval + config.rest + AROUND
        evals = (num_evals + 1) * one_eval
        steps = fitting(wanted.total_timesteps, first.steps_per_iteration, record.left() - until, iteration, evals)
        pace = {
            "steps_per_iteration": first.steps_per_iteration,
            "seconds_per_iteration": [round(x, 4) for x in seconds],
            "seconds_per_eval": round(one_eval, 3),
            "evaluation_expected": round(last_eval, 1),
            "steps_that_fit": steps,
        }
        record.put(pace=pace, compile=record.found["compile"] | {"compile": round(compiled - iteration, 2)})
        print(json.dumps(pace), flush=True)
    with record.phase("training"):
        training = made(dataclasses.replace(wanted, total_timesteps=steps), config.run, first)
        compiling = [k for k, v in work.items() if not v.done()]
        record.put(settings=stored | {"total_timesteps": steps}, compiling_beside=compiling)

        def late() -> bool:
            return record.left() < until + one_eval + iteration

        train(training, num_evals, late, lambda known: record.put(training=known))
    with record.phase("checkpoint"):
        record.put(checkpoint=save(training), peak_gib=peak())
    with record.phase("evaluation"):
        result: dict[str, Any] = {"steps": training.step, "mean": {}, "success": {}}
        for name in [name for name, asked in evaluation_suite(training.policy).items() if asked]:
            found = evaluate_run(training.run, training.policy, config.scale, parts=(name,))
            result |= {k: found[k] for k in ("horizon", "epsilon", "eval_worlds")}
            result["mean"] |= found["mean"]
            result["success"][name] = [{k: r[k] for k in ("text", "success", "trials")} for r in found[name]]
            if name == "canonical":
                result["achievements_per_trial"] = round(statistics.mean(r["achievements"] for r in found[name]), 3)
            record.put(evaluation=result)
        print(json.dumps(result["mean"]), flush=True)
    with record.phase("parts"):
        wait(work.values())
        record.put(parts=shares(beside))
        print(json.dumps(record.found["parts"]), flush=True)
    with record.phase("turns"):
        stock = stock or settled_down(arm(wanted, "stock", folder))
        spent = turns({"stock": stock, "ours": beside}, config.rounds, 1)
        record.put(speed=against_stock(spent, first.steps_per_iteration))
        print(json.dumps(record.found["speed"]), flush=True)


def timed_once(call: Callable[[], Any]) -> float:
    """Seconds of one call that waits for what it computes."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def peak() -> float | None:
    """GiB of the device's memory, the most so far; None where it does not say."""
    stats = jax.devices()[0].memory_stats() or {}
    return round(stats["peak_bytes_in_use"] / 2**30, 2) if "peak_bytes_in_use" in stats else None


def main() -> None:
    """Compile, train, evaluate, take apart, time."""
    config = tyro.cli(GpuConfig, description=__doc__)
    record = Record(config.out, config.seconds, age())
    if Path(config.run).is_dir() and any(Path(config.run).iterdir()):
        sys.exit(f"{config.run} exists: choose another --run")
    record.put(command="python benchmarks/agent_gpu.py " + " ".join(sys.argv[1:]), bound=config.seconds)
    record.watch()
    compile_cache()
    jax.monitoring.register_event_duration_secs_listener(record.compiled)
    if config.dry:
        jax.config.update("jax_disable_most_optimizations", True)
    device = jax.devices()[0]
    record.put(
        machine=machine() | {"device": device.device_kind, "devices": jax.device_count()},
        versions={name: version(name) for name in ("craftax", "jax", "flax", "optax")},
    )
    failed = False
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        try:
            measured(config, record, Path(folder))
        except Exception:
            failed = True
            record.put(failed=traceback.format_exc(limit=-4))
            traceback.print_exc()
    print(f"[{record.gone():6.1f} s] {'failed' if failed else 'done'}", flush=True)
    if failed:
        sys.stderr.flush()
        os._exit(1)  # threads may still compile


if __name__ == "__main__":
    main()
