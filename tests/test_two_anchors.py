"""MDP-GRPO's advantages against numbers worked out by hand."""

import math

import pytest
import torch

from hindsight_rl.errors import HindsightError
from hindsight_rl.lm.sandbox.config import ReplayRules, SandboxConfig
from hindsight_rl.lm.sandbox.sampler import sample
from hindsight_rl.lm.sandbox.two_anchors import TwoAnchorRules, temperatures


def shaped(value: float) -> float:
    return (1.25 if value >= 0 else 2.0) * math.tanh(0.8 * value)


def test_a_mixed_group() -> None:
    # Two of four rollouts satisfy all 4 constraints, two half of them: mean .75, std .25, goal .75, scale sqrt(4 / 16).
    found = TwoAnchorRules().advantages(torch.tensor([[1.0, 0.5, 1.0, 0.5]]), [4])
    high, low = (0.8 * shaped(z) + 0.2 * shaped(d) for z, d in ((1.0, 0.5), (-1.0, -0.5)))
    assert found[0].tolist() == pytest.approx([high, low, high, low], abs=1e-6)


def test_a_group_of_like_rewards_has_a_gradient_unless_it_is_at_half() -> None:
    # Below half the goal is half; above, the mean is the goal, and nothing is left to learn from.
    found = TwoAnchorRules().advantages(torch.tensor([[0.25] * 4, [0.5] * 4, [1.0] * 4]), [4, 4, 4])
    below = 0.2 * shaped((0.25 - 0.5) / math.sqrt(4 / 16))
    assert found[0].tolist() == pytest.approx([below] * 4, abs=1e-6) and below < 0
    assert found[1:].abs().max() < 1e-6


def test_the_kl_penalty_is_larger_below_zero() -> None:
    log_probs, base = torch.tensor([[-1.0, -2.0]]), torch.tensor([[-1.5, -1.0]])
    mask = torch.ones(1, 2)
    kl = [math.exp(d) - d - 1 for d in (-0.5, 1.0)]
    rules = TwoAnchorRules()
    found = rules.penalty(log_probs, base, torch.tensor([[1.0, -1.0]]), mask)
    assert float(found) == pytest.approx((0.01 * kl[0] + 0.025 * kl[1]) / 2, abs=1e-6)


def test_a_cold_rollout_is_nearly_greedy(tiny_sandbox_model: object) -> None:
    prompts = torch.tensor([[1, 5, 6]])
    greedy = sample(tiny_sandbox_model, prompts, 1, None)  # type: ignore[arg-type]
    cold = sample(
        tiny_sandbox_model, prompts, 64, torch.Generator().manual_seed(0), temperatures=torch.full((64,), 1e-4)
    )  # type: ignore[arg-type]
    width = greedy.tokens.shape[-1]
    assert (cold.tokens[0, :, :width] == greedy.tokens[0]).all()
    # The log-probabilities are those of temperature 1.
    assert torch.allclose(cold.log_probs[0, 0, :width], greedy.log_probs[0, 0], atol=1e-5)
    assert temperatures(4).tolist() == pytest.approx([0.1, 0.4, 0.7, 1.0])


@pytest.fixture
def tiny_sandbox_model() -> object:
    from hindsight_rl.lm.sandbox.model import Model, ModelRules

    torch.manual_seed(0)
    return Model(ModelRules(width=16, heads=2, layers=1, context=48))


def test_it_has_no_replays() -> None:
    with pytest.raises(HindsightError, match="knows neither replays"):
        SandboxConfig(arms="mdp-grpo", replay=ReplayRules(buffer_rows_per_prompt=4)).checked()
