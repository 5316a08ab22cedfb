"""verl's own trainer, loader, agent loop, reward loop and TransferQueue on CPU, around a tiny model in this process.

Stand-ins: the LLM server (responses are scripted) and the workers on the GPUs (log-probabilities of a real, tiny
Qwen3 in this process; an update is looked at, not made).
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import hydra
import pandas
import tokenizers
import torch
import transfer_queue as tq
import transformers
import verl
from tensordict import TensorDict
from verl.experimental.reward_loop import RewardLoopWorker, migrate_legacy_reward_impl
from verl.trainer.ppo.v1 import AgentLoopWorkerTQ, get_trainer_cls
from verl.utils.device import get_device_name
from verl.utils.transferqueue_utils import tqbridge
from verl.workers.rollout.replica import TokenOutput

from hindsight_rl.constraints.core import constraint
from hindsight_rl.lm.verl.rows import to_row
from hindsight_rl.replay.instruction import Instruction

TEMPLATE = "{% for m in messages %}<{{ m.role }}>{{ m.content }}\n{% endfor %}<assistant>"
WANTED = (
    constraint("keywords:existence", {"keywords": ["gold"]}),
    constraint("length_constraints:number_words", {"relation": "at least", "num_words": 2}),
    constraint("detectable_content:postscript", {"postscript_marker": "P.S."}),
)
# What a worker needs of every row.
WHOLE = {"input_ids", "position_ids", "prompts", "responses", "response_mask", "loss_mask"}
# The first two, the first alone, none; the first two, but cut off.
SCRIPT = ("gold moon", "gold", "nothing", "moon gold cut")


def asked(key: int = 0) -> Instruction:
    """Write a line in which three things are met."""
    system = {"role": "system", "content": "Be brief."}
    return Instruction("Write a line.", WANTED, key=key, layout="type4", earlier=(system,))


def model_folder(folder: Path) -> Path:
    """A tokenizer of bytes and a random Qwen3 of a few thousand weights."""
    alphabet = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {sign: at for at, sign in enumerate(["<pad>", "<|im_end|>", *alphabet])}
    plain = tokenizers.Tokenizer(tokenizers.models.BPE(vocabulary, []))
    plain.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    plain.decoder = tokenizers.decoders.ByteLevel()
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=plain, pad_token="<pad>", eos_token="<|im_end|>")
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(folder)
    config = transformers.Qwen3Config(
        vocab_size=len(vocabulary),
        hidden_size=32,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=16,
        initializer_range=0.5,
        eos_token_id=1,
        pad_token_id=0,
        architectures=["Qwen3ForCausalLM"],
    )
    torch.manual_seed(0)
    transformers.Qwen3ForCausalLM(config).save_pretrained(folder)
    return folder


def parquet(path: Path, instructions: list[Instruction], generate: int | None) -> Path:
    """The instructions as verl's training file."""
    pandas.DataFrame([to_row(each, at, generate) for at, each in enumerate(instructions)]).to_parquet(path)
    return path


def configure(folder: Path, train: Path, *overrides: str) -> Any:
    """verl's default configuration with HiR's trainer: 4 prompts, update rows for 6 of each, replays 2 of each."""
    with hydra.initialize_config_dir(str(Path(verl.__file__).parent / "trainer" / "config"), version_base=None):
        config = hydra.compose(
            "ppo_trainer",
            [
                f"data.train_files={train}",
                f"data.val_files={train}",
                "data.train_batch_size=4",
                "data.max_prompt_length=400",
                "data.max_response_length=16",
                "data.dataloader_num_workers=0",
                "data.filter_overlong_prompts_workers=1",
                "data.shuffle=False",
                f"+data.cache_dir={folder}/cache",
                f"actor_rollout_ref.model.path={folder}",
                "actor_rollout_ref.rollout.name=vllm",
                "actor_rollout_ref.rollout.n=6",
                "actor_rollout_ref.rollout.calculate_log_probs=True",
                "actor_rollout_ref.actor.ppo_mini_batch_size=2",
                "actor_rollout_ref.actor.ppo_micro_batch_size_per_gpu=1",
                "algorithm.adv_estimator=reinforce_plus_plus",
                "trainer.device=cpu",
                "trainer.v1.trainer_mode=hir",
                # All prompts are alike here and responses are few, so replays repeat each other.
                "+trainer.v1.sampler.sampler_kwargs.distinct=false",
                "reward.num_workers=1",
                "reward.custom_reward_function.path=pkg://hindsight_rl.constraints.rewards",
                "reward.custom_reward_function.name=compute_score",
                *overrides,
            ],
        )
    return migrate_legacy_reward_impl(config)


class Server:
    """In place of the LLM server: the scripted responses in turn, all but the cut one with an end token."""

    def __init__(self, tokenizer: Any, script: tuple[str, ...]) -> None:
        self.tokenizer, self.script, self.count = tokenizer, script, 0

    async def generate(self, sampling_params: dict[str, Any], **_: Any) -> TokenOutput:
        text = self.script[self.count % len(self.script)]
        self.count += 1
        ids = self.tokenizer.encode(text) + ([] if text.endswith("cut") else [1])
        extra = {"min_global_steps": 0, "max_global_steps": 0}
        # A rollout that is sure of what it says says it with little entropy: here, the longer the surer.
        given = [-1.0 / len(ids)] * len(ids) if sampling_params["logprobs"] else None
        return TokenOutput(token_ids=ids, log_probs=given, extra_fields=extra)


class Workers:
    """In place of the worker groups: a tiny model's log-probabilities, shared out over so many ranks."""

    def __init__(self, folder: Path, ranks: int) -> None:
        self.model = transformers.Qwen3ForCausalLM.from_pretrained(folder).eval()
        self.ranks, self._dispatch_info = ranks, {"actor": list(range(ranks))}
        self.priced: list[list[str]] = []
        self.updates: list[dict[str, Any]] = []

    @torch.no_grad()
    def token_log_probs(self, ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Log-probability of each next token and the entropy there, as verl stores them: one shorter, padded."""
        logits = self.model(ids[None]).logits[0].log_softmax(-1)
        picked = logits[:-1].gather(1, ids[1:, None])[:, 0]
        entropy = -(logits.exp() * logits).sum(-1)
        return torch.cat([picked, picked.new_zeros(1)]), entropy

    def compute_log_prob(self, batch: Any, shift: float = 0.0) -> Any:
        assert len(batch) % self.ranks == 0, f"{len(batch)} rows do not fill {self.ranks} ranks"
        self.priced.append(list(batch.keys))
        return self._priced(batch, shift)

    @tqbridge()
    def _priced(self, data: Any, shift: float) -> TensorDict:
        """As a worker has it: all fields of all rows, through verl's own bridge."""
        assert not WHOLE - set(data.keys()), f"rows lack {WHOLE - set(data.keys())}"
        both = [self.token_log_probs(ids) for ids in data["input_ids"].unbind()]
        made = {
            "log_probs": torch.nested.as_nested_tensor([one + shift for one, _ in both], layout=torch.jagged),
            "entropy": torch.nested.as_nested_tensor([other for _, other in both], layout=torch.jagged),
        }
        return TensorDict(made, batch_size=len(both))

    def compute_ref_log_prob(self, batch: Any) -> Any:
        return self.compute_log_prob(batch, shift=-0.5)

    def update_actor(self, batch: Any) -> Any:
        assert len(batch) % self.ranks == 0
        fields = [
            "uid prompts responses input_ids position_ids response_mask rm_scores old_log_probs advantages",
            "rollout_log_probs raw_prompt",
        ]
        data = tq.kv_batch_get(keys=batch.keys, partition_id=batch.partition_id, select_fields=" ".join(fields).split())
        rows = [{name: data[at][name] for name in data.keys()} for at in range(len(batch))]  # noqa: SIM118
        self._seen(batch)
        self.updates.append(
            {key: {**row, "tag": tag} for key, row, tag in zip(batch.keys, rows, batch.tags, strict=True)}
        )
        return {"metrics": {"mfu": 0.0}}

    @tqbridge()
    def _seen(self, data: Any) -> None:
        assert not (WHOLE | {"old_log_probs", "advantages"}) - set(data.keys())


def stage(folder: Path, config: Any, ranks: int = 4, script: tuple[str, ...] = SCRIPT) -> Any:
    """verl's trainer of the configured mode, ready for ``step``; its workers are ``trainer.workers``."""
    for partition, keys in (tq.kv_list() or {}).items():  # what another test left behind
        if keys:
            tq.kv_clear(keys=list(keys), partition_id=partition)
    get_device_name()
    trainer = get_trainer_cls(config.trainer.v1.trainer_mode)(config=config)
    trainer._init_tokenizer()
    trainer._init_dataloader()
    reward = RewardLoopWorker(config)
    handle = SimpleNamespace(compute_score=SimpleNamespace(remote=reward.compute_score))
    server = Server(trainer.tokenizer, script)
    Worker = AgentLoopWorkerTQ.__ray_metadata__.modified_class

    def generate(batch: Any) -> None:
        async def run() -> None:
            worker = Worker(config, llm_client=server, reward_loop_worker_handles=[handle])
            reward.reward_manager.loop = asyncio.get_running_loop()
            await worker.generate_sequences(batch)
            await asyncio.gather(*worker.background_tasks)

        asyncio.run(run())

    trainer.agent_loop_manager = SimpleNamespace(generate_sequences=generate)
    trainer.reward_loop_manager = SimpleNamespace(reward_loop_worker_handles=[handle])
    trainer.checkpoint_manager = SimpleNamespace(sleep_replicas=lambda: None)
    trainer.resource_pool_manager = SimpleNamespace(get_n_gpus=lambda: ranks)
    trainer.curr_step_profile = False
    trainer.global_steps = 1
    trainer.ref_in_actor = False
    trainer.workers = trainer.actor_rollout_wg = trainer.ref_policy_wg = Workers(folder, ranks)
    return trainer
