"""The runs of a study of the agent, each made only once, one core per run."""

import dataclasses
import json
import os
import shlex
import statistics
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from studies import RESULTS, Settings, StudyConfig

from hindsight_rl.agent.envs import make_env
from hindsight_rl.agent.training.config import TrainConfig
from hindsight_rl.agent.training.presets import preset_of
from hindsight_rl.atomic_files import write_text
from hindsight_rl.errors import HindsightError
from hindsight_rl.run import Run

# One core per run: two side by side finish sooner than one after the other on two cores.
ONE_CORE = {"XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1", "OMP_NUM_THREADS": "1"}
HINDSIGHT = (sys.executable, "-m", "hindsight_rl.cli", "agent")
# Settings that do not change the results of a run, or are changed by --resume.
OF_NO_EFFECT = ("out", "resume", "final_eval", "settled", "num_checkpoints")
COVERAGE = ("unique_instructions", "clusters", "events_named", "event_entropy")
LLM = ("asked", "answered", "malformed", "empty", "failed", "accepted", "rejected", "template_trajectories", "age_mean")
EXAMPLES = 20
READING = threading.Lock()  # tyro is not made for threads
QUICK = (
    "--total-timesteps 2048 --num-envs 16 --num-steps 8 --num-updates 4 --num-worlds 32 --width 32 --depth 1 --rank 8 "
    "--trajectories 8 --learning.minibatch 64 --num-evals 1"
)


@dataclass
class Study(Settings):
    """A settings file in `agent_studies/`."""

    question: str
    methods: dict[str, str] = field(default_factory=dict)
    """Name in the tables -> method and options of `hindsight agent train`."""
    seeds: list[int] = field(default_factory=list)
    options: str = ""
    """Options of every run, such as the environment. A method's own options come after them."""
    seeds_of: dict[str, int] = field(default_factory=dict)
    """Methods that are run on the first seeds only -> on how many."""
    evaluation: str = ""
    """Options of `hindsight agent eval` for the final evaluation."""
    evaluations: dict[str, str] = field(default_factory=dict)
    """Further evaluations: name -> options of `hindsight agent eval`."""
    tuned: str | None = None
    """Result file of a tuning study, beside this one's: each method gets the settings that were chosen for it."""
    tuned_as: dict[str, str] = field(default_factory=dict)
    """Methods that were not tuned -> the method whose settings they get."""
    cells: list[str] = field(default_factory=list)
    """For tuning: options without their dashes, e.g. `learning-rate=0.0006`; the defaults, an empty text, are first."""
    margin: float = 0.0
    costs: dict[str, Any] = field(default_factory=dict)
    """Settings of agent_costs.py, for a study of costs."""
    serve: str | None = None
    """A language model that is served to all runs, by name or folder; see served.py."""
    give_half: bool = False
    """Each seed is given half of the environment's instructions, drawn at random; all methods of a seed the same."""

    def own(self, method: str) -> dict[str, str]:
        """The tuned settings of a method.

        Raises:
            HindsightError: the tuning study has no such method.
        """
        if self.tuned is None:
            return {}
        file, of = RESULTS / self.tuned, self.tuned_as.get(method, method)
        chosen = json.loads(file.read_text("utf-8"))["methods"]
        if of not in chosen:
            raise HindsightError(f"{file} has no method '{of}': tune it, or name another one under tuned_as")
        return dict(chosen[of]["chosen"])


class Runner:
    """The runs of a study."""

    def __init__(self, study: Study, config: StudyConfig, name: str):
        self.study, self.config = study, config
        self.folder = config.runs / f"agent_{name}{'_quick' if config.quick else ''}"

    def options(self, method: str, seed: int, cell: str = "") -> list[str]:
        """The options of `hindsight agent train` for one run, without its folder."""
        name, *own = shlex.split(self.study.methods[method])
        words = ["--method", name, "--seed", str(seed), *shlex.split(self.study.options)]
        words += ["--initial-instructions", str(self.half(seed))] if self.study.give_half else []
        words += own
        words += [f"--{option}={value}" for option, value in self.study.own(method).items()]
        words += [f"--{each}" for each in cell.split()]
        words += ["--num-evals", "0"] if self.study.cells else []
        return words + (shlex.split(QUICK) if self.config.quick else [])

    def half(self, seed: int) -> Path:
        """The file with half of the environment's instructions that a seed is given."""
        words = shlex.split(self.study.options)
        with READING:
            env = make_env(tyro.cli(TrainConfig, args=words, default=preset_of(words)).env)
        order = np.random.default_rng([seed, len(env.instructions)]).permutation(len(env.instructions))
        chosen = sorted(order[: len(env.instructions) // 2])
        file = self.folder / f"given-{seed}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        text = "".join(f"{env.instructions[i]}\n" for i in chosen)
        # Every thread asks for it, while processes of other runs may be reading it.
        if not file.exists() or file.read_text("utf-8") != text:
            write_text(file, text)
        return file

    def settings(self, method: str, seed: int, cell: str = "") -> TrainConfig:
        """The settings of one run."""
        words = self.options(method, seed, cell)
        with READING:
            return tyro.cli(TrainConfig, args=words, default=preset_of(words))

    def run(self, method: str, seed: int, cell: str = "") -> Path:
        """Train and evaluate one run, or what is missing of it; returns its folder.

        Raises:
            HindsightError: the folder holds a run with other settings, or a command failed.
        """
        path = self.folder / "-".join([method, *cell.split(), str(seed)])
        if (path / "config.json").exists():
            self.check(path, self.settings(method, seed, cell))
        # File -> options of the evaluation that writes it; None: training writes it at its end.
        scale = " --scale 0.02" if self.config.quick else ""
        wanted: dict[str, str | None] = {
            f"evaluations/{name}.json": options + scale for name, options in self.study.evaluations.items()
        }
        if not self.study.cells:
            wanted["eval.json"] = self.study.evaluation + scale or None
        missing = {file: options for file, options in wanted.items() if not (path / file).exists()}
        if missing:
            more = ["--resume"] if (path / "config.json").exists() else []
            more += [] if None in wanted.values() else ["--no-final-eval"]
            call("train", *self.options(method, seed, cell), "--out", str(path), *more)
        for file, options in missing.items():
            if options is not None:
                printed = call("eval", str(path), "--json", *shlex.split(options))
                (path / file).parent.mkdir(exist_ok=True)
                Run(path).write(file, json.loads(printed.splitlines()[-1]))
        return path

    def check(self, path: Path, config: TrainConfig) -> None:
        """Raises :class:`HindsightError` if a run was made with other settings."""
        stored = Run.open(path, kind="agent").read("config.json")
        for name, value in json.loads(json.dumps(dataclasses.asdict(config))).items():
            if name == "endpoint":  # where the model was served is the environment's, not an option
                value |= {key: stored[name][key] for key in ("base_url", "model") if not value[key]}
            if name not in OF_NO_EFFECT and name in stored and stored[name] != value:
                raise HindsightError(f"{path} was made with another --{name.replace('_', '-')}: choose other --runs")


def call(*words: str) -> str:
    """Run a command of the agent on one core; returns what it prints."""
    done = subprocess.run([*HINDSIGHT, *words], env={**os.environ, **ONE_CORE}, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise HindsightError(f"hindsight agent {shlex.join(words)} failed with exit code {done.returncode}")
    return done.stdout


def summary(runner: Runner, method: str, path: Path) -> dict[str, Any]:
    """What the result file keeps of one run."""
    run = Run.open(path, kind="agent")
    result, metrics = run.read("eval.json"), run.lines("metrics.jsonl")
    evaluations = [row for row in metrics if row.get("success")]
    success = evaluations[-1]["success"] if evaluations else {}
    mean = result["mean"]
    if runner.study.give_half:
        file = path / "initial_instructions.txt"
        given = file.read_text("utf-8").splitlines() if file.exists() else []
        mean = split(mean, result["canonical"], given)
    mean |= like_held_out(result)
    further = {name: run.read(f"evaluations/{name}.json")["mean"] for name in runner.study.evaluations}
    more: dict[str, Any] = {"evaluations": further} if further else {}
    if "events_named" in metrics[-1]:
        more["coverage"] = [[row[name] for name in ("step", *COVERAGE)] for row in metrics]
    if llm := metrics[-1].get("llm"):
        more["llm"] = {name: llm[name] for name in LLM} | {
            "tokens": [llm["endpoint"][name] for name in ("tokens_in", "tokens_out")],
            "latency_median": llm["endpoint"]["latency_median"],
            "accepted_texts": accepted(run.lines("relabels.jsonl")),
        }
    return {
        "method": method,
        "seed": result["seed"],
        "steps": result["steps"],
        "settings": runner.study.own(method),
        "mean": mean,
        "achievements_per_trial": result["achievements_per_trial"],
        "canonical": {row["event"]: row["success"] for row in result["canonical"]},
        "lost": {row["event"]: row["lost"] for row in result["forgetting"]},
        "curve": [[row["step"], round(statistics.mean(row["success"].values()), 4)] for row in evaluations],
        "instructions": {event: [row["success"][event] for row in evaluations] for event in success},
        "early_success": early(metrics, result["steps"]),
        "given": shares([row["given"] for row in metrics if "given" in row]),
        "clusters": metrics[-1]["clusters"],
        "seconds": metrics[-1]["seconds"],
    } | more


def accepted(relabels: list[dict[str, Any]]) -> list[str]:
    """The first instructions of the language model that passed verification, at most EXAMPLES."""
    return [row["text"] for row in relabels if row.get("source") == "llm" and not row["rejected"]][:EXAMPLES]


def split(mean: dict[str, float], rows: list[dict[str, Any]], given: list[str]) -> dict[str, float]:
    """The means of an evaluation, the canonical instructions split into those that were given and the others."""
    parts = {
        "half given": [row["success"] for row in rows if row["text"] in given],
        "other half": [row["success"] for row in rows if row["text"] not in given],
    }
    return {name: round(statistics.mean(values), 4) for name, values in parts.items() if values} | mean


def like_held_out(result: dict[str, Any]) -> dict[str, float]:
    """Success on events that are like the held-out ones, which training never asks for, in the same phrasings.

    Alike are events that imply the same event, e.g. `pick_up_red_ball` and `pick_up_blue_ball`. {} where the
    environment holds no event out.
    """
    if not result.get("held_out"):
        return {}
    events = make_env(result["env"]).events
    implied = {name for event in events if event.held_out for name in event.implies}
    alike = {event.name for event in events if implied & set(event.implies) and not event.held_out}
    rows = [row["success"] for part in ("canonical", "paraphrased") for row in result[part] if row["event"] in alike]
    return {"like held out": round(statistics.mean(rows), 4)}


def early(metrics: list[dict[str, Any]], steps: int) -> float:
    """How often the reward said that the instruction given was fulfilled, in the first tenth of training."""
    first = [row["success_of_given"] for row in metrics if row["step"] <= max(steps / 10, metrics[0]["step"])]
    return round(statistics.mean(first), 4)


def shares(given: list[dict[str, int]]) -> dict[str, float]:
    """Of all instructions given in training, the share that each source chose; {} without any."""
    total = sum(sum(row.values()) for row in given)
    return {name: round(sum(row[name] for row in given) / total, 4) for name in given[0]} if total else {}
