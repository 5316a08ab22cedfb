"""Public prompts and training rows as instructions, from a local file or from the hub by name.

| name | rows | from the hub |
|---|---|---|
| ``ifeval`` | 541 prompts | google/IFEval |
| ``ifbench`` | 300 prompts (294 in the older release) | allenai/IFBench_test |
| ``muldimif`` | 1,200 prompts | Junjie-Ye/MulDimIF |
| ``cfbench`` | 1,000 prompts, judged | local file only |
| ``hir-16k`` | 16,968 training rows | sastpg/HIR-16K |
| ``if-rlvr`` | training rows | allenai/IF_multi_constraints_upto5 |

Local files are JSON lines, or one JSON array. Reading from the hub needs the package ``datasets``.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from hindsight_rl.constraints.core import CURRENT
from hindsight_rl.constraints.rows import row_constraints
from hindsight_rl.errors import HindsightError
from hindsight_rl.replay.instruction import Instruction

Row = Mapping[str, Any]

# name -> (dataset, split) on the hub
HUB: dict[str, tuple[str, str]] = {
    "ifeval": ("google/IFEval", "train"),
    "ifbench": ("allenai/IFBench_test", "train"),
    "muldimif": ("Junjie-Ye/MulDimIF", "test"),
    "hir-16k": ("sastpg/HIR-16K", "train"),
    "if-rlvr": ("allenai/IF_multi_constraints_upto5", "train"),
}


def read(name: str, path: str | Path | None = None, version: str = CURRENT) -> list[Instruction]:
    """The instructions of a benchmark or training set.

    path: a local file; without it, the hub. version: which checkers, see
    :func:`hindsight_rl.constraints.core.constraint`. Raises :class:`HindsightError`, with file and line, on
    rows that cannot be read.
    """
    reader = _READERS.get(name)
    if reader is None:
        raise HindsightError(f"unknown benchmark {name!r}; one of: {', '.join(_READERS)}")
    return [reader(row, where, version) for where, row in rows(name, path)]


def rows(name: str, path: str | Path | None = None) -> Iterator[tuple[str, Row]]:
    """("file:line", row) of a local file, or of the hub's dataset for `name`."""
    if path is not None:
        yield from local_rows(Path(path))
        return
    if name not in HUB:
        raise HindsightError(f"{name} is not on the hub: name a local file with --prompts")
    dataset, split = HUB[name]
    try:
        from datasets import load_dataset  # type: ignore[import-not-found,unused-ignore]
    except ModuleNotFoundError:
        raise HindsightError(
            f"reading {dataset} from the hub needs the package 'datasets' (pip install datasets); "
            "or name a local file with --prompts"
        ) from None
    try:
        table: Iterable[Row] = load_dataset(dataset, split=split)
    except Exception as error:
        raise HindsightError(f"cannot read {dataset} from the hub ({error}); use --prompts FILE") from error
    for index, row in enumerate(table):
        yield f"{dataset}:{index + 1}", row


def local_rows(path: Path) -> Iterator[tuple[str, Row]]:
    """("file:line", row) of a file of JSON lines; ("file:item n", row) of one JSON array."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise HindsightError(f"{path}: cannot be read: {error}") from None
    if text.lstrip().startswith("["):
        try:
            items = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise HindsightError(f"{path}: not JSON: {error}") from None
        yield from ((f"{path}:item {at}", _object(item, f"{path}:item {at}")) for at, item in enumerate(items, 1))
        return
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            where = f"{path}:{number}"
            try:
                item = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise HindsightError(f"{where}: not JSON: {error}") from None
            yield where, _object(item, where)


def _object(item: Any, where: str) -> Row:
    if not isinstance(item, dict):
        raise HindsightError(f"{where}: {type(item).__name__} instead of an object")
    return item


def _text(row: Row, name: str, where: str) -> str:
    value = row.get(name)
    if not isinstance(value, str):
        raise HindsightError(f"{where}: {name!r} is {value!r:.60}; it must be a string")
    return value


def _said(row: Row, name: str, where: str) -> str:
    """The user's words in a list of chat messages."""
    for message in row.get(name) or []:
        if isinstance(message, Mapping) and message.get("role") == "user":
            return _text(message, "content", where)
    raise HindsightError(f"{where}: {name!r} holds no message of the user")


def _by_prompt(row: Row, where: str, version: str) -> Instruction:
    """IFEval and IFBench: the prompt says it all."""
    prompt = _text(row, "prompt", where)
    found = row_constraints(row, where, version)
    return Instruction(prompt, found.constraints, prompt, row.get("key"))


def _muldimif(row: Row, where: str, version: str) -> Instruction:
    prompt = _said(row, "conversations", where)
    found = row_constraints(row, where, version)
    meta = {name: row.get(name) for name in ("difficulty", "constraint_pattern")}
    return Instruction(prompt, found.constraints, prompt, row.get("id"), soft=found.unchecked, meta=meta)


def _hir(row: Row, where: str, version: str) -> Instruction:
    """HIR-16K: the task without its constraints, and the criteria beside it."""
    task = _text(row, "prompt", where)
    found = row_constraints(row, where, version)
    criteria = row.get("criteria") or []
    aligned = len(criteria) == len(found.constraints) and not found.unchecked
    return Instruction(
        task,
        found.constraints,
        " ".join([task, *map(str, criteria)]),
        row.get("id"),
        tuple(map(str, criteria)) if aligned else (),
        found.unchecked,
        {"source": row.get("source")},
    )


def _if_rlvr(row: Row, where: str, version: str) -> Instruction:
    prompt = _said(row, "messages", where)
    return Instruction(prompt, row_constraints(row, where, version).constraints, prompt, row.get("key"))


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
