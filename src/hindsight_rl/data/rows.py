"""Training rows as instructions: from a local .jsonl, .json or .parquet file, or a dataset on the hub by its id.

loaded = read_dataset("HIR_trainv1.jsonl", judged="skip")
loaded.instructions[0].prompt, loaded.skipped

| columns | as in | the task without its constraints |
|---|---|---|
| ``prompt`` (or ``question``) and ``criteria`` | HIR-16K and its relatives | given |
| ``messages`` or ``prompt``, with ids and kwargs | IF_multi_constraints_upto5, IFEval | found, if said word for word |
| ``conversations`` and ``constraints`` | MulDimIF | woven into the prose |
| ``responses_create_params`` and ``verifier_metadata`` | NeMo-Gym | found, if said word for word |
| ``extra_info`` with ``task``, ``texts``, ``layout`` | verl, `hindsight relabel` | given |

Messages are {"role", "content"} or ShareGPT's {"from", "value"}.

A row whose constraints are woven into its prompt can be trained on, but not rewritten: a rewritten prompt would still
ask for what was dropped. Every row is read before any training; a bad one is a :class:`HindsightError` that names
its line.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice, pairwise
from pathlib import Path
from typing import Any, Literal

from hindsight_rl.constraints import stored
from hindsight_rl.constraints.core import CURRENT
from hindsight_rl.constraints.rows import RowConstraints, row_constraints
from hindsight_rl.constraints.text.plurals import as_published
from hindsight_rl.errors import HindsightError
from hindsight_rl.evaluation.prompts import HUB, local_rows
from hindsight_rl.replay.instruction import Constraint, Instruction
from hindsight_rl.replay.layouts import LAYOUTS, FoundLayout, Layout, layout_from_json, layout_of, render

Row = Mapping[str, Any]
Judge = Callable[[str], Constraint]
CHATS = ("messages", "conversations", "prompt")
# The end of a task that only leads to its constraints: its last sentence, if that ends in a colon or names them.
_NAMED = r"(?:rules|constraints|requirements|instructions|guidelines|conditions|restrictions)"
_LEAD_IN = re.compile(
    rf"(?:(?<=\n)|(?<=[.!?]\s)|^)(?:[^\n.!?]*:|[^\n.!?]*\b{_NAMED}\b[^\n.!?]*[.:])\s*$", re.IGNORECASE
)
# The number or bullet of the first constraint of a list.
_MARKER = re.compile(r"(?:\(?\d{1,3}[.)]|[-*+\u2022\u2013\u2014])\s*$")
_ITEM = re.compile(r"(\d{1,3})[.)]\s*$")
# What may stand between two constraints in a prompt: white space, numbers and bullets of a list, a joint "and".
_BETWEEN = re.compile(r"(?:[\s.,;*+\u2022\u2013\u2014-]|\(?\b\d{1,3}[.)]|\band\b)*", re.IGNORECASE)


class Skip(Exception):
    """Why a row is left out, in few words."""


@dataclass(frozen=True)
class Choices:
    """What becomes of rows that are not plain.

    woven: the constraints stand in the prompt's prose: `keep` to train on the whole prompt without replay, `skip`,
    or `refuse` with an error. judged: demands that no program checks: with a `judge` (from a demand's text to a
    constraint) they are constraints like any; without, `keep` leaves them in the prompt unchecked. bad: rows without
    constraints, with unknown ids or with kwargs that do not fit: `refuse` or `skip`. layout: how tasks and
    constraints become prompts where a row does not say; left out, one of the six by the row's key. version: which
    checkers, see :func:`hindsight_rl.constraints.core.constraint`.
    """

    woven: Literal["keep", "skip", "refuse"] = "keep"
    judged: Literal["keep", "skip", "refuse"] = "refuse"
    bad: Literal["skip", "refuse"] = "refuse"
    judge: Judge | None = None
    layout: str | None = None
    version: str = CURRENT

    def __post_init__(self) -> None:
        for name, value, known in (
            ("woven", self.woven, ("keep", "skip", "refuse")),
            ("judged", self.judged, ("keep", "skip", "refuse")),
            ("bad", self.bad, ("skip", "refuse")),
            ("layout", self.layout, (None, *LAYOUTS)),
        ):
            if value not in known:
                raise HindsightError(f"{name} is {value!r}: one of {', '.join(map(str, known))}")


@dataclass(frozen=True)
class Loaded:
    """What was read. instructions: in the order of the data. skipped: rows left out, by reason."""

    instructions: list[Instruction]
    skipped: dict[str, int] = field(default_factory=dict)

    @property
    def woven(self) -> int:
        """How many are trained on without replay, as their constraints are woven into the prompt."""
        return sum(each.woven for each in self.instructions)


def read_dataset(source: str | Path, *, split: str = "train", limit: int | None = None, **choices: Any) -> Loaded:
    """All instructions of a dataset.

    source: a file, a name that :data:`~hindsight_rl.evaluation.prompts.HUB` knows, or an id on the hub
    ("owner/name"). limit: read only so many rows. choices: see :class:`Choices`. Raises :class:`HindsightError`.
    """
    return instructions(islice(rows(source, split), limit), str(source), Choices(**choices))


def instructions(found: Iterable[tuple[str, Row]], source: str = "the data", choices: Choices | None = None) -> Loaded:
    """The instructions of rows, each with its place ("file:line")."""
    choices = choices or Choices()
    made: list[Instruction] = []
    skipped: Counter[str] = Counter()
    for where, row in found:
        try:
            made.append(instruction(row, where, choices))
        except Skip as reason:
            skipped[str(reason)] += 1
    if not made:
        why = "; ".join(f"{count} skipped: {reason}" for reason, count in skipped.items()) or "it has no rows"
        raise HindsightError(f"{source}: nothing to train on ({why})")
    return Loaded(made, dict(skipped))


def rows(source: str | Path, split: str = "train") -> Iterator[tuple[str, Row]]:
    """("file:line" or "dataset:row", row) of a local file or of the hub's dataset."""
    path = Path(source)
    if path.suffix == ".parquet":
        yield from _parquet(path)
    elif path.exists() or path.suffix in (".jsonl", ".json"):
        yield from local_rows(path)
    else:
        name, split = HUB.get(str(source), (str(source), split))
        if not re.fullmatch(r"[\w.-]+/[\w.-]+", name):
            raise HindsightError(
                f"{source}: neither a file nor a dataset; give a .jsonl, .json or .parquet file, an id like "
                f"owner/name, or one of {', '.join(HUB)}"
            )
        yield from _hub(name, split)


def _parquet(path: Path) -> Iterator[tuple[str, Row]]:
    try:
        from pyarrow import parquet
    except ModuleNotFoundError:
        raise HindsightError(f"{path}: reading parquet needs the package pyarrow (pip install pyarrow)") from None
    try:
        with parquet.ParquetFile(path) as file:
            at = 0
            for batch in file.iter_batches(1024):
                for row in batch.to_pylist():
                    at += 1
                    yield f"{path}:row {at}", row
    except (OSError, ValueError) as error:
        raise HindsightError(f"{path}: cannot be read as parquet: {error}") from None


def _hub(name: str, split: str) -> Iterator[tuple[str, Row]]:
    try:
        from datasets import load_dataset
    except ModuleNotFoundError:
        raise HindsightError(
            f"{name}: reading from the hub needs the package datasets (pip install datasets); or name a local file"
        ) from None
    try:
        table = load_dataset(name, split=split)
    except Exception as error:
        said = (str(error).splitlines() or [type(error).__name__])[0]
        raise HindsightError(f"{name}: cannot be read from the hub ({said}); or name a local file") from error
    for index, row in enumerate(table, 1):
        yield f"{name}:row {index}", row


def instruction(row: Row, where: str, choices: Choices | None = None) -> Instruction:
    """One row; raises :class:`Skip` where it is to be left out, :class:`HindsightError` where it is bad."""
    choices = choices or Choices()
    try:
        made = _instruction(row, where, choices)
        if not made.constraints and not made.soft:
            raise HindsightError(f"{where}: the row asks for nothing that can be checked; leave it out")
    except HindsightError as error:
        if choices.bad == "skip":
            raise Skip("cannot be read") from error
        raise
    made = _judged(made, where, choices)
    if made.woven and choices.woven != "keep":
        if choices.woven == "skip":
            raise Skip("constraints woven into the prompt")
        raise HindsightError(
            f"{where}: the constraints are woven into the prompt and cannot be dropped from it; separate task and "
            "'criteria' (hindsight decompose), or set woven to keep (no replay of such rows) or skip"
        )
    return made


def _judged(made: Instruction, where: str, choices: Choices) -> Instruction:
    """The demands for a judge made constraints, left unchecked, or the reason not to take the row."""
    if not made.soft:
        return made
    if choices.judge is not None:
        extra = tuple(choices.judge(text) for text in made.soft)
        return replace(made, constraints=made.constraints + extra, texts=made.texts + made.soft, soft=(), needs=())
    if choices.judged == "refuse":
        raise HindsightError(
            f"{where}: {len(made.soft)} of its demands need a judge ({made.soft[0]!r:.60}); give one, or set judged to "
            "skip (leave such rows out) or keep (ask for them, unchecked)"
        )
    if choices.judged == "skip" or not made.constraints:
        raise Skip("needs a judge")
    return made


def _instruction(row: Row, where: str, choices: Choices) -> Instruction:
    row = opened(row)
    found = row_constraints(row, where, choices.version)
    if any(isinstance(each, stored.StoredChecker) for each in found.constraints) and not stored.running():
        raise HindsightError(
            f"{where}: it brings Python code that checks it, and running such code is off; "
            "turn it on (hindsight_rl.constraints.stored.allow()), or leave such rows out"
        )
    key = next((row[name] for name in ("key", "id", "idx") if isinstance(row.get(name), str | int)), where)
    layout = row.get("q_type") if row.get("q_type") in LAYOUTS else choices.layout or layout_of(key)
    earlier, said = _said(row, where)
    meta = {name: row[name] for name in ("source", "dataset", "difficulty") if row.get(name) is not None}
    meta["where"] = where
    if row.get("criteria") is not None:
        task = row.get("question") if isinstance(row.get("question"), str) else said
        texts = _criteria(row["criteria"], found, where)
        return Instruction(
            str(task), found.constraints, "", key, texts, found.unchecked, meta, layout=str(layout), earlier=earlier
        )
    if (kept := _kept_apart(row, found)) is not None:
        task, texts, style = kept
        soft = found.unchecked or tuple(map(str, row.get("soft") or ()))
        return Instruction(task, found.constraints, said, key, texts, soft, meta, layout=style, earlier=earlier)
    task, texts, style = separated(said, [each.describe() for each in found.constraints])
    return Instruction(task, found.constraints, said, key, texts, found.unchecked, meta, layout=style, earlier=earlier)


def opened(row: Row) -> Row:
    """The row with what other trainers put into envelopes at the top: verl's and NeMo-Gym's columns.

    ``extra_info`` may be a JSON text; what stands at the top already stays.
    """
    made = dict(row)
    for name in ("extra_info", "verifier_metadata"):
        inner = row.get(name)
        if isinstance(inner, str):
            try:
                inner = json.loads(inner)
            except ValueError:
                inner = None
        if isinstance(inner, Mapping):
            made = {**inner, **made}
    asked = row.get("responses_create_params")
    if isinstance(asked, Mapping) and asked.get("input"):
        made["prompt" if isinstance(asked["input"], str) else "messages"] = asked["input"]
    reward = row.get("reward_model")
    if isinstance(reward, Mapping) and made.get("ground_truth") is None:
        made["ground_truth"] = reward.get("ground_truth")
    return made


def _kept_apart(row: Row, found: RowConstraints) -> tuple[str, tuple[str, ...], str | Layout] | None:
    """(task, texts, layout) where the row says all three; None where they have to be found in the prompt."""
    task, texts, layout = row.get("task"), row.get("texts"), row.get("layout")
    if not isinstance(task, str) or not isinstance(layout, str) or not isinstance(texts, Sequence):
        return None
    if isinstance(texts, str) or len(texts) != len(found.constraints) or not all(isinstance(t, str) for t in texts):
        return None
    return task, tuple(texts), layout_from_json(layout)


def _said(row: Row, where: str) -> tuple[tuple[dict[str, Any], ...], str]:
    """The chat before the user's last words, and those."""
    for name in CHATS:
        value = row.get(name)
        if isinstance(value, str) and value.strip():
            return (), value
        if isinstance(value, Sequence) and not isinstance(value, str) and len(value):
            return _last(value, name, where)
    if isinstance(row.get("question"), str):
        return (), str(row["question"])
    raise HindsightError(f"{where}: no prompt in the row: it needs one of {', '.join(CHATS)}")


def _last(messages: Sequence[Any], name: str, where: str) -> tuple[tuple[dict[str, Any], ...], str]:
    messages = [turn(message) for message in messages]
    for message in messages:
        if not isinstance(message, Mapping) or not isinstance(message.get("content"), str):
            raise HindsightError(f"{where}: {name!r} must be a list of messages with 'role' and a text as 'content'")
    users = [at for at, message in enumerate(messages) if message.get("role") == "user"]
    if not users:
        raise HindsightError(f"{where}: {name!r} holds no message of the user")
    # An answer behind the user's last words is a demonstration, which reinforcement learning does not use.
    earlier = tuple({"role": each.get("role"), "content": each["content"]} for each in messages[: users[-1]])
    return earlier, messages[users[-1]]["content"]


_ROLES = {"human": "user", "gpt": "assistant"}


def turn(message: Any) -> Any:
    """A message as {"role", "content"}, also where it is written as ShareGPT's {"from", "value"}."""
    if isinstance(message, Mapping) and "from" in message and "role" not in message:
        return {"role": _ROLES.get(message["from"], message["from"]), "content": message.get("value")}
    return message


def _criteria(given: Any, found: RowConstraints, where: str) -> tuple[str, ...]:
    """The data's words for the constraints, where they are aligned; () where each constraint says its own."""
    if isinstance(given, str):
        try:
            given = json.loads(given)
        except ValueError:
            given = None
    if not isinstance(given, Sequence) or isinstance(given, str) or not all(isinstance(text, str) for text in given):
        raise HindsightError(f"{where}: 'criteria' must be a list of strings")
    texts = tuple(text.strip() for text in given)
    if not all(texts):
        raise HindsightError(f"{where}: an empty text among 'criteria'; each says what one constraint asks")
    asked = len(found.constraints) + len(found.unchecked)
    if len(texts) != asked:
        raise HindsightError(f"{where}: {len(texts)} 'criteria' but {asked} constraints; they go in pairs")
    # Beside demands for a judge the order of the two kinds is not known; then each constraint has the text itself.
    return () if found.unchecked else texts


def separated(prompt: str, texts: Sequence[str]) -> tuple[str, tuple[str, ...], str | FoundLayout]:
    """(task, texts, layout) of a prompt that ends or begins with its constraints, word for word; else woven.

    The texts come back in the prompt's own words, and the layout gives the prompt back byte for byte. Woven means
    that the task is the whole prompt (:attr:`Instruction.woven`).
    """
    woven = (prompt, tuple(texts), "plain")
    spans: list[tuple[int, int]] = []
    for text in texts:
        span = next((there for way in _ways(text) if (there := _span(prompt, way, spans))), None)
        if span is None:
            return woven
        spans.append(span)
    order = sorted(range(len(spans)), key=spans.__getitem__)
    ordered = [spans[index] for index in order]
    gaps = [prompt[end:start] for (_, end), (start, _) in pairwise(ordered)]
    if not spans or not all(_BETWEEN.fullmatch(gap) for gap in gaps):
        return woven
    head, tail = prompt[: ordered[0][0]], prompt[ordered[-1][1] :]
    if _BETWEEN.fullmatch(tail) and not _BETWEEN.fullmatch(head):
        task = _MARKER.sub("", head).rstrip()
        lead = _LEAD_IN.search(task)
        task = task[: lead.start()].rstrip() if lead and lead.start() else task
        task_first, opening, closing = True, head[len(task) :], tail
    elif _BETWEEN.fullmatch(head) or _LEAD_IN.fullmatch(_MARKER.sub("", head).strip()):
        task = tail.lstrip(" .\n")
        task_first, opening, closing = False, head, tail[: len(tail) - len(task)]
    else:
        return woven
    if not task:
        return woven
    found = [prompt[start:end] for start, end in spans]
    stopped = tuple(found[index].endswith(".") for index in order)
    listed = "\n" in "".join(gaps) or (not gaps and _MARKER.search(opening))
    layout = FoundLayout(
        before=(opening, *gaps),
        after=closing,
        order=tuple(order),
        stopped=stopped,
        ending=None if listed else stopped[-1],
        task_first=task_first,
        numbered=_counted((opening, *gaps)),
    )
    if render(layout, task, found) != prompt:
        return woven
    return task, tuple(found), layout


def _ways(text: str) -> list[str]:
    """How a constraint may be written: as described, and with the plurals of the public data ("1 sentences")."""
    return list(dict.fromkeys(way.strip().rstrip(".") for way in (as_published(text), text)))


def _span(prompt: str, text: str, taken: Sequence[tuple[int, int]]) -> tuple[int, int] | None:
    """Where the text stands, its full stop included, apart from what is taken."""
    start = prompt.find(text) if text else -1
    while start >= 0:
        end = start + len(text)
        end += prompt[end : end + 1] == "." and prompt[end : end + 2] != ".."
        cut = _inside_word(prompt, start) or _inside_word(prompt, end)
        if not cut and not any(start < stop and begin < end for begin, stop in taken):
            return start, end
        start = prompt.find(text, start + 1)
    return None


def _inside_word(text: str, at: int) -> bool:
    around = text[max(at - 1, 0) : at + 1]
    return len(around) == 2 and around.isascii() and around.isalnum()


def _counted(before: Sequence[str]) -> bool:
    """Whether all constraints have numbers that go up by one."""
    numbers = [_ITEM.search(each) for each in before]
    values = [int(found[1]) for found in numbers if found]
    return len(values) == len(numbers) and all(after == one + 1 for one, after in pairwise(values))
