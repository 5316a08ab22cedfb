"""HiR in verl: rollouts to replays to advantages through verl's own functions, on CPU (`make test-verl`)."""

import inspect
import json
import os
import subprocess
import sys
from importlib.metadata import entry_points
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

pytest.importorskip("transfer_queue", reason="verl is not installed: make test-verl")

import pandas
import torch
from stage import SCRIPT, WANTED, asked, configure, parquet, stage
from verl.trainer.ppo.v1 import get_trainer_cls
from verl.utils.import_utils import load_extern_object

from hindsight_rl.errors import HindsightError
from hindsight_rl.replay.selection import Curriculum

ROOT = Path(__file__).resolve().parents[2]
# What the adapter stands on: verl's name of it, and the parameters that it is called with or overrides.
HOOKS = {
    "verl.trainer.ppo.v1:register_trainer": ["name"],
    "verl.trainer.ppo.v1:get_trainer_cls": ["name"],
    "verl.trainer.ppo.v1:PPOTrainerSync.__init__": ["self", "config"],
    "verl.trainer.ppo.v1:PPOTrainerSync.on_sample_end": ["self"],
    "verl.trainer.ppo.v1:PPOTrainerSync._build_replay_buffer": ["self"],
    "verl.trainer.ppo.v1:PPOTrainerSync._step_once": ["self", "metrics", "timing_raw", "sample_batch_size"],
    "verl.trainer.ppo.v1:PPOTrainerSync._get_required_batch_multiple": ["self", "dp_size"],
    "verl.trainer.ppo.v1:PPOTrainerSync._balance_batch": [
        "self",
        "batch",
        "metrics",
        "logging_prefix",
        "keep_minibatch",
    ],
    "verl.trainer.ppo.v1:PPOTrainerSync._compute_old_log_prob": ["self", "batch", "metrics"],
    "verl.trainer.ppo.v1:PPOTrainerSync._compute_ref_log_prob": ["self", "batch", "metrics"],
    "verl.trainer.ppo.v1.replay_buffer:ReplayBuffer.sample": ["self", "global_steps", "partition_id", "batch_size"],
    "verl.trainer.distillation:is_distillation_enabled": ["config"],
    "verl.utils.tensordict_utils:list_of_dict_to_tensordict": ["list_of_dicts"],
    "transfer_queue:kv_batch_get": ["keys", "partition_id", "select_fields"],
    "transfer_queue:kv_batch_put": ["keys", "partition_id", "fields", "tags", "data_parser"],
    "transfer_queue:KVBatchMeta.__init__": ["self", "keys", "tags", "partition_id", "fields", "extra_info"],
    "transfer_queue:KVBatchMeta.select_keys": ["self", "keys_to_select"],
    "verl.experimental.reward_loop.reward_manager.naive:NaiveRewardManager.run_single": ["self", "data"],
}


@pytest.mark.parametrize("hook", HOOKS)
def test_verl_still_has(hook):
    module, _, name = hook.partition(":")
    owner, _, last = name.rpartition(".")
    found = load_extern_object(f"pkg://{module}", owner or last)
    found = inspect.unwrap(getattr(found, last) if owner else found)
    assert list(inspect.signature(found).parameters) == HOOKS[hook], f"{hook} has changed"


def test_verl_finds_the_trainer_by_the_entry_point():
    (found,) = [each for each in entry_points(group="verl.plugins") if each.name == "hindsight_rl"]
    assert found.value == "hindsight_rl.lm.verl.trainer"
    assert get_trainer_cls("hir") is found.load().HirTrainer


def text(trainer, ids):
    return trainer.tokenizer.decode(ids, skip_special_tokens=True)


class Step:
    """One training step: the rows of the update, by kind."""

    def __init__(self, folder, path, *overrides, generate=4, ranks=4, script=SCRIPT):
        train = parquet(path / "train.parquet", [asked(key) for key in range(8)], generate)
        self.trainer = stage(folder, configure(folder, train, *overrides), ranks, script)
        self.workers, self.metrics = self.trainer.workers, {}
        self.batch = self.trainer.step(self.metrics, {})
        self.shown = {}
        self.trainer._compute_metrics(self.batch, self.shown, {"step": 1.0}, global_steps=1, epoch=0)
        self.rows = self.workers.updates[0]
        self.replays = {key: row for key, row in self.rows.items() if row["tag"].get("is_replay")}
        self.rollouts = {key: row for key, row in self.rows.items() if not row["tag"].get("is_padding")}

    def says(self, row):
        return text(self.trainer, row["responses"])

    def asks(self, row):
        return text(self.trainer, row["prompts"])

    def log_probs(self, row, under=None):
        """The model's own, of the response's tokens; `under` another row's prompt."""
        ids = torch.cat([(under or row)["prompts"], row["responses"]])
        return self.workers.token_log_probs(ids)[0][-len(row["responses"]) - 1 : -1]

    def entropy(self, row):
        return float(self.workers.token_log_probs(row["input_ids"])[1][-len(row["responses"]) - 1 : -1].mean())


@pytest.fixture(scope="module")
def step(queue, folder, tmp_path_factory):
    return Step(folder, tmp_path_factory.mktemp("step"))


def test_each_prompt_has_its_own_number_of_rollouts_and_the_update_its_whole_mini_batches(step):
    assert len(step.rollouts) == 4 * 4  # __rollout_n__, not rollout.n
    assert len(step.replays) == 4 * 2
    assert len(step.rows) == 24 and len(step.rows) % (2 * 6) == 0
    assert set(step.batch.keys) == set(step.rows)
    assert step.metrics["hir/replays"] == 8 and step.metrics["hir/unfilled"] == 0


def test_a_replay_is_the_same_tokens_under_the_rewritten_prompt_with_reward_one(step):
    said = {tuple(row["responses"].tolist()) for row in step.rollouts.values()}
    told = [each.describe() for each in WANTED]
    for row in step.replays.values():
        assert tuple(row["responses"].tolist()) in said
        holds = [each.check(step.says(row)) for each in WANTED]
        kept = "\n".join(f"- {line}" for line, hold in zip(told, holds, strict=True) if hold)
        assert step.asks(row) == f"<system>Be brief.\n<user>Write a line.\n\n{kept}\n<assistant>"
        assert row["rm_scores"].tolist() == [0.0] * (len(row["responses"]) - 1) + [1.0]
        assert torch.equal(row["input_ids"], torch.cat([row["prompts"], row["responses"]]))
        assert row["position_ids"].tolist() == list(range(len(row["input_ids"])))
        assert row["tag"]["seq_len"] == len(row["input_ids"])
    uids = [row["uid"] for row in step.replays.values()]
    assert len(set(uids)) == len(uids) and not set(uids) & {row["uid"] for row in step.rollouts.values()}


def test_failures_get_negative_and_replays_positive_advantages_by_reinforce_plus_plus(step):
    for row in step.rollouts.values():
        assert row["rm_scores"].sum() == 0 and (row["advantages"] < 0).all()
    for row in step.replays.values():
        assert (row["advantages"] > 0).all()
    tokens = torch.cat([row["advantages"] for row in step.rows.values() if row["response_mask"].any()])
    assert abs(float(tokens.mean())) < 1e-4 and float(tokens.std()) == pytest.approx(1, abs=1e-2)


def test_selection_is_by_the_policys_entropy_and_integrity(step):
    weight = Curriculum().weight(1)
    scores = {}
    for row in step.rollouts.values():
        share = sum(each.check(step.says(row)) for each in WANTED) / 3
        if 0 < share < 1 and not step.says(row).endswith("cut"):
            scores.setdefault(step.says(row), step.entropy(row) + weight * share)
    best = max(scores, key=scores.get)
    chosen = [step.says(row) for row in step.replays.values()]
    assert chosen.count(best) == 4 and len(scores) == 2  # each of four prompts has both; the rest of eight is the other
    assert step.metrics["hir/diversity"] == pytest.approx(
        sum(step.entropy(row) for row in step.rollouts.values() if step.says(row) in scores) / 8, abs=1e-4
    )


def test_a_response_that_was_cut_is_never_replayed(step):
    assert any(step.says(row).endswith("cut") for row in step.rollouts.values())
    assert not any(step.says(row).endswith("cut") for row in step.replays.values())
    assert step.metrics["hir/incomplete"] == pytest.approx(1 / 4)


def test_old_log_probabilities_are_each_rows_own_and_each_is_computed_once(step):
    for row in step.rows.values():
        if row["response_mask"].any():
            assert torch.allclose(row["old_log_probs"], step.log_probs(row), atol=1e-4)
    for row in step.replays.values():  # neutral where the rollout's log-probabilities are compared
        assert torch.equal(row["rollout_log_probs"], row["old_log_probs"])
    assert [len(keys) for keys in step.workers.priced] == [16, 8]
    assert step.metrics["hir/logp_shift"] != 0


def test_verls_scores_leave_the_replays_out(step):
    assert step.shown["critic/score/mean"] == 0
    assert step.shown["perf/total_num_tokens"] == sum(len(row["input_ids"]) for row in step.rows.values())


def test_original_takes_old_and_reference_log_probabilities_from_the_source(queue, folder, tmp_path):
    more = ["+trainer.v1.sampler.sampler_kwargs.old_logps=original", "algorithm.use_kl_in_reward=True"]
    step = Step(folder, tmp_path, *more)
    first = next(iter(step.rollouts.values()))  # all prompts ask the same
    for row in step.replays.values():
        assert torch.allclose(row["old_log_probs"], step.log_probs(row, under=first), atol=1e-4)
        assert not torch.allclose(row["old_log_probs"], step.log_probs(row), atol=1e-2)
    # A reference that is 0.5 nats lower everywhere: the same penalty for all, which whitening leaves no trace of.
    assert step.metrics["actor/reward_kl_penalty"] == pytest.approx(0.5, abs=1e-3)
    assert all((row["advantages"] > 0).any() for row in step.replays.values())


@pytest.mark.parametrize(
    ("script", "replays"), [(("nothing",), 0), (("gold moon P.S. x",), 0), (("gold moon", "no", "no", "no"), 3)]
)
def test_rows_fill_ranks_and_mini_batches_whatever_is_replayed(queue, folder, tmp_path, script, replays):
    # 12 rollouts do not fill 8 ranks, nor do the replays.
    step = Step(folder, tmp_path, script=script, generate=3, ranks=8)
    assert len(step.rollouts) == 12 and len(step.replays) == replays
    assert len(step.rows) == 24
    for row in step.rows.values():
        assert len(row["old_log_probs"]) == len(row["responses"]) == len(row["advantages"])
        assert torch.isfinite(row["advantages"]).all()


def test_grpo_gives_each_replay_one_and_an_all_failing_group_nothing(queue, folder, tmp_path):
    with pytest.raises(HindsightError, match="group of one"):
        Step(folder, tmp_path, "algorithm.adv_estimator=grpo")
    singletons = "+trainer.v1.sampler.sampler_kwargs.grpo_singletons=true"
    step = Step(folder, tmp_path, "algorithm.adv_estimator=grpo", singletons)
    assert all(
        row["advantages"].tolist() == pytest.approx([1.0] * len(row["advantages"]), abs=1e-4)
        for row in step.replays.values()
    )
    assert all(not row["advantages"].any() for row in step.rollouts.values())


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("algorithm.rollout_correction.bypass_mode=true", "bypass_mode"),
        ("algorithm.rollout_correction.rollout_is=token", "rollout_is=token"),
        ("reward.custom_reward_function.path=null", "compute_score"),
        ("reward.reward_model.enable=true", "enable_resource_pool"),
        ("+trainer.v1.sampler.sampler_kwargs.rewritter=drop", "rewritter is unknown"),
        ("algorithm.adv_estimator=gae", "adv_estimator=gae"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_loaded(folder, override, said):
    from hindsight_rl.lm.verl import HirTrainer

    with pytest.raises(HindsightError, match=said):
        HirTrainer(configure(folder, folder / "none.parquet", override))


SAMPLER = [
    "trainer.v1.trainer_mode=sync",
    "trainer.v1.sampler.custom_sampler.path=pkg://hindsight_rl.lm.verl",
    "trainer.v1.sampler.custom_sampler.name=HirSampler",
    "+trainer.v1.sampler.sampler_kwargs.algorithm=${algorithm}",
    "+trainer.v1.sampler.sampler_kwargs.model=${actor_rollout_ref.model.path}",
    "+trainer.v1.sampler.sampler_kwargs.prompt_length=${data.max_prompt_length}",
]


def test_the_sampler_replays_in_verls_own_trainer(queue, folder, tmp_path):
    step = Step(folder, tmp_path, *SAMPLER)
    assert len(step.replays) == 8 and len(step.rows) == 24
    assert all((row["advantages"] > 0).all() for row in step.replays.values())
    assert all((row["advantages"] < 0).all() for row in step.rollouts.values())
    for row in step.replays.values():
        assert torch.allclose(row["old_log_probs"], step.log_probs(row), atol=1e-4)
    # The stand-in server's log-probabilities are -1 / length.
    mean = sum(1 / len(row["responses"]) for row in step.replays.values()) / 8
    assert step.metrics["hir/diversity"] == pytest.approx(mean, abs=1e-4)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("algorithm.rollout_correction.bypass_mode=true", "bypass_mode"),
        ("+trainer.v1.sampler.sampler_kwargs.old_logps=original", "trainer_mode=hir"),
        ("actor_rollout_ref.rollout.calculate_log_probs=false", "calculate_log_probs=true"),
        ("~trainer.v1.sampler.sampler_kwargs.model", r"\+trainer.v1.sampler.sampler_kwargs.model"),
    ],
)
def test_the_sampler_refuses_what_it_cannot_do(queue, folder, tmp_path, override, said):
    with pytest.raises(HindsightError, match=said):
        Step(folder, tmp_path, *SAMPLER, override)


@pytest.mark.parametrize("hir", ["1", "0"])
def test_the_launch_script_says_what_verl_accepts(folder, hir):
    """Its arguments compose with verl's own configuration, pass verl's validation, and are HiR's or plain verl's."""
    from verl.trainer.ppo.utils import need_critic, need_reference_policy
    from verl.utils.config import validate_config

    script = ROOT / "examples" / "verl" / "hir_qwen3_4b.sh"
    ran = subprocess.run(
        ["bash", str(script)],
        env={"PATH": os.environ["PATH"], "PYTHON": "/bin/echo", "HIR": hir, "MODEL": str(folder)},
        capture_output=True,
        text=True,
        check=True,
    )
    module, *overrides = ran.stdout.split()[1:]
    assert module == "verl.trainer.main_ppo"
    config = configure(folder, folder / "none.parquet", "trainer.v1.trainer_mode=sync", *overrides)
    validate_config(config=config, use_reference_policy=need_reference_policy(config), use_critic=need_critic(config))
    assert config.trainer.v1.trainer_mode == ("hir" if hir == "1" else "sync")
    rollout, actor = config.actor_rollout_ref.rollout, config.actor_rollout_ref.actor
    assert (config.data.train_batch_size, rollout.n, actor.ppo_mini_batch_size) == (64, 8, 32)
    if hir == "1":
        from hindsight_rl.lm.verl import HirTrainer

        assert HirTrainer(config).hir.replays_per_prompt == 2
    else:
        assert set(config.trainer.v1.sampler.sampler_kwargs) == {"distinct"}  # which these tests set, not the script


def test_prepared_data_is_verls(tmp_path):
    spec = spec_from_file_location("prepare", ROOT / "examples" / "verl" / "prepare.py")
    sys.modules["prepare"] = prepare = module_from_spec(spec)
    spec.loader.exec_module(prepare)
    row = {
        "prompt": "Write a line.",
        "criteria": ["Say gold.", "Use no comma."],
        "ground_truth": {
            "instruction_id_list": ["keywords:existence", "punctuation:no_comma"],
            "kwargs": [{"keywords": ["gold"]}, None],
        },
    }
    judged = {**row, "criteria": ["Be kind."], "ground_truth": {"checker": ["[llm] Be kind."], "functions": []}}
    lines = [{"id": at, "source": "type1", **row} for at in range(3)] + [{"id": 3, **judged}]
    (tmp_path / "rows.jsonl").write_text("\n".join(json.dumps(line) for line in lines))
    train, plain, val = prepare.prepare(prepare.Prepare(str(tmp_path / "rows.jsonl"), tmp_path / "out", held=1))
    rows = pandas.read_parquet(train).to_dict("records")
    assert [each["__rollout_n__"] for each in rows] == [6, 6]
    assert rows[0]["data_source"] == "type1" and list(rows[0]["extra_info"]["texts"]) == row["criteria"]
    assert "Say gold." in rows[0]["prompt"][-1]["content"]
    assert "__rollout_n__" not in pandas.read_parquet(plain) and len(pandas.read_parquet(val)) == 1
    with pytest.raises(HindsightError, match="--held 9"):
        prepare.prepare(prepare.Prepare(str(tmp_path / "rows.jsonl"), tmp_path / "out", held=9))
