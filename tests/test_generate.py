"""Responses to many prompts: the seed decides, and nothing outside notices."""

import pytest

pytest.importorskip("transformers", reason="transformers is not installed: pip install 'hindsight-rl[lm]'")

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from hindsight_rl.lm.drift import log_probs, perplexity
from hindsight_rl.lm.generate import generate, prompt_ids
from tiny_lm import tiny_model

CHATS = [[{"role": "user", "content": f"Write a line . {word}"}] for word in ("red", "gold", "blue")]


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    folder = tiny_model(tmp_path_factory.mktemp("tiny"))
    tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left")
    return AutoModelForCausalLM.from_pretrained(folder), tokenizer


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_the_random_numbers_of_training_go_on_as_before(loaded, temperature):
    torch.manual_seed(5)
    expected = torch.rand(4)
    torch.manual_seed(5)
    generate(*loaded, CHATS, max_new_tokens=4, temperature=temperature, seed=1)
    assert torch.equal(torch.rand(4), expected)


def test_the_seed_decides(loaded):
    one, again, two = (generate(*loaded, CHATS, max_new_tokens=12, temperature=1.0, seed=s) for s in (1, 1, 2))
    assert one == again != two


def test_measurements_use_no_dropout_and_leave_the_mode(loaded):
    model, tokenizer = loaded
    for layer in model.model.layers:
        layer.self_attn.attention_dropout = 0.5
    model.train()
    prompts = prompt_ids(tokenizer, CHATS)
    found = [(perplexity(model, tokenizer), log_probs(model, prompts, prompts)) for _ in range(2)]
    assert found[0] == found[1] and model.training
    model.eval()
    assert perplexity(model, tokenizer) == found[0][0] and not model.training
