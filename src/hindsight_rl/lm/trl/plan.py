"""Which rows are added to a batch in TRL: decided once, on the first process, over all processes' rollouts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from hindsight_rl.lm.trl.buffer import TokenBuffer
from hindsight_rl.lm.trl.config import HiRConfig
from hindsight_rl.lm.trl.rows import Ids
from hindsight_rl.replay.instruction import Instruction
from hindsight_rl.replay.item import ReplayItem
from hindsight_rl.replay.replayer import Replayed, Replayer
from hindsight_rl.replay.rollout import Rollout

Tokenize = Callable[[list[Any]], Sequence[Sequence[int]]]
"""From prompts (chats or texts, depending on the settings) to their token ids."""


@dataclass(frozen=True)
class Plan:
    """The added rows of a step, as they are sent to every process.

    items: replays of the batch, then rows from the replay buffer. A replay of the batch has no completion yet, because
    its tokens are on the process of its rollout. shown: rewritten prompts by the row of their rollout, for the table.
    found: statistics of the selection, without the replays (these hold checkers, which are not sent).
    """

    items: list[ReplayItem[Ids]]
    shown: dict[int, str] = field(default_factory=dict)
    found: Replayed[str] = field(default_factory=Replayed)


class Planner:
    """Chooses the added rows: replays of the batch, then rows from the replay buffer; or, as a control, rollouts.

    Args:
        args: the settings.
        replayer: made from the settings.
        room: most tokens of a prompt.
        buffer: the replay buffer; None without one.
        listener: is called with the rollouts of each batch and their replays.
    """

    def __init__(
        self,
        args: HiRConfig,
        replayer: Replayer,
        room: int,
        buffer: TokenBuffer | None,
        listener: Callable[[Sequence[Rollout], Replayed[str]], None] | None = None,
    ) -> None:
        self.args, self.replayer, self.room, self.buffer, self.listener = args, replayer, room, buffer, listener

    def eligible(self, rollout: Rollout) -> bool:
        """Whether the rollout may be replayed."""
        return not self.args.repeat and self.replayer.eligible(rollout)

    def plan(self, rollouts: list[Rollout], step: int, tokenize: Tokenize) -> Plan:
        """The rows of a step.

        Raises:
            HindsightError: a rewriter or a verifier failed.
        """
        if self.args.repeat:
            return Plan(self._repeats([each.instruction for each in rollouts], step, tokenize))
        again = []
        if self.buffer is not None:
            count = self.args.buffer_rows_per_prompt * self.args.prompts_per_generation
            again = self.buffer.draw(count, np.random.default_rng([self.args.seed, step, 1]))
        found = self.replayer.replay(rollouts, step)
        if self.listener is not None:
            self.listener(rollouts, found)
        ids = self._ids([each.instruction for each in found.replays], tokenize)
        items: list[ReplayItem[Ids]] = []
        shown: dict[int, str] = {}
        for item, tokens in zip(found.replays, ids, strict=True):
            if len(tokens) <= self.room:  # a retargeted constraint may be longer
                assert item.source is not None
                items.append(replace(item.encoded(tokens, []), rewrite=None))
                shown.setdefault(item.source, item.prompt)  # of several relabels, only that of its own instruction
        return Plan([*items, *again], shown, replace(found, replays=[]))

    def _repeats(self, asked: list[Instruction], step: int, tokenize: Tokenize) -> list[ReplayItem[Ids]]:
        """Unchanged rollouts to train on a second time: the same number of rows as with replay."""
        rng = np.random.default_rng([self.args.seed, step])
        drawn = rng.choice(len(asked), min(self.args.replay_budget, len(asked)), replace=False).tolist()
        ids = self._ids([asked[at] for at in drawn], tokenize)
        return [ReplayItem(at, tokens, []) for at, tokens in zip(drawn, ids, strict=True)]

    def _ids(self, asked: Sequence[Instruction], tokenize: Tokenize) -> list[Ids]:
        if not asked:
            return []
        chat = self.args.prompt_format == "chat"
        found = tokenize([each.messages if chat else each.prompt for each in asked])
        return [[int(token) for token in tokens] for tokens in found]
