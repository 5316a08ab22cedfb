"""Constraint verdicts as the reward functions of other people's trainers.

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

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from hindsight_rl.constraints.core import CURRENT, ConstraintError
from hindsight_rl.constraints.rows import COLUMNS, row_constraints
from hindsight_rl.constraints.verdicts import Mode, verdicts
from hindsight_rl.replay.instruction import Verdict
from hindsight_rl.replay.verification import answer_of

Reward = Literal["all", "fraction"]
Convention = Literal["trl", "verl", "openrlhf", "verifiers", "rubric"]


class Scorer:
    """From a row and a response to verdicts and a reward; what all conventions share.

    mode: "all" (1 if every constraint holds, else 0) or "fraction" (the share that holds). check: "strict" or
    "loose" verdicts. unchecked: what to do with a row that also makes demands that no program checks:
    "raise", or "skip" them (the reward then tells of the others only; a row with no others has none).
    answer_after: judge only what follows the last of these marks; without one, thoughts in ``<think>`` are removed
    (:func:`hindsight_rl.replay.verification.answer_of`). answer: before that, from the text of a completion to
    another text. version: see :func:`hindsight_rl.constraints.core.constraint`.
    """

    def __init__(
        self,
        mode: Reward = "all",
        check: Mode = "strict",
        unchecked: Literal["raise", "skip"] = "raise",
        answer: Callable[[str], str] | None = None,
        version: str = CURRENT,
        answer_after: str | None = None,
    ) -> None:
        for name, value, known in (
            ("mode", mode, ("all", "fraction")),
            ("check", check, ("strict", "loose")),
            ("unchecked", unchecked, ("raise", "skip")),
        ):
            if value not in known:
                raise ConstraintError(f"{name} is {value!r}; it must be one of {', '.join(map(repr, known))}")
        self.mode, self.check, self.unchecked = mode, check, unchecked
        self.answer, self.version, self.answer_after = answer, version, answer_after

    def verdicts(self, row: Mapping[str, Any], response: Any, prompt: Any, where: str) -> Verdict:
        """One verdict for each of the row's checkable constraints; empty where it has none."""
        constraints, unchecked = row_constraints(row, where, self.version)
        if unchecked and self.unchecked == "raise":
            raise ConstraintError(
                f"{where}: no program checks {unchecked[0]!r}; leave such rows out, or pass unchecked='skip' "
                "to reward the other constraints only"
            )
        text = message_text(response)
        if self.answer is not None:
            text = self.answer(text)
        text = answer_of(text, self.answer_after)
        return verdicts(constraints, text, message_text(prompt, "user") or None, self.check)

    def reward(self, verdict: Verdict) -> float | None:
        """The reward for a verdict, ``None`` for an empty one."""
        if not verdict:
            return None
        return float(all(verdict)) if self.mode == "all" else sum(verdict) / len(verdict)


def message_text(value: Any, role: str = "assistant") -> str:
    """The text of a prompt or completion: itself, or that of the last message of a role (else the last)."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, Sequence) and value and not isinstance(value[-1], str):
        mine = [message for message in value if _field(message, "role") == role]
        return _content(_field((mine or list(value))[-1], "content"))
    return _content(_field(value, "content"))


def _field(message: Any, name: str) -> Any:
    return message.get(name) if isinstance(message, Mapping) else getattr(message, name, None)


def _content(content: Any) -> str:
    if isinstance(content, Sequence) and not isinstance(content, str):
        return "".join(str(_field(part, "text") or "") for part in content)
    return content if isinstance(content, str) else ""


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
) -> Callable[..., Any]:
    """A reward function in a trainer's calling convention.

    trl: ``f(prompts, completions, **columns) -> list[float | None]``; a row without checkable constraints is
    ``None``, which TRL leaves out. verl: ``f(data_source, solution_str, ground_truth, extra_info)``, see
    :func:`compute_score`. openrlhf: ``f(queries, prompts, labels)``, see :func:`reward_func`. verifiers: a
    method ``f(self, task, trace) -> float`` for ``@vf.reward`` on a task whose data carry the constraints.
    rubric: ``f(prompt, completion, answer, info) -> float`` of earlier verifiers.
    The rest: see :class:`Scorer`. prompt_column: the column with the bare prompt (trl; in verl's
    ``extra_info``, the task of verifiers and the ``info`` of a rubric, its key), if not the prompt itself.
    """
    scorer = Scorer(mode, check, unchecked, answer, version, answer_after)
    makers = {
        "trl": _trl,
        "verl": _verl,
        "openrlhf": _openrlhf,
        "verifiers": _verifiers,
        "rubric": _rubric,
    }
    if convention not in makers:
        raise ConstraintError(f"convention is {convention!r}; it must be one of {', '.join(map(repr, makers))}")
    made = makers[convention](scorer, prompt_column)
    made.__name__ = made.__qualname__ = "constraint_reward" if mode == "all" else f"constraint_{mode}_reward"
    return made


def _trl(scorer: Scorer, prompt_column: str | None) -> Callable[..., Any]:
    def reward(prompts: Sequence[Any], completions: Sequence[Any], **columns: Any) -> list[float | None]:
        asked = columns[prompt_column] if prompt_column else prompts
        given = {name: columns[name] for name in COLUMNS if columns.get(name) is not None}
        found = [
            scorer.verdicts({name: given[name][at] for name in given}, response, asked[at], f"row {at} of the batch")
            for at, response in enumerate(completions)
        ]
        log = columns.get("log_metric")
        checked = [verdict for verdict in found if verdict]
        if log is not None and checked:
            log("constraints/all", sum(map(all, checked)) / len(checked))
            log("constraints/fraction", sum(sum(verdict) / len(verdict) for verdict in checked) / len(checked))
        return [scorer.reward(verdict) for verdict in found]

    return reward


def _verl(scorer: Scorer, prompt_column: str | None) -> Callable[..., Any]:
    def reward(
        data_source: str, solution_str: str, ground_truth: Any, extra_info: Any = None, **_: Any
    ) -> dict[str, Any]:
        extra = extra_info if isinstance(extra_info, Mapping) else {}
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


def _openrlhf(scorer: Scorer, _: str | None) -> Callable[..., Any]:
    def reward(queries: Sequence[str], prompts: Sequence[str], labels: Sequence[Any], **_: Any) -> dict[str, Any]:
        found = []
        for at, (query, prompt, label) in enumerate(zip(queries, prompts, labels, strict=True)):
            # A query is the prompt and the response, decoded with the special tokens between them.
            _start, found_prompt, response = query.partition(prompt)
            if not found_prompt:
                raise ConstraintError(f"row {at} of the batch: the query does not hold its prompt")
            response = _before_end(response)
            found.append(scorer.verdicts({"ground_truth": label}, response, prompt, f"row {at} of the batch"))
        rewards = [scorer.reward(verdict) or 0.0 for verdict in found]
        fractions = [sum(verdict) / len(verdict) if verdict else 0.0 for verdict in found]
        return {
            "rewards": _tensor(rewards),
            "scores": _tensor(rewards),
            "extra_logs": {"constraint_fraction": _tensor(fractions)},
        }

    return reward


# End-of-turn marks of the common chat templates; what stands behind one is padding.
_ENDS = (
    "<|im_end|>",
    "<|endoftext|>",
    "<|eot_id|>",
    "<|end_of_text|>",
    "</s>",
    "<end_of_turn>",
    "<eos>",
    "<|end|>",
)


def _before_end(response: str) -> str:
    return response[: min([len(response), *(at for end in _ENDS if (at := response.find(end)) >= 0)])]


def _tensor(values: list[float]) -> Any:
    # OpenRLHF wants tensors, and has torch loaded; this package does not load it for anyone.
    torch = sys.modules.get("torch")
    return torch.tensor(values) if torch is not None else values


def _verifiers(scorer: Scorer, prompt_column: str | None) -> Callable[..., Any]:
    async def reward(self: Any, task: Any, trace: Any) -> float:
        row = {name: _field(task, name) for name in COLUMNS if _field(task, name) is not None}
        prompt = _field(task, prompt_column or "prompt")
        verdict = scorer.verdicts(row, trace.last_reply, prompt, f"task {_field(task, 'idx')}")
        return scorer.reward(verdict) or 0.0

    return reward


def _rubric(scorer: Scorer, prompt_column: str | None) -> Callable[..., Any]:
    async def reward(prompt: Any = None, completion: Any = None, answer: Any = None, info: Any = None) -> float:
        row = info if isinstance(info, Mapping) and any(name in info for name in COLUMNS) else None
        if prompt_column and isinstance(info, Mapping):
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
    **_: Any,
) -> dict[str, Any]:
    """verl's reward function: "score" (the reward), "acc", "fraction" and "verdicts" ("101", in order).

    The constraints are read from ``ground_truth``, the bare prompt, if any, from ``extra_info["prompt"]``.
    """
    made = _verl(Scorer(mode, check, unchecked, answer_after=answer_after), prompt_column)
    result: dict[str, Any] = made(data_source, solution_str, ground_truth, extra_info)
    return result


def reward_func(queries: Sequence[str], prompts: Sequence[str], labels: Sequence[Any], **_: Any) -> dict[str, Any]:
    """OpenRLHF's reward function, mode "all": "rewards", "scores" and "extra_logs", as tensors.

    The constraints are read from the labels. For another mode, name ``constraint_reward("fraction",
    convention="openrlhf")`` ``reward_func`` in a file of your own.
    """
    result: dict[str, Any] = _openrlhf(Scorer(), None)(queries, prompts, labels)
    return result
