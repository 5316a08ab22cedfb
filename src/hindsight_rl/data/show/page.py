"""A survey as one self-contained HTML page, without scripts or network requests."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hindsight_rl.atomic_files import write_output
from hindsight_rl.data.show.survey import Places, Survey
from hindsight_rl.report import html

_BINS = 12
_PLACES = 3
_MOST_WORDINGS = 20


def write(found: Survey, out: Path) -> Path:
    """Write the page atomically; returns its path. Raises :class:`HindsightError`."""
    page = render(found)
    write_output(out, lambda path: path.write_text(page, "utf-8", errors="replace"))
    return out


def render(found: Survey) -> str:
    """The page as text."""
    name = Path(found.source).name
    wrong = sum(each.rows for group in (found.conflicts, found.infeasible) for each in group.values())
    again = {"prompts that came before": found.same_prompt}
    if found.overlap is not None:
        again["tasks that share 8 words in a row with a benchmark's prompt"] = found.overlap
    return html.fill(
        "show.html",
        title=name,
        path=found.source if found.source != name else "",
        found=found,
        findings=wrong + found.bad.total,
        numbers=[(f"{n} constraint{'' if n == 1 else 's'}", found.numbers[n]) for n in sorted(found.numbers)],
        lengths=_lengths(found),
        together=[
            (title, _placed(group))
            for title, group in (("Conflicts", found.conflicts), ("Infeasible pairs", found.infeasible))
            if group
        ],
        again=_placed(again),
        reasons=[(reason, f"{count:,}") for reason, count in found.bad.reasons.most_common()],
        **_wordings(found),
    )


def _wordings(found: Survey) -> dict[str, Any]:
    """Rows of two tables: the most frequent wording of each constraint, and up to twenty of each."""
    ordered = {id: found.wordings[id].most_common() for id in sorted(found.wordings)}
    return {
        "wordings": [(id, f"{len(each):,}", f"{each[0][0]} ({each[0][1]:,})") for id, each in ordered.items()],
        "every": [(id, f"{count:,}", text) for id, each in ordered.items() for text, count in each[:_MOST_WORDINGS]],
    }


def _lengths(found: Survey) -> list[tuple[str, int]]:
    low, high = min(found.words), max(found.words)
    step = max(1, -(-(high - low + 1) // _BINS))
    starts = range(low, high + 1, step)
    counts = [0] * len(starts)
    for words in found.words:
        counts[(words - low) // step] += 1
    return [(f"{a:,} to {min(a + step - 1, high):,}", count) for a, count in zip(starts, counts, strict=True)]


def _placed(group: Mapping[str, Places]) -> list[tuple[str, str, str]]:
    ordered = sorted(group.items(), key=lambda each: -each[1].rows)
    return [(why, f"{each.rows:,}", ", ".join(each.first[:_PLACES])) for why, each in ordered]
