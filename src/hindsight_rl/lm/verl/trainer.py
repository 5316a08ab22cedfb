"""HiR in verl 0.9, through its public extension points. All TransferQueue calls of this package are here.

``HirTrainer`` (trainer.v1.trainer_mode=hir; verl finds it by the entry-point group ``verl.plugins``) is verl's
synchronous trainer with replay. It replays after the old log-probabilities are computed. So selection can use the
policy's entropy, and both kinds of old log-probability are available.

``HirSampler`` (trainer.v1.sampler.custom_sampler.path=pkg://hindsight_rl.lm.verl, .name=HirSampler) is for your own
trainer. It replays when the batch is sampled, and uses the rollout's log-probabilities to estimate the entropy.

Both append rows to the batch: the same response tokens under the rewritten prompt, with reward 1 on the last token and
a new uid. Selection and rewriting are in :mod:`hindsight_rl.replay.replayer`; see docs/verl.md.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import torch
import transfer_queue as tq
from omegaconf import DictConfig, OmegaConf
from transfer_queue import KVBatchMeta
from verl.trainer.distillation import is_distillation_enabled
from verl.trainer.ppo.v1 import PPOTrainerSync, register_trainer
from verl.trainer.ppo.v1.replay_buffer import ReplayBuffer
from verl.utils.tensordict_utils import list_of_dict_to_tensordict

from hindsight_rl.errors import HindsightError
from hindsight_rl.lm.verl.rows import REWARD, WHERE, Hindsight, Settings, check_algorithm
from hindsight_rl.replay.item import ReplayItem

Item = ReplayItem[list[int]]
# Fields that selection and rewriting need; the other fields are read only for replayed rows.
_READ = ("uid", "raw_prompt", "reward_model", "extra_info", "extra_fields", "prompts", "responses", "response_mask")
# Fields that are valid only for a row's own prompt and cannot be recomputed here.
_BOUND = {
    "routed_experts": "expert routes replayed from the rollout (rollout.enable_rollout_routing_replay)",
    "teacher_ids": "a teacher's log-probabilities (distillation)",
}


@register_trainer("hir")
class HirTrainer(PPOTrainerSync):
    """verl's synchronous PPO trainer with HiR; raises :class:`HindsightError` for unsupported settings."""

    def __init__(self, config: DictConfig) -> None:
        self.hir = Settings.of(_plain(config.trainer.v1.sampler.get("sampler_kwargs")))
        check_algorithm(_plain(config.algorithm), self.hir)
        if not config.reward.custom_reward_function.get("path"):
            raise HindsightError(f"no reward function that returns verdicts: {REWARD}")
        if config.reward.reward_model.enable and not config.reward.reward_model.enable_resource_pool:
            raise HindsightError(
                "reward.reward_model.enable=true without enable_resource_pool gives rewards after the rollouts are "
                "selected; set reward.reward_model.enable_resource_pool=true, or disable the reward model"
            )
        if is_distillation_enabled(config.get("distillation")):
            raise HindsightError("distillation: its teacher has not seen the rewritten prompts; disable it")
        self._hindsight: Hindsight | None = None
        self._whole = True
        # key of a replay -> key of its source, for this step
        self._sources: dict[str, str] = {}
        super().__init__(config)

    def _build_replay_buffer(self) -> ReplayBuffer:
        # verl's name of the synchronous mode: with another name it would use the asynchronous buffer and loader.
        self.trainer_mode = "sync"
        return super()._build_replay_buffer()

    @property
    def hindsight(self) -> Hindsight:
        """Created after the tokenizer is loaded."""
        if self._hindsight is None:
            data, rollout = self.config.data, self.config.actor_rollout_ref.rollout
            chat = _plain(data.get("apply_chat_template_kwargs"))
            self._hindsight = Hindsight(self.hir, self.tokenizer, int(rollout.prompt_length), chat)
        return self._hindsight

    def _step_once(self, metrics: dict, timing_raw: dict, sample_batch_size: int) -> KVBatchMeta:
        # Before the replays are added, the batch must fill all ranks, but not whole mini-batches.
        self._whole, self._sources = False, {}
        try:
            return super()._step_once(metrics, timing_raw, sample_batch_size)
        finally:
            self._whole = True

    def _get_required_batch_multiple(self, dp_size: int) -> int:
        self._ranks = dp_size
        return super()._get_required_batch_multiple(dp_size) if self._whole else dp_size

    def _compute_old_log_prob(self, batch: KVBatchMeta, metrics: dict) -> KVBatchMeta:
        """verl's own computation on the rollouts; then add replays, fill mini-batches, and compute the new rows."""
        extra_info = dict(batch.extra_info or {})
        batch = super()._compute_old_log_prob(batch, metrics)
        known = set(batch.keys)
        real = [key for key, tag in zip(batch.keys, batch.tags, strict=True) if not tag.get("is_padding")]
        batch, self._sources, found = append_replays(
            batch, self.hindsight, _mean_entropy(batch.select_keys(real)), self.global_steps
        )
        metrics.update(found)
        batch.extra_info = extra_info
        self._whole = True
        batch = self._balance_batch(batch, metrics)

        # A replay was stored with the old log-probabilities of its source: these are those of "original".
        original = self.hir.old_logps == "original"
        new = [key for key in batch.keys if key not in known and not (original and key in self._sources)]
        if new:
            # All ranks get the same number of rows: known rows fill the gaps, and their values do not change.
            fill = sorted(known)[: -len(new) % self._ranks]
            if (len(new) + len(fill)) % self._ranks:  # fewer known rows than ranks
                new, fill = batch.keys, []
            super()._compute_old_log_prob(batch.select_keys([*new, *fill]), {})
        if self._sources and not original:
            metrics["hir/logp_shift"] = self._shift(batch.partition_id)
        if self._sources and self.config.actor_rollout_ref.rollout.calculate_log_probs:
            # The rollout had another prompt: with a ratio of 1 these rows do not affect the metrics of the mismatch.
            keys = list(self._sources)
            data = tq.kv_batch_get(keys=keys, partition_id=batch.partition_id, select_fields=["old_log_probs"])
            data["rollout_log_probs"] = data.pop("old_log_probs")
            tq.kv_batch_put(keys=keys, partition_id=batch.partition_id, fields=data)
        return batch

    def _compute_ref_log_prob(self, batch: KVBatchMeta, metrics: dict) -> KVBatchMeta:
        batch = super()._compute_ref_log_prob(batch, metrics)
        if self.hir.old_logps == "original":  # both terms of the KL must be under the same prompt
            self._from_source(batch.partition_id, "ref_log_prob")
        return batch

    def _from_source(self, partition: str, field: str) -> None:
        """Give each replay the values of its source; they are per response token, and the response is the same."""
        if self._sources:
            data = tq.kv_batch_get(
                keys=sorted(set(self._sources.values())), partition_id=partition, select_fields=[field]
            )
            values = dict(zip(sorted(set(self._sources.values())), data[field].unbind(), strict=True))
            fields = list_of_dict_to_tensordict([{field: values[source].clone()} for source in self._sources.values()])
            tq.kv_batch_put(keys=list(self._sources), partition_id=partition, fields=fields)

    def _shift(self, partition: str) -> float:
        """Mean over the replays' tokens of log pi(y | rewritten) - log pi(y | original), in nats."""
        now, before = (
            tq.kv_batch_get(keys=keys, partition_id=partition, select_fields=["old_log_probs"])["old_log_probs"]
            for keys in (list(self._sources), sorted(set(self._sources.values())))
        )
        original = dict(zip(sorted(set(self._sources.values())), before.unbind(), strict=True))
        pairs = zip(now.unbind(), self._sources.values(), strict=True)
        return float(torch.cat([row - original[source] for row, source in pairs]).mean())


class HirSampler(ReplayBuffer):
    """verl's replay buffer, whose training batches include replays.

    Its sampler_kwargs are :class:`Settings`, ``algorithm='${algorithm}'`` (to check that it works with replays),
    ``model='${actor_rollout_ref.model.path}'``, ``prompt_length='${data.max_prompt_length}'`` and, if needed,
    ``chat='${data.apply_chat_template_kwargs}'``.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        given = _plain(self.sampler_kwargs)
        needed = ("algorithm", "model", "prompt_length")
        settings = Settings.of(given, also=(*needed, "chat"))
        for name in needed:
            if not given.get(name):
                raise HindsightError(f"HirSampler needs +{WHERE}.{name}; see docs/verl.md")
        check_algorithm(given["algorithm"], settings)
        if settings.old_logps == "original":
            raise HindsightError(
                f"{WHERE}.old_logps=original: the original old log-probabilities are not known when a batch is "
                "sampled; use trainer.v1.trainer_mode=hir"
            )
        from verl.utils import hf_tokenizer

        tokenizer = hf_tokenizer(given["model"])
        self.hindsight = Hindsight(settings, tokenizer, int(given["prompt_length"]), given.get("chat"))

    def sample(self, global_steps: int, partition_id: str, batch_size: int) -> tuple[KVBatchMeta, dict]:
        """verl's batch; a batch of the training partition gets replays appended."""
        batch, metrics = super().sample(global_steps=global_steps, partition_id=partition_id, batch_size=batch_size)
        if partition_id == "val":
            return batch, metrics
        batch, _, found = append_replays(batch, self.hindsight, _sampled_entropy(batch), global_steps)
        return batch, {**metrics, **found}


def append_replays(
    batch: KVBatchMeta, hindsight: Hindsight, entropies: Mapping[str, float], step: int
) -> tuple[KVBatchMeta, dict[str, str], dict[str, float]]:
    """Put replays into the TransferQueue, and append them to the batch.

    entropies: in nats per response token, for each key that may be replayed; padding has none. Returns the batch, the
    key of the source of each replay by the replay's key, and metrics.
    """
    keys = list(entropies)
    data = tq.kv_batch_get(keys=keys, partition_id=batch.partition_id, select_fields=list(_READ))
    made, metrics = hindsight.replays(_rows(data), list(entropies.values()), step)
    if not made:
        return batch, {}, metrics
    tags = dict(zip(batch.keys, batch.tags, strict=True))
    origins = [keys[each.source] for each in made if each.source is not None]
    sources = _rows(tq.kv_batch_get(keys=origins, partition_id=batch.partition_id))
    new = [f"hir{uuid.uuid4().hex}_0_0" for _ in made]
    new_tags = [_tag(tags[origin], each) for origin, each in zip(origins, made, strict=True)]
    fields = [_row(source, each, key) for source, each, key in zip(sources, made, new, strict=True)]
    tq.kv_batch_put(keys=new, partition_id=batch.partition_id, fields=list_of_dict_to_tensordict(fields), tags=new_tags)
    longer = KVBatchMeta(
        keys=[*batch.keys, *new],
        tags=[*batch.tags, *new_tags],
        partition_id=batch.partition_id,
        fields=batch.fields,
        extra_info=batch.extra_info,
    )
    return longer, dict(zip(new, origins, strict=True)), metrics


def _row(source: Mapping[str, Any], item: Item, key: str) -> dict[str, Any]:
    """The source's fields under the rewritten prompt, with reward 1 on the last token."""
    for name, what in _BOUND.items():
        if source.get(name) is not None:
            raise HindsightError(
                f"verl row {source['uid']} carries {what}, which do not exist for the rewritten prompt"
            )
    if source["position_ids"].dim() > 1 or source.get("multi_modal_inputs"):
        raise HindsightError(f"verl row {source['uid']} holds images, audio or video; HiR rewrites only text")
    prompt = torch.tensor(item.prompt, dtype=source["prompts"].dtype)
    ids = torch.cat([prompt, source["responses"]])
    score = torch.zeros_like(source["response_mask"], dtype=torch.float32)
    score[-1] = 1.0
    extra = dict(source["extra_fields"])
    found = {**extra.get("reward_extra_info", {}), "score": 1.0, "acc": 1.0, "fraction": 1.0}
    found["verdicts"] = "1" * len(item.instruction.constraints)
    # verl's workers read every field that any row has, so a replay needs all fields of its source. Values per response
    # token are copied as placeholders; values per token of the whole row are zeros.
    whole = {"log_probs": torch.zeros(len(ids), dtype=torch.float32)} if "log_probs" in source else {}
    return {
        **source,
        **whole,
        "uid": key.split("_")[0],
        "raw_prompt": item.instruction.messages,
        "prompts": prompt,
        "input_ids": ids,
        "position_ids": torch.arange(len(ids), dtype=source["position_ids"].dtype),
        "rm_scores": score,
        "extra_fields": {**extra, "reward_extra_info": found},
    }


def _tag(source: Mapping[str, Any], item: Item) -> dict[str, Any]:
    prompt = len(item.prompt)
    # Marked as padding, so that verl's scores and lengths count only the original rows.
    return {
        **source,
        "is_padding": True,
        "is_replay": True,
        "prompt_len": prompt,
        "seq_len": prompt + source["response_len"],
    }


def _mean_entropy(batch: KVBatchMeta) -> dict[str, float]:
    """The policy's entropy by key: mean over response tokens, in nats."""
    return _means(batch, "entropy")


def _sampled_entropy(batch: KVBatchMeta) -> dict[str, float]:
    """Mean of -log-probability of the sampled tokens, by key: an estimate of the entropy from one sample."""
    try:
        return {key: -mean for key, mean in _means(batch, "rollout_log_probs").items()}
    except (KeyError, ValueError) as error:
        raise HindsightError(
            f"the rollouts carry no log-probabilities ({error}); set actor_rollout_ref.rollout.calculate_log_probs=true"
        ) from None


def _means(batch: KVBatchMeta, field: str) -> dict[str, float]:
    data = tq.kv_batch_get(keys=batch.keys, partition_id=batch.partition_id, select_fields=[field, "response_mask"])
    means = []
    for values, mask in zip(data[field].unbind(), data["response_mask"].unbind(), strict=True):
        means.append(float((values * mask).sum() / mask.sum().clamp(min=1)))
    return dict(zip(batch.keys, means, strict=True))


def _rows(data: Any) -> list[dict[str, Any]]:
    """The rows of a TensorDict as dicts, with plain objects unwrapped."""
    rows: Sequence[Any] = [data[index] for index in range(len(data))]
    return [{name: row[name] for name in row.keys()} for row in rows]  # noqa: SIM118  a TensorDict iterates rows


def _plain(section: Any) -> dict[str, Any]:
    """A section of verl's configuration as a dict; none for null."""
    if section is None:
        return {}
    return dict(OmegaConf.to_container(section, resolve=True) if OmegaConf.is_config(section) else section)
