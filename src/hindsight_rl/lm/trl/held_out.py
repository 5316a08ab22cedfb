"""Held-out instructions, evaluated before, during and after training: the run's `held_out.jsonl`.

One line per evaluation: `step`, `seconds`, and the results of :func:`hindsight_rl.lm.held_out.evaluate`; with a probe
also `margins`, see :mod:`hindsight_rl.lm.preferences`; with attention also `attention`, see
:mod:`hindsight_rl.lm.attention`.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Sequence
from typing import Any

from transformers import TrainerCallback

from hindsight_rl.errors import HindsightError
from hindsight_rl.lm.held_out import evaluate
from hindsight_rl.lm.trl.config import HiRConfig
from hindsight_rl.lm.trl.preferences import Probe
from hindsight_rl.replay.instruction import Instruction
from hindsight_rl.replay.verification import Verifier
from hindsight_rl.run import Run

FILE = "held_out.jsonl"
EVALUATIONS = 5
"""Default number of evaluations of a run, without the one before training."""
EXAMPLES = 10


class HeldOut(TrainerCallback):
    """Evaluates at step 0, then at regular steps, and at the end.

    Args:
        run: the run folder to write to.
        instructions: held out of training.
        verifier: judges the responses.
        every: steps between evaluations; by default a fifth of the run.
        batch: responses generated at the same time.
        probe: both preferences are measured with the responses to so many of the instructions; 0: they are not.
        attention: attention to the constraints is measured in the responses to so many of the instructions.
    """

    def __init__(
        self,
        run: Run,
        instructions: Sequence[Instruction],
        verifier: Verifier | None = None,
        every: int | None = None,
        batch: int = 64,
        probe: int = 0,
        attention: int = 0,
    ) -> None:
        self.run, self.instructions, self.verifier = run, list(instructions), verifier
        self.every, self.batch, self.probe, self.attention = every, batch, probe, attention
        self._probe: Probe | None = None
        self.trainer: Any = None
        self._done = -1

    def attach(self, trainer: Any) -> None:
        """Set the trainer whose model is evaluated.

        Raises:
            HindsightError: no process of it has the whole model.
        """
        if getattr(trainer, "is_deepspeed_enabled", False) or getattr(trainer, "is_fsdp_enabled", False):
            raise HindsightError(
                "--held_out: no process has the whole model here; remove this option, and evaluate later with "
                "hindsight lm evaluate"
            )
        self.trainer = trainer

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.every = self.every or max(1, math.ceil(state.max_steps / EVALUATIONS))
        if state.is_world_process_zero:  # the others could already see the line of this evaluation, and not wait for it
            self._done = max((int(row["step"]) for row in self.run.lines(FILE)), default=-1)
        self._evaluate(args, state, examples=EXAMPLES, wanted=self._done < 0)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        assert self.every is not None
        if state.global_step % self.every == 0 and state.global_step < state.max_steps:
            self._evaluate(args, state)

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step >= state.max_steps:  # a stopped run may be resumed later
            self._evaluate(args, state, examples=EXAMPLES)

    def _evaluate(self, args: HiRConfig, state: Any, examples: int = 0, wanted: bool = True) -> None:
        """On the first process; the others wait for it."""
        if wanted and state.global_step > self._done and state.is_world_process_zero:
            began = time.monotonic()
            trainer = self.trainer
            model = trainer.accelerator.unwrap_model(trainer.model)
            with trainer.accelerator.autocast():
                found = evaluate(
                    model,
                    trainer.processing_class,
                    self.instructions,
                    max_new_tokens=int(args.max_completion_length or 256),
                    batch=self.batch,
                    verifier=self.verifier,
                    prompt_format=args.prompt_format,
                    examples=examples,
                    attention=self.attention,
                )
                if probe := self._pairs(args, model, state.global_step):
                    found["margins"] = probe.measure(model)
            seconds = round(time.monotonic() - began, 2)
            self.run.append(FILE, {"step": state.global_step, "seconds": seconds, **found})
            print(line(state.global_step, found), file=sys.stderr)
            self._done = state.global_step
        self.trainer.accelerator.wait_for_everyone()

    def _pairs(self, args: HiRConfig, model: Any, step: int) -> Probe | None:
        """The probe: made before the first step, later the same; None if it is not wanted, or was not made then."""
        if self._probe is None and self.probe:
            probe = Probe(self.trainer.processing_class, args.prompt_format, args.per_device_train_batch_size)
            if not probe.load(self.run):
                if step:
                    return None
                tokens = int(args.max_completion_length or 256)
                probe.make(model, self.instructions[: self.probe], tokens, self.verifier, args.seed)
                probe.save(self.run)
            self._probe = probe
        return self._probe


def line(step: int, found: dict[str, Any]) -> str:
    """An evaluation as one line of text."""
    numbers = ", ".join(f"{share:.3f} of those with {n}" for n, share in found["by_number"].items())
    return (
        f"held out, step {step}: all constraints met on {found['all']:.3f} of {found['instructions']} instructions "
        f"({numbers}); each {found['each']:.3f}, ended {found['ended']:.2f}, perplexity {found['perplexity']:.1f}"
    )
