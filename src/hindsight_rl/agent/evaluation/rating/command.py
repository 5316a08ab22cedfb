"""`hindsight agent rate`: make the page on which people rate relabels, or print what they said.

hindsight agent rate runs/oir
hindsight agent rate runs/oir --agreement ann.jsonl ben.jsonl
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from hindsight_rl.agent.evaluation.rating.agreement import agreement, lines
from hindsight_rl.agent.evaluation.rating.answers import read_answers
from hindsight_rl.agent.evaluation.rating.study import PAGE, TRUE_EVENTS, Study
from hindsight_rl.errors import HindsightError
from hindsight_rl.run import Run


@dataclass
class RateConfig:
    """Make a page on which people say whether relabels describe what happened, or print what they said."""

    run: Annotated[str, tyro.conf.Positional]
    """The run folder."""
    out: str | None = None
    """Folder of the page and its key; by default RUN/rating."""
    items: int = 40
    """Number of relabels to rate. Half of them are rejected ones, if so many are found."""
    seed: int = 0
    """Seed of the trajectories, of the relabels and of their order."""
    steps: int = 100
    """Environment steps per trajectory."""
    agreement: tuple[str, ...] = ()
    """Files that the page exported, of all annotators: print how much they agree, and how often grounding is right. No
    page is made."""
    json: bool = False
    """Print the figures of --agreement as JSON."""


def main(argv: list[str]) -> int:
    """`hindsight agent rate`."""
    config = tyro.cli(RateConfig, args=argv, prog="hindsight agent rate")
    folder = Path(config.out) if config.out else Path(config.run) / "rating"
    if config.json and not config.agreement:
        raise HindsightError("--json: only with --agreement FILE ...")
    if config.agreement:
        Run.open(config.run, kind="agent")
        study = Study.read(folder)
        found = agreement(study, read_answers([Path(file) for file in config.agreement], study, folder))
        print(json.dumps(found, indent=1, ensure_ascii=False) if config.json else "\n".join(lines(study, found)))
        return 0
    from hindsight_rl.agent.evaluation.rating.make import make_page
    from hindsight_rl.agent.training.loop import compile_cache

    compile_cache()
    study = make_page(config.run, folder, config.items, config.seed, config.steps, say=print)
    proposed = study.proposed
    print(
        f"{study.about()}; of {proposed['trajectories']} trajectories, {proposed['accepted']} accepted and "
        f"{proposed['rejected']} rejected relabels"
    )
    if len(study.items) < config.items:
        print(f"only {len(study.items)} of {config.items} items: the relabeler proposed no more")
    print(f"page: {folder / PAGE}   send it to the annotators; keep the other files, which say what grounding decided")
    print(f"next: hindsight agent rate {config.run} --agreement FILE ...   (try {folder / TRUE_EVENTS})")
    return 0
