"""The agent that acts in turns, trained in the sandbox."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from hindsight_rl.cli import main as cli
from hindsight_rl.errors import HindsightError
from hindsight_rl.lm.rooms.episode import true_of
from hindsight_rl.lm.rooms.house import House
from hindsight_rl.lm.rooms.instructions import read_instruction
from hindsight_rl.lm.sandbox import learner as learning
from hindsight_rl.lm.sandbox.config import (
    ROOMS_DEFAULTS,
    ReplayRules,
    SandboxConfig,
    UpdateRules,
    from_json,
    parsed,
    to_json,
)
from hindsight_rl.lm.sandbox.language import ANSWER, END, PAD, SPECIAL, TOKEN
from hindsight_rl.lm.sandbox.model import Model, ModelRules, padded
from hindsight_rl.lm.sandbox.pretrain import PretrainRules
from hindsight_rl.lm.sandbox.rooms_task import ROOMS_TASK, TURN, VOCABULARY
from hindsight_rl.lm.sandbox.sampler import sample
from hindsight_rl.lm.sandbox.train import train
from hindsight_rl.run import Run

RULES = ModelRules(width=32, heads=2, layers=2, context=96)
TIMES = ("seconds", "cpu_seconds", "evaluation_cpu_seconds")


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bases")


@pytest.fixture
def tiny(tmp_path: Path, bases: Path) -> Any:
    """Settings that train in a few seconds."""

    def make(arms: str, name: str = "run", **changes: Any) -> SandboxConfig:
        base = dataclasses.replace(
            ROOMS_DEFAULTS,
            arms=arms,
            constraints="2-3",
            rollouts=128,
            out=str(tmp_path / name),
            base=str(bases),
            jobs=1,
            test=20,
            evaluations=2,
            checkpoints=4,
            model=RULES,
            pretrain=PretrainRules(steps=200, batch=32, low=1, high=1),
            update=UpdateRules(prompts=4, samples=8, minibatch=32),
            replay=ReplayRules(replays_per_prompt=3),
        )
        return dataclasses.replace(base, **changes)

    return make


def lines(path: Path, arm: str, file: str = "metrics.jsonl") -> list[dict[str, Any]]:
    return [
        {k: v for k, v in line.items() if k not in (*TIMES, "arm")} for line in Run(path / "arms" / arm).lines(file)
    ]


def test_prompts_and_transcripts_have_tokens_and_come_back() -> None:
    source, rng = ROOMS_TASK.source(1, 5, 60, noise=0.3), np.random.default_rng(0)
    assert VOCABULARY[:4] == SPECIAL and len(set(VOCABULARY)) == len(VOCABULARY)
    for _ in range(100):
        asked, text = source.draw(rng)
        tokens = ROOMS_TASK.prompt_tokens(asked)
        for (a, b), goal in zip(ROOMS_TASK.spans(asked), asked.texts, strict=True):
            said = [VOCABULARY[token] for token in tokens[a:b]]
            assert said == [word for word in goal.lower().strip(".").split() if word in VOCABULARY]
            assert VOCABULARY[tokens[b]] == "."
        found = ROOMS_TASK.response_tokens(text)
        assert ROOMS_TASK.decode(found) == (text, True) and ROOMS_TASK.decode([*found, 0, 0]) == (text, True)
        assert ROOMS_TASK.decode(found[:-1]) == (text, False)
        written = ROOMS_TASK.written(torch.tensor([*found, 0, 0])).tolist()
        turns = len(text.split("\n"))
        assert written == [True, True, False, False] * turns + [True, False, False]
    # An action that was cut off, and tokens that are no words, come back too.
    assert ROOMS_TASK.decode([*found[:5], TOKEN[END]])[0].split("\n")[1] == VOCABULARY[found[4]]
    assert ROOMS_TASK.response_tokens(ROOMS_TASK.decode([*found[:5], TOKEN[END]])[0]) == [*found[:5], TOKEN[END]]
    with pytest.raises(HindsightError, match="'sing' is no word"):
        ROOMS_TASK.prompt_tokens("Sing.")


def test_sampled_observations_are_the_environments_and_carry_no_weight() -> None:
    torch.manual_seed(0)
    model = Model(RULES, ROOMS_TASK)
    asked = [ROOMS_TASK.source(2, 3, 60).draw(np.random.default_rng(seed))[0] for seed in range(3)]
    prompts = padded([ROOMS_TASK.prompt_tokens(each) for each in asked])
    found = sample(model, prompts, 8, torch.Generator().manual_seed(1), environment=ROOMS_TASK.environment(asked, 8))
    # The same tokens in one pass through the model: the cache that grew by three tokens a turn made no difference.
    whole = model.log_probs(prompts, found.tokens)
    assert torch.allclose(whole[found.mask.bool()], found.log_probs[found.mask.bool()], atol=1e-5)
    place = torch.arange(found.tokens.shape[-1]) % TURN
    assert not found.mask[..., place >= 2].any() and not found.log_probs[..., place >= 2].any()
    ended = 0
    for row, (text, complete) in enumerate(found.texts()):
        house = House.read(asked[row // 8].prompt)
        ended += complete
        assert true_of(house, asked[row // 8].constraints, text)  # type: ignore[arg-type]
        mask = found.mask.flatten(0, 1)[row]
        if complete:
            assert torch.equal(ROOMS_TASK.written(found.tokens.flatten(0, 1)[row]), mask.bool())
    assert ended > 0
    spread = model.answer(
        model.read(prompts),
        torch.cat((torch.full_like(found.tokens[..., :1], TOKEN[ANSWER]), found.tokens[..., :-1]), -1),
    ).log_softmax(-1)
    entropy = (-(spread.exp() * spread).sum(-1) * found.mask).sum(-1) / found.mask.sum(-1)
    assert torch.allclose(entropy, found.entropy, atol=1e-5)


def test_every_method_trains_and_rewrites_only_the_goals(tiny: Any) -> None:
    path = train(tiny("rlvr,fraction,hir,retarget,relabels-buffer,keep,mdp-grpo"))
    for arm in ("rlvr", "fraction", "hir", "retarget", "relabels-buffer", "keep"):
        assert [line["rollouts"] for line in lines(path, arm)] == [32, 64, 96, 128]
        assert lines(path, arm)[0]["fraction"] == lines(path, "rlvr")[0]["fraction"]
        evals = lines(path, arm, "evals.jsonl")
        assert set(evals[-1]["sampled"]["by_count"]) == {"2", "3"}
        assert {"bring", "moves", "avoid"} <= set(evals[-1]["sampled"]["by_kind"])
    changed = 0
    for arm in ("hir", "retarget", "keep"):
        assert sum(line["replays"] for line in lines(path, arm)) > 0
        for line in lines(path, arm, "rewrites.jsonl"):
            before, after = read_instruction(line["prompt"]), read_instruction(line["rewritten"])
            assert House.read(line["prompt"]) == House.read(line["rewritten"])
            assert line["texts"] == [list(before.texts), list(after.texts)]
            assert [each.check(line["response"]) for each in before.constraints] == line["verdict"]
            holds = all(each.check(line["response"]) for each in after.constraints)
            assert holds == (arm != "keep")
            changed += len(line["changed"])
            assert not line["changed"] or arm == "retarget"
    assert changed > 0 and lines(path, "relabels-buffer")[-1]["buffer_rows"] > 0


def test_rows_of_a_step_learn_nothing_from_what_the_environment_wrote(
    tiny: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []
    real = learning.assemble

    def spy(*args: Any) -> Any:
        seen.append(real(*args))
        return seen[-1]

    monkeypatch.setattr(learning, "assemble", spy)
    train(tiny("retarget", evaluations=0, replay=ReplayRules(replays_per_prompt=3, buffer_rows_per_prompt=4)))
    assert seen[-1].fresh < len(seen[-1].items)
    for batch in seen:
        tokens = batch.originals.tokens.flatten(0, 1)
        place = torch.arange(tokens.shape[-1]) % TURN
        for values in (batch.originals.mask.flatten(0, 1), batch.replays.mask, batch.advantage):
            assert not values[..., place >= 2].any() and values[..., place < 2].any()
        for row, item in enumerate(batch.items):
            own = batch.replays.tokens[row].tolist()
            # The transcript is the same token for token; the prompt is the rewritten one.
            assert ROOMS_TASK.decode(own) == (item.completion, True)
            assert item.source is None or own == tokens[item.source].tolist()
            asked = ROOMS_TASK.prompt_tokens(item.prompt)
            assert [token for token in batch.replays.prompts[row].tolist() if token != TOKEN[PAD]] == asked
            assert all(each.check(item.completion) for each in read_instruction(item.prompt).constraints)


def test_a_resumed_run_is_bit_equal(tiny: Any, tmp_path: Path) -> None:
    config = tiny("retarget")
    whole = train(dataclasses.replace(config, out=str(tmp_path / "whole")))
    calls = iter(range(100))
    real = learning.Learner.advance

    def dies(learner: Any) -> Any:
        if next(calls) == 2:
            raise KeyboardInterrupt
        return real(learner)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(learning.Learner, "advance", dies)
        train(config)
    path = train(dataclasses.replace(config, resume=True))
    for file in ("metrics.jsonl", "evals.jsonl", "rewrites.jsonl"):
        assert lines(path, "retarget", file) == lines(whole, "retarget", file)
    one, other = (load_file(each / "arms" / "retarget" / "model.safetensors") for each in (path, whole))
    assert all(torch.equal(value, other[name]) for name, value in one.items())


def test_margins_attention_and_the_report_know_the_task(tiny: Any, capsys: pytest.CaptureFixture[str]) -> None:
    path = train(tiny("hir,retarget", probe=6, attention=6))
    last = lines(path, "hir", "evals.jsonl")[-1]
    assert last["margins"]["instruction"]["pairs"] > 0 and 0 < last["attention"]["constraints"] < 1
    study = Run(path).read("attention.json")
    assert {"base", "hir", "retarget"} == set(study["models"]) and "bring" in study["models"]["hir"]["same"][
        "lift_by_kind"
    ]
    assert all("ok" not in each["response"] for each in study["examples"])
    assert cli(["report", str(path)]) == 0
    page = next(path.glob("*.html")).read_text("utf-8")
    assert "Bring the" in page and "rooms" in page and "changed to the achieved value" in page


def test_the_command_line_has_the_tasks_own_defaults(tiny: Any) -> None:
    assert parsed(["--task", "rooms"]) == ROOMS_DEFAULTS == parsed(["--task=rooms"]).checked()
    assert parsed([]) == SandboxConfig() and parsed(["--task", "rooms", "--constraints", "3"]).constraints == "3"
    stored = json.loads(json.dumps(to_json(ROOMS_DEFAULTS)))
    assert from_json(stored, "config.json") == ROOMS_DEFAULTS
    for changes, wrong in (
        ({"constraints": "13"}, "between 1 and 12"),
        ({"dependent": 0.5}, "--dependent 0.5"),
        ({"model": ModelRules(context=42)}, r"--model.context 42: no room for a prompt; try 96"),
        ({"replay": ReplayRules(layout="bullets")}, "--layout bullets: the task rooms has list"),
        ({"pretrain": PretrainRules(noise=1.0)}, "--pretrain.noise 1.0"),
    ):
        with pytest.raises(HindsightError, match=wrong):
            tiny("hir", **changes).checked()
    with pytest.raises(HindsightError, match="no prompt fits into 20 tokens"):
        train(tiny("hir", model=dataclasses.replace(RULES, context=62)))
