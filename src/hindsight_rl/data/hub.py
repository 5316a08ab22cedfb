"""Rows of datasets on the hub, by their id or by a short name. Needs the package ``datasets``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from hindsight_rl.errors import HindsightError

# name -> (dataset, split) on the hub
HUB: dict[str, tuple[str, str]] = {
    "ifeval": ("google/IFEval", "train"),
    "ifbench": ("allenai/IFBench_test", "train"),
    "muldimif": ("Junjie-Ye/MulDimIF", "test"),
    "hir-16k": ("sastpg/HIR-16K", "train"),
    "if-rlvr": ("allenai/IF_multi_constraints_upto5", "train"),
}


def hub_rows(source: str, split: str = "train") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """("dataset:row n", row) of a dataset.

    source: "owner/name", or a name of :data:`HUB`, which has its own split. Raises :class:`HindsightError`.
    """
    name, split = HUB.get(source, (source, split))
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", name):
        raise HindsightError(
            f"{source}: neither a file nor a dataset; give a .jsonl, .json or .parquet file, a folder of them, an id "
            f"like owner/name, or one of {', '.join(HUB)}"
        )
    try:
        from datasets import load_dataset  # type: ignore[import-not-found,unused-ignore]
    except ModuleNotFoundError:
        raise HindsightError(
            f"{name}: reading from the hub needs the package datasets (pip install datasets); or name a local file"
        ) from None
    try:
        table: Iterable[Mapping[str, Any]] = load_dataset(name, split=split)
    except Exception as error:
        said = (str(error).splitlines() or [type(error).__name__])[0]
        raise HindsightError(f"{name}: cannot be read from the hub ({said}); or name a local file") from error
    for index, row in enumerate(table, 1):
        yield f"{name}:row {index}", row
