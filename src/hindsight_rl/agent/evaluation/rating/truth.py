"""The scripted annotator `true-events`: it answers by what truly happened, as the environment reports it.

It tests the page and the figures where no person has rated yet. It is no person: it knows phrasings of events, and does
not answer where it cannot tell which events a sentence asks for.
"""

import itertools
from collections.abc import Sequence
from typing import Literal

import numpy as np

from hindsight_rl.agent.envs.events import event_index, fulfilling
from hindsight_rl.agent.evaluation.rating.proposals import Proposal
from hindsight_rl.agent.instructions.language import SPLITS
from hindsight_rl.agent.reward.semantic import InstructionError, SemanticReward

Verdict = Literal["yes", "partly", "no"]


class TrueEvents:
    """Answers by true events.

    Args:
        reward: gives the events and their phrasings. A phrasing that is in no list is read by it.
    """

    def __init__(self, reward: SemanticReward):
        self.reward = reward
        self._index = event_index(reward.events)
        self._fulfils = np.array(fulfilling(reward.events))
        self._known: dict[str, int] = {}
        for i, event in enumerate(reward.events):
            phrasings = [text for split in SPLITS for text in reward.language.phrases(event.name, split)]
            for text in (*phrasings, *event.captions):
                self._known.setdefault(text.lower(), i)

    def verdict(self, proposal: Proposal) -> Verdict | None:
        """`yes`: all events that the relabel asks for happened, in its order if it has one, and nothing that it
        forbids; `no`: none of them happened; else `partly`. None: it is not clear which events it asks for."""
        goals, ordered = proposal.goals, proposal.ordered
        times: tuple[int, ...] = ()
        avoid: tuple[str, ...] = ()
        if not goals:
            try:
                parsed = self.reward.check(proposal.text)
            except InstructionError:
                return None
            goals, ordered, times, avoid = parsed.goals, parsed.ordered, parsed.times, parsed.avoid
        meant = [event for event in map(self._event, goals) if event is not None]
        if len(meant) < len(goals):
            return None
        happened = [proposal.trajectory.events @ self._fulfils[:, event] for event in meant]
        forbidden = [proposal.trajectory.events @ self._fulfils[:, self._index[name]] for name in avoid]
        if not any(steps.any() for steps in happened):
            return "no"
        whole = _fulfilled(happened, times or [1] * len(goals), ordered) and not any(x.any() for x in forbidden)
        return "yes" if whole else "partly"

    def _event(self, goal: str) -> int | None:
        found = self._known.get(goal.lower())
        if found is None and (name := self.reward.meaning(goal)) is not None:
            found = self._index[name]
        return found


def _fulfilled(happened: Sequence[np.ndarray], times: Sequence[int], ordered: bool) -> bool:
    """Did every goal happen as often as asked? Of ordered goals, each after the one before.

    Args:
        happened: of each goal, bool [T].
    """
    after = -1
    for steps, count in zip(happened, times, strict=True):
        found = [int(step) for step in np.flatnonzero(steps) if step > after]
        if len(found) < count:
            return False
        if ordered:
            after = next(itertools.islice(found, count - 1, None))
    return True
