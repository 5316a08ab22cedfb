"""The constraints of a whole batch, for further relabels of a failure. Standard library and NumPy."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from hindsight_rl.replay.instruction import Constraint, Instruction, restated
from hindsight_rl.replay.rollout import Rewrite, Rewriter, Rollout


@dataclass(frozen=True)
class Pool:
    """All constraints of a batch, for more relabels of a response.

    HiR rewrites the instruction of a failure once. The response may fulfil many other constraints of the batch, some
    with another value. Any of them make an instruction that the response fulfils (like HER's goals of other episodes).

    constraints: of all instructions, those that presuppose nothing. texts: their wording. most: the largest number of
    constraints with the same id in one instruction.
    """

    constraints: tuple[Constraint, ...]
    texts: tuple[str, ...]
    most: Counter[str]

    @classmethod
    def of(cls, instructions: Sequence[Instruction]) -> "Pool":
        """The pool of these instructions, each counted once."""
        found: list[tuple[Constraint, str]] = []
        most: Counter[str] = Counter()
        for each in {id(each): each for each in instructions}.values():
            if each.inline:
                continue
            lone = [index for index, needs in enumerate(each.needs) if not needs]
            found += [(each.constraints[index], each.texts[index]) for index in lone]
            most |= Counter(each.constraints[index].id for index in lone)
        return cls(tuple(each for each, _ in found), tuple(text for _, text in found), most)

    def rewrite(self, rollout: Rollout, rewriter: Rewriter, rng: np.random.Generator) -> Rewrite | None:
        """The rollout's task with the same number of constraints from the pool, with values that the response achieved.

        The soft demands of its own task stay. None if no constraint of the pool holds.
        """
        asked, left = rollout.instruction, Counter(self.most)
        made: list[Constraint] = []
        texts: list[str] = []
        for place in rng.permutation(len(self.constraints)):
            if len(made) == len(asked.constraints):
                break
            each = self.constraints[place]
            lent = rewriter.lend(each, rollout.response, made, asked.prompt) if left[each.id] else None
            if lent is not None:
                left[each.id] -= 1
                made.append(lent)
                texts.append(self.texts[place] if lent is each else restated(lent))
        if not made:
            return None
        lent_to = replace(asked, constraints=tuple(made), texts=tuple(texts), needs=(), prompt="")
        return Rewrite(lent_to, kept=tuple(range(len(made))))
