"""Training data with constraints -> verl's parquet: `python examples/verl/prepare.py HIR_trainv1.jsonl --out data`.

Writes train.parquet (HiR: `--generate` responses are sampled for each prompt), plain.parquet (the same rows, as many
responses as verl's rollout.n) and val.parquet (rows held back). See docs/verl.md.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from hindsight_rl.constraints import stored
from hindsight_rl.data.rows import read_dataset
from hindsight_rl.errors import HindsightError
from hindsight_rl.lm.verl.rows import to_row


@dataclass
class Prepare:
    """Training data with constraints as verl's parquet."""

    source: Annotated[str, tyro.conf.Positional]
    """A .jsonl, .json or .parquet file, or a dataset's id on the hub (HIR-16K: sastpg/HIR-16K)."""
    out: Path = Path("data")
    """Folder for train.parquet, plain.parquet and val.parquet."""
    generate: int = 6
    """Responses to sample for each prompt in train.parquet; rollout.n less this are for replays."""
    held: int = 128
    """Rows held back for validation."""
    judged: Literal["skip", "keep", "reject"] = "skip"
    """Rows with demands that no program checks: skip them, ask for them unchecked, or stop."""
    inline: Literal["keep", "skip", "reject"] = "keep"
    """Rows whose constraints stand in the task's prose: train on them without replay, skip them, or stop."""
    stored_code: bool = False
    """Take rows that bring Python code to check them; it runs in a limited process."""


def prepare(wanted: Prepare) -> list[Path]:
    """The files written; raises :class:`HindsightError`."""
    import pandas

    if wanted.stored_code:
        stored.allow()
    # HIR-16K has some rows whose constraints cannot be read; the rest is no worse for them.
    loaded = read_dataset(wanted.source, judged=wanted.judged, inline=wanted.inline, bad="skip")
    made = loaded.instructions
    if not 0 < wanted.held < len(made):
        raise HindsightError(f"--held {wanted.held}: {len(made)} rows can be used, so hold back 1 to {len(made) - 1}")
    for reason, count in sorted(loaded.skipped.items()):
        print(f"{count} rows left out: {reason}")
    name = Path(wanted.source).stem
    train, held = made[: -wanted.held], made[-wanted.held :]
    wanted.out.mkdir(parents=True, exist_ok=True)
    paths = []
    for file, rows, generate in (
        ("train.parquet", train, wanted.generate),
        ("plain.parquet", train, None),
        ("val.parquet", held, None),
    ):
        path = wanted.out / file
        pandas.DataFrame([to_row(each, at, generate, name) for at, each in enumerate(rows)]).to_parquet(path)
        print(f"{path}: {len(rows)} rows, {sum(each.inline for each in rows)} of them without replay")
        paths.append(path)
    return paths


if __name__ == "__main__":
    try:
        prepare(tyro.cli(Prepare))
    except HindsightError as error:
        sys.exit(str(error))
