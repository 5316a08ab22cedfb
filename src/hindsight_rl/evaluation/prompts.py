"""Public prompts and training rows as instructions, from a local file or from the hub by name.

| name | rows | from the hub |
|---|---|---|
| ``ifeval`` | 541 prompts | google/IFEval |
| ``ifbench`` | 300 prompts (294 in the older release) | allenai/IFBench_test |
| ``muldimif`` | 1,200 prompts | Junjie-Ye/MulDimIF |
| ``cfbench`` | 1,000 prompts, judged | local file only |
| ``hir-16k`` | 16,968 training rows | sastpg/HIR-16K |
| ``if-rlvr`` | training rows | allenai/IF_multi_constraints_upto5 |

Local files: see :mod:`hindsight_rl.data.files`. Reading from the hub needs the package ``datasets``. A chat of several
turns becomes the prompt of its last user turn; the turns before it are :attr:`Instruction.earlier`.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from hindsight_rl.constraints.core import CURRENT
from hindsight_rl.constraints.rows import row_constraints
from hindsight_rl.data.chats import asked
from hindsight_rl.data.files import file_rows
from hindsight_rl.data.garbage import without_collection
from hindsight_rl.data.hub import HUB, hub_rows
from hindsight_rl.data.rows import criteria_texts
from hindsight_rl.errors import HindsightError
from hindsight_rl.replay.instruction import Instruction

Row = Mapping[str, Any]


def read(name: str, path: str | Path | None = None, version: str = CURRENT) -> list[Instruction]:
    """The instructions of a benchmark or training set.

    path: a local file or folder; without it, the hub. version: which checkers, see
    :func:`hindsight_rl.constraints.core.constraint`. Raises :class:`HindsightError`, with file and line, on
    rows that cannot be read, and where there are none.
    """
    reader = _READERS.get(name)
    if reader is None:
        raise HindsightError(f"unknown benchmark {name!r}; one of: {', '.join(_READERS)}")
    with without_collection():
        found = [reader(row, where, version) for where, row in rows(name, path)]
    if not found:
        raise HindsightError(f"{path or name}: it holds no prompts")
    return found


def rows(name: str, path: str | Path | None = None) -> Iterator[tuple[str, Row]]:
    """("file:line", row) of a local file, or of the hub's dataset for `name`."""
    if path is not None:
        for found in file_rows(Path(path)):
            yield found.where, found.read()
    elif name in HUB:
        yield from hub_rows(name)
    else:
        raise HindsightError(f"{name} is not on the hub: name a local file with --prompts")


def _text(row: Row, name: str, where: str) -> str:
    value = row.get(name)
    if not isinstance(value, str):
        raise HindsightError(f"{where}: {name!r} is {value!r:.60}; it must be a string")
    return value


def _chat(row: Row, name: str, where: str) -> tuple[tuple[dict[str, Any], ...], str]:
    """The chat before the user's last words, and those, of a column."""
    if row.get(name) is None:
        raise HindsightError(f"{where}: no {name!r} in the row")
    return asked({name: row[name]}, where)


def _by_prompt(row: Row, where: str, version: str) -> Instruction:
    """IFEval and IFBench: the prompt contains the constraints."""
    given = row.get("prompt")
    earlier, prompt = ((), given) if isinstance(given, str) else asked(row, where)
    found = row_constraints(row, where, version, parsed=True)
    return Instruction(prompt, found.constraints, prompt, row.get("key"), found.texts(), earlier=earlier)


def _muldimif(row: Row, where: str, version: str) -> Instruction:
    earlier, prompt = _chat(row, "conversations", where)
    found = row_constraints(row, where, version, parsed=True)
    meta = {name: row.get(name) for name in ("difficulty", "constraint_pattern")}
    return Instruction(
        prompt, found.constraints, prompt, row.get("id"), found.texts(), found.unchecked, meta, earlier=earlier
    )


def _hir(row: Row, where: str, version: str) -> Instruction:
    """HIR-16K: the task without its constraints, and the criteria beside it."""
    task = _text(row, "prompt", where)
    found = row_constraints(row, where, version, parsed=True)
    criteria = criteria_texts(row.get("criteria") or (), where)
    aligned = len(criteria) == len(found.constraints) and not found.unchecked
    return Instruction(
        task,
        found.constraints,
        " ".join([task, *criteria]),
        row.get("id"),
        criteria if aligned else (),
        found.unchecked,
        {"source": row.get("source")},
    )


def _if_rlvr(row: Row, where: str, version: str) -> Instruction:
    earlier, prompt = _chat(row, "messages", where)
    found = row_constraints(row, where, version, parsed=True)
    return Instruction(prompt, found.constraints, prompt, row.get("key"), found.texts(), earlier=earlier)


def _cfbench(row: Row, where: str, version: str) -> Instruction:
    """CFBench: demands for a judge, each with its priority in ``meta["primary"]``."""
    prompt = _text(row, "prompt", where)
    criteria = row.get("criteria") or []
    try:
        criteria = ast.literal_eval(criteria) if isinstance(criteria, str) else criteria
        soft = tuple(str(each[0]) for each in criteria)
        primary = [each[1] == "主需" for each in criteria]
    except (ValueError, SyntaxError, IndexError, TypeError, RecursionError, MemoryError):
        raise HindsightError(f"{where}: 'criteria' must be a list of [text, priority, ...]") from None
    meta = {"primary": primary, "split": row.get("split")}
    return Instruction(prompt, (), prompt, row.get("idx"), soft=soft, meta=meta)


_READERS: dict[str, Callable[[Row, str, str], Instruction]] = {
    "ifeval": _by_prompt,
    "ifbench": _by_prompt,
    "muldimif": _muldimif,
    "cfbench": _cfbench,
    "hir-16k": _hir,
    "if-rlvr": _if_rlvr,
}
