"""One self-contained HTML page from one or more run folders, without scripts or network requests.

hindsight report runs/oir-0 runs/oir-1 runs/none-0 --out report.html
hindsight report runs/lm-0 runs/lm-1 runs/oir-0 --out report.html
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from hindsight_rl import __version__
from hindsight_rl.atomic_files import write_output
from hindsight_rl.errors import HindsightError
from hindsight_rl.report import arm_records, arm_sections, records, sections, trl_runs
from hindsight_rl.report.arm_attention import attention
from hindsight_rl.report.arms import ArmChapter, ArmRun, arm_chapters, read_arms
from hindsight_rl.report.language_model import language_model
from hindsight_rl.report.runs import Chapter, RunData, chapters, open_run, read_run
from hindsight_rl.report.svg import escaped
from hindsight_rl.report.trl_runs import TrlRun, read_trl

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
    ("arms", "accuracy"),
    ("curves", "curves"),
    ("counts", "number of constraints"),
    ("kinds", "kinds"),
    ("signal", "no signal"),
    ("selection", "selection"),
    ("rewrites", "rewrites"),
    ("attention", "attention"),
    ("cost", "cost"),
    ("arm-settings", "settings"),
    ("held-out", "held-out instructions"),
    ("scores", "benchmarks"),
    ("trl", "training"),
    ("trl-curves", "over training"),
    ("replays", "replays"),
    ("trl-settings", "settings"),
)


def write_report(runs: Sequence[Path], out: Path) -> Path:
    """Write the report of some runs.

    Args:
        runs: run folders, finished or not; duplicates count once.
        out: the HTML file to write.

    Returns:
        ``out``.

    Raises:
        HindsightError: no run, a folder that is damaged or no run, or a file that cannot be written.
    """
    folders = list({Path(run).resolve(): Path(run) for run in runs}.values())
    if not folders:
        raise HindsightError("no run to report on: give one or more run folders")
    page = render([run for folder in folders for run in read(folder)])
    out = Path(out)
    write_output(out, lambda path: path.write_text(page, "utf-8"))
    return out


def read(folder: Path) -> list[RunData] | list[ArmRun] | list[TrlRun]:
    """The contents of a run folder: one run of an agent or of TRL, or the arms of a run of the sandbox.

    Raises:
        HindsightError: the folder is damaged or no run.
    """
    run, config = open_run(folder)
    if config["kind"] == "lm-trl":
        return [read_trl(run, config)]
    return read_arms(run, config) if config["kind"] == "lm" else [read_run(folder)]


def render(runs: Sequence[RunData | ArmRun | TrlRun]) -> str:
    """The page as text: agents world by world, the sandbox's arms by number of constraints, then runs of TRL."""
    agents = [run for run in runs if isinstance(run, RunData)]
    arms = [run for run in runs if isinstance(run, ArmRun)]
    models = [run for run in runs if isinstance(run, TrlRun)]
    worlds, tasks = chapters(agents), arm_chapters(arms)
    many = len(worlds) + len(tasks) + bool(models) > 1
    names = [chapter.world for chapter in worlds] + [f"sandbox, {chapter.title}" for chapter in tasks]
    names += ["TRL"] if models else []
    bodies = [_chapter(chapter, many, i) for i, chapter in enumerate(worlds)]
    bodies += [_arms(chapter, many, i) for i, chapter in enumerate(tasks, start=len(worlds))]
    if models:
        text = trl_runs.chapter(models)
        head = f'<p class="sub">{escaped(trl_runs.about(models))}</p>'  # a single chapter needs no heading
        bodies.append(_headed(head + text, "Models trained with TRL", len(bodies)) if many else text)
    if many:
        links = "".join(f'<a href="#w{i}">{escaped(name)}</a>' for i, name in enumerate(names))
    else:
        links = "".join(f'<a href="#{a}">{escaped(t)}</a>' for a, t in _NAV if f'<section id="{a}"' in bodies[0])
    title, sub = _title(agents, arms, worlds, tasks, models)
    judged = []
    if agents:
        judged.append("Every success rate is judged by the events that truly happened, never by the semantic reward.")
    if models:
        judged.append("Rewards of TRL's runs are those of training.")
    if arms:
        judged.append("Every accuracy is judged by checks on the text, on instructions that training never draws.")
    css = Path(__file__).with_name("style.css").read_text("utf-8")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{escaped(title)}</title><style>{css}</style></head><body>"
        f'<header class="top"><h1>{escaped(title)}</h1><p class="sub">{sub}</p></header>'
        f"<nav><div>{links}</div></nav><main>{''.join(bodies)}</main>"
        f"<footer>Made by hindsight-rl {escaped(__version__)}. {' '.join(judged)}</footer></body></html>\n"
    )


def _title(
    agents: Sequence[RunData],
    arms: Sequence[ArmRun],
    worlds: Sequence[Chapter],
    tasks: Sequence[ArmChapter],
    models: Sequence[TrlRun],
) -> tuple[str, str]:
    runs = [run for chapter in worlds for run in chapter.runs]
    methods = list(dict.fromkeys(run.method for run in runs))
    if len(runs) == 1 and not arms and not models:
        run = runs[0]
        title = f"{run.method} in {run.world}"
        spent = sum(run.seconds.values())
        bits = [f"{run.step:,} environment steps", f"seed {run.seed}", records.machine(run.config)]
        if spent:
            bits.append(sections.duration(spent))
        return title, escaped(" · ".join(bits))
    titles, details = [], []
    if agents:
        what = methods[0] if len(methods) == 1 else f"{len(methods)} methods"
        count = f", {len(runs)} runs" if len(runs) > 1 else ""
        titles.append(f"{what} in {' and '.join(chapter.world for chapter in worlds)}{count}")
        details.append(", ".join(methods))
    if arms:
        names = list(dict.fromkeys(run.arm for chapter in tasks for run in chapter.runs))
        folders = {id(run.config) for run in arms}
        count = f", {len(folders)} runs" if len(folders) > 1 else ""
        what = f"{names[0]}" if len(names) == 1 else f"{len(names)} arms"
        titles.append(f"{what} on {' and '.join(chapter.title for chapter in tasks)}{count}")
        details.append(", ".join(names))
        if not agents and len(folders) == 1:
            details.append(f"seed {arms[0].seed}")
    if models:
        titles.append(f"{len(models)} runs of TRL" if len(models) > 1 else f"{models[0].label}, on TRL")
        details.append(trl_runs.about(models))
    total = (
        sum(run.seconds for run in models)
        + sum(sum(run.seconds.values()) for run in runs)
        + sum(run.spent("cpu_seconds") or 0.0 for run in arms)
    )
    settings = [run.config for run in agents] + [run.config for run in arms] + [run.config for run in models]
    machines = list(dict.fromkeys(map(records.machine, settings)))
    bits = [*details, f"{sections.duration(total)} in all", "; ".join(machines[:3])]
    return "; ".join(titles), escaped(" · ".join(bits))


def _chapter(chapter: Chapter, many: bool, number: int) -> str:
    """The part of the page on one world; there are no means over worlds."""
    body = [
        sections.canonical(chapter),
        sections.learning(chapter),
        sections.paraphrases(chapter),
        sections.compositions(chapter),
        sections.others(chapter),
        sections.forgetting(chapter),
        sections.sources(chapter),
        records.buffer(chapter),
        sections.prerequisites(chapter),
        sections.coverage(chapter),
        records.relabels(chapter),
        language_model(chapter),
        records.reward(chapter),
        records.time(chapter),
        records.settings(chapter),
    ]
    groups = sections.legend(chapter.groups) if len(chapter.groups) > 1 else ""
    head = f'<p class="sub">{escaped(chapter.about)}.</p>{records.unfinished(chapter.groups)}'
    text = f"{head}{_boxed(sections.headline(chapter), chapter)}{groups}{''.join(body)}"
    return _headed(text, chapter.world, number) if many else text


def _arms(chapter: ArmChapter, many: bool, number: int) -> str:
    """The part of the page on the sandbox's arms at one number of constraints."""
    body = [
        arm_sections.headline(chapter),
        arm_sections.learning(chapter),
        arm_sections.counts(chapter),
        arm_sections.kinds(chapter),
        arm_sections.signal(chapter),
        arm_sections.selection(chapter),
        arm_records.rewrites(chapter),
        attention(chapter),
        arm_records.cost(chapter),
        arm_records.settings(chapter),
    ]
    about = (
        "A tiny language model, pretrained on instructions with one or two constraints, learns to follow many: "
        f"{chapter.title} in every instruction of training and test."
    )
    head = f'<p class="sub">{escaped(about)}</p>{records.unfinished(chapter.groups)}'
    text = f"{head}{sections.legend(chapter.groups)}{''.join(body)}"
    return _headed(text, f"The sandbox: {chapter.title}", number) if many else text


def _headed(text: str, title: str, number: int) -> str:
    """A chapter of several, with its own heading and anchors."""
    text = text.replace('<section id="', f'<section id="w{number}-')
    return f'<h2 id="w{number}">{escaped(title)}</h2>{text}'


def _boxed(headline: str, chapter: Chapter) -> str:
    if len(chapter.groups) == 1:
        return headline
    return sections.section(
        "means", "Mean success", "Mean over instructions and seeds; below it the range of seeds.", headline
    )


@dataclass
class ReportConfig:
    """Make an HTML page from one or more runs."""

    runs: Annotated[list[Path], tyro.conf.Positional]
    """Run folders: agents, sandbox runs, and TRL runs. Runs that differ only in their seed are averaged."""
    out: Path | None = None
    """The file to write; by default RUN/report.html for one run, ./report.html for several."""


def main(argv: list[str]) -> int:
    """`hindsight report`."""
    config = tyro.cli(ReportConfig, args=argv, prog="hindsight report")
    several = len({run.resolve() for run in config.runs}) > 1
    out = config.out or (Path("report.html") if several or not config.runs else config.runs[0] / "report.html")
    print(f"report: {write_report(config.runs, out)}")
    return 0
