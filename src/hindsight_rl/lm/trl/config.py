"""The settings of HiR on TRL, and the checks before training.

All settings of TRL's ``GRPOConfig`` (and so of ``TrainingArguments``), and the fields of :class:`HiRConfig`.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field, fields
from typing import Any, Literal

import trl
from trl import GRPOConfig

from hindsight_rl.constraints.core import VERSIONS
from hindsight_rl.errors import HindsightError
from hindsight_rl.lm.trl.buffer import TokenBuffer
from hindsight_rl.replay.config import BufferConfig, ReplayConfig, RewriterName
from hindsight_rl.replay.selection import Scope, Strategy

# :class:`hindsight_rl.lm.trl.HiRTrainer` wraps private methods; these versions were checked.
SUPPORTED = ((1, 16), (1, 17))
ANY_TRL = "HINDSIGHT_ANY_TRL"
# Losses that average over rows; rows without tokens would make them too small.
ROW_MEANS = ("grpo", "sapo", "dr_grpo", "luspo")

Advantage = Literal["split", "pooled", "grpo", "rloo"]
OldLogps = Literal["rewritten", "original"]


def _setting(default: Any, about: str) -> Any:
    return field(default=default, metadata={"help": about})


# ruff: noqa: RUF009  the fields' defaults are made by `_setting`, which holds a plain value and its help


@dataclass
class HiRConfig(GRPOConfig):
    """TRL's ``GRPOConfig``, and settings for the selection of failures and their part in the update."""

    rewriter: RewriterName = _setting(
        "drop", "How instructions are rewritten: drop (paper), retarget (ours) or keep (a control that must fail)."
    )
    reward: Literal["all", "fraction"] = _setting(
        "all",
        "Reward of a rollout. all: 1 if all constraints hold, else 0. fraction: the share of constraints that hold.",
    )
    replays_per_prompt: int = _setting(
        2, "Most replays of a generation batch, divided by its prompts; relabels count. 0 turns replay off."
    )
    relabels: int = _setting(
        1,
        "Relabels per failure: its own instruction, rewritten, and others made of constraints of the batch (ours).",
    )
    buffer_rows_per_prompt: int = _setting(
        0,
        "Rows from the replay buffer (replays and successes of earlier generation batches), per prompt of a "
        "generation batch (ours). 0: no replay buffer.",
    )
    buffer_capacity: int = _setting(
        20_000, "The buffer keeps the newest replays, up to this number, and the same number of successes."
    )
    buffer_successes: float = _setting(
        0.5, "Share of successes among the rows from the buffer; the others are replays."
    )
    repeat: bool = _setting(
        False, "A control: instead of replays, train a second time on the same number of random rollouts."
    )
    strategy: Strategy = _setting(
        "curriculum", "Which failures are replayed: curriculum, random, integrity or diversity."
    )
    scope: Scope = _setting(
        "batch",
        "batch: the best failures of the whole batch (released code). group: at most replays_per_prompt of each group "
        "(paper).",
    )
    lambda_start: float = _setting(2.0, "Weight of integrity against diversity before the first step.")
    lambda_growth: float = _setting(0.05, "Growth of that weight per generation batch.")
    lambda_cap: float = _setting(math.inf, "Upper limit of that weight.")
    on_task: float = _setting(
        0.0,
        "Replay only answers whose sentence embedding has at least this cosine with that of their task (ours). 0: all. "
        "Needs the extra encoder.",
    )
    advantage: Advantage = _setting(
        "split",
        "split: Reinforce++; only originals are whitened over the tokens of the batch, replays get replay_advantage; "
        "pooled: one whitening over originals and replays (released code); grpo, rloo: originals are normalised in "
        "their group, replays get replay_advantage.",
    )
    replay_advantage: float = _setting(1.0, "Advantage of a replay; not used with pooled.")
    old_logps: OldLogps = _setting(
        "rewritten",
        "Old log-probabilities of replays: under the rewritten prompt, or under the original one (released code).",
    )
    prompt_format: Literal["chat", "text"] = _setting(
        "chat", "chat: apply the tokenizer's chat template to the prompt. text: use the prompt unchanged."
    )
    long_prompts: Literal["reject", "skip"] = _setting(
        "reject",
        "What to do with prompts that exceed max_prompt_tokens, or leave the model no room for max_completion_length "
        "tokens.",
    )
    chat_template_path: str | None = _setting(None, "A file with a chat template that replaces the tokenizer's own.")
    max_prompt_tokens: int | None = _setting(None, "Most tokens of a prompt; by default the limit of the model.")
    answer_after: str | None = _setting(
        None,
        "Judge only the text after the last of these marks, e.g. </think>; without the mark it counts as empty.",
    )
    checkers: Literal["current", "hir", "corrected"] | None = _setting(
        None,
        "Version of the checkers for training instructions; corrected follows the wording of the constraints. By "
        "default the version with which they were read. Held-out instructions keep their version.",
    )
    share_prompts: Literal["auto", "always", "never"] = _setting(
        "auto",
        "Read a prompt once for several of its responses, not once per response (ours). auto: on a CPU, if the model "
        "allows it. Most is saved with gradient_accumulation_steps = steps_per_generation, which is TRL's default.",
    )
    patience: int = _setting(
        10, "Training stops after this many updates in a row that are not finite. Single ones are skipped."
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, known in (
            ("reward", ("all", "fraction")),
            ("advantage", ("split", "pooled", "grpo", "rloo")),
            ("old_logps", ("rewritten", "original")),
            ("prompt_format", ("chat", "text")),
            ("long_prompts", ("reject", "skip")),
            ("share_prompts", ("auto", "always", "never")),
            ("checkers", (None, *VERSIONS)),
        ):
            if getattr(self, name) not in known:
                raise HindsightError(f"{name} is {getattr(self, name)!r}: one of {', '.join(map(str, known))}")
        for name, low in {"patience": 1, "max_prompt_tokens": 1}.items():
            value = getattr(self, name)
            if value is not None and value < low:
                raise HindsightError(f"{name} is {value}: it must be at least {low}")
        self.replay_config()
        self.buffer()
        if self.repeat and self.buffer_rows_per_prompt:
            raise HindsightError("repeat trains on no replay, so there is none to keep: set buffer_rows_per_prompt=0")

    def replay_config(self) -> ReplayConfig:
        """The replay settings; raises :class:`HindsightError` for a bad one."""
        return ReplayConfig(**self._of(ReplayConfig))

    def buffer(self) -> TokenBuffer | None:
        """An empty replay buffer, or None without one; raises :class:`HindsightError` for a bad setting."""
        rules = BufferConfig(**self._of(BufferConfig))
        return TokenBuffer(rules.buffer_capacity, rules.buffer_successes) if rules.buffer_rows_per_prompt else None

    def _of(self, kind: type[ReplayConfig] | type[BufferConfig]) -> dict[str, Any]:
        return {each.name: getattr(self, each.name) for each in fields(kind) if hasattr(self, each.name)}

    @property
    def adds_rows(self) -> bool:
        """Whether any rows are added to a generation batch."""
        return self.replays_per_prompt > 0 or self.buffer_rows_per_prompt > 0

    @property
    def prompts_per_generation(self) -> int:
        """Prompts of a generation batch, over all processes."""
        size, group = self.generation_batch_size, self.num_generations
        return int(size or 0) // int(group or 1)

    @property
    def replay_budget(self) -> int:
        """Most replays of a generation batch, over all processes."""
        return self.replays_per_prompt * self.prompts_per_generation


def check_version() -> None:
    """Reject versions of TRL that were not checked, unless the environment variable ``HINDSIGHT_ANY_TRL=1`` is set."""
    found = tuple(int(part) for part in trl.__version__.split(".")[:2] if part.isdigit())
    low, high = SUPPORTED
    if not low <= found < high and os.environ.get(ANY_TRL) != "1":
        wanted = f"trl>={low[0]}.{low[1]},<{high[0]}.{high[1]}"
        raise HindsightError(
            f"TRL {trl.__version__} is not supported: pip install '{wanted}' (or set {ANY_TRL}=1 to try it)"
        )


def check_config(args: HiRConfig, model: Any, *, own: bool, others: dict[str, Any]) -> None:
    """Raise an error for settings that do not work with replay, with the reason and the remedy.

    own: the constraints give the only reward. others: the remaining arguments of the trainer.
    """
    if isinstance(others.get("environment_factory"), dict):
        raise HindsightError("environment_factory: give one environment, not a dictionary of several")
    if args.n_gpu > 1:
        raise HindsightError(
            f"{args.n_gpu} GPUs in one process: start one process per GPU (accelerate launch), or set "
            "CUDA_VISIBLE_DEVICES to one"
        )
    if args.beta != 0.0 and not isinstance(model, str) and others.get("peft_config") is None:
        raise HindsightError(
            "beta > 0 needs the model as a path or id, not as an object: TRL loads the reference from there"
        )
    if args.advantage != "grpo" and args.multi_objective_aggregation != "sum_then_normalize":
        raise HindsightError(
            f"multi_objective_aggregation={args.multi_objective_aggregation} normalises per group and reward; "
            "use advantage=grpo with it"
        )
    if not args.adds_rows:
        return
    if args.advantage == "pooled" and not own:
        raise HindsightError(
            "advantage=pooled needs a replay's reward, and further reward functions leave it unknown; "
            "use advantage=split, or only the constraints' reward"
        )
    if args.loss_type in ROW_MEANS and (args.entropy_coef != 0.0 or args.use_adaptive_entropy):
        raise HindsightError(
            f"loss_type={args.loss_type} averages over rows, and its correction for rows without a replay would scale "
            "the entropy bonus too; use loss_type=dapo or bnpo, or entropy_coef=0"
        )
    _check_batches(args)


def _check_batches(args: HiRConfig) -> None:
    """A generation batch is split into equal micro-batches on each process; replays must divide over them."""
    parts = args.world_size * int(args.steps_per_generation or 1)
    if args.replay_budget % parts:
        prompts = args.prompts_per_generation
        fits = parts // math.gcd(parts, prompts)
        raise HindsightError(
            f"{args.replay_budget} replays ({args.replays_per_prompt} for each of {prompts} prompts) do not divide "
            f"over {parts} micro-batches ({args.world_size} processes x {args.steps_per_generation} steps per "
            "generation): "
            f"set replays_per_prompt to a multiple of {fits}, or per_device_train_batch_size larger and "
            "steps_per_generation smaller"
        )
