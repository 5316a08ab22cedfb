"""The instruction buffer: a few slots of instructions to practise, chosen by what can be learned from them now.

An instruction is *failing*, at the *learning boundary*, or *mastered*, by its mean return over its latest
attempts; until it has had enough of them it is *new*. New and boundary instructions are given most; room for
discoveries is made by evicting mastered ones, then failing ones. An evicted mastered instruction is rehearsed now
and then, so that it is not forgotten. Every decision is logged.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

import numpy as np

from hindsight_rl.errors import HindsightError

NEW, FAILING, BOUNDARY, MASTERED = "new", "failing", "learning boundary", "mastered"


@dataclass
class BufferRules:
    """How the buffer judges, samples and evicts."""

    capacity: int = 10
    """Slots (B_max; the paper's value)."""
    failing_below: float = 0.1
    mastered_above: float = 0.8
    trial: int = 24
    """Attempts before an instruction is judged."""
    window: float = 64.0
    """Attempts over which the mean return is averaged (exponentially)."""
    weights: dict[str, float] = field(default_factory=lambda: {NEW: 1.0, BOUNDARY: 1.0, FAILING: 0.25, MASTERED: 0.25})
    """Relative chance of a slot, by status."""
    favour_rare: float = 2.0
    """A slot's chance is scaled by (0.1 + rarity) to this power: what seldom happens is practised more."""
    rehearsal: float = 0.2
    """Share of attempts given to mastered instructions that have left the buffer."""
    cooldown: int = 20
    """Updates for which an evicted failing or stale instruction is not readmitted."""
    tenure: int = 12
    """Updates after which an instruction at the boundary must have improved, or gives up its slot: some are decided
    by luck and stay at the boundary for ever."""
    progress: float = 0.1
    """What counts as having improved, in mean return."""
    uniform: bool = False
    """Give all slots the same chance, evict the oldest: the ablation."""


@dataclass
class Entry:
    """One instruction known to the buffer, in a slot or not."""

    instruction: int
    text: str
    rarity: float
    meaning: list[int]
    attempts: float = 0.0  # exponentially averaged counts
    successes: float = 0.0
    total: int = 0
    best: float = 0.0
    admitted: int = 0
    renewed: int = 0  # when it was admitted, or last seen to have improved
    renewed_return: float = 0.0
    evicted: int = -1
    mastered: bool = False

    @property
    def mean_return(self) -> float:
        return self.successes / self.attempts if self.attempts else 0.0


class InstructionBuffer:
    """Slots of instructions with return statistics; `entries` also remembers those that left.

    Args:
        rules: see :class:`BufferRules`.
    """

    def __init__(self, rules: BufferRules):
        self.rules = rules
        self.entries: dict[int, Entry] = {}
        self.slots: list[int] = []
        self.clock = 0
        self.log: list[dict[str, object]] = []

    def status(self, entry: Entry) -> str:
        """`new`, `failing`, `learning boundary` or `mastered`."""
        if entry.total < self.rules.trial:
            return NEW
        if entry.mean_return < self.rules.failing_below:
            return FAILING
        return MASTERED if entry.mean_return > self.rules.mastered_above else BOUNDARY

    def record(self, attempts: np.ndarray, successes: np.ndarray) -> None:
        """Add the outcomes of a training iteration.

        Args:
            attempts, successes: float or int [I], by instruction.
        """
        self.clock += 1
        for index in np.flatnonzero(attempts):
            entry = self.entries.get(int(index))
            if entry is None:
                continue
            before = self.status(entry)
            n = float(attempts[index])
            keep = (1.0 - 1.0 / self.rules.window) ** n
            entry.attempts = entry.attempts * keep + n
            entry.successes = entry.successes * keep + float(successes[index])
            entry.total += int(n)
            after = self.status(entry)
            if after != NEW:
                entry.best = max(entry.best, entry.mean_return)
            entry.mastered |= after == MASTERED
            if before == NEW or entry.mean_return > entry.renewed_return + self.rules.progress:
                entry.renewed, entry.renewed_return = self.clock, entry.mean_return
            if after != before:
                self._note("status", entry, status=after, was=before)

    def has_room(self, rarity: float) -> bool:
        """Would a newcomer of this rarity find a slot, now?"""
        return len(self.slots) < self.rules.capacity or self._victim(rarity) is not None

    def admit(self, instruction: int, text: str, rarity: float, meaning: Sequence[int]) -> bool:
        """Offer an instruction a slot; True when it holds one afterwards.

        Args:
            instruction: its index in the tables.
            text: the instruction.
            rarity: in [0, 1]; how seldom its rarest event happens. Rarer ones win over common ones.
            meaning: the events that its goals name; no two slots hold the same.
        """
        entry = self.entries.get(instruction)
        if entry is not None:
            entry.rarity = rarity
            if instruction in self.slots:
                return True
            waiting = entry.evicted >= 0 and self.clock - entry.evicted < self.rules.cooldown
            if waiting and self.status(entry) in (FAILING, BOUNDARY):
                return False
            if self.status(entry) == MASTERED:
                return False  # rehearsal looks after it
        else:
            entry = Entry(instruction, text, rarity, list(meaning))
        if any(self.entries[i].meaning == entry.meaning for i in self.slots):
            return False
        if len(self.slots) >= self.rules.capacity:
            victim = self._victim(rarity)
            if victim is None:
                return False
            self._evict(victim)
        self.entries[instruction] = entry
        entry.admitted = entry.renewed = self.clock
        entry.renewed_return = entry.mean_return
        self.slots.append(instruction)
        self._note("admit", entry, status=self.status(entry))
        return True

    def _victim(self, rarity: float) -> Entry | None:
        held = [self.entries[i] for i in self.slots]
        if self.rules.uniform:
            return min(held, key=lambda e: e.admitted)
        stale = self.clock - self.rules.tenure
        for ripe in (
            [e for e in held if self.status(e) == MASTERED],
            [e for e in held if self.status(e) == FAILING],
            [e for e in held if self.status(e) == BOUNDARY and e.renewed <= stale],
        ):
            if ripe:
                return min(ripe, key=lambda e: (e.rarity, e.admitted))
        # All slots are being learned: only a clearly rarer instruction may displace the commonest one.
        commonest = min(held, key=lambda e: (e.rarity, e.admitted))
        waited = self.clock - commonest.admitted >= 4
        return commonest if waited and rarity > commonest.rarity + 0.1 else None

    def _evict(self, entry: Entry) -> None:
        self.slots.remove(entry.instruction)
        entry.evicted = self.clock
        self._note("evict", entry, status=self.status(entry))

    @property
    def rehearsed(self) -> list[int]:
        """Instructions that were mastered once and hold no slot now."""
        if self.rules.uniform or self.rules.rehearsal <= 0:
            return []
        return [e.instruction for e in self.entries.values() if e.mastered and e.instruction not in self.slots]

    def chances(self, size: int, initial: int = 0) -> np.ndarray:
        """float32 [size], the probability of each instruction; sums to 1.

        Args:
            size: of the library.
            initial: while there is nothing to practise, the first so many instructions are given, evenly.
        """
        chance = np.zeros(size, np.float32)
        for index in self.slots:
            entry = self.entries[index]
            chance[index] = 1.0
            if not self.rules.uniform:
                chance[index] = self.rules.weights[self.status(entry)] * (0.1 + entry.rarity) ** self.rules.favour_rare
                chance[index] /= len(entry.meaning)  # a composition takes as many times the steps
        if chance.sum() > 0:
            chance /= chance.sum()
        # Whatever was once mastered and is not practised now is rehearsed, the more the further it has fallen.
        absent = [self.entries[index] for index in self.rehearsed]
        if absent:
            share = np.zeros(size, np.float32)
            for entry in absent:
                share[entry.instruction] = 0.1 + max(0.0, entry.best - entry.mean_return)
            weight = self.rules.rehearsal if self.slots else 1.0
            chance = (1 - weight) * chance + weight * share / share.sum()
        if chance.sum() == 0:
            chance[: max(initial, 1)] = 1.0
        return chance / chance.sum()

    def snapshot(self) -> list[dict[str, object]]:
        """The slots as they stand: text, status, mean return, attempts."""
        rows = []
        for index in self.slots:
            entry = self.entries[index]
            rows.append(
                {
                    "text": entry.text,
                    "status": self.status(entry),
                    "mean_return": round(entry.mean_return, 4),
                    "attempts": entry.total,
                }
            )
        return rows

    def _note(self, what: str, entry: Entry, **more: object) -> None:
        row = {
            "update": self.clock,
            "what": what,
            "text": entry.text,
            "mean_return": round(entry.mean_return, 4),
        }
        self.log.append(row | more)

    def state(self) -> dict[str, object]:
        """Everything but the rules, as plain JSON (the log is written elsewhere as it grows)."""
        return {
            "clock": self.clock,
            "slots": list(self.slots),
            "entries": [asdict(e) for e in self.entries.values()],
        }

    def restore(self, state: dict) -> None:
        """The inverse of :meth:`state`."""
        self.clock, self.slots = state["clock"], list(state["slots"])
        try:
            self.entries = {row["instruction"]: Entry(**row) for row in state["entries"]}
        except TypeError as error:
            raise HindsightError(
                f"the checkpoint's buffer is of another version ({error}): train the run anew"
            ) from error
