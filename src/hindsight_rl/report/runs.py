"""Read, check and group run folders for a report.

Runs form a group if they differ only in their seed; means are taken only within a group. The same method with other
settings is another group, which is named by the difference. Another world is another chapter.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, TypeVar

from hindsight_rl.errors import HindsightError
from hindsight_rl.run import Run

METHOD_ORDER = ("oir", "oracle", "oir-no-buffer", "oir-paper", "her", "buffer", "none", "ellm", "game")
KINDS_READ = ("agent", "lm", "lm-trl")
KINDS = ("canonical", "paraphrased", "composed", "others", "held_out")
_NOT_A_DIFFERENCE = frozenset(
    (
        *("seed", "out", "resume", "machine", "version", "kind", "method", "env", "settled"),
        *("num_checkpoints", "num_evals", "final_eval"),
    )
)


class Named(Protocol):
    """A group with a name and a colour, the same in every chart."""

    @property
    def label(self) -> str: ...

    @property
    def colour(self) -> int: ...


R_co = TypeVar("R_co", covariant=True)


class Seeds(Named, Protocol[R_co]):
    """Runs that are averaged."""

    @property
    def runs(self) -> Sequence[R_co]: ...


@dataclass
class RunData:
    """One run folder.

    Attributes:
        name: the folder's name.
        config: settings.
        metrics: rows of `metrics.jsonl`, in order of their steps.
        relabels: rows of `relabels.jsonl`.
        decisions: rows of `buffer.jsonl`.
        evaluation: `eval.json`, or None while the run has none of its last step.
    """

    name: str
    config: dict[str, Any]
    metrics: list[dict[str, Any]] = field(default_factory=list)
    relabels: list[dict[str, Any]] = field(default_factory=list)
    decisions: list[dict[str, Any]] = field(default_factory=list)
    evaluation: dict[str, Any] | None = None

    @property
    def method(self) -> str:
        return str(self.config["method"])

    @property
    def world(self) -> str:
        return str(self.config["env"])

    @property
    def seed(self) -> Any:
        return self.config["seed"]

    @property
    def step(self) -> int:
        """Environment steps so far."""
        return int(self.metrics[-1]["step"]) if self.metrics else 0

    @property
    def planned(self) -> int:
        """Environment steps planned."""
        return int(number(self.config.get("total_timesteps")) or 0)

    @property
    def state(self) -> str:
        """`complete`, or what is missing."""
        if self.evaluation is not None and self.step >= self.planned:
            return "complete"
        if self.step < self.planned:
            return f"in progress: {self.step:,} of {self.planned:,} steps"
        return "trained, not evaluated yet"

    @property
    def seconds(self) -> dict[str, float]:
        """Seconds spent on `train`, `relabel`, `evaluate` so far."""
        last = self.metrics[-1].get("seconds") if self.metrics else None
        return {k: number(v) or 0.0 for k, v in last.items()} if isinstance(last, Mapping) else {}

    @cached_property
    def looks(self) -> list[tuple[int, dict[str, float]]]:
        """(step, success by event name) of every evaluation in held-out worlds during training."""
        return [
            (int(row["step"]), {k: float(v) for k, v in row["success"].items() if number(v) is not None})
            for row in self.metrics
            if isinstance(row.get("success"), Mapping) and row["success"]
        ]

    def rows(self, kind: str) -> list[dict[str, Any]]:
        """Evaluated instructions of a kind (see `KINDS`); [] without evaluation."""
        return list((self.evaluation or {}).get(kind) or [])

    def mean(self, kind: str) -> float | None:
        """Mean success over the instructions of a kind."""
        rows = self.rows(kind)
        return sum(row["success"] for row in rows) / len(rows) if rows else None


@dataclass
class Group:
    """Runs that differ only in their seed.

    Attributes:
        label: method, and the settings in which the group differs from others of its method.
        method: the method.
        colour: number of its colour, the same throughout a page.
    """

    label: str
    method: str
    runs: list[RunData]
    colour: int = 0

    @property
    def evaluated(self) -> list[RunData]:
        return [run for run in self.runs if run.evaluation is not None]

    def means(self, kind: str) -> list[float]:
        """Mean success of each evaluated run."""
        return [mean for run in self.runs if (mean := run.mean(kind)) is not None]


@dataclass
class Chapter:
    """All groups in one world."""

    world: str
    groups: list[Group]

    @property
    def about(self) -> str:
        """The environment in one sentence, which an evaluated run has; else its name."""
        told = (run.evaluation.get("about") for run in self.runs if run.evaluation)
        return next((str(text) for text in told if text), self.world)

    @property
    def runs(self) -> list[RunData]:
        return [run for group in self.groups for run in group.runs]


def number(value: Any) -> float | None:
    """A finite number, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def open_run(path: Path) -> tuple[Run, dict[str, Any]]:
    """A run folder that a report can read, and its settings.

    Raises:
        HindsightError: no run folder, a damaged `config.json`, or a run of another kind.
    """
    path = Path(path)
    made = "that `hindsight agent train`, `hindsight sandbox train` or `hindsight lm train` made"
    if not path.is_dir():
        raise HindsightError(f"{path} is no run folder: give a folder {made}")
    run = Run(path)
    if not (path / "config.json").is_file():
        raise HindsightError(f"{path} is no run folder: it has no config.json; give one {made}")
    config = read_object(run, "config.json", "restore it from a copy, or omit this run")
    if config.get("kind") not in KINDS_READ:
        raise HindsightError(
            f"{path} is a run of kind '{config.get('kind')}': this report reads runs of `hindsight agent train`, of "
            "`hindsight sandbox train` and of `hindsight lm train`"
        )
    return run, config


def read_run(path: Path) -> RunData:
    """Read the run folder of an agent, finished or not.

    Raises:
        HindsightError: no run folder, a run of another kind, or a file that cannot be understood (with its line).
    """
    run, config = open_run(path)
    path = run.path
    for key in ("method", "env", "seed"):
        if not isinstance(config.get(key), str | int):
            raise HindsightError(f"{path / 'config.json'}: '{key}' is missing: restore it, or omit this run")
    evaluation = None
    if (path / "eval.json").exists():
        evaluation = read_object(run, "eval.json", f"recreate it with: hindsight agent eval {path}")
        _check_evaluation(path, evaluation)
    metrics = read_lines(run, "metrics.jsonl")
    metrics.sort(key=lambda row: row["step"])
    if evaluation is not None and metrics and evaluation.get("steps", metrics[-1]["step"]) != metrics[-1]["step"]:
        evaluation = None  # of an earlier step: the run has gone on since
    return RunData(
        path.resolve().name, config, metrics, read_lines(run, "relabels.jsonl", "text"),
        read_lines(run, "buffer.jsonl", "text", "what"), evaluation,
    )  # fmt: skip


def read_object(run: Run, name: str, mend: str) -> dict[str, Any]:
    """The object in a `.json` file; raises :class:`HindsightError` with the mend."""
    file = run.path / name
    try:
        value = run.read(name)
    except (HindsightError, UnicodeDecodeError, OSError, RecursionError) as error:
        why = error if isinstance(error, HindsightError) else f"{file}: cannot be read ({first_line(error)})"
        raise HindsightError(f"{why}: {mend}") from error
    if not isinstance(value, dict):
        raise HindsightError(f"{file}, line 1: not a JSON object: {mend}")
    return value


def read_lines(run: Run, name: str, *texts: str, numbers: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Rows of a `.jsonl` file, each with a step, the named texts and the named numbers."""
    file = run.path / name
    mend = "remove that line, or omit this run"
    try:
        rows = run.lines(name)
    except (HindsightError, UnicodeDecodeError, OSError, RecursionError) as error:
        why = error if isinstance(error, HindsightError) else f"{file}: cannot be read ({first_line(error)})"
        raise HindsightError(f"{why}: {mend}") from error
    for line, row in enumerate(rows, start=1):
        if not isinstance(row, dict) or number(row.get("step")) is None:
            raise HindsightError(f"{file}, line {line}: no object with a 'step': {mend}")
        for key in texts:
            if not isinstance(row.get(key), str):
                raise HindsightError(f"{file}, line {line}: '{key}' is missing: {mend}")
        for key in numbers:
            if number(row.get(key)) is None:
                raise HindsightError(f"{file}, line {line}: '{key}' is no number: {mend}")
    return rows


def first_line(error: BaseException) -> str:
    """The message of an error, in one line."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def _check_evaluation(path: Path, evaluation: dict[str, Any]) -> None:
    file, mend = path / "eval.json", f"recreate it with: hindsight agent eval {path}"
    for kind in KINDS:
        rows = evaluation.get(kind, [])
        if not isinstance(rows, list):
            raise HindsightError(f"{file}: '{kind}' is no list: {mend}")
        for i, row in enumerate(rows):
            if not isinstance(row, dict) or not isinstance(row.get("text"), str) or number(row.get("success")) is None:
                raise HindsightError(f"{file}: entry {i + 1} of '{kind}' lacks a text or a success rate: {mend}")
    for row in evaluation.get("forgetting") or []:
        if not isinstance(row, dict) or number(row.get("best")) is None or number(row.get("final")) is None:
            raise HindsightError(f"{file}: an entry of 'forgetting' lacks 'best' or 'final': {mend}")
    before = evaluation.get("prerequisites") or {}
    if not isinstance(before, dict) or not all(isinstance(names, list) for names in before.values()):
        raise HindsightError(f"{file}: 'prerequisites' is no object of lists: {mend}")


def flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings as `acting.patience`: value."""
    out: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, Mapping):
            out |= flat(value, f"{prefix}{key}.")
        else:
            out[f"{prefix}{key}"] = value
    return out


def chapters(runs: Sequence[RunData]) -> list[Chapter]:
    """Runs by world, and within a world by method and settings."""
    out = []
    for world in sorted({run.world for run in runs}):
        groups: list[Group] = []
        here = [run for run in runs if run.world == world]
        methods = sorted({run.method for run in here}, key=lambda m: (_rank(m), m))
        for method in methods:
            groups += _groups(method, [run for run in here if run.method == method])
        for colour, group in enumerate(groups):
            group.colour = colour % 8
        out.append(Chapter(world, groups))
    return out


def _rank(method: str) -> int:
    return METHOD_ORDER.index(method) if method in METHOD_ORDER else len(METHOD_ORDER)


def _settings(run: RunData) -> dict[str, Any]:
    """The settings that separate groups. Older runs lack the settings of relabelers: they used templates."""
    ignored = _NOT_A_DIFFERENCE
    if run.config.get("relabeler", "templates") == "templates":
        ignored |= {"endpoint", "llm"}
    given = {k: v for k, v in flat(run.config).items() if k.split(".")[0] not in ignored}
    return {"relabeler": "templates", "grounding": True, "noise.rate": 0.0, "noise.kind": "hallucinated"} | given


def _groups(method: str, runs: list[RunData]) -> list[Group]:
    settings = [_settings(run) for run in runs]
    keys = sorted({key for setting in settings for key in setting})
    absent = "absent"
    differing = [k for k in keys if len({json.dumps(s.get(k, absent), sort_keys=True) for s in settings}) > 1]
    made: dict[tuple[str, ...], Group] = {}
    for run, setting in zip(runs, settings, strict=True):
        marks = tuple(f"{k} {setting.get(k, absent)}" for k in differing)
        label = method + (f" ({', '.join(marks)})" if marks else "")
        made.setdefault(marks, Group(label, method, [])).runs.append(run)
    for group in made.values():
        group.runs.sort(key=lambda run: str(run.seed))
    return list(made.values())
