"""The rows of a step: which policy and which prompt their old log-probabilities are of, and what they are worth."""

import dataclasses

import pytest
import torch

from hindsight_rl.lm.sandbox.batch import Replays, assemble
from hindsight_rl.lm.sandbox.language import prompt_tokens, response_tokens
from hindsight_rl.lm.sandbox.model import Model, ModelRules, padded
from hindsight_rl.lm.sandbox.reinforce import ReinforceRules
from hindsight_rl.lm.sandbox.sampler import Sampled, sample
from hindsight_rl.replay.buffer import Remembered

RULES = ReinforceRules()
LONG = Remembered("2 words ; no e", "MOON GOLD MOON GOLD MOON GOLD MOON GOLD MOON")
REPLAYS = Replays([3, 0], [1, 0], ["1 words", "sorted"], [LONG, Remembered("sorted", "moon")])
REWARDS = [1.0, 0.0, 0.0, 1.0]


@pytest.fixture
def model() -> Model:
    torch.manual_seed(0)
    return Model(ModelRules(width=16, heads=2, layers=1, context=48))


@pytest.fixture
def prompts() -> torch.Tensor:
    return padded([prompt_tokens("2 words ; sorted"), prompt_tokens("no e")])


@pytest.fixture
def sampled(model: Model, prompts: torch.Tensor) -> Sampled:
    return sample(model, prompts, 2, torch.Generator().manual_seed(0), longest=4)


def test_rows_of_a_step_have_one_length(model: Model, prompts: torch.Tensor, sampled: Sampled) -> None:
    batch = assemble(model, None, prompts, sampled, REWARDS, REPLAYS, RULES)
    longest = len(response_tokens(LONG.response))
    assert batch.tokens.shape == (2, 2, longest) and batch.replay_tokens.shape == (4, longest)
    torch.testing.assert_close(batch.tokens[..., : sampled.tokens.shape[-1]], sampled.tokens)
    torch.testing.assert_close(batch.replay_tokens[0], batch.tokens[1, 1])
    assert batch.replay_tokens[2].tolist() == response_tokens(LONG.response)
    assert batch.replay_mask[2].all() and batch.replay_mask[3].sum() == 2
    assert batch.of == [1, 0, 0, 1]  # those remembered are spread over the prompts
    # Originals are whitened on their own, replays are worth 1.
    torch.testing.assert_close(batch.advantage[4:], batch.replay_mask)
    assert float((batch.advantage[:4] * batch.mask.flatten(0, 1)).sum()) == pytest.approx(0, abs=1e-4)


def test_old_log_probabilities_are_of_the_replays_of_this_step(
    model: Model, prompts: torch.Tensor, sampled: Sampled
) -> None:
    for old in ("rewritten", "original"):
        rules = dataclasses.replace(RULES, old=old)  # type: ignore[arg-type]
        alone = assemble(model, None, prompts, sampled, REWARDS, dataclasses.replace(REPLAYS, again=()), rules)
        batch = assemble(model, None, prompts, sampled, REWARDS, REPLAYS, rules)
        wide = alone.replay_old.shape[1]
        assert batch.fresh == alone.fresh == 2
        torch.testing.assert_close(
            batch.replay_old[:2, :wide] * alone.replay_mask, alone.replay_old * alone.replay_mask
        )
        assert not batch.replay_old[2:].any()
        copied = torch.equal(batch.replay_old[0], batch.old[1, 1])
        assert copied == (old == "original")


def test_what_is_remembered_pays_no_penalty(model: Model, prompts: torch.Tensor, sampled: Sampled) -> None:
    rules = dataclasses.replace(RULES, kl=0.1, normalise="pooled")
    torch.manual_seed(1)
    batch = assemble(model, Model(model.rules), prompts, sampled, REWARDS, REPLAYS, rules)
    values = [row[mask > 0] for row, mask in zip(batch.advantage[4:], batch.replay_mask, strict=True)]
    # The penalty differs from token to token; without it the outcome is the same for all.
    assert [bool((row == row[0]).all()) for row in values] == [False, False, True, True]


def test_a_step_without_replays(model: Model, prompts: torch.Tensor, sampled: Sampled) -> None:
    base = Model(model.rules)
    rules = dataclasses.replace(RULES, kl=0.1)
    batch = assemble(model, base, prompts, sampled, REWARDS, Replays([], [], []), rules)
    assert batch.of == [] and len(batch.replay_tokens) == len(batch.replay_old) == 0 and len(batch.advantage) == 4
    only = assemble(model, base, prompts, sampled, REWARDS, Replays([], [], [], REPLAYS.again), rules)
    assert len(only.replay_tokens) == 2 and only.of == [0, 1]
