"""Log-probabilities of completions by packed sequences, which read the prompt of a group once."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from trl.trainer.utils import selective_log_softmax_and_entropy

from hindsight_rl.errors import HindsightError
from hindsight_rl.lm.trl.packing import IGNORED, Packed, deal, pack, packable, prompt_groups

_MOST_LOGITS = 2**26
"""Logits that one pass may hold at a time; for more, TRL's own head computes them in chunks."""

_CLOSE = 0.1
"""Mean difference between the log-probabilities of both ways, in nats per token, that rounding to 16 bits explains."""

_APART = (
    "the model gives other log-probabilities (by {:.2f} nats per token) if prompts are shared by responses, "
    "so each prompt is read once per response"
)

Scores = tuple[Tensor, Tensor | None]
"""Log-probabilities [N, T] and entropies [N, T] in nats."""


class Scorer:
    """Scores completions by packed sequences; the first batch is scored in both ways, and they must agree.

    Args:
        model: the policy.
        wanted: True: raise an error if the model does not allow it; None: only on a CPU, and only if it does.
        device: of the policy.
        pad: the token that fills sequences.
        temperature: divides the logits.
        entropy_counts: whether gradients go through the entropy.
        full_head: whether the language-model head is to be computed by TRL, e.g. because it is kept in 32 bits.
    """

    def __init__(
        self,
        model: Any,
        wanted: bool | None,
        device: torch.device,
        pad: int,
        temperature: float,
        *,
        entropy_counts: bool,
        full_head: bool,
    ) -> None:
        able = packable(model)
        unwrapped = model.get_base_model() if hasattr(model, "peft_config") else model
        if wanted and not able:
            raise HindsightError(
                "share_prompts needs a model with full attention in all layers, and attn_implementation sdpa or eager; "
                "leave share_prompts out to read every prompt once per response"
            )
        self.active = able and (device.type == "cpu" if wanted is None else wanted)
        """Whether prompts are read once."""
        self._wanted = wanted
        self._checked = False
        self._pad, self._temperature, self._entropy_counts = pad, temperature, entropy_counts
        self._kind: str = model.config.get_text_config()._attn_implementation
        self._dtype: torch.dtype = next(model.parameters()).dtype
        # TRL's own head scores the positions of prompts as well, unless it runs on a GPU.
        keeps = "logits_to_keep" in inspect.signature(unwrapped.forward).parameters
        self._direct = device.type == "cpu" and keeps and not full_head
        self._vocabulary = int(model.config.get_text_config().vocab_size)

    def __call__(
        self, model: Any, ids: Tensor, mask: Tensor, width: int, most: int | None, plain: Callable[[], Scores]
    ) -> Scores:
        """Log-probabilities and entropies of the completions, in nats [N, T]; 0 where a row has no token.

        Args:
            model: the policy, or the reference.
            ids, mask: prompts padded left, then completions padded right; [N, P + T].
            width: of the completions, T.
            most: rows in one pass through the model; None: all.
            plain: TRL's own way, row by row.

        Raises:
            HindsightError: prompts must be read once, but the model then gives other log-probabilities.
        """
        if not self._checked:
            self._check(plain, lambda: self._scores(model, ids, mask, width, most), mask[:, ids.size(1) - width :])
        return self._scores(model, ids, mask, width, most) if self.active else plain()

    def _check(self, plain: Callable[[], Scores], packed: Callable[[], Scores], live: Tensor) -> None:
        """Compare both ways once."""
        self._checked = True
        with torch.no_grad():
            apart = ((plain()[0] - packed()[0]).abs() * live).sum() / live.sum().clamp(min=1)
        if bool(apart <= _CLOSE):
            return
        if self._wanted:
            raise HindsightError(
                f"share_prompts: the model gives other log-probabilities if a prompt is read once for all its "
                f"responses (by {float(apart):.2f} nats per token); leave share_prompts out"
            )
        warnings.warn(_APART.format(float(apart)), stacklevel=2)
        self.active = False

    def _scores(self, model: Any, ids: Tensor, mask: Tensor, width: int, most: int | None) -> Scores:
        count = ids.size(0)
        most = min(most or count, count)
        before = ids.size(1) - width
        parts = deal(prompt_groups(ids[:, :before], mask[:, :before]), -(-count // most), most)
        found = []
        for rows in parts:
            packed = pack(ids[rows], mask[rows], width, self._pad)
            found.append([packed.rows(each) for each in self._pass(model, packed)])
        order = torch.tensor([row for rows in parts for row in rows], device=ids.device).argsort()
        logps, entropies = (torch.cat(each)[order] for each in zip(*found, strict=True))
        return logps, entropies

    def _pass(self, model: Any, packed: Packed) -> tuple[Tensor, Tensor]:
        """Log-probabilities and entropies of the labels [S, L - 1], the first label left out."""
        attention = packed.attention(self._kind, self._dtype)
        given = {"input_ids": packed.ids, "position_ids": packed.positions, "attention_mask": attention}
        labels = packed.labels[:, 1:]
        scored = (labels != IGNORED).any(0)
        scored[0] |= ~scored.any()
        columns = scored.nonzero()[:, 0]
        if not self._direct or labels.size(0) * columns.size(0) * self._vocabulary > _MOST_LOGITS:
            made = model(**given, labels=packed.labels, fused_lm_head=True)
            return made.log_probs, torch.zeros_like(made.log_probs) if made.entropy is None else made.entropy
        logits = model(**given, logits_to_keep=columns, use_cache=False).logits.float()
        wanted = labels[:, columns]
        values = selective_log_softmax_and_entropy(
            logits, wanted.clamp(min=0), entropy_requires_grad=self._entropy_counts, temperature=self._temperature
        )
        empty = logits.new_zeros(labels.shape)
        logps, entropies = (empty.index_copy(1, columns, each.masked_fill(wanted == IGNORED, 0.0)) for each in values)
        return logps, entropies
