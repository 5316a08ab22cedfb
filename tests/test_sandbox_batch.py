"""The rows of a step: which policy and which prompt their old log-probabilities are of, and what they are worth."""

import dataclasses

import pytest
import torch

from hindsight_rl.lm.sandbox.batch import assemble
from hindsight_rl.lm.sandbox.language import prompt_tokens, response_tokens
from hindsight_rl.lm.sandbox.model import Model, ModelRules, padded
from hindsight_rl.lm.sandbox.reinforce import ReinforceRules
from hindsight_rl.lm.sandbox.sampler import Sampled, sample
from hindsight_rl.replay.item import ReplayItem

RULES = ReinforceRules()
LONG = ReplayItem(None, "2 words ; no e", "MOON GOLD MOON GOLD MOON GOLD MOON GOLD MOON")
FRESH = [ReplayItem(3, "1 words", ""), ReplayItem(0, "sorted", "")]
BUFFERED = [LONG, ReplayItem(None, "sorted", "moon")]
REPLAYS = [*FRESH, *BUFFERED]
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
    longest = len(response_tokens(LONG.completion))
    assert batch.originals.tokens.shape == (2, 2, longest) and batch.replays.tokens.shape == (4, longest)
    torch.testing.assert_close(batch.originals.tokens[..., : sampled.tokens.shape[-1]], sampled.tokens)
    torch.testing.assert_close(batch.replays.tokens[0], batch.originals.tokens[1, 1])
    assert batch.replays.tokens[2].tolist() == response_tokens(LONG.completion)
    assert batch.replays.mask[2].all() and batch.replays.mask[3].sum() == 2
    assert batch.groups == [1, 0, 0, 1]  # those of the buffer are spread over the prompts
    # Originals are whitened on their own, replays are worth 1.
    torch.testing.assert_close(batch.advantage[4:], batch.replays.mask)
    assert float((batch.advantage[:4] * batch.originals.mask.flatten(0, 1)).sum()) == pytest.approx(0, abs=1e-4)


def test_old_log_probabilities_are_of_the_replays_of_this_step(
    model: Model, prompts: torch.Tensor, sampled: Sampled
) -> None:
    for old in ("rewritten", "original"):
        rules = dataclasses.replace(RULES, old_logps=old)  # type: ignore[arg-type]
        alone = assemble(model, None, prompts, sampled, REWARDS, FRESH, rules)
        batch = assemble(model, None, prompts, sampled, REWARDS, REPLAYS, rules)
        wide = alone.replays.old.shape[1]
        assert batch.fresh == alone.fresh == 2
        torch.testing.assert_close(
            batch.replays.old[:2, :wide] * alone.replays.mask, alone.replays.old * alone.replays.mask
        )
        assert not batch.replays.old[2:].any()
        copied = torch.equal(batch.replays.old[0], batch.originals.old[1, 1])
        assert copied == (old == "original")


def test_what_the_buffer_gives_pays_no_penalty(model: Model, prompts: torch.Tensor, sampled: Sampled) -> None:
    rules = dataclasses.replace(RULES, kl=0.1, advantage="pooled")
    torch.manual_seed(1)
    batch = assemble(model, Model(model.rules), prompts, sampled, REWARDS, REPLAYS, rules)
    values = [row[mask > 0] for row, mask in zip(batch.advantage[4:], batch.replays.mask, strict=True)]
    # The penalty differs from token to token; without it the outcome is the same for all.
    assert [bool((row == row[0]).all()) for row in values] == [False, False, True, True]


def test_a_step_without_replays(model: Model, prompts: torch.Tensor, sampled: Sampled) -> None:
    base = Model(model.rules)
    rules = dataclasses.replace(RULES, kl=0.1)
    batch = assemble(model, base, prompts, sampled, REWARDS, [], rules)
    assert batch.groups == [] and len(batch.replays.tokens) == len(batch.replays.old) == 0 and len(batch.advantage) == 4
    only = assemble(model, base, prompts, sampled, REWARDS, BUFFERED, rules)
    assert len(only.replays.tokens) == 2 and only.groups == [0, 1]
