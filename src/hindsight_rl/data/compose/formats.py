"""Composed rows in the schemas of other people's trainers.

| format | file | as in |
|---|---|---|
| ``if-multi`` | .jsonl | allenai/IF_multi_constraints_upto5, with HIR-16K's ``question``, ``criteria``, ``q_type`` |
| ``nemo-gym`` | .jsonl | NeMo-Gym's instruction_following environment, with ``verifier_metadata`` |
| ``verl`` | .parquet | verl, as :mod:`hindsight_rl.lm.verl` reads it |

``question`` and ``criteria`` let a rewriter take constraints out of a prompt again; without them they would have to be
found in its prose.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

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
        "verifier_metadata": {**_asked(row), "prompt": row.prompt, "grading_mode": "binary"},
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
        "reward_model": {"style": "rule", "ground_truth": json.dumps(_asked(row), ensure_ascii=False)},
        "extra_info": info,
    }


def _asked(row: Row) -> dict[str, Any]:
    return {"instruction_id_list": list(row.ids), "kwargs": [dict(kwargs) for kwargs in row.kwargs]}


MAKERS: dict[str, Callable[[Row], dict[str, Any]]] = {"if-multi": if_multi, "nemo-gym": nemo_gym, "verl": verl}


def write(path: Path, rows: Iterable[Row], format: str) -> Path:
    """One split as a file; whole or not at all. Returns its path, with the suffix of the format."""
    made = map(MAKERS[format], rows)
    if format == "verl":
        path = path.with_suffix(".parquet")
        _parquet(path, list(made))
        return path
    path = path.with_suffix(".jsonl")
    with whole(path) as file:
        for row in made:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    return path


def _parquet(path: Path, made: list[dict[str, Any]]) -> None:
    try:
        import pyarrow
        from pyarrow import parquet
    except ModuleNotFoundError:
        raise HindsightError(f"{path}: writing parquet needs the package pyarrow (pip install pyarrow)") from None
    aside = path.with_name(path.name + ".part")
    parquet.write_table(pyarrow.Table.from_pylist(made), aside)
    os.replace(aside, path)


@contextmanager
def whole(path: Path) -> Iterator[IO[str]]:
    """A text file that takes its name only once it is complete."""
    aside = path.with_name(path.name + ".part")
    try:
        with aside.open("w", encoding="utf-8", newline="\n") as file:
            yield file
    except OSError as error:
        raise HindsightError(f"{path}: cannot be written: {error}; choose another --out") from None
    os.replace(aside, path)
