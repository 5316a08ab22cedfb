"""Packed sequences: a prompt once before its responses; log-probabilities and gradients are those of separate rows."""

from __future__ import annotations

import warnings
from functools import partial
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("trl", reason="TRL is not installed: pip install 'hindsight-rl[lm]'")

import peft
import torch
import transformers
import trl
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from hypothesis import given, settings
from hypothesis import strategies as st
from trl.trainer.utils import add_fused_lm_head

from hindsight_rl.errors import HindsightError
from hindsight_rl.lm.trl import HiRTrainer
from hindsight_rl.lm.trl.packing import deal, pack, prompt_groups
from hindsight_rl.lm.trl.passes import regrouped
from hindsight_rl.lm.trl.scoring import Scorer, packable
from test_trl import MIXED, Watched, agree, config, logged
from tiny_lm import tiny_model

torch.set_num_threads(1)

SHAPE: dict[str, Any] = {
    "vocab_size": 40,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "pad_token_id": 0,
}
LLAMA = transformers.LlamaConfig(**SHAPE, num_attention_heads=2, num_key_value_heads=1)


def rows(prompts: list[list[int]], completions: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor, int]:
    """Tokens and mask as TRL has them, and the width of the completions."""
    before, width = max(map(len, prompts)), max(1, *map(len, completions))
    ids, mask = torch.zeros(2, len(prompts), before + width, dtype=torch.long)
    for at, (prompt, completion) in enumerate(zip(prompts, completions, strict=True)):
        ids[at, before - len(prompt) : before + len(completion)] = torch.tensor(prompt + completion)
        mask[at, before - len(prompt) : before + len(completion)] = 1
    return ids, mask, width


def policy(config: Any = LLAMA, attention: str = "sdpa") -> Any:
    torch.manual_seed(0)
    made = transformers.AutoModelForCausalLM.from_config(config, attn_implementation=attention)
    torch.nn.init.normal_(made.get_output_embeddings().weight, std=1.0)  # far from uniform
    add_fused_lm_head(made, temperature=0.7, outputs=("log_probs", "entropy"))
    return made


def plain(model: Any, ids: torch.Tensor, mask: torch.Tensor, width: int) -> Any:
    labels = ids.masked_fill(mask == 0, -100)
    labels[:, :-width] = -100
    made = model(input_ids=ids, attention_mask=mask, labels=labels, fused_lm_head=True)
    return made.log_probs[:, -width:], made.entropy[:, -width:]


def scorer(model: Any, share: str = "auto") -> Scorer:
    return Scorer(model, share, 0, Accelerator(cpu=True))


TOKENS = st.lists(st.integers(1, 39), min_size=1, max_size=6)
CASES = st.lists(st.tuples(st.sampled_from(range(3)), st.lists(st.integers(1, 39), max_size=5)), min_size=1, max_size=7)
MODELS = {kind: policy(attention=kind) for kind in ("sdpa", "eager")}


@settings(max_examples=40, deadline=None)
@given(st.lists(TOKENS, min_size=3, max_size=3), CASES, st.sampled_from([None, 2, 4]), st.booleans())
def test_scores_and_gradients_are_those_of_separate_rows(
    prompts: list[list[int]], cases: list[tuple[int, list[int]]], most: int | None, eager: bool
) -> None:
    model = MODELS["eager" if eager else "sdpa"]
    ids, mask, width = rows([prompts[at] for at, _ in cases], [completion for _, completion in cases])
    live = mask[:, -width:].bool()
    own, found = scorer(model, "always"), {}
    for name in ("plain", "packed"):
        model.zero_grad()
        made = expected = plain(model, ids, mask, width)
        if name == "packed":
            made = own(model, ids, mask, width, most, partial(tuple, expected))
        (made[0] * live).sum().add((made[1] * live).sum() * 0.1).backward()
        found[name] = [*(each.detach()[live] for each in made), *(p.grad.clone() for p in model.parameters())]
    for one, other in zip(found["plain"], found["packed"], strict=True):
        assert torch.allclose(one, other, atol=1e-3, rtol=1e-4), (one - other).abs().max()


def test_a_prompt_stands_once_and_no_response_sees_another() -> None:
    ids, mask, width = rows([[5, 6, 7]] * 3, [[8, 9], [], [10]])
    packed = pack(ids, mask, width, pad=0)
    # The prompt without its last token; then each response after its own copy of that token, the shortest first.
    assert packed.ids.tolist() == [[5, 6, 7, 10, 7, 8, 9]]
    assert packed.positions.tolist() == [[0, 1, 2, 3, 2, 3, 4]]
    assert packed.labels.tolist() == [[-100, -100, -100, 10, -100, 8, 9]]
    assert packed.mask[0, 0, 6].tolist() == [True, True, False, False, True, True, True]
    assert packed.rows(torch.arange(6.0)[None]).tolist() == [[4.0, 5.0], [0.0, 0.0], [2.0, 0.0]]


def test_prompts_share_a_sequence_but_see_nothing_of_each_other() -> None:
    ids, mask, width = rows([[5, 6], [5, 6], [7], [8]], [[1, 2], [3, 4], [9], [9]])
    packed = pack(ids, mask, width, pad=0)
    assert packed.ids.tolist() == [[5, 6, 1, 2, 6, 3, 4, 7, 9, 8, 9]] and packed.shares and packed.mixed.all()
    assert packed.positions.tolist() == [[0, 1, 2, 3, 1, 2, 3, 0, 1, 0, 1]]
    assert packed.mask[0, 0, 8].tolist() == [False] * 7 + [True, True, False, False]
    assert packed.mask[0, 0, 10].tolist() == [False] * 9 + [True, True]


@given(st.lists(st.integers(1, 9), min_size=1, max_size=12), st.integers(1, 6))
def test_rows_are_dealt_once_and_a_group_is_split_only_for_room(sizes: list[int], most: int) -> None:
    numbers = iter(range(sum(sizes)))
    groups = [([at], [next(numbers) for _ in range(size)]) for at, size in enumerate(sizes)]
    parts = deal(groups, -(-sum(sizes) // most), most)
    assert sorted(row for part in parts for row in part) == list(range(sum(sizes)))
    assert max(map(len, parts)) <= most and all(parts)
    if all(size == most for size in sizes):
        assert sorted(map(sorted, parts)) == sorted(own for _, own in groups)


def test_prompts_are_told_apart_by_their_tokens_not_by_padding() -> None:
    ids, mask, width = rows([[0, 5], [5], [0, 5]], [[1], [1], [2]])
    before = ids.size(1) - width
    assert prompt_groups(ids[:, :before], mask[:, :before]) == [([0, 5], [0, 2]), ([5], [1])]


def test_a_sequence_holds_as_many_responses_as_are_cheap() -> None:
    ids, mask, width = rows([[5] * 10] * 4, [[6] * 10] * 4)
    shapes = {cost: tuple(pack(ids, mask, width, 0, cost).ids.shape) for cost in (0.0, 0.02, 1.0)}
    assert shapes == {0.0: (1, 53), 0.02: (2, 31), 1.0: (4, 20)}


@pytest.mark.parametrize(
    ("prompts", "lengths"),
    [
        ([100, 100, 60, 60, 60, 60, 60, 60], [100] * 8),  # two of one prompt, and replays with their own
        ([100, 100, 100, 100, 160, 161, 162, 163], [100] * 8),
        ([90] * 7 + [91], [100] * 8),
        ([100] * 8, [10] * 7 + [3000]),
        ([40], [7]),
    ],
)
def test_packing_never_costs_more_than_rows(prompts: list[int], lengths: list[int]) -> None:
    """Prompts of one length are the same prompt. Padding is read, too."""
    cost = 1 / (6 * 576)
    ids, mask, width = rows([[5] * size for size in prompts], [[6] * size for size in lengths])
    plain_cost = len(prompts) * (max(prompts) + max(lengths) + cost * (max(prompts) + max(lengths)) ** 2)
    count, size = pack(ids, mask, width, 0, cost).ids.shape
    assert count * (size + cost * size**2) <= plain_cost


HEADS: dict[str, Any] = {**SHAPE, "num_attention_heads": 2, "num_key_value_heads": 1}


@pytest.mark.parametrize(
    ("kind", "able"),
    [
        (transformers.MistralConfig(**HEADS, sliding_window=4), False),
        (transformers.MistralConfig(**HEADS, sliding_window=None), True),
        (transformers.MixtralConfig(**HEADS, sliding_window=None, output_router_logits=True), False),
        (transformers.FalconConfig(**SHAPE, num_attention_heads=2, alibi=True), False),
        (transformers.GPT2Config(vocab_size=40, n_embd=32, n_layer=2, n_head=2), False),
        (
            transformers.GPTNeoConfig(**SHAPE, num_layers=2, num_heads=2, attention_types=[[["global", "local"], 1]]),
            False,
        ),
    ],
)
def test_models_whose_attention_depends_on_places_are_read_row_by_row(kind: Any, able: bool) -> None:
    model = policy(kind, attention="eager" if kind.model_type in ("falcon", "gpt_neo") else "sdpa")
    assert packable(model) is able and scorer(model).active is able and not scorer(model, "never").active
    if not able:
        with pytest.raises(HindsightError, match="share_prompts=always needs a model with rotary positions"):
            scorer(model, "always")


def test_a_model_with_other_scores_is_found_out_when_responses_share_a_prompt() -> None:
    model = policy()
    for weight in model.base_model.parameters():
        torch.nn.init.normal_(weight, std=0.5)  # so that attention matters
    model.base_model.register_forward_pre_hook(  # it does not heed the positions
        lambda module, args, given: (args, {**given, "position_ids": None}), with_kwargs=True
    )
    own, strict = scorer(model), scorer(model, "always")
    alone = rows([[5, 6], [7]], [[1, 2], [3, 4]])
    together = rows([[5, 6, 7, 8]] * 3, [[1, 2], [3, 4], [9, 8]])
    expected = {case: plain(model, *case) for case in (alone, together)}
    own(model, *alone, None, lambda: expected[alone])
    assert own.active
    with pytest.warns(UserWarning, match="packed sequences change the model's log-probabilities"):
        assert own(model, *together, None, lambda: expected[together]) is expected[together]
    assert not own.active
    with pytest.raises(HindsightError, match="leave share_prompts out"):
        strict(model, *together, None, lambda: expected[together])


def test_dropout_and_weights_that_are_no_numbers_are_no_other_scores() -> None:
    model: Any = policy(transformers.LlamaConfig(**HEADS, attention_dropout=0.9)).train()
    ids, mask, width = rows([[5, 6, 7, 8]] * 3, [[1, 2], [3, 4], [9, 8]])
    own = scorer(model, "always")
    own(model, ids, mask, width, None, lambda: plain(model, ids, mask, width))
    assert own.active and model.training
    torch.nn.init.constant_(model.get_output_embeddings().weight, float("nan"))
    broken = scorer(model, "always")
    logps, _ = broken(model, ids, mask, width, None, lambda: plain(model, ids, mask, width))
    assert broken.active and bool(logps.isnan().any())


@pytest.mark.parametrize("window", [2, 4, 8])
def test_rows_change_places_within_an_update_only(window: int) -> None:
    prompts = torch.tensor([[1], [2], [1], [2], [1], [2], [1], [2]])
    whole = {
        "prompt_ids": prompts, "prompt_mask": torch.ones_like(prompts), "completion_ids": torch.arange(8)[:, None],
        "advantages": torch.arange(8.0), "num_items_in_batch": torch.tensor(8), "images": None,
    }  # fmt: skip
    batches = [{n: v[at : at + 2] if n in ("prompt_ids", "prompt_mask", "completion_ids", "advantages") else v
                for n, v in whole.items()} for at in range(0, 8, 2)]  # fmt: skip
    made = regrouped(batches, window, "dapo")
    assert all(len(set(batch["prompt_ids"][:, 0].tolist())) == 1 for batch in made)
    for start in range(0, 4, min(window, 4)):
        own = [row for batch in made[start : start + window] for row in batch["advantages"].tolist()]
        assert sorted(own) == list(range(2 * start, 2 * start + len(own)))
    assert all(batch["completion_ids"][:, 0].tolist() == batch["advantages"].tolist() for batch in made)
    assert regrouped(batches, window, "bnpo") == batches and regrouped(batches, 3, "dapo") == batches
    pictured = [{**batch, "pixel_values": torch.zeros(1)} for batch in batches]
    assert regrouped(pictured, window, "dapo") == pictured


def tokens_read(trainer: Any) -> list[int]:
    """Filled while it trains: tokens of each pass that a gradient goes through, padding included."""
    found: list[int] = []

    def count(module: Any, args: Any, given: dict[str, Any]) -> None:
        if torch.is_grad_enabled() and module.training:
            found.append(given["input_ids"].numel())

    trainer.model.register_forward_pre_hook(count, with_kwargs=True)
    return found


@pytest.mark.parametrize("loss_type", ["dapo", "grpo", "bnpo"])
def test_training_reads_prompts_once_and_makes_the_same_update(tmp_path: Path, loss_type: str) -> None:
    model = tiny_model(tmp_path / "model")
    read, entries = {}, {}
    for shared in ("auto", "never"):
        trainer = HiRTrainer(model, config(tmp_path, share_prompts=shared, loss_type=loss_type, max_steps=1), MIXED)
        read[shared], watched = tokens_read(trainer), Watched(trainer)
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            trainer.train()
        agree(watched, model, loss_type, 0)
        (entries[shared],) = logged(trainer)
    assert sum(read["auto"]) < (0.7 if loss_type == "bnpo" else 0.55) * sum(read["never"])
    for name, value in entries["never"].items():
        if name != "step_time":
            assert entries["auto"][name] == pytest.approx(value, rel=1e-4, abs=1e-5), name


def test_the_head_gets_the_scored_tokens_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    model, seen = policy(), []
    whole = trl.trainer.utils._ChunkedLogProbFunction.apply
    monkeypatch.setattr(
        trl.trainer.utils._ChunkedLogProbFunction,
        "apply",
        lambda hidden, *others: seen.append(hidden.size(0)) or whole(hidden, *others),
    )
    ids, mask, width = rows([[5] * 9, [5] * 9, [6] * 3], [[1, 2], [3], [4]])
    own = scorer(model)
    own._checked = True
    own(model, ids, mask, width, None, lambda: plain(model, ids, mask, width))
    assert sum(seen) == 4


def test_sixteen_bit_scores_are_close() -> None:
    model: Any = policy()
    ids, mask, width = rows([[5, 6, 7, 8]] * 3, [[1, 2], [3, 4], [9, 8]])
    AcceleratorState._reset_state(reset_partial_state=True)
    try:
        own = Scorer(model, "always", 0, Accelerator(cpu=True, mixed_precision="bf16"))
        with own._accelerator.autocast():
            expected = plain(model, ids, mask, width)
        logps, _ = own(model, ids, mask, width, None, lambda: expected)
    finally:
        AcceleratorState._reset_state(reset_partial_state=True)
    assert own._checked and (logps - expected[0]).abs().mean() < 0.1


def test_an_adapter_of_transformers_trains_as_well(tmp_path: Path) -> None:
    path = tiny_model(tmp_path / "model")
    model: Any = transformers.AutoModelForCausalLM.from_pretrained(path)
    model.add_adapter(peft.LoraConfig(r=2, target_modules=["q_proj"]))
    tokenizer = transformers.AutoTokenizer.from_pretrained(path)
    trainer = HiRTrainer(model, config(tmp_path, max_steps=1), MIXED, processing_class=tokenizer)
    trainer.train()
    assert trainer._scorer.active and logged(trainer)[0]["hir/replays"] > 0
