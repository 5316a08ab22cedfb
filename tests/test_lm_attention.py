"""Attention of a transformers model to constraints, against sums by hand."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")
import torch
import transformers

from hindsight_rl.constraints.core import constraint
from hindsight_rl.data.separation import separated
from hindsight_rl.errors import HindsightError
from hindsight_rl.lm.attention import attention_to_constraints, located
from hindsight_rl.lm.generate import Response, prompt_ids
from hindsight_rl.replay.instruction import Constraint, Instruction
from tiny_lm import WORDS, tiny_model


def includes(word: str) -> Constraint:
    return constraint("keywords:existence", {"keywords": [word]})


TEXTS = (f"Include the words {WORDS[0]}", f"Include the words {WORDS[1]}")
ASKED = Instruction("Write a line .", (includes(WORDS[0]), constraint("punctuation:no_comma")), texts=TEXTS)
ABSENT = Instruction("Write a line .", (includes(WORDS[0]),), prompt="Write a line .")
ANSWER = Response(" ".join(WORDS[:3]), True, 4)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    path = tiny_model(tmp_path_factory.mktemp("tiny"))
    return transformers.AutoModelForCausalLM.from_pretrained(path), transformers.AutoTokenizer.from_pretrained(path)


@pytest.mark.parametrize("prompt_format", ["chat", "text"])
def test_the_tokens_of_a_constraint_are_those_of_its_words(tiny: tuple[Any, Any], prompt_format: str) -> None:
    _, tokenizer = tiny
    prompt, spans = located(tokenizer, ASKED, prompt_format)
    assert [prompt] == prompt_ids(tokenizer, [ASKED.messages], prompt_format)
    assert [tokenizer.decode(prompt[a:b]).split() for a, b in spans] == [each.split() for each in TEXTS]
    assert located(tokenizer, ABSENT, prompt_format)[1] == [None]


def test_constraints_are_found_in_the_order_of_the_prompt(tiny: tuple[Any, Any]) -> None:
    _, tokenizer = tiny
    text = f"Write a line . {TEXTS[1]} {TEXTS[0]}"
    task, texts, layout = separated(text, TEXTS)
    asked = replace(ASKED, task=task, texts=texts, layout=layout, prompt=text)
    prompt, spans = located(tokenizer, asked, "text")
    assert [tokenizer.decode(prompt[a:b]).split() for a, b in spans] == [each.split() for each in TEXTS]
    assert spans[0] > spans[1]


def test_shares_and_lifts_are_sums_of_the_models_attention(tiny: tuple[Any, Any]) -> None:
    model, tokenizer = tiny
    before = model.config._attn_implementation
    found = attention_to_constraints(model, tokenizer, [ASKED, ABSENT], [ANSWER, ANSWER], [[True, False], [True]])
    assert model.config._attn_implementation == before and found["responses"] == 1

    prompt, spans = located(tokenizer, ASKED)
    answer = tokenizer(text=ANSWER.text, add_special_tokens=False)["input_ids"]
    model.set_attn_implementation("eager")
    layers = model(input_ids=torch.tensor([prompt + answer]), output_attentions=True).attentions
    model.set_attn_implementation(before)
    shares = np.zeros((2, len(answer)))
    for layer in layers:
        heads = layer[0].detach().numpy()
        for at in range(len(answer)):
            for which, (a, b) in enumerate(spans):
                shares[which, at] += heads[:, len(prompt) - 1 + at, a:b].sum(-1).mean() / len(layers)
    assert found["constraints"] == pytest.approx(shares.sum(0).mean(), abs=1e-4)
    even = [(b - a) / (len(prompt) + np.arange(len(answer))) for a, b in spans]
    met, missed = ((share / each).mean() for share, each in zip(shares, even, strict=True))
    assert (found["lift_met"], found["lift_missed"]) == pytest.approx((met, missed), abs=1e-4)
    assert found["lift"] == pytest.approx((met + missed) / 2, abs=1e-4)
    assert list(found["lift_by_kind"]) == sorted(each.id for each in ASKED.constraints)
    names = ("constraints", "lift", "lift_met", "lift_missed")
    assert found["by_response"] == [{"index": 0, **{name: found[name] for name in names}}]


def test_even_attention_has_lift_1(tiny: tuple[Any, Any]) -> None:
    model, tokenizer = tiny
    even = type(model)(model.config)
    even.load_state_dict(model.state_dict())
    for layer in even.model.layers:
        torch.nn.init.zeros_(layer.self_attn.q_proj.weight)
    found = attention_to_constraints(even, tokenizer, [ASKED], [ANSWER], [[True, False]])
    assert (found["lift_met"], found["lift_missed"]) == pytest.approx((1.0, 1.0), abs=1e-4)


def test_what_gives_no_value_is_none(tiny: tuple[Any, Any]) -> None:
    found = attention_to_constraints(*tiny, [ASKED, ABSENT], [Response("", True, 1), ANSWER], [[True, True], [True]])
    assert found["responses"] == 0 and found["lift"] is None and found["constraints"] is None
    assert found["by_response"] == []


def test_each_response_keeps_its_place_and_its_own_values(tiny: tuple[Any, Any]) -> None:
    verdicts = [[True], [True, True], [False, False]]
    answers = [ANSWER, ANSWER, Response(WORDS[3], True, 2)]
    found = attention_to_constraints(*tiny, [ABSENT, ASKED, ASKED], answers, verdicts)
    met, missed = found["by_response"]
    assert (met["index"], missed["index"]) == (1, 2)
    assert met["lift_missed"] is None and missed["lift_met"] is None
    assert (met["lift"], missed["lift"]) == (found["lift_met"], found["lift_missed"])
    assert found["constraints"] == pytest.approx((met["constraints"] + missed["constraints"]) / 2, abs=1e-4)


def test_a_slow_tokenizer_is_named(tiny: tuple[Any, Any]) -> None:
    with pytest.raises(HindsightError, match="fast tokenizer"):
        attention_to_constraints(tiny[0], object(), [ASKED], [ANSWER], [[True, False]])
