"""A run: the folder with everything that a command writes. Config, metrics, samples, evaluation, report.

Files are plain: `config.json`; one JSON object per line in `*.jsonl`; one object in `*.json`. Whole files are replaced
atomically. Lines are appended; on resume, lines after the checkpoint are deleted.
"""

import contextlib
import difflib
import json
import os
import platform
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from hindsight_rl import __version__
from hindsight_rl.atomic_files import write_text
from hindsight_rl.errors import HindsightError

NEEDED_BYTES = 200 * 2**20


class Run:
    """A run folder.

    Args:
        path: an existing run folder; use :meth:`create` or :meth:`open`.
    """

    def __init__(self, path: Path):
        self.path = path

    @classmethod
    def create(
        cls,
        path: str | Path,
        config: Mapping[str, Any],
        kind: str,
        exists: str = "choose another --out, or add --resume to go on with that run",
    ) -> "Run":
        """Create a run folder.

        Args:
            path: the folder; it must not hold a run.
            config: all settings, as JSON values.
            kind: the kind of command, e.g. `agent`.
            exists: what a user can do where the folder is in use.

        Raises:
            HindsightError: the folder is in use, cannot be written, or the disk is nearly full.
        """
        path = Path(path)
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise HindsightError(f"{path} exists: {exists}")
        try:
            path.mkdir(parents=True, exist_ok=True)
            free = shutil.disk_usage(path).free
        except OSError as error:
            raise HindsightError(
                f"cannot make the run folder {path}: {error.strerror}; choose another --out"
            ) from error
        if free < NEEDED_BYTES:
            raise HindsightError(
                f"{free // 2**20} MiB free for {path}, {NEEDED_BYTES // 2**20} needed: "
                "free some, or choose another --out"
            )
        run = cls(path)
        run.write("config.json", {"kind": kind, "version": __version__, **config})
        return run

    @classmethod
    def open(cls, path: str | Path, kind: str | None = None) -> "Run":
        """Open an existing run folder.

        Raises:
            HindsightError: there is none, or it was made by another kind of command.
        """
        run = cls(Path(path))
        if not (run.path / "config.json").is_file():
            raise HindsightError(f"{path} is no run folder: it has no config.json")
        made_by = run.read("config.json").get("kind")
        if kind and made_by != kind:
            raise HindsightError(f"{path} is a run of kind '{made_by}', not '{kind}'")
        return run

    def read(self, name: str) -> Any:
        """A JSON file of the run.

        Raises:
            HindsightError: it is missing or not JSON.
        """
        file = self.path / name
        try:
            return json.loads(file.read_text("utf-8"))
        except FileNotFoundError as error:
            raise HindsightError(f"{file} is missing") from error
        except json.JSONDecodeError as error:
            raise HindsightError(f"{file}, line {error.lineno}: not JSON ({error.msg})") from error

    def write(self, name: str, value: Any) -> None:
        """Replace a JSON file of the run, atomically."""
        self.write_text(name, json.dumps(value, indent=1, ensure_ascii=False) + "\n")

    def write_text(self, name: str, text: str) -> None:
        """Replace a text file of the run, atomically."""
        write_text(self.path / name, text)

    def lines(self, name: str) -> list[dict[str, Any]]:
        """The objects of a `.jsonl` file; [] if it is missing. A last line that was cut off by a kill is skipped."""
        file = self.path / name
        if not file.exists():
            return []
        rows = []
        text = file.read_text("utf-8")
        # Only "\n" ends a line: a text may hold others, such as U+2028, which JSON does not escape.
        for number, line in enumerate(text.removesuffix("\n").split("\n") if text else (), start=1):
            try:
                rows.append(json.loads(line))
            except json.JSONDecodeError as error:
                if not text.endswith("\n") and number == text.count("\n") + 1:
                    break
                raise HindsightError(f"{file}, line {number}: not JSON ({error.msg})") from error
        return rows

    def append(self, name: str, *rows: Mapping[str, Any]) -> None:
        """Add lines to a `.jsonl` file."""
        if rows:
            with (self.path / name).open("a", encoding="utf-8") as file:
                file.write("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))

    def cut_back(self, name: str, step: int) -> None:
        """Keep only the lines whose `step` is at most ``step``."""
        if (self.path / name).exists():
            kept = [row for row in self.lines(name) if row["step"] <= step]
            write_text(self.path / name, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in kept))


class ReadOnlyRun(Run):
    """A run that another process writes; this object writes nothing."""

    def write_text(self, name: str, text: str) -> None:
        """Nothing."""

    def append(self, name: str, *rows: Mapping[str, Any]) -> None:
        """Nothing."""

    def cut_back(self, name: str, step: int) -> None:
        """Nothing."""


def known_settings(stored: Mapping[str, Any], known: Iterable[str], where: str) -> dict[str, Any]:
    """The settings of a command, by name, from the contents of `config.json`.

    Raises:
        HindsightError: a key that is neither a setting nor added by :meth:`Run.create` or its callers.
    """
    known = list(known)
    for name in stored:
        if name not in (*known, "kind", "version", "machine"):
            near = difflib.get_close_matches(name, known, n=1)
            meant = f" (did you mean {near[0]!r}?)" if near else ""
            raise HindsightError(f"{where} is of another version: unknown setting {name!r}{meant}")
    return {name: stored[name] for name in known if name in stored}


def machine() -> dict[str, Any]:
    """The kind of machine, for result files: processor, cores, memory (where the system says it), Python; no host
    name."""
    model = platform.processor() or platform.machine()
    with contextlib.suppress(OSError, StopIteration):  # on ARM there is no such line
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    memory = {}
    with contextlib.suppress(OSError, ValueError, AttributeError):
        memory["memory_gib"] = round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30)
    return {
        "processor": model,
        "cores": os.cpu_count(),
        **memory,
        "system": platform.system(),
        "python": platform.python_version(),
    }
