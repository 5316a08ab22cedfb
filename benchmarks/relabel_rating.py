"""The figures of `hindsight agent rate`, with the true events as the only annotator.

    python benchmarks/relabel_rating.py --out results/relabel_rating.json --docs docs/howto/rate_relabels.md

Two short runs are trained, with the template relabeler and with one that is made wrong in 30 % of its proposals. For
each, a page is made and answered by `true-events`. It shows the format of the figures; no person has rated anything.
"""

import json
import re
import shlex
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro
from grounding import shown, write_between

from hindsight_rl.agent.evaluation.rating.agreement import agreement, lines
from hindsight_rl.agent.evaluation.rating.answers import read_answers
from hindsight_rl.agent.evaluation.rating.study import TRUE_EVENTS, Study
from hindsight_rl.cli import main as hindsight
from hindsight_rl.run import machine

RUNS = {"templates": "", "templates, 30 % made wrong": "--noise.rate 0.3"}
TRAIN = (
    "--method oir --total-timesteps 200000 --num-worlds 64 --width 64 --depth 1 --rank 16 --num-evals 0 "
    "--no-final-eval --num-checkpoints 1"
)


@dataclass
class RatingConfig:
    """Train two short runs, make their pages, and let the true events answer."""

    items: int = 200
    """Relabels per page."""
    seed: int = 0
    """Seed of the runs and of the pages."""
    runs: str | None = None
    """Folder for the runs and pages; what is there already is used again. By default, a temporary one."""
    out: str | None = None
    """Write the result here."""
    docs: str | None = None
    """Write the table into this page, between its `relabel_rating` marks."""


def measure(config: RatingConfig, folder: Path) -> dict[str, Any]:
    """Train, make the pages, and compute the figures."""
    runs: dict[str, Any] = {}
    for number, (name, options) in enumerate(RUNS.items()):
        run = folder / f"rating-{number}"
        train = [*shlex.split(f"{TRAIN} {options}"), "--seed", str(config.seed)]
        if not run.exists():
            called("agent", "train", "--out", str(run), *train)
        called("agent", "rate", str(run), "--items", str(config.items), "--seed", str(config.seed))
        study = Study.read(run / "rating")
        answers = read_answers([run / "rating" / TRUE_EVENTS], study, run / "rating")
        figures = agreement(study, answers)
        runs[name] = {
            "train": "hindsight agent train " + " ".join(train),
            "run": study.run,
            "settings": study.settings,
            "proposed": study.proposed,
            "figures": figures,
            "printed": lines(study, figures),
            "rejected_though_valid": [
                {"text": item.text, "reason": item.rejected}
                for item in study.items
                if item.rejected and item.true_events == "yes"
            ],
            "accepted_though_not_valid": [
                {"text": item.text, "true_events": item.true_events}
                for item in study.items
                if item.rejected is None and item.true_events not in (None, "yes")
            ],
        }
    return {
        "command": re.sub(r" --runs \S+", "", " ".join(["python benchmarks/relabel_rating.py", *sys.argv[1:]])),
        "machine": machine(),
        "annotators": "true-events only: a script, no person",
        "runs": runs,
    }


def called(*words: str) -> None:
    """Run a command, or stop."""
    if hindsight(list(words)):
        sys.exit(2)


def table(result: dict[str, Any]) -> str:
    """The result as Markdown."""
    text = [
        "| relabeler | by grounding | of all proposals | rated | valid: yes | yes or partly |",
        "|---|---|---|---|---|---|",
    ]
    for name, run in result["runs"].items():
        total = run["proposed"]["accepted"] + run["proposed"]["rejected"]
        for kind in ("accepted", "rejected"):
            found = run["figures"][kind]
            text.append(
                f"| {name} | {kind} | {run['proposed'][kind]:,} of {total:,} | {found['items']} | "
                f"{cell(found['yes'])} | {cell(found['yes_or_partly'])} |"
            )
    last = list(result["runs"].values())[-1]
    text += ["", "What `--agreement` prints for the last of them:", "", "```text", *last["printed"], "```"]
    return "\n".join([*text, "", f"(`results/relabel_rating.json`: `{shown(result['command'])}`)"])


def cell(figure: dict[str, Any]) -> str:
    """A share with its interval."""
    if figure["value"] is None:
        return "-"
    low, high = figure["interval"]
    return f"{figure['value']:.2f} ({low:.2f} to {high:.2f})"


def main() -> None:
    """Measure and print."""
    config = tyro.cli(RatingConfig, description=__doc__)
    with tempfile.TemporaryDirectory() as temporary:
        result = measure(config, Path(config.runs or temporary))
    print(table(result))
    if config.out:
        Path(config.out).write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", "utf-8")
    if config.docs:
        write_between(Path(config.docs), "relabel_rating", table(result))


if __name__ == "__main__":
    main()
