"""Resuming a run: which settings may change, and a lock so that no two processes write one run."""

import dataclasses
import os
import socket
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from hindsight_rl.agent.training.config import TrainConfig, setting, with_setting
from hindsight_rl.agent.training.presets import preset
from hindsight_rl.errors import HindsightError
from hindsight_rl.run import Run

FREE = ("final_eval", "num_evals", "num_checkpoints", "endpoint", "processes")
"""Settings, or groups of settings, that do not affect what is learned."""
_OURS = ("out", "resume", "seeds", "settled")
LOCK = ".lock"


def resumed(config: TrainConfig, stored: TrainConfig) -> TrainConfig:
    """The settings with which a run continues.

    Args:
        config: the settings of this call. Unless it is `settled`, values that equal the preset's count as not given.
        stored: what the run was made with.

    Raises:
        HindsightError: a setting that cannot change is different, or there are fewer steps.
    """
    base = preset(config.preset)
    made = stored
    for name in _names(config):
        wanted, had = setting(config, name), setting(stored, name)
        if wanted == had or (not config.settled and wanted == setting(base, name)):
            continue
        option = f"--{name.replace('_', '-')}"
        if name == "total_timesteps":
            if wanted < had:
                raise HindsightError(
                    f"{option} {wanted}: the run was made for {had:,}; with --resume it can be longer, not shorter"
                )
        elif name.split(".")[0] not in FREE:
            raise HindsightError(
                f"{option} {wanted}: the run in {config.out} was made with {had}; "
                "omit it to continue that run, or choose another --out"
            )
        made = with_setting(made, name, wanted)
    return with_setting(with_setting(with_setting(made, "out", config.out), "resume", True), "settled", True)


def _names(config: Any, prefix: str = "") -> list[str]:
    """The dotted names of all settings that a run keeps."""
    names: list[str] = []
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if not prefix and field.name in _OURS:
            continue
        nested = dataclasses.is_dataclass(value)
        names += _names(value, f"{prefix}{field.name}.") if nested else [prefix + field.name]
    return names


class Lock:
    """A lock that the process that writes a run holds. It is released when the process ends, for any reason.

    Args:
        run: an existing run folder.

    Raises:
        HindsightError: another process holds it.
    """

    def __init__(self, run: Run):
        self._file: IO[str] = (run.path / LOCK).open("a+", encoding="utf-8")
        try:
            import fcntl

            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except ImportError:
            return  # a system without such locks
        except BlockingIOError as error:
            self._file.seek(0)
            holder = self._file.read().strip() or "another process"
            self._file.close()
            raise HindsightError(f"{run.path} is being trained by {holder}: wait until it ends, or stop it") from error
        except OSError:
            return  # a file system without such locks
        self._file.seek(0)
        self._file.truncate()
        self._file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
        self._file.flush()

    def __enter__(self) -> "Lock":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


def vacant(out: str) -> None:
    """Check that a folder is not in use, before anything slow is done.

    Raises:
        HindsightError: it holds something.
    """
    path = Path(out)
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise HindsightError(f"{path} exists: choose another --out, or add --resume to continue that run")
