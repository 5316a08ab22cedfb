"""The replay settings, with the same names in every engine. Standard library only."""

import math
from dataclasses import dataclass
from typing import Literal

from hindsight_rl.errors import HindsightError
from hindsight_rl.replay.buffer import ReplayBuffer
from hindsight_rl.replay.selection import Curriculum, Scope, Selector, Strategy

RewriterName = Literal["drop", "retarget", "keep"]


@dataclass(frozen=True)
class ReplayConfig:
    """Which failures are replayed, under which instructions. Raises :class:`HindsightError` for a bad setting."""

    rewriter: RewriterName = "drop"
    """How instructions are rewritten: `drop` (paper), `retarget` (ours) or `keep` (a control that must fail)."""
    replays_per_prompt: int = 2
    """Most replays of a batch, divided by its prompts; relabels count. 0 turns replay off."""
    relabels: int = 1
    """Relabels per failure (ours): its own instruction, rewritten, and others made of constraints of the batch."""
    strategy: Strategy = "curriculum"
    """Which failures are replayed: `curriculum`, `random`, `integrity` or `diversity`."""
    scope: Scope = "batch"
    """`batch`: the best failures of the whole batch (released code). `group`: from each group at most its share of the
    budget (paper)."""
    lambda_start: float = 2.0
    """Weight of integrity against diversity before the first step."""
    lambda_growth: float = 0.05
    """Growth of that weight per step."""
    lambda_cap: float = float("inf")
    """Upper limit of that weight."""
    closed: bool = True
    """If a constraint is dropped, also drop the constraints that presuppose it."""
    distinct: bool = True
    """Never replay the same response under the same instruction twice."""
    repeats: bool = False
    """Also replay answers that repeat a constraint of their instruction word for word."""
    on_task: float = 0.0
    """Replay only answers whose sentence embedding has at least this cosine with that of their task (ours); 0: all.
    Needs the extra `encoder`."""
    answer_after: str | None = None
    """Judge only the text after the last of these marks (:func:`~hindsight_rl.replay.verification.answer_of`)."""
    seed: int = 0
    """Seed of the random numbers; step t has its own stream, [seed, t]."""

    def __post_init__(self) -> None:
        if self.rewriter not in ("drop", "retarget", "keep"):
            raise HindsightError(f"unknown rewriter {self.rewriter!r}: one of drop, retarget, keep")
        for name, value, low in (("replays_per_prompt", self.replays_per_prompt, 0), ("relabels", self.relabels, 1)):
            if value < low:
                raise HindsightError(f"{name} is {value}: it must be at least {low}")
        if not 0 <= self.lambda_start < math.inf:
            raise HindsightError(f"lambda_start is {self.lambda_start}: it must be at least 0")
        if not -1 < self.lambda_growth < math.inf:
            raise HindsightError(f"lambda_growth is {self.lambda_growth}: it must be above -1")
        if not self.lambda_cap >= 0:
            raise HindsightError(f"lambda_cap is {self.lambda_cap}: it must be at least 0")
        if not -1 <= self.on_task <= 1:
            raise HindsightError(f"on_task is {self.on_task}: a cosine between -1 and 1; 0 replays all answers")
        self.selector()

    def selector(self) -> Selector:
        """The selector; raises :class:`HindsightError` for an unknown strategy or scope."""
        curriculum = Curriculum(self.lambda_start, self.lambda_growth, self.lambda_cap)
        return Selector(self.strategy, self.scope, max(1, self.replays_per_prompt // self.relabels), curriculum)


@dataclass(frozen=True)
class BufferConfig:
    """The replay buffer (ours). Raises :class:`HindsightError` for a bad setting."""

    buffer_rows_per_prompt: int = 0
    """Rows from the replay buffer, per prompt of a batch; 0 for no replay buffer."""
    buffer_capacity: int = 20_000
    """The buffer keeps the newest replays, up to this number, and the same number of successes."""
    buffer_successes: float = 0.5
    """Share of successes among the rows from the buffer; the others are replays."""

    def __post_init__(self) -> None:
        for name, value, low in (
            ("buffer_rows_per_prompt", self.buffer_rows_per_prompt, 0),
            ("buffer_capacity", self.buffer_capacity, 1),
        ):
            if value < low:
                raise HindsightError(f"{name} is {value}: it must be at least {low}")
        if not 0 <= self.buffer_successes <= 1:
            raise HindsightError(f"buffer_successes is {self.buffer_successes}: a share between 0 and 1")

    def buffer(self) -> ReplayBuffer | None:
        """An empty replay buffer; None if `buffer_rows_per_prompt` is 0."""
        return ReplayBuffer(self.buffer_capacity, self.buffer_successes) if self.buffer_rows_per_prompt else None
