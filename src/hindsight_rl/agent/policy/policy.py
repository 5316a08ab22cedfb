"""A trained policy that follows instructions. `Trainer.fit` returns one; `load_policy` loads one from a run."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hindsight_rl.agent.envs.environment import Environment
from hindsight_rl.agent.instructions.library import condition
from hindsight_rl.agent.policy.action_selection import Waypoints
from hindsight_rl.agent.policy.network import QNetwork
from hindsight_rl.agent.reward.semantic import SemanticReward

if TYPE_CHECKING:
    from hindsight_rl.agent.evaluation.attempt import Attempt


@dataclass
class Policy:
    """A network with its parameters, its environment, and the reward with which it tracks its own progress.

    Attributes:
        parts: which parts of the condition it was trained with (see `library.condition`).
        unseen: for a policy that does not see the instruction: the constant input that it was trained with.
        waypoints: what it knows about prerequisites; None if its method does not use them.
    """

    network: QNetwork
    params: Any
    env: Environment
    reward: SemanticReward
    parts: str = "both"
    unseen: np.ndarray | None = None
    waypoints: Waypoints | None = None

    def conditions(self, goals: list[str]) -> np.ndarray:
        """float32 [n, C], the network's input for goals."""
        if self.unseen is not None:
            return np.repeat(self.unseen[None], len(goals), axis=0)
        return condition(self.reward, goals, self.parts)

    def rollout(
        self,
        instruction: str,
        steps: int = 300,
        seed: int = 0,
        world_index: int | None = None,
        epsilon: float = 0.05,
        tries: int = 1,
    ) -> "Attempt":
        """Follow an instruction in a held-out world.

        Args:
            instruction: e.g. "collect wood, then place a table".
            steps: at most this many environment steps.
            seed: of the actions and, without ``world_index``, of the choice of the world.
            world_index: which held-out world, from 0 to 255. By default the seed chooses one of those in which the
                instruction can be fulfilled.
            epsilon: rate of random actions. A greedy policy can get stuck in a loop.
            tries: worlds to try, one after another, until the instruction is fulfilled in one.

        Returns:
            what happened: `success`, `steps`, `goals`, `captions` of the events, `frames`, ...

        Raises:
            InstructionError: the semantic reward cannot judge the instruction. The message says which part and why.
            HindsightError: a number out of range.
        """
        from hindsight_rl.agent.evaluation.attempt import attempt

        return attempt(self, instruction, steps, seed, world_index, epsilon, tries)
