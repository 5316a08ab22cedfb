"""Packed sequences: a prompt once before its responses; log-probabilities and gradients are those of separate rows."""

from __future__ import annotations

import warnings
from functools import partial
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("trl", reason="TRL is not installed: pip install 'hindsight-rl[lm]'")

import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from trl.trainer.utils import add_fused_lm_head

from hindsight_rl.errors import HindsightError
from hindsight_rl.lm.trl import HiRTrainer
from hindsight_rl.lm.trl.packing import deal, pack, packable, prompt_groups
from hindsight_rl.lm.trl.scoring import Scorer
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


def scorer(model: Any, *, wanted: bool | None = None, full_head: bool = False) -> Scorer:
    return Scorer(model, wanted, torch.device("cpu"), 0, 0.7, entropy_counts=True, full_head=full_head)


TOKENS = st.lists(st.integers(1, 39), min_size=1, max_size=6)
CASES = st.lists(st.tuples(st.sampled_from(range(3)), st.lists(st.integers(1, 39), max_size=5)), min_size=1, max_size=7)
MODELS = {kind: policy(attention=kind) for kind in ("sdpa", "eager")}


@settings(max_examples=40, deadline=None)
@given(st.lists(TOKENS, min_size=3, max_size=3), CASES, st.sampled_from([None, 2, 4]), st.booleans(), st.booleans())
def test_scores_and_gradients_are_those_of_separate_rows(
    prompts: list[list[int]], cases: list[tuple[int, list[int]]], most: int | None, eager: bool, full_head: bool
) -> None:
    model = MODELS["eager" if eager else "sdpa"]
    ids, mask, width = rows([prompts[at] for at, _ in cases], [completion for _, completion in cases])
    live = mask[:, -width:].bool()
    own, found = scorer(model, full_head=full_head), {}
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
    #                                 prompt  7: each response's own copy
    assert packed.ids.tolist() == [[5, 6, 7, 8, 9, 7, 10]]
    assert packed.positions.tolist() == [[0, 1, 2, 3, 4, 2, 3]]
    assert packed.labels.tolist() == [[-100, -100, -100, 8, 9, -100, 10]]
    assert packed.mask[0, 0, 6].tolist() == [True, True, False, False, False, True, True]
    assert packed.rows(torch.arange(6.0)[None]).tolist() == [[2.0, 3.0], [0.0, 0.0], [5.0, 0.0]]


def test_short_groups_share_a_sequence_no_longer_than_the_longest_group() -> None:
    ids, mask, width = rows([[5, 6], [5, 6], [7], [8]], [[1, 2], [3, 4], [9], [9]])
    packed = pack(ids, mask, width, pad=0)
    assert packed.ids.tolist() == [[5, 6, 1, 2, 6, 3, 4], [7, 9, 8, 9, 0, 0, 0]]
    assert not packed.mask[1, 0, 3, :2].any()  # another prompt's


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


def test_a_model_that_does_not_attend_to_all_is_read_row_by_row() -> None:
    heads: dict[str, Any] = {**SHAPE, "num_attention_heads": 2, "num_key_value_heads": 1}
    kinds = {
        False: transformers.MistralConfig(**heads, sliding_window=4),
        True: transformers.MistralConfig(**heads, sliding_window=None),
    }
    for able, kind in kinds.items():
        model = policy(kind)
        assert packable(model) is able and scorer(model).active is able
        if not able:
            with pytest.raises(HindsightError, match="share_prompts needs a model with full attention"):
                scorer(model, wanted=True)


def test_a_model_with_other_scores_is_found_out_at_the_first_batch() -> None:
    """GPT-2's positions count the padding before a prompt, so rows and packed sequences differ."""
    model = policy(transformers.GPT2Config(vocab_size=40, n_embd=32, n_layer=2, n_head=2, pad_token_id=0)).eval()
    torch.nn.init.normal_(model.transformer.wpe.weight, std=2.0)
    ids, mask, width = rows([[5, 6, 7, 8], [5], [5]], [[1, 2], [3, 4], [9, 8]])
    expected = plain(model, ids, mask, width)
    own = scorer(model)
    with pytest.warns(UserWarning, match="other log-probabilities"):
        assert own(model, ids, mask, width, None, lambda: expected) is expected
    assert not own.active
    with pytest.raises(HindsightError, match="leave share_prompts out"):
        scorer(model, wanted=True)(model, ids, mask, width, None, lambda: expected)


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
    for shared in (None, False):
        trainer = HiRTrainer(model, config(tmp_path, share_prompts=shared, loss_type=loss_type, max_steps=1), MIXED)
        read[shared], watched = tokens_read(trainer), Watched(trainer)
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            trainer.train()
        agree(watched, model, loss_type, 0)
        (entries[shared],) = logged(trainer)
    assert sum(read[None]) < 0.7 * sum(read[False])
    for name, value in entries[False].items():
        if name not in ("step_time", "loss"):  # the loss is a sum over micro-batches, which hold other rows
            assert entries[None][name] == pytest.approx(value, rel=1e-4, abs=1e-5), name
