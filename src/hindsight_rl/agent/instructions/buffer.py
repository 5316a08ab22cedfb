"""The instruction buffer: a few slots of instructions to practise, chosen by how much can be learned from them now.

An instruction is *failing*, at the *learning boundary*, or *mastered*, by its mean return over its latest
attempts. Until it has had enough attempts, it is *new*. New and boundary instructions are given most often. To admit a
new discovery, the buffer evicts a mastered instruction, else a failing one. An evicted mastered instruction is
rehearsed now and then, so that it is not forgotten. Every decision is logged.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

import numpy as np

from hindsight_rl.errors import HindsightError

NEW, FAILING, BOUNDARY, MASTERED = "new", "failing", "learning boundary", "mastered"


@dataclass
class BufferRules:
    """How the instruction buffer rates, samples and evicts instructions. Training has 48 slots by default."""

    capacity: int = 10
    """Number of slots (B_max in the paper)."""
    failing_below: float = 0.1
    """Mean return below which an instruction is failing."""
    mastered_above: float = 0.8
    """Mean return above which an instruction is mastered."""
    min_attempts: int = 24
    """Attempts before an instruction is rated. Until then it is new."""
    window: float = 64.0
    """Number of recent attempts in the mean return (an exponential average)."""
    weights: dict[str, float] = field(default_factory=lambda: {NEW: 1.0, BOUNDARY: 1.0, FAILING: 0.25, MASTERED: 0.25})
    """Relative probability of sampling a slot, by its status."""
    favour_rare: float = 2.0
    """Exponent of (0.1 + rarity) in a slot's probability. Instructions for rare events are practised more."""
    rehearsal: float = 0.2
    """Share of attempts for mastered instructions that have left the buffer."""
    cooldown: int = 20
    """Updates during which a failing or stale instruction is not readmitted after its eviction."""
    tenure: int = 12
    """Updates within which an instruction at the learning boundary must improve, or lose its slot. Some instructions
    depend on luck and would stay at the boundary for ever."""
    progress: float = 0.1
    """Increase of the mean return that counts as an improvement."""
    uniform: bool = False
    """Ablation: sample all slots with equal probability and evict the oldest."""


@dataclass
class Entry:
    """One instruction known to the buffer, in a slot or not."""

    instruction: int
    text: str
    rarity: float
    meaning: list[int]
    ordered: bool = False
    attempts: float = 0.0  # exponentially averaged counts
    successes: float = 0.0
    total: int = 0
    best: float = 0.0
    admitted: int = 0
    renewed: int = 0  # when it was admitted or last improved
    renewed_return: float = 0.0
    evicted: int = -1
    mastered: bool = False

    @property
    def asked(self) -> tuple[bool, list[int]]:
        """What it asks for: in any order, "a and b" is "b and a"; one goal has no order."""
        ordered = self.ordered and len(self.meaning) > 1
        return ordered, self.meaning if ordered else sorted(self.meaning)

    @property
    def mean_return(self) -> float:
        return self.successes / self.attempts if self.attempts else 0.0


class InstructionBuffer:
    """Slots of instructions with return statistics. `entries` also keeps the instructions that have left.

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
        if entry.total < self.rules.min_attempts:
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
        """Would a new instruction of this rarity get a slot now?"""
        return len(self.slots) < self.rules.capacity or self._victim(rarity) is not None

    def admit(self, instruction: int, text: str, rarity: float, meaning: Sequence[int], ordered: bool = False) -> bool:
        """Offer an instruction to the buffer. True if it has a slot afterwards.

        Args:
            instruction: its index in the tables.
            text: the instruction.
            rarity: in [0, 1]; how rare its rarest event is. Rarer instructions are preferred.
            meaning: the events of its goals.
            ordered: must they happen in this order? No two slots ask for the same events, both in any order or both in
                the same order.
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
                return False  # it is rehearsed already
        else:
            entry = Entry(instruction, text, rarity, list(meaning), ordered)
        if any(self.entries[i].asked == entry.asked for i in self.slots):
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
        # All slots are being learned. Only a clearly rarer instruction may replace the most common one.
        commonest = min(held, key=lambda e: (e.rarity, e.admitted))
        waited = self.clock - commonest.admitted >= 4
        return commonest if waited and rarity > commonest.rarity + 0.1 else None

    def _evict(self, entry: Entry) -> None:
        self.slots.remove(entry.instruction)
        entry.evicted = self.clock
        self._note("evict", entry, status=self.status(entry))

    @property
    def rehearsed(self) -> list[int]:
        """Instructions that were mastered before and have no slot now."""
        if self.rules.uniform or self.rules.rehearsal <= 0:
            return []
        return [e.instruction for e in self.entries.values() if e.mastered and e.instruction not in self.slots]

    def chances(self, size: int, initial: int = 0) -> np.ndarray:
        """float32 [size], the probability of each instruction; sums to 1.

        Args:
            size: of the library.
            initial: as long as there is nothing to practise, the first ``initial`` instructions are given with equal
                probability.
        """
        chance = np.zeros(size, np.float32)
        for index in self.slots:
            entry = self.entries[index]
            chance[index] = 1.0
            if not self.rules.uniform:
                chance[index] = self.rules.weights[self.status(entry)] * (0.1 + entry.rarity) ** self.rules.favour_rare
                chance[index] /= len(entry.meaning)  # an instruction with n goals takes n times the steps
        if chance.sum() > 0:
            chance /= chance.sum()
        # Instructions that were mastered and are not practised now are rehearsed, more often if their return has fallen
        # more.
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
        """Everything except the rules, as plain JSON. The log is written to the run folder."""
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
