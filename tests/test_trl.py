"""HiR on TRL, through `trainer.train()` on a tiny model given as a path."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("trl", reason="TRL is not installed: pip install 'hindsight-rl[lm]'")

import torch
import transformers
import trl

from hindsight_rl.constraints.core import constraint
from hindsight_rl.errors import HindsightError
from hindsight_rl.lm.trl import HiRConfig, HiRTrainer
from hindsight_rl.lm.trl.advantages import leave_one_out, whiten
from hindsight_rl.lm.trl.rows import share
from hindsight_rl.replay.instruction import Instruction
from tiny_lm import WORDS, asked, tiny_model

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return tiny_model(tmp_path_factory.mktemp("tiny"))


def config(folder: Path, **settings: Any) -> HiRConfig:
    """4 prompts x 4 rollouts and up to 8 replays, in 2 micro-batches of one update."""
    given = {
        "per_device_train_batch_size": 8,
        "num_generations": 4,
        "steps_per_generation": 2,
        "gradient_accumulation_steps": 2,
        "max_completion_length": 16,
        "max_steps": 2,
        "learning_rate": 1e-3,
        "max_grad_norm": 1e9,
        "logging_steps": 1,
        "report_to": [],
        "save_strategy": "no",
        "use_cpu": True,
        "bf16": False,
        "gradient_checkpointing": False,
        "disable_tqdm": True,
        "seed": 0,
    }
    return HiRConfig(output_dir=str(folder), **{**given, **settings})


class Watched(transformers.TrainerCallback):
    """Keeps what the loss saw and what came of it: micro-batches, losses, gradients before each update."""

    def __init__(self, trainer: HiRTrainer) -> None:
        self.batches: list[dict[str, Any]] = []
        self.losses: list[float] = []
        self.gradients: list[dict[str, torch.Tensor]] = []
        self.weights: list[dict[str, torch.Tensor]] = []
        inner = trainer._compute_loss

        def seen(model: Any, inputs: dict[str, Any]) -> torch.Tensor:
            if not self.batches or len(self.weights) * 2 == len(self.batches):
                self.weights.append({name: value.detach().clone() for name, value in model.named_parameters()})
            self.batches.append({name: value.clone() for name, value in inputs.items()})
            loss = inner(model, inputs)
            self.losses.append(float(loss.detach()))
            return loss

        trainer._compute_loss = seen  # type: ignore[method-assign]
        trainer.add_callback(self)

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        found = {name: value.grad.clone() for name, value in model.named_parameters() if value.grad is not None}
        self.gradients.append(found)


def logged(trainer: Any) -> list[dict[str, Any]]:
    return [entry for entry in trainer.state.log_history if "reward" in entry]


def rows_of(batches: Sequence[dict[str, Any]]) -> list[tuple[list[int], list[int], float]]:
    """(prompt, completion, advantage) of every row, without padding."""
    found = []
    for batch in batches:
        for at in range(len(batch["advantages"])):
            prompt = batch["prompt_ids"][at][batch["prompt_mask"][at].bool()].tolist()
            completion = batch["completion_ids"][at][batch["completion_mask"][at].bool()].tolist()
            found.append((prompt, completion, float(batch["advantages"][at])))
    return found


def test_replays_give_a_gradient_where_no_rollout_succeeds(model: str, tmp_path: Path) -> None:
    plain = HiRTrainer(model, config(tmp_path, replays_per_prompt=0, max_steps=1), asked())
    plain.train()
    trainer = HiRTrainer(model, config(tmp_path, log_completions=True, num_completions_to_print=1), asked())
    watched = Watched(trainer)
    trainer.train()

    (entry,) = logged(plain)
    assert entry["reward"] == 0 and entry["frac_reward_zero_std"] == 1 and entry["grad_norm"] == 0
    for entry in logged(trainer):
        assert entry["reward"] == 0  # replays are no part of it
        assert 0 < entry["hir/replays"] <= 8 and entry["hir/replays"] <= entry["hir/candidates"]
        assert entry["grad_norm"] > 0
        assert 0 < entry["hir/integrity"] < 1 and 0 < entry["hir/kept"] < 1 and entry["hir/diversity"] > 0
        assert abs(entry["hir/logp_shift"]) < 1
    assert [round(entry["hir/lambda"], 6) for entry in logged(trainer)] == [2.1, 2.205]

    # Every row is counted: 16 originals of the first batch in its two micro-batches, and its replays beside them.
    first = watched.batches[:2]
    rows = rows_of(first)
    live = [row for row in rows if row[1]]
    replays = [row for row in live if row[2] == 1.0]
    assert len(rows) % 2 == 0 and len(live) == 16 + int(logged(trainer)[0]["hir/replays"])
    assert float(first[0]["num_items_in_batch"]) == sum(len(completion) for _, completion, _ in rows)
    # A replay is the very tokens of an original, ended by the model itself, under a shorter prompt.
    originals = [row for row in live if row[2] == 0.0]
    assert len(replays) == int(logged(trainer)[0]["hir/replays"])
    for prompt, completion, _ in replays:
        assert completion[-1] == 1
        assert any(completion == other and len(prompt) < len(longer) for longer, other, _ in originals)

    table = transformers.utils.is_pandas_available() and sorted((tmp_path / "completions").glob("*.parquet"))
    assert table
    import pandas

    frame = pandas.read_parquet(table[0])
    shown = frame[frame["rewritten_prompt"] != ""]
    assert len(frame) == 16 and len(shown) == len(replays)
    for row in shown.itertuples():
        assert row.rewritten_prompt != row.prompt[-1]["content"] and "unsayable" not in row.rewritten_prompt


def by_hand(
    path: str,
    weights: dict[str, torch.Tensor],
    batches: Sequence[dict[str, Any]],
    loss_type: str,
    *,
    kl: float = 0.0,
    length: int = 16,
) -> tuple[float, dict[str, torch.Tensor]]:
    """Loss and gradients of one update (two micro-batches), each row on its own and unpadded."""
    policy = transformers.AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32)
    reference = transformers.AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32)
    policy.load_state_dict(weights, strict=False)
    rows = rows_of(batches)
    olds = [
        batch["old_per_token_logps"][at][batch["completion_mask"][at].bool()]
        if "old_per_token_logps" in batch
        else None
        for batch in batches
        for at in range(len(batch["advantages"]))
    ]
    tokens = sum(len(completion) for _, completion, _ in rows)
    live = sum(bool(completion) for _, completion, _ in rows)
    total = torch.zeros(())
    at = 0
    for batch in batches:
        here = rows[at : at + len(batch["advantages"])]
        here_tokens = sum(len(completion) for _, completion, _ in here)
        for (prompt, completion, advantage), old in zip(here, olds[at:], strict=False):
            if not completion:
                continue
            ids, size = torch.tensor([prompt + completion]), len(completion)

            def logps(model: Any, ids: torch.Tensor = ids, size: int = size) -> torch.Tensor:
                found = model(ids).logits[0, -size - 1 : -1].log_softmax(-1)
                return found.gather(1, ids[0, -size:, None])[:, 0]

            new = logps(policy)
            ratio = (new - (new.detach() if old is None else old)).exp()
            each = -torch.minimum(ratio * advantage, ratio.clamp(0.8, 1.2) * advantage)
            if kl:
                with torch.no_grad():
                    apart = logps(reference)
                each = each + kl * ratio * ((apart - new).exp() - (apart - new) - 1)
            total = (
                total
                + {
                    "dapo": each.sum() / tokens,
                    "bnpo": each.sum() / here_tokens / len(batches),
                    "grpo": each.mean() / live,
                    "dr_grpo": each.sum() / (live * length),
                }[loss_type]
            )
        at += len(here)
    total.backward()
    return float(total.detach()), {n: p.grad for n, p in policy.named_parameters() if p.grad is not None}


def agree(watched: Watched, path: str, loss_type: str, update: int, **settings: Any) -> None:
    batches = watched.batches[2 * update : 2 * update + 2]
    loss, gradients = by_hand(path, watched.weights[update], batches, loss_type, **settings)
    assert sum(watched.losses[2 * update : 2 * update + 2]) == pytest.approx(loss, abs=1e-6)
    assert watched.gradients[update].keys() == gradients.keys()
    for name, gradient in gradients.items():
        assert torch.allclose(watched.gradients[update][name], gradient, atol=1e-6, rtol=0), name
    assert max(float(value.abs().max()) for value in gradients.values()) > 1e-4


# An instruction that can be met beside those that cannot: originals have advantages of both signs.
MIXED = [*asked(6), *asked(2, hopeless=False, easy=True)]


@pytest.mark.parametrize("loss_type", ["dapo", "grpo", "dr_grpo", "bnpo"])
def test_loss_and_gradients_equal_a_reference_by_hand(model: str, tmp_path: Path, loss_type: str) -> None:
    trainer = HiRTrainer(model, config(tmp_path, loss_type=loss_type, max_steps=1), MIXED)
    watched = Watched(trainer)
    trainer.train()
    assert logged(trainer)[0]["hir/replays"] > 0
    agree(watched, model, loss_type, 0)


def rows_per_pass(trainer: HiRTrainer) -> list[int]:
    """Filled while it trains: rows of each pass that a gradient goes through."""
    found: list[int] = []

    scores = trainer._get_per_token_logps_and_entropies

    def counted(model: Any, input_ids: Any, *others: Any, **more: Any) -> Any:
        if torch.is_grad_enabled() and model.training:
            found.append(input_ids.size(0))
        return scores(model, input_ids, *others, **more)

    trainer._get_per_token_logps_and_entropies = counted  # type: ignore[method-assign]
    return found


@pytest.mark.parametrize("loss_type", ["dapo", "grpo", "dr_grpo", "bnpo"])
def test_no_pass_has_more_rows_than_were_asked_for(model: str, tmp_path: Path, loss_type: str) -> None:
    settings = {"loss_type": loss_type, "replays_per_prompt": 8, "per_device_train_batch_size": 4, "max_steps": 1}
    settings |= {"steps_per_generation": 2, "gradient_accumulation_steps": 2, "num_generations": 4, "beta": 0.1}
    trainer = HiRTrainer(model, config(tmp_path, **settings, relabels=3), [*asked(1), *MIXED])
    sizes, watched = rows_per_pass(trainer), Watched(trainer)
    trainer.train()
    (entry,) = logged(trainer)
    assert [len(batch["advantages"]) > 4 for batch in watched.batches] == [True, True]
    assert max(sizes) <= 4 and sum(sizes) == sum(len(batch["advantages"]) for batch in watched.batches)
    agree(watched, model, loss_type, 0, kl=0.1)
    # TRL's metrics are those of one pass over the whole.
    whole = HiRTrainer(model, config(tmp_path, **settings, relabels=3), [*asked(1), *MIXED])
    whole._compute_loss = lambda m, i: whole._loss_of(m, i)  # type: ignore[method-assign]
    more = rows_per_pass(whole)
    whole.train()
    assert max(more) > 4
    for name, value in logged(whole)[0].items():
        if name not in ("step_time", "epoch"):
            assert entry[name] == pytest.approx(value, abs=1e-6), name


def test_a_loss_over_all_rows_is_not_divided(model: str, tmp_path: Path) -> None:
    trainer = HiRTrainer(model, config(tmp_path, entropy_coef=0.01, max_steps=1), MIXED)
    sizes = rows_per_pass(trainer)
    trainer.train()
    assert len(sizes) == 2 and max(sizes) > 8


def test_rows_without_a_replay_are_in_no_denominator(model: str, tmp_path: Path) -> None:
    """An odd number of replays over two micro-batches leaves one empty row."""
    args = config(tmp_path, loss_type="grpo", max_steps=4, learning_rate=0.0)
    trainer = HiRTrainer(model, args, MIXED)
    watched = Watched(trainer)
    trainer.train()
    odd = [at for at, entry in enumerate(logged(trainer)) if entry["hir/empty_rows"] == 1]
    assert odd and all(entry["hir/empty_rows"] < 2 for entry in logged(trainer))
    agree(watched, model, "grpo", odd[0])


@pytest.mark.parametrize("old", ["rewritten", "original"])
def test_old_log_probabilities_kl_and_two_iterations(model: str, tmp_path: Path, old: str) -> None:
    args = config(tmp_path, beta=0.1, num_iterations=2, max_steps=2, old_logps=old, advantage="pooled")
    trainer = HiRTrainer(model, args, MIXED)
    watched = Watched(trainer)
    trainer.train()
    assert len(rows_of(watched.batches[:2])) > 16
    for update in range(2):  # one generation, trained on twice
        agree(watched, model, "dapo", update, kl=0.1)
    for entry in logged(trainer):
        assert "kl" in entry
    # Before the first update the ratio is 1 on every row under its own prompt; as released it is not, on replays.
    policy = transformers.AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
    apart = []
    for batch in watched.batches[:2]:
        ids = torch.cat([batch["prompt_ids"], batch["completion_ids"]], 1)
        mask = torch.cat([batch["prompt_mask"], batch["completion_mask"]], 1)
        size = batch["completion_ids"].size(1)
        with torch.no_grad():
            places = (mask.cumsum(1) - 1).clamp(min=0)
            logits = policy(ids, attention_mask=mask, position_ids=places).logits[:, -size - 1 : -1].log_softmax(-1)
        new = logits.gather(2, batch["completion_ids"][..., None])[..., 0]
        apart.append(((new - batch["old_per_token_logps"]) * batch["completion_mask"]).abs().max(1).values)
    far = torch.cat(apart) > 1e-4
    replays = int(logged(trainer)[0]["hir/replays"])
    assert int(far.sum()) == (replays if old == "original" else 0)


def test_pooled_advantages_are_whitened_with_the_replays(model: str, tmp_path: Path) -> None:
    trainer = HiRTrainer(model, config(tmp_path, advantage="pooled", max_steps=1), asked())
    watched = Watched(trainer)
    trainer.train()
    rows = [row for row in rows_of(watched.batches) if row[1]]
    values = torch.tensor([advantage for _, completion, advantage in rows for _ in completion])
    assert float(values.mean()) == pytest.approx(0, abs=1e-5) and float(values.std()) == pytest.approx(1, abs=1e-4)
    assert len(set(values.tolist())) == 2  # failures below zero, replays above
    assert logged(trainer)[0]["hir/advantage"] == pytest.approx(float(values.max()))


@pytest.mark.parametrize("advantage", ["grpo", "rloo"])
def test_group_advantages_of_originals_and_a_fixed_one_of_replays(model: str, tmp_path: Path, advantage: str) -> None:
    args = config(tmp_path, advantage=advantage, replay_advantage=0.5, reward="fraction", max_steps=1)
    trainer = HiRTrainer(model, args, asked())
    watched = Watched(trainer)
    trainer.train()
    replays = int(logged(trainer)[0]["hir/replays"])
    values = [advantage for _, completion, advantage in rows_of(watched.batches) if completion]
    assert replays and sum(value == 0.5 for value in values) >= replays
    assert any(value < 0 for value in values)  # the fraction tells rollouts of a hopeless instruction apart


def test_retarget_asks_for_what_was_achieved(model: str, tmp_path: Path) -> None:
    wanted = {"relation": "at least", "num_words": 20}
    lines = [
        Instruction(
            "Write a line .",
            (constraint("length_constraints:number_words", wanted), constraint("punctuation:no_comma")),
            key=at,
        )
        for at in range(4)
    ]
    args = config(tmp_path, rewriter="retarget", log_completions=True, max_steps=1, num_completions_to_print=1)
    trainer = HiRTrainer(model, args, lines)
    trainer.train()
    (entry,) = logged(trainer)
    assert entry["hir/replays"] > 0 and entry["hir/kept"] > 0.5
    import pandas

    frame = pandas.read_parquet(next((tmp_path / "completions").glob("*.parquet")))
    shown = frame[frame["rewritten_prompt"] != ""]["rewritten_prompt"].tolist()
    assert shown and not any("at least 20 words" in each for each in shown)
    assert any("at least" in each and "words" in each for each in shown)


def test_the_control_replays_under_the_same_prompt(model: str, tmp_path: Path) -> None:
    trainer = HiRTrainer(model, config(tmp_path, rewriter="keep", max_steps=1), asked())
    watched = Watched(trainer)
    trainer.train()
    rows = [row for row in rows_of(watched.batches) if row[1]]
    originals = {(tuple(prompt), tuple(completion)) for prompt, completion, value in rows if value == 0}
    replays = [(tuple(prompt), tuple(completion)) for prompt, completion, value in rows if value == 1]
    assert replays and set(replays) <= originals


LINE = Instruction(
    "Write a line .",
    (
        constraint("length_constraints:number_words", {"relation": "less than", "num_words": 15}),
        constraint("keywords:existence", {"keywords": ["unsayable"]}),
    ),
    key=0,
)


@pytest.mark.parametrize("rewriter", ["drop", "retarget", "keep"])
def test_a_blank_response_is_never_trained_on_as_a_success(model: str, tmp_path: Path, rewriter: str) -> None:
    ends = {"sequence_bias": [[[1], 100.0]]}  # the end, at once
    trainer = HiRTrainer(model, config(tmp_path, rewriter=rewriter, generation_kwargs=ends, max_steps=1), [LINE] * 4)
    watched = Watched(trainer)
    trainer.train()
    (entry,) = logged(trainer)
    assert entry["constraints/fraction"] == 0 and entry["hir/candidates"] == 0 and entry["hir/replays"] == 0
    assert all(advantage <= 0 for _, _, advantage in rows_of(watched.batches))


def test_a_response_without_the_mark_answers_nothing(model: str, tmp_path: Path) -> None:
    trainer = HiRTrainer(model, config(tmp_path, answer_after="</think>", max_steps=1), asked())
    trainer.train()
    (entry,) = logged(trainer)
    assert entry["constraints/fraction"] == 0 and entry["hir/candidates"] == 0
    marked = HiRTrainer(model, config(tmp_path, answer_after=" ", max_steps=1), asked())  # the last word is the answer
    marked.train()
    (entry,) = logged(marked)
    assert 0 < entry["constraints/fraction"] < 0.5 and entry["hir/replays"] > 0


def test_an_explicit_verifier_wins_over_the_rewriters_own(model: str, tmp_path: Path) -> None:
    def none(instruction: Instruction, response: str) -> list[bool]:
        return [True, *[False] * (len(instruction.constraints) - 1)]

    trainer = HiRTrainer(model, config(tmp_path, rewriter="keep", max_steps=1), asked(), verify=none)
    trainer.train()
    (entry,) = logged(trainer)
    assert entry["hir/candidates"] > 0 and entry["hir/replays"] == 0


def test_the_control_with_as_many_rows_trains_on_rollouts_twice(model: str, tmp_path: Path) -> None:
    trainer = HiRTrainer(model, config(tmp_path, repeat=True, reward="fraction", max_steps=1), asked())
    watched = Watched(trainer)
    trainer.train()
    rows = [(tuple(prompt), tuple(completion), value) for prompt, completion, value in rows_of(watched.batches)]
    assert len(rows) == 24 and logged(trainer)[0]["hir/repeats"] == 8 and "hir/replays" not in logged(trainer)[0]
    assert len(set(rows)) <= 16 and any(value != 0 for _, _, value in rows)


def test_nothing_to_replay_is_plain_training(model: str, tmp_path: Path) -> None:
    nobody = [Instruction("Write a line .", (constraint("keywords:existence", {"keywords": ["unsayable"]}),), key=0)]
    everybody = [Instruction("Write a line .", (constraint("punctuation:no_comma"),), key=1)]
    for instructions, reward in ((nobody * 4, 0), (everybody * 4, None)):
        trainer = HiRTrainer(model, config(tmp_path, max_steps=1), instructions)
        watched = Watched(trainer)
        trainer.train()
        (entry,) = logged(trainer)
        assert entry["hir/replays"] == 0 and entry["hir/candidates"] == 0 and entry["hir/empty_rows"] == 0
        assert "hir/logp_shift" not in entry
        assert len(rows_of(watched.batches)) == 16
        assert reward is None or entry["reward"] == reward


def test_resume_is_bit_equal(model: str, tmp_path: Path) -> None:
    settings = {"max_steps": 4, "save_strategy": "steps", "save_steps": 2, "lr_scheduler_type": "constant"}
    whole = HiRTrainer(model, config(tmp_path / "a", **settings), MIXED)
    whole.train()
    again = HiRTrainer(model, config(tmp_path / "a", **settings), MIXED)
    again.train(resume_from_checkpoint=str(tmp_path / "a" / "checkpoint-2"))
    assert [e["hir/lambda"] for e in logged(again)] == [e["hir/lambda"] for e in logged(whole)]
    assert logged(again)[-1]["hir/replays"] == logged(whole)[-1]["hir/replays"] > 0
    for one, other in zip(whole.model.parameters(), again.model.parameters(), strict=True):
        assert torch.equal(one, other)


def test_an_update_that_is_no_number_is_left_out_and_counted(model: str, tmp_path: Path) -> None:
    trainer = HiRTrainer(model, config(tmp_path, max_steps=3, patience=2), asked())
    watched = Watched(trainer)
    inner = trainer._compute_loss
    trainer._compute_loss = lambda m, i: inner(m, i) * (torch.nan if len(watched.batches) == 4 else 1)  # type: ignore
    trainer.train()
    assert [entry.get("hir/skipped_updates") for entry in logged(trainer)] == [None, 1.0, None]
    first, second, third = watched.weights
    assert any(not torch.equal(first[name], second[name]) for name in first)
    assert all(torch.equal(second[name], third[name]) for name in second)
    assert all(value.isfinite().all() for value in trainer.model.parameters())

    spoiled = HiRTrainer(model, config(tmp_path, max_steps=9, patience=2), asked())
    with torch.no_grad():
        spoiled.model.lm_head.weight[5] = torch.nan
    spoiled.generation_config.do_sample = False  # sampling from numbers that are none fails in transformers itself
    with pytest.raises(HindsightError, match="not finite for 2 updates in a row, up to step 1"):
        spoiled.train()


def test_adapters_and_text_prompts(tmp_path: Path) -> None:
    peft = pytest.importorskip("peft")
    path = tiny_model(tmp_path / "llama", template=None, kind="llama")
    args = config(tmp_path, prompt_format="text", beta=0.05, max_steps=2)
    trainer = HiRTrainer(path, args, asked(), peft_config=peft.LoraConfig(r=2, target_modules=["q_proj", "v_proj"]))
    watched = Watched(trainer)
    trainer.train()
    assert all(entry["hir/replays"] > 0 and entry["grad_norm"] > 0 for entry in logged(trainer))
    assert watched.gradients[0] and all("lora" in name for name in watched.gradients[0])
    trainer.save_model(str(tmp_path / "adapter"))
    assert json.loads((tmp_path / "adapter" / "adapter_config.json").read_text())["r"] == 2


def test_a_failure_under_several_relabels_fills_the_budget(model: str, tmp_path: Path) -> None:
    more = (constraint("punctuation:no_comma"), constraint("punctuation:punctuation_dot"))
    given = [Instruction(each.task, (*each.constraints, *more), key=each.key) for each in asked()]
    trainer = HiRTrainer(model, config(tmp_path, relabels=4, max_steps=1, log_completions=True), given)
    watched = Watched(trainer)
    trainer.train()
    (entry,) = logged(trainer)
    replays = [row for row in rows_of(watched.batches) if row[1] and row[2] == 1.0]
    assert len(replays) == int(entry["hir/replays"]) and entry["grad_norm"] > 0
    # The same tokens under several prompts: fewer failures, more instructions.
    assert 1 < len({tuple(completion) for _, completion, _ in replays}) < len(replays)
    assert len({(tuple(prompt), tuple(completion)) for prompt, completion, _ in replays}) > len(replays) // 2


def refused(path: str, folder: Path, match: str, given: Any = None, others: Any = None, **settings: Any) -> None:
    with pytest.raises(HindsightError, match=match) as caught:
        HiRTrainer(path, config(folder, **settings), given or asked(), **(others or {}))
    assert "\n" not in str(caught.value)


def test_what_cannot_work_is_refused_before_training(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused(
        model,
        tmp_path,
        "1 for each of 4 prompts.*do not divide over 8 micro-batches",
        replays_per_prompt=1,
        per_device_train_batch_size=2,
        steps_per_generation=8,
    )
    refused(model, tmp_path, "further reward functions", advantage="pooled", others={"reward_funcs": len})
    refused(model, tmp_path, "loss_type=grpo averages over rows", loss_type="grpo", entropy_coef=0.01)
    refused(model, tmp_path, "give one environment", others={"environment_factory": {"one": object}})
    refused(model, tmp_path, "the prompt of 0 has .* tokens, 12 fit", max_completion_length=116)
    refused(model, tmp_path, "leaves no room", max_completion_length=128)
    refused(model, tmp_path, "no prompt fits", max_prompt_tokens=3, long_prompts="skip")
    refused(model, tmp_path, r"train_dataset\[0\]: no constraints in the row", given=_dataset([{"prompt": "a"}]))
    refused(model, tmp_path, "is a str: give a list of instructions", given="rows.jsonl")
    refused(model, tmp_path, "unknown rewriter 'x'", rewriter="x")
    refused(model, tmp_path, "advantage is 'x'", advantage="x")
    refused(model, tmp_path, "relabels is 0: it must be at least 1", relabels=0)
    refused(model, tmp_path, "selector strategy is 'x'", strategy="x")
    refused(str(tmp_path / "none"), tmp_path, "no tokenizer for")
    bare = tiny_model(tmp_path / "bare", template=None)
    refused(bare, tmp_path, "no chat template: set prompt_format=text")
    loaded = transformers.AutoModelForCausalLM.from_pretrained(model)
    refused(loaded, tmp_path, "beta > 0 needs the model as a path", beta=0.1)
    monkeypatch.setattr(trl, "__version__", "1.99.0")
    refused(model, tmp_path, r"TRL 1.99.0 is not supported: pip install 'trl>=1.16,<1.17'")


def _dataset(rows: list[dict[str, Any]]) -> Any:
    from datasets import Dataset

    return Dataset.from_list(rows)


def test_a_dataset_of_known_rows_is_read_as_instructions(model: str, tmp_path: Path) -> None:
    kwargs = [{"keywords": [WORDS[0]]}]
    rows = [{"prompt": "Write a line .", "instruction_id_list": ["keywords:existence"], "kwargs": kwargs}] * 8
    trainer = HiRTrainer(model, config(tmp_path), _dataset(rows))
    assert [each.constraints[0].id for each in trainer.instructions] == ["keywords:existence"] * 8
    trainer.train()
    assert trainer.state.global_step > 0


def test_training_is_judged_by_the_version_asked_for_and_evaluation_is_not(model: str, tmp_path: Path) -> None:
    given = asked(4)
    trainer = HiRTrainer(model, config(tmp_path, checkers="corrected"), given, eval_dataset=given)
    versions = [each.constraints[0].version for each in trainer.instructions]  # type: ignore[attr-defined]
    assert versions == ["corrected"] * 4 + ["current"] * 4
    assert [each.describe() for each in trainer.instructions[0].constraints] == [
        each.describe() for each in given[0].constraints
    ]
    with pytest.raises(HindsightError, match="checkers is 'corected': one of None, current, hir, corrected"):
        config(tmp_path, checkers="corected")


def test_long_prompts_are_left_out_and_counted(model: str, tmp_path: Path) -> None:
    long = Instruction("Write a line . " * 30, asked(1)[0].constraints, key="long")
    trainer = HiRTrainer(model, config(tmp_path, long_prompts="skip"), [*asked(4), long])
    assert trainer.too_long == 1 and len(trainer.train_dataset) == 4


def test_rows_of_processes_are_equal_and_divide() -> None:
    for count in range(30):
        parts = [share(count, rank, 3, 4) for rank in range(3)]
        assert sorted(at for mine, _ in parts for at in mine) == list(range(count))
        assert len({rows for _, rows in parts}) == 1 and parts[0][1] % 4 == 0
        assert all(len(mine) <= rows < len(mine) + 2 * 4 for mine, rows in parts) or count == 0


def test_baselines() -> None:
    rewards = torch.tensor([1.0, 0.0, 0.0, torch.nan, 1.0, 1.0, 1.0, 1.0])
    assert leave_one_out(rewards, 4).tolist() == [1.0, -0.5, -0.5, 0.0, 0.0, 0.0, 0.0, 0.0]
    found = whiten(torch.tensor([1.0, 0.0, torch.nan]), torch.tensor([2, 6, 9]))
    assert found[2] == 0 and float(found[0] * 2 + found[1] * 6) == pytest.approx(0, abs=1e-6)
    assert whiten(torch.tensor([1 / 3] * 3), torch.tensor([2, 6, 9])).abs().max() < 1e-9
