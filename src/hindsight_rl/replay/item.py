"""A replay, from the core to the row of training. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from hindsight_rl.replay.instruction import Instruction
from hindsight_rl.replay.rollout import Rewrite

T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True)
class ReplayItem(Generic[T]):
    """A response under an instruction that it fulfils; its reward is 1.

    source: index of its rollout; None for an item of the replay buffer. prompt, completion: the rewritten prompt
    and the response, as texts; engines replace them by token ids (:meth:`encoded`). rewrite: the rewritten instruction;
    None for an item of the replay buffer. score: its score in the selection (diversity + lambda * integrity). own: true
    for a rewrite of its own instruction, false for one made of constraints of the whole batch
    (:class:`hindsight_rl.replay.pool.Pool`).
    """

    source: int | None
    prompt: T
    completion: T
    rewrite: Rewrite | None = None
    score: float = 0.0
    own: bool = True

    @property
    def instruction(self) -> Instruction:
        """The rewritten instruction; raises ``ValueError`` for an item of the replay buffer, which has none."""
        if self.rewrite is None:
            raise ValueError("an item of the replay buffer has no instruction, only its prompt")
        return self.rewrite.instruction

    def encoded(self, prompt: U, completion: U) -> ReplayItem[U]:
        """The same item with token ids (or anything else) instead of texts."""
        return replace(self, prompt=prompt, completion=completion)  # type: ignore[arg-type, return-value]
