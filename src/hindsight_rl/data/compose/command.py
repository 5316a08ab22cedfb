"""`hindsight compose`: training rows for verifiable constraints out of any prompts, as files.

hindsight compose --rows 2000 --length short --numbers 1 2 --out data/short
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tyro
from rich.console import RenderableType
from rich.text import Text

from hindsight_rl.data.compose import formats
from hindsight_rl.data.compose.composer import Composed, compose
from hindsight_rl.data.compose.config import ComposeConfig
from hindsight_rl.data.compose.ranges import FAMILY_IDS, told
from hindsight_rl.data.compose.row import Row
from hindsight_rl.display import Display
from hindsight_rl.errors import HindsightError

_SHOWN = 8  # reasons; all of them are in compose.json


class _Progress(Display):
    """One line: which split, how far."""

    def __init__(self, config: ComposeConfig) -> None:
        super().__init__()
        self._config = config
        self._split, self._made = "train", 0

    def step(self, split: str, made: int) -> None:
        total = self._config.rows if split == "train" else self._config.test_rows
        self._split, self._made = split, made
        if self.live:
            self.draw()
        elif made % 2000 == 0 or made == total:
            self.say(f"{split}: {made:,} of {total:,} rows")

    def render(self) -> RenderableType:
        return Text(f"{self._split}: {self._made:,} rows")


def main(argv: list[str]) -> int:
    """Run the command; returns the exit code. Raises :class:`HindsightError` on bad input."""
    config = tyro.cli(ComposeConfig, args=argv, prog="hindsight compose", description=(__doc__ or "").splitlines()[0])
    try:
        config.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise HindsightError(f"{config.out}: cannot be made a folder: {error}; choose another --out") from None
    with _Progress(config) as progress:
        made = compose(config, progress.step)
    paths = write(made, config)
    print("\n".join(summary(made, paths)))
    return 0


def write(made: Composed, config: ComposeConfig) -> dict[str, Path]:
    """The files of a composition, by what they hold; ``compose.json`` holds the counts and the settings."""
    config.out.mkdir(parents=True, exist_ok=True)
    paths: dict[str, Path] = {}
    for split, rows in made.splits.items():
        paths[split] = formats.write(config.out / split, rows, config.format)
        if config.witnesses:
            path = paths[f"{split} witnesses"] = config.out / f"{split}.witness.jsonl"
            with formats.whole(path) as file:
                for row in rows:
                    said = {"key": row.key, "prompt": row.prompt, "response": row.witness}
                    file.write(json.dumps(said, ensure_ascii=False) + "\n")
    paths["counts"] = config.out / "compose.json"
    with formats.whole(paths["counts"]) as file:
        file.write(json.dumps(counts(made, config), indent=1, ensure_ascii=False) + "\n")
    return paths


def counts(made: Composed, config: ComposeConfig) -> dict[str, Any]:
    """Counts by number and id, what was skipped and drawn again, and the settings."""
    settings = {
        name: [str(each) for each in value] if isinstance(value, tuple) and name != "numbers" else value
        for name, value in vars(config).items()
    }
    settings["out"] = str(config.out)
    return {
        "splits": {
            split: {
                "rows": len(rows),
                "by number of constraints": _counted(rows, lambda row: [str(len(row.ids))]),
                "by layout": _counted(rows, lambda row: [row.layout]),
                "by id": _counted(rows, lambda row: row.ids),
            }
            for split, rows in made.splits.items()
        },
        "held-out ids": list(made.held_ids),
        "prompts": made.prompts,
        "prompts skipped": dict(made.skipped.most_common()),
        "drawn again": dict(made.resampled.most_common()),
        "ranges": {id: told(id, config.length) for id in config.candidates()},
        "settings": settings,
    }


def _counted(rows: list[Row], of: Callable[[Row], Any]) -> dict[str, int]:
    return dict(sorted(Counter(each for row in rows for each in of(row)).items()))


def summary(made: Composed, paths: dict[str, Path]) -> list[str]:
    """What the command says at the end."""
    lines = []
    for split, rows in made.splits.items():
        numbers = Counter(len(row.ids) for row in rows)
        shares = ", ".join(f"{numbers[number]:,} with {number}" for number in sorted(numbers))
        lines.append(f"{split}: {len(rows):,} rows ({shares} constraint{'s' if max(numbers) > 1 else ''})")
    used = Counter(id for row in made.train for id in row.ids)
    width = max(map(len, used))
    lines += ["", f"training rows by constraint, {len(used)} ids:"]
    lines += [f"  {id:<{width}}  {count:>6,}" for id, count in used.most_common()]
    if bench := sum(used[id] for id in FAMILY_IDS["ifbench"]):
        lines += ["", f"{bench:,} of these are IFBench's, which are meant for tests: a model trained on them is not"]
        lines[-1] += " tested by IFBench any more"
    if made.held_ids:
        lines += ["", f"held out, in test_ids alone: {', '.join(made.held_ids)}"]
    lines += ["", f"prompts: {made.prompts['train']:,} for training, {made.prompts['test']:,} for tests"]
    lines += [f"  {count:,} skipped: {reason}" for reason, count in made.skipped.most_common()]
    lines += [
        "",
        f"drawn again: {sum(made.resampled.values()):,} combinations that cannot hold, or stood there already",
    ]
    shown = made.resampled.most_common(_SHOWN)
    lines += [f"  {count:,}  {reason}" for reason, count in shown]
    if len(made.resampled) > len(shown):
        lines.append(f"  and {len(made.resampled) - len(shown)} other reasons, in {paths['counts']}")
    lines += ["", *(f"{what}: {path}" for what, path in paths.items())]
    return lines
