"""A training run in progress: the host's side of it, between stretches inside `jit`.

Here trajectories are relabeled, relabels verified and offered to the buffer, and new tables laid down.
"""

import dataclasses
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from hindsight_rl.agent.envs import make_world
from hindsight_rl.agent.envs.bank import load_bank
from hindsight_rl.agent.evaluation.coverage import Coverage
from hindsight_rl.agent.evaluation.suite import canonical_success
from hindsight_rl.agent.evaluation.trials import Ways
from hindsight_rl.agent.instructions.buffer import InstructionBuffer
from hindsight_rl.agent.instructions.library import Library
from hindsight_rl.agent.policy.network import QNetwork
from hindsight_rl.agent.policy.policy import Policy
from hindsight_rl.agent.policy.prerequisites import Order, needs, rows
from hindsight_rl.agent.policy.rare_events import Memory
from hindsight_rl.agent.relabeling.relabeler import (
    NOT_GOALS,
    Relabel,
    Relabeler,
    RelabelSource,
    TemplateRelabeler,
    verify,
)
from hindsight_rl.agent.reward.semantic import SemanticReward
from hindsight_rl.agent.training.checkpoint import Checkpoints
from hindsight_rl.agent.training.config import TrainConfig, load_config
from hindsight_rl.agent.training.iteration import Learner, advance, optimizer
from hindsight_rl.agent.training.methods import Method, method
from hindsight_rl.agent.training.progress import SOURCES
from hindsight_rl.agent.training.rollout import AGAIN, DRAWN, TOLD, UNDONE, Tables, start
from hindsight_rl.agent.training.sharding import Placement, local
from hindsight_rl.encoder import load_encoder
from hindsight_rl.errors import HindsightError
from hindsight_rl.run import Run


class Trainer:
    """A training run in progress; :func:`hindsight_rl.agent.training.train.train` drives it.

    Args:
        config: checked settings.
        run: the run folder.
        relabeler: names what trajectories achieved; templates by default.
    """

    def __init__(self, config: TrainConfig, run: Run, relabeler: Relabeler | None = None):
        self.config, self.run = config, run
        self.placement = Placement.everywhere().checked(config.envs)
        self.method: Method = method(config.method)
        self.world = make_world(config.world, config.observation)
        self.bank = self.placement.copy(load_bank(self.world, "train", config.worlds))
        self.reward = SemanticReward.fit(
            load_encoder(config.encoder),
            self.world.events,
            config.reward_mode,  # type: ignore[arg-type]
            config.delta,
        )
        self.relabeler = relabeler
        self.library = Library(self.reward, self.world.events, self.method.true_reward, config.condition)
        self.buffer = InstructionBuffer(config.buffer)
        self.coverage = Coverage()
        self.rng = np.random.default_rng([config.seed, 1])
        self.network = QNetwork(self.world.n_actions, config.width, config.depth, config.rank)
        per_update = config.envs * config.rollout
        self.stretches = -(-config.steps // (per_update * config.stretch))
        self.steps_per_stretch = per_update * config.stretch
        # Choosing the moment belongs to the buffer; the other methods give their instructions uniformly.
        candidates = config.acting.candidates if self.method.buffer else 1
        self.acting = dataclasses.replace(
            config.acting,
            objective=self.method.objective,
            candidates=candidates,
            waypoints=config.acting.waypoints and self.method.hindsight,
            told=config.acting.told if self.method.buffer else 0.0,
            fresh=config.acting.fresh if self.method.buffer else 0.0,
            explore_after=config.acting.explore_after if self.method.buffer else 0,
        )
        hindsight = config.learning.hindsight if self.method.hindsight else 0
        self.learning = dataclasses.replace(
            config.learning, hindsight=hindsight, bounded=self.method.objective == "goal"
        )
        self.schedule = {
            name: jnp.float32(getattr(config, name))
            for name in (
                "learning_rate",
                "learning_rate_end",
                "epsilon_start",
                "epsilon_end",
                "epsilon_fraction",
                "epsilon_spread",
            )
        } | {"updates": jnp.float32(self.stretches * config.stretch)}
        self.stretch = 0
        self.seconds = {"train": 0.0, "relabel": 0.0, "evaluate": 0.0}
        self._index = {event.name: i for i, event in enumerate(self.world.events)}
        self._tell_what_is_given()
        self.learner = self._start()

    def _tell_what_is_given(self) -> None:
        """The instructions that a method is told from the start."""
        if self.method.objective == "novel":
            # ELLM: the suggestions are all goals that templates name; the policy never sees which.
            for i, event in enumerate(self.world.events):
                if event.name not in NOT_GOALS:
                    self.library.add(event.captions[0], [event.captions[0]], [i], False)
        elif not self.method.buffer or self.config.told:
            for i, text in enumerate(self.world.canonical):
                index = self.library.add(text, [text], [i], False)
                if not self.method.relabel:
                    self.library.name(i, index)  # there is no relabeling to name any event
            self.library.told = len(self.library.instructions)

    def _start(self) -> Learner:
        key = jax.random.key(self.config.seed)
        key, k_net, k_actors = jax.random.split(key, 3)
        tables = self.tables()
        params = self.network.init(
            k_net, jnp.zeros((1, self.world.observation_size)), jnp.zeros((1, tables.condition.shape[1]))
        )
        memory = None
        if self.learning.hindsight and self.learning.memories:
            features, n_events = self.world.observation_size, len(self.world.events)
            memory = Memory.none(n_events, self.learning.memory, self.config.rollout, features)
        actors = start(self.world, self.bank, self.config.envs, k_actors)
        learner = Learner(
            params, optimizer().init(params), actors, Order.none(len(self.world.events)), memory, key, jnp.int32(0)
        )
        return self._placed(learner)

    def _placed(self, learner: Learner) -> Learner:
        """The learner with its arrays where training wants them."""
        learner = jax.tree.map(lambda x: x.copy(), learner)  # buffers are donated: none may be shared
        whole = self.placement.copy(dataclasses.replace(learner, actors=None))  # type: ignore[arg-type]
        return dataclasses.replace(whole, actors=self.placement.divide(learner.actors))

    def watched(self) -> jax.Array:
        """bool [E], half of the trajectories that are relabeled after the next stretch; the rarest are the others."""
        watched = np.zeros(self.config.envs, bool)
        watched[self.rng.choice(self.config.envs, self.config.trajectories // 2, replace=False)] = True
        return self.placement.copy(jnp.asarray(watched))

    def tables(self) -> Tables:
        """What is known and asked for, for the next stretch."""
        size = self.library.max_instructions
        if self.method.buffer:
            chances = self.buffer.chances(size, self.library.told)
        else:
            chances = np.zeros(size, np.float32)
            chances[: len(self.world.canonical) if self.method.conditioned else 1] = 1.0
            chances /= chances.sum()
        return self.placement.copy(self.library.tables(chances, self.config.favour_rare))

    def advance(self) -> dict[str, Any]:
        """One stretch: train, count, relabel, update the buffer. Returns the metrics of the stretch."""
        began = time.perf_counter()
        self.learner, report = advance(*self.statics, *self.constants, self.tables(), self.learner, self.watched())
        return self.digest(jax.tree.map(np.asarray, report), time.perf_counter() - began)

    @property
    def statics(self) -> tuple[Any, ...]:
        """The leading arguments of `stretch.advance` by which it is compiled."""
        return (
            self.network,
            self.world,
            self.placement,
            self.config.stretch,
            self.config.rollout,
            self.config.trajectories,
        )

    @property
    def constants(self) -> tuple[Any, ...]:
        """Those that stay what they are."""
        return self.bank, self.acting, self.learning, self.schedule

    def digest(self, report: dict[str, np.ndarray], seconds: float) -> dict[str, Any]:
        """What the host does after a stretch: count, relabel, update the buffer.

        Args:
            report: of `stretch.advance`.
            seconds: that the stretch took.

        Returns:
            the metrics of the stretch.
        """
        trained = time.perf_counter()
        if not np.isfinite(report["loss"]):
            raise HindsightError(f"the loss is {report['loss']} after step {self.step}: lower --learning-rate")
        self.stretch += 1
        given = self._sources(report["given"])
        self.library.observe(report["counts"])
        self.buffer.record(report["attempts"], report["successes"])
        relabels = self._relabel(report["events"], report["over"]) if self.method.relabel else {}
        self.seconds["train"] += seconds
        self.seconds["relabel"] += time.perf_counter() - trained
        self.run.append("buffer.jsonl", *({"step": self.step, **row} for row in self.buffer.log))
        self.buffer.log.clear()
        attempts = report["attempts"].sum()
        return {
            "step": self.step,
            "loss": float(report["loss"]),
            "success_of_given": float(report["successes"].sum() / attempts) if attempts else None,
            **({"given": given} if self.method.conditioned else {}),
            "events": {e.name: int(n) for e, n in zip(self.world.events, report["counts"], strict=True)},
            "slots": self.buffer.snapshot(),
            "known_goals": len(self.library.goals),
            **self.coverage.counts(),
            **relabels,
            "seconds": {k: round(v, 3) for k, v in self.seconds.items()},
        }

    def _sources(self, given: np.ndarray) -> dict[str, int]:
        """How many instructions came from where in this stretch.

        Args:
            given: [4, I], see `stretch.advance`.

        Returns:
            `initial`: from those given from the start; `slots`: from the buffer's slots; `rehearsal`: mastered ones
            that left the buffer; `undone` and `again`: whatever relabeling has named and this life has not done, or
            not lately.
        """
        drawn = given[DRAWN]
        slots = drawn[self.buffer.slots].sum()
        rehearsal = drawn[self.buffer.rehearsed].sum()
        rest = drawn.sum() - slots - rehearsal  # no buffer, or nothing in it
        counts = given[TOLD].sum() + rest, slots, rehearsal, given[UNDONE].sum(), given[AGAIN].sum()
        return {name: int(n) for name, n in zip(SOURCES, counts, strict=True)}

    @property
    def step(self) -> int:
        """Environment steps so far."""
        return self.stretch * self.steps_per_stretch

    @property
    def source(self) -> RelabelSource | None:
        """The relabeler, where it works beside training or has a memory."""
        return self.relabeler if isinstance(self.relabeler, RelabelSource) else None

    def _relabel(self, events: np.ndarray, over: np.ndarray) -> dict[str, Any]:
        """Name, verify and offer; returns how many were accepted and rejected."""
        rarity, wanted = self.library.rarity(), self.library.wanted()
        templates = TemplateRelabeler(self.world.events, weights=rarity + 0.05, composed=self.config.composed)
        relabeler = self.relabeler or templates
        if self.source:
            relabeler = self.source.at(self.step, templates, rarity)
        tally: dict[str, Any] = {"accepted": 0, "rejected": 0}
        trajectories = []
        for r in range(events.shape[1]):
            lives = np.split(events[:, r], np.flatnonzero(over[:, r]) + 1)
            # Of several lives, the one with the rarest event; where all are alike, the one that goes on.
            trajectory = max(reversed(lives), key=lambda life: (life.any(0) * wanted).max(initial=0.0))
            trajectories.append(trajectory)
            for relabel in relabeler.propose(trajectory, self.config.relabels, self.rng):
                self._offer(relabel, trajectory, rarity, tally)
        if self.source:
            for each in self.source.delivered():
                if each.relabel is not None:
                    self._offer(each.relabel, each.events, rarity, tally, each.origin)
                else:
                    tally["rejected"] += 1
                    row = {"step": self.step, "text": each.text, "evidence": [], "rejected": each.refused}
                    self.run.append("relabels.jsonl", row | each.origin)
            self.source.watch(trajectories)
            tally |= self.source.metrics()
        return tally

    def _offer(
        self,
        relabel: Relabel,
        trajectory: np.ndarray,
        rarity: np.ndarray,
        tally: dict[str, Any],
        origin: dict[str, Any] | None = None,
    ) -> None:
        """Verify one relabel and offer it to library and buffer; what came from elsewhere is recorded, always."""
        reason = verify(relabel, trajectory, self.reward) if self.config.grounding else None
        if relabel.wrong is not None:
            tally["wrong_proposed"] = tally.get("wrong_proposed", 0) + relabel.wrong
            tally["wrong_accepted"] = tally.get("wrong_accepted", 0) + (relabel.wrong and not reason)
        row = {
            "step": self.step,
            "text": relabel.text,
            "evidence": relabel.evidence,
            "rejected": reason,
        }
        if origin is not None:
            self.run.append("relabels.jsonl", row | origin)
        if reason:
            tally["rejected"] += 1
            if origin is None:
                self._sample(row)
            return
        tally["accepted"] += 1
        meant = [self._index[name] for _, name in relabel.evidence]
        rare = float(rarity[meant].max())
        fresh = self.coverage.add(relabel.text, self.reward.embed(relabel.goals).mean(0))
        if fresh and origin is None:
            self._sample(row)
        for goal, event in zip(relabel.goals, meant, strict=True):
            self.library.name(event, self.library.add(goal, [goal], [event], False))
        if self.method.buffer and (len(relabel.goals) == 1 or self.buffer.has_room(rare)):
            index = self.library.add(relabel.text, relabel.goals, meant, relabel.ordered)
            if index is not None:
                self.buffer.admit(index, relabel.text, rare, meant)

    def _sample(self, row: dict[str, Any]) -> None:
        """Keep examples for the report: the first ones of each kind, then ever fewer."""
        if self.coverage.sampled < 400 or self.coverage.sampled % 10 == 0:
            self.run.append("relabels.jsonl", row)
        self.coverage.sampled += 1

    def evaluate(self) -> dict[str, float]:
        """Success on the canonical instructions in held-out worlds, a quick look."""
        began = time.perf_counter()
        success = canonical_success(self.policy)
        self.seconds["evaluate"] += time.perf_counter() - began
        return success

    @property
    def policy(self) -> Policy:
        """The policy as it is now."""
        params, order = local((self.learner.params, self.learner.order))
        unseen = None
        if not self.method.conditioned:
            unseen = np.asarray(self.library.tables(np.zeros(self.library.max_instructions)).condition[0])
        way = None
        if self.acting.waypoints:
            tables = self.library.tables(np.zeros(self.library.max_instructions))
            goal, known = rows(tables)
            way = Ways(tables.condition[goal], known, needs(order, known))
        return Policy(self.network, params, self.world, self.reward, self.config.condition, unseen, way)

    def save(self, checkpoints: Checkpoints) -> None:
        """Write a checkpoint from which training goes on exactly as it would have."""
        host = {
            "stretch": self.stretch,
            "library": self.library.state(),
            "buffer": self.buffer.state(),
            "coverage": self.coverage.state(),
            "rng": self.rng.bit_generator.state,
            "seconds": self.seconds,
        }
        if self.source:
            host["relabeler"] = self.source.state()
        checkpoints.save(self.step, self.learner, host)

    def restore(self, checkpoints: Checkpoints) -> None:
        """The inverse of :meth:`save`."""
        host = checkpoints.restore_host()
        self.library = Library(self.reward, self.world.events, self.method.true_reward, self.config.condition)
        self.library.restore(host["library"])
        self.buffer.restore(host["buffer"])
        self.coverage.restore(host["coverage"])
        self.rng.bit_generator.state = host["rng"]
        self.stretch, self.seconds = host["stretch"], host["seconds"]
        if self.source and "relabeler" in host:
            self.source.restore(host["relabeler"])
        self.learner = checkpoints.restore_arrays(self.learner)


def load_policy(run: Run) -> Policy:
    """The policy of a run's newest checkpoint.

    Raises:
        HindsightError: no checkpoint, or one that is corrupt or of another configuration.
    """
    trainer = Trainer(load_config(run).checked(), run)
    trainer.restore(Checkpoints(run.path / "checkpoints"))
    return trainer.policy
