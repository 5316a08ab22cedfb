"""Constraint verdicts as reward functions for public trainers.

TRL::

    GRPOTrainer(reward_funcs=constraint_reward("all"), train_dataset=rows_with_ids_and_kwargs, ...)

verl: ``reward.custom_reward_function.path=pkg://hindsight_rl.constraints.rewards`` with the name
``compute_score``; ``reward_kwargs`` are those of :func:`compute_score`.

OpenRLHF: a file that holds ``from hindsight_rl.constraints.rewards import reward_func``, given as the remote
reward.

verifiers::

    class IFTask(vf.Task[...]):
        follows = vf.reward(constraint_reward("all", convention="verifiers"))

The constraints come with the rows, in any shape of :mod:`.rows`. A row that cannot be read is an error,
never a reward. The prompt reaches the few constraints that read it: where a trainer hands it over as rendered by a
chat template, ``repeat_prompt`` and its like need the bare prompt as a column of its own (see `prompt_column`).
"""

from __future__ import annotations

import difflib
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, Literal

from hindsight_rl.constraints.completions import field_of
from hindsight_rl.constraints.core import CURRENT, ConstraintError
from hindsight_rl.constraints.end_marks import Ends, end_marks, without_end
from hindsight_rl.constraints.rows import COLUMNS, of_another_task
from hindsight_rl.constraints.scorer import Reward, Scorer
from hindsight_rl.constraints.verdicts import Mode

Convention = Literal["trl", "verl", "openrlhf", "verifiers", "rubric"]


def constraint_reward(
    mode: Reward = "all",
    *,
    convention: Convention = "trl",
    check: Mode = "strict",
    unchecked: Literal["raise", "skip"] = "raise",
    answer: Callable[[str], str] | None = None,
    version: str = CURRENT,
    prompt_column: str | None = None,
    answer_after: str | None = None,
    ends: Ends = None,
) -> Callable[..., Any]:
    """A reward function in a trainer's calling convention.

    trl: ``f(prompts, completions, **columns) -> list[float | None]``; a row without checkable constraints, such as a
    row of another task whose constraint columns are None, has the reward ``None``, which TRL does not count. verl:
    ``f(data_source, solution_str, ground_truth, extra_info)``, see
    :func:`compute_score`. openrlhf: ``f(queries, prompts, labels)``, see :func:`reward_func`. verifiers: a
    method ``f(self, task, trace) -> float`` for ``@vf.reward`` on a task whose data carry the constraints.
    rubric: ``f(prompt, completion, answer, info) -> float`` of earlier verifiers.
    prompt_column: the column with the bare prompt (trl; in verl's ``extra_info``, the task of verifiers and the
    ``info`` of a rubric, its key), if not the prompt itself. ends: the marks behind a response in a query of openrlhf,
    or the tokenizer that knows them, see :func:`reward_func`. The rest: see
    :class:`~hindsight_rl.constraints.scorer.Scorer`.
    """
    scorer = Scorer(mode, check, unchecked, answer, version, answer_after)
    makers: dict[str, Callable[[Scorer, str | None], Callable[..., Any]]] = {
        "trl": _trl,
        "verl": _verl,
        "openrlhf": lambda scorer, _: _openrlhf(scorer, ends),
        "verifiers": _verifiers,
        "rubric": _rubric,
    }
    if convention not in makers:
        raise ConstraintError(f"convention is {convention!r}; it must be one of {', '.join(map(repr, makers))}")
    if ends is not None and convention != "openrlhf":
        raise ConstraintError(f"ends is for the convention openrlhf; {convention} hands over responses without them")
    made = makers[convention](scorer, prompt_column)
    made.__name__ = made.__qualname__ = "constraint_reward" if mode == "all" else f"constraint_{mode}_reward"
    return made


def _trl(scorer: Scorer, prompt_column: str | None) -> Callable[..., Any]:
    def reward(prompts: Sequence[Any], completions: Sequence[Any], **columns: Any) -> list[float | None]:
        if prompt_column and prompt_column not in columns:
            raise ConstraintError(f"no column {prompt_column!r} in the data; prompt_column must name one")
        asked = columns[prompt_column] if prompt_column else prompts
        given = {name: columns[name] for name in COLUMNS if columns.get(name) is not None}
        rows = [{name: given[name][at] for name in given} for at in range(len(completions))]
        found = [
            [] if of_another_task(row) else scorer.verdicts(row, response, asked[at], f"row {at} of the batch")
            for at, (row, response) in enumerate(zip(rows, completions, strict=True))
        ]
        log = columns.get("log_metric")
        checked = [verdict for verdict in found if verdict]
        if log is not None and checked:
            log("constraints/all", sum(map(all, checked)) / len(checked))
            log("constraints/fraction", sum(sum(verdict) / len(verdict) for verdict in checked) / len(checked))
        return [scorer.reward(verdict) for verdict in found]

    return reward


# What verl's reward managers hand over beside the four arguments of its reward functions.
_FROM_VERL = (
    "reward_router_address",
    "reward_model_tokenizer",
    "sandbox_fusion_url",
    "concurrent_semaphore",
    "memory_limit_mb",
)


def _verl(scorer: Scorer, prompt_column: str | None) -> Callable[..., Any]:
    def reward(
        data_source: str, solution_str: str, ground_truth: Any, extra_info: Any = None, **others: Any
    ) -> dict[str, Any]:
        _refuse(others, "reward_kwargs go to constraint_reward")
        extra = _envelope(extra_info)
        prompt = extra.get(prompt_column or "prompt")
        row = {"ground_truth": ground_truth}
        verdict = scorer.verdicts(row, solution_str, prompt, f"data source {data_source!r}")
        return {
            "score": scorer.reward(verdict) or 0.0,
            "acc": float(bool(verdict) and all(verdict)),
            "fraction": sum(verdict) / len(verdict) if verdict else 0.0,
            # A string: verl makes arrays of these columns, which lists of different lengths would break.
            "verdicts": "".join("01"[holds] for holds in verdict),
        }

    return reward


def _refuse(others: Mapping[str, Any], mend: str) -> None:
    """Raise for a keyword that is neither ours nor one that verl hands over by itself."""
    for name in others:
        if name not in _FROM_VERL:
            near = difflib.get_close_matches(name, _OPTIONS, n=1)
            raise ConstraintError(
                f"unknown keyword {name!r}" + (f" (did you mean {near[0]}?)" if near else "") + f"; {mend}"
            )


def _envelope(value: Any) -> Mapping[str, Any]:
    """A mapping, also where a columnar file keeps it as JSON text; {} for anything else."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return {}
    return value if isinstance(value, Mapping) else {}


def _openrlhf(scorer: Scorer, ends: Ends) -> Callable[..., Any]:
    marks, trailing = end_marks(ends)

    def reward(queries: Sequence[str], prompts: Sequence[str], labels: Sequence[Any], **_: Any) -> dict[str, Any]:
        found = []
        for at, (query, prompt, label) in enumerate(zip(queries, prompts, labels, strict=True)):
            # A query is the prompt and the response, decoded with the special tokens between them.
            _start, found_prompt, response = query.partition(prompt)
            if not found_prompt:
                raise ConstraintError(f"row {at} of the batch: the query does not hold its prompt")
            response = without_end(response, marks, trailing)
            found.append(scorer.verdicts({"ground_truth": label}, response, prompt, f"row {at} of the batch"))
        rewards = [scorer.reward(verdict) or 0.0 for verdict in found]
        fractions = [sum(verdict) / len(verdict) if verdict else 0.0 for verdict in found]
        return {
            "rewards": _tensor(rewards),
            "scores": _tensor(rewards),
            "extra_logs": {"constraint_fraction": _tensor(fractions)},
        }

    return reward


def _tensor(values: list[float]) -> Any:
    # OpenRLHF needs tensors and has loaded torch already; this package does not depend on torch.
    torch = sys.modules.get("torch")
    return torch.tensor(values) if torch is not None else values


def _verifiers(scorer: Scorer, prompt_column: str | None) -> Callable[..., Any]:
    async def reward(self: Any, task: Any, trace: Any) -> float:
        row = {name: field_of(task, name) for name in COLUMNS if field_of(task, name) is not None}
        prompt = field_of(task, prompt_column or "prompt")
        verdict = scorer.verdicts(row, trace.last_reply, prompt, f"task {field_of(task, 'idx')}")
        return scorer.reward(verdict) or 0.0

    return reward


def _rubric(scorer: Scorer, prompt_column: str | None) -> Callable[..., Any]:
    async def reward(prompt: Any = None, completion: Any = None, answer: Any = None, info: Any = None) -> float:
        info = _envelope(info)
        row = info if any(name in info for name in COLUMNS) else None
        if prompt_column:
            prompt = info.get(prompt_column)
        verdict = scorer.verdicts(row or {"ground_truth": answer}, completion, prompt, "the rollout's info")
        return scorer.reward(verdict) or 0.0

    return reward


def compute_score(
    data_source: str,
    solution_str: str,
    ground_truth: Any,
    extra_info: Any = None,
    mode: Reward = "all",
    check: Mode = "strict",
    unchecked: Literal["raise", "skip"] = "raise",
    prompt_column: str | None = None,
    answer_after: str | None = None,
    version: str = CURRENT,
    **others: Any,
) -> dict[str, Any]:
    """verl's reward function: "score" (the reward), "acc", "fraction" and "verdicts" ("101", in order).

    The constraints are read from ``ground_truth``, the bare prompt, if any, from ``extra_info["prompt"]``. The options
    are those of :class:`~hindsight_rl.constraints.scorer.Scorer`, set by ``reward_kwargs``; an unknown one is an error.
    """
    _refuse(others, f"known: {', '.join(_OPTIONS)}")
    made = _compute_score(mode, check, unchecked, prompt_column, answer_after, version)
    result: dict[str, Any] = made(data_source, solution_str, ground_truth, extra_info)
    return result


_OPTIONS = ("mode", "check", "unchecked", "prompt_column", "answer_after", "version")


@cache
def _compute_score(
    mode: Reward,
    check: Mode,
    unchecked: Literal["raise", "skip"],
    prompt_column: str | None,
    answer_after: str | None,
    version: str,
) -> Callable[..., Any]:
    """One scorer for all calls with the same options, as it counts what the responses hold."""
    return _verl(Scorer(mode, check, unchecked, None, version, answer_after), prompt_column)


def reward_func(queries: Sequence[str], prompts: Sequence[str], labels: Sequence[Any], **_: Any) -> dict[str, Any]:
    """OpenRLHF's reward function, mode "all": "rewards", "scores" and "extra_logs", as tensors.

    The constraints are read from the labels. OpenRLHF passes queries with special tokens; those at the end are
    recognised by their form and removed. For another mode, or to name the end marks, write into a file of your own
    ``reward_func = constraint_reward("fraction", convention="openrlhf", ends=AutoTokenizer.from_pretrained(MODEL))``.
    """
    result: dict[str, Any] = _default_reward_func()(queries, prompts, labels)
    return result


@cache
def _default_reward_func() -> Callable[..., Any]:
    return _openrlhf(Scorer(), None)
