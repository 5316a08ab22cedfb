"""Between verl's rows and the core's rollouts: settings, checks, instructions, rewritten prompts.

Uses verl's names, but imports neither verl nor torch; :mod:`hindsight_rl.lm.verl` handles the tensors. A row is a
mapping of the fields that verl's agent loop stores. These fields are used here:

| field | content |
|---|---|
| ``uid`` | id of the prompt that the rollouts of a group share |
| ``raw_prompt`` | the chat as messages, the last one the user's |
| ``prompts``, ``responses``, ``response_mask`` | token ids; the mask is 1 for tokens that the model generated |
| ``reward_model`` | {"ground_truth": the constraints, in any shape of :mod:`hindsight_rl.constraints.rows`} |
| ``extra_info`` | {"task", "texts", "soft", "layout", "key"}: how the prompt is composed (docs/verl.md) |
| ``extra_fields`` | {"reward_extra_info": {"verdicts": "101", ...}}: the verdicts of the reward function |
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

import numpy as np

from hindsight_rl.constraints.core import CURRENT, VERSIONS
from hindsight_rl.constraints.rows import row_constraints
from hindsight_rl.errors import HindsightError
from hindsight_rl.replay.config import ReplayConfig
from hindsight_rl.replay.instruction import Instruction
from hindsight_rl.replay.item import ReplayItem
from hindsight_rl.replay.layouts import PLAIN, layout_from_json, layout_to_json
from hindsight_rl.replay.replayer import Replayer
from hindsight_rl.replay.rollout import Rollout

OldLogps = Literal["rewritten", "original"]
WHERE = "trainer.v1.sampler.sampler_kwargs"
REWARD = (
    "set reward.custom_reward_function.path=pkg://hindsight_rl.constraints.rewards and "
    "reward.custom_reward_function.name=compute_score"
)


@dataclass(frozen=True)
class Settings(ReplayConfig):
    """The settings under ``trainer.v1.sampler.sampler_kwargs``: those of replay, and those of this engine."""

    old_logps: OldLogps = "rewritten"
    """For a replay's importance ratio: `rewritten` (under the rewritten prompt, as verl computes it for every row) or
    `original` (the source row's, under the original prompt, as HiR's released code does)."""
    grpo_singletons: bool = False
    """Accept GRPO, under which each replay is a group of one."""
    checkers: str = CURRENT
    """Version of the checkers (current, hir, corrected) that replays are verified by; the reward has its own:
    ``reward.custom_reward_function.reward_kwargs.version``, which should be the same."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.old_logps not in ("rewritten", "original"):
            raise HindsightError(f"old_logps is {self.old_logps!r}: it is rewritten or original")
        if self.checkers not in VERSIONS:
            raise HindsightError(f"checkers is {self.checkers!r}: one of {', '.join(VERSIONS)}")

    @classmethod
    def of(cls, given: Mapping[str, Any], also: Iterable[str] = ()) -> Settings:
        """From a mapping in verl's configuration; `also`: keys of other readers. Raises :class:`HindsightError`."""
        known = [field.name for field in fields(cls)]
        for name in given:
            if name not in known and name not in also:
                raise HindsightError(f"{WHERE}.{name} is unknown; known: {', '.join([*known, *also])}")
        try:
            return cls(**{name: given[name] for name in known if name in given})
        except HindsightError as error:
            raise HindsightError(f"{WHERE}: {error}") from None


def check_algorithm(algorithm: Mapping[str, Any], settings: Settings) -> None:
    """Raise :class:`HindsightError`, with the reason, if verl's ``algorithm`` section does not work with replays."""
    estimator = getattr(algorithm.get("adv_estimator"), "value", algorithm.get("adv_estimator"))
    if estimator == "grpo" and not settings.grpo_singletons:
        raise HindsightError(
            "algorithm.adv_estimator=grpo: a replay is a group of one, so each gets advantage +1 and the failures of "
            "an all-failing group get 0; use reinforce_plus_plus, or accept that with "
            f"+{WHERE}.grpo_singletons=true"
        )
    if estimator not in ("reinforce_plus_plus", "grpo"):
        raise HindsightError(
            f"algorithm.adv_estimator={estimator}: replays are rows without a group or a critic's value; "
            "use reinforce_plus_plus"
        )
    correction = algorithm.get("rollout_correction") or {}
    if correction.get("bypass_mode"):
        raise HindsightError(
            "algorithm.rollout_correction.bypass_mode=true takes the rollout's log-probabilities as the old ones, and "
            "a replay's rollout had another prompt; set it to false"
        )
    for name in ("rollout_is", "rollout_rs"):
        if correction.get(name):
            raise HindsightError(
                f"algorithm.rollout_correction.{name}={correction.get(name)} weighs rows by the rollout's "
                "log-probabilities, and a replay's rollout had another prompt; set it to null"
            )
    if (algorithm.get("filter_groups") or {}).get("enable"):
        raise HindsightError(
            "algorithm.filter_groups.enable=true discards groups in which all rollouts fail, and replay needs these; "
            "set it to false"
        )


def to_row(instruction: Instruction, index: int, generate: int | None = None, source: str = "") -> dict[str, Any]:
    """The row of verl's parquet for an instruction; :meth:`Hindsight.instruction` reads it back.

    generate: number of responses to sample for this prompt, if it differs from ``rollout.n`` (verl's own column
    ``__rollout_n__``). source: the name of the data in verl's metrics.
    """
    checks = [(each.id, each.kwargs) for each in instruction.constraints]
    truth = {"instruction_id_list": [id for id, _ in checks], "kwargs": [kwargs for _, kwargs in checks]}
    row: dict[str, Any] = {
        "data_source": str(instruction.meta.get("source") or source or "hindsight"),
        "prompt": instruction.messages,
        "ability": "instruction following",
        # As text, because the kwargs of different constraints have no common columns.
        "reward_model": {"style": "rule", "ground_truth": json.dumps(truth)},
        "extra_info": {
            "index": index,
            "key": str(instruction.key),
            "prompt": instruction.prompt,
            "task": instruction.task,
            "texts": list(instruction.texts),
            "soft": list(instruction.soft),
            "layout": layout_to_json(instruction.layout),
        },
    }
    return row if generate is None else {**row, "__rollout_n__": generate}


class Hindsight:
    """From a batch of verl's rows to replays.

    tokenizer: Hugging Face's, with a chat template. prompt_length: the longest prompt in tokens. chat: keyword
    arguments of the chat template (verl's ``data.apply_chat_template_kwargs``).
    """

    def __init__(
        self, settings: Settings, tokenizer: Any, prompt_length: int, chat: Mapping[str, Any] | None = None
    ) -> None:
        self.settings, self.tokenizer, self.prompt_length = settings, tokenizer, prompt_length
        self.chat = dict(chat or {})
        self.replayer = Replayer(settings)
        added = getattr(tokenizer, "added_tokens_decoder", {})
        self.ends = {*tokenizer.all_special_ids, *(at for at, token in added.items() if token.special)}

    def render(self, messages: Sequence[Mapping[str, Any]]) -> list[int]:
        """Token ids of a chat up to the start of the response, the same as in verl's agent loop."""
        made = self.tokenizer.apply_chat_template(
            list(messages), add_generation_prompt=True, tokenize=True, return_dict=False, **self.chat
        )
        return [int(token) for token in made]

    def instruction(self, row: Mapping[str, Any]) -> Instruction:
        """The instruction of a row."""
        messages = [dict(message) for message in row["raw_prompt"]]
        where = f"verl row {row['uid']} ({row.get('data_source')})"
        if not messages or messages[-1].get("role") != "user" or not isinstance(messages[-1].get("content"), str):
            raise HindsightError(f"{where}: the last message of its prompt must be the user's, as a text")
        prompt, extra = messages[-1]["content"], row.get("extra_info") or {}
        truth = {"ground_truth": row["reward_model"]["ground_truth"]}
        constraints = row_constraints(truth, where, self.settings.checkers).constraints
        texts = tuple(str(text) for text in _list(extra.get("texts")))
        if texts and len(texts) != len(constraints):
            raise HindsightError(
                f"{where}: {len(texts)} extra_info.texts for {len(constraints)} constraints; make the data once more "
                "with examples/verl/prepare.py"
            )
        return Instruction(
            # Without a separate task the constraints are part of the prose: such a row is never rewritten.
            str(extra.get("task") or prompt),
            constraints,
            prompt,
            key=extra.get("key"),
            texts=texts,
            soft=tuple(str(text) for text in _list(extra.get("soft"))),
            layout=layout_from_json(str(extra.get("layout") or PLAIN)),
            earlier=tuple(messages[:-1]),
        )

    def rollout(self, row: Mapping[str, Any], instruction: Instruction, group: int, entropy: float) -> Rollout:
        """The row as a rollout; not complete (never replayed) if it was cut off or has several turns."""
        found = (row["extra_fields"].get("reward_extra_info") or {}).get("verdicts")
        if not isinstance(found, str) or len(found) != len(instruction.constraints):
            raise HindsightError(
                f"verl row {row['uid']}: verdicts {found!r} for {len(instruction.constraints)} constraints; {REWARD}"
            )
        response, mask = _ids(row["responses"]), _ids(row["response_mask"])
        whole = bool(response) and all(mask) and response[-1] in self.ends
        text = self.tokenizer.decode(response, skip_special_tokens=True)
        return Rollout(instruction, text, [each == "1" for each in found], group, entropy, whole)

    def replays(
        self, rows: Sequence[Mapping[str, Any]], entropies: Sequence[float], step: int
    ) -> tuple[list[ReplayItem[list[int]]], dict[str, float]]:
        """The replays of a batch, as token ids, and metrics (``hir/...``).

        rows, entropies (mean per token, in nats): in the same order; an item's source is an index into them.
        """
        groups: dict[str, int] = {}
        asked: list[Instruction] = []
        for row in rows:
            if row["uid"] not in groups:
                groups[row["uid"]] = len(asked)
                asked.append(self.instruction(row))
                if asked[-1].constraints:
                    self._same_prompt(row, asked[-1])
        rollouts = [
            self.rollout(row, asked[groups[row["uid"]]], groups[row["uid"]], entropy)
            for row, entropy in zip(rows, entropies, strict=True)
        ]
        found = self.replayer.replay(rollouts, step)
        made, long = [], 0
        for item in found.replays:
            prompt = self.render(item.instruction.messages)
            if len(prompt) > self.prompt_length:  # only a retargeted constraint may become longer
                long += 1
            else:
                assert item.source is not None
                made.append(item.encoded(prompt, _ids(rows[item.source]["responses"])))
        return made, {
            "hir/replays": float(len(made)),
            "hir/unfilled": float(self.settings.replays_per_prompt * len(asked) - len(made)),
            "hir/candidates": float(found.candidates),
            "hir/rejected": float(sum(found.rejected.values()) + long),
            "hir/incomplete": float(np.mean([not each.complete for each in rollouts])) if rollouts else 0.0,
            "hir/lambda": found.weight,
            "hir/diversity": found.diversity,
            "hir/integrity": found.integrity,
            "hir/kept": found.kept,
        }

    def _same_prompt(self, row: Mapping[str, Any], instruction: Instruction) -> None:
        """Check that the chat template gives the row's own tokens; otherwise rewritten prompts would be wrong too."""
        rendered, given = self.render(instruction.messages), _ids(row["prompts"])
        if len(rendered) <= self.prompt_length and rendered != given:
            raise HindsightError(
                f"verl row {row['uid']}: its prompt has {len(given)} tokens, the chat template gives {len(rendered)} "
                "others; give the template's arguments as data.apply_chat_template_kwargs, and no tools"
            )


def _ids(tokens: Any) -> list[int]:
    return [int(token) for token in (tokens.tolist() if hasattr(tokens, "tolist") else tokens)]


def _list(value: Any) -> list[Any]:
    """A list, from any type that a columnar file returns; empty for null."""
    return [] if value is None else list(value)
