"""The replay buffer in TRL, through `trainer.train()`: what was replayed is trained on again, also after a resume."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("trl", reason="TRL is not installed: pip install 'hindsight-rl[lm]'")

import torch

from hindsight_rl.errors import HindsightError
from hindsight_rl.lm.trl import HiRTrainer
from hindsight_rl.lm.trl.buffer import FILE, TokenBuffer
from hindsight_rl.replay.item import ReplayItem
from test_trl import MIXED, Watched, agree, config, logged, refused, rows_of
from tiny_lm import asked, tiny_model

torch.set_num_threads(1)

Pair = tuple[tuple[int, ...], tuple[int, ...]]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return tiny_model(tmp_path_factory.mktemp("tiny"))


def pairs(rows: list[tuple[list[int], list[int], float]]) -> list[Pair]:
    return [(tuple(prompt), tuple(completion)) for prompt, completion, _ in rows if completion]


def trained(model: str, folder: Path, instructions: Any, **settings: Any) -> tuple[HiRTrainer, Watched]:
    trainer = HiRTrainer(model, config(folder, **settings), instructions)
    watched = Watched(trainer)
    trainer.train()
    return trainer, watched


def test_replays_of_earlier_batches_are_trained_on_again(model: str, tmp_path: Path) -> None:
    trainer, watched = trained(model, tmp_path, asked(), buffer_rows_per_prompt=3, max_steps=3)
    entries = logged(trainer)
    steps = [rows_of(watched.batches[at : at + 2]) for at in (0, 2, 4)]
    kept: set[Pair] = set()
    for entry, rows in zip(entries, steps, strict=True):
        positive = pairs([row for row in rows if row[2] == 1.0])
        assert entry["reward"] == 0  # no rollout succeeds: what has an advantage is a replay, of now or of earlier
        assert len(positive) == entry["hir/replays"] + entry["hir/buffer_rows"]
        assert sum(pair in kept for pair in positive) >= entry["hir/buffer_rows"]
        assert abs(entry["hir/logp_shift"]) < 1 and entry["grad_norm"] > 0
        kept |= set(positive)
        tokens = sum(len(completion) for _, completion, _ in rows)
        assert float(watched.batches[2 * entries.index(entry)]["num_items_in_batch"]) == tokens
    # None before the first batch, then as many as are asked for: 3 for each of 4 prompts, or what there is.
    assert [entry["hir/buffer_rows"] for entry in entries] == [0, min(12, entries[0]["hir/replays"]), 12]


@pytest.mark.parametrize("loss_type", ["dapo", "grpo"])
def test_loss_and_gradients_equal_a_reference_by_hand(model: str, tmp_path: Path, loss_type: str) -> None:
    trainer, watched = trained(model, tmp_path, MIXED, buffer_rows_per_prompt=3, loss_type=loss_type)
    assert logged(trainer)[1]["hir/buffer_rows"] > 0
    agree(watched, model, loss_type, 1)


@pytest.mark.parametrize("old", ["rewritten", "original"])
def test_old_log_probabilities_are_those_of_the_policy_that_trains(model: str, tmp_path: Path, old: str) -> None:
    settings = {"beta": 0.1, "num_iterations": 2, "max_steps": 4, "old_logps": old}
    trainer, watched = trained(model, tmp_path, MIXED, buffer_rows_per_prompt=3, **settings)
    assert logged(trainer)[-1]["hir/buffer_rows"] > 0
    for update in (2, 3):  # the second generation, trained on twice
        agree(watched, model, "dapo", update, kl=0.1)


def test_without_hindsight_only_successes_come_again(model: str, tmp_path: Path) -> None:
    trainer, watched = trained(model, tmp_path, MIXED, replays_per_prompt=0, buffer_rows_per_prompt=2, max_steps=3)
    first, *later = logged(trainer)
    assert first["hir/buffer_rows"] == 0 and all(entry["hir/buffer_rows"] > 0 for entry in later)
    assert all(entry["hir/replays"] == 0 and "hir/kept" not in entry for entry in logged(trainer))
    before = pairs([row for row in rows_of(watched.batches[:2]) if row[2] > 0])  # whitened: a success is above zero
    again = pairs([row for row in rows_of(watched.batches[2:4]) if row[2] == 1.0])
    assert again and set(again) <= set(before)


def test_resume_is_bit_equal_and_needs_the_buffer(model: str, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"max_steps": 4, "save_strategy": "steps", "save_steps": 2, "buffer_rows_per_prompt": 3}
    settings |= {"lr_scheduler_type": "constant", "relabels": 2}
    whole, _ = trained(model, tmp_path, MIXED, **settings)
    checkpoint = tmp_path / "checkpoint-2"
    assert sorted(each.name for each in checkpoint.glob("hindsight*")) == [FILE]
    again = HiRTrainer(model, config(tmp_path, **settings), MIXED)
    again.train(resume_from_checkpoint=str(checkpoint))
    assert [e["hir/buffer_rows"] for e in logged(again)] == [e["hir/buffer_rows"] for e in logged(whole)]
    for one, other in zip(whole.model.parameters(), again.model.parameters(), strict=True):
        assert torch.equal(one, other)

    small = HiRTrainer(model, config(tmp_path, **settings, buffer_capacity=2), MIXED)
    with pytest.raises(HindsightError, match=r"checkpoint-4/hindsight_replay_buffer.json: .* its capacity \(2\)"):
        small.train(resume_from_checkpoint=True)
    (checkpoint / FILE).unlink()
    with pytest.raises(HindsightError, match=r"replay_buffer.json: No such file.*or set buffer_rows_per_prompt=0"):
        again.train(resume_from_checkpoint=str(checkpoint))


def test_what_cannot_work_is_refused(model: str, tmp_path: Path) -> None:
    refused(model, tmp_path, "buffer_rows_per_prompt is -1: it must be at least 0", buffer_rows_per_prompt=-1)
    refused(model, tmp_path, "repeat trains on no replay", buffer_rows_per_prompt=1, repeat=True)
    refused(model, tmp_path, "buffer_capacity is 0: it must be at least 1", buffer_capacity=0)
    refused(model, tmp_path, "buffer_successes is 1.5: a share between 0 and 1", buffer_successes=1.5)
    others = {"reward_funcs": len}
    settings = {"advantage": "pooled", "replays_per_prompt": 0, "buffer_rows_per_prompt": 1}
    refused(model, tmp_path, "further reward functions", others=others, **settings)


def test_ids_come_back_as_they_were(tmp_path: Path) -> None:
    buffer, other = TokenBuffer(10, 0.5), TokenBuffer(10, 0.5)
    buffer.keep([ReplayItem(3, [5, 2**31 + 7], [1])], [ReplayItem(None, [0], list(range(300)))])
    buffer.save(tmp_path)
    other.load(tmp_path)
    drawn = other.draw(50, np.random.default_rng(0))
    assert {(tuple(each.prompt), tuple(each.completion)) for each in drawn} == {
        ((5, 2**31 + 7), (1,)),
        ((0,), tuple(range(300))),
    }
    assert len(other) == 2 and all(each.source is None for each in drawn)
    (tmp_path / FILE).write_text("{")
    with pytest.raises(HindsightError, match=r"hindsight_replay_buffer\.json: the replay buffer is damaged"):
        other.load(tmp_path)
