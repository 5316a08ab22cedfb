"""Both preferences for a transformers model: the pairs, their log-probabilities, and where they are kept."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("trl", reason="TRL is not installed: pip install 'hindsight-rl[lm]'")

import torch
import transformers

from hindsight_rl import cli
from hindsight_rl.constraints.core import constraint
from hindsight_rl.lm.preferences import Pairs
from hindsight_rl.lm.trl.preferences import Probe
from hindsight_rl.replay.instruction import Instruction
from hindsight_rl.run import Run
from tiny_lm import tiny_model

ASKED = Instruction(
    "Say something.",
    (
        constraint("punctuation:no_comma", {}),
        constraint("length_constraints:number_words", {"relation": "at least", "num_words": 3}),
    ),
)


def test_pairs_are_failures_without_what_they_violate_and_successes_against_failures() -> None:
    pairs = Pairs()
    texts = ["one two three", "a, b", "so", "cut off here", " "]
    verdicts = [[True, True], [False, False], [True, False], [True, True], [True, False]]
    pairs.add(ASKED, texts, [True, True, True, False, True], verdicts)
    [(better, other)] = pairs.instructions
    assert better[1] == other[1] == "so" and other[0] is ASKED
    assert [each.id for each in better[0].constraints] == ["punctuation:no_comma"]
    assert pairs.responses == [((ASKED, "one two three"), (ASKED, "so"))]
    measured = pairs.measure(lambda sides: np.array([float(len(text)) for _, text in sides]))
    assert measured["response"] == {"mean": 11.0, "standard_error": None, "pairs": 1}
    assert measured["instruction"]["mean"] == 0.0
    assert Pairs().measure(lambda sides: np.zeros(len(sides)))["response"]["mean"] is None


def test_log_probabilities_are_those_of_each_response_alone(tmp_path: Path) -> None:
    folder = tiny_model(tmp_path / "model")
    model = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    sides = [(ASKED, "one"), (ASKED.keep([True, False]), "one two three"), (ASKED, "four words are here")]
    found = Probe(tokenizer, batch=2)._log_probs(model, sides)
    for (asked, text), value in zip(sides, found, strict=True):
        prompt = tokenizer.apply_chat_template(asked.messages, add_generation_prompt=True, return_dict=True)[
            "input_ids"
        ]
        answer = [*tokenizer(text, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
        with torch.no_grad():
            logps = torch.log_softmax(model(torch.tensor([prompt + answer])).logits[0].float(), -1)
        expected = sum(float(logps[len(prompt) + at - 1, token]) for at, token in enumerate(answer))
        assert value == pytest.approx(expected, abs=1e-3)


def test_kept_pairs_are_the_same_pairs(tmp_path: Path) -> None:
    folder = tiny_model(tmp_path / "model")
    model = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    run = Run.create(tmp_path / "run", {}, kind="lm-trl")
    first, second = Probe(tokenizer), Probe(tokenizer)
    first.pairs.add(ASKED, ["so", "one two three"], [True, True], [[True, False], [True, True]])
    assert not second.load(run)
    first.save(run)
    assert second.load(run) and second.measure(model) == first.measure(model)


def test_a_probe_needs_held_out_instructions(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["lm", "train", "--model", "x", "--dataset", "y.jsonl", "--probe", "4"]) == 2
    assert "--probe 4: a number of held-out instructions; it needs --held_out" in capsys.readouterr().err
