"""A stretch reports the trajectories that must not go unnamed."""

import dataclasses

import jax
import numpy as np
import pytest
import tyro

from hindsight_rl.agent.training.iteration import advance
from hindsight_rl.agent.training.train import TrainConfig
from hindsight_rl.agent.training.trainer import Trainer
from hindsight_rl.run import Run

SMALL = ["--envs", "32", "--stretch", "4", "--worlds", "128", "--width", "32", "--rank", "8", "--depth", "1"]
SMALL += ["--trajectories", "8", "--learning.hindsight", "8"]


@pytest.fixture(scope="module")
def trainer(tmp_path_factory: pytest.TempPathFactory) -> Trainer:
    out = tmp_path_factory.mktemp("stretch") / "run"
    config = tyro.cli(TrainConfig, args=[*SMALL, "--out", str(out)]).checked()
    return Trainer(config, Run.create(out, dataclasses.asdict(config), kind="agent"))


def stretch(trainer: Trainer, watched: np.ndarray) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """The report of one stretch, and how much each event was wanted in it."""
    tables = trainer.tables()
    wanted = np.asarray(tables.rarity)
    learner = jax.tree.map(lambda x: x.copy(), trainer.learner)
    _, report = advance(*trainer.statics, *trainer.constants, tables, learner, watched)
    return jax.tree.map(np.asarray, report), wanted


def test_the_rarest_events_are_among_the_trajectories_to_name(trainer: Trainer) -> None:
    trainer.advance()  # now the counts differ
    report, wanted = stretch(trainer, np.zeros(32, bool))
    assert report["events"].shape == (4 * 16, 8, len(wanted)) and report["over"].shape == (4 * 16, 8)
    happened = np.flatnonzero((report["counts"] > 0) & (wanted > 0))
    rarest = happened[wanted[happened].argmax()]
    assert report["events"][:, :, rarest].any()
    # Each of the eight did something at least as wanted as the most wanted thing that fewer than all of them did.
    best = (report["events"].any(0) * wanted).max(1)
    assert (np.diff(best) <= 1e-6).all() and best[0] == pytest.approx(wanted[rarest])


def test_those_drawn_are_reported_in_any_case(trainer: Trainer) -> None:
    watched = np.zeros(32, bool)
    watched[[3, 17, 29, 30]] = True
    drawn, _ = stretch(trainer, watched)
    every, _ = stretch(trainer, np.ones(32, bool))
    assert drawn["events"].shape == every["events"].shape
    assert (drawn["events"][:, 0] == every["events"][:, 3]).all()  # ties fall to the lowest index


def test_death_and_damage_are_not_wanted(trainer: Trainer) -> None:
    names = [event.name for event in trainer.world.events]
    wanted = trainer.library.wanted()
    assert wanted[names.index("die")] == wanted[names.index("take_damage")] == 0.0
    assert (np.delete(wanted, [names.index("die"), names.index("take_damage")]) > 0).all()


def test_of_several_lives_the_one_with_the_rarest_event_is_named(
    trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [event.name for event in trainer.world.events]
    events, over = np.zeros((10, 1, len(names)), bool), np.zeros((10, 1), bool)
    events[1, 0, names.index("collect_diamond")] = True
    events[3, 0, names.index("die")] = over[3, 0] = True
    events[7, 0, names.index("collect_wood")] = True
    trainer.library.observe(np.array([100.0 if n == "collect_wood" else 0.0 for n in names]))
    seen = []

    class Listening:
        def propose(self, trajectory: np.ndarray, k: int, rng: np.random.Generator) -> list:
            seen.append(trajectory)
            return []

    monkeypatch.setattr(trainer, "relabeler", Listening())
    trainer._relabel(events, over)
    assert [len(t) for t in seen] == [4] and seen[0][1, names.index("collect_diamond")]
