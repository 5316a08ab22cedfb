"""HiR on TRL: a ``GRPOTrainer`` that also trains on failures, under an instruction that the failure did fulfil.

trainer = HiRTrainer(
    model="Qwen/Qwen2.5-7B-Instruct",
    args=HiRConfig(output_dir="out", num_generations=6, per_device_train_batch_size=6, steps_per_generation=8),
    train_dataset=read_dataset("hir-16k", judged="skip").instructions,
)
trainer.train()

TRL's methods are wrapped, not copied. ``_calculate_rewards`` stores the verdicts;
``_generate_and_score_completions`` appends the replays to the batch. See docs/trl.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any

import numpy as np
import torch
from accelerate.utils import broadcast_object_list, gather_object
from datasets import Dataset
from torch import Tensor
from transformers.trainer_utils import TrainOutput, get_last_checkpoint
from trl import GRPOTrainer

from hindsight_rl.constraints.completions import message_text
from hindsight_rl.errors import HindsightError
from hindsight_rl.lm.trl.advantages import advantages
from hindsight_rl.lm.trl.buffer import Saved, fulfilled
from hindsight_rl.lm.trl.config import ROW_MEANS, HiRConfig, check_config, check_version
from hindsight_rl.lm.trl.finite import Finite
from hindsight_rl.lm.trl.metrics import constraint_metrics, replay_metrics
from hindsight_rl.lm.trl.passes import divisible, loss_in_passes, parted, regrouped
from hindsight_rl.lm.trl.plan import Plan, Planner
from hindsight_rl.lm.trl.prompts import EpochOrder, fitting, in_version, prompt_rows, room_of, template_of, tokenizer_of
from hindsight_rl.lm.trl.rows import Batch, Ids, Row, joined, loss_mask, narrowed, replay_rows, share
from hindsight_rl.lm.trl.scoring import Scorer
from hindsight_rl.lm.trl.turns import check_prompts, observations, waiting
from hindsight_rl.replay.instruction import Instruction, Verdict
from hindsight_rl.replay.item import ReplayItem
from hindsight_rl.replay.replayer import Replayed, Replayer
from hindsight_rl.replay.rollout import Rewriter, Rollout
from hindsight_rl.replay.verification import Verifier, Verify, verifying

__all__ = ["HiRConfig", "HiRTrainer"]


class HiRTrainer(GRPOTrainer):
    """TRL's GRPO trainer with hindsight instruction replay.

    Args:
        model: id or path (needed for beta > 0 without PEFT), or a model.
        args: the settings.
        train_dataset, eval_dataset: instructions, e.g. from :func:`hindsight_rl.data.rows.read_dataset`; or a
            ``datasets.Dataset`` whose rows have a schema that this function reads.
        processing_class: the tokenizer; by default the model's own.
        reward_funcs: further rewards, added to that of the constraints. In ``reward_weights`` the weight of the
            constraints comes first.
        verify: judges answers: a :class:`~hindsight_rl.replay.verification.Verifier` (e.g. a
            :class:`hindsight_rl.lm.judge.Judge`), or a function of an instruction and an answer; by default the
            constraints' own checks. It runs on the process that has the response; for replays it runs once more on the
            first process.
        rewriter: replaces the rewriter of the settings.
        on_replays: is called on the first process with the step, the rollouts of each generation batch, and their
            replays (:class:`hindsight_rl.lm.trl.replays.Replays` writes some to a file).
        transcript: the text of a completion that is judged, for rollouts of several turns; by default the last message
            of the assistant.
        others: further arguments of ``GRPOTrainer``: callbacks, optimizers, peft_config, rollout_func,
            environment_factory, tools, ...

    Raises:
        HindsightError: the version of TRL is not supported, or the settings or data are bad; raised before training.
    """

    _tag_names = ["trl", "hir", "hindsight-rl"]  # noqa: RUF012  as TRL has it
    _name = "HiR"
    _paper = {  # noqa: RUF012  as TRL has it
        "title": "Replay Failures as Successes: Sample-Efficient Reinforcement Learning for Instruction Following",
        "id": "2512.23457",
        "citation": "",
    }

    args: HiRConfig
    # The types after construction, which are not in TRL's own declarations.
    model: Any
    num_generations: int
    pad_to_multiple_of: int | None
    _logs: Any
    _buffered_inputs: Any

    def __init__(
        self,
        model: Any,
        args: HiRConfig,
        train_dataset: Sequence[Instruction] | Dataset,
        eval_dataset: Sequence[Instruction] | Dataset | None = None,
        processing_class: Any = None,
        reward_funcs: Callable[..., Any] | Sequence[Callable[..., Any]] | None = None,
        verify: Verifier | Verify | None = None,
        rewriter: Rewriter | None = None,
        on_replays: Callable[[int, Sequence[Rollout], Replayed[str]], None] | None = None,
        transcript: Callable[[Any], str] = message_text,
        **others: Any,
    ) -> None:
        check_version()
        extra = [] if reward_funcs is None else [reward_funcs] if callable(reward_funcs) else list(reward_funcs)
        check_config(args, model, own=not extra, others=others)
        replayer = Replayer(args.replay_config(), rewriter=rewriter, verifier=verify)
        self._verifier = verifying(verify, args.answer_after)
        self._buffer = args.buffer()
        self._transcript = transcript
        tokenizer = tokenizer_of(model, args) if processing_class is None else processing_class
        if args.chat_template_path is not None:
            tokenizer.chat_template = template_of(args.chat_template_path)
        room = room_of(model, args)
        train = in_version(fitting(train_dataset, "train_dataset", tokenizer, room, args), args.checkers)
        evaluated = fitting(eval_dataset, "eval_dataset", tokenizer, room, args) if eval_dataset is not None else []
        self.too_long = len(train_dataset) + len(eval_dataset or []) - len(train) - len(evaluated)
        """Number of instructions skipped because their prompt is too long."""
        self.instructions: list[Instruction] = [*train, *evaluated]
        listener = None if on_replays is None else lambda *found: on_replays(self.state.global_step + 1, *found)
        self._planner = Planner(args, replayer, room, self._buffer, listener)
        self._seen: list[Rollout] = []
        self._rewards: Tensor | None = None

        def constraints(prompts: list[Any], log_metric: Any = None, **_: Any) -> list[float | None]:
            if log_metric is not None:
                for name, value in constraint_metrics(self._seen).items():
                    log_metric(name, value)
            if args.reward == "all":
                return [float(each.succeeded) for each in self._seen]
            return [each.integrity for each in self._seen]

        chat = args.prompt_format == "chat"
        super().__init__(
            model=model,
            reward_funcs=[constraints, *extra],
            args=args,
            train_dataset=Dataset.from_list(prompt_rows(train, chat)),
            eval_dataset=Dataset.from_list(prompt_rows(evaluated, chat, len(train))) if evaluated else None,
            processing_class=tokenizer,
            **others,
        )
        if self.aux_loss_enabled and args.loss_type in ROW_MEANS and args.adds_rows:
            raise HindsightError(
                f"loss_type={args.loss_type} averages over rows, and its correction for rows without a replay would "
                "scale the experts' balancing loss too; use loss_type=dapo or bnpo, or router_aux_loss_coef=0"
            )
        if args.share_prompts == "always" and self.aux_loss_enabled:
            raise HindsightError("share_prompts=always: the experts' balancing loss needs a prompt once per response")
        self._scorer = Scorer(self.model, args.share_prompts, self._tokenizer.pad_token_id, self.accelerator)
        self.add_callback(Finite(self, args.patience))
        if self._buffer is not None:
            self.add_callback(Saved(self._buffer))

    def train(
        self,
        resume_from_checkpoint: str | bool | None = None,
        trial: Any = None,
        ignore_keys_for_eval: list[str] | None = None,
    ) -> TrainOutput:
        """TRL's `train`, which also restores the replay buffer of the checkpoint.

        Raises:
            HindsightError: the settings ask for a replay buffer and the checkpoint has none, or training failed.
        """
        if self._buffer is not None and resume_from_checkpoint and self.accelerator.is_main_process:
            last = get_last_checkpoint(str(self.args.output_dir))
            folder = last if resume_from_checkpoint is True else str(resume_from_checkpoint)
            if folder is not None:
                self._buffer.load(folder)
        return super().train(resume_from_checkpoint, trial, ignore_keys_for_eval)

    def _get_train_sampler(self, dataset: Any = None) -> Any:
        return EpochOrder(super()._get_train_sampler(dataset), self.args.seed)

    # -- verdicts of the rollouts -----------------------------------------------------------------------------------

    def _generate(self, prompts: list[Any]) -> Any:
        # A CPU converts the weights to bfloat16 once for all tokens. On a GPU that is quick, and the copy is large.
        once = self.accelerator.autocast() if self.accelerator.device.type == "cpu" else nullcontext()
        with once:
            made = super()._generate(prompts)
        self._tool_mask: list[list[int]] | None = made[2]
        if self._tool_mask is not None and self._buffer is not None:
            raise HindsightError(
                "the replay buffer does not keep which tokens an environment wrote; set buffer_rows_per_prompt=0"
            )
        return made

    def _calculate_rewards(
        self, inputs: list[Any], prompts: list[Any], completions: list[Any], completion_ids_list: list[list[int]]
    ) -> Tensor:
        ends = set(self.eos_token_ids)
        asked = [self.instructions[row["instruction"]] for row in inputs]
        texts = [self._transcript(completion) for completion in completions]
        verdicts = self._verifier.verify_batch(list(zip(asked, texts, strict=True)))
        whole = [bool(ids) and ids[-1] in ends for ids in completion_ids_list]
        if self.environment_factories is not None:
            check_prompts(prompts, asked)
        observed = observations(completion_ids_list, self._tool_mask, self._tokenizer)
        complete = [ended and not waiting(each) for ended, each in zip(whole, completions, strict=True)]
        self._seen = [
            Rollout(instruction, text, verdict, complete=ended, observed=seen)
            for instruction, text, verdict, ended, seen in zip(asked, texts, verdicts, complete, observed, strict=True)
        ]
        rewards: Tensor = super()._calculate_rewards(inputs, prompts, completions, completion_ids_list)
        self._rewards = rewards
        return rewards

    # -- replays ----------------------------------------------------------------------------------------------------

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> Batch:
        batch: Batch = super()._generate_and_score_completions(inputs)
        if not self.model.training:
            return batch
        step = self._generations() + 1
        rows = batch["prompt_ids"].size(0)
        if not self.args.adds_rows:
            self._set_advantages(batch, [])
            return batch
        logps, entropy = self._looked_at(batch)
        plan = self._plan(self.accelerator.gather(entropy), [row["instruction"] for row in inputs], step)
        logps = batch.get("old_per_token_logps", logps)
        replays = self._rows(batch, logps, plan.items)
        if self._buffer is not None:
            succeeded = gather_object(fulfilled(batch, self._seen))
            if self.accelerator.is_main_process:
                self._buffer.keep((each.item for each in replays if each.fresh), succeeded)
        self._set_advantages(batch, replays)
        self._show(plan, rows)
        ranks = self.accelerator.num_processes
        mine, added = share(len(replays), self.accelerator.process_index, ranks, self._steps)
        shift = torch.zeros(2, device=logps.device)
        if added:
            fresh = sum(each.fresh for each in replays)
            more = self._made([replays[at] for at in mine], added, -(-fresh // ranks), batch)
            live = loss_mask(more) * more["fresh"][:, None]
            shift = torch.stack([((more["rewritten_logps"] - more["original_logps"]) * live).sum(), live.sum()])
            batch = self._appended(batch, more, logps)
        self._count(plan, added, self.accelerator.reduce(shift, reduction="sum"))
        return batch

    def _generations(self) -> int:
        """Generation batches so far, those before a resume included."""
        window = self.args.gradient_accumulation_steps
        every = self._steps * self.num_iterations
        return int((self.state.global_step * window + self._step % window) // every)

    @property
    def _steps(self) -> int:
        """Micro-batches that a generation batch is split into."""
        return int(self.args.steps_per_generation or 1)

    def _looked_at(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Log-probabilities [N, T] and mean entropy [N] of the rows that may be replayed, under their own prompts.

        The other rows stay 0, unless the released code's ratio needs all rows. Every process passes the same number of
        rows through the model, because sharded weights require it.
        """
        rows = batch["prompt_ids"].size(0)
        wanted = [at for at, each in enumerate(self._seen) if self._planner.eligible(each)]
        if self.args.old_logps == "original" and "old_per_token_logps" not in batch:
            wanted = list(range(rows))
        logps = torch.zeros(batch["completion_ids"].shape, device=batch["completion_ids"].device)
        entropy = logps.new_zeros(rows)
        most = int(self.accelerator.gather(logps.new_tensor([len(wanted)])).max())
        if most:
            part = narrowed(batch, [*wanted, *[0] * (most - len(wanted))])
            found, entropies = self._policy(part, entropy=True)
            mask = loss_mask(part)
            mean = (entropies * mask).sum(1) / mask.sum(1).clamp(min=1)
            logps[wanted, : found.size(1)] = found[: len(wanted)].float()
            entropy[wanted] = mean[: len(wanted)].float()
        return logps, entropy

    def _policy(self, batch: Batch, *, entropy: bool = False, model: Any = None) -> tuple[Tensor, Any]:
        """Log-probabilities [N, T] of a batch's completions and, on request, entropies in nats [N, T]."""
        with torch.no_grad():
            logps, entropies, _ = self._get_per_token_logps_and_entropies(
                self.model if model is None else model,
                torch.cat([batch["prompt_ids"], batch["completion_ids"]], dim=1),
                torch.cat([batch["prompt_mask"], batch["completion_mask"]], dim=1),
                batch["completion_ids"].size(1),
                batch_size=self.args.per_device_train_batch_size,
                compute_entropy=entropy,
            )
        return logps, entropies

    def _plan(self, entropy: Tensor, asked: list[int], step: int) -> Plan:
        """The replays of the whole batch, over all processes; the first process chooses them for all.

        entropy: [N] of all processes' rows. asked: the instructions of this process's rows.
        """
        known: list[tuple[int, str, Verdict, bool, str]] = gather_object(
            [
                (index, each.response, each.verdict, each.complete, each.observed)
                for index, each in zip(asked, self._seen, strict=True)
            ]
        )
        decided: list[Any] = [None]
        if self.accelerator.is_main_process:
            # An entropy is NaN if weights or logits are; such a row is no candidate.
            rollouts = [
                Rollout(
                    self.instructions[index],
                    text,
                    verdict,
                    at // self.num_generations,
                    float(value) if np.isfinite(value) else 0.0,
                    whole and bool(np.isfinite(value)),
                    observed,
                )
                for at, ((index, text, verdict, whole, observed), value) in enumerate(
                    zip(known, entropy.float().tolist(), strict=True)
                )
            ]
            try:
                decided = [self._planner.plan(rollouts, step, self._prompt_ids)]
            except HindsightError as error:  # every process must get the error, otherwise the others wait forever
                decided = [error]
        broadcast_object_list(decided, from_process=0)
        if isinstance(decided[0], HindsightError):
            raise decided[0]
        plan: Plan = decided[0]
        return plan

    def _prompt_ids(self, prompts: list[Any]) -> list[Ids]:
        """Tokens of rewritten prompts; with an environment, the descriptions of its tools are part of them."""
        if self.environment_factories is not None:
            # TRL looks up here which environment a prompt belongs to; there is only one.
            self._batch_environments = [None] * len(prompts)
        found: list[Ids] = self._tokenize_prompts(prompts)[0]
        return found

    def _rows(self, batch: Batch, logps: Tensor, items: list[ReplayItem[Ids]]) -> list[Row]:
        """All replays, with the tokens and old log-probabilities of their rollouts, gathered from all processes."""
        rows = batch["prompt_ids"].size(0)
        first = self.accelerator.process_index * rows
        mine: dict[int, Row] = {}
        for at, item in enumerate(items):
            if item.source is not None and first <= item.source < first + rows:
                row = item.source - first
                size = int(batch["completion_mask"][row].sum())
                completion: Ids = batch["completion_ids"][row, :size].tolist()
                written = batch["tool_mask"][row, :size].tolist() if "tool_mask" in batch else None
                mine[at] = Row(item.encoded(item.prompt, completion), logps[row, :size].float().cpu(), written)
        found = {at: row for part in gather_object([mine]) for at, row in part.items()}
        return [
            found[at] if item.source is not None else Row(item, torch.zeros(len(item.completion)))
            for at, item in enumerate(items)
        ]

    def _made(self, mine: list[Row], rows: int, fresh: int, batch: Batch) -> Batch:
        """This process's replays as rows, with the policy's log-probabilities under both prompts.

        fresh: the most replays of this batch that a process has; they come before those of the replay buffer.
        """
        pad = self._tokenizer.pad_token_id
        more = replay_rows(mine, rows, pad, like=batch, multiple=self.pad_to_multiple_of)
        more["original_logps"] = more.pop("logps")
        # Rows of the replay buffer have one prompt; old log-probabilities are needed only if the loss uses them.
        read = self.args.old_logps == "original" or {"old_per_token_logps", "sampling_per_token_logps"} & batch.keys()
        asked = rows if read else fresh
        more["rewritten_logps"] = torch.zeros_like(more["original_logps"])
        if asked:
            found, _ = self._policy({name: value[:asked] for name, value in more.items()})
            more["rewritten_logps"][:asked] = found
        more["fresh"] = torch.zeros(rows, dtype=torch.bool, device=more["prompt_ids"].device)
        more["fresh"][: len(mine)] = torch.tensor([each.fresh for each in mine], dtype=torch.bool)
        more["original_logps"] = torch.where(more["fresh"][:, None], more["original_logps"], more["rewritten_logps"])
        more["advantages"] = torch.zeros(rows, device=more["prompt_ids"].device)
        more["advantages"][: len(mine)] = self._replay_advantage
        if self.args.repeat:
            own = self.accelerator.gather(batch["advantages"])
            more["advantages"][: len(mine)] = own[[each.item.source for each in mine]]
        return more

    def _appended(self, batch: Batch, more: Batch, logps: Tensor) -> Batch:
        """The batch followed by the replays, with everything that the loss needs."""
        original = self.args.old_logps == "original"
        if original:
            batch["old_per_token_logps"] = logps
        old = more["original_logps" if original else "rewritten_logps"]
        more["old_per_token_logps"] = more["sampling_per_token_logps"] = old
        if "importance_sampling_ratio" in batch:  # the engine sampled under the original prompt: no correction
            width = 1 if batch["importance_sampling_ratio"].size(1) == 1 else old.size(1)
            more["importance_sampling_ratio"] = old.new_ones(old.size(0), width)
        if "ref_per_token_logps" in batch:
            with self._reference() as model:
                more["ref_per_token_logps"], _ = self._policy(more, model=model)
        made = joined(batch, more, self._tokenizer.pad_token_id)
        tokens = self.accelerator.gather(loss_mask(more).sum()).sum()
        made["num_items_in_batch"] = batch["num_items_in_batch"] + tokens
        rows = torch.tensor([made["prompt_ids"].size(0), int((more["completion_mask"].sum(1) == 0).sum())])
        total, dead = self.accelerator.reduce(rows.to(old.device).float(), reduction="sum").tolist()
        made["rows_per_live_row"] = torch.tensor(total / (total - dead), device=old.device)
        return made

    @contextmanager
    def _reference(self) -> Iterator[Any]:
        """The reference model of the KL penalty."""
        if self.ref_model is not None:
            yield self.ref_model
            return
        from trl.trainer.utils import use_adapter

        model = self.accelerator.unwrap_model(self.model)
        with use_adapter(model, adapter_name="ref" if "ref" in model.peft_config else None):
            yield self.model

    def _prepare_inputs(self, generation_batch: Any) -> Any:
        before = self._buffered_inputs
        inputs = super()._prepare_inputs(generation_batch)
        if self._buffered_inputs is before or not self._scorer.active or not divisible(self):
            return inputs
        window = self.args.gradient_accumulation_steps
        self._buffered_inputs = regrouped(self._buffered_inputs, window, self.args.loss_type)
        return self._buffered_inputs[self._step % self._steps]

    def _get_per_token_logps_and_entropies(
        self,
        model: Any,
        input_ids: Tensor,
        attention_mask: Tensor,
        logits_to_keep: int,
        batch_size: int | None = None,
        compute_entropy: bool = False,
        compute_aux_loss: bool = False,
        **others: Any,
    ) -> tuple[Tensor, Tensor | None, Tensor | None]:
        given = (model, input_ids, attention_mask, logits_to_keep, batch_size, compute_entropy, compute_aux_loss)
        plain = partial(super()._get_per_token_logps_and_entropies, *given, **others)
        if not self._scorer.active or compute_aux_loss or any(each is not None for each in others.values()):
            found: tuple[Tensor, Tensor | None, Tensor | None] = plain()
            return found
        logps, entropies = self._scorer(
            model, input_ids, attention_mask, logits_to_keep, batch_size, lambda: plain()[:2]
        )
        return logps, entropies if compute_entropy else None, None

    def _compute_loss(self, model: Any, inputs: Batch) -> Tensor:
        """TRL's loss; no pass through the model has more than ``per_device_train_batch_size`` rows."""
        parts = [inputs]
        if self.model.training and divisible(self):
            most = self.args.per_device_train_batch_size
            parts = parted(inputs, most, self.pad_to_multiple_of, by_prompt=self._scorer.active)
        if len(parts) == 1:
            return self._loss_of(model, inputs)
        return loss_in_passes(self, model, parts, partial(self._loss_of, model))

    def _loss_of(self, model: Any, inputs: Batch) -> Tensor:
        loss: Tensor = super()._compute_loss(model, inputs)
        if self.args.loss_type in ROW_MEANS and "rows_per_live_row" in inputs:
            return loss * inputs["rows_per_live_row"]
        return loss

    # -- advantages -------------------------------------------------------------------------------------------------

    def _set_advantages(self, batch: Batch, replays: list[Row]) -> None:
        """Advantages of this process's originals, and the one advantage of all replays."""
        self._replay_advantage = self.args.replay_advantage
        if self.args.advantage == "grpo":
            return
        assert self._rewards is not None
        weights = self.reward_weights.to(self._rewards.device)
        lengths = self.accelerator.gather(loss_mask(batch).sum(1))
        added = [each.tokens for each in replays]
        found, self._replay_advantage = advantages(
            self.args, self._rewards, weights, lengths, added, self.num_generations
        )
        rows = batch["prompt_ids"].size(0)
        first = self.accelerator.process_index * rows
        batch["advantages"] = found[first : first + rows].to(batch["advantages"].device)
        shown = self._logs["advantages"]
        for _ in range(min(len(found), len(shown))):
            shown.pop()
        shown.extend(found.tolist())

    # -- logs and metrics -------------------------------------------------------------------------------------------

    def _show(self, plan: Plan, rows: int) -> None:
        """Add the rewritten prompt next to the original one in the table of completions; "" without a rewrite."""
        total = rows * self.accelerator.num_processes
        self._logs["extra"]["rewritten_prompt"].extend(plan.shown.get(row, "") for row in range(total))

    def _count(self, plan: Plan, added: int, shift: Tensor) -> None:
        """Log metrics of replay. shift: sum of log-probability changes, and number of tokens."""
        values = replay_metrics(
            plan,
            shift,
            advantage=self._replay_advantage,
            empty_rows=added * self.accelerator.num_processes - len(plan.items),
            repeat=self.args.repeat,
            buffer=self._buffer is not None,
        )
        for name, value in values.items():
            self._metrics["train"][name].append(value)
