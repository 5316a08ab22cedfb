"""`hindsight compose`: make training rows from any prompts and verifiable constraints.

hindsight compose --rows 2000 --length short --numbers 1 2 --out data/short
"""

from __future__ import annotations

import tyro
from rich.console import RenderableType
from rich.text import Text

from hindsight_rl.data.compose.config import ComposeConfig
from hindsight_rl.data.compose.counts import Counts
from hindsight_rl.data.compose.formats import SUFFIXES
from hindsight_rl.data.compose.output import write
from hindsight_rl.data.compose.ranges import FAMILY_IDS
from hindsight_rl.data.files import SUFFIXES as FILES
from hindsight_rl.display import Display
from hindsight_rl.errors import HindsightError

_SHOWN = 8  # number of printed reasons; compose.json has all


class _Progress(Display):
    """A progress line with the split and its number of rows."""

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
    if config.out.suffix in FILES:
        name = f"train{SUFFIXES[config.format]}"
        raise HindsightError(f"--out {config.out}: give a folder, which will hold {name}: {config.out.with_suffix('')}")
    with _Progress(config) as progress:
        counts = write(config, progress.step)
    print("\n".join(summary(counts, config)))
    return 0


def summary(made: Counts, config: ComposeConfig) -> list[str]:
    """The summary at the end of the command."""
    lines = []
    if made.resumed:
        total = sum(counts.rows for counts in made.splits.values())
        what = "all rows existed already" if made.resumed == total else f"resumed after {made.resumed:,} rows"
        lines += [what, ""]
    for split, counts in made.splits.items():
        numbers = counts.numbers
        shares = ", ".join(f"{numbers[number]:,} with {number}" for number in sorted(numbers))
        lines.append(f"{split}: {counts.rows:,} rows ({shares} constraint{'s' if max(numbers) > 1 else ''})")
    used = made.splits["train"].ids
    width = max(map(len, used))
    lines += ["", f"training rows by constraint, {len(used)} ids:"]
    lines += [f"  {id:<{width}}  {count:>6,}" for id, count in used.most_common()]
    if bench := sum(used[id] for id in FAMILY_IDS["ifbench"]):
        lines += ["", f"{bench:,} of these are IFBench's, which are meant for tests: a model trained on them is not"]
        lines[-1] += " tested by IFBench any more"
    if made.held_ids:
        lines += ["", f"held out, only in test_ids: {', '.join(made.held_ids)}"]
    lines += ["", f"prompts: {made.prompts['train']:,} for training, {made.prompts['test']:,} for tests"]
    lines += [f"  {line}" for line in made.skipped.lines()]
    lines += [
        "",
        f"drawn again, because constraints cannot hold together or the row existed already: {made.resampled.total():,}",
    ]
    shown = made.resampled.most_common(_SHOWN)
    lines += [f"  {count:,}  {reason}" for reason, count in shown]
    if len(made.resampled) > len(shown):
        lines.append(f"  and {len(made.resampled) - len(shown)} other reasons, in {config.out / 'compose.json'}")
    lines.append("")
    for split in made.splits:
        lines.append(f"{split}: {config.out / split}{SUFFIXES[config.format]}")
        if config.witnesses:
            lines.append(f"{split} witnesses: {config.out / split}.witness.jsonl")
    return [*lines, f"counts: {config.out / 'compose.json'}"]
