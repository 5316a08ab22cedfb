"""Log-probabilities of completions by packed sequences, which read a prompt once for several responses."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor

from hindsight_rl.errors import HindsightError
from hindsight_rl.lm.trl.packing import IGNORED, Packed, deal, pack, prompt_groups

_CLOSE = 0.1
"""Mean difference between the log-probabilities of both ways, in nats per token, that rounding to 16 bits explains."""

Scores = tuple[Tensor, Tensor | None]
"""Log-probabilities [N, T] and entropies [N, T] in nats."""


def packable(model: Any) -> bool:
    """Whether a model takes packed sequences.

    Its attention must be full in all layers and take a mask of any form (sdpa or eager), and the distance between two
    tokens must come from their given positions alone (rotary), not from their places in the sequence.
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
        able = packable(model)
        if share == "always" and not able:
            raise HindsightError(
                "share_prompts=always needs a model with rotary positions and full attention in all layers, and "
                "attn_implementation sdpa or eager; leave share_prompts out to read a prompt once per response"
            )
        self.active = able and (accelerator.device.type == "cpu" if share == "auto" else share == "always")
        """Whether responses share a prompt."""
        self._share, self._pad, self._accelerator = share, pad, accelerator
        self._checked = False
        self._dtype: torch.dtype = next(model.parameters()).dtype
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
        if not self._checked:
            self._check(model, ids, mask, width, most, plain)
        return self._scores(model, ids, mask, width, most) if self.active else plain()

    def _check(
        self, model: Any, ids: Tensor, mask: Tensor, width: int, most: int | None, plain: Callable[[], Scores]
    ) -> None:
        """Compare both ways, once, as soon as responses share a prompt on any process. All processes decide alike."""
        before = ids.size(1) - width
        live = mask[:, before:]
        groups = prompt_groups(ids[:, :before], mask[:, :before])
        shared = any(int((live[rows].sum(1) > 0).sum()) > 1 for _, rows in groups)
        if not bool(self._total(torch.tensor([float(shared)], device=ids.device)) > 0):
            return
        training = model.training
        model.eval()  # dropout would make them differ
        try:
            with torch.no_grad():
                apart = ((plain()[0] - self._scores(model, ids, mask, width, most)[0]).abs() * live).sum()
        finally:
            model.train(training)
        difference, tokens = self._total(torch.stack([apart.float(), live.sum().float()])).tolist()
        if not math.isfinite(difference):  # the trainer reports weights that are not finite
            return
        self._checked = True
        if difference <= _CLOSE * tokens:
            return
        found = f"packed sequences change the model's log-probabilities by {difference / tokens:.2f} nats per token"
        if self._share == "always":
            raise HindsightError(f"share_prompts=always: {found}; leave share_prompts out")
        if self._accelerator.is_main_process:
            warnings.warn(f"{found}, so a prompt is read once per response", stacklevel=2)
        self.active = False

    def _total(self, value: Tensor) -> Tensor:
        """The sum over all processes."""
        total: Tensor = self._accelerator.reduce(value, reduction="sum")
        return total

    def _scores(self, model: Any, ids: Tensor, mask: Tensor, width: int, most: int | None) -> Scores:
        count = ids.size(0)
        most = min(most or count, count)
        before = ids.size(1) - width
        parts = deal(prompt_groups(ids[:, :before], mask[:, :before]), -(-count // most), most)
        found = []
        for rows in parts:
            packed = pack(ids[rows], mask[rows], width, self._pad, self._attention)
            found.append([packed.rows(each) for each in self._pass(model, packed)])
        order = torch.tensor([row for rows in parts for row in rows], device=ids.device).argsort()
        logps, entropies = (torch.cat(each)[order] for each in zip(*found, strict=True))
        return logps, entropies

    def _pass(self, model: Any, packed: Packed) -> tuple[Tensor, Tensor]:
        """Log-probabilities and entropies of the labels [S, L - 1], the first label left out."""
        labels = packed.labels[:, 1:]
        scored = (labels != IGNORED).any(0)
        scored[0] |= ~scored.any()
        columns = scored.nonzero()[:, 0]
        with self._accelerator.autocast(), self._narrowed(model, columns):
            made = model(
                input_ids=packed.ids,
                position_ids=packed.positions,
                attention_mask=self._mask(packed),
                shift_labels=labels[:, columns],
                fused_lm_head=True,
            )
        empty = made.log_probs.new_zeros(labels.shape)
        entropy = torch.zeros_like(made.log_probs) if made.entropy is None else made.entropy
        return empty.index_copy(1, columns, made.log_probs), empty.index_copy(1, columns, entropy)

    def _mask(self, packed: Packed) -> Tensor:
        """What is added to the scores of attention, in their own dtype: otherwise every layer keeps a copy of it."""
        kind = packed.ids.device.type
        dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else self._dtype
        hidden = torch.full((), torch.finfo(dtype).min, dtype=dtype, device=packed.ids.device)
        return torch.where(packed.mask, torch.zeros_like(hidden), hidden)

    @contextmanager
    def _narrowed(self, model: Any, columns: Tensor) -> Iterator[None]:
        """The head gets these columns of the hidden states alone; off a GPU, TRL's head would score all of them."""
        own = self._accelerator.unwrap_model(model)
        own = own.get_base_model() if hasattr(own, "peft_config") else own

        def narrow(module: Any, given: Any, output: Any) -> Any:
            output.last_hidden_state = output.last_hidden_state[:, columns]
            return output

        hook = own.base_model.register_forward_hook(narrow)
        try:
            yield
        finally:
            hook.remove()
