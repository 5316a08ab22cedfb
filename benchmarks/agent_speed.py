"""Environment steps per second: ours, with learning and relabeling, against stock Craftax with plain PQN.

    python benchmarks/agent_speed.py --env classic --rounds 5 --out results/agent_speed.json

All train in turn in one process, on the same machine, with the same network, batch and epochs. The peer, `stock`, is
the installed `craftax` as it is: its own step with JAX's own keys, its optimistic-reset scheme (one fresh world for
every 16 environments, made at every step, shared among those that finish), and plain Q(lambda) on the goal pursued,
which computes the values of all actions to learn one. Ours has the substituted sampler, the bank of worlds, hindsight
goals for every transition, relabeling and the instruction buffer. `stock_our_learner` is the peer with our way to learn
from the actions that were taken, so that the environments alone are compared; `unrelabeled` is ours without relabeling,
for the cost of relabeling alone.
"""

import dataclasses
import json
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import tyro
from studies import middle

from hindsight_rl.agent.envs.bank import Bank
from hindsight_rl.agent.envs.craftax.classic import CraftaxClassic
from hindsight_rl.agent.envs.environment import Step
from hindsight_rl.agent.keys import plain
from hindsight_rl.agent.policy.network import QNetwork
from hindsight_rl.agent.training.config import TrainConfig
from hindsight_rl.agent.training.loop import compile_cache
from hindsight_rl.agent.training.presets import PRESETS
from hindsight_rl.agent.training.training_run import TrainingRun
from hindsight_rl.atomic_files import check_output, write_output
from hindsight_rl.run import Run, machine

RESET_RATIO = 16
ARMS = ("stock", "ours", "unrelabeled", "stock_our_learner")


class PlainNetwork(QNetwork):
    """The same network, which computes the vectors of all actions and picks one."""

    def taken(self, observation: jax.Array, action: jax.Array) -> jax.Array:
        """As `QNetwork.taken`."""
        return jnp.take_along_axis(self.psi(observation), action[:, None, None], axis=1)[:, 0]


class StockEnvironment(CraftaxClassic):
    """The installed game, drawing by keys of JAX's own kind."""

    def generate(self, key: jax.Array) -> Any:
        """As `CraftaxClassic.generate`."""
        return super().generate(plain(key))

    def step(self, key: jax.Array, state: Any, action: jax.Array) -> Step:
        """As `CraftaxClassic.step`."""
        return super().step(plain(key), state, action)


class OptimisticResets:
    """Stands where the bank stands: makes n / 16 fresh worlds at every step and deals them to those that are over."""

    def __init__(self, env: CraftaxClassic, bank: Bank):
        self.env, self.bank, self.size = env, bank, bank.size

    def take(self, index: jax.Array) -> tuple[Any, jax.Array]:
        """Only for the very first states."""
        return self.bank.take(index)

    def renew(self, key: jax.Array, over: jax.Array, states: Any, observations: jax.Array) -> tuple[Any, jax.Array]:
        """As `Bank.renew`, with worlds generated now."""
        count = max(1, over.shape[0] // RESET_RATIO)
        fresh = jax.vmap(self.env.generate)(jax.random.split(key, count))
        seen = jax.vmap(self.env.observe)(fresh)
        # Finished environments first, so that as many as possible get a world of their own.
        rank = jnp.argsort(jnp.argsort(~over)) % count

        def pick(new: jax.Array, old: jax.Array) -> jax.Array:
            return jnp.where(over.reshape(over.shape + (1,) * (old.ndim - 1)), new[rank].astype(old.dtype), old)

        return jax.tree.map(pick, fresh, states), pick(seen, observations)


jax.tree_util.register_pytree_node(
    OptimisticResets, lambda r: ((r.bank,), r.env), lambda env, children: OptimisticResets(env, children[0])
)


@dataclass
class SpeedConfig:
    """What to time."""

    env: str = "classic"
    """`classic` (the game's 64 x 64) or `classic-32`."""
    observation: str = "compact"
    preset: str = "laptop"
    """Where the other settings come from; `gpu` for a GPU."""
    rounds: int = 5
    """Timed turns of each arm, alternating."""
    num_envs: int | None = None
    """The preset's when absent."""
    iterations: int = 2
    """Training iterations per turn, of 16 updates each."""
    out: str | None = None
    """Write the result here."""


def settled(config: SpeedConfig) -> TrainConfig:
    """The settings of both arms."""
    preset = PRESETS[config.preset]
    num_envs = config.num_envs or preset.num_envs
    changes = {"env": config.env, "observation": config.observation, "num_envs": num_envs}
    return dataclasses.replace(preset, **changes).checked()  # type: ignore[arg-type]


def arm(settings: TrainConfig, name: str, folder: Path) -> TrainingRun:
    """A training run for one arm: `ours`, `unrelabeled`, `stock` or `stock_our_learner`."""
    stock = name.startswith("stock")
    method = "none" if stock else "oir"
    settings = dataclasses.replace(
        settings, method=method, total_timesteps=10**9, num_worlds=256, out=str(folder / name)
    )
    training = TrainingRun(settings, Run.create(settings.out, dataclasses.asdict(settings), kind="agent"))
    if stock:
        training.learning = training.learning.replace(mirrored=False)  # type: ignore[attr-defined]
        size = training.env.static.map_size[0]  # type: ignore[attr-defined]
        training.env = StockEnvironment(size, training.env.observation, stock=True)  # type: ignore[attr-defined]
        training.bank = OptimisticResets(training.env, training.bank)  # type: ignore[assignment]
    if name == "stock":
        training.network = PlainNetwork(training.env.n_actions, settings.width, settings.depth, settings.rank)
    elif name == "unrelabeled":
        training.method = dataclasses.replace(training.method, relabel=False)
    return training


def turns(runs: dict[str, TrainingRun], rounds: int, iterations: int) -> dict[str, list[float]]:
    """Seconds of every turn of each arm, in turns, after compilation and a warm-up."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for training in runs.values():
        for _ in range(2):
            training.iterate()
    for _ in range(rounds):
        for name, training in runs.items():
            began = time.perf_counter()
            for _ in range(iterations):
                training.iterate()
            jax.block_until_ready(training.state.params)
            seconds[name].append(time.perf_counter() - began)
    return seconds


def ratios(theirs: list[float], ours: list[float]) -> dict[str, float]:
    """How many times faster the second is, turn by turn."""
    return middle([a / b for a, b in zip(theirs, ours, strict=True)])


def against_stock(seconds: dict[str, list[float]], steps: int) -> dict[str, Any]:
    """What a result file keeps of turns of ``steps`` environment steps."""
    return {
        "steps_per_turn": steps,
        "seconds": {name: [round(x, 4) for x in times] for name, times in seconds.items()},
        "steps_per_second": {name: round(steps / statistics.median(times)) for name, times in seconds.items()},
        **{f"ours_over_{name}": ratios(seconds[name], seconds["ours"]) for name in seconds if name.startswith("stock")},
    }


def main() -> None:
    """Time the arms in turn and print the ratios."""
    config = tyro.cli(SpeedConfig, description=__doc__)
    if config.out:
        check_output(Path(config.out))
    compile_cache()
    with tempfile.TemporaryDirectory() as folder:
        runs = {name: arm(settled(config), name, Path(folder)) for name in ARMS}
        seconds = turns(runs, config.rounds, config.iterations)
        steps = config.iterations * runs["ours"].steps_per_iteration
    relabeling = [a / b for a, b in zip(seconds["ours"], seconds["unrelabeled"], strict=True)]
    result = {
        "command": "python benchmarks/agent_speed.py " + " ".join(sys.argv[1:]),
        "machine": machine() | {"device": jax.devices()[0].device_kind},
        "versions": {name: version(name) for name in ("craftax", "jax", "flax", "optax")},
        "config": dataclasses.asdict(config),
        **against_stock(seconds, steps),
        "cost_of_relabeling": {
            "median": round(statistics.median(relabeling) - 1, 4),
            "min": round(min(relabeling) - 1, 4),
            "max": round(max(relabeling) - 1, 4),
        },
    }
    text = json.dumps(result, indent=1) + "\n"
    print(text, end="")
    if config.out:
        write_output(Path(config.out), lambda path: path.write_text(text, "utf-8"))


if __name__ == "__main__":
    main()
