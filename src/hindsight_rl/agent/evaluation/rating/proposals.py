"""What the relabeler of a run proposes for new trajectories, and what grounding says about each proposal."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from hindsight_rl.agent.evaluation.rating.trajectories import Trajectory
from hindsight_rl.agent.relabeling.forms import form
from hindsight_rl.agent.relabeling.grounding import ground
from hindsight_rl.agent.relabeling.noise import NoisyRelabeler
from hindsight_rl.agent.relabeling.relabeler import Relabel, Relabeler, verify
from hindsight_rl.agent.relabeling.snapshot import Snapshot
from hindsight_rl.agent.relabeling.sources import relabeler_of
from hindsight_rl.agent.training.relabel_step import relabeler_at
from hindsight_rl.agent.training.training_run import TrainingRun
from hindsight_rl.endpoint import Endpoint, EndpointError, MalformedAnswer
from hindsight_rl.errors import HindsightError

EVIDENCE = "evidence"
"""The kind of a rejection by `verify`; see `grounding.Rejected` for the others."""


@dataclass(frozen=True)
class Proposal:
    """A relabel that was proposed for a trajectory.

    Attributes:
        text: the sentence.
        goals, ordered: what it asks for, as the relabeler says; () where it is known by its text alone.
        rejected: why grounding rejects it; None: it is accepted.
        kind: the kind of the rejection.
    """

    trajectory: Trajectory
    text: str
    goals: tuple[str, ...] = ()
    ordered: bool = False
    rejected: str | None = None
    kind: str | None = None


def proposals(
    training: TrainingRun, made: Iterator[Trajectory], rng: np.random.Generator, relabeler: Relabeler | None = None
) -> Iterator[list[Proposal]]:
    """The proposals for each trajectory, as long as there are trajectories.

    Args:
        training: the run, restored from its checkpoint.
        made: its new trajectories.
        rng: of the relabeler.
        relabeler: the object that the run was trained with, if an object was used.

    Raises:
        HindsightError: the endpoint of a language model does not answer, or packages for it are missing.
    """
    if training.config.relabeler == "llm" and relabeler is None:
        yield from _of_language_model(training, made)
        return
    if relabeler is None:
        relabeler = relabeler_of(training.config, training.reward, None, training.env.scene)
    rarity = training.library.rarity()
    now = relabeler_at(relabeler, training.step, training.config.composed, training.reward, rarity)
    for trajectory in made:
        proposed = now.propose(trajectory.events, training.config.relabels, rng)
        yield [_verified(training, trajectory, relabel) for relabel in proposed]


def _verified(training: TrainingRun, trajectory: Trajectory, relabel: Relabel) -> Proposal:
    reason = verify(relabel, trajectory.events, training.reward)
    kind = EVIDENCE if reason else None
    return Proposal(trajectory, relabel.text, relabel.goals, relabel.ordered, reason, kind)


def _of_language_model(training: TrainingRun, made: Iterator[Trajectory]) -> Iterator[list[Proposal]]:
    """The model is asked about each trajectory, one after another. In training it is asked beside it, and its relabels
    are used for other trajectories too."""
    config, reward = training.config, training.reward
    asked = form(config.llm.form, training.env.scene)
    noise = NoisyRelabeler(config.noise, reward, None, config.seed) if config.noise.rate > 0 else None
    with Endpoint(config.endpoint) as endpoint:
        for trajectory in made:
            snapshot = Snapshot.of(trajectory.events, 0)
            if not any(training.env.events[event].trained for _, event in snapshot.happened):
                yield []
                continue
            try:
                answer = endpoint.ask(asked.question(snapshot, training.env.events, config.llm.candidates))
            except MalformedAnswer:
                yield []
                continue
            except EndpointError as error:
                raise HindsightError(
                    f"the run's language model is asked about new trajectories, but did not answer: {error}"
                ) from error
            found = []
            for each in asked.read(answer)[: 2 * config.llm.candidates]:
                result = ground(each.instruction, each.steps, trajectory.events, reward, asked.text)
                if not isinstance(result, Relabel):
                    found.append(Proposal(trajectory, each.instruction[:400], rejected=result.reason, kind=result.kind))
                elif (relabel := noise.spoiled(result, trajectory.events) if noise else result) is not None:
                    found.append(_verified(training, trajectory, relabel))
            yield [each for each in found if each.text.strip()]
