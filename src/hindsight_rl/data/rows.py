"""Training rows as instructions: from a local file or folder, or a dataset on the hub by its id.

loaded = read_dataset("HIR_trainv1.jsonl", judged="skip")
loaded.instructions[0].prompt, loaded.skipped

| columns | as in | the task without its constraints |
|---|---|---|
| ``prompt`` (or ``question``) and ``criteria`` | HIR-16K and its relatives | given |
| ``messages`` or ``prompt``, with ids and kwargs | IF_multi_constraints_upto5, IFEval | found, if said word for word |
| ``conversations`` and ``constraints`` | MulDimIF | not given: the constraints are inline |
| ``responses_create_params`` and ``verifier_metadata`` | NeMo-Gym | found, if said word for word |
| ``extra_info`` with ``task``, ``texts``, ``layout`` | verl, `hindsight relabel` | given |

For the shapes of a chat see :mod:`hindsight_rl.data.chats`, for those of the constraints
:mod:`hindsight_rl.constraints.rows`, for the kinds of files :mod:`hindsight_rl.data.files`.

A row whose constraints are inline (written into the prose of its prompt) can be trained on, but not rewritten: a
rewritten prompt would still ask for what was dropped. Every row is read before any training; a bad one is a
:class:`HindsightError` that names its line.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from hindsight_rl.constraints import stored
from hindsight_rl.constraints.core import CURRENT
from hindsight_rl.constraints.rows import RowConstraints, row_constraints
from hindsight_rl.data.chats import asked
from hindsight_rl.data.envelopes import opened
from hindsight_rl.data.files import is_file
from hindsight_rl.data.garbage import without_collection
from hindsight_rl.data.separation import separated
from hindsight_rl.data.stream import rows
from hindsight_rl.errors import HindsightError
from hindsight_rl.replay.instruction import Constraint, Instruction
from hindsight_rl.replay.layouts import LAYOUTS, Layout, layout_from_json, layout_of

Row = Mapping[str, Any]
Judge = Callable[[str, str], Constraint]


class Skip(Exception):
    """Why a row is skipped, in few words."""


@dataclass(frozen=True)
class Choices:
    """What becomes of rows that are not plain.

    inline: constraints that are written into the prompt's prose: `keep` to train on the whole prompt without replay,
    `skip`, or `reject` with an error. judged: demands that no program checks: with a `judge` (from a demand's text and
    the row's task to a constraint) they are constraints like any; without, `keep` leaves them in the prompt unchecked.
    bad: rows without constraints, with unknown ids or with kwargs that do not fit: `reject` or `skip`. layout: how
    tasks and constraints become prompts where a row does not say; None for one of the six by the row's key. version:
    which checkers, see :func:`hindsight_rl.constraints.core.constraint`. parsed: the rows come from a parser of JSON,
    so that their values need no conversion.
    """

    inline: Literal["keep", "skip", "reject"] = "keep"
    judged: Literal["keep", "skip", "reject"] = "reject"
    bad: Literal["skip", "reject"] = "reject"
    judge: Judge | None = None
    layout: str | None = None
    version: str = CURRENT
    parsed: bool = False

    def __post_init__(self) -> None:
        for name, value, known in (
            ("inline", self.inline, ("keep", "skip", "reject")),
            ("judged", self.judged, ("keep", "skip", "reject")),
            ("bad", self.bad, ("skip", "reject")),
            ("layout", self.layout, (None, *LAYOUTS)),
        ):
            if value not in known:
                raise HindsightError(f"{name} is {value!r}: one of {', '.join(map(str, known))}")


@dataclass(frozen=True)
class Loaded:
    """What was read. instructions: in the order of the data. skipped: rows that were skipped, by reason."""

    instructions: list[Instruction]
    skipped: dict[str, int] = field(default_factory=dict)

    @property
    def inline(self) -> int:
        """How many are trained on without replay, as their constraints are inline."""
        return sum(each.inline for each in self.instructions)


def read_dataset(source: str | Path, *, split: str = "train", limit: int | None = None, **choices: Any) -> Loaded:
    """All instructions of a dataset.

    source: a file or folder (:mod:`hindsight_rl.data.files`), a name of :data:`hindsight_rl.data.hub.HUB`, or an id on
    the hub ("owner/name"). limit: read only so many rows. choices: see :class:`Choices`. Raises
    :class:`HindsightError`.
    """
    return instructions(islice(rows(source, split), limit), str(source), Choices(**choices, parsed=is_file(source)))


def instructions(found: Iterable[tuple[str, Row]], source: str = "the data", choices: Choices | None = None) -> Loaded:
    """The instructions of rows, each with its place ("file:line")."""
    choices = choices or Choices()
    made: list[Instruction] = []
    skipped: Counter[str] = Counter()
    with without_collection():
        for where, row in found:
            try:
                made.append(instruction(row, where, choices))
            except Skip as reason:
                skipped[str(reason)] += 1
    if not made:
        why = "; ".join(f"{count} skipped: {reason}" for reason, count in skipped.items()) or "it has no rows"
        raise HindsightError(f"{source}: nothing to train on ({why})")
    return Loaded(made, dict(skipped))


def instruction(row: Row, where: str, choices: Choices | None = None) -> Instruction:
    """One row; raises :class:`Skip` where it is to be skipped, :class:`HindsightError` where it is bad."""
    choices = choices or Choices()
    try:
        made = _instruction(row, where, choices)
        if not made.constraints and not made.soft:
            raise HindsightError(f"{where}: the row asks for nothing that can be checked; skip it")
    except HindsightError as error:
        if choices.bad == "skip":
            raise Skip("cannot be read") from error
        raise
    made = _judged(made, where, choices)
    if made.inline and choices.inline != "keep":
        if choices.inline == "skip":
            raise Skip("inline constraints")
        raise HindsightError(
            f"{where}: the constraints are inline (in the prose of the prompt) and cannot be dropped; separate task "
            "and 'criteria' (hindsight decompose), or set inline to keep (no replay of such rows) or skip"
        )
    return made


def _judged(made: Instruction, where: str, choices: Choices) -> Instruction:
    """The demands for a judge made constraints, left unchecked, or the reason not to take the row."""
    if not made.soft:
        return made
    if choices.judge is not None:
        extra = tuple(choices.judge(text, made.task) for text in made.soft)
        return replace(made, constraints=made.constraints + extra, texts=made.texts + made.soft, soft=(), needs=())
    if choices.judged == "reject":
        raise HindsightError(
            f"{where}: {len(made.soft)} of its demands need a judge ({made.soft[0]!r:.60}); give one, or set judged to "
            "skip (such rows) or keep (ask for them, unchecked)"
        )
    if choices.judged == "skip" or not made.constraints:
        raise Skip("needs a judge")
    return made


def _instruction(row: Row, where: str, choices: Choices) -> Instruction:
    row = opened(row)
    found = row_constraints(row, where, choices.version, parsed=choices.parsed)
    constraints = found.constraints
    if stored.StoredChecker in map(type, constraints) and not stored.running():
        raise HindsightError(
            f"{where}: it brings Python code that checks it, and running such code is off; "
            "skip such rows (--bad skip), or run the code in a separate process (--stored_code true; from Python "
            "hindsight_rl.constraints.stored.allow())"
        )
    named = next((row[name] for name in ("key", "id", "idx") if isinstance(row.get(name), (str, int))), None)
    key: str | int = where if named is None else named
    earlier, said = asked(row, where)
    meta = {name: row[name] for name in ("source", "dataset", "difficulty") if row.get(name) is not None}
    meta["where"] = where
    soft = found.unchecked
    if (criteria := row.get("criteria")) is not None:
        question = row.get("question")
        task = question if isinstance(question, str) else said
        texts = _criteria(criteria, found, where)
        layout = row.get("q_type")
        if layout not in LAYOUTS:
            # Without a key it follows from the contents, so that the same row is asked alike wherever its file is.
            layout = choices.layout or layout_of(named if named is not None else "\n".join([task, *texts]))
        return Instruction(task, constraints, "", key, texts, soft, meta, layout=layout, earlier=earlier)
    if (kept := _kept_apart(row, found)) is not None:
        task, texts, style = kept
        soft = soft or tuple(map(str, row.get("soft") or ()))
        return Instruction(task, constraints, said, key, texts, soft, meta, layout=style, earlier=earlier)
    task, texts, style = separated(said, found.texts())
    return Instruction(task, constraints, said, key, texts, soft, meta, layout=style, earlier=earlier)


def _kept_apart(row: Row, found: RowConstraints) -> tuple[str, tuple[str, ...], str | Layout] | None:
    """(task, texts, layout) where the row says all three; None where they have to be found in the prompt."""
    task, texts, layout = row.get("task"), row.get("texts"), row.get("layout")
    if not isinstance(task, str) or not isinstance(layout, str) or not isinstance(texts, Sequence):
        return None
    if isinstance(texts, str) or len(texts) != len(found.constraints) or not all(isinstance(t, str) for t in texts):
        return None
    return task, tuple(texts), layout_from_json(layout)


def criteria_texts(given: Any, where: str) -> tuple[str, ...]:
    """The texts of a row's `criteria`: a list of strings, or that list as JSON.

    Raises:
        HindsightError: they are something else, or one is empty.
    """
    if isinstance(given, str):
        try:
            given = json.loads(given)
        except ValueError:
            given = None
    if not isinstance(given, Sequence) or isinstance(given, str) or not {str}.issuperset(map(type, given)):
        raise HindsightError(f"{where}: 'criteria' must be a list of strings")
    texts = tuple(map(str.strip, given))
    if not all(texts):
        raise HindsightError(f"{where}: an empty text among 'criteria'; each says what one constraint asks")
    return texts


def _criteria(given: Any, found: RowConstraints, where: str) -> tuple[str, ...]:
    """The data's words for the constraints, where they are aligned; () where each constraint says its own."""
    texts = criteria_texts(given, where)
    asked = len(found.constraints) + len(found.unchecked)
    if len(texts) != asked:
        raise HindsightError(f"{where}: {len(texts)} 'criteria' but {asked} constraints; they go in pairs")
    # Beside demands for a judge the order of the two kinds is not known; then each constraint has the text itself.
    return () if found.unchecked else texts
