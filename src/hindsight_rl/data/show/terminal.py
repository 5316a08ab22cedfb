"""Prints a survey as tables in the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial

from rich.console import Console
from rich.table import Table
from rich.text import Text

from hindsight_rl.data.show.survey import Places, Survey

_SHOWN = 5  # number of printed findings of a kind
_LONGEST = 500  # number of printed characters of a prompt


def show(found: Survey, console: Console | None = None) -> None:
    """Print a survey."""
    console = console or Console(highlight=False)
    say = partial(console.print, soft_wrap=True)
    say(Text(f"{found.source}: {found.rows:,} rows, {found.tasks:,} different tasks"))
    numbers = ", ".join(f"{found.numbers[number]:,} with {number}" for number in sorted(found.numbers))
    say(Text(f"constraints: {numbers}"))
    say(Text("words per prompt: " + ", ".join(f"{name} {words:,}" for name, words in found.quantiles().items())))
    say(Text("layouts: " + ", ".join(f"{count:,} {name}" for name, count in found.layouts.most_common())))
    for count, what in ((found.soft, "demands that no program checks"), (found.turns, "a chat before the prompt")):
        if count:
            say(Text(f"{count:,} rows with {what}"))
    table = Table(box=None, pad_edge=False)
    for name in ("constraint", "rows", "wordings"):
        table.add_column(name, justify="left" if name == "constraint" else "right")
    for id, count in found.ids.most_common():
        wordings = found.wordings.get(id)
        table.add_row(id, f"{count:,}", f"{len(wordings):,}" if wordings else "-")
    say()
    console.print(table)
    say()
    for line in findings(found):
        say(Text(line))
    for where, asked in found.examples:
        say()
        say(Text(where, style="bold"))
        say(Text(asked.prompt if len(asked.prompt) <= _LONGEST else asked.prompt[:_LONGEST] + " ..."))
        for each in asked.constraints:
            say(Text(f"  {each.id} {each.kwargs or ''}".rstrip(), style="dim"))


def findings(found: Survey) -> list[str]:
    """Possible problems of the data, one line each."""
    lines = [
        f"conflicts: {_total(found.conflicts.values()):,}",
        *_first(found.conflicts),
        f"infeasible pairs: {_total(found.infeasible.values()):,}",
        *_first(found.infeasible),
        _placed("prompts that came before", found.same_prompt),
    ]
    if found.overlap is not None:
        lines.append(_placed("tasks that share 8 words in a row with a benchmark's prompt", found.overlap))
    lines.append(f"bad rows: {found.bad.total:,}")
    lines += [f"  {count:,}  {reason}" for reason, count in found.bad.reasons.most_common()]
    lines += [f"  at {where}" for where in found.bad.first[:_SHOWN]]
    return lines


def _total(places: Iterable[Places]) -> int:
    return sum(each.rows for each in places)


def _first(found: Mapping[str, Places]) -> list[str]:
    ordered = sorted(found.items(), key=lambda each: -each[1].rows)
    lines = [f"  {_placed(why, places)}" for why, places in ordered[:_SHOWN]]
    more = len(ordered) - _SHOWN
    return [*lines, f"  and {more} other{'s' if more > 1 else ''}"] if more > 0 else lines


def _placed(what: str, places: Places) -> str:
    return f"{what}: {places.rows:,}" + (f" (first at {places.first[0]})" if places.first else "")
