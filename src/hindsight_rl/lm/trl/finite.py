"""Updates that are not finite are skipped and counted. After too many in a row, training stops."""

from __future__ import annotations

from typing import Any

import torch
from transformers import TrainerCallback

from hindsight_rl.errors import HindsightError


class Finite(TrainerCallback):
    """Skips updates whose gradient is not finite; after `patience` of them in a row, training stops."""

    def __init__(self, trainer: Any, patience: int) -> None:
        self.trainer, self.patience, self.row = trainer, patience, 0

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **given: Any) -> None:
        if self.trainer.is_deepspeed_enabled:  # DeepSpeed makes the step itself, and checks for overflows itself
            return
        model: Any = given.get("model") or self.trainer.model
        bad = torch.zeros(1, device=self.trainer.accelerator.device)
        for parameter in model.parameters():
            grad = parameter.grad
            if grad is not None:
                local = grad.to_local() if hasattr(grad, "to_local") else grad
                bad += (~local.isfinite().all()).float()
        if not bool(self.trainer.accelerator.reduce(bad, reduction="sum").item()):
            self.row = 0
            return
        for parameter in model.parameters():
            parameter.grad = None
        self.row += 1
        self.trainer._metrics["train"]["hir/skipped_updates"].append(1.0)
        if self.row >= self.patience:
            raise HindsightError(
                f"the gradient was not finite for {self.row} updates in a row, up to step {state.global_step}; resume "
                "from the last checkpoint with a smaller learning_rate"
            )
