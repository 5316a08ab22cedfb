"""Log-probabilities of completions by packed sequences, which read a prompt once for several responses."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor

from hindsight_rl.errors import HindsightError
from hindsight_rl.lm.trl.packing import IGNORED, Packed, deal, pack, prompt_groups

_CLOSE, _CLOSE_16_BIT = 1e-3, 0.1
"""Mean difference between the log-probabilities of both ways, in nats per token, that rounding explains."""

Scores = tuple[Tensor, Tensor | None]
"""Log-probabilities [N, T] and entropies [N, T] in nats."""


def packable(model: Any) -> bool:
    """Whether a model takes packed sequences.

    Its attention must be full in all layers and take a mask of any form (sdpa or eager), and the distance between two
    tokens must come from their given positions alone (rotary), not from their places in the sequence. A router of
    experts that computes its balancing loss in every pass takes no such mask.
    """
    config = model.config.get_text_config()
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    rotary = getattr(config, "rope_parameters", None) or getattr(config, "rope_theta", None)
    peft = getattr(model, "peft_config", {})
    return (
        config._attn_implementation in ("sdpa", "eager")
        and kinds == {"full_attention"}
        and bool(rotary)
        and not getattr(config, "alibi", False)
        and not getattr(config, "sliding_window", None)
        and not getattr(config, "is_encoder_decoder", False)
        and not getattr(config, "output_router_logits", False)
        and not any(each.is_prompt_learning for each in peft.values())
    )


class Scorer:
    """Scores completions by packed sequences.

    The first batch in which responses share a prompt is scored in both ways, and they must agree.

    Args:
        model: the policy.
        share: `always`: raise an error if the model does not allow it; `auto`: only on a CPU, and only if it does;
            `never`.
        pad: the token that fills sequences.
        accelerator: of the trainer.
    """

    def __init__(self, model: Any, share: str, pad: int, accelerator: Accelerator) -> None:
        able = share != "never" and packable(model)
        if share == "always" and not able:
            raise HindsightError(
                "share_prompts=always needs a model with rotary positions, full attention in all layers, "
                "attn_implementation sdpa or eager, and no balancing loss of experts; leave share_prompts out to read "
                "a prompt once per response"
            )
        self.active = able and (share == "always" or accelerator.device.type == "cpu")
        """Whether responses share a prompt."""
        self._share, self._pad, self._accelerator = share, pad, accelerator
        self._checked = False
        if not self.active:
            return
        # Operations of attention per pair of tokens, over those of the weights of a layer per token: 4 d / 24 d^2.
        self._attention = 1 / (6 * model.config.get_text_config().hidden_size)

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
            HindsightError: with `always`: the model gives other log-probabilities for packed sequences.
        """
        packs = self._packs(ids, mask, width, most)
        if not self._checked:
            self._check(model, packs, plain, mask[:, ids.size(1) - width :])
        return self._scores(model, packs) if self.active else plain()

    def _packs(self, ids: Tensor, mask: Tensor, width: int, most: int | None) -> list[tuple[list[int], Packed]]:
        """The rows of each pass, and their sequences."""
        count, before = ids.size(0), ids.size(1) - width
        most = min(most or count, count)
        parts = deal(prompt_groups(ids[:, :before], mask[:, :before]), -(-count // most), most)
        return [(rows, pack(ids[rows], mask[rows], width, self._pad, self._attention)) for rows in parts]

    def _check(
        self, model: Any, packs: Sequence[tuple[list[int], Packed]], plain: Callable[[], Scores], live: Tensor
    ) -> None:
        """Compare both ways until a batch in which responses shared a prompt was right. All processes decide alike.

        live: whether a row has a token, [N, T].
        """
        mixed = torch.zeros_like(live, dtype=torch.bool)
        for rows, packed in packs:
            mixed[rows] = packed.mixed[:, None] & packed.live
        shares = any(packed.shares for _, packed in packs)
        tokens, sharing = self._total(torch.tensor([float(mixed.sum()), float(shares)], device=live.device)).tolist()
        if not tokens:
            return
        training = model.training
        model.eval()  # dropout would make them differ
        try:
            with torch.no_grad():
                row_by_row = plain()[0].float() * mixed
                difference = (row_by_row - self._scores(model, packs)[0] * mixed).abs().sum()
        finally:
            model.train(training)
        known, apart = self._total(torch.stack([row_by_row.sum(), difference])).tolist()
        if not math.isfinite(known):  # the trainer reports weights that are not finite
            return
        self._checked = bool(sharing)
        half = self._accelerator.mixed_precision in ("bf16", "fp16") or self._plain(model).dtype != torch.float32
        if apart <= (_CLOSE_16_BIT if half else _CLOSE) * tokens:
            return
        found = f"packed sequences change the model's log-probabilities by {apart / tokens:.2g} nats per token"
        if self._share == "always":
            raise HindsightError(f"share_prompts=always: {found}; leave share_prompts out")
        if self._accelerator.is_main_process:
            warnings.warn(f"{found}, so a prompt is read once per response", stacklevel=2)
        self.active = False

    def _total(self, value: Tensor) -> Tensor:
        """The sum over all processes."""
        total: Tensor = self._accelerator.reduce(value, reduction="sum")
        return total

    def _scores(self, model: Any, packs: Sequence[tuple[list[int], Packed]]) -> tuple[Tensor, Tensor]:
        found = [[packed.rows(each) for each in self._pass(model, packed)] for _, packed in packs]
        order = torch.tensor([row for rows, _ in packs for row in rows]).argsort()
        logps, entropies = (torch.cat(each)[order] for each in zip(*found, strict=True))
        return logps, entropies

    def _pass(self, model: Any, packed: Packed) -> tuple[Tensor, Tensor]:
        """Log-probabilities and entropies of the labels [S, L - 1], the first label left out."""
        labels = packed.labels[:, 1:]
        scored = labels != IGNORED
        scored[0, 0] |= ~scored.any()  # so that the output always depends on the model
        with self._accelerator.autocast(), self._narrowed(model, scored):
            made = model(
                input_ids=packed.ids,
                position_ids=packed.positions,
                attention_mask=self._mask(model, packed),
                shift_labels=labels[scored][None],
                fused_lm_head=True,
            )
        entropy = torch.zeros_like(made.log_probs) if made.entropy is None else made.entropy
        empty = made.log_probs.new_zeros(labels.shape)
        return empty.masked_scatter(scored, made.log_probs), empty.masked_scatter(scored, entropy)

    def _mask(self, model: Any, packed: Packed) -> Tensor:
        """What is added to the scores of attention, in their own dtype: otherwise every layer keeps a copy of it."""
        kind = packed.ids.device.type
        half = torch.is_autocast_enabled(kind)
        dtype = torch.get_autocast_dtype(kind) if half else self._plain(model).dtype
        hidden = torch.full((), torch.finfo(dtype).min, dtype=dtype, device=packed.ids.device)
        return torch.where(packed.mask, torch.zeros_like(hidden), hidden)

    def _plain(self, model: Any) -> Any:
        """The model itself, without the wrappers of accelerate and PEFT."""
        own = self._accelerator.unwrap_model(model)
        return own.get_base_model() if hasattr(own, "get_base_model") else own

    @contextmanager
    def _narrowed(self, model: Any, scored: Tensor) -> Iterator[None]:
        """The head gets the hidden states of scored labels [S, L - 1] alone; off a GPU, TRL's head would score all."""

        def narrow(module: Any, given: Any, output: Any) -> Any:
            output.last_hidden_state = output.last_hidden_state[:, :-1][scored][None]
            return output

        hook = self._plain(model).base_model.register_forward_hook(narrow)
        try:
            yield
        finally:
            hook.remove()
