"""Reinforce++ against its formulas, worked out token by token."""

import math

import pytest
import torch

from hindsight_rl.lm.sandbox.reinforce import ReinforceRules, advantages, loss, replay_share, returns, whiten


@pytest.fixture
def rows() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    lengths = torch.tensor([3, 5, 1, 4, 2])
    mask = (torch.arange(5) < lengths[:, None]).float()
    old = -torch.rand(5, 5)
    return {
        "mask": mask,
        "old": old,
        "new": old + 0.6 * torch.randn(5, 5),
        "rewards": torch.tensor([0.0, 1.0, 0.0, 0.25, 1.0]),
        "penalty": 0.01 * torch.randn(5, 5),
        "advantage": torch.randn(5, 5) * mask,
    }


def test_returns_to_go(rows: dict[str, torch.Tensor]) -> None:
    found = returns(rows["rewards"], rows["mask"], rows["penalty"])
    for i in range(5):
        length = int(rows["mask"][i].sum())
        for t in range(5):
            wanted = rows["rewards"][i] - rows["penalty"][i, t:length].sum() if t < length else torch.tensor(0.0)
            assert found[i, t].item() == pytest.approx(wanted.item(), abs=1e-6)


def by_hand_whitened(values: list[float]) -> list[float]:
    mean = sum(values) / len(values)
    variance = sum((v - mean) ** 2 for v in values) / (len(values) - 1)
    return [(v - mean) / math.sqrt(variance + 1e-8) for v in values]


@pytest.mark.parametrize("advantage", ["split", "pooled"])
def test_advantages(rows: dict[str, torch.Tensor], advantage: str) -> None:
    mask, replay_mask = rows["mask"][:3], rows["mask"][3:]
    originals = returns(rows["rewards"][:3], mask)
    replays = returns(torch.ones(2), replay_mask)
    rules = ReinforceRules(advantage=advantage)  # type: ignore[arg-type]
    found = advantages(originals, mask, replays, replay_mask, rules)
    own = [r for r, n in zip([0.0, 1.0, 0.0], [3, 5, 1], strict=True) for _ in range(n)]
    if advantage == "split":
        wanted = [*by_hand_whitened(own), *[1.0] * 6]
    else:
        wanted = by_hand_whitened([*own, *[1.0] * 6])
    assert found[rows["mask"].bool()].tolist() == pytest.approx(wanted, abs=1e-5)
    assert (found[~rows["mask"].bool()] == 0).all()
    if advantage == "pooled":
        assert found.sum().abs() < 1e-5 and (found**2).sum() / (rows["mask"].sum() - 1) == pytest.approx(1, abs=1e-5)


def test_equal_outcomes_give_no_advantage(rows: dict[str, torch.Tensor]) -> None:
    assert (whiten(returns(torch.zeros(5), rows["mask"]), rows["mask"]) == 0).all()
    assert whiten(returns(torch.ones(5), rows["mask"]), rows["mask"]).abs().max() < 1e-3
    none = torch.zeros(0, 5)
    found = advantages(returns(torch.zeros(5), rows["mask"]), rows["mask"], none, none, ReinforceRules())
    assert found.shape == (5, 5) and (found == 0).all()


@pytest.mark.parametrize("clip_replays", [True, False])
def test_loss(rows: dict[str, torch.Tensor], clip_replays: bool) -> None:
    rules = ReinforceRules(clip=0.2, dual_clip=3.0, clip_replays=clip_replays)
    replayed = torch.tensor([False, False, False, True, True])
    rows["new"][0, 0] = rows["old"][0, 0] + 3  # the bound at negative advantages
    rows["advantage"][0, 0] = -1.0
    new = rows["new"].clone().requires_grad_()
    value = loss(new, rows["old"], rows["advantage"], rows["mask"], replayed, rules)
    total, count, bounded = 0.0, 0, 0
    for i in range(5):
        for t in range(int(rows["mask"][i].sum())):
            a = rows["advantage"][i, t].item()
            ratio = math.exp(rows["new"][i, t].item() - rows["old"][i, t].item())
            clipped = ratio if replayed[i] and not clip_replays else min(max(ratio, 0.8), 1.2)
            term = max(-a * ratio, -a * clipped)
            if a < 0 and term > -a * 3:
                term, bounded = -a * 3, bounded + 1
            total, count = total + term, count + 1
    assert bounded
    assert value.item() == pytest.approx(total / count, abs=1e-5)
    value.backward()
    assert new.grad is not None and (new.grad[~rows["mask"].bool()] == 0).all()


def test_on_policy_the_gradient_is_the_policy_gradient(rows: dict[str, torch.Tensor]) -> None:
    new = rows["old"].clone().requires_grad_()
    loss(
        new, rows["old"], rows["advantage"], rows["mask"], torch.zeros(5, dtype=torch.bool), ReinforceRules()
    ).backward()
    assert torch.allclose(new.grad, -rows["advantage"] / rows["mask"].sum(), atol=1e-6)


def test_the_advantage_of_replays_falls_to_what_is_left() -> None:
    rules = ReinforceRules(replay_end=0.2, replay_hold=0.5)
    assert [replay_share(rules, done) for done in (0.0, 0.5, 0.75, 1.0)] == pytest.approx([1.0, 1.0, 0.6, 0.2])
    assert replay_share(ReinforceRules(), 1.0) == 1.0
    assert replay_share(ReinforceRules(replay_end=0.0, replay_hold=1.0), 1.0) == 1.0  # held to the end
