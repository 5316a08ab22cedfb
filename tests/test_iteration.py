"""A training iteration reports the trajectories that are to be relabeled."""

import dataclasses

import jax
import numpy as np
import pytest
import tyro

from hindsight_rl.agent.training.iteration import Report, train_iteration
from hindsight_rl.agent.training.train import TrainConfig
from hindsight_rl.agent.training.training_run import TrainingRun
from hindsight_rl.run import Run

pytestmark = pytest.mark.agent

SMALL = [
    "--num-envs",
    "32",
    "--num-updates",
    "4",
    "--num-worlds",
    "128",
    "--width",
    "32",
    "--rank",
    "8",
    "--depth",
    "1",
]
SMALL += ["--trajectories", "8", "--learning.hindsight", "8"]


@pytest.fixture(scope="module")
def training(tmp_path_factory: pytest.TempPathFactory) -> TrainingRun:
    out = tmp_path_factory.mktemp("iteration") / "run"
    config = tyro.cli(TrainConfig, args=[*SMALL, "--out", str(out)]).checked()
    return TrainingRun(config, Run.create(out, dataclasses.asdict(config), kind="agent"))


def iteration(training: TrainingRun, watched: np.ndarray) -> tuple[Report, np.ndarray]:
    """The report of one iteration, and how much each event was wanted in it."""
    inputs = dataclasses.replace(training.inputs(), watched=watched)
    wanted = np.asarray(inputs.tables.rarity)
    state = jax.tree.map(lambda x: x.copy(), training.state)
    _, report = train_iteration(training.static, inputs, state)
    return jax.tree.map(np.asarray, report), wanted


def test_the_rarest_events_are_among_the_trajectories_to_relabel(training: TrainingRun) -> None:
    training.iterate()  # now the counts differ
    report, wanted = iteration(training, np.zeros(32, bool))
    assert report.events.shape == (4 * 16, 8, len(wanted)) and report.over.shape == (4 * 16, 8)
    happened = np.flatnonzero((report.counts > 0) & (wanted > 0))
    rarest = happened[wanted[happened].argmax()]
    assert report.events[:, :, rarest].any()
    # Each of the eight did something at least as wanted as the most wanted thing that fewer than all of them did.
    best = (report.events.any(0) * wanted).max(1)
    assert (np.diff(best) <= 1e-6).all() and best[0] == pytest.approx(wanted[rarest])


def test_those_drawn_are_reported_in_any_case(training: TrainingRun) -> None:
    watched = np.zeros(32, bool)
    watched[[3, 17, 29, 30]] = True
    drawn, _ = iteration(training, watched)
    every, _ = iteration(training, np.ones(32, bool))
    assert drawn.events.shape == every.events.shape
    assert (drawn.events[:, 0] == every.events[:, 3]).all()  # ties fall to the lowest index


def test_death_and_damage_are_not_wanted(training: TrainingRun) -> None:
    names = [event.name for event in training.env.events]
    wanted = training.library.wanted()
    assert wanted[names.index("die")] == wanted[names.index("take_damage")] == 0.0
    assert (np.delete(wanted, [names.index("die"), names.index("take_damage")]) > 0).all()


def test_of_several_lives_the_one_with_the_rarest_event_is_relabeled(
    training: TrainingRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [event.name for event in training.env.events]
    events, over = np.zeros((10, 1, len(names)), bool), np.zeros((10, 1), bool)
    events[1, 0, names.index("collect_diamond")] = True
    events[3, 0, names.index("die")] = over[3, 0] = True
    events[7, 0, names.index("collect_wood")] = True
    training.library.observe(np.array([100.0 if n == "collect_wood" else 0.0 for n in names]))
    seen = []

    class Listening:
        def propose(self, trajectory: np.ndarray, k: int, rng: np.random.Generator) -> list:
            seen.append(trajectory)
            return []

    monkeypatch.setattr(training.relabeling, "relabeler", Listening())
    training.relabeling(training.step, events, over)
    assert [len(t) for t in seen] == [4] and seen[0][1, names.index("collect_diamond")]
