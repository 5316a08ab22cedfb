"""Responses of a transformers model to many prompts, in batches of prompts of similar length."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch


@dataclass(frozen=True)
class Response:
    """text: decoded, without special tokens. ended: has an end token (not cut off). tokens: number of generated tokens,
    the end token included."""

    text: str
    ended: bool
    tokens: int


def end_ids(model: Any, tokenizer: Any) -> set[int]:
    """Ids of end tokens, from the tokenizer and from the model's generation settings."""
    own = model.generation_config.eos_token_id
    return {tokenizer.eos_token_id, *([own] if isinstance(own, int) else own or [])} - {None}


@torch.no_grad()
def generate(
    model: Any,
    tokenizer: Any,
    chats: Sequence[list[dict[str, Any]]],
    *,
    max_new_tokens: int,
    batch: int = 64,
    temperature: float = 0.0,
    top_p: float = 1.0,
    seed: int = 0,
    prompt_format: Literal["chat", "text"] = "chat",
) -> list[Response]:
    """A response to each chat, in the order of the chats; prompts of similar length share a batch.

    Args:
        model, tokenizer: of transformers.
        chats: lists of messages with `role` and `content`.
        max_new_tokens: most tokens of a response; longer ones are cut off.
        batch: prompts per batch.
        temperature: of sampling; 0 decodes greedily.
        top_p: nucleus sampling from this share of the probability.
        seed: of sampling.
        prompt_format: `chat` applies the tokenizer's chat template; `text` uses the last message unchanged.
    """
    from transformers import GenerationConfig

    ends = sorted(end_ids(model, tokenizer))
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else ends[0]
    sampling = {"do_sample": True, "temperature": temperature, "top_p": top_p, "top_k": 0}
    config = GenerationConfig(
        max_new_tokens=max_new_tokens,
        eos_token_id=ends,
        pad_token_id=pad,
        **(sampling if temperature > 0 else {"do_sample": False}),
    )
    prompts = prompt_ids(tokenizer, chats, prompt_format)
    order = sorted(range(len(prompts)), key=lambda at: len(prompts[at]))
    found: dict[int, Response] = {}
    with evaluating(model), _seeded(model, seed):
        for start in range(0, len(order), batch):
            places = order[start : start + batch]
            width = max(len(prompts[at]) for at in places)
            ids = torch.full((len(places), width), pad)
            mask = torch.zeros(len(places), width, dtype=torch.long)
            for row, at in enumerate(places):
                ids[row, width - len(prompts[at]) :] = torch.tensor(prompts[at])
                mask[row, width - len(prompts[at]) :] = 1
            out = model.generate(
                input_ids=ids.to(model.device), attention_mask=mask.to(model.device), generation_config=config
            )
            for at, row in zip(places, out[:, width:].tolist(), strict=True):
                stop = next((place for place, token in enumerate(row) if token in ends), None)
                kept = row if stop is None else row[:stop]
                text = tokenizer.decode(kept, skip_special_tokens=True)
                found[at] = Response(text, stop is not None, len(kept) + (stop is not None))
    return [found[at] for at in range(len(prompts))]


@contextmanager
def evaluating(model: Any) -> Iterator[None]:
    """Within it, the model is in evaluation mode: no dropout."""
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)


@contextmanager
def _seeded(model: Any, seed: int) -> Iterator[None]:
    """Within it, random numbers follow from the seed; afterwards they go on as if nothing had been drawn, so that an
    evaluation leaves training as it was."""
    with torch.random.fork_rng(devices=[model.device] if model.device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


def prompt_ids(tokenizer: Any, chats: Sequence[list[dict[str, Any]]], prompt_format: str = "chat") -> list[list[int]]:
    """Token ids of the prompts, as :func:`generate` reads them."""
    if prompt_format == "chat":
        made = tokenizer.apply_chat_template(list(chats), add_generation_prompt=True, tokenize=True, return_dict=True)
    else:
        made = tokenizer([each[-1]["content"] for each in chats])
    return list(made["input_ids"])
