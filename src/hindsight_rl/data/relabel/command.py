"""`hindsight relabel FILE`: make hindsight training rows from prompts with constraints and responses to them.

hindsight relabel responses.jsonl --prompts prompts.jsonl --rewriter retarget --format sft --out hindsight.jsonl
"""

from __future__ import annotations

import tyro
from rich.console import RenderableType
from rich.text import Text

from hindsight_rl.data.relabel.config import RelabelConfig
from hindsight_rl.data.relabel.counts import Counts
from hindsight_rl.data.relabel.relabeling import relabel
from hindsight_rl.data.stream import BadRows
from hindsight_rl.display import Display

_SHOWN = 3  # number of printed places of bad rows; more are in the counts
_WORDS = {
    "success": "that met their own instruction",
    "hindsight": "under the instruction that they met",
    "failure": "that failed their own instruction",
}


class _Progress(Display):
    """A progress line."""

    def __init__(self) -> None:
        super().__init__()
        self._counts = Counts()

    def step(self, counts: Counts) -> None:
        self._counts = counts
        if self.live:
            self.draw()
        elif counts.units % 5000 == 0:
            self.say(self._line())

    def _line(self) -> str:
        return f"{self._counts.responses:,} responses read, {self._counts.written.total():,} rows written"

    def render(self) -> RenderableType:
        return Text(self._line())


def main(argv: list[str]) -> int:
    """Run the command; returns the exit code. Raises :class:`HindsightError` on bad input."""
    config = tyro.cli(RelabelConfig, args=argv, prog="hindsight relabel", description=(__doc__ or "").splitlines()[0])
    with _Progress() as progress:
        counts = relabel(config, progress.step)
    print("\n".join(summary(counts, config)))
    return 0


def summary(counts: Counts, config: RelabelConfig) -> list[str]:
    """The summary at the end of the command."""
    lines = []
    if counts.resumed:
        what = "prompts" if config.format == "dpo" else "rows"
        lines += [f"resumed after {counts.resumed:,} {what}", ""]
    if counts.prompts is not None:
        lines.append(f"prompts: {counts.prompts:,}")
        lines += _bad(counts.bad_prompts)
    failed = counts.responses - counts.successes
    lines.append(f"responses: {counts.responses:,}, of which {counts.successes:,} met their instruction")
    if failed:
        lines.append(f"  of the other {failed:,}, {counts.rewritten:,} met a rewritten one")
    lines += ["", f"rows: {counts.written.total():,}"]
    words = _WORDS if config.format != "dpo" else {"success": "pairs under the prompt as it was", **_DPO}
    lines += [f"  {count:,} {words[source]}" for source, count in sorted(counts.written.items())]
    if config.format == "dpo" and not counts.written:
        lines.append("  a pair needs two responses to one prompt, one that meets it and one that does not")
    if counts.rejected:
        lines += ["", "no rewrite, or no row:"]
        lines += [f"  {count:,}  {reason}" for reason, count in counts.rejected.most_common()]
    if counts.bad.total:
        lines += ["", *_bad(counts.bad)]
    if counts.reopened:
        lines += ["", f"{counts.reopened:,} prompts had responses farther apart than the window of {config.window:,}:"]
        lines[-1] += " pairs of these are missing; sort FILE by prompt, or choose a larger --window"
    return [*lines, "", f"{config.format}: {config.out}", f"counts: {config.out}.counts.json"]


_DPO = {"hindsight": "pairs under a rewritten prompt"}


def _bad(rows: BadRows) -> list[str]:
    if not rows.total:
        return []
    lines = [f"bad rows: {rows.total:,}"]
    lines += [f"  {count:,}  {reason}" for reason, count in rows.reasons.most_common()]
    return [*lines, *(f"  at {where}" for where in rows.first[:_SHOWN])]
