"""Relabelers propose what a trajectory achieved; verification keeps only what the reward confirms.

A relabel carries its evidence: the step and the event behind each goal. A relabeler may be wrong (a language
model will be); `verify` rejects a relabel when the semantic reward does not fire on its own evidence.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from hindsight_rl.agent.envs.events import Event, event_index
from hindsight_rl.agent.instructions.language import Language
from hindsight_rl.agent.instructions.parser import MAX_TRAINED_GOALS, join
from hindsight_rl.agent.reward.semantic import SemanticReward

_IN_ORDER = np.array(("{0}, then {1}", "first {0}, then {1}", "{0} and then {1}"))
_ANY_ORDER = np.array(("{0} and {1}", "both {0} and {1}", "{0} as well as {1}"))


@dataclass(frozen=True)
class Relabel:
    """An instruction that a trajectory fulfilled.

    Attributes:
        text: the instruction.
        goals: its goals, one text each.
        ordered: the goals were fulfilled in this order and are asked for in this order.
        evidence: per goal, the step (index into the trajectory) and the name of the event that fulfilled it.
        wrong: in noise studies, whether it is known to ask for something that did not happen. Verification ignores it.
    """

    text: str
    goals: tuple[str, ...]
    ordered: bool
    evidence: tuple[tuple[int, str], ...]
    wrong: bool | None = None


class Relabeler(Protocol):
    """Proposes what trajectories achieved: templates, a language model, or your own class."""

    def propose(self, events: np.ndarray, k: int, rng: np.random.Generator) -> list[Relabel]:
        """At most k relabels of one trajectory.

        Args:
            events: bool [T, n_events], what happened at each step.
            k: how many at most; fewer if the trajectory achieved less.
            rng: source of every choice.
        """
        ...


@dataclass(frozen=True)
class Delivery:
    """A relabel that became ready in the background of training.

    Attributes:
        text: what was proposed.
        relabel: the same as a relabel; None where it was rejected.
        rejected: why it was rejected.
        events: bool [T, n_events], the trajectory that it was proposed for.
        origin: which model proposed it, with which prompt, how many steps ago. Plain JSON, recorded with the relabel.
    """

    text: str
    relabel: Relabel | None
    rejected: str | None
    events: np.ndarray
    origin: dict[str, Any]


@runtime_checkable
class RelabelSource(Protocol):
    """A relabeler that works in the background of training, or keeps a state.

    After each training iteration, training calls `at`, `propose` for every trajectory, `delivered`, `watch` and
    `metrics`. None of them may block.
    """

    def at(self, step: int, templates: Relabeler, rarity: np.ndarray) -> Relabeler:
        """Receive the training step, a fallback relabeler, and the rarity of each event, float [n_events]. Returns the
        relabeler that proposes now."""
        ...

    def watch(self, trajectories: Sequence[np.ndarray]) -> None:
        """Receive the trajectories of this iteration, bool [T, n_events] each. Copy them to keep them."""
        ...

    def delivered(self) -> list[Delivery]:
        """What became ready since the last iteration."""
        ...

    def metrics(self) -> dict[str, Any]:
        """Counts so far, for the run's metrics."""
        ...

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps, as plain JSON."""
        ...

    def restore(self, state: dict[str, Any]) -> None:
        """The inverse of `state`."""
        ...

    def resume(self) -> None:
        """Resume a run: continue with unfinished work."""
        ...

    def close(self) -> None:
        """Training is over."""
        ...


class TemplateRelabeler:
    """Relabels with the train phrasings of what happened: no language model, never wrong about the events."""

    def __init__(
        self,
        events: Sequence[Event],
        language: Language,
        weights: Mapping[str, float] | np.ndarray | None = None,
        composed: float = 0.3,
        max_goals: int = MAX_TRAINED_GOALS,
    ):
        """Args:
        events: the vocabulary, in the order of the environment. Events that no instruction in training may ask for
            (`Event.trained`) are not proposed.
        language: how people name the events; an event without phrasings is named by its caption.
        weights: weight of each event (missing: 1), by name or as an array [n_events]. Give rare events more,
            e.g. 1 / (number of occurrences). None prefers events that happened rarely and late in the trajectory.
        composed: share of proposals with two or more goals, where the trajectory allows them.
        max_goals: most goals in one instruction.
        """
        self.events = tuple(events)
        self.composed = composed
        self.max_goals = max_goals
        index = event_index(events)
        self._wanted: np.ndarray | None = None
        if isinstance(weights, np.ndarray):
            self._wanted = np.asarray(weights, float)
        elif weights is not None:
            self._wanted = np.array([weights.get(event.name, 1.0) for event in events], float)
        self._open = np.array([event.trained for event in events])
        self._texts = [language.phrases(event.name, "train") or event.captions[:1] for event in events]
        self._general = [[index[name] for name in event.implies if name in index] for event in events]

    def propose(self, events: np.ndarray, k: int, rng: np.random.Generator) -> list[Relabel]:
        """See `Relabeler.propose`. No two proposals of one call have the same goals by event."""
        events = np.asarray(events, bool)
        happened = np.flatnonzero(events.any(0) & self._open)
        if not len(happened) or k < 1:
            return []
        weight = self._preference(events, happened)
        relabels: list[Relabel] = []
        seen: set[tuple[bool, tuple[int, ...]]] = set()
        for _ in range(4 * k):  # a repeated proposal counts as a try, because a short trajectory has few different ones
            count = 1
            if len(happened) > 1 and rng.random() < self.composed:
                count = int(rng.integers(2, min(self.max_goals, len(happened)) + 1))
            chosen = rng.choice(happened, size=count, replace=False, p=weight)
            relabel, key = self._compose(events, [int(event) for event in chosen], rng)
            if key not in seen:
                seen.add(key)
                relabels.append(relabel)
            if len(relabels) == k:
                break
        return relabels

    def _preference(self, events: np.ndarray, happened: np.ndarray) -> np.ndarray:
        if self._wanted is not None:
            weight = self._wanted[happened]
        else:
            occurrences = events[:, happened].sum(0)
            first = events[:, happened].argmax(0)
            weight = (0.5 + first / max(len(events), 1)) / np.sqrt(occurrences)
        weight = np.maximum(weight, 1e-9)
        return weight / weight.sum()

    def _compose(
        self, events: np.ndarray, chosen: list[int], rng: np.random.Generator
    ) -> tuple[Relabel, tuple[bool, tuple[int, ...]]]:
        first = {event: int(events[:, event].argmax()) for event in chosen}
        chosen = sorted(chosen, key=lambda event: first[event])
        steps = [first[event] for event in chosen]
        in_order = len(chosen) > 1 and all(a < b for a, b in itertools.pairwise(steps))
        ordered = in_order and bool(rng.random() < 0.5)
        if not ordered:
            chosen = [chosen[i] for i in rng.permutation(len(chosen))]
        goals = tuple(str(rng.choice(np.array(self._texts[event]))) for event in chosen)
        evidence = tuple((first[event], self.events[event].name) for event in chosen)
        key = (ordered, tuple(chosen) if ordered else tuple(sorted(chosen)))
        return Relabel(_say(goals, ordered, rng), goals, ordered, evidence), key


def _say(goals: tuple[str, ...], ordered: bool, rng: np.random.Generator) -> str:
    """One of several ways to join the goals; `instructions.parse` splits each of them again."""
    if ordered and len(goals) == 2:
        return str(rng.choice(_IN_ORDER)).format(*goals)
    if ordered and rng.random() < 0.5:
        return f"first {join(goals, True)}"
    if not ordered and len(goals) == 2:
        return str(rng.choice(_ANY_ORDER)).format(*goals)
    return join(goals, ordered)


def verify(relabel: Relabel, events: np.ndarray, reward: SemanticReward) -> str | None:
    """Why a relabel must be rejected, or None when the reward fires on all of its evidence.

    Args:
        relabel: what a relabeler proposed.
        events: bool [T, n_events], the trajectory that it was proposed for.
        reward: judges each goal by its text; what the relabeler claims is not trusted.
    """
    index = event_index(reward.events)
    if not relabel.goals or len(relabel.goals) != len(relabel.evidence):
        return f"{len(relabel.goals)} goals but {len(relabel.evidence)} pieces of evidence"
    table = reward.table(relabel.goals)
    for column, (goal, (step, name)) in enumerate(zip(relabel.goals, relabel.evidence, strict=True)):
        if name not in index:
            return f"'{name}' is no event of this environment"
        if not 0 <= step < len(events):
            return f"step {step} lies outside the trajectory of {len(events)} steps"
        if not events[step, index[name]]:
            return f"'{name}' did not happen at step {step}"
        if not table[index[name], column]:
            return f"the reward of '{goal}' does not fire on {name}"
    steps = [step for step, _ in relabel.evidence]
    if relabel.ordered and any(a >= b for a, b in itertools.pairwise(steps)):
        return f"its goals are ordered but its evidence is at steps {steps}"
    return None
