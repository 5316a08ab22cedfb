"""A survey as one self-contained HTML page, without scripts or network requests."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path

from hindsight_rl import __version__
from hindsight_rl.atomic_files import write_output
from hindsight_rl.data.show.survey import Places, Survey
from hindsight_rl.replay.instruction import Instruction
from hindsight_rl.report.svg import escaped

_BINS = 12
_PLACES = 3
_PART = re.compile(r"(?<=\w)[:_/](?=\w)")
_LAYOUTS = "type1 to type6 are HiR's layouts: task and constraints stand apart, so that a constraint can be dropped."


def write(found: Survey, out: Path) -> Path:
    """Write the page atomically; returns its path. Raises :class:`HindsightError`."""
    page = render(found)
    write_output(out, lambda path: path.write_text(page, "utf-8", errors="replace"))
    return out


def render(found: Survey) -> str:
    """The page as text."""
    name = Path(found.source).name
    css = (files("hindsight_rl.report") / "style.css").read_text("utf-8")
    css += (files("hindsight_rl.data.show") / "page.css").read_text("utf-8")
    path = f'<p class="sub">{_broken(found.source)}</p>' if found.source != name else ""
    sections = {
        "constraints": (
            "Constraints",
            "Rows by constraint, and by how many constraints they have.",
            _constraints(found),
        ),
        "wordings": (
            "Wordings",
            "How each constraint is worded, without its numbers and words; of rows that keep task and constraints "
            "apart, or say a constraint word for word.",
            _wordings(found),
        ),
        "lengths": ("Lengths", "Words per prompt, the constraints included.", _lengths(found)),
        "together": ("What cannot hold together", "Constraints of one row that exclude one another.", _together(found)),
        "again": ("Repeats and overlaps", "Case, marks and white space do not make another prompt.", _again(found)),
        "bad": ("Bad rows", "Rows that could not be read, by reason.", _bad(found)),
        "examples": ("Random rows", "Prompts as the model reads them, with what is checked.", _examples(found)),
    }
    body = "".join(
        f'<section id="{anchor}"><h3>{escaped(title)}</h3><p class="lead">{escaped(lead)}</p>{text}</section>'
        for anchor, (title, lead, text) in sections.items()
    )
    links = "".join(f'<a href="#{anchor}">{escaped(title)}</a>' for anchor, (title, _, _) in sections.items())
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{escaped(name)}</title><style>{css}</style></head><body>"
        f'<header class="top"><h1>{_broken(name)}</h1>{path}</header>'
        f"<nav><div>{links}</div></nav><main>{_tiles(found)}{body}</main>"
        f"<footer>Made by hindsight-rl {escaped(__version__)}.</footer></body></html>\n"
    )


def _tiles(found: Survey) -> str:
    wrong = sum(each.rows for group in (found.conflicts, found.infeasible) for each in group.values())
    shown = (
        (f"{found.rows:,}", "rows"),
        (f"{found.tasks:,}", "different tasks"),
        (f"{len(found.ids):,}", "kinds of constraints"),
        (f"{wrong + found.bad.total:,}", "findings: conflicts, infeasible pairs, bad rows"),
    )
    tiles = "".join(f'<div class="tile"><b>{number}</b><small>{what}</small></div>' for number, what in shown)
    return f'<div class="tiles">{tiles}</div>'


def _bars(counts: Iterable[tuple[str, int]]) -> str:
    """Labels with a bar and a number each."""
    shown = list(counts)
    most = max((count for _, count in shown), default=0) or 1
    rows = "".join(
        f'<div class="row"><div class="lab">{_broken(label)}</div><div class="tracks"><div class="track">'
        f'<i style="width:{100 * count / most:.1f}%;background:var(--c0)"></i></div>'
        f'<div class="num">{count:,}</div></div></div>'
        for label, count in shown
    )
    return f'<div class="bars">{rows}</div>'


# Columns of numbers, which stand to the right; the head says what is counted.
_NUMBERS = ("rows", "wordings")


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table; on a narrow screen a list, where a number says what it counts."""

    def cell(of: str, value: object) -> str:
        if of in _NUMBERS:
            return f'<td class="n" data-of="{escaped(of)}">{escaped(value)}</td>'
        return f'<td class="id">{escaped(value)}</td>' if of == "constraint" else f"<td>{_broken(str(value))}</td>"

    heads = "".join(f"<th{' class=n' * (each in _NUMBERS)}>{escaped(each)}</th>" for each in head)
    lines = "".join(f"<tr>{''.join(cell(of, value) for of, value in zip(head, row, strict=True))}</tr>" for row in rows)
    return (
        f'<div class="scroll"><table class="plain"><thead><tr>{heads}</tr></thead><tbody>{lines}</tbody></table></div>'
    )


def _broken(text: str) -> str:
    """Escaped; ids and paths may break behind their parts, not within a word."""
    return _PART.sub(r"\g<0><wbr>", escaped(text))


def _constraints(found: Survey) -> str:
    numbers = [
        (f"{number} constraint{'s' if number != 1 else ''}", found.numbers[number]) for number in sorted(found.numbers)
    ]
    notes = [f"{found.soft:,} rows have demands that no program checks."] if found.soft else []
    notes += [f"{found.turns:,} rows have a chat before the prompt."] if found.turns else []
    return (
        f"<h4>By number</h4>{_bars(numbers)}<h4>By id</h4>{_bars(found.ids.most_common())}"
        f"<h4>By layout</h4>{_bars(found.layouts.most_common())}"
        f'<p class="aside">{escaped(_LAYOUTS)}</p>' + "".join(f'<p class="aside">{escaped(note)}</p>' for note in notes)
    )


def _wordings(found: Survey) -> str:
    if not found.wordings:
        return '<p class="none">No row separates its constraints from its task.</p>'
    rows = []
    for id in sorted(found.wordings):
        ordered = found.wordings[id].most_common()
        rows.append((id, f"{len(ordered):,}", f"{ordered[0][0]} ({ordered[0][1]:,})"))
    every = [
        (id, f"{count:,}", text) for id in sorted(found.wordings) for text, count in found.wordings[id].most_common(20)
    ]
    return (
        _table(("constraint", "wordings", "the most frequent"), rows)
        + f"<details><summary>all of them</summary>{_table(('constraint', 'rows', 'wording'), every)}</details>"
    )


def _lengths(found: Survey) -> str:
    summary = " · ".join(f"{name} {words:,}" for name, words in found.quantiles().items())
    low, high = min(found.words), max(found.words)
    step = max(1, -(-(high - low + 1) // _BINS))
    bins = [(f"{start:,} to {min(start + step - 1, high):,}", 0) for start in range(low, high + 1, step)]
    counts = [0] * len(bins)
    for words in found.words:
        counts[(words - low) // step] += 1
    return (
        _bars((label, count) for (label, _), count in zip(bins, counts, strict=True))
        + f'<p class="aside">{summary}</p>'
    )


def _together(found: Survey) -> str:
    if not found.conflicts and not found.infeasible:
        return '<p class="none">None found.</p>'
    return "".join(
        f"<h4>{title}</h4>{_table(('reason', 'rows', 'at'), _placed(group))}"
        for title, group in (("Conflicts", found.conflicts), ("Infeasible pairs", found.infeasible))
        if group
    )


def _placed(group: Mapping[str, Places]) -> list[tuple[str, str, str]]:
    ordered = sorted(group.items(), key=lambda each: -each[1].rows)
    return [(why, f"{each.rows:,}", ", ".join(each.first[:_PLACES])) for why, each in ordered]


def _again(found: Survey) -> str:
    group = {"prompts that came before": found.same_prompt}
    if found.overlap is not None:
        group["tasks that share 8 words in a row with a benchmark's prompt"] = found.overlap
    note = "" if found.overlap is not None else '<p class="aside">No benchmark was named (--against).</p>'
    return _table(("what", "rows", "first at"), _placed(group)) + note


def _bad(found: Survey) -> str:
    if not found.bad.total:
        return '<p class="none">None.</p>'
    first = "".join(f"<li>{escaped(each)}</li>" for each in found.bad.first)
    reasons = [(reason, f"{count:,}") for reason, count in found.bad.reasons.most_common()]
    return _table(("reason", "rows"), reasons) + f'<h4>The first</h4><ul class="told">{first}</ul>'


def _examples(found: Survey) -> str:
    return f'<ul class="rewrites">{"".join(_example(where, asked) for where, asked in found.examples)}</ul>'


def _example(where: str, asked: Instruction) -> str:
    chat = "".join(
        f"<p><small>{escaped(one.get('role'))}</small></p><pre>{escaped(one.get('content'))}</pre>"
        for one in asked.earlier
    )
    checks = "".join(
        f'<code title="{escaped(each.describe())}">{escaped(" ".join([each.id, *_said(each.kwargs)]))}</code>'
        for each in asked.constraints
    )
    return (
        f"<li><p><small>{escaped(where)}</small></p>{chat}<pre>{escaped(asked.prompt)}</pre>"
        f'<div class="chips">{checks}</div></li>'
    )


def _said(kwargs: Mapping[str, object]) -> list[str]:
    return [f"{name}={value!r}" for name, value in kwargs.items()]
