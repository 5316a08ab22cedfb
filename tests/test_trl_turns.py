"""HiR in TRL for rollouts of several turns: what an environment wrote counts nowhere, and stays token for token."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("trl", reason="TRL is not installed: pip install 'hindsight-rl[lm]'")

import torch
import transformers

from hindsight_rl.constraints.core import constraint
from hindsight_rl.errors import HindsightError
from hindsight_rl.lm.trl import HiRTrainer
from hindsight_rl.lm.trl.turns import check_prompts, observations, waiting
from hindsight_rl.replay.instruction import Instruction
from hindsight_rl.replay.replayer import ReplayConfig, Replayer
from hindsight_rl.replay.rollout import Rollout
from test_trl import Watched, config, logged, rows_of
from tiny_lm import WORDS, tiny_model

torch.set_num_threads(1)
SAYS, SEES = 3, 2
"""Tokens that the policy writes in a turn, and tokens that the environment answers."""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return tiny_model(tmp_path_factory.mktemp("tiny"))


def instructions() -> list[Instruction]:
    """Two words each; the first six ask for a word that nobody can say."""
    made = []
    for index in range(8):
        words = [WORDS[index], WORDS[(index + 3) % 8], *(["unsayable"] if index < 6 else [])]
        checks = tuple(constraint("keywords:existence", {"keywords": [word]}) for word in words)
        made.append(Instruction("Write a line .", checks, key=index))
    return made


def in_turns(prompts: list[Any], trainer: Any) -> dict[str, Any]:
    """A rollout function: two turns of the policy with an answer of the environment between them."""
    tokenizer, rng = trainer.processing_class, np.random.default_rng(len(trainer.state.log_history))
    ids = tokenizer.apply_chat_template(prompts, add_generation_prompt=True, tokenize=True, return_dict=True)
    first = tokenizer.convert_tokens_to_ids(WORDS[0])
    completions, masks = [], []
    for _ in prompts:
        words = (first + rng.integers(len(WORDS), size=2 * SAYS + SEES)).tolist()
        completions.append([*words, tokenizer.eos_token_id])
        masks.append([1] * SAYS + [0] * SEES + [1] * (SAYS + 1))
    return {
        "prompt_ids": [list(each) for each in ids["input_ids"]],
        "completion_ids": completions,
        "logprobs": [[0.0] * len(each) for each in completions],
        "env_mask": masks,
    }


def by_hand(
    path: str, weights: dict[str, torch.Tensor], batches: list[dict[str, Any]], loss_type: str, *, masked: bool = True
) -> tuple[float, dict[str, torch.Tensor]]:
    """Loss and gradients of an update, each row on its own; only tokens that the policy wrote count."""
    policy = transformers.AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32)
    policy.load_state_dict(weights, strict=False)
    rows = rows_of(batches)
    live = sum(bool(completion) for _, completion, _ in rows)
    own = torch.tensor([1.0] * SAYS + [0.0 if masked else 1.0] * SEES + [1.0] * (SAYS + 1))
    total, at = torch.zeros(()), 0
    for batch in batches:
        here = [row for row in rows[at : at + len(batch["advantages"])] if row[1]]
        at += len(batch["advantages"])
        for prompt, completion, advantage in here:
            ids = torch.tensor([prompt + completion])
            spread = policy(ids).logits[0, -len(completion) - 1 : -1].log_softmax(-1)
            new = spread.gather(1, ids[0, -len(completion) :, None])[:, 0]
            each = -(new - new.detach()).exp() * advantage * own
            total = (
                total
                + {
                    "dapo": each.sum() / (live * own.sum()),
                    "bnpo": each.sum() / (len(here) * own.sum()) / len(batches),
                    "grpo": each.sum() / own.sum() / live,
                }[loss_type]
            )
    total.backward()
    return float(total.detach()), {n: p.grad for n, p in policy.named_parameters() if p.grad is not None}


@pytest.mark.parametrize(("loss_type", "rows"), [("dapo", 8), ("dapo", 4), ("bnpo", 4), ("grpo", 8)])
def test_loss_and_gradients_of_replays_equal_a_reference_by_hand(
    model: str, tmp_path: Path, loss_type: str, rows: int
) -> None:
    settings = {"loss_type": loss_type, "max_steps": 1, "per_device_train_batch_size": rows}
    if rows == 4:  # a micro-batch and its replays take several passes
        settings |= {"steps_per_generation": 2, "gradient_accumulation_steps": 2, "replays_per_prompt": 4}
    trainer = HiRTrainer(model, config(tmp_path, **settings), instructions(), rollout_func=in_turns)
    watched = Watched(trainer)
    trainer.train()
    assert logged(trainer)[0]["hir/replays"] > 0
    loss, gradients = by_hand(model, watched.weights[0], watched.batches, loss_type)
    assert sum(watched.losses) == pytest.approx(loss, abs=1e-6)
    assert watched.gradients[0].keys() == gradients.keys()
    for name, gradient in gradients.items():
        assert torch.allclose(watched.gradients[0][name], gradient, atol=1e-6, rtol=0), name
    assert max(float(value.abs().max()) for value in gradients.values()) > 1e-4
    # The environment's tokens would have made a difference.
    _, other = by_hand(model, watched.weights[0], watched.batches, loss_type, masked=False)
    assert any(not torch.allclose(other[name], value, atol=1e-6) for name, value in gradients.items())


def test_replays_change_the_first_message_and_keep_the_transcript(model: str, tmp_path: Path) -> None:
    seen: list[Rollout] = []
    trainer = HiRTrainer(
        model,
        config(tmp_path, max_steps=1),
        instructions(),
        rollout_func=in_turns,
        on_replays=lambda step, rollouts, found: seen.extend(rollouts),
    )
    watched = Watched(trainer)
    trainer.train()
    rows = [
        (*row, mask[kept.bool()].tolist())
        for batch in watched.batches
        for row, mask, kept in zip(rows_of([batch]), batch["tool_mask"], batch["completion_mask"], strict=True)
        if row[1]
    ]
    replays = [row for row in rows if row[2] == 1.0 and row[:2] not in [(r[0], r[1]) for r in rows if r[2] != 1.0]]
    originals = {tuple(row[1]): row for row in rows if row not in replays}
    assert len(replays) == logged(trainer)[0]["hir/replays"]
    for prompt, completion, _, mask in replays:
        source = originals[tuple(completion)]
        assert mask == source[3] == [1] * SAYS + [0] * SEES + [1] * (SAYS + 1) and prompt != source[0]
    # Entropies are means over the policy's tokens, under the policy that is trained.
    policy = transformers.AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
    own = torch.tensor([True] * SAYS + [False] * SEES + [True] * (SAYS + 1))
    checked = 0
    for rollout in seen:
        assert len(rollout.observed.split()) == SEES and rollout.observed in rollout.response
        if rollout.entropy:
            completion = trainer.processing_class(rollout.response)["input_ids"] + [1]
            source = originals[tuple(completion)]
            spread = policy(torch.tensor([source[0] + completion])).logits[0, -len(completion) - 1 : -1].log_softmax(-1)
            entropy = -(spread.exp() * spread).sum(-1)[own].mean()
            assert rollout.entropy == pytest.approx(float(entropy.detach()), abs=1e-5)
            checked += 1
    assert checked > 4


def test_an_observation_that_quotes_what_a_rewrite_removes_is_no_replay() -> None:
    texts = ("Bring the lamp to the hall.", "Say gold.")
    asked = Instruction("Act.", tuple(constraint("keywords:existence", {"keywords": [w]}) for w in ("lamp", "gold")),
                        texts=texts)  # fmt: skip

    def replayed(observed: str, verdict: list[bool]) -> Any:
        replayer = Replayer(ReplayConfig(replays_per_prompt=2))
        return replayer.replay([Rollout(asked, "gold", verdict, observed=observed)], step=1)

    assert len(replayed("You see gold.", [False, True]).replays) == 1
    assert len(replayed("You were asked: say gold.", [False, True]).replays) == 1  # this one stays
    found = replayed("You were asked: bring the\nlamp to the hall. Say gold.", [False, True])
    assert not found.replays and found.rejected == {"an observation quotes the instruction": 1}


def test_what_an_environment_wrote_and_when_an_episode_was_cut_off(model: str) -> None:
    tokenizer = transformers.AutoTokenizer.from_pretrained(model)
    ids = tokenizer("red gold blue moon")["input_ids"]
    assert observations([ids, ids], [[1, 0, 0, 1], [1] * 4], tokenizer) == ["gold blue", ""]
    assert observations([ids], None, tokenizer) == [""]
    call = {"role": "assistant", "tool_calls": [{"type": "function", "function": {"name": "go"}}]}
    answer = {"role": "tool", "name": "go", "content": "hall, nothing"}
    done = {"role": "assistant", "content": "I am there."}
    assert waiting([call]) and waiting([call, answer]) and not waiting([call, answer, done])
    assert not waiting("a text") and not waiting([])
    asked = Instruction("Act.", ())
    check_prompts([[{"role": "user", "content": "Act."}]], [asked])
    with pytest.raises(HindsightError, match="return None from reset"):
        check_prompts([[{"role": "user", "content": "Act. You are in the hall."}]], [asked])


@pytest.mark.parametrize(
    ("settings", "others", "wrong"),
    [
        ({"buffer_rows_per_prompt": 2}, {"rollout_func": in_turns}, "set buffer_rows_per_prompt=0"),
        ({}, {"environment_factory": {"one": object}}, "give one environment, not a dictionary"),
    ],
)
def test_what_is_not_possible_says_so(
    model: str, tmp_path: Path, settings: dict[str, Any], others: dict[str, Callable[..., Any]], wrong: str
) -> None:
    with pytest.raises(HindsightError, match=wrong):
        HiRTrainer(model, config(tmp_path, max_steps=1, **settings), instructions(), **others).train()
