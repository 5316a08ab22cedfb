"""One self-contained HTML page from one or more run folders, without scripts or network requests.

hindsight report runs/oir-0 runs/oir-1 runs/none-0 --out report.html
hindsight report runs/lm-0 runs/lm-1 runs/oir-0 --out report.html
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from hindsight_rl.atomic_files import write_output
from hindsight_rl.errors import HindsightError
from hindsight_rl.report import agent_records, agent_sections, arm_records, arm_sections, held_out, html, trl_runs
from hindsight_rl.report.agent_llm import language_model
from hindsight_rl.report.arm_attention import attention
from hindsight_rl.report.arms import ArmChapter, ArmRun, arm_chapters, read_arms
from hindsight_rl.report.runs import Chapter, RunData, chapters, open_run, read_run
from hindsight_rl.report.tables import duration, machine, settings
from hindsight_rl.report.trl_runs import TrlRun, read_trl

# Anchor of a section -> its name in the navigation, in the order of the page.
_NAV = {
    "canonical": "success",
    "learning": "curves",
    "paraphrases": "paraphrases",
    "compositions": "compositions",
    "others": "other events",
    "held-out-events": "held-out events",
    "forgetting": "forgetting",
    "sources": "sources",
    "buffer": "buffer",
    "prerequisites": "prerequisites",
    "coverage": "coverage",
    "relabels": "relabels",
    "language-model": "language model",
    "reward": "reward",
    "time": "time",
    "settings": "settings",
    "arms": "accuracy",
    "curves": "curves",
    "counts": "number of constraints",
    "kinds": "kinds",
    "signal": "no signal",
    "selection": "selection",
    "rewrites": "rewrites",
    "attention": "attention",
    "cost": "cost",
    "arm-settings": "settings",
    "held-out": "held-out instructions",
    "scores": "benchmarks",
    "trl": "training",
    "trl-curves": "over training",
    "replays": "replays",
    "trl-settings": "settings",
}


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
    models = trl_runs.named([run for run in runs if isinstance(run, TrlRun)])
    worlds, tasks = chapters(agents), arm_chapters(arms)
    shown = [*map(_agent, worlds), *map(_arms, tasks), *([_trl(models)] if models else [])]
    for i, chapter in enumerate(shown):
        chapter["prefix"] = f"w{i}-" if len(shown) > 1 else ""
    title, details = _title(agents, arms, worlds, tasks, models)
    learners = [name for name, found in (("agent", agents), ("sandbox", arms), ("trl", models)) if found]
    return html.fill("report.html", title=title, details=details, chapters=shown, names=_NAV, learners=learners)


def _title(
    agents: Sequence[RunData],
    arms: Sequence[ArmRun],
    worlds: Sequence[Chapter],
    tasks: Sequence[ArmChapter],
    models: Sequence[TrlRun],
) -> tuple[str, list[str]]:
    runs = [run for chapter in worlds for run in chapter.runs]
    methods = list(dict.fromkeys(run.method for run in runs))
    if len(runs) == 1 and not arms and not models:
        run = runs[0]
        title = f"{run.method} in {run.world}"
        spent = sum(run.seconds.values())
        bits = [f"{run.step:,} environment steps", f"seed {run.seed}", machine(run.config)]
        if spent:
            bits.append(duration(spent))
        return title, bits
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
    machines = list(dict.fromkeys(map(machine, settings)))
    bits = [*details, f"{duration(total)} in all", "; ".join(machines[:3])]
    return "; ".join(titles), bits


def _agent(chapter: Chapter) -> dict[str, Any]:
    """The chapter on one world; there are no means over worlds."""
    groups = chapter.groups
    return {
        "template": "agent.html",
        "name": chapter.world,
        "title": chapter.world,
        "about": f"{chapter.about}.",
        "unfinished": agent_records.unfinished(groups),
        "groups": groups,
        "tiles": agent_sections.tiles(groups[0]) if len(groups) == 1 else None,
        "headline": agent_sections.headline(chapter),
        "kinds": agent_sections.kinds(groups),
        "statuses": agent_sections.STATUSES,
        "activities": agent_records.ACTIVITIES,
        "parts": {
            "canonical": agent_sections.canonical(chapter),
            "learning": agent_sections.learning(chapter),
            "paraphrases": agent_sections.paraphrases(chapter),
            "compositions": {"rows": agent_sections.compositions(chapter)},
            "others": {"rows": agent_sections.by_event(chapter, "others")},
            "held-out-events": {"rows": agent_sections.by_event(chapter, "held_out")},
            "forgetting": agent_sections.forgetting(chapter),
            "sources": agent_sections.sources(chapter),
            "buffer": agent_records.buffer(chapter),
            "prerequisites": agent_sections.prerequisites(chapter),
            "coverage": agent_sections.coverage(chapter),
            "relabels": agent_records.relabels(chapter),
            "language-model": language_model(chapter),
            "reward": agent_records.reward(chapter),
            "time": agent_records.time(chapter),
            "settings": settings([(g.label, g.runs[0].config) for g in groups], ("seed", "out", "resume", "kind"))
            | {"runs": agent_records.runs(chapter)},
        },
    }


def _arms(chapter: ArmChapter) -> dict[str, Any]:
    """The chapter on the sandbox's arms at one number of constraints."""
    groups = chapter.groups
    skip = ("seed", "out", "resume", "kind", "json", "arms", "jobs", "base")
    rooms = chapter.task == "rooms"
    pretrained = "a scripted agent's episodes" if rooms else "instructions with one or two constraints"
    return {
        "template": "sandbox.html",
        "name": f"sandbox, {chapter.title}",
        "title": f"The sandbox: {chapter.title}",
        "about": f"A tiny language model, pretrained on {pretrained}, learns to follow "
        f"many: {chapter.title} in every instruction of training and test.",
        "unfinished": agent_records.unfinished(groups),
        "groups": groups,
        "seeds": any(len(group.runs) > 1 for group in groups),
        "smooth": arm_sections.SMOOTH,
        "parts": {
            "arms": arm_sections.headline(chapter),
            "curves": arm_sections.learning(chapter),
            "counts": arm_sections.counts(chapter),
            "kinds": arm_sections.kinds(chapter),
            "signal": arm_sections.signal(chapter),
            "selection": arm_sections.selection(chapter),
            "rewrites": arm_records.rewrites(chapter),
            "attention": attention(chapter),
            "cost": arm_records.cost(chapter),
            "arm-settings": settings([(g.label, g.runs[0].config) for g in groups], skip)
            | {"abouts": arm_records.abouts(chapter), "runs": arm_records.runs(chapter)},
        },
    }


def _trl(runs: Sequence[TrlRun]) -> dict[str, Any]:
    """The chapter on runs of TRL."""
    skip = ("kind", "version", "settings.output_dir", "settings.logging_dir", "settings.run_name")
    return {
        "template": "trl.html",
        "name": "TRL",
        "title": "Models trained with TRL",
        "about": trl_runs.about(runs),
        "unfinished": [],
        "runs": runs,
        "late": trl_runs.LATE,
        "parts": {
            "held-out": held_out.held_out(runs),
            "scores": held_out.scores(runs),
            "trl": trl_runs.headline(runs),
            "trl-curves": trl_runs.charts(runs),
            "replays": held_out.replays(runs),
            "trl-settings": settings([(run.label, run.config) for run in runs], skip),
        },
    }


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
