"""The tiny model: sharing a prompt and decoding with a cache change nothing."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from hindsight_rl.errors import HindsightError
from hindsight_rl.lm.sandbox.instructions import Instructions
from hindsight_rl.lm.sandbox.language import ANSWER, END, PAD, TOKEN, prompt_tokens
from hindsight_rl.lm.sandbox.model import Model, ModelRules, padded, rotate
from hindsight_rl.lm.sandbox.pretrain import PretrainRules, base_model, load_base, pretrain
from hindsight_rl.lm.sandbox.sampler import sample


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def model() -> Model:
    torch.manual_seed(0)
    return Model(ModelRules(width=32, heads=2, layers=3))


@pytest.fixture(scope="module")
def prompts() -> torch.Tensor:
    source, rng = Instructions(1, 6, 50), np.random.default_rng(0)
    return padded([prompt_tokens(source.draw(rng)[0]) for _ in range(7)])


def plain_logits(model: Model, tokens: list[int]) -> torch.Tensor:
    """The same network on one row of prompt and response, without cache, sharing or padding."""
    x = model.embedding(torch.tensor(tokens))
    t, width = x.shape
    turn = (model.cos[:t], model.sin[:t])
    for block in model.layers:
        mixed = F.linear(block.norm_in(x), block.qkv.weight).view(t, 3, block.heads, -1).permute(1, 2, 0, 3)
        query, key, value = mixed.unbind(0)
        seen = F.scaled_dot_product_attention(rotate(query, turn), rotate(key, turn), value, is_causal=True)
        x = x + block.join(seen.transpose(0, 1).reshape(t, width))
        x = x + block.down(F.gelu(block.up(block.norm_out(x)), approximate="tanh"))
    return F.linear(model.norm(x), model.embedding.weight)


def test_cached_decoding_and_shared_prompts_equal_the_full_forward(model: Model, prompts: torch.Tensor) -> None:
    drawn = sample(model, prompts, 3, torch.Generator().manual_seed(0))
    scored = model.log_probs(prompts, drawn.tokens)
    assert drawn.tokens.shape[:2] == (7, 3) and drawn.mask.sum() > 60
    worst = (scored - drawn.log_probs)[drawn.mask.bool()].abs().max()
    assert worst < 1e-5
    for p in range(7):
        prompt = [t for t in prompts[p].tolist() if t != TOKEN[PAD]]
        for k in range(3):
            response = drawn.tokens[p, k][drawn.mask[p, k].bool()]
            logits = plain_logits(model, [*prompt, TOKEN[ANSWER], *response.tolist()])[len(prompt) : -1]
            by_hand = logits.log_softmax(-1).gather(1, response[:, None])[:, 0]
            assert torch.allclose(by_hand, scored[p, k, : len(response)], atol=1e-5)
            entropy = torch.distributions.Categorical(logits=logits).entropy().mean()
            assert entropy.item() == pytest.approx(drawn.entropy[p, k].item(), abs=1e-5)


def test_nothing_is_drawn_after_the_end(model: Model, prompts: torch.Tensor) -> None:
    drawn = sample(model, prompts, 8, torch.Generator().manual_seed(1))
    for row, mask in zip(drawn.tokens.flatten(0, 1), drawn.mask.flatten(0, 1), strict=True):
        length = int(mask.sum())
        assert (row[length:] == TOKEN[PAD]).all()
        assert TOKEN[END] not in row[: length - 1]
    greedy = sample(model, prompts, 1, None)
    assert torch.equal(greedy.tokens, sample(model, prompts, 1, None).tokens)


def test_draws_follow_the_probabilities(model: Model) -> None:
    prompt = padded([[TOKEN["<begin>"], TOKEN["sorted"]]])
    first = sample(model, prompt, 20_000, torch.Generator().manual_seed(2), longest=1).tokens.flatten()
    with torch.no_grad():
        start = torch.tensor([[[TOKEN[ANSWER]]]])
        probs = model.answer(model.read(prompt), start).softmax(-1).flatten()
    seen = torch.bincount(first, minlength=len(probs)) / len(first)
    assert (seen - probs).abs().max() < 0.015


def test_a_prompt_is_not_read_past_its_end(model: Model, prompts: torch.Tensor) -> None:
    tokens = sample(model, prompts, 2, torch.Generator().manual_seed(0)).tokens
    wider = F.pad(prompts, (0, 9), value=TOKEN[PAD])
    assert torch.allclose(model.log_probs(prompts, tokens), model.log_probs(wider, tokens), atol=1e-6)


def test_pretraining_learns_and_is_kept(tmp_path) -> None:
    said: list[float] = []
    rules, size = PretrainRules(steps=200, batch=16), ModelRules(width=16, heads=2, layers=1)
    path = base_model(tmp_path, rules, size, 3, lambda step, loss: said.append(loss))
    assert len(said) == 2 and said[-1] < 3.5  # random guessing costs ln 62 = 4.1
    assert base_model(tmp_path, rules, size, 3, lambda step, loss: pytest.fail("trained again")) == path
    assert base_model(tmp_path, PretrainRules(steps=1), size, 3, lambda step, loss: None) != path
    again = pretrain(rules, size, 3, lambda step, loss: None).state_dict()
    assert all(torch.equal(value, again[name]) for name, value in load_base(path, size).state_dict().items())
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(HindsightError, match="delete it"):
        load_base(path, size)


def test_pretraining_that_diverges_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Model.log_probs
    monkeypatch.setattr(Model, "log_probs", lambda self, *a: real(self, *a) * float("inf"))
    with pytest.raises(HindsightError, match=r"pretrain\.learning-rate"):
        pretrain(PretrainRules(steps=2, batch=2), ModelRules(width=16, heads=2), 0, lambda step, loss: None)
