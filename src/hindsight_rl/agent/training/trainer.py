"""Train an agent from Python, and load one that was trained.

policy = Trainer(TrainConfig(method="oir"), env=MyEnvironment()).fit()
policy.rollout("collect wood, then place a table").success
"""

import dataclasses
from pathlib import Path

from hindsight_rl.agent.envs.environment import Environment
from hindsight_rl.agent.policy.policy import Policy
from hindsight_rl.agent.relabeling.relabeler import Relabeler
from hindsight_rl.agent.reward.semantic import TextEncoder
from hindsight_rl.agent.training.checkpoint import Checkpoints
from hindsight_rl.agent.training.config import TrainConfig, check_one_seed, load_config
from hindsight_rl.agent.training.loop import train_runs
from hindsight_rl.agent.training.training_run import TrainingRun
from hindsight_rl.run import Run


class Trainer:
    """Trains one agent; :meth:`fit` does all the work.

    Args:
        config: the settings; `TrainConfig.out` is the run folder that is created.
        env: the environment, an object or a name; by default the one in the settings.
        encoder: the sentence encoder, an object with `encode(texts)` or a name; by default the one in the
            settings.
        relabeler: proposes what trajectories achieved; by default the one in the settings.
    """

    def __init__(
        self,
        config: TrainConfig | None = None,
        env: Environment | str | None = None,
        encoder: TextEncoder | str | None = None,
        relabeler: Relabeler | None = None,
    ):
        config = TrainConfig() if config is None else config
        if env is not None:
            config = dataclasses.replace(config, env=env if isinstance(env, str) else env.name)
        if isinstance(encoder, str):
            config = dataclasses.replace(config, encoder=encoder)
        self.config = config
        self.relabeler = relabeler
        self._env = None if isinstance(env, str) else env
        self._encoder = None if isinstance(encoder, str) else encoder

    @property
    def path(self) -> Path:
        """The run folder: settings, metrics, relabels, checkpoints, evaluation."""
        return Path(self.config.out)

    def fit(self) -> Policy:
        """Train, and evaluate at the end if `TrainConfig.final_eval` is set.

        Raises:
            HindsightError: bad settings, an environment that does not fit, a folder in use, no space, a diverging loss.
        """
        check_one_seed(self.config)
        (trained,) = train_runs(
            self.config, [self.config.seed], [self.config.out], self.relabeler, self._env, self._encoder
        )
        return trained.policy


def load_policy(run: Run | str | Path, env: Environment | None = None, encoder: TextEncoder | None = None) -> Policy:
    """The policy of a run's newest checkpoint.

    Args:
        run: the run, or its folder.
        env, encoder: the objects that it was trained with, if objects were used.

    Raises:
        HindsightError: no such run, no checkpoint, or one that is corrupt or of another configuration.
    """
    opened = run if isinstance(run, Run) else Run.open(run, kind="agent")
    trained = TrainingRun(load_config(opened).checked(), opened, env=env, encoder=encoder)
    trained.restore(Checkpoints(opened.path / "checkpoints"))
    return trained.policy
