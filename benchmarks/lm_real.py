"""HiR on a real language model: which methods make SmolLM2-135M-Instruct follow composed instructions, at what cost.

    python benchmarks/lm_real.py --out results/lm_real_cpu.json                                    # two cores, days
    python benchmarks/lm_real.py --device cuda --workers 5 --seconds 560 --out results/lm_real_gpu.json   # one GPU
    python benchmarks/lm_real.py --smoke --runs /tmp/smoke                                         # minutes: a dry run

Stages, each kept in --runs and not repeated by a second call with the same options:

1. Base rates: one constraint at a time, on training prompts, sampled at temperature 1. Kinds that the base model
   fulfils in a share of its responses between --low and --high are what the study is about.
2. Instructions: `hindsight compose` with those kinds. Some kinds are held out of training altogether.
3. Tuning: every method at every learning rate of one grid, on a seed of its own, a short run each; a method's rate is
   the one with the highest share of constraints met on validation instructions (training kinds, other draws), greedy.
   With one rate there is nothing to choose, and no such run.
4. Comparison: every method at its rate, on other seeds; test instructions with prompts that nothing was trained or
   tuned on, at intervals; at the end IFEval and IFBench, test instructions with unseen kinds, and signs of collapse;
   with --attention also attention to the words of the constraints, in the model's own and in the base's responses.

Runs stand in a queue; --workers processes take from it, and each run writes its result as it goes. A second call with
the same --runs may ask for other methods, rates and seeds, and for other limits of time; all else must be the same.
With --seconds, stage 4 ends in time: all runs stop, evaluate, and are compared after the most rollouts that all of them
have.
"""

from __future__ import annotations

import json
import math
import multiprocessing
import os
import statistics
import sys
import threading
import time
import traceback
from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import tyro
from studies import half_interval

from hindsight_rl.atomic_files import write_text

METHODS: dict[str, dict[str, Any]] = {
    "rlvr": {"replays_per_prompt": 0},
    "fraction": {"reward": "fraction", "replays_per_prompt": 0},
    "hir": {"rewriter": "drop", "replays_per_prompt": 2},
    "retarget": {"rewriter": "retarget", "replays_per_prompt": 2},
    "retarget-many": {"rewriter": "retarget", "relabels": 4, "replays_per_prompt": 8},
    "retarget-buffer": {"rewriter": "retarget", "replays_per_prompt": 2, "buffer_rows_per_prompt": 8},
    "rlvr-rows": {"rewriter": "retarget", "replays_per_prompt": 2, "repeat": True},
    "replays-only": {"rewriter": "retarget", "replays_per_prompt": 2, "reward_weights": [0.0]},
}
"""What distinguishes a method, as settings of `HiRConfig`.

retarget-many: four relabels per failure, three of them made of other instructions of the batch. retarget-buffer: with
a replay buffer of replays and successes. rlvr-rows: some rollouts twice, with the same number of rows as `retarget`.
replays-only: nothing but replays enters the update, all with advantage 1: supervised learning on hindsight data.
"""


@dataclass
class Study:
    """What is compared, and how large."""

    model: str = "smollm2-135m"
    device: Literal["cpu", "cuda"] = "cpu"
    runs: str = "runs/lm_real"
    out: str | None = None
    methods: tuple[str, ...] = tuple(METHODS)
    rates: tuple[float, ...] = (5e-5, 1e-4, 2e-4)
    seeds: tuple[int, ...] = (0, 1, 2)
    tuning_seed: int = 100
    prompts: int = 32
    """Prompts of a generation batch."""
    samples: int = 8
    updates: int = 4
    """Optimizer steps per generation batch."""
    tokens: int = 80
    """New tokens of a response, at most."""
    tuning_batches: int = 10
    batches: int = 40
    """Generation batches of a run of the comparison, at most."""
    every: int = 5
    """Generation batches between evaluations on test instructions."""
    numbers: tuple[int, ...] = (1, 2, 3)
    """Constraints of an instruction."""
    low: float = 0.02
    high: float = 0.7
    probes: int = 40
    """Responses per kind for the base rates."""
    kinds_from: str | None = None
    """Result file of an earlier call, whose kinds of constraints are used; no base rates are measured then."""
    rows: int = 4000
    validation: int = 200
    test: int = 500
    attention: int = 0
    """Test instructions in whose responses attention to the constraints is measured, of the base and after each run."""
    benchmarks: bool = True
    """IFEval and IFBench for the base and after each run of the comparison."""
    benchmark_tokens: int = 256
    data: str | None = None
    """Folder with ifeval/prompts.jsonl and ifbench/prompts.jsonl; from the hub when absent."""
    workers: int = 2
    seconds: float | None = None
    """Time limit of the whole call in seconds; by default none."""
    tuning_share: float = 0.4
    """With --seconds: share of the time after stage 2 for tuning; runs that have not started by then are skipped."""
    ending: float = 75.0
    """With --seconds: seconds reserved for the evaluations at the end."""
    smoke: bool = False
    """Tiny sizes, to test that everything runs."""

    def sized(self) -> Study:
        """With the sizes of a smoke run, where that is asked for."""
        if self.smoke:
            self.methods, self.rates, self.seeds = ("rlvr", "retarget-buffer"), (5e-5,), (0,)
            self.prompts, self.samples, self.updates, self.tokens = 4, 4, 2, 24
            self.tuning_batches, self.batches, self.every = 1, 2, 1
            self.probes, self.rows, self.validation, self.test, self.benchmarks = 2, 200, 8, 8, False
            self.attention = 4
            self.low, self.high = -1.0, 2.0
        unknown = [name for name in self.methods if name not in METHODS]
        if unknown:
            sys.exit(f"unknown method {unknown[0]}: one of {', '.join(METHODS)}")
        return self


@dataclass(frozen=True)
class Job:
    """One training run."""

    stage: Literal["tune", "compare"]
    method: str
    rate: float
    seed: int
    batches: int
    end: float
    """Time at which training must stop, in seconds since the epoch."""

    @property
    def name(self) -> str:
        return f"{self.stage}-{self.method}-{self.rate:g}-{self.seed}"


def _write(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(value, indent=1) + "\n")


def _read(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))


def _log(*words: Any) -> None:
    print(f"[{time.strftime('%H:%M:%S')}]", *words, flush=True)


# -- the model, and what it answers ----------------------------------------------------------------


class Subject:
    """A model with what the evaluations need; loaded once per process."""

    def __init__(self, study: Study) -> None:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        from hindsight_rl.lm.models import local_model

        self.study, self.path = study, local_model(study.model)
        self.device = torch.device(study.device)
        self.tokenizer = AutoTokenizer.from_pretrained(self.path, padding_side="left")
        dtype = torch.bfloat16 if study.device == "cuda" else torch.float32
        self.base = AutoModelForCausalLM.from_pretrained(self.path, dtype=dtype).to(self.device).eval()

    def respond(self, model: Any, instructions: Any, tokens: int, temperature: float = 0.0, seed: int = 0) -> Any:
        from hindsight_rl.lm.generate import generate

        batch = 1024 if self.study.device == "cuda" else 64
        chats = [each.messages for each in instructions]
        return generate(
            model, self.tokenizer, chats, max_new_tokens=tokens, batch=batch, temperature=temperature, seed=seed
        )


def _final(subject: Subject, model: Any, study: Study) -> dict[str, Any]:
    """Test sets, benchmarks, drift."""
    from hindsight_rl.evaluation.prompts import read
    from hindsight_rl.evaluation.score import is_older_ifbench, verdicts_of
    from hindsight_rl.lm.drift import divergence, perplexity, shape
    from hindsight_rl.lm.held_out import measured

    data = _data(study)
    found: dict[str, Any] = {}
    answers = subject.respond(model, data["test"], study.tokens)
    found["test"] = measured(data["test"], answers)
    found["shape"] = {name: round(value, 4) for name, value in shape(answers).items()}
    found["ten"] = [[a.prompt, b.text] for a, b in list(zip(data["test"], answers, strict=True))[:10]]
    unseen = subject.respond(model, data["unseen_kinds"], study.tokens)
    found["unseen_kinds"] = measured(data["unseen_kinds"], unseen)
    part = [each.messages for each in data["test"][:48]]
    found["kl"] = round(divergence(model, subject.base, subject.tokenizer, part, answers[:48]), 4)
    found["perplexity"] = round(perplexity(model, subject.tokenizer), 4)
    if study.attention:
        found["attention"] = _attention(subject, model, study, data["test"], answers)
    if study.benchmarks:
        for name in ("ifeval", "ifbench"):
            file = None if study.data is None else Path(study.data) / name / "prompts.jsonl"
            asked = read(name, file)
            if name == "ifbench" and is_older_ifbench(asked):
                asked = read(name, file, "hir")
            answers = subject.respond(model, asked, study.benchmark_tokens)
            strict, loose = verdicts_of(asked, [each.text for each in answers])
            for kind, verdicts in (("strict", strict), ("loose", loose)):
                flat = [holds for verdict in verdicts for holds in verdict]
                found[f"{name}_prompt_{kind}"] = round(statistics.mean(all(v) for v in verdicts), 4)
                found[f"{name}_instruction_{kind}"] = round(statistics.mean(flat), 4)
            found[f"{name}_ended"] = round(statistics.mean(each.ended for each in answers), 4)
    return found


def _attention(subject: Subject, model: Any, study: Study, asked: Any, answers: Any) -> dict[str, Any]:
    """Attention in the model's own responses, and in those of the base model, which is measured first."""
    from hindsight_rl.lm.attention import attention_to_constraints
    from hindsight_rl.lm.generate import Response
    from hindsight_rl.replay.verification import verifying

    file, first = Path(study.runs) / "base_answers.json", slice(study.attention)
    if model is subject.base:
        _write(file, [asdict(each) for each in answers[first]])
    found = {}
    for name, responses in (("own", answers[first]), ("base", [Response(**each) for each in _read(file)])):
        verdicts = verifying().verify_batch([(a, b.text) for a, b in zip(asked[first], responses, strict=True)])
        found[name] = attention_to_constraints(model, subject.tokenizer, asked[first], responses, verdicts)
    return found


# -- instructions ----------------------------------------------------------------------------------


def _data(study: Study) -> dict[str, list[Any]]:
    from hindsight_rl.data.rows import read_dataset

    folder = Path(study.runs) / "data"
    parts = {}
    for name in ("train", "validation", "test", "unseen_kinds"):
        loaded = read_dataset(str(folder / f"{name}.jsonl"))
        parts[name] = loaded.instructions
    return parts


def _compose(study: Study, ids: list[str], held_out: list[str]) -> dict[str, Any]:
    """The four sets, as files; returns how many of each there are."""
    from hindsight_rl.data.compose import ComposeConfig, compose
    from hindsight_rl.data.compose.formats import write

    folder = Path(study.runs) / "data"
    folder.mkdir(parents=True, exist_ok=True)
    made = compose(
        ComposeConfig(
            rows=study.rows + study.validation,
            ids=tuple(ids),
            numbers=study.numbers,
            length="short",
            seed=7,
            test_prompts=0.3,
            test_ids=tuple(held_out),
            test_rows=study.test,
        )
    )
    sets = {
        "validation": made.train[: study.validation],
        "train": made.train[study.validation :],
        "test": made.splits["test_prompts"],
        "unseen_kinds": made.splits["test_ids"][: study.test // 2],
    }
    for name, found in sets.items():
        write(folder / f"{name}.jsonl", found, "if-multi")
    return {name: len(found) for name, found in sets.items()}


def _base_rates(study: Study, subject: Subject) -> dict[str, float]:
    """Share of responses that fulfil a constraint, by its id: training prompts, one constraint each, temperature 1."""
    from hindsight_rl.data.compose import ComposeConfig, compose
    from hindsight_rl.data.compose.formats import write
    from hindsight_rl.data.rows import read_dataset

    rows = []
    for id in ComposeConfig(length="short").candidates():
        probe = ComposeConfig(
            rows=study.probes, ids=(id,), numbers=(1,), length="short", seed=11, test_prompts=0.3, test_rows=0
        )
        rows += compose(probe).train
    file = write(Path(study.runs) / "probes.jsonl", rows, "if-multi")
    asked = read_dataset(str(file)).instructions
    answers = subject.respond(subject.base, asked, study.tokens, temperature=1.0, seed=1)
    from hindsight_rl.replay.verification import verifying

    verdicts = verifying().verify_batch([(a, b.text) for a, b in zip(asked, answers, strict=True)])
    met: dict[str, list[float]] = defaultdict(list)
    for each, verdict in zip(asked, verdicts, strict=True):
        met[each.constraints[0].id].append(float(verdict[0]))
    return {id: round(statistics.mean(values), 4) for id, values in sorted(met.items())}


# -- one run ---------------------------------------------------------------------------------------


def _train(job: Job, study: Study, subject: Subject) -> None:
    """Train one method; its folder holds metrics.jsonl, curve.jsonl and at the end result.json."""
    import torch
    from transformers import TrainerCallback

    from hindsight_rl.lm.held_out import measured
    from hindsight_rl.lm.models import fast_bfloat16
    from hindsight_rl.lm.trl import HiRConfig, HiRTrainer

    data, folder = _data(study), Path(study.runs) / job.name
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("metrics.jsonl", "curve.jsonl"):
        (folder / name).write_text("", "utf-8")
    cuda, rows = study.device == "cuda", study.prompts * study.samples
    settings = HiRConfig(
        output_dir=str(folder / "trainer"),
        per_device_train_batch_size=rows // study.updates,
        steps_per_generation=study.updates,
        gradient_accumulation_steps=1,
        num_generations=study.samples,
        max_completion_length=study.tokens,
        learning_rate=job.rate,
        lr_scheduler_type="constant_with_warmup",
        warmup_steps=2 * study.updates,
        max_steps=job.batches * study.updates,
        temperature=1.0,
        beta=0.0,
        seed=job.seed,
        data_seed=job.seed,
        bf16=cuda or fast_bfloat16(),
        tf32=True if cuda else None,
        use_cpu=not cuda,
        gradient_checkpointing=False,
        model_init_kwargs={"dtype": "float32"},
        save_strategy="no",
        logging_steps=1,
        report_to="none",
        disable_tqdm=True,
        **METHODS[job.method],
    )
    spent = {"evaluating": 0.0}
    started = time.time()

    class Watch(TrainerCallback):
        """Writes metrics, evaluates at intervals, stops in time."""

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
            numbers = {k: v for k, v in (logs or {}).items() if isinstance(v, int | float) and math.isfinite(v)}
            with (folder / "metrics.jsonl").open("a", encoding="utf-8") as file:
                file.write(json.dumps({"step": state.global_step, **numbers}) + "\n")

        def on_step_end(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
            batch, rest = divmod(state.global_step, study.updates)
            if rest:
                return
            if job.stage == "compare" and batch % study.every == 0:
                self.evaluate(model, batch)
            if time.time() > job.end:
                control.should_training_stop = True

        def evaluate(self, model: Any, batch: int) -> None:
            begun = time.time()
            answers = subject.respond(model, data["test"], study.tokens)
            row = {"batch": batch, "rollouts": batch * rows, "seconds": round(begun - started - spent["evaluating"], 1)}
            row |= measured(data["test"], answers) | {"ended": round(statistics.mean(a.ended for a in answers), 4)}
            with (folder / "curve.jsonl").open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
            spent["evaluating"] += time.time() - begun

    trainer = HiRTrainer(subject.path, settings, data["train"], processing_class=subject.tokenizer, callbacks=[Watch()])
    begun = time.time()
    trainer.train()
    seconds = time.time() - begun - spent["evaluating"]
    batches = trainer.state.global_step // study.updates
    result: dict[str, Any] = {
        "stage": job.stage,
        "method": job.method,
        "learning_rate": job.rate,
        "seed": job.seed,
        "batches": batches,
        "rollouts": batches * rows,
        "seconds": round(seconds, 1),
        "peak_gib": round(torch.cuda.max_memory_allocated() / 2**30, 2) if cuda else None,
    }
    model = trainer.model
    if job.stage == "tune":
        answers = subject.respond(model, data["validation"], study.tokens)
        result["validation"] = measured(data["validation"], answers)
    else:
        _write(folder / "partial.json", result)
        if cuda:
            torch.cuda.empty_cache()
        result["final"] = _final(subject, model, study)
    _write(folder / "result.json", result)
    del trainer, model
    if cuda:
        torch.cuda.empty_cache()


def _worker(number: int, study: Study, queue: Any) -> None:
    """Takes jobs until there is none left."""
    log = (Path(study.runs) / f"worker-{number}.log").open("a", encoding="utf-8", buffering=1)
    os.dup2(log.fileno(), 1)
    os.dup2(log.fileno(), 2)
    import torch

    torch.set_num_threads(1)
    torch.set_float32_matmul_precision("high")
    subject = Subject(study)
    while (job := queue.get()) is not None:
        _log("begin", job.name)
        try:
            if time.time() < job.end:
                _train(job, study, subject)
            _log("done", job.name)
        except Exception:  # a failed run must not stop the others
            traceback.print_exc()
        queue.task_done()
    queue.task_done()


# -- the study -------------------------------------------------------------------------------------


def _prepare(study: Study, root: Path, subject: Subject) -> None:
    """Base rates and instructions."""
    if (root / "instructions.json").exists():
        return
    if study.kinds_from:
        earlier = _read(Path(study.kinds_from))["base"]
        kinds, held_out = earlier["kinds"], earlier["held_out"]
    else:
        if not (root / "base_rates.json").exists():
            _write(root / "base_rates.json", _base_rates(study, subject))
        rates = _read(root / "base_rates.json")
        kinds = sorted(id for id, rate in rates.items() if study.low <= rate <= study.high)
        held_out = kinds[2::5]  # every fifth kind, from the third on, is never trained on
        _log(f"{len(kinds)} of {len(rates)} kinds have a base rate between {study.low} and {study.high}")
    sizes = _compose(study, kinds, held_out)
    _log("instructions:", sizes)
    _write(root / "instructions.json", {"kinds": kinds, "held_out": held_out, "sizes": sizes})


def _base(study: Study, root: Path, subject: Subject) -> None:
    """The base model's own figures."""
    if (root / "base.json").exists():
        return
    from hindsight_rl.lm.held_out import measured

    began = time.time()
    base = _read(root / "instructions.json")
    if not study.kinds_from:
        base["rates"] = _read(root / "base_rates.json")
    base["final"] = _final(subject, subject.base, study)
    data = _data(study)
    answers = subject.respond(subject.base, data["validation"], study.tokens)
    base["validation"] = measured(data["validation"], answers)
    base["seconds"] = round(time.time() - began, 1)
    _write(root / "base.json", base)


def _chosen(study: Study, root: Path) -> dict[str, float]:
    """Each method's learning rate: the one with most constraints met on validation instructions, the lower if equal."""
    best: dict[str, tuple[float, float]] = {}
    for file in sorted(root.glob("tune-*/result.json")):
        run = _read(file)
        score = (run["validation"]["each"], -run["learning_rate"])
        if (
            run["method"] in study.methods
            and run["learning_rate"] in study.rates
            and score > best.get(run["method"], (-1.0, 0.0))
        ):
            best[run["method"]] = score
    return {method: -score[1] for method, score in best.items()}


def _fitting(study: Study, root: Path, last: float) -> tuple[tuple[int, ...], int]:
    """Seeds and generation batches of the comparison: with a bound, as many as the slowest method has time for."""
    if not study.seconds:
        return study.seeds, study.batches
    runs = [_read(file) for file in root.glob("tune-*/result.json")]
    slowest = max((run["seconds"] / max(1, run["batches"]) for run in runs), default=1.0)
    waves = math.ceil(len(study.methods) / study.workers)
    room = (last - time.time()) / slowest / waves
    seeds = study.seeds[: max(1, min(len(study.seeds), int(room // 30)))]
    fits = int(room / len(seeds)) // study.every * study.every
    return seeds, max(study.every, min(study.batches, fits))


def _mean(values: list[float]) -> dict[str, float | None]:
    """Mean over seeds and half its 95 % interval, which one seed does not have."""
    half = round(half_interval(values), 4) if len(values) > 1 else None
    return {"mean": round(statistics.mean(values), 4), "half": half}


def gathered(study: Study, root: Path, chosen: dict[str, float]) -> dict[str, Any]:
    """The results of the runs at the chosen rates as one object: what `--out` holds."""
    base = _read(root / "base.json")
    runs = []
    for file in sorted(root.glob("compare-*/partial.json")):
        whole = file.with_name("result.json")
        run = _read(whole if whole.exists() else file)
        if run["learning_rate"] != chosen.get(run["method"]) or run["seed"] not in study.seeds:
            continue
        lines = (file.parent / "curve.jsonl").read_text("utf-8").splitlines()
        run["curve"] = [{k: v for k, v in json.loads(line).items() if k != "wins"} for line in lines]
        runs.append(run)
    common = min((run["curve"][-1]["rollouts"] for run in runs if run["curve"]), default=0)
    table = {}
    for method in study.methods:
        mine = [run for run in runs if run["method"] == method]
        equal = [row for run in mine for row in run["curve"] if row["rollouts"] == common]
        if not equal:
            continue
        finals = [run["final"] for run in mine if "final" in run]
        row: dict[str, Any] = {"learning_rate": mine[0]["learning_rate"], "seeds": [run["seed"] for run in mine]}
        for key in ("all", "each", "ended"):
            values = [each[key] for each in equal]
            row[f"{key}_at_equal_rollouts"] = _mean(values)
        for key in ("perplexity", "kl", *(k for k in base["final"] if k.startswith(("ifeval", "ifbench")))):
            values = [each[key] for each in finals if key in each]
            if values:
                row[key] = _mean(values)
        for key in ("test", "unseen_kinds"):
            values = [each[key]["all"] for each in finals]
            if values:
                row[f"{key}_final"] = _mean(values)
        row["rollouts"] = [run["rollouts"] for run in mine]
        row["seconds"] = [run["seconds"] for run in mine]
        table[method] = row
    tuning = [
        {k: run[k] for k in ("method", "learning_rate", "seed", "rollouts", "seconds")}
        | {"all": run["validation"]["all"], "each": run["validation"]["each"]}
        for run in map(_read, sorted(root.glob("tune-*/result.json")))
    ]
    return {"common_rollouts": common, "table": table, "tuning": tuning, "base": base, "runs": runs}


MAY_CHANGE = ("runs", "out", "methods", "rates", "seeds", "workers", "seconds", "tuning_share", "ending", "data")
"""Options that a second call with the same --runs may change."""


def _check(study: Study, file: Path) -> None:
    """Ends the program if the folder holds runs with other options."""
    before = _read(file) if file.exists() else {}
    for name, value in json.loads(json.dumps(asdict(study))).items():
        if name not in MAY_CHANGE and name in before and before[name] != value:
            option = f"--{name.replace('_', '-')}"
            sys.exit(f"{file.parent} was made with {option} {before[name]}, not {value}: choose other --runs")


def _wait(queue: Any, workers: list[Any], every: float = 5.0) -> None:
    """Wait until the queue is empty; ends the program if no worker is left to empty it."""
    done = threading.Thread(target=queue.join, daemon=True)
    done.start()
    while done.is_alive():
        done.join(every)
        dead = [each.exitcode for each in workers if not each.is_alive()]
        if dead and done.is_alive():
            sys.exit(
                f"a worker ended with exit code {dead[0]} (killed, or out of memory?): see worker-*.log; call again"
            )


def main() -> None:
    """Prepare, tune, compare, gather."""
    study = tyro.cli(Study, description=__doc__).sized()
    began = time.time()
    end = began + (study.seconds or 10 * 365 * 86_400)
    root = Path(study.runs)
    root.mkdir(parents=True, exist_ok=True)
    _check(study, root / "study.json")
    _write(root / "study.json", asdict(study))
    from importlib.metadata import version

    import torch

    from hindsight_rl.run import machine

    about = {
        "command": "python benchmarks/lm_real.py " + " ".join(sys.argv[1:]),
        "machine": machine(),
        "versions": {name: version(name) for name in ("torch", "transformers", "trl")},
        "settings": {name: value for name, value in asdict(study).items() if name not in ("out", "runs", "data")},
    }
    if study.device == "cuda":
        about["machine"]["device"] = torch.cuda.get_device_name(0)
    context = multiprocessing.get_context("spawn")
    queue: Any = context.JoinableQueue()
    workers = [context.Process(target=_worker, args=(n, study, queue), daemon=True) for n in range(study.workers)]
    # Workers import and load while the base is measured; they wait for jobs.
    for each in workers:
        each.start()
    subject = Subject(study)
    _prepare(study, root, subject)

    def begin(jobs: list[Job]) -> None:
        for job in jobs:
            if not (root / job.name / "result.json").exists():
                queue.put(job)

    tuning_end = time.time() + study.tuning_share * (end - time.time())
    tuning = [
        Job("tune", method, rate, study.tuning_seed, study.tuning_batches, tuning_end)
        for rate in study.rates
        for method in study.methods
    ]
    begin(tuning if len(study.rates) > 1 else [])
    _base(study, root, subject)  # beside the tuning runs
    del subject
    if study.device == "cuda":  # the runs need the memory that this process would keep
        torch.cuda.empty_cache()
    shown = {k: v for k, v in _read(root / "base.json")["final"].items() if isinstance(v, float)}
    _log("base:", json.dumps(shown))
    _wait(queue, workers)
    chosen = _chosen(study, root) if len(study.rates) > 1 else dict.fromkeys(study.methods, study.rates[0])
    _write(root / "chosen.json", chosen)
    _log("learning rates:", chosen)
    last = end - (study.ending if study.seconds else 0)
    seeds, batches = _fitting(study, root, last)
    _log(f"comparison: {len(seeds)} seeds, {batches} generation batches")
    begin([Job("compare", m, chosen[m], seed, batches, last) for seed in seeds for m in study.methods if m in chosen])
    _wait(queue, workers)
    for _ in workers:
        queue.put(None)
    result = about | {"chosen": chosen, "seconds": round(time.time() - began, 1)} | gathered(study, root, chosen)
    if study.out:
        _write(Path(study.out), result)
    for method, row in result["table"].items():
        _log(method, json.dumps(row))


if __name__ == "__main__":
    main()
