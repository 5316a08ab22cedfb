"""Which rows are added to a batch in TRL: decided once, on the first process, over all processes' rollouts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from hindsight_rl.lm.trl.buffer import TokenMemory
from hindsight_rl.lm.trl.config import HiRConfig
from hindsight_rl.lm.trl.rows import Planned
from hindsight_rl.replay.instruction import Instruction
from hindsight_rl.replay.replayer import Replayed, Rewriter, Rollout, may_be_replayed, replay
from hindsight_rl.replay.verification import AnswerVerifier

Tokenize = Callable[[list[Any]], Sequence[Sequence[int]]]
"""From prompts, chats or texts as the settings say, to their ids."""

# What the other processes hear of a :class:`Replayed`. Not its replays: those hold checkers, which do not travel.
_FOUND = ("candidates", "refused", "weight", "diversity", "integrity", "kept")


class Planner:
    """Replays of the batch, and after them what is remembered of earlier ones; or, as a control, rollouts again.

    Args:
        args: the settings. rewriter, verifier: as in :func:`hindsight_rl.replay.replayer.replay`. room: the longest
            prompt, in tokens. memory: to draw from, where there is one.
    """

    def __init__(
        self, args: HiRConfig, rewriter: Rewriter, verifier: AnswerVerifier, room: int, memory: TokenMemory | None
    ) -> None:
        self.args, self.room, self.memory = args, room, memory
        self.rewriter, self.verifier = rewriter, verifier
        self.selector = args.selector()
        self.replays = args.replays_per_prompt > 0 and not args.repeat

    def eligible(self, rollout: Rollout) -> bool:
        """It may come to be replayed."""
        answered = replace(rollout, response=self.verifier.answer(rollout.response))
        return self.replays and may_be_replayed(answered, self.rewriter)

    def plan(self, rollouts: list[Rollout], step: int, tokenize: Tokenize) -> tuple[list[Planned], Replayed]:
        """The rows of a step, and how selection went, without the replays themselves.

        Raises:
            HindsightError: a rewriter or a verifier failed.
        """
        if self.args.repeat:
            return self._repeats([each.instruction for each in rollouts], step, tokenize), self._nothing(step)
        again = []
        if self.memory is not None:
            count = self.args.memory_per_prompt * self.args.prompts_per_generation
            again = self.memory.draw(count, np.random.default_rng([self.args.seed, step, 1]))
        if not self.replays:
            return again, self._nothing(step)
        found = replay(
            rollouts,
            step=step,
            budget=self.args.replay_budget,
            selector=self.selector,
            rewriter=self.rewriter,
            rng=np.random.default_rng([self.args.seed, step]),
            verify=self.verifier,
            names=self.args.names,
        )
        ids = self._ids([each.instruction for each in found.replays], tokenize)
        planned = [
            Planned(each.source, tokens, each.instruction.prompt)
            for each, tokens in zip(found.replays, ids, strict=True)
            if len(tokens) <= self.room  # a retargeted constraint may have grown
        ]
        return planned + again, Replayed([], *(getattr(found, name) for name in _FOUND))

    def _repeats(self, asked: list[Instruction], step: int, tokenize: Tokenize) -> list[Planned]:
        """Rollouts to train on a second time, as they are: as many rows as replay has."""
        rng = np.random.default_rng([self.args.seed, step])
        drawn = rng.choice(len(asked), min(self.args.replay_budget, len(asked)), replace=False).tolist()
        ids = self._ids([asked[at] for at in drawn], tokenize)
        return [Planned(at, tokens, "") for at, tokens in zip(drawn, ids, strict=True)]

    def _ids(self, asked: Sequence[Instruction], tokenize: Tokenize) -> list[list[int]]:
        if not asked:
            return []
        chat = self.args.prompt_format == "chat"
        found = tokenize([each.messages if chat else each.prompt for each in asked])
        return [[int(token) for token in tokens] for tokens in found]

    def _nothing(self, step: int) -> Replayed:
        return Replayed([], 0, {}, self.selector.curriculum.weight(step), 0.0, 0.0, 0.0)
