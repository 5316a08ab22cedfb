"""The taskset: instructions with verifiable constraints, their rewards and the metrics of IFEval.

Rows come from IFEval, IFBench, or any file, folder or dataset id that :func:`hindsight_rl.data.rows.read_dataset`
reads. A task's data hold the ids and kwargs of its constraints, so a trace can be scored again without the file.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import verifiers.v1 as vf

from hindsight_rl.constraints.core import constraint
from hindsight_rl.data.rows import read_dataset
from hindsight_rl.errors import HindsightError
from hindsight_rl.evaluation.prompts import read
from hindsight_rl.evaluation.score import verdicts_of
from hindsight_rl.replay.instruction import Instruction

BENCHMARKS = ("ifeval", "ifbench")


class InstructionTaskConfig(vf.TaskConfig):
    """How a response is scored; `--env.taskset.task.*`."""

    reward: Literal["all", "fraction"] = "all"
    """1 where all constraints hold and else 0, or the share that holds."""
    answer_after: str | None = None
    """Score only what follows the last of these marks, e.g. `</think>`; a response without one answers nothing."""


class InstructionConfig(vf.TasksetConfig):
    """Which instructions; `--env.taskset.*`."""

    data: str = "ifeval"
    """`ifeval`, `ifbench`, a file or folder of training rows, `hir-16k`, `if-rlvr`, or a dataset id on the hub."""
    file: Path | None = None
    """The prompts of `ifeval` or `ifbench` as a local file, in place of the hub's."""
    split: str = "train"
    """Of a dataset on the hub."""
    judged: Literal["skip", "reject"] = "skip"
    """Rows with demands that no program checks."""
    inline: Literal["keep", "skip"] = "keep"
    """Rows whose constraints are part of the prose."""
    version: str = "current"
    """Of the checkers: `current`, `hir` or `corrected`."""
    task: InstructionTaskConfig = InstructionTaskConfig()


class InstructionData(vf.TaskData):
    """A prompt with its constraints."""

    constraint_ids: list[str]
    """As the public data name them, e.g. `punctuation:no_comma`."""
    kwargs: list[dict[str, Any]]
    """Their parameters, aligned."""
    version: str = "current"
    """Of the checkers."""

    def instruction(self) -> Instruction:
        """With its checkers."""
        pairs = zip(self.constraint_ids, self.kwargs, strict=True)
        made = tuple(constraint(id, kwargs, version=self.version) for id, kwargs in pairs)
        text = self.prompt if isinstance(self.prompt, str) else self.prompt_text
        return Instruction(text, made, key=self.id)


class InstructionTask(vf.Task[InstructionData, vf.State, InstructionTaskConfig]):
    """Scores the last reply by the checkers."""

    def _verdicts(self, trace: vf.Trace) -> tuple[list[bool], list[bool]]:
        """Strict and loose; a response that was cut off counts by what it says, as in IFEval."""
        (strict,), (loose,) = verdicts_of([self.data.instruction()], [trace.last_reply], self.config.answer_after)
        return strict, loose

    @vf.reward(weight=1.0)
    async def constraints(self, trace: vf.Trace) -> float:
        """All constraints hold, or the share that holds."""
        strict, _ = self._verdicts(trace)
        return float(all(strict)) if self.config.reward == "all" else sum(strict) / len(strict)

    @vf.metric
    async def accuracy(self, trace: vf.Trace) -> dict[str, float]:
        """IFEval's four: all constraints and the share of them, strict and loose."""
        strict, loose = self._verdicts(trace)
        found = {"strict": strict, "loose": loose}
        shares = {f"instruction_{name}": sum(each) / len(each) for name, each in found.items()}
        return {f"prompt_{name}": float(all(each)) for name, each in found.items()} | shares


class InstructionTaskset(vf.Taskset[InstructionTask, InstructionConfig]):
    """Instructions of a benchmark or of a training set."""

    def load(self) -> Iterator[InstructionTask]:
        """One task for each row.

        Raises:
            HindsightError: a row that cannot be read, by file and line; or one whose checker is source code.
        """
        for each in self._instructions():
            ids, kwargs = [one.id for one in each.constraints], [dict(one.kwargs) for one in each.constraints]
            try:
                for id, given in zip(ids, kwargs, strict=True):
                    constraint(id, given, version=self.config.version)
            except HindsightError as error:
                where = each.meta.get("where", each.key)
                raise HindsightError(f"{where}: {error} (only constraints of public ids can be tasks here)") from error
            prompt: Any = each.messages if each.earlier else each.prompt
            data = InstructionData(
                id=None if each.key is None else str(each.key),
                prompt=prompt,
                constraint_ids=ids,
                kwargs=kwargs,
                version=self.config.version,
            )
            yield InstructionTask(data, self.config.task)

    def _instructions(self) -> list[Instruction]:
        config = self.config
        if config.data in BENCHMARKS:
            return list(read(config.data, config.file, config.version))
        choices = {"judged": config.judged, "inline": config.inline, "version": config.version}
        return list(read_dataset(config.data, split=config.split, **choices).instructions)
