"""Missions of Gymnasium environments: a policy follows the text that the environment itself gives.

    from hindsight_rl.agent.envs.minigrid.farama import FaramaGrid
    evaluate_missions(policy, FaramaGrid("BabyAI-PickupLoc-v0", policy.env), episodes=50)

Such an environment is not written in JAX, so it runs outside of the compiled program, one episode after another, many
times slower. That is enough to evaluate, not to train. It reports no events, so the agent cannot track several goals: a
mission of more than one goal is not tried.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import jax
import numpy as np

from hindsight_rl.agent.envs.environment import exploration_odds
from hindsight_rl.agent.evaluation.suite import EPSILON
from hindsight_rl.agent.policy.network import QNetwork
from hindsight_rl.agent.policy.policy import Policy
from hindsight_rl.agent.reward.semantic import InstructionError
from hindsight_rl.errors import HindsightError


class Bridge(Protocol):
    """How a policy plays a Gymnasium environment."""

    def make(self) -> Any:
        """A `gymnasium.Env`."""
        ...

    def mission(self, env: Any, seen: Any) -> str:
        """The instruction of this episode; ``seen`` is the environment's own observation."""
        ...

    def observe(self, env: Any, seen: Any) -> np.ndarray:
        """The observation as the policy knows it from training, float32 [observation_size]."""
        ...

    def act(self, action: int) -> Any:
        """The environment's action for an action of the policy."""
        ...


@dataclass(frozen=True)
class Mission:
    """One episode.

    Attributes:
        text: what the environment asked for.
        success: the environment ended the episode with a reward above 0.
        steps: steps taken.
        problem: why the mission was not tried; None if it was.
    """

    text: str
    success: bool = False
    steps: int = 0
    problem: str | None = None


def evaluate_missions(
    policy: Policy, bridge: Bridge, episodes: int = 50, seed: int = 0, epsilon: float = EPSILON, steps: int = 500
) -> list[Mission]:
    """Play episodes of a Gymnasium environment. A mission that is not understood counts as failed.

    Args:
        policy: trained in an environment with the same observations and actions, after translation by the bridge.
        bridge: see :class:`Bridge`.
        episodes: number of episodes; episode i has the seed ``seed`` + i.
        epsilon: rate of random actions.
        steps: maximum number of steps of an episode; the environment may have a smaller limit.

    Raises:
        HindsightError: an observation has another size than the policy's.
    """
    env, rng = bridge.make(), np.random.default_rng(seed)
    chances = np.diff(np.asarray(exploration_odds(policy.env)), prepend=0.0)
    try:
        return [_episode(policy, bridge, env, seed + i, epsilon, steps, chances, rng) for i in range(episodes)]
    finally:
        env.close()


def _episode(
    policy: Policy,
    bridge: Bridge,
    env: Any,
    seed: int,
    epsilon: float,
    steps: int,
    chances: np.ndarray,
    rng: np.random.Generator,
) -> Mission:
    seen, _ = env.reset(seed=seed)
    text = bridge.mission(env, seen)
    try:
        goals = policy.reward.check(text).goals
    except InstructionError as error:
        return Mission(text, problem=str(error))
    if len(goals) > 1:
        return Mission(text, problem=f"it has {len(goals)} goals, which cannot be tracked without events")
    condition = policy.conditions(list(goals))
    for step in range(1, steps + 1):
        observation = bridge.observe(env, seen)
        if observation.shape != (policy.env.observation_size,):
            size = policy.env.observation_size
            raise HindsightError(f"the bridge's observation has shape {observation.shape}, the policy's has ({size},)")
        action = int(_best(policy.network, policy.params, observation[None], condition)[0])
        if rng.random() < epsilon:
            action = int(rng.choice(len(chances), p=chances / chances.sum()))
        seen, reward, terminated, truncated, _ = env.step(bridge.act(action))
        if terminated or truncated:
            return Mission(text, bool(terminated and reward > 0), step)
    return Mission(text, steps=steps)


@partial(jax.jit, static_argnums=0)
def _best(network: QNetwork, params: Any, observation: jax.Array, condition: jax.Array) -> jax.Array:
    """The action with the highest value, int32 [1]."""
    return network.apply(params, observation, condition).argmax(axis=1)  # type: ignore[union-attr]
