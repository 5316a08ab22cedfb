"""The agent on a GPU: the `gpu` preset trained for as long as there is, examined, taken apart, and timed.

    python benchmarks/agent_gpu.py --out results/agent_gpu.json                      # 100 million steps, all parts
    python benchmarks/agent_gpu.py --seconds 225 --rest 30 --out results/agent_gpu.json
    python benchmarks/agent_gpu.py --dry --steps 65536 --envs 64 --rounds 1 --extra="--worlds 64"    # on a CPU

In one process, on one device, what matters most first: (1) compile, everything at once; (2) time a few stretches, and
choose the steps that fit, for the learning rate and the rate of random actions fall over the steps there will be; (3)
train from the start; (4) the examination in held-out worlds; then (5) what one update takes: the worlds alone under
random actions, acting, learning, and relabeling on the host; and (6) turns of ours and of stock Craftax with plain PQN,
as agent_speed.py has them.

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
from agent_scaling import timed
from agent_speed import against_stock, arm, turns
from scaling_parts import act, walk

from hindsight_rl.agent.envs.bank import load_bank
from hindsight_rl.agent.evaluation.evaluate import EPISODES, evaluate_run
from hindsight_rl.agent.evaluation.suite import BATCH, EVAL_WORLDS, HORIZON, Question, examine, questions
from hindsight_rl.agent.training.checkpoint import Checkpoints
from hindsight_rl.agent.training.config import TrainConfig
from hindsight_rl.agent.training.iteration import advance
from hindsight_rl.agent.training.presets import preset_of
from hindsight_rl.agent.training.train import compile_cache
from hindsight_rl.agent.training.trainer import Trainer
from hindsight_rl.run import Run, machine

LAST = 1.0  # seconds before the bound at which the process ends, whatever it does
SPARE = 1.15  # times what the first stretches took; on an H200 all of training took 1.09 times as long per stretch
AROUND = 3.0  # seconds for what is around training and examination: worlds, a checkpoint, files


@dataclass
class GpuConfig:
    """What to train and to time."""

    seconds: float | None = None
    """Of the whole program, from the start of the process."""
    steps: int | None = None
    """At most; the preset's when absent."""
    rest: float = 0.0
    """Seconds kept for parts and turns; otherwise they get what is left where --steps come before the bound."""
    looks: int | None = None
    """Evaluations of the canonical instructions during training; the preset's when absent."""
    scale: float = 1.0
    """Multiplies the trials of the examination."""
    preset: str = "gpu"
    envs: int | None = None
    world: str = "classic"
    seed: int = 0
    run: str = "runs/agent-gpu"
    """The run folder to make."""
    stretches: int = 3
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
    given = {"steps": config.steps, "envs": config.envs, "eval-every": config.looks}
    words = ["--preset", config.preset, "--world", config.world, "--seed", str(config.seed), "--out", config.run]
    words += [w for k, v in given.items() if v is not None for w in (f"--{k}", str(v))]
    words += shlex.split(config.extra)
    return tyro.cli(TrainConfig, args=words, default=preset_of(words))


def age() -> float:
    """Seconds since this process began; 0 where the system does not tell."""
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
                partial = Path(self.out).with_name(f".{Path(self.out).name}.{os.getpid()}.tmp")
                partial.write_text(json.dumps(self.found, indent=1) + "\n", "utf-8")
                os.replace(partial, self.out)

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


def fitting(most: int, per_stretch: int, seconds: float, stretch: float, looks: float) -> int:
    """Steps, whole stretches of them, that fit; at least one stretch, and no more than ``most`` rounded up.

    Args:
        most: steps asked for.
        per_stretch: steps of a stretch.
        seconds: that there are.
        stretch: seconds of a stretch.
        looks: seconds of all evaluations during training.
    """
    asked = -(-most // per_stretch)
    if math.isinf(seconds):
        return asked * per_stretch
    return min(max(1, int((seconds - looks) / stretch)), asked) * per_stretch


def examination(asked: dict[str, list[Question]], scale: float) -> int:
    """Steps of the worlds, BATCH of them side by side, that the examination takes."""
    steps = 0
    for name, group in asked.items():
        trials = max(1, min(EVAL_WORLDS, round(EPISODES[name] * scale)))
        for length in {len(q.events) for q in group}:
            batches = -(-trials * sum(len(q.events) == length for q in group) // BATCH)
            steps += batches * HORIZON * length
    return steps


def compile_beside(trainer: Trainer, stock: Trainer | None, pool: ThreadPoolExecutor) -> dict[str, Future[Any]]:
    """Compile what comes after training, in threads: trials of every length, the parts, the stock arm's stretch.

    Args:
        trainer: not trained meanwhile, as training takes the arrays that it is given away.
    """
    policy = trainer.policy
    by_length = {len(q.events): q for group in questions(policy).values() for q in group}
    work = {f"trials of {n} goals": pool.submit(examine, policy, [q], 1) for n, q in by_length.items()}
    if stock is not None:
        work["stock"] = pool.submit(stock.advance)
        work |= {name: pool.submit(part) for name, part in parts(trainer).items()}
    return work


def parts(trainer: Trainer) -> dict[str, Callable[[], Any]]:
    """The worlds alone, and acting, as long as one update."""
    rollout, bank, world, at = trainer.config.rollout, trainer.bank, trainer.world, trainer.learner
    actors, tables, key = at.actors, trainer.tables(), at.key
    return {
        "worlds": lambda: walk(world, rollout, bank, actors.world, actors.observation, key),
        "acting": lambda: act(trainer.network, world, 1, rollout, bank, tables, trainer.acting, at),
    }


def shares(trainer: Trainer) -> dict[str, Any]:
    """Milliseconds of one update by part, and their shares of the whole."""
    env, acted = (timed(part, 3) for part in parts(trainer).values())
    trainer.advance()  # compiled before the clock runs
    before = dict(trainer.seconds)
    stretches = 3
    for _ in range(stretches):
        trainer.advance()
    train_s, host = (trainer.seconds[k] - before[k] for k in ("train", "relabel"))
    update, relabel = (1000 * x / stretches / trainer.config.stretch for x in (train_s, host))
    whole = update + relabel
    found = {"worlds": env, "acting": acted - env, "learning": update - acted, "relabeling": relabel}
    return {
        "milliseconds_per_update": {name: round(x, 3) for name, x in found.items()},
        "share": {name: round(x / whole, 4) for name, x in found.items()},
    }


def train(trainer: Trainer, looks: int, late: Callable[[], bool], tell: Callable[[dict[str, Any]], None]) -> None:
    """Train to the end, or until it is late, with a look at the policy now and then.

    Args:
        trainer: at its start.
        looks: evaluations, the one at the end included; there is one more before the first step.
        late: must training end with this stretch?
        tell: is given what is known of training, after every look.
    """
    began = time.perf_counter()
    curve: list[dict[str, Any]] = []

    def look() -> dict[str, float]:
        success: dict[str, float] = trainer.evaluate()
        mean = round(statistics.mean(success.values()), 4)
        gone = round(time.perf_counter() - began, 2)
        curve.append({"step": trainer.step, "seconds": gone, "mean": mean, "success": success})
        spent = trainer.seconds["train"] + trainer.seconds["relabel"]
        told = {
            "steps": trainer.step,
            "steps_planned": trainer.stretches * trainer.steps_per_stretch,
            "cut_short": trainer.stretch < trainer.stretches,
            "seconds": {k: round(v, 2) for k, v in trainer.seconds.items()} | {"whole": gone},
            "steps_per_second": round(trainer.step / spent) if spent else None,
            "curve": list(curve),
        }
        tell(told)
        print(f"    step {trainer.step:,}: success {mean:.3f}, {told['steps_per_second'] or 0:,} steps/s", flush=True)
        return success

    look()
    ended = False
    while not ended:
        row = trainer.advance()
        ended = late() or trainer.stretch >= trainer.stretches
        if ended or looks * trainer.stretch // trainer.stretches > looks * (trainer.stretch - 1) // trainer.stretches:
            row["success"] = look()
        trainer.run.append("metrics.jsonl", row)


def made(config: TrainConfig, folder: Path | str, like: Trainer | None = None) -> Trainer:
    """A trainer at its start, which runs the same compiled programs as another one."""
    config = dataclasses.replace(config, out=str(folder))
    device = {"devices": jax.device_count(), "device": jax.devices()[0].device_kind}
    stored = {**dataclasses.asdict(config), "machine": machine() | device}
    trainer = Trainer(config, Run.create(config.out, {k: v for k, v in stored.items() if k != "processes"}, "agent"))
    if like is not None:
        trainer.world, trainer.network = like.world, like.network
    return settled_down(trainer)


def settled_down(trainer: Trainer) -> Trainer:
    """With its arrays laid out from the start as an update leaves them, on one device: otherwise the second stretch
    would be compiled anew."""
    if len(trainer.placement.devices) == 1:
        trainer.learner = trainer.placement.copy(trainer.learner)
    return trainer


def save(trainer: Trainer) -> str:
    """A checkpoint, or why there is none: that must not cost the examination."""
    try:
        trainer.save(Checkpoints(trainer.run.path / "checkpoints"))
    except Exception as error:
        return f"none: {type(error).__name__}: {error}"[:300]
    return f"at step {trainer.step}"


def measured(config: GpuConfig, record: Record, folder: Path) -> None:
    """Everything, part by part."""
    wanted = settings(config).checked()
    with record.phase("set up"):
        stored = {k: v for k, v in dataclasses.asdict(wanted).items() if k not in ("out", "resume", "processes")}
        record.put(settings=stored)
        first = made(wanted, folder / "first")
        beside = made(wanted, folder / "beside", first)
        stock = settled_down(arm(wanted, "stock", folder)) if config.rest or config.seconds is None else None
        load_bank(first.world, "eval", EVAL_WORLDS)  # once, before several threads want it
    with record.phase("compile"):
        # Traced before the threads begin: tracing is Python, and would be slowed down by theirs.
        arguments = (*first.statics, *first.constants, first.tables(), first.learner, first.watched())
        began = time.perf_counter()
        advance.lower(*arguments)
        traced = time.perf_counter() - began
        work = compile_beside(beside, stock, ThreadPoolExecutor(os.cpu_count()))
        began = time.perf_counter()
        first.advance()
        compiled = time.perf_counter() - began
        record.put(compile={"trace": round(traced, 2), "compile_and_first_stretch": round(compiled, 2)})
        for name in [name for name in work if name.startswith("trials")]:
            work.pop(name).result()
    with record.phase("pace"):
        first.advance()
        seconds = [timed_once(first.advance) for _ in range(config.stretches)]
        first.evaluate()
        look = timed_once(first.evaluate)
        exam = SPARE * look / HORIZON * examination(questions(first.policy), config.scale) + AROUND
        stretch, looks = SPARE * statistics.mean(seconds), wanted.eval_every
        until = exam + config.rest + AROUND
        steps = fitting(wanted.steps, first.steps_per_stretch, record.left() - until, stretch, (looks + 1) * look)
        pace = {
            "steps_per_stretch": first.steps_per_stretch,
            "seconds_per_stretch": [round(x, 4) for x in seconds],
            "seconds_per_look": round(look, 3),
            "examination_expected": round(exam, 1),
            "steps_that_fit": steps,
        }
        record.put(pace=pace, compile=record.found["compile"] | {"compile": round(compiled - stretch, 2)})
        print(json.dumps(pace), flush=True)
    with record.phase("training"):
        trainer = made(dataclasses.replace(wanted, steps=steps), config.run, first)
        record.put(settings=stored | {"steps": steps}, compiling_beside=[k for k, v in work.items() if not v.done()])
        train(trainer, looks, lambda: record.left() < until + look + stretch, lambda told: record.put(training=told))
    with record.phase("checkpoint"):
        record.put(checkpoint=save(trainer), peak_gib=peak())
    with record.phase("examination"):
        told: dict[str, Any] = {"steps": trainer.step, "mean": {}, "success": {}}
        for name in EPISODES:
            found = evaluate_run(trainer.run, trainer.policy, config.scale, parts=(name,))
            told |= {k: found[k] for k in ("horizon", "epsilon", "eval_worlds")}
            told["mean"] |= found["mean"]
            told["success"][name] = [{k: r[k] for k in ("text", "success", "trials")} for r in found[name]]
            if name == "canonical":
                told["achievements_per_trial"] = round(statistics.mean(r["achievements"] for r in found[name]), 3)
            record.put(examination=told)
        print(json.dumps(told["mean"]), flush=True)
    with record.phase("parts"):
        wait(work.values())
        record.put(parts=shares(beside))
        print(json.dumps(record.found["parts"]), flush=True)
    with record.phase("turns"):
        stock = stock or settled_down(arm(wanted, "stock", folder))
        spent = turns({"stock": stock, "ours": beside}, config.rounds, 1)
        record.put(speed=against_stock(spent, first.steps_per_stretch))
        print(json.dumps(record.found["speed"]), flush=True)


def timed_once(call: Callable[[], Any]) -> float:
    """Seconds of one call that waits for what it computes."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def peak() -> float | None:
    """GiB of the device's memory, the most so far, where it tells."""
    told = jax.devices()[0].memory_stats() or {}
    return round(told["peak_bytes_in_use"] / 2**30, 2) if "peak_bytes_in_use" in told else None


def main() -> None:
    """Compile, train, examine, take apart, time."""
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
