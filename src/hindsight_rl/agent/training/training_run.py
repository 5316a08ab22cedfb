"""A training run: the work of the host between training iterations, which run inside `jit`.

The host relabels trajectories, verifies the relabels, offers them to the instruction buffer and makes new tables.
"""

import dataclasses
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from hindsight_rl.agent.envs import make_env
from hindsight_rl.agent.envs.bank import load_bank
from hindsight_rl.agent.envs.environment import Environment, check_environment
from hindsight_rl.agent.evaluation.suite import canonical_success
from hindsight_rl.agent.instructions.buffer import InstructionBuffer
from hindsight_rl.agent.instructions.library import Library
from hindsight_rl.agent.policy.action_selection import Waypoints
from hindsight_rl.agent.policy.network import QNetwork
from hindsight_rl.agent.policy.policy import Policy
from hindsight_rl.agent.policy.prerequisites import Precedence, prerequisites
from hindsight_rl.agent.policy.rare_events import RareEventBuffer
from hindsight_rl.agent.relabeling.relabeler import Relabeler, RelabelSource
from hindsight_rl.agent.reward.semantic import SemanticReward, TextEncoder
from hindsight_rl.agent.training.acting import BY_CHANCE, INITIAL, NEW_EVENT, REPEATED_EVENT
from hindsight_rl.agent.training.checkpoint import Checkpoints
from hindsight_rl.agent.training.config import TrainConfig
from hindsight_rl.agent.training.initial_instructions import CANONICAL, NONE, initial_instructions
from hindsight_rl.agent.training.iteration import (
    Inputs,
    Report,
    Schedule,
    Static,
    TrainState,
    optimizer,
    train_iteration,
)
from hindsight_rl.agent.training.methods import Method, method
from hindsight_rl.agent.training.progress import SOURCES
from hindsight_rl.agent.training.refresh import together
from hindsight_rl.agent.training.relabel_step import RelabelStep
from hindsight_rl.agent.training.rollout import start
from hindsight_rl.agent.training.sharding import Placement, local
from hindsight_rl.agent.training.tables import Tables
from hindsight_rl.encoder import load_encoder
from hindsight_rl.errors import HindsightError
from hindsight_rl.run import Run


class TrainingRun:
    """A training run in progress; `loop.train_runs` drives it.

    Args:
        config: checked settings.
        run: the run folder.
        relabeler: proposes what trajectories achieved; by default templates.
        env: the environment; by default the one in the settings.
        encoder: the sentence encoder; by default the one in the settings.
    """

    def __init__(
        self,
        config: TrainConfig,
        run: Run,
        relabeler: Relabeler | None = None,
        env: Environment | None = None,
        encoder: TextEncoder | None = None,
    ):
        self.config, self.run = config, run
        self.placement = Placement.everywhere().checked(config.num_envs)
        self.method: Method = method(config.method)
        self.env = make_env(config.env, config.observation) if env is None else check_environment(env)
        self.bank = self.placement.copy(load_bank(self.env, "train", config.num_worlds))
        self.reward = SemanticReward.fit(
            load_encoder(config.encoder) if encoder is None else encoder,
            self.env.events,
            self.env.language,
            config.reward_mode,  # type: ignore[arg-type]
            config.delta,
        )
        self.library = self._library()
        self.buffer = InstructionBuffer(config.buffer)
        self.rng = np.random.default_rng([config.seed, 1])
        self.relabeling = RelabelStep(
            config,
            self.env.events,
            self.reward,
            self.library,
            self.buffer if self.method.buffer else None,
            run,
            self.rng,
        )
        self.relabeling.relabeler = relabeler
        self.network = QNetwork(self.env.n_actions, config.width, config.depth, config.rank)
        self.steps_per_iteration = config.num_envs * config.num_steps * config.num_updates
        self.iterations = -(-config.total_timesteps // self.steps_per_iteration)
        # Choosing an instruction by its value is part of the buffer. Other methods give their instructions uniformly.
        buffer = self.method.buffer
        self.acting = dataclasses.replace(
            config.acting,
            objective=self.method.objective,
            candidates=config.acting.candidates if buffer else 1,
            waypoints=config.acting.waypoints and self.method.hindsight,
            initial=config.acting.initial if buffer else 0.0,
            new_event_share=config.acting.new_event_share if buffer else 0.0,
            explore_after=config.acting.explore_after if buffer else 0,
        )
        self.learning = dataclasses.replace(
            config.learning,
            hindsight=config.learning.hindsight if self.method.hindsight else 0,
            bounded=self.method.objective == "goal",
        )
        self.schedule = Schedule.of(config, self.iterations * config.num_updates)
        self.iteration = 0
        self.seconds = {"train": 0.0, "relabel": 0.0, "evaluate": 0.0}
        self._add_initial_instructions()
        self.state = self._start()

    @property
    def relabeler(self) -> Relabeler | None:
        """The relabeler; None: templates."""
        return self.relabeling.relabeler

    @property
    def source(self) -> RelabelSource | None:
        """The relabeler, if it works in the background or keeps a state."""
        return self.relabeling.source

    def _library(self) -> Library:
        return Library(self.reward, self.env.events, self.method.true_reward, self.config.condition)

    def _add_initial_instructions(self) -> None:
        if self.method.objective == "novel":
            # ELLM: all goals of the templates are suggestions. The policy does not see them.
            for i, event in enumerate(self.env.events):
                if event.trained:
                    self.library.add(event.captions[0], [event.captions[0]], [i], False)
            return
        # A policy that sees no instruction is not given any of a file either.
        source = self.config.initial_instructions if self.method.conditioned else CANONICAL
        if source not in (CANONICAL, NONE) and self._copy.exists():
            source = str(self._copy)
        for each in initial_instructions(source, self.env, self.reward):
            avoid = {self.reward.plain(self.env.events[i].name): i for i in each.avoid}
            index = self.library.add(each.text, each.goals, each.events, each.ordered, each.times, avoid)
            if index is None:
                raise HindsightError(
                    f"--initial-instructions {self.config.initial_instructions}: no room for '{each.text}': all "
                    f"instructions together may have {self.library.max_goals} different goals; give fewer"
                )
            if not self.method.relabel and each.plain:
                self.library.name(each.events[0], index)  # without relabeling, no event gets a goal later
        self.library.initial = len(self.library.instructions)

    @property
    def _copy(self) -> Path:
        return self.run.path / "initial_instructions.txt"

    def keep_instructions(self) -> None:
        """Copy a file of initial instructions into the run's folder, so that a resumed run needs nothing else."""
        source = self.config.initial_instructions
        if self.method.conditioned and source not in (CANONICAL, NONE) and not self._copy.exists():
            self.run.write_text(self._copy.name, Path(source).read_text("utf-8-sig"))

    def _start(self) -> TrainState:
        key = jax.random.key(self.config.seed)
        key, k_net, k_actors = jax.random.split(key, 3)
        tables, n_events = self.tables(), len(self.env.events)
        params = self.network.init(
            k_net, jnp.zeros((1, self.env.observation_size)), jnp.zeros((1, tables.condition.shape[1]))
        )
        replay = None
        if self.learning.hindsight and self.learning.replay_windows:
            replay = RareEventBuffer.none(
                n_events, self.learning.windows_per_event, self.config.num_steps, self.env.observation_size
            )
        actors = start(self.env, self.bank, self.config.num_envs, k_actors)
        opt_state, precedence = optimizer().init(params), Precedence.none(n_events)
        state = TrainState(params, opt_state, actors, precedence, replay, key, jnp.int32(0))
        state = jax.tree.map(lambda x: x.copy(), state)  # buffers are donated, so they must not be shared
        whole = self.placement.copy(dataclasses.replace(state, actors=None))
        return dataclasses.replace(whole, actors=self.placement.divide(state.actors))

    def tables(self) -> Tables:
        """The tables for the next iteration."""
        size = self.library.max_instructions
        if self.method.buffer:
            chances = self.buffer.chances(size, self.library.initial)
        else:
            chances = np.zeros(size, np.float32)
            chances[: self.library.initial if self.method.conditioned else 1] = 1.0
            chances /= chances.sum()
        return self.placement.copy(self.library.tables(chances, self.config.favour_rare))

    def watched(self) -> jax.Array:
        """bool [E], half of the environments to relabel next, drawn at random. The other half are those with the
        rarest events."""
        watched = np.zeros(self.config.num_envs, bool)
        watched[self.rng.choice(self.config.num_envs, self.config.trajectories // 2, replace=False)] = True
        return self.placement.copy(jnp.asarray(watched))

    @property
    def static(self) -> Static:
        """The static arguments of an iteration."""
        config = self.config
        return Static(
            self.network, self.env, self.placement, config.num_updates, config.num_steps, config.trajectories,
            at_once=together(config.num_envs) if self.placement.one_cpu else None,
        )  # fmt: skip

    def inputs(self) -> Inputs:
        """The inputs of the next iteration."""
        return Inputs(self.bank, self.acting, self.learning, self.schedule, self.tables(), self.watched())

    def iterate(self) -> dict[str, Any]:
        """One training iteration: train, count, relabel, update the buffer. Returns its metrics."""
        began = time.perf_counter()
        self.state, report = train_iteration(self.static, self.inputs(), self.state)
        return self.digest(jax.tree.map(np.asarray, report), time.perf_counter() - began)

    def digest(self, report: Report, seconds: float) -> dict[str, Any]:
        """What the host does after an iteration: count, relabel, update the buffer.

        Args:
            report: of `train_iteration`, as NumPy arrays.
            seconds: the duration of the iteration.

        Returns:
            the metrics of the iteration.
        """
        trained = time.perf_counter()
        if not np.isfinite(report.loss):
            raise HindsightError(f"the loss is {report.loss} after step {self.step}: lower --learning-rate")
        self.iteration += 1
        given = self._sources(np.asarray(report.given))
        self.library.observe(np.asarray(report.counts))
        self.buffer.record(np.asarray(report.attempts), np.asarray(report.successes))
        relabels = {}
        if self.method.relabel:
            relabels = self.relabeling(self.step, np.asarray(report.events), np.asarray(report.over))
        self.seconds["train"] += seconds
        self.seconds["relabel"] += time.perf_counter() - trained
        self.run.append("buffer.jsonl", *({"step": self.step, **row} for row in self.buffer.log))
        self.buffer.log.clear()
        attempts = report.attempts.sum()
        return {
            "step": self.step,
            "loss": float(report.loss),
            "success_of_given": float(report.successes.sum() / attempts) if attempts else None,
            **({"given": given} if self.method.conditioned else {}),
            "events": {e.name: int(n) for e, n in zip(self.env.events, report.counts, strict=True)},
            "slots": self.buffer.snapshot(),
            "known_goals": len(self.library.goals),
            **self.relabeling.coverage.counts(),
            **relabels,
            "seconds": {k: round(v, 3) for k, v in self.seconds.items()},
        }

    def _sources(self, given: np.ndarray) -> dict[str, int]:
        """The number of instructions from each source in this iteration.

        Args:
            given: [4, I], see `iteration.Report`.

        Returns:
            `initial`: from the initial instructions; `slots`: from the buffer's slots; `rehearsal`: mastered ones that
            left the buffer; `new_event` and `repeated_event`: found by relabeling, for an event that has not
            happened in this life, or not lately.
        """
        drawn = given[BY_CHANCE]
        slots = drawn[self.buffer.slots].sum()
        rehearsal = drawn[self.buffer.rehearsed].sum()
        rest = drawn.sum() - slots - rehearsal  # no buffer, or nothing in it
        counts = given[INITIAL].sum() + rest, slots, rehearsal, given[NEW_EVENT].sum(), given[REPEATED_EVENT].sum()
        return {name: int(n) for name, n in zip(SOURCES, counts, strict=True)}

    @property
    def step(self) -> int:
        """Environment steps so far."""
        return self.iteration * self.steps_per_iteration

    def evaluate(self) -> dict[str, float]:
        """Success on the environment's own instructions in held-out worlds, with few trials."""
        began = time.perf_counter()
        success = canonical_success(self.policy)
        self.seconds["evaluate"] += time.perf_counter() - began
        return success

    @property
    def policy(self) -> Policy:
        """The policy as it is now."""
        params, precedence = local((self.state.params, self.state.precedence))
        tables = self.library.tables(np.zeros(self.library.max_instructions))
        unseen = None if self.method.conditioned else np.asarray(tables.condition[0])
        waypoints = None
        if self.acting.waypoints:
            goal, known = tables.event_goals()
            waypoints = Waypoints(tables.condition[goal], known, prerequisites(precedence, known))
        return Policy(self.network, params, self.env, self.reward, self.config.condition, unseen, waypoints)

    def save(self, checkpoints: Checkpoints) -> None:
        """Write a checkpoint. Training that is resumed from it gives exactly the same results."""
        host = {
            "iteration": self.iteration,
            "library": self.library.state(),
            "buffer": self.buffer.state(),
            "coverage": self.relabeling.coverage.state(),
            "rng": self.rng.bit_generator.state,
            "seconds": self.seconds,
        }
        if self.source:
            host["relabeler"] = self.source.state()
        checkpoints.save(self.step, self.state, host)

    def restore(self, checkpoints: Checkpoints) -> None:
        """The inverse of :meth:`save`.

        Raises:
            HindsightError: no checkpoint, or one that is corrupt, of another configuration or of another version.
        """
        host = checkpoints.restore_host()
        if "iteration" not in host:
            raise HindsightError(f"the checkpoint in {checkpoints.folder} is of another version: train the run anew")
        self.library = self.relabeling.library = self._library()  # an empty one
        self.library.restore(host["library"])
        self.buffer.restore(host["buffer"])
        self.relabeling.coverage.restore(host["coverage"])
        self.rng.bit_generator.state = host["rng"]
        self.iteration, self.seconds = host["iteration"], host["seconds"]
        if self.source and "relabeler" in host:
            self.source.restore(host["relabeler"])
        self.state = checkpoints.restore_arrays(self.state)
