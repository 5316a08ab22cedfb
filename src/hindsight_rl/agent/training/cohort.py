"""Seeds side by side: one program trains several agents that share nothing but their shapes.

For a device that one seed leaves idle. Each seed has its own network, worlds, library, buffer and run folder.
"""

import time
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from hindsight_rl.agent.training.iteration import advance_seeds
from hindsight_rl.agent.training.trainer import Trainer
from hindsight_rl.errors import HindsightError


class Cohort:
    """Trainers of one configuration but for the seed, advanced together.

    Args:
        trainers: at least one, all at the same step.

    Raises:
        HindsightError: several seeds on several devices, or seeds resumed from different steps.
    """

    def __init__(self, trainers: Sequence[Trainer]):
        self.trainers = list(trainers)
        if len({trainer.stretch for trainer in self.trainers}) > 1:
            where = ", ".join(f"{t.run.path} at {t.step:,}" for t in self.trainers)
            raise HindsightError(f"seeds side by side must be equally far: {where}; resume them one at a time")
        self._stacked: Any = None
        if len(self.trainers) > 1:
            if len(self.trainers[0].placement.devices) > 1:
                raise HindsightError("--seeds: several seeds in one program take one device; run one seed a process")
            self._stacked = _stack([trainer.learner for trainer in self.trainers])

    def advance(self) -> list[dict[str, Any]]:
        """One stretch of every seed; the metrics of each."""
        if self._stacked is None:
            return [self.trainers[0].advance()]
        began = time.perf_counter()
        lead = self.trainers[0]
        tables = _stack([trainer.tables() for trainer in self.trainers])
        watched = jnp.stack([trainer.watched() for trainer in self.trainers])
        self._stacked, report = advance_seeds(*lead.statics, *lead.constants, tables, self._stacked, watched)
        report = jax.tree.map(np.asarray, report)
        seconds = (time.perf_counter() - began) / len(self.trainers)
        return [
            trainer.digest(jax.tree.map(lambda x, i=i: x[i], report), seconds)
            for i, trainer in enumerate(self.trainers)
        ]

    def part(self) -> None:
        """Give every trainer its own learner, to be evaluated or saved."""
        if self._stacked is not None:
            for i, trainer in enumerate(self.trainers):
                trainer.learner = jax.tree.map(lambda x, i=i: x[i], self._stacked)


def _stack(trees: Sequence[Any]) -> Any:
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees)
