"""The library: all goals and instructions known so far, and the tables made from them.

Text becomes numbers here, on the host and between training steps: the condition of a goal (its sentence embedding
and its nearest-event distribution) and its column of the reward table.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Protocol

import jax.numpy as jnp
import numpy as np

from hindsight_rl.agent.envs.events import Event, fulfilling
from hindsight_rl.agent.instructions.parser import MAX_FORBIDDEN, MAX_TRAINED_GOALS
from hindsight_rl.agent.training.tables import Tables


class Semantics(Protocol):
    """What the library needs from a semantic reward."""

    def table(self, texts: Sequence[str]) -> np.ndarray:
        """bool [n_events, n_texts]."""
        ...

    def affinity(self, texts: Sequence[str]) -> np.ndarray:
        """float32 [n_texts, n_events], rows sum to 1."""
        ...

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """float32 [n_texts, d], unit rows."""
        ...


def condition(semantics: Semantics, texts: Sequence[str], parts: str = "both") -> np.ndarray:
    """The policy's conditioning input for goals.

    Args:
        texts: goals.
        parts: `both`, `affinity` (nearest-event distribution alone) or `embedding` (the paper's: the sentence alone).

    Returns:
        float32 [n_texts, n_events + d], zero for a part that is not chosen.
    """
    affinity, embedding = semantics.affinity(texts), semantics.embed(texts)
    if parts == "affinity":
        embedding = np.zeros_like(embedding)
    elif parts == "embedding":
        affinity = np.zeros_like(affinity)
    return np.concatenate([affinity, embedding], axis=1).astype(np.float32)


class Library:
    """Goals and instructions in the order in which they were added. Capacities are fixed, so nothing recompiles.

    Args:
        semantics: the semantic reward.
        events: the environment's vocabulary.
        true_reward: columns are the true events of a goal instead of the semantic reward (method `oracle`).
        parts: see :func:`condition`.
        max_goals, max_instructions: capacities.
    """

    def __init__(
        self,
        semantics: Semantics,
        events: Sequence[Event],
        true_reward: bool = False,
        parts: str = "both",
        max_goals: int = 384,
        max_instructions: int = 1536,
    ):
        self.semantics, self.events, self.true_reward, self.parts = (
            semantics,
            tuple(events),
            true_reward,
            parts,
        )
        self.max_goals, self.max_instructions = max_goals, max_instructions
        self._truth = np.asarray(fulfilling(events)).T  # row = meant, column = happened
        self.initial = 0  # the first so many instructions are the initial ones
        self._nameable = np.array([event.trained for event in events])
        self.goals: list[str] = []
        self.meant: list[int] = []  # the event that each goal asks for
        self.instructions: list[str] = []
        self._goal_index: dict[str, int] = {}
        self._instruction_index: dict[str, int] = {}
        width = condition(semantics, ["x"], parts).shape[1]
        self._condition = np.zeros((max_goals, width), np.float32)
        self._fires = np.zeros((max_goals, len(self.events)), bool)
        self._instruction_goals = np.full((max_instructions, MAX_TRAINED_GOALS), -1, np.int32)
        self._ordered = np.zeros(max_instructions, bool)
        self._times = np.zeros((max_instructions, MAX_TRAINED_GOALS), np.int32)
        self._forbidden = np.zeros((max_instructions, len(self.events)), bool)
        self._avoid = np.full((max_instructions, MAX_FORBIDDEN), -1, np.int32)
        self.waypoint = np.full(len(self.events), -1, np.int32)  # the instruction that asks for each event alone
        self.counts = np.zeros(len(self.events))  # occurrences, exponentially averaged

    def add(
        self,
        text: str,
        goals: Sequence[str],
        meant: Sequence[int],
        ordered: bool,
        times: Sequence[int] = (),
        avoid: Mapping[str, int] = MappingProxyType({}),
    ) -> int | None:
        """Add an instruction.

        Args:
            text: the instruction.
            goals: its goals, each a sentence.
            meant: for each goal, the index of the event that it asks for.
            ordered: must the goals be reached in this order?
            times: how often each goal must be reached; () for once.
            avoid: sentences that ask for what is forbidden, each with the index of its event.

        Returns:
            its index in the tables, or None when the library is full.
        """
        if text in self._instruction_index:
            return self._instruction_index[text]
        asked = {**avoid, **dict(zip(goals, meant, strict=True))}
        new = [g for g in dict.fromkeys((*goals, *avoid)) if g not in self._goal_index]
        if (
            len(goals) > MAX_TRAINED_GOALS
            or len(avoid) > MAX_FORBIDDEN
            or len(self.instructions) >= self.max_instructions
            or len(self.goals) + len(new) > self.max_goals
        ):
            return None
        if new:
            columns, conditions = self.semantics.table(new), condition(self.semantics, new, self.parts)
            for i, goal in enumerate(new):
                row = len(self.goals)
                event = asked[goal]
                self._goal_index[goal] = row
                self.goals.append(goal)
                self.meant.append(int(event))
                self._condition[row] = conditions[i]
                self._fires[row] = self._truth[event] if self.true_reward else columns[:, i]
        index = len(self.instructions)
        self._instruction_index[text] = index
        self.instructions.append(text)
        self._instruction_goals[index, : len(goals)] = [self._goal_index[g] for g in goals]
        self._ordered[index] = ordered
        self._times[index, : len(goals)] = times or 1
        self._avoid[index, : len(avoid)] = [self._goal_index[g] for g in avoid]
        self._forbidden[index] = self._fires[self._avoid[index, : len(avoid)]].any(axis=0)
        return index

    def name(self, event: int, instruction: int | None) -> None:
        """Store an instruction that asks for this event alone, if it is the first one whose reward agrees."""
        if instruction is not None and self.waypoint[event] < 0:
            goal = self._instruction_goals[instruction, 0]
            if self._fires[goal, event]:
                self.waypoint[event] = instruction

    def observe(self, counts: np.ndarray, decay: float = 0.9) -> None:
        """Count what happened: ``counts`` is [n_events], occurrences since the last call."""
        self.counts = self.counts * decay + counts

    def rarity(self) -> np.ndarray:
        """float [n_events] in [0, 1]: 1 for what never happens, 0 for the most frequent event."""
        frequency = np.log1p(self.counts)
        return 1.0 - frequency / max(frequency.max(), 1e-9)

    def wanted(self) -> np.ndarray:
        """float [n_events], the weight of each event: higher for rare events, 0 for events that are no goal."""
        return np.where(self._nameable, (0.1 + self.rarity()) ** 2, 0.0)

    def hindsight_weights(self, favour_rare: float) -> np.ndarray:
        """float32 [max_goals]. An event's weight does not depend on its number of phrasings. Rare events weigh more.

        Args:
            favour_rare: with 0 all events weigh the same; with 1 the rarest weighs twice as much as the most frequent.
        """
        weights = np.zeros(self.max_goals, np.float32)
        if self.goals:
            meant = np.asarray(self.meant)
            phrasings = np.bincount(meant, minlength=len(self.events))
            weights[: len(meant)] = (1.0 + favour_rare * self.rarity()[meant]) / phrasings[meant]
        return weights

    def tables(self, chances: np.ndarray, favour_rare: float = 0.0) -> Tables:
        """The arrays for training, with the given probabilities of instructions (float [max_instructions])."""
        return Tables(
            condition=jnp.asarray(self._condition),
            fires=jnp.asarray(self._fires),
            hindsight=jnp.asarray(self.hindsight_weights(favour_rare)),
            goals=jnp.asarray(self._instruction_goals),
            ordered=jnp.asarray(self._ordered),
            chance=jnp.asarray(chances, jnp.float32),
            initial=jnp.asarray(np.arange(self.max_instructions) < self.initial, jnp.float32) / max(self.initial, 1),
            waypoint=jnp.asarray(self.waypoint),
            rarity=jnp.asarray(self.wanted(), jnp.float32),
            times=jnp.asarray(self._times),
            forbidden=jnp.asarray(self._forbidden),
            avoid=jnp.asarray(self._avoid),
        )

    def state(self) -> dict[str, object]:
        """What :meth:`restore` needs, as plain JSON."""

        def rows(table: np.ndarray, i: int) -> list[int]:
            return [int(g) for g in table[i] if g >= 0]

        return {
            "goals": self.goals,
            "meant": self.meant,
            "instructions": [
                {
                    "text": text,
                    "goals": rows(self._instruction_goals, i),
                    "ordered": bool(self._ordered[i]),
                    "times": [int(n) for n in self._times[i] if n],
                    "avoid": rows(self._avoid, i),
                }
                for i, text in enumerate(self.instructions)
            ],
            "initial": self.initial,
            "counts": self.counts.tolist(),
            "waypoint": self.waypoint.tolist(),
        }

    def restore(self, state: dict) -> None:
        """Fill an empty library from :meth:`state`; embeddings and columns are computed again."""
        for row in state["instructions"]:
            goals = [state["goals"][g] for g in row["goals"]]
            avoid = {state["goals"][g]: state["meant"][g] for g in row.get("avoid", ())}
            meant = [state["meant"][g] for g in row["goals"]]
            self.add(row["text"], goals, meant, row["ordered"], row.get("times", ()), avoid)
        self.initial = state["initial"]
        self.counts = np.asarray(state["counts"])
        self.waypoint = np.asarray(state.get("waypoint", self.waypoint), np.int32)
