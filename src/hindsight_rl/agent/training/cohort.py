"""Several seeds in one program: the agents have the same shapes and share nothing else.

This is for a device that one seed does not keep busy. Each seed has its own network, environments, library, buffer and
run folder.
"""

import dataclasses
import time
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from hindsight_rl.agent.training.iteration import TrainState, train_iteration_of_seeds
from hindsight_rl.agent.training.training_run import TrainingRun
from hindsight_rl.errors import HindsightError


class Cohort:
    """Runs that differ only in their seed, trained together.

    Args:
        runs: at least one, all at the same step.

    Raises:
        HindsightError: several seeds on several devices, or seeds resumed from different steps.
    """

    def __init__(self, runs: Sequence[TrainingRun]):
        self.runs = list(runs)
        if len({each.iteration for each in self.runs}) > 1:
            where = ", ".join(f"{r.run.path} at {r.step:,}" for r in self.runs)
            raise HindsightError(f"parallel seeds must be at the same step: {where}; resume them one at a time")
        self._states: TrainState | None = None
        if len(self.runs) > 1:
            if len(self.runs[0].placement.devices) > 1:
                raise HindsightError("--seeds: several seeds in one program need one device; run one seed per process")
            self._states = _stack([each.state for each in self.runs])

    def iterate(self) -> list[dict[str, Any]]:
        """One iteration of every seed; the metrics of each."""
        if self._states is None:
            return [self.runs[0].iterate()]
        began = time.perf_counter()
        lead = self.runs[0]
        inputs = [each.inputs() for each in self.runs]
        joined = dataclasses.replace(
            inputs[0], tables=_stack([x.tables for x in inputs]), watched=jnp.stack([x.watched for x in inputs])
        )
        self._states, report = train_iteration_of_seeds(lead.static, joined, self._states)
        report = jax.tree.map(np.asarray, report)
        seconds = (time.perf_counter() - began) / len(self.runs)
        return [each.digest(jax.tree.map(lambda x, i=i: x[i], report), seconds) for i, each in enumerate(self.runs)]

    def part(self) -> None:
        """Copy each seed's state back to its run, to evaluate or save it."""
        if self._states is not None:
            for i, each in enumerate(self.runs):
                each.state = jax.tree.map(lambda x, i=i: x[i], self._states)


def _stack(trees: Sequence[Any]) -> Any:
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees)
