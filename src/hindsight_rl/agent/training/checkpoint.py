"""Checkpoints: arrays are saved by Orbax, everything else as JSON; a checkpoint always has both."""

from pathlib import Path
from typing import Any

import jax
import orbax.checkpoint as ocp

from hindsight_rl.errors import HindsightError

KEEP = 2


def _is_key(leaf: Any) -> bool:
    return isinstance(leaf, jax.Array) and jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _plain(tree: Any) -> Any:
    return jax.tree.map(lambda x: jax.random.key_data(x) if _is_key(x) else x, tree)


def _typed(tree: Any, like: Any) -> Any:
    return jax.tree.map(lambda x, t: jax.random.wrap_key_data(x) if _is_key(t) else x, tree, like)


class Checkpoints:
    """The checkpoints of a run; the newest two are kept.

    Args:
        folder: the run's `checkpoints` folder.
    """

    def __init__(self, folder: Path):
        self.folder = folder.absolute()
        options = ocp.CheckpointManagerOptions(max_to_keep=KEEP, create=True, enable_async_checkpointing=False)
        self._manager = ocp.CheckpointManager(self.folder, options=options)

    def save(self, step: int, arrays: Any, host: dict[str, Any]) -> None:
        """Write a checkpoint. If the process is killed, it is either complete or absent."""
        items = ocp.args.Composite(arrays=ocp.args.StandardSave(_plain(arrays)), host=ocp.args.JsonSave(host))
        self._manager.save(step, args=items)
        self._manager.wait_until_finished()

    def latest(self) -> int | None:
        """Step of the newest checkpoint; None if there is none."""
        return self._manager.latest_step()

    def restore_arrays(self, like: Any, step: int | None = None) -> Any:
        """Arrays shaped as ``like``.

        Raises:
            HindsightError: no checkpoint, or one that is corrupt or of another shape.
        """
        return _typed(self._restore("arrays", ocp.args.StandardRestore(_plain(like)), step), like)

    def restore_host(self, step: int | None = None) -> dict[str, Any]:
        """The JSON part of the newest checkpoint; errors as :meth:`restore_arrays`."""
        return self._restore("host", ocp.args.JsonRestore(), step)

    def _restore(self, item: str, how: Any, step: int | None) -> Any:
        step = self.latest() if step is None else step
        if step is None:
            raise HindsightError(f"{self.folder} holds no checkpoint: train the run first")
        try:
            return self._manager.restore(step, args=ocp.args.Composite(**{item: how}))[item]
        except Exception as error:
            reason = str(error).strip().splitlines()[0][:160] if str(error).strip() else type(error).__name__
            raise HindsightError(
                f"checkpoint {self.folder / str(step)} is corrupt or of another configuration ({reason}); "
                f"delete that folder to use the previous checkpoint"
            ) from error
