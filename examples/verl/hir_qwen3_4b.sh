#!/usr/bin/env bash
# The setting of HiR (arXiv 2512.23457) in verl: Qwen3-4B-Instruct-2507, HIR-16K, 64 prompts x (6 rollouts + 2 replays),
# one machine with 4 GPUs. Data: python examples/verl/prepare.py sastpg/HIR-16K --out data
#
#   bash examples/verl/hir_qwen3_4b.sh              HiR
#   HIR=0 bash examples/verl/hir_qwen3_4b.sh        plain verl: the same rows in the update, 8 rollouts per prompt
#
# Further arguments are verl's, and come last. MODEL, DATA and PYTHON may be set.
set -euo pipefail
MODEL=${MODEL:-Qwen/Qwen3-4B-Instruct-2507}
DATA=${DATA:-data}
PYTHON=${PYTHON:-python}

plain=(
  algorithm.adv_estimator=reinforce_plus_plus
  algorithm.use_kl_in_reward=true
  algorithm.kl_ctrl.kl_coef=0.001
  data.train_files="$DATA/plain.parquet"
  data.val_files="$DATA/val.parquet"
  data.train_batch_size=64
  data.max_prompt_length=2048
  data.max_response_length=4096
  data.filter_overlong_prompts=true
  actor_rollout_ref.model.path="$MODEL"
  actor_rollout_ref.model.enable_gradient_checkpointing=true
  actor_rollout_ref.model.use_remove_padding=true
  actor_rollout_ref.actor.optim.lr=1e-6
  actor_rollout_ref.actor.optim.weight_decay=0.01
  actor_rollout_ref.actor.ppo_mini_batch_size=32
  actor_rollout_ref.actor.ppo_micro_batch_size_per_gpu=8
  actor_rollout_ref.actor.clip_ratio=0.2
  actor_rollout_ref.actor.grad_clip=1.0
  actor_rollout_ref.actor.use_kl_loss=false
  actor_rollout_ref.actor.entropy_coeff=0
  actor_rollout_ref.rollout.name=vllm
  actor_rollout_ref.rollout.n=8
  actor_rollout_ref.rollout.temperature=1.0
  actor_rollout_ref.rollout.tensor_model_parallel_size=2
  actor_rollout_ref.rollout.gpu_memory_utilization=0.6
  actor_rollout_ref.rollout.log_prob_micro_batch_size_per_gpu=8
  actor_rollout_ref.ref.log_prob_micro_batch_size_per_gpu=8
  reward.custom_reward_function.path=pkg://hindsight_rl.constraints.rewards
  reward.custom_reward_function.name=compute_score
  trainer.nnodes=1
  trainer.n_gpus_per_node=4
  trainer.total_epochs=5
  trainer.test_freq=10
  trainer.save_freq=100
  'trainer.logger=[console]'
  trainer.project_name=hindsight
  trainer.experiment_name="plain"
)

# All that makes it HiR. rollout.n stays 8, the rows of a prompt in the update; train.parquet asks for 6 rollouts.
hir=(
  data.train_files="$DATA/train.parquet"
  trainer.v1.trainer_mode=hir
  +trainer.v1.sampler.sampler_kwargs.rewriter=drop
  +trainer.v1.sampler.sampler_kwargs.replays_per_prompt=2
  +trainer.v1.sampler.sampler_kwargs.old_logps=rewritten
  trainer.experiment_name="hir"
)
if [ "${HIR:-1}" = 0 ]; then hir=(); fi

exec "$PYTHON" -m verl.trainer.main_ppo "${plain[@]}" ${hir[@]+"${hir[@]}"} "$@"
