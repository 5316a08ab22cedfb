"""Attention from responses to constraints: the model's own, adding up, and where it is made to look."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from hindsight_rl.errors import HindsightError
from hindsight_rl.lm.sandbox.attention import AttentionMaps, attention
from hindsight_rl.lm.sandbox.attention_study import load_arm
from hindsight_rl.lm.sandbox.config import ReplayRules, SandboxConfig, UpdateRules
from hindsight_rl.lm.sandbox.instructions import Instructions
from hindsight_rl.lm.sandbox.language import ANSWER, PAD, TOKEN, VOCABULARY, prompt_tokens, response_tokens
from hindsight_rl.lm.sandbox.model import Model, ModelRules, padded
from hindsight_rl.lm.sandbox.pretrain import PretrainRules
from hindsight_rl.lm.sandbox.train import train
from hindsight_rl.lm.sandbox.words_task import WORDS
from hindsight_rl.run import Run

RULES = ModelRules(width=16, heads=2, layers=3)


def drawn(count: int, low: int = 3, high: int = 8) -> tuple[list, list[list[int]]]:
    rng, source = np.random.default_rng(5), Instructions(low, high, RULES.room(), 0.3)
    pairs = [source.draw(rng) for _ in range(count)]
    return [instruction for instruction, _ in pairs], [response_tokens(response) for _, response in pairs]


@pytest.fixture
def model() -> Model:
    torch.manual_seed(3)
    return Model(RULES)


def test_it_is_the_models_own_attention(model: Model) -> None:
    instructions, responses = drawn(9)
    prompts, tokens = padded([prompt_tokens(each) for each in instructions]), padded(responses)
    to_prompt, to_own, logits = attention(model, prompts, tokens)
    first = torch.full_like(tokens[:, :1], TOKEN[ANSWER])
    with torch.no_grad():
        expected = model.answer(model.read(prompts), torch.cat((first, tokens[:, :-1]), 1)[:, None])[:, 0]
    assert torch.allclose(logits, expected, atol=1e-5)
    assert to_prompt.shape == (3, 9, tokens.shape[1], prompts.shape[1])
    assert torch.allclose(to_prompt.sum(-1) + to_own.sum(-1), torch.ones(3, 9, tokens.shape[1]), atol=1e-5)
    padding = (prompts == TOKEN[PAD])[None, :, None].expand_as(to_prompt)
    assert not to_prompt[padding].any() and not to_own.triu(1).any() and (to_own.diagonal(dim1=-2, dim2=-1) > 0).all()


def test_spans_are_the_words_of_each_constraint() -> None:
    for instruction in drawn(20)[0]:
        tokens = [VOCABULARY[token] for token in prompt_tokens(instruction)]
        assert [" ".join(tokens[a:b]) for a, b in WORDS.spans(instruction)] == list(instruction.texts)


def test_even_attention_has_lift_one_and_shares_add_up(model: Model) -> None:
    with torch.no_grad():
        for block in model.layers:
            block.qkv.weight[: RULES.width] = 0  # queries
    instructions, responses = drawn(6)
    look = AttentionMaps(model, instructions, responses)
    for index in range(6):
        assert np.allclose(look.lifts(index), 1, atol=1e-4)
    found = look.summary()
    assert sum(found["shares"].values()) == pytest.approx(1, abs=1e-3)
    assert set(found["lift_by_kind"].values()) == {1.0} and found["lift_writing_the_word"] == 1.0
    assert np.mean(found["constraints_by_layer"]) == pytest.approx(found["shares"]["constraints"], abs=1e-3)


def test_a_model_made_to_look_at_one_constraint_is_seen_to(model: Model) -> None:
    """Queries along a direction that the keys of one word alone have."""
    instructions, responses = drawn(12, 7, 8)
    word = "sorted"
    with torch.no_grad():
        model.embedding.weight[:, 0] = 0.0
        model.embedding.weight[TOKEN[word], 0] = 50.0
        for block in model.layers:
            block.qkv.weight[: RULES.width] = 0
            block.qkv.weight[: RULES.width, 1:] = 0.3
            block.qkv.weight[RULES.width : 2 * RULES.width] = 0
            block.qkv.weight[RULES.width : 2 * RULES.width, 0] = 8.0
        model.embedding.weight[:, 1:] = model.embedding.weight[:, 1:].abs() + 0.5
    lifts = AttentionMaps(model, instructions, responses).summary()["lift_by_kind"]
    assert lifts[word] > 2 and lifts[word] > 3 * max(value for kind, value in lifts.items() if kind != word)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[SandboxConfig, Path]:
    config = SandboxConfig(
        arms="rlvr,hir", constraints="2-3", rollouts=64, out=str(tmp_path_factory.mktemp("lm") / "run"), jobs=1,
        test=12, evaluations=1, model=ModelRules(width=16, heads=2, layers=1, context=48),
        pretrain=PretrainRules(steps=150, batch=16), replay=ReplayRules(replays_per_prompt=2),
        update=UpdateRules(prompts=4, samples=4, minibatch=16),
    )  # fmt: skip
    return config, train(config)


def test_a_run_keeps_it_for_the_base_and_every_arm(trained: tuple[SandboxConfig, Path]) -> None:
    found = Run(trained[1]).read("attention.json")
    assert found["instructions"] == 12 and list(found["models"]) == ["base", "rlvr", "hir"]
    same = {name: model["same"] for name, model in found["models"].items()}
    assert same["base"] != same["hir"]
    for model in found["models"].values():
        assert model["own"]["lift_missed"] is None or model["own"]["lift_missed"] > 0
    for example in found["examples"]:
        assert example["response"][-1] == "<end>"
        for rows in example["models"].values():
            assert len(rows) == len(example["response"]) and {len(row) for row in rows} == {len(example["constraints"])}
    json.dumps(found, allow_nan=False)


def test_a_model_that_is_not_finite_is_left_out_and_a_torn_one_named(trained: tuple[SandboxConfig, Path]) -> None:
    config, path = trained
    file = path / "arms" / "hir" / "model.safetensors"
    whole = file.read_bytes()
    save_file(
        {name: value * float("nan") for name, value in load_file(file).items() if value.is_floating_point()}, file
    )
    train(dataclasses.replace(config, resume=True))
    assert list(Run(path).read("attention.json")["models"]) == ["base", "rlvr"]
    file.write_bytes(whole[:100])
    with pytest.raises(HindsightError, match=r"model\.safetensors is no model of an arm"):
        load_arm(file, config.model)
    file.write_bytes(whole)
