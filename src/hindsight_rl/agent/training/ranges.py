"""The allowed range of each numeric setting of training. It is checked before anything is created."""

import dataclasses
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hindsight_rl.errors import HindsightError

INFINITY = math.inf


@dataclass(frozen=True)
class Range:
    """From ``low`` to ``high``, both included; with ``above`` without ``low``."""

    low: float
    high: float = INFINITY
    above: bool = False

    def holds(self, value: float) -> bool:
        """Whether the value is in the range. NaN and infinity never are."""
        return math.isfinite(value) and (self.low < value if self.above else self.low <= value) and value <= self.high

    def __str__(self) -> str:
        low = f"above {self.low:,g}" if self.above else f"at least {self.low:,g}"
        if self.high == INFINITY:
            return f"must be {low}"
        high = f"{self.high:,g}"
        return f"must be {low} and at most {high}" if self.above else f"must be between {self.low:,g} and {high}"


SHARE, POSITIVE, COUNT, MANY = Range(0, 1), Range(0, above=True), Range(1), Range(0)
PART = Range(0, 1, above=True)

RANGES: dict[str, Range] = {
    **dict.fromkeys(
        (
            "total_timesteps", "seeds", "num_envs", "num_steps", "num_updates", "num_worlds", "width", "depth", "rank",
            "relabels", "trajectories", "acting.patience", "acting.mean_life", "acting.candidates",
            "learning.windows_per_event",
            "learning.epochs", "learning.minibatch", "buffer.capacity", "buffer.min_attempts", "buffer.window",
            "llm.candidates", "llm.pending", "endpoint.answer_tokens", "endpoint.concurrency", "endpoint.attempts",
            "endpoint.answer_bytes", "processes.count",
        ),
        COUNT,
    ),
    **dict.fromkeys(
        (
            "num_evals", "num_checkpoints", "favour_rare", "acting.explore_after", "learning.achieved",
            "learning.replay_windows", "learning.own_weight", "learning.reached_weight", "learning.missed_weight",
            "buffer.favour_rare", "buffer.cooldown", "buffer.tenure", "buffer.weights", "endpoint.temperature",
            "endpoint.max_calls", "endpoint.max_tokens", "endpoint.price_in", "endpoint.price_out",
            "processes.index",
        ),
        MANY,
    ),
    **dict.fromkeys(
        (
            "learning_rate_end", "epsilon_start", "epsilon_end", "composed", "acting.sticky", "acting.initial",
            "acting.new_event_share", "acting.repeated_event_share",
            "learning.gamma", "learning.q_lambda", "learning.off_policy_lambda",
            "learning.optimistic_lambda", "buffer.failing_below", "buffer.mastered_above", "buffer.rehearsal",
            "buffer.progress", "llm.same", "noise.rate",
        ),
        SHARE,
    ),
    **dict.fromkeys(("endpoint.timeout", "endpoint.deadline"), POSITIVE),
    **dict.fromkeys(("learning_rate", "epsilon_fraction", "delta", "llm.share"), PART),
    "seed": Range(0, 2**31 - 1),
    "epsilon_spread": Range(0, 2),  # beyond, the rate of some environments would exceed 1
    "learning.death": Range(-1, 1),
    "learning.hindsight": Range(0, 384),  # as many goals as the library holds
}  # fmt: skip
"""By dotted name."""


def numbers(settings: Any, prefix: str = "") -> Iterator[tuple[str, float]]:
    """Each number in nested settings with its dotted name, including the values of dictionaries."""
    for field in dataclasses.fields(settings):
        name, value = prefix + field.name, getattr(settings, field.name)
        if dataclasses.is_dataclass(value):
            yield from numbers(value, f"{name}.")
        elif isinstance(value, dict):
            yield from ((name, v) for v in value.values())
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            yield name, value


def check_ranges(settings: Any) -> None:
    """Check that every number lies in its range.

    Raises:
        HindsightError: names the option and the range.
    """
    for name, value in numbers(settings):
        if not RANGES[name].holds(value):
            raise HindsightError(f"--{name.replace('_', '-')} {value}: {RANGES[name]}")
