"""Read, check and group the arms of `hindsight sandbox train` for a report. An arm is the training of one method.

A run folder holds one seed and several arms. Runs of an arm that differ only in their seed form a group. Other settings
form another group, which is named by the difference. Another task or number of constraints is another chapter.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hindsight_rl.errors import HindsightError
from hindsight_rl.report.runs import first_line, flat, number, read_lines, read_object
from hindsight_rl.run import Run

ORDER = ("rlvr", "fraction", "hir", "retarget", "relabels", "keep")
BEFORE = 8
"""Colour number of the base model."""
_NOT_A_DIFFERENCE = frozenset(
    ("kind", "version", "machine", "arms", "task", "constraints", "dependent", "seed", "out", "resume", "json",
     "evaluations", "test", "examples", "checkpoints", "jobs", "base")
)  # fmt: skip
_MEND = "remove that line, or omit this run"


@dataclass
class ArmRun:
    """One arm of one run folder.

    Attributes:
        folder: the run folder's name.
        arm: the arm's name.
        config: settings of the run.
        metrics: rows of `metrics.jsonl`, one a step.
        evals: rows of `evals.jsonl`, the first from before training.
        rewrites: rows of `rewrites.jsonl`.
        summary: `summary.json`, or None while the arm has none.
        attention: `attention.json` of the run, or None.
    """

    folder: str
    arm: str
    config: dict[str, Any]
    metrics: list[dict[str, Any]] = field(default_factory=list)
    evals: list[dict[str, Any]] = field(default_factory=list)
    rewrites: list[dict[str, Any]] = field(default_factory=list)
    summary: dict[str, Any] | None = None
    attention: dict[str, Any] | None = None

    @property
    def seed(self) -> Any:
        return self.config["seed"]

    @property
    def rollouts(self) -> int:
        """Rollouts so far."""
        return int(self.metrics[-1]["rollouts"]) if self.metrics else 0

    @property
    def state(self) -> str:
        """`complete`, or the progress so far."""
        if self.summary is not None:
            return "complete"
        if not self.metrics:
            return "not begun"
        planned = int(number(self.config.get("rollouts")) or 0)
        return f"{self.rollouts:,} of {planned:,} rollouts; in progress, or given up"

    @property
    def trained(self) -> list[dict[str, Any]]:
        """Evaluations after the start."""
        return [row for row in self.evals if row["step"]]

    def last(self, how: str, name: str) -> float | None:
        """A value of the last evaluation after the start; `how` is `sampled` or `greedy`."""
        return number(self.trained[-1][how].get(name)) if self.trained else None

    def spent(self, name: str) -> float | None:
        """The cost of the arm so far: `rollouts`, `rows`, `updates`, `seconds`, `cpu_seconds`, ..."""
        for source in (self.summary, self.metrics[-1] if self.metrics else None):
            if source is not None and (value := number(source.get(name))) is not None:
                return value
        return None

    @property
    def replays(self) -> bool:
        """Whether it has replayed anything."""
        return any(number(row.get("replays")) for row in self.metrics)

    @property
    def strategy(self) -> str | None:
        """How failures were selected, if known."""
        chosen = (self.summary or {}).get("settings")
        told = chosen.get("strategy") if isinstance(chosen, dict) else None
        return told or self.config.get("replay", {}).get("strategy")


@dataclass
class ArmGroup:
    """Runs of an arm that differ only in their seed; the label is the arm and its difference from other groups."""

    label: str
    arm: str
    runs: list[ArmRun]
    colour: int = 0

    def finals(self, how: str, name: str) -> list[float]:
        """A value of each run's last evaluation."""
        return [value for run in self.runs if (value := run.last(how, name)) is not None]


@dataclass
class ArmChapter:
    """All groups at one number of constraints."""

    constraints: str
    dependent: float
    groups: list[ArmGroup]
    task: str = "words"

    @property
    def title(self) -> str:
        some = f", {self.dependent:.0%} of them dependent" if self.dependent else ""
        turns = " for an agent in the task rooms" if self.task == "rooms" else ""
        return f"{self.constraints.replace('-', '–')} constraints{some}{turns}"

    @property
    def runs(self) -> list[ArmRun]:
        return [run for group in self.groups for run in group.runs]

    @property
    def before(self) -> ArmGroup:
        """The base models: of each arm run that was evaluated before training, one for each seed and settings."""
        once: dict[str, ArmRun] = {}
        for run in self.runs:
            if run.evals and not run.evals[0]["step"]:
                parts = [run.seed, *(run.config.get(name) for name in ("pretrain", "model", "test"))]
                once.setdefault(json.dumps(parts, sort_keys=True), run)
        return ArmGroup("before", "before", list(once.values()), BEFORE)


def read_arms(run: Run, config: dict[str, Any]) -> list[ArmRun]:
    """The arms of a run folder, in the order in which they were asked for, finished or not.

    Raises:
        HindsightError: a file that cannot be understood (with its line).
    """
    file = run.path / "config.json"
    for key, kind in (("arms", str), ("constraints", str), ("seed", int)):
        if not isinstance(config.get(key), kind):
            raise HindsightError(f"{file}: '{key}' is missing: restore it, or omit this run")
    for key in ("replay", "update"):
        if not isinstance(config.get(key, {}), dict):
            raise HindsightError(f"{file}: '{key}' is no object: restore it, or omit this run")
    attention = None
    if (run.path / "attention.json").exists():
        attention = read_object(run, "attention.json", "delete it; with --resume the run makes it again")
        _check_attention(run.path / "attention.json", attention)
    names = list(dict.fromkeys(name.strip() for name in config["arms"].split(",") if name.strip()))
    found = [_read_arm(run.path, name, config, attention) for name in names]
    if not found:
        raise HindsightError(f"{file}: 'arms' names none: restore it, or omit this run")
    return found


def _read_arm(path: Path, name: str, config: dict[str, Any], attention: dict[str, Any] | None) -> ArmRun:
    files = Run(path / "arms" / name)
    metrics = read_lines(files, "metrics.jsonl", numbers=("rollouts",))
    evals = read_lines(files, "evals.jsonl", numbers=("rollouts",))
    for line, row in enumerate(evals, start=1):
        for how in ("sampled", "greedy"):
            mark = row.get(how)
            if (
                not isinstance(mark, dict)
                or number(mark.get("accuracy")) is None
                or not all(isinstance(mark.get(key, {}), dict) for key in ("by_count", "by_kind"))
            ):
                raise HindsightError(f"{files.path / 'evals.jsonl'}, line {line}: '{how}' has no accuracy: {_MEND}")
    rewrites = read_lines(files, "rewrites.jsonl", "prompt", "response", "rewritten")
    for line, row in enumerate(rewrites, start=1):
        for key in ("verdict", "changed", "dropped"):
            if not isinstance(row.get(key), list) or not all(isinstance(each, int) for each in row[key]):
                raise HindsightError(
                    f"{files.path / 'rewrites.jsonl'}, line {line}: '{key}' is no list of numbers: {_MEND}"
                )
    summary = None
    if (files.path / "summary.json").exists():
        mend = "restore it from a copy, or omit this run"
        summary = read_object(files, "summary.json", mend)
        if not isinstance(summary.get("settings", {}), dict):
            raise HindsightError(f"{files.path / 'summary.json'}: 'settings' is no object: {mend}")
    return ArmRun(path.resolve().name, name, config, metrics, evals, rewrites, summary, attention)


def _check_attention(file: Path, found: dict[str, Any]) -> None:
    mend = "delete it; with --resume the run makes it again"
    try:
        for name, model in found["models"].items():
            for how in ("same", "own"):
                if not {"shares", "lift_by_kind"} <= set(model[how]):
                    raise HindsightError(f"{file}: '{name}' lacks shares or lifts: {mend}")
        for example in found["examples"]:
            size = (len(example["response"]), len(example["constraints"]))
            for name, rows in example["models"].items():
                if len(rows) != size[0] or any(len(row) != size[1] for row in rows):
                    raise HindsightError(f"{file}: an example of '{name}' is not {size[0]} × {size[1]}: {mend}")
    except (KeyError, TypeError, AttributeError) as error:
        raise HindsightError(f"{file}: not what a study of attention writes ({first_line(error)}): {mend}") from error


def arm_chapters(runs: Sequence[ArmRun]) -> list[ArmChapter]:
    """Arms by task and number of constraints, and within it by arm and settings."""
    out = []

    def key(run: ArmRun) -> tuple[str, str, float]:
        task = str(run.config.get("task", "words"))
        return task, run.config["constraints"], number(run.config.get("dependent")) or 0.0

    for task, constraints, dependent in sorted({key(run) for run in runs}):
        here = [run for run in runs if key(run) == (task, constraints, dependent)]
        groups: list[ArmGroup] = []
        for arm in sorted({run.arm for run in here}, key=_rank):
            groups += _groups(arm, [run for run in here if run.arm == arm])
        for colour, group in enumerate(groups):
            group.colour = colour % 8
        out.append(ArmChapter(constraints, dependent, groups, task))
    return out


def _rank(arm: str) -> tuple[int, str]:
    """A sort key that puts related methods together: `hir`, `hir-random`, `retarget`."""
    family = arm.split("-")[0]
    return (ORDER.index(family) if family in ORDER else len(ORDER), arm)


def _settings(run: ArmRun) -> dict[str, Any]:
    given = {k: v for k, v in flat(run.config).items() if k.split(".")[0] not in _NOT_A_DIFFERENCE}
    own = (run.summary or {}).get("settings")
    if isinstance(own, dict):  # the arm's own choice, if the settings give none
        given |= {f"update.{k}": v for k, v in own.items() if k == "learning_rate"}
        given |= {f"replay.{k}": v for k, v in own.items() if k == "strategy"}
    return given


def _groups(arm: str, runs: list[ArmRun]) -> list[ArmGroup]:
    settings = [_settings(run) for run in runs]
    for key in ("update.learning_rate", "replay.strategy"):
        known = {s[key] for s in settings if s.get(key) is not None}
        for setting in settings:  # an unfinished arm does not record its choices; use those of the others if they agree
            if setting.get(key) is None and len(known) == 1:
                setting[key] = next(iter(known))
    keys = sorted({key for setting in settings for key in setting})
    differing = [k for k in keys if len({json.dumps(s.get(k, "absent"), sort_keys=True) for s in settings}) > 1]
    made: dict[tuple[str, ...], ArmGroup] = {}
    for run, setting in zip(runs, settings, strict=True):
        marks = tuple(f"{k} {setting.get(k, 'absent')}" for k in differing)
        label = arm + (f" ({', '.join(marks)})" if marks else "")
        made.setdefault(marks, ArmGroup(label, arm, [])).runs.append(run)
    for group in made.values():
        group.runs.sort(key=lambda run: (str(run.seed).zfill(12), run.folder))
    return list(made.values())
