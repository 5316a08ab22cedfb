"""Going on with a run: which settings may be given anew, and that no two processes write one run."""

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
"""Settings, or groups of them, that change nothing in what is learned."""
_OURS = ("out", "resume", "seeds", "settled")
LOCK = ".lock"


def resumed(config: TrainConfig, stored: TrainConfig) -> TrainConfig:
    """The settings with which a run goes on.

    Args:
        config: what was asked for. Unless it is `settled`, what is as its preset has it was not asked for.
        stored: what the run was made with.

    Raises:
        HindsightError: another setting was asked for, or fewer steps.
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
                "leave it out to go on, or choose another --out"
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
    """Held by the process that writes a run; let go when it ends, however it ends.

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
        raise HindsightError(f"{path} exists: choose another --out, or add --resume to go on with that run")
