"""Attention of a transformers model to the words of constraints, when it chooses the tokens of a response.

Shares are means over layers, heads and tokens of the response. *Lift* is the share per token of a constraint, divided
by the share per token of even attention over all visible tokens; 1 means no preference. Attention shows which words a
model reads. It does not show why it answers as it does. :mod:`hindsight_rl.lm.sandbox.attention` measures the same in
the sandbox.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from hindsight_rl.errors import HindsightError
from hindsight_rl.lm.generate import Response, evaluating
from hindsight_rl.replay.instruction import Instruction
from hindsight_rl.replay.layouts import FoundLayout

Span = tuple[int, int]
"""First token, and the one after the last."""


@torch.no_grad()
def attention_to_constraints(
    model: Any,
    tokenizer: Any,
    instructions: Sequence[Instruction],
    responses: Sequence[Response],
    verdicts: Sequence[Sequence[bool]],
    prompt_format: str = "chat",
) -> dict[str, Any]:
    """Attention to the constraints, over all of them, over those that the response meets, and those that it misses.

    The model reads each pair once, with its attention computed step by step (``eager``), which needs memory for
    layers x heads x (tokens of prompt and response)^2 numbers.

    Args:
        model, tokenizer: of transformers; the tokenizer must be a fast one.
        responses, verdicts: one to each instruction.
        prompt_format: `chat` or `text`.

    Returns:
        `responses`: the number that could be measured, with at least one token and one constraint whose words stand
        in the prompt; `constraints`: share of attention on the words of all constraints of an instruction together;
        `lift`, `lift_met`, `lift_missed`: of single constraints; `lift_by_kind`: by id; `by_response`: the `index` of
        each response that could be measured, with its own `constraints`, `lift`, `lift_met` and `lift_missed`, for
        intervals and for pairs. A value that nothing gives is None.

    Raises:
        HindsightError: the tokenizer does not say which characters its tokens stand for.
    """
    if not getattr(tokenizer, "is_fast", False):
        raise HindsightError("attention to constraints needs a fast tokenizer, which knows the place of each token")
    rows: list[dict[str, Any]] = []
    lifts: dict[bool, list[float]] = {True: [], False: []}
    kinds: dict[str, list[float]] = {}
    with _eager(model):
        for index, (instruction, response, verdict) in enumerate(zip(instructions, responses, verdicts, strict=True)):
            prompt, spans = located(tokenizer, instruction, prompt_format)
            answer = tokenizer(text=response.text, add_special_tokens=False)["input_ids"]
            if not answer or not any(spans):
                continue
            weights = _attention(model, prompt, answer)
            visible = len(prompt) + np.arange(len(answer))
            total = 0.0
            own: dict[bool, list[float]] = {True: [], False: []}
            for constraint, span, holds in zip(instruction.constraints, spans, verdict, strict=True):
                if span is None:
                    continue
                share = weights[:, span[0] : span[1]].sum(1)
                lift = float((share / (span[1] - span[0]) * visible).mean())
                total += float(share.mean())
                own[bool(holds)].append(lift)
                kinds.setdefault(constraint.id, []).append(lift)
            rows.append({"index": index, "constraints": round(total, 4), **_lifts(own)})
            for holds, values in own.items():
                lifts[holds] += values
    return {
        "responses": len(rows),
        "constraints": _mean([row["constraints"] for row in rows]),
        **_lifts(lifts),
        "lift_by_kind": {kind: _mean(values) for kind, values in sorted(kinds.items())},
        "by_response": rows,
    }


def _lifts(lifts: dict[bool, list[float]]) -> dict[str, float | None]:
    """Mean lifts of all constraints, of those that are met, and of those that are missed."""
    met, missed = lifts[True], lifts[False]
    return {"lift": _mean(met + missed), "lift_met": _mean(met), "lift_missed": _mean(missed)}


def located(
    tokenizer: Any, instruction: Instruction, prompt_format: str = "chat"
) -> tuple[list[int], list[Span | None]]:
    """Token ids of the prompt, and the tokens of each constraint's words; None where they do not stand in it."""
    if prompt_format == "chat":
        text = tokenizer.apply_chat_template(instruction.messages, add_generation_prompt=True, tokenize=False)
        read = tokenizer(text=text, add_special_tokens=False, return_offsets_mapping=True)
    else:
        text = instruction.prompt
        read = tokenizer(text=text, return_offsets_mapping=True)
    offsets = np.array(read["offset_mapping"]).reshape(-1, 2)
    # Constraints follow the task, so they are looked for from the end, the last one first.
    texts, layout = instruction.texts, instruction.layout
    order = layout.order if isinstance(layout, FoundLayout) else range(len(texts))
    spans: list[Span | None] = [None] * len(texts)
    end = len(text)
    for index in reversed(order):
        words = texts[index].strip()
        at = text.rfind(words, 0, end)
        if at < 0 or not words:
            continue
        end = at
        inside = np.flatnonzero((offsets[:, 0] < at + len(words)) & (offsets[:, 1] > at))
        spans[index] = (int(inside[0]), int(inside[-1]) + 1)
    return list(read["input_ids"]), spans


def _attention(model: Any, prompt: list[int], answer: list[int]) -> np.ndarray:
    """Attention to the prompt's tokens when each token of the answer is chosen: [answer, prompt], mean over layers and
    heads."""
    ids = torch.tensor([prompt + answer], device=model.device)
    layers = model(input_ids=ids, output_attentions=True, use_cache=False).attentions
    chosen = slice(len(prompt) - 1, len(prompt) + len(answer) - 1)
    means = [layer[0, :, chosen, : len(prompt)].float().mean(0) for layer in layers]
    return torch.stack(means).mean(0).double().cpu().numpy()


@contextmanager
def _eager(model: Any) -> Iterator[None]:
    """Within it, the model's attention can be read."""
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    before = inner.config._attn_implementation
    inner.set_attn_implementation("eager")
    try:
        with evaluating(model):
            yield
    finally:
        inner.set_attn_implementation(before)


def _mean(values: Sequence[float]) -> float | None:
    return round(float(np.mean(values)), 4) if values else None
