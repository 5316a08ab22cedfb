"""One self-contained HTML page from one or more run folders: no script, no request to anywhere.

hindsight report runs/oir-0 runs/oir-1 runs/none-0 --out report.html
"""

import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from hindsight_rl import __version__
from hindsight_rl.errors import HindsightError
from hindsight_rl.report import records, sections
from hindsight_rl.report.language_model import language_model
from hindsight_rl.report.runs import Chapter, RunData, chapters, read_run
from hindsight_rl.report.svg import escaped

_NAV = (
    ("canonical", "success"),
    ("learning", "curves"),
    ("paraphrases", "paraphrases"),
    ("compositions", "compositions"),
    ("others", "beyond achievements"),
    ("forgetting", "forgetting"),
    ("buffer", "buffer"),
    ("coverage", "coverage"),
    ("relabels", "relabels"),
    ("language-model", "language model"),
    ("reward", "reward"),
    ("time", "time"),
    ("settings", "settings"),
)


def write_report(runs: Sequence[Path], out: Path) -> Path:
    """Write the report of some runs.

    Args:
        runs: run folders, finished or not; a folder named twice counts once.
        out: the HTML file to make.

    Returns:
        ``out``.

    Raises:
        HindsightError: no run, a foreign or damaged folder, or a file that cannot be written.
    """
    folders = list({Path(run).resolve(): Path(run) for run in runs}.values())
    if not folders:
        raise HindsightError("no run to report on: give one or more run folders")
    page = render([read_run(folder) for folder in folders])
    out = Path(out)
    partial = out.with_name(f".{out.name}.{os.getpid()}.tmp")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(page, "utf-8")
        partial.replace(out)
    except OSError as error:
        raise HindsightError(f"cannot write {out}: {error.strerror or error}; choose another --out") from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
    return out


def render(runs: Sequence[RunData]) -> str:
    """The page as text."""
    parts = chapters(runs)
    title, sub = _title(parts)
    many = len(parts) > 1
    bodies = [_chapter(chapter, f"w{i}-" if many else "", many) for i, chapter in enumerate(parts)]
    if many:
        links = "".join(f'<a href="#w{i}">{escaped(chapter.world)}</a>' for i, chapter in enumerate(parts))
    else:
        links = "".join(f'<a href="#{a}">{escaped(t)}</a>' for a, t in _NAV if f'<section id="{a}"' in bodies[0])
    css = Path(__file__).with_name("style.css").read_text("utf-8")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{escaped(title)}</title><style>{css}</style></head><body>"
        f'<header class="top"><h1>{escaped(title)}</h1><p class="sub">{sub}</p></header>'
        f"<nav><div>{links}</div></nav><main>{''.join(bodies)}</main>"
        f"<footer>Made by hindsight-rl {escaped(__version__)}. Every success rate is judged by the events that truly "
        "happened, never by the semantic reward.</footer></body></html>\n"
    )


def _title(parts: Sequence[Chapter]) -> tuple[str, str]:
    runs = [run for chapter in parts for run in chapter.runs]
    methods = list(dict.fromkeys(run.method for run in runs))
    if len(runs) == 1:
        run = runs[0]
        title = f"{run.method} in {run.world}"
        spent = sum(run.seconds.values())
        bits = [f"{run.step:,} environment steps", f"seed {run.seed}", records.machine(run)]
        if spent:
            bits.append(sections.duration(spent))
        return title, escaped(" · ".join(bits))
    what = methods[0] if len(methods) == 1 else f"{len(methods)} methods"
    title = f"{what} in {' and '.join(chapter.world for chapter in parts)}, {len(runs)} runs"
    machines = list(dict.fromkeys(records.machine(run) for run in runs))
    total = sum(sum(run.seconds.values()) for run in runs)
    bits = [", ".join(methods), f"{sections.duration(total)} in all", "; ".join(machines[:3])]
    return title, escaped(" · ".join(bits))


def _chapter(chapter: Chapter, prefix: str, many: bool) -> str:
    """One world's part of the page; worlds are never averaged together."""
    head = f'<h2 id="{prefix[:-1]}">{escaped(chapter.world)}</h2>' if many else ""
    body = [
        sections.canonical(chapter),
        sections.learning(chapter),
        sections.paraphrases(chapter),
        sections.compositions(chapter),
        sections.others(chapter),
        sections.forgetting(chapter),
        records.buffer(chapter),
        sections.prerequisites(chapter),
        sections.coverage(chapter),
        records.relabels(chapter),
        language_model(chapter),
        records.reward(chapter),
        records.time(chapter),
        records.settings(chapter),
    ]
    text = "".join(body)
    if prefix:
        text = text.replace('<section id="', f'<section id="{prefix}')
    groups = sections.legend(chapter.groups) if len(chapter.groups) > 1 else ""
    head += f'<p class="sub">{escaped(chapter.about)}.</p>{records.unfinished(chapter.groups)}'
    return f"{head}{_boxed(sections.headline(chapter), chapter)}{groups}{text}"


def _boxed(headline: str, chapter: Chapter) -> str:
    if len(chapter.groups) == 1:
        return headline
    return sections.section(
        "means", "Mean success", "Mean over instructions and seeds; below it the range of seeds.", headline
    )


@dataclass
class ReportConfig:
    """One HTML page from one or more runs."""

    runs: Annotated[list[Path], tyro.conf.Positional]
    """Run folders. Runs of one method that differ only in their seed are averaged."""
    out: Path | None = None
    """The file to make: by default RUN/report.html for one run, report.html here for several."""


def main(argv: list[str]) -> int:
    """`hindsight report`."""
    config = tyro.cli(ReportConfig, args=argv, prog="hindsight report")
    several = len({run.resolve() for run in config.runs}) > 1
    out = config.out or (Path("report.html") if several or not config.runs else config.runs[0] / "report.html")
    print(f"report: {write_report(config.runs, out)}")
    return 0
