"""A policy, ready to be told anything; `trainer.load_policy` brings one back from a run."""

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np

from hindsight_rl.agent.envs.environment import World
from hindsight_rl.agent.evaluation.trials import Tasks, Ways
from hindsight_rl.agent.instructions.library import condition
from hindsight_rl.agent.policy.network import QNetwork
from hindsight_rl.agent.reward.semantic import SemanticReward
from hindsight_rl.agent.training.rollout import MAX_GOALS


@dataclass
class Policy:
    """A network with its parameters, the world it acts in and the reward by which it knows its progress.

    Attributes:
        parts: which parts of the condition it was trained with (see `library.condition`).
        unseen: for a policy that does not see the instruction, the one condition that it was trained with.
    """

    network: QNetwork
    params: Any
    world: World
    reward: SemanticReward
    parts: str = "both"
    unseen: np.ndarray | None = None
    ways: Ways | None = None

    def conditions(self, goals: list[str]) -> np.ndarray:
        """float32 [n, C], what the network is given for goals."""
        if self.unseen is not None:
            return np.repeat(self.unseen[None], len(goals), axis=0)
        return condition(self.reward, goals, self.parts)

    def tasks(self, goals: list[list[str]], ordered: list[bool], truth: list[list[np.ndarray]]) -> Tasks:
        """Instructions to try (see `trial.Tasks`).

        Args:
            goals: for each instruction its goals, at most MAX_GOALS sentences.
            ordered: for each instruction, whether order counts.
            truth: for each goal, bool [n_events]: the events that fulfil it.
        """
        n, n_events = len(goals), len(self.world.events)
        texts = sorted({g for group in goals for g in group})
        row = {text: i for i, text in enumerate(texts)}
        conditions, fires = self.conditions(texts), self.reward.table(texts).T
        out_condition = np.zeros((n, MAX_GOALS, conditions.shape[1]), np.float32)
        out_fires = np.zeros((n, MAX_GOALS, n_events), bool)
        out_truth = np.zeros((n, MAX_GOALS, n_events), bool)
        present = np.zeros((n, MAX_GOALS), bool)
        for i, group in enumerate(goals):
            for k, text in enumerate(group):
                out_condition[i, k], out_fires[i, k] = conditions[row[text]], fires[row[text]]
                out_truth[i, k], present[i, k] = truth[i][k], True
        return Tasks(
            jnp.asarray(out_condition),
            jnp.asarray(out_fires),
            jnp.asarray(out_truth),
            jnp.asarray(present),
            jnp.asarray(np.asarray(ordered, bool)),
        )
