"""A bank of worlds that are generated once. A reset copies one of them, because the world generator is too slow for
that.

    hindsight agent worlds --env classic-32 --count 1024

Training and evaluation use banks with different seeds, so evaluation worlds are never seen in training.
"""

import hashlib
import inspect
import zipfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from hindsight_rl.agent.envs.environment import Environment
from hindsight_rl.atomic_files import replacing
from hindsight_rl.encoder import default_cache_dir
from hindsight_rl.errors import HindsightError

SPLITS = {"train": 0, "eval": 1}
_BATCH = 128


@struct.dataclass
class Bank:
    """The first states of n worlds and their observations. Every leaf has the leading axis [n]."""

    states: Any
    observations: jax.Array  # float32 [n, observation_size]

    @property
    def size(self) -> int:
        return self.observations.shape[0]

    def take(self, index: jax.Array) -> tuple[Any, jax.Array]:
        """The states and observations at ``index`` (int, any shape)."""
        return jax.tree.map(lambda leaf: leaf[index], self.states), self.observations[index]

    def renew(self, key: jax.Array, over: jax.Array, states: Any, observations: jax.Array) -> tuple[Any, jax.Array]:
        """Replace the states of environments that have ended by worlds drawn uniformly from the bank.

        Args:
            key: a PRNG key.
            over: bool [n_envs].
            states: the environments' states.
            observations: float32 [n_envs, observation_size].

        On steps where no environment has ended (nearly all steps), nothing is copied.
        """

        def replace() -> tuple[Any, jax.Array]:
            fresh, seen = self.take(jax.random.randint(key, over.shape, 0, self.size))

            def pick(new: jax.Array, old: jax.Array) -> jax.Array:
                return jnp.where(over.reshape(over.shape + (1,) * (old.ndim - 1)), new.astype(old.dtype), old)

            return jax.tree.map(pick, fresh, states), pick(seen, observations)

        return jax.lax.cond(over.any(), replace, lambda: (states, observations))


_IN_MEMORY: WeakKeyDictionary[Environment, dict[tuple[str, int], Bank]] = WeakKeyDictionary()


def load_bank(env: Environment, split: str, count: int, cache: Path | None = None) -> Bank:
    """The bank of ``count`` worlds of a split. It is generated on first use, then cached: on disk if the environment
    has a `cache_key`, else in memory as long as the environment object exists.

    Args:
        env: where the worlds come from.
        split: `train` or `eval`; they have different worlds.
        count: how many worlds; a bank is a prefix of every larger bank of the same environment and split.
        cache: a folder; by default :func:`hindsight_rl.encoder.default_cache_dir`.

    Raises:
        HindsightError: the cache cannot be written.
    """
    if split not in SPLITS or count < 1:
        raise HindsightError(f"no bank '{split}' of {count} worlds: splits are {', '.join(SPLITS)}, count at least 1")
    if env.cache_key is None:
        kept = _IN_MEMORY.setdefault(env, {})
        if (split, count) not in kept:
            kept[split, count] = _generate(env, split, count)
        return kept[split, count]
    identity = f"{env.cache_key}/{_source(env)}/{split}/{count}/{version('jax')}"
    path = (cache or default_cache_dir()) / "worlds" / f"{hashlib.sha256(identity.encode()).hexdigest()[:24]}.npz"
    shapes = jax.eval_shape(env.generate, jax.random.key(0))
    structure = jax.tree.structure(shapes)
    if path.exists():
        try:
            with np.load(path, allow_pickle=False) as stored:
                leaves = [_restore(stored[f"leaf{i}"], s) for i, s in enumerate(jax.tree.leaves(shapes))]
                return Bank(jax.tree.unflatten(structure, leaves), jnp.asarray(stored["observations"]))
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            path.unlink(missing_ok=True)  # incomplete because the process was killed: generate it again
    bank = _generate(env, split, count)
    arrays = {f"leaf{i}": _plain(leaf) for i, leaf in enumerate(jax.tree.leaves(bank.states))}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as partial:
            np.savez(partial, observations=np.asarray(bank.observations), **arrays)  # type: ignore[arg-type]
    except OSError as error:
        raise HindsightError(f"cannot keep worlds in {path.parent}: {error.strerror}; set HINDSIGHT_CACHE") from error
    return bank


def _source(env: Environment) -> str:
    """The source text of the environment's class, so that a changed generator does not get old worlds."""
    try:
        return inspect.getsource(type(env))
    except (OSError, TypeError):
        return ""


def _generate(env: Environment, split: str, count: int) -> Bank:
    @jax.jit
    def make(key: jax.Array) -> tuple[Any, jax.Array]:
        states = jax.vmap(env.generate)(jax.random.split(key, _BATCH))
        return states, jax.vmap(env.observe)(states)

    root = jax.random.fold_in(jax.random.key(20260), SPLITS[split])
    parts = [make(jax.random.fold_in(root, i)) for i in range(-(-count // _BATCH))]
    return Bank(*jax.tree.map(lambda *leaves: jnp.concatenate(leaves)[:count], *parts))


def _plain(leaf: jax.Array) -> np.ndarray:
    if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        leaf = jax.random.key_data(leaf)
    return np.asarray(leaf)


def _restore(array: np.ndarray, like: Any) -> jax.Array:
    if jnp.issubdtype(like.dtype, jax.dtypes.prng_key):
        return jax.random.wrap_key_data(jnp.asarray(array))
    return jnp.asarray(array)


@dataclass
class WorldsConfig:
    """Generate and cache the worlds of training and evaluation beforehand."""

    env: str = "classic-32"
    """The environment: a name that `hindsight agent envs` lists, or `module:Class`."""
    count: int = 1024
    """Number of worlds for training (`num_worlds`). Evaluation always uses 256 others."""
    observation: str = "default"
    """As in training."""


def main(argv: list[str]) -> int:
    """`hindsight agent worlds`."""
    import tyro

    from hindsight_rl.agent.envs import make_env
    from hindsight_rl.agent.evaluation.suite import EVAL_WORLDS

    config = tyro.cli(WorldsConfig, args=argv, prog="hindsight agent worlds")
    env = make_env(config.env, config.observation)
    if env.cache_key is None:
        raise HindsightError(
            f"the worlds of '{config.env}' cannot be kept: the environment has no cache_key, so each process makes them"
        )
    for split, count in (("train", config.count), ("eval", EVAL_WORLDS)):
        bank = load_bank(env, split, count)
        print(f"{bank.size} {split} worlds of {config.env} in {default_cache_dir() / 'worlds'}")
    return 0
