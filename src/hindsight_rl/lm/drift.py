"""How far training moved a model away from its base: signs of collapse that accuracy does not show.

| figure | meaning |
|---|---|
| ``perplexity`` | of a fixed English text (``fixed_text.txt``) that occurs in no instruction |
| ``kl`` | mean over response tokens of log pi(token) - log base(token), on the model's own responses, in nats |
| ``ended`` | share of responses with an end token (not cut off) |
| ``words`` | mean words of a response |
| ``distinct_1``, ``distinct_2`` | different words and pairs of words, over all of them, in all responses together |
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from importlib.resources import files
from itertools import pairwise
from typing import Any

import torch

from hindsight_rl.lm.generate import Response, evaluating, prompt_ids


@lru_cache(maxsize=1)
def fixed_text() -> str:
    """The text for the perplexity; written for this project."""
    return files("hindsight_rl.lm").joinpath("fixed_text.txt").read_text("utf-8")


@torch.no_grad()
def perplexity(model: Any, tokenizer: Any, text: str | None = None, window: int = 512) -> float:
    """Perplexity per token of a text, computed in separate windows of `window` tokens."""
    ids = tokenizer(text=text or fixed_text(), add_special_tokens=False)["input_ids"]
    total, count = 0.0, 0
    with evaluating(model):
        for start in range(0, len(ids), window):
            part = torch.tensor([ids[start : start + window]], device=model.device)
            if part.size(1) < 2:
                break
            logits = model(input_ids=part).logits[0, :-1].float()
            total += float(torch.nn.functional.cross_entropy(logits, part[0, 1:], reduction="sum"))
            count += part.size(1) - 1
    return float(torch.exp(torch.tensor(total / max(1, count))))


@torch.no_grad()
def divergence(
    model: Any, base: Any, tokenizer: Any, chats: Sequence[list[dict[str, Any]]], responses: Sequence[Response]
) -> float:
    """Mean of log pi - log base over the tokens of the model's own responses, in nats; 0 for the base itself."""
    answers = [tokenizer(text=each.text, add_special_tokens=False)["input_ids"] for each in responses]
    prompts = prompt_ids(tokenizer, chats)
    pi, reference = (log_probs(each, prompts, answers, batch=1) for each in (model, base))
    return (sum(pi) - sum(reference)) / max(1, sum(map(len, answers)))


@torch.no_grad()
def log_probs(model: Any, prompts: Sequence[list[int]], answers: Sequence[list[int]], batch: int = 8) -> list[float]:
    """log pi(answer | prompt) of each pair of token ids, a sum over the answer's tokens in nats.

    Args:
        batch: pairs that pass through the model at the same time; pairs of similar length share a pass.
    """
    lengths = [len(prompt) + len(answer) for prompt, answer in zip(prompts, answers, strict=True)]
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    found = [0.0] * len(lengths)
    with evaluating(model):
        for start in range(0, len(order), batch):
            places = order[start : start + batch]
            width = max(lengths[at] for at in places)
            ids, mask = torch.zeros(2, len(places), width, dtype=torch.long, device=model.device)
            for row, at in enumerate(places):
                ids[row, : lengths[at]] = torch.tensor(prompts[at] + answers[at])
                mask[row, : lengths[at]] = 1
            logits = model(input_ids=ids, attention_mask=mask).logits[:, :-1].float()
            logps = -torch.nn.functional.cross_entropy(logits.transpose(1, 2), ids[:, 1:], reduction="none")
            for row, at in enumerate(places):
                found[at] = float(logps[row, len(prompts[at]) - 1 : lengths[at] - 1].sum())
    return found


def shape(responses: Sequence[Response]) -> dict[str, float]:
    """Length, share ended, and diversity of responses."""
    words = [response.text.lower().split() for response in responses]
    singles = [word for each in words for word in each]
    pairs = [pair for each in words for pair in pairwise(each)]
    return {
        "ended": sum(each.ended for each in responses) / max(1, len(responses)),
        "words": len(singles) / max(1, len(responses)),
        "distinct_1": len(set(singles)) / max(1, len(singles)),
        "distinct_2": len(set(pairs)) / max(1, len(pairs)),
    }
