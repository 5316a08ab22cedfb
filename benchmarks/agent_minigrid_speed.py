"""Environment steps per second in XLand-MiniGrid: ours, with everything on, against the package with plain PQN.

    python benchmarks/agent_minigrid_speed.py --out results/agent_minigrid_speed.json

All train in turn in one process, on the same machine, with the same network, batch and epochs. The peer, `stock`, is
the installed `xminigrid` as it is: its own step without events, fresh layouts at every step for one in 16 environments
(shared among those that finish), and plain Q(lambda) on the goal pursued, which computes the values of all actions to
learn one. Ours has events, possible instructions, the bank of worlds, mirror images, hindsight goals for every
transition, relabeling and the instruction buffer. `unreplayed` is ours without the replay of rare events, which adds
half as many rows again to every update.
"""

import dataclasses
import json
import sys
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import jax
import jax.numpy as jnp
import tyro
from agent_speed import OptimisticResets, PlainNetwork, against_stock, ratios, turns

from hindsight_rl.agent.envs import make_env
from hindsight_rl.agent.envs.minigrid.xland import GridState, MiniGrid
from hindsight_rl.agent.training.config import TrainConfig, with_setting
from hindsight_rl.agent.training.loop import compile_cache
from hindsight_rl.agent.training.presets import settled
from hindsight_rl.agent.training.training_run import TrainingRun
from hindsight_rl.atomic_files import check_output, write_output
from hindsight_rl.run import Run, machine


class StockGrid(MiniGrid):
    """The package's own step: no events are computed, and every instruction counts as possible."""

    def _events(self, before: GridState, after: GridState, on_door: jax.Array) -> jax.Array:
        return jnp.zeros(len(self.events), bool)

    def possible(self, state: GridState) -> None:  # type: ignore[override]
        """As for an environment that does not say."""


@dataclass
class SpeedConfig:
    """What to time."""

    env: str = "XLand-MiniGrid-R2-9x9"
    """An environment of XLand-MiniGrid."""
    rounds: int = 5
    """Timed turns of each arm, alternating."""
    iterations: int = 2
    """Training iterations per turn, of 16 updates each."""
    out: Path | None = None
    """Write the result here."""


def arm(config: SpeedConfig, name: str, folder: Path) -> TrainingRun:
    """A training run for one arm: `ours`, `unreplayed` or `stock`."""
    method = "none" if name == "stock" else "oir"
    settings = TrainConfig(method=method, env=config.env, total_timesteps=10**9, num_worlds=256, out=str(folder / name))
    if name == "unreplayed":
        settings = with_setting(settings, "learning.replay_windows", 0)
    settings = settled(settings, make_env(config.env).settings).checked()
    run = Run.create(settings.out, dataclasses.asdict(settings), kind="agent")
    training = TrainingRun(settings, run)
    if name == "stock":
        training.learning = training.learning.replace(mirrored=False)  # type: ignore[attr-defined]
        training.env = StockGrid(config.env)
        training.bank = OptimisticResets(training.env, training.bank)  # type: ignore[arg-type, assignment]
        training.network = PlainNetwork(training.env.n_actions, settings.width, settings.depth, settings.rank)
    return training


def main() -> None:
    """Time the arms in turn and print the ratio."""
    config = tyro.cli(SpeedConfig, description=__doc__)
    if config.out:
        check_output(config.out)
    compile_cache()
    with tempfile.TemporaryDirectory() as folder:
        runs = {name: arm(config, name, Path(folder)) for name in ("stock", "ours", "unreplayed")}
        seconds = turns(runs, config.rounds, config.iterations)
        steps = config.iterations * runs["ours"].steps_per_iteration
    result = {
        "command": "python benchmarks/agent_minigrid_speed.py " + " ".join(sys.argv[1:]),
        "machine": machine() | {"device": jax.devices()[0].device_kind},
        "versions": {name: version(name) for name in ("xminigrid", "jax", "flax", "optax")},
        "config": {k: str(v) if isinstance(v, Path) else v for k, v in dataclasses.asdict(config).items()},
        **against_stock(seconds, steps),
        "unreplayed_over_stock": ratios(seconds["stock"], seconds["unreplayed"]),
    }
    text = json.dumps(result, indent=1) + "\n"
    print(text, end="")
    if config.out:
        write_output(config.out, lambda path: path.write_text(text, "utf-8"))


if __name__ == "__main__":
    main()
