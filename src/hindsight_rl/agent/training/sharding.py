"""Placement of arrays: environments are divided among all devices of all processes; all else is on every device.

    hindsight agent train --processes.coordinator host0:1234 --processes.count 2 --processes.index 0   # and 1

The same program runs on one CPU, one GPU, several GPUs or several hosts: XLA divides the work according to the
placement of the inputs. Each process runs the same host code on the same reports, so relabels, library and buffer agree
without communication. The first process writes the run folder. Random numbers do not depend on the number of devices;
sums may differ in their last bits.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from hindsight_rl.errors import HindsightError

T = TypeVar("T")
AXIS = "environments"


@dataclass(frozen=True)
class ProcessRules:
    """A run in several processes, on one or more hosts that share the run folder."""

    coordinator: str | None = None
    """`host:port` of the first process, or `auto` if JAX can ask the cluster's scheduler (Slurm, MPI, Kubernetes,
    TPU)."""
    count: int | None = None
    """Total number of processes."""
    index: int | None = None
    """Index of this process, from 0."""

    def join(self) -> None:
        """Connect to the other processes. Must be called before anything is computed.

        Raises:
            HindsightError: incomplete settings, or other processes are missing.
        """
        if self.coordinator is None:
            if self.count is not None or self.index is not None:
                raise HindsightError("--processes.coordinator is missing: host:port of the first process")
            return
        if jax.distributed.is_initialized():
            return
        try:
            if self.coordinator == "auto":
                jax.distributed.initialize()
                return
            if self.count is None or self.index is None or not 0 <= self.index < self.count:
                raise HindsightError(
                    f"--processes.count {self.count} --processes.index {self.index}: "
                    "give both; the index is from 0 to count - 1"
                )
            jax.distributed.initialize(self.coordinator, self.count, self.index)
        except (RuntimeError, ValueError) as error:
            reason = str(error).strip().splitlines()[0][:200]
            raise HindsightError(f"--processes.coordinator {self.coordinator}: {reason}") from error


@dataclass(frozen=True)
class Placement:
    """A mesh with one axis, over which the environments are spread.

    Attributes:
        devices: all devices of all processes.
    """

    devices: tuple[Any, ...]

    @classmethod
    def everywhere(cls) -> "Placement":
        """All available devices."""
        return cls(tuple(jax.devices()))

    @cached_property
    def _mesh(self) -> Mesh:
        return Mesh(np.asarray(self.devices), (AXIS,))

    @property
    def one_cpu(self) -> bool:
        """Whether there is a single device, a CPU."""
        return len(self.devices) == 1 and self.devices[0].platform == "cpu"

    def checked(self, num_envs: int) -> "Placement":
        """Return itself, or raise a HindsightError if the environments cannot be divided equally among the devices."""
        if num_envs % len(self.devices):
            raise HindsightError(f"--num-envs {num_envs}: must be a multiple of the {len(self.devices)} devices")
        return self

    def copied(self) -> NamedSharding:
        """The whole array on every device."""
        return NamedSharding(self._mesh, PartitionSpec())

    def spread(self, axis: int = 0) -> NamedSharding:
        """Axis ``axis``, that of the environments, divided among the devices."""
        return NamedSharding(self._mesh, PartitionSpec(*[None] * axis, AXIS))

    def copy(self, tree: T) -> T:
        """Put arrays on every device. They must be the same in every process."""
        return _put(tree, self.copied())

    def divide(self, tree: T, axis: int = 0) -> T:
        """Divide arrays by environment. They must be the same in every process."""
        return _put(tree, self.spread(axis))

    def keep_copied(self, tree: T) -> T:
        """Inside `jit`: make these arrays whole on every device."""
        return jax.lax.with_sharding_constraint(tree, self.copied())

    def keep_divided(self, tree: T) -> T:
        """Inside `jit`: keep these arrays [E, ...] divided."""
        return jax.lax.with_sharding_constraint(tree, self.spread())


def _put(tree: T, sharding: NamedSharding) -> T:
    if jax.process_count() == 1:
        return jax.device_put(tree, sharding)

    def one(x: Any) -> Any:
        # With devices of other processes, each process must give JAX the whole value.
        if isinstance(x, jax.Array) and jax.dtypes.issubdtype(x.dtype, jax.dtypes.prng_key):
            return jax.random.wrap_key_data(one(jax.random.key_data(x)))
        value = np.asarray(x)
        return jax.make_array_from_callback(value.shape, sharding, lambda index: value[index])

    return jax.tree.map(one, tree)


def local(tree: T) -> T:
    """Arrays that are whole on every device, as arrays on the first device of this process."""

    def one(x: Any) -> Any:
        return x.addressable_data(0) if isinstance(x, jax.Array) else x

    return jax.tree.map(one, tree)


def first_process() -> bool:
    """Is this the process that writes? The others compute the same and write nothing."""
    return jax.process_index() == 0


def meet(where: str) -> None:
    """Wait until every process reaches this point."""
    if jax.process_count() > 1:
        from jax.experimental.multihost_utils import sync_global_devices

        sync_global_devices(where)
