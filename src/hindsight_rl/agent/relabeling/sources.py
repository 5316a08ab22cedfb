"""The relabeler that the settings of a run choose."""

from hindsight_rl.agent.envs.environment import Environment
from hindsight_rl.agent.relabeling.llm import LlmRelabeler
from hindsight_rl.agent.relabeling.noise import NoisyRelabeler
from hindsight_rl.agent.relabeling.relabeler import Relabeler
from hindsight_rl.agent.reward.semantic import SemanticReward
from hindsight_rl.agent.training.config import TrainConfig
from hindsight_rl.endpoint import Endpoint
from hindsight_rl.run import Run


def relabeler_of(
    config: TrainConfig, reward: SemanticReward, run: Run | None = None, scene: str = Environment.scene
) -> Relabeler | None:
    """The relabeler; None for unchanged templates.

    Args:
        scene: of the environment, for a language model's prompt.

    Raises:
        EndpointError: the packages of the endpoint are missing.
    """
    made: Relabeler | None = None
    if config.relabeler == "llm":
        made = LlmRelabeler(Endpoint(config.endpoint), reward, config.llm, run, scene)
    if config.noise.rate > 0:
        made = NoisyRelabeler(config.noise, reward, made, config.seed)
    return made
