"""Makes a page from a run: new trajectories, the relabeler's proposals for them, and a choice of these."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from hindsight_rl.agent.envs.environment import Environment
from hindsight_rl.agent.evaluation.rating.page import render
from hindsight_rl.agent.evaluation.rating.proposals import Proposal, proposals
from hindsight_rl.agent.evaluation.rating.study import KEY, PAGE, Item, Study
from hindsight_rl.agent.evaluation.rating.trajectories import trajectories
from hindsight_rl.agent.evaluation.rating.truth import TrueEvents
from hindsight_rl.agent.relabeling.relabeler import Relabeler
from hindsight_rl.agent.reward.semantic import TextEncoder
from hindsight_rl.agent.training.checkpoint import Checkpoints
from hindsight_rl.agent.training.config import load_config
from hindsight_rl.agent.training.methods import METHODS
from hindsight_rl.agent.training.training_run import TrainingRun
from hindsight_rl.atomic_files import write_output
from hindsight_rl.errors import HindsightError
from hindsight_rl.run import Run

TRIES = 4
"""At most this many trajectories are made per item, in search of as many rejected relabels as accepted ones."""
MAX_ITEMS, MAX_STEPS = 500, 1000


def make_page(
    run: str | Path,
    folder: str | Path | None = None,
    items: int = 40,
    seed: int = 0,
    steps: int = 100,
    relabeler: Relabeler | None = None,
    env: Environment | None = None,
    encoder: TextEncoder | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> Study:
    """Write the page of a run, its key and the answers of `true-events`; see `study`.

    Args:
        run: the run folder.
        folder: where the files are written; by default `rating` in the run folder. If it already holds this page,
            nothing is written.
        items: number of relabels. Half of them are rejected ones, if so many are found.
        seed: of the trajectories, the proposals, the choice and the order.
        steps: length of a trajectory.
        relabeler, env, encoder: the objects that it was trained with, if objects were used.
        say: is called with a line about what is done, before it is done.

    Raises:
        HindsightError: no run, no checkpoint, a method that does not relabel, a relabeler that proposes nothing, a
            number out of range, or a folder that holds another page.
    """
    for name, value, most in (("--items", items, MAX_ITEMS), ("--steps", steps, MAX_STEPS)):
        if not 1 <= value <= most:
            raise HindsightError(f"{name} {value}: from 1 to {most}")
    if seed < 0:
        raise HindsightError(f"--seed {seed}: 0 or more")
    opened = Run.open(run, kind="agent")
    folder = opened.path / "rating" if folder is None else Path(folder)
    training = _restored(opened, env, encoder)
    about = _about(opened, training)
    settings = {"items": items, "seed": seed, "steps": steps}
    before = Study.read(folder) if (folder / KEY).exists() else None
    if before is not None and (before.run, before.settings) != (about, settings):
        raise HindsightError(
            f"{folder} holds the page of other relabels ({_said(before.run | before.settings)}): choose another --out, "
            "because answers to that page need its key"
        )
    if before is not None and (folder / PAGE).exists():
        return before
    say(f"{training.env.name}: making trajectories (compiling takes minutes the first time) and relabeling them")
    found, proposed = _search(training, items, steps, seed, relabeler)
    chosen = _chosen(found, items, np.random.default_rng([seed, 2]))
    if not chosen:
        raise HindsightError(
            f"{run}: the relabeler proposed nothing for {proposed['trajectories']} trajectories of {steps} steps: "
            "raise --steps, or train longer"
        )
    study = _study(training, chosen, about, settings, proposed)
    if before is not None and before.study != study.study:
        raise HindsightError(
            f"{folder / PAGE} is missing and cannot be made again on this machine: choose another --out for a new page"
        )
    page = render(study, [each.trajectory for each in chosen], training.env)
    write_output(folder / PAGE, lambda path: path.write_text(page, "utf-8"))
    study.write(folder)
    return study


def _restored(run: Run, env: Environment | None, encoder: TextEncoder | None) -> TrainingRun:
    """The run at its newest checkpoint, if it relabels."""
    config = load_config(run).checked()
    if not METHODS[config.method].relabel:
        relabeling = ", ".join(name for name, method in METHODS.items() if method.relabel)
        raise HindsightError(
            f"{run.path}: --method {config.method} does not relabel, so there is nothing to rate: give a run of "
            f"{relabeling}"
        )
    training = TrainingRun(config, run, env=env, encoder=encoder)
    training.restore(Checkpoints(run.path / "checkpoints"))
    return training


def _about(run: Run, training: TrainingRun) -> dict[str, Any]:
    config = training.config
    noise = {"noise": f"{config.noise.rate:g} {config.noise.kind}"} if config.noise.rate else {}
    model = {"model": config.endpoint.model} if config.relabeler == "llm" else {}
    return {
        "method": config.method,
        "env": training.env.name,
        "train_seed": config.seed,
        "step": training.step,
        "relabeler": config.relabeler,
        **model,
        **noise,
    }


def _said(values: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())


def _search(
    training: TrainingRun, items: int, steps: int, seed: int, relabeler: Relabeler | None
) -> tuple[list[list[Proposal]], dict[str, int]]:
    """Proposals by trajectory, until half of the items can be rejected ones and the other half accepted ones."""
    proposed = {"trajectories": 0, "accepted": 0, "rejected": 0}
    found: list[list[Proposal]] = []
    made = trajectories(training, steps, seed)
    rng = np.random.default_rng([seed, 1])
    for group in proposals(training, made, rng, relabeler):
        proposed["trajectories"] += 1
        rejected = sum(each.rejected is not None for each in group)
        proposed["rejected"] += rejected
        proposed["accepted"] += len(group) - rejected
        found.append(group)
        enough = [sum(any((x.rejected is None) == kind for x in each) for each in found) for kind in (True, False)]
        if proposed["trajectories"] == TRIES * items or min(enough) >= -(-items // 2):
            break
    return found, proposed


def _chosen(found: list[list[Proposal]], count: int, rng: np.random.Generator) -> list[Proposal]:
    """At most ``count`` proposals in random order, of each trajectory at most one accepted and one rejected. So two
    items of a kind are independent."""
    one_each: dict[bool, list[Proposal]] = {True: [], False: []}
    for group in found:
        for kind, pool in one_each.items():
            of_kind = [each for each in group if (each.rejected is None) == kind]
            if of_kind:
                pool.append(of_kind[int(rng.integers(len(of_kind)))])
    accepted, rejected = ([pool[i] for i in rng.permutation(len(pool))] for pool in (one_each[True], one_each[False]))
    few = min(len(rejected), max(count // 2, count - len(accepted)))
    chosen = accepted[: count - few] + rejected[:few]
    return [chosen[i] for i in rng.permutation(len(chosen))]


def _study(
    training: TrainingRun,
    chosen: list[Proposal],
    about: dict[str, Any],
    settings: dict[str, Any],
    proposed: dict[str, int],
) -> Study:
    events, annotator = training.env.events, TrueEvents(training.reward)
    items = []
    for number, each in enumerate(chosen):
        steps, happened = np.nonzero(each.trajectory.events)
        pairs = tuple((int(s) + 1, events[e].name) for s, e in zip(steps, happened, strict=True))
        items.append(
            Item(
                item=_hash([number, each.text, pairs], 8),
                text=each.text,
                rejected=each.rejected,
                kind=each.kind,
                true_events=annotator.verdict(each),
                happened=pairs,
            )
        )
    return Study(_hash([about, settings, [item.item for item in items]], 12), about, settings, proposed, tuple(items))


def _hash(value: Any, length: int) -> str:
    return hashlib.sha256(json.dumps(value, ensure_ascii=False).encode()).hexdigest()[:length]
