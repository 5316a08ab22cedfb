"""Makes rows from prompts and constraints: draws compatible ids, kwargs, a witness, a wording and a layout.

Each row has its own random numbers (from seed, split and index), so it does not depend on how often other rows were
drawn again.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from random import Random
from typing import Any

from hindsight_rl.constraints.core import Checker, constraint
from hindsight_rl.constraints.text import sentences as splitting
from hindsight_rl.data.compose.config import ComposeConfig
from hindsight_rl.data.compose.draft import Infeasible
from hindsight_rl.data.compose.infeasible import ALONE, why_not
from hindsight_rl.data.compose.prompts import Skipped, read_prompts
from hindsight_rl.data.compose.ranges import drawn, weight
from hindsight_rl.data.compose.row import Row
from hindsight_rl.data.compose.witness import search
from hindsight_rl.data.compose.wordings import wordings
from hindsight_rl.errors import HindsightError

_PATIENCE = 60  # candidates for a witness, before kwargs are drawn again; nearly all witnesses are among the first ten
_REDRAWS = 12  # draws of kwargs, before other ids are drawn
_TRIES = 400  # tries for a row, before an error is raised
_MOST_REASONS = 2000  # number of reasons for drawing again that are counted separately


@dataclass
class Composed:
    """What :func:`compose` made.

    splits: rows by split; empty splits are absent. held_ids: the ids of the split ``test_ids``. skipped: prompts by
    reason. resampled: rows drawn again, by reason. prompts: how many prompts each split could use.
    """

    splits: dict[str, list[Row]]
    held_ids: tuple[str, ...]
    skipped: Skipped
    resampled: Counter[str]
    prompts: dict[str, int] = field(default_factory=dict)

    @property
    def train(self) -> list[Row]:
        """The training rows."""
        return self.splits["train"]


def compose(config: ComposeConfig, step: Callable[[str, int], None] | None = None) -> Composed:
    """All rows of a configuration, in memory; same seed, same rows. :mod:`.output` writes them to files one at a time.

    step: called with the split and its number of rows so far. Raises :class:`HindsightError` if prompts cannot be read
    or if the settings allow no rows.
    """
    planned = plan(config)
    made = Composed({}, planned.held_ids, planned.skipped, planned.resampled, planned.prompts)
    with one_splitter():
        for maker, count in planned.splits:
            rows = made.splits[maker.split] = []
            for index in range(count):
                rows.append(maker.row(index))
                if step is not None:
                    step(maker.split, index + 1)
    return made


@dataclass(frozen=True)
class Plan:
    """A plan of the splits: for each, an object that makes rows, and the number of rows. The other fields as in
    :class:`Composed`."""

    splits: list[tuple[Maker, int]]
    held_ids: tuple[str, ...]
    skipped: Skipped
    resampled: Counter[str]
    prompts: dict[str, int]


def plan(config: ComposeConfig) -> Plan:
    """Reads the prompts and divides them and the ids among the splits. Raises :class:`HindsightError`."""
    prompts, skipped = read_prompts(config.prompts, config.against)
    rng = Random(f"{config.seed}/splits")
    seen, unseen = _split_prompts(prompts, config, rng)
    candidates = config.candidates()
    held = _held(candidates, config, rng)
    kept = [id for id in candidates if id not in held]
    resampled: Counter[str] = Counter()
    splits = [(Maker(config, "train", seen, kept, resampled), config.rows)]
    if unseen and config.test_rows:
        splits.append((Maker(config, "test_prompts", unseen, kept, resampled), config.test_rows))
        if held:
            splits.append((Maker(config, "test_ids", unseen, held, resampled), config.test_rows))
    return Plan(splits, held, skipped, resampled, {"train": len(seen), "test": len(unseen)})


def _split_prompts(prompts: list[str], config: ComposeConfig, rng: Random) -> tuple[list[str], list[str]]:
    """Training and test prompts, each in a random order."""
    order = rng.sample(prompts, len(prompts))
    held = round(config.test_prompts * len(order))
    if config.test_prompts and len(order) > 1:
        held = min(max(1, held), len(order) - 1)
    return order[held:], order[:held]


def _held(candidates: list[str], config: ComposeConfig, rng: Random) -> tuple[str, ...]:
    if isinstance(config.test_ids, tuple):
        held = tuple(dict.fromkeys(config.test_ids))
    else:
        if not 0 <= config.test_ids < len(candidates):
            raise HindsightError(
                f"test_ids is {config.test_ids}, but there are {len(candidates)} ids: hold out fewer of them"
            )
        held = tuple(sorted(rng.sample([id for id in candidates if id not in ALONE], config.test_ids)))
    if len(held) == len(candidates):
        raise HindsightError("every id is held out: hold out fewer of them")
    if held and not config.test_prompts:
        raise HindsightError("test_ids needs prompts of its own: set test_prompts above 0")
    return held


class one_splitter:
    """Use the sentence splitter that needs no data, so that files do not depend on installed packages."""

    def __enter__(self) -> None:
        self._before = splitting._current
        splitting.use_splitter("native")

    def __exit__(self, *error: object) -> None:
        splitting._current = self._before


class Maker:
    """Makes the rows of one split."""

    def __init__(
        self, config: ComposeConfig, split: str, tasks: Sequence[str], ids: Sequence[str], resampled: Counter[str]
    ) -> None:
        self.config, self.split, self.tasks, self.ids = config, split, list(tasks), list(ids)
        self.resampled = resampled
        self._weights = {id: weight(id, config.length) for id in ids}
        self._seen: set[bytes] = set()
        self._numbers = self._possible(config.numbers)

    def _possible(self, numbers: Sequence[int]) -> list[int]:
        """The numbers of constraints that the ids allow, found by trial draws."""
        rng = Random(f"{self.config.seed}/{self.split}/numbers")
        found = []
        for number in dict.fromkeys(numbers):
            if any(self._chosen(number, rng) for _ in range(50)):
                found.append(number)
        if not found:
            raise HindsightError(
                f"{self.split}: no {min(numbers)} of the {len(self.ids)} ids are compatible; ask for fewer constraints "
                "per row or for other ids"
            )
        return [number for number in numbers if number in found]

    def row(self, index: int) -> Row:
        """The row of this index."""
        rng = Random(f"{self.config.seed}/{self.split}/{index}")
        number = rng.choice(self._numbers)
        task = self.tasks[index % len(self.tasks)]
        for tries in range(_TRIES):
            chosen = self._chosen(number, rng)
            if chosen is None:
                continue
            found = self._satisfied(chosen, task, rng)
            if found is None:
                continue
            constraints, witness = found
            same = self._name(index, [(each.id, each.kwargs) for each in constraints])
            if same in self._seen and tries < _TRIES // 2:
                self._again("the same task with the same constraints")
                continue
            self._seen.add(same)
            texts = tuple(rng.choice(wordings(each)) for each in constraints)
            return Row(
                f"{self.split}-{index:06d}",
                index,
                task,
                tuple(each.id for each in constraints),
                tuple(each.kwargs for each in constraints),
                texts,
                rng.choice(self.config.layouts),
                witness,
            )
        raise HindsightError(
            f"{self.split}, row {index}: no {number} constraints with a witness in {_TRIES} tries; "
            "ask for fewer per row, other ids, or length standard"
        )

    def remember(self, index: int, asked: Iterable[tuple[str, Mapping[str, Any]]]) -> None:
        """Register a row of an earlier call, so that no row with the same task and constraints is made again."""
        self._seen.add(self._name(index, asked))

    def _name(self, index: int, asked: Iterable[tuple[str, Mapping[str, Any]]]) -> bytes:
        """A hash of task and constraints. It has only 12 bytes, because it is stored for every row."""
        checks = sorted(json.dumps([id, dict(kwargs)], sort_keys=True) for id, kwargs in asked)
        return blake2b(repr((index % len(self.tasks), checks)).encode(), digest_size=12).digest()

    def _again(self, reason: str) -> None:
        if reason not in self.resampled and len(self.resampled) >= _MOST_REASONS:
            reason = "other reasons"
        self.resampled[reason] += 1

    def _chosen(self, number: int, rng: Random) -> list[str] | None:
        """Compatible ids, drawn by weight; None if there are not enough."""
        left = [id for id in self.ids if number == 1 or id not in ALONE]
        chosen: list[str] = []
        while len(chosen) < number:
            if not left:
                return None
            one = rng.choices(left, [self._weights[id] for id in left])[0]
            chosen.append(one)
            left = [id for id in left if not why_not(one, id)]
        return chosen

    def _satisfied(self, ids: Sequence[str], task: str, rng: Random) -> tuple[list[Checker], str] | None:
        """Constraints of these ids with compatible kwargs, and the witness."""
        for _ in range(_REDRAWS):
            constraints = [constraint(id, drawn(id, self.config.length, rng, task)) for id in ids]
            try:
                return constraints, search(constraints, Random(rng.getrandbits(64)), _PATIENCE)
            except Infeasible as reason:
                self._again(f"{' + '.join(sorted(ids)) if len(ids) < 3 else f'{len(ids)} ids'}: {reason}")
        return None


def rows_of(ids: Sequence[str], config: ComposeConfig, tasks: Sequence[str], count: int) -> Iterator[Row]:
    """Rows with exactly these ids, for checks of the tables."""
    maker = Maker(config, "+".join(ids), tasks, ids, Counter())
    with one_splitter():
        yield from [maker.row(index) for index in range(count)]
