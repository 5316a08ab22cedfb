"""The settings of replay, with the same names in every engine. Standard library only."""

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
    """`drop` (the paper's), `retarget` (ours) or `keep` (a control that must fail)."""
    replays_per_prompt: int = 2
    """The budget of a batch is this times its prompts, relabels included; 0 turns replay off."""
    relabels: int = 1
    """Relabels per failure (ours): its own instruction, rewritten, and others made of the batch's constraints."""
    strategy: Strategy = "curriculum"
    """Which failures: `curriculum`, `random`, `integrity` or `diversity`."""
    scope: Scope = "batch"
    """The best of the whole `batch` (released code), or of each `group` no more than its share of the budget (the
    paper's text)."""
    lambda_start: float = 2.0
    """Weight of integrity against diversity before the first step."""
    lambda_growth: float = 0.05
    """Growth of that weight per step."""
    lambda_cap: float = float("inf")
    """The most that the weight becomes."""
    closed: bool = True
    """Drop with a constraint what presupposes it."""
    distinct: bool = True
    """Never replay the same response under the same instruction twice."""
    answer_after: str | None = None
    """Only what follows the last of these marks is judged (:func:`~hindsight_rl.replay.verification.answer_of`)."""
    seed: int = 0
    """Of the random numbers; step t draws from its own stream, [seed, t]."""

    def __post_init__(self) -> None:
        if self.rewriter not in ("drop", "retarget", "keep"):
            raise HindsightError(f"unknown rewriter {self.rewriter!r}: one of drop, retarget, keep")
        for name, value, low in (("replays_per_prompt", self.replays_per_prompt, 0), ("relabels", self.relabels, 1)):
            if value < low:
                raise HindsightError(f"{name} is {value}: it must be at least {low}")
        self.selector()

    def selector(self) -> Selector:
        """The selector; raises :class:`HindsightError` for an unknown strategy or scope."""
        curriculum = Curriculum(self.lambda_start, self.lambda_growth, self.lambda_cap)
        return Selector(self.strategy, self.scope, max(1, self.replays_per_prompt // self.relabels), curriculum)


@dataclass(frozen=True)
class BufferConfig:
    """The replay buffer (ours). Raises :class:`HindsightError` for a bad setting."""

    buffer_rows_per_prompt: int = 0
    """Rows of earlier steps that are trained on again, times the prompts of a batch; 0 for no replay buffer."""
    buffer_capacity: int = 20_000
    """Replays that are kept, the newest, and as many successes."""
    buffer_successes: float = 0.5
    """Share of the rows that are successes, where there are so many; the others are replays."""

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
        """An empty replay buffer; None where none is asked for."""
        return ReplayBuffer(self.buffer_capacity, self.buffer_successes) if self.buffer_rows_per_prompt else None
