"""Composed rows in the schemas of public trainers.

| format | file | as in |
|---|---|---|
| ``if-multi`` | .jsonl | allenai/IF_multi_constraints_upto5, with HIR-16K's ``question``, ``criteria``, ``q_type`` |
| ``nemo-gym`` | .jsonl | NeMo-Gym's instruction_following environment, with ``verifier_metadata`` |
| ``verl`` | .parquet | verl, as :mod:`hindsight_rl.lm.verl` reads it |

``question`` and ``criteria`` let a rewriter take constraints out of a prompt again; without them they would have to be
found in its prose.
"""

from __future__ import annotations

import ast
import importlib.util
import json
import os
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hindsight_rl.atomic_files import replacing
from hindsight_rl.errors import HindsightError
from hindsight_rl.replay.layouts import layout_to_json

if TYPE_CHECKING:
    from hindsight_rl.data.compose.row import Row

SOURCE = "hindsight_compose"


def if_multi(row: Row) -> dict[str, Any]:
    """As IF_multi_constraints_upto5; ``ground_truth`` is the text of a Python list, as there."""
    made: dict[str, Any] = {
        "key": row.key,
        "messages": [{"role": "user", "content": row.prompt}],
        "ground_truth": repr([{"instruction_id": list(row.ids), "kwargs": [kwargs or None for kwargs in row.kwargs]}]),
        "dataset": SOURCE,
        "constraint_type": "single" if len(row.ids) == 1 else "multi",
        "constraint": " ".join(row.texts),
    }
    if row.layout != "inline":
        made |= {"question": row.task, "criteria": list(row.texts), "q_type": row.layout}
    return made


def nemo_gym(row: Row) -> dict[str, Any]:
    """As NeMo-Gym's instruction_following environment, whose ids are numbers."""
    return {
        "id": row.index,
        "key": row.key,
        "responses_create_params": {
            "input": [{"role": "user", "content": row.prompt}],
            "tools": [],
            "parallel_tool_calls": False,
        },
        "verifier_metadata": {**_checks(row), "prompt": row.prompt, "grading_mode": "binary"},
    }


def verl(row: Row) -> dict[str, Any]:
    """As verl's rows; what a rewriter needs stands in ``extra_info``."""
    info: dict[str, Any] = {"index": row.index, "key": row.key, "prompt": row.prompt}
    if row.layout != "inline":
        info |= {"task": row.task, "texts": list(row.texts), "soft": [], "layout": layout_to_json(row.layout)}
    return {
        "data_source": SOURCE,
        "prompt": [{"role": "user", "content": row.prompt}],
        "ability": "instruction following",
        # As text: the kwargs of different constraints have no columns in common.
        "reward_model": {"style": "rule", "ground_truth": json.dumps(_checks(row), ensure_ascii=False)},
        "extra_info": info,
    }


def _checks(row: Row) -> dict[str, Any]:
    return {"instruction_id_list": list(row.ids), "kwargs": [dict(kwargs) for kwargs in row.kwargs]}


_MAKERS: dict[str, Callable[[Row], dict[str, Any]]] = {"if-multi": if_multi, "nemo-gym": nemo_gym, "verl": verl}
SUFFIXES = {"if-multi": ".jsonl", "nemo-gym": ".jsonl", "verl": ".parquet"}
_GROUP = 5_000  # rows of a parquet file that are in memory at once


def line(row: Row, format: str) -> dict[str, Any]:
    """A row in a format."""
    return _MAKERS[format](row)


def asked(line: Mapping[str, Any], format: str) -> tuple[int, list[tuple[str, Mapping[str, Any]]]]:
    """The index of a row that :func:`line` made, and its constraints as (id, kwargs)."""
    if format == "if-multi":
        index, (found, *_) = int(line["key"].rpartition("-")[2]), ast.literal_eval(line["ground_truth"])
        ids = found["instruction_id"]
    else:
        info = line if format == "nemo-gym" else line["extra_info"]
        index = info["id"] if format == "nemo-gym" else info["index"]
        found = line["verifier_metadata"] if format == "nemo-gym" else json.loads(line["reward_model"]["ground_truth"])
        ids = found["instruction_id_list"]
    return index, [(id, kwargs or {}) for id, kwargs in zip(ids, found["kwargs"], strict=True)]


def write(path: Path, rows: Iterable[Row], format: str) -> Path:
    """Rows as one file; whole or not at all. Returns its path, with the suffix of the format."""
    path = path.with_suffix(SUFFIXES[format])
    if format == "verl":
        need_parquet(path)
    aside = path.with_name(path.name + ".part")
    try:
        with aside.open("w", encoding="utf-8", newline="\n") as file:
            for row in rows:
                file.write(json.dumps(line(row, format), ensure_ascii=False) + "\n")
        if format == "verl":
            parquet(path, aside)
            aside.unlink()
        else:
            os.replace(aside, path)
    except OSError as error:
        raise HindsightError(f"{path}: cannot be written: {error}; choose another --out") from None
    return path


def need_parquet(path: Path) -> None:
    """Raises :class:`HindsightError` where parquet cannot be written."""
    if importlib.util.find_spec("pyarrow") is None:
        raise HindsightError(f"{path}: writing parquet needs the package pyarrow: pip install pyarrow")


def parquet(path: Path, lines: Path) -> None:
    """A file of verl's rows as JSON lines becomes a parquet file, whole or not at all; a part of it is in memory."""
    import pyarrow
    from pyarrow import parquet as files

    text, number = pyarrow.string(), pyarrow.int64()
    message = pyarrow.struct([("role", text), ("content", text)])
    info = [("index", number), ("key", text), ("prompt", text), ("task", text), ("texts", pyarrow.list_(text))]
    info += [("soft", pyarrow.list_(text)), ("layout", text)]
    columns = pyarrow.schema(
        [
            ("data_source", text),
            ("prompt", pyarrow.list_(message)),
            ("ability", text),
            ("reward_model", pyarrow.struct([("style", text), ("ground_truth", text)])),
            ("extra_info", pyarrow.struct(info)),
        ]
    )
    with (
        replacing(path) as partial,
        lines.open(encoding="utf-8") as file,
        files.ParquetWriter(partial, columns) as out,
    ):
        while part := [json.loads(row) for row in islice(file, _GROUP)]:
            out.write_table(pyarrow.Table.from_pylist(part, columns))
