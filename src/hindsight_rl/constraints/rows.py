"""The constraints that one row of public data carries, in whichever of the public shapes.

| shape | as in |
|---|---|
| ``instruction_id_list`` and ``kwargs``, aligned | IFEval, IFBench, HIR-16K type1 and type2 |
| a list holding one ``{"instruction_id": [...], "kwargs": [...]}`` | IF_multi_constraints_upto5 |
| ``constraints``: [category, sub-category, text] each | MulDimIF, HIR-16K type3 |
| ids and kwargs with ``soft``: texts for a judge | ``hindsight decompose`` |
| ``checker``: "[rule] ..." or "[llm] ..." each, and ``functions``: the rules' sources | HIR-16K type4 |

Any of them may stand under ``ground_truth``, alone in a list or not, and may be written as JSON or as a Python literal.
"""

from __future__ import annotations

import ast
import json
import marshal
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from hindsight_rl.constraints.core import CURRENT, Checker, ConstraintError, constraint
from hindsight_rl.constraints.muldimif.parse import parse_row

# The columns from which the constraints are read; all others are ignored.
COLUMNS = (
    "instruction_id_list",
    "instruction_id",
    "kwargs",
    "constraints",
    "checker",
    "functions",
    "soft",
    "ground_truth",
)


# The columns that show that a row has constraints.
_NAMING = ("instruction_id_list", "instruction_id", "constraints", "checker")


_DEEPEST = 6  # texts in lists in texts


class RowConstraints(NamedTuple):
    """What a row asks: the checkable constraints in order, and the demands that no program checks."""

    constraints: tuple[Checker, ...]
    unchecked: tuple[str, ...] = ()

    def texts(self) -> tuple[str, ...]:
        """The constraints in words."""
        return tuple([each.describe() for each in self.constraints])


def row_constraints(
    row: Mapping[str, Any], where: str | None = None, version: str = CURRENT, *, parsed: bool = False
) -> RowConstraints:
    """The constraints of a row.

    parsed: the row comes from a parser of JSON and is read once, so that it needs no conversion and is not remembered.
    Raises :class:`ConstraintError`, naming `where`, when none can be read.
    """
    try:
        if parsed:
            return _constraints(row, version)
        given = {name: row[name] for name in COLUMNS if name in row}
        if not all(map(_is_plain, given.values())):
            given = json.loads(json.dumps(given, default=_plain))
        return _read(marshal.dumps(given, 2), version)
    except ConstraintError as error:
        raise ConstraintError(f"{where}: {error}" if where else str(error)) from None


def of_another_task(row: Mapping[str, Any]) -> bool:
    """Whether a row of mixed data has no constraints: the columns that would name them are there, and None.

    Its ``ground_truth`` may then be the answer of the other task. A row without any such column is no row of ours.
    """
    named = [row[name] for name in (*_NAMING, "ground_truth") if name in row]
    if not named or any(row.get(name) is not None for name in _NAMING):
        return False
    truth = row.get("ground_truth")
    if truth is None or not any(name in row for name in _NAMING):
        return truth is None
    said = truth if isinstance(truth, str) else json.dumps(truth, default=str)
    return not any(name in said for name in _NAMING)


@lru_cache(maxsize=4096)
def _read(key: bytes, version: str) -> RowConstraints:
    # Keyed by the content: a trainer shows the same row once for every response of its group.
    return _constraints(marshal.loads(key), version)


_SCALARS = frozenset((str, int, float, bool, type(None)))


def _is_plain(value: Any) -> bool:
    """Made of JSON's own types alone."""
    kind = type(value)
    if kind in _SCALARS:
        return True
    if kind is list:
        return all(map(_is_plain, value))
    return kind is dict and all(map(_is_plain, value.values())) and all(type(name) is str for name in value)


def _plain(value: Any) -> Any:
    """NumPy's arrays and numbers, as columnar files hand them out."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise ConstraintError(f"a {type(value).__name__} among the constraints; they are plain JSON")


def _constraints(row: Any, version: str) -> RowConstraints:
    for _ in range(_DEEPEST):
        if isinstance(row, str):
            row = _literal(row)
        elif isinstance(row, list) and len(row) == 1:
            row = row[0]
        else:
            break
    if not isinstance(row, dict):
        raise ConstraintError(f"{_shown(row)} holds no constraints; known columns: {', '.join(COLUMNS)}")
    for name in ("instruction_id_list", "instruction_id"):
        if row.get(name) is not None:
            soft = _list("soft", row["soft"]) if row.get("soft") is not None else []
            return RowConstraints(_by_id(name, row[name], row.get("kwargs"), version), tuple(map(str, soft)))
    if row.get("checker") is not None:
        return _stored(_list("checker", row["checker"]), _list("functions", row.get("functions") or []))
    if row.get("constraints") is not None:
        items = parse_row({"constraints": _list("constraints", row["constraints"])})
        return RowConstraints(
            tuple(item.constraint for item in items if item.constraint is not None),
            tuple(f"{item.text} ({item.reason})" for item in items if item.constraint is None),
        )
    if row.get("ground_truth") is not None:
        return _constraints(row["ground_truth"], version)
    raise ConstraintError(f"no constraints in the row: it needs one of {', '.join(COLUMNS)}")


def _by_id(name: str, ids: Any, kwargs: Any, version: str) -> tuple[Checker, ...]:
    ids = _list(name, ids)
    kwargs = _list("kwargs", kwargs) if kwargs is not None else [None] * len(ids)
    if len(ids) != len(kwargs):
        raise ConstraintError(f"{len(ids)} ids in {name!r} but {len(kwargs)} in 'kwargs'; they go in pairs")
    made = []
    for id, given in zip(ids, kwargs, strict=True):
        given = _literal(given) if isinstance(given, str) else given
        if not isinstance(id, str) or not (given is None or isinstance(given, dict)):
            raise ConstraintError(f"{_shown(id)} with kwargs {_shown(given)}; an id is a string, kwargs an object")
        made.append(_checker(id, marshal.dumps(given, 2), version))
    return tuple(made)


@lru_cache(maxsize=16384)
def _checker(id: str, kwargs: bytes, version: str) -> Checker:
    # Different rows share many of their constraints; a checker keeps nothing of what it checks.
    return constraint(id, marshal.loads(kwargs), version=version)


def _stored(checkers: Sequence[Any], functions: Sequence[Any]) -> RowConstraints:
    rules = [text for text in checkers if isinstance(text, str) and text.lstrip().startswith("[rule]")]
    sources = [source for source in functions if source]
    if len(rules) != len(sources):
        raise ConstraintError(f"{len(rules)} [rule] checkers but {len(sources)} 'functions'; they go in pairs")
    return RowConstraints(
        tuple(
            constraint("stored:python", {"source": source, "text": rule.replace("[rule]", "", 1).strip()})
            for rule, source in zip(rules, sources, strict=True)
        ),
        tuple(str(text).replace("[llm]", "", 1).strip() for text in checkers if text not in rules),
    )


def _list(name: str, value: Any) -> list[Any]:
    if isinstance(value, str):
        value = _literal(value)
    if not isinstance(value, list):
        raise ConstraintError(f"{name!r} is {_shown(value)}; it must be a list")
    return value


def _literal(text: str) -> Any:
    for form in (text, _as_json(text)) if not text.startswith(_PYTHON) else (_as_json(text), text):
        if form is not None:
            try:
                return json.loads(form)
            except (ValueError, RecursionError):
                pass
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        raise ConstraintError(f"{_shown(text)} is neither JSON nor a Python literal") from None


_PYTHON = ("[{'", "{'", "['")
_QUOTED = re.compile(r"('[^'\\\n]*'|\"[^\"\\\n]*\")")


def _as_json(text: str) -> str | None:
    """A Python literal as JSON, many times faster than Python's own parser; None if it has a backslash.

    Other things that JSON does not have (tuples, sets, prefixes, adjacent strings) give text that is no JSON.
    """
    if "\\" in text:
        return None
    if '"' not in text:  # so each quote begins or ends a text
        pieces = text.split("'")
        pieces[::2] = [_words(piece) for piece in pieces[::2]]
        return '"'.join(pieces)
    parts = _QUOTED.split(text)
    parts[::2] = [_words(part) for part in parts[::2]]
    for at in range(1, len(parts), 2):
        inner = parts[at][1:-1]
        parts[at] = '"' + (inner.replace('"', '\\"') if '"' in inner else inner) + '"'
    return "".join(parts)


def _words(text: str) -> str:
    """Python's words for values as JSON's, in a text without strings."""
    if "e" not in text:  # all three have one
        return text
    return text.replace("None", "null").replace("True", "true").replace("False", "false")


def _shown(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else shown[:57] + "..."
