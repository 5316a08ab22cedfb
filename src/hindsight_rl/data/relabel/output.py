"""An output file that always has complete rows and that a later call can resume.

The unfinished file ends in ``.part``. It is renamed at the end, also after an error, but not after a kill. A file
``.counts.json`` next to it holds the settings, the counts, and the number of bytes that they cover. After a kill, the
next call continues after these bytes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from hindsight_rl.atomic_files import write_text
from hindsight_rl.data.relabel.counts import Counts
from hindsight_rl.errors import HindsightError


class Output:
    """A context manager. If it ends without an error, all remaining rows are saved."""

    def __init__(self, path: Path, settings: Mapping[str, Any], overwrite: bool = False) -> None:
        self.path, self.settings = path, dict(settings)
        self.part = path.with_name(path.name + ".part")
        self.beside = path.with_name(path.name + ".counts.json")
        self.counts = Counts()
        self._bytes = 0
        self._block: list[bytes] = []
        self._seen: set[bytes] = set()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if overwrite:
                self.beside.unlink(missing_ok=True)
                self.part.unlink(missing_ok=True)
            else:
                self._resume()
            if self._bytes and not self.part.exists():
                os.replace(path, self.part)
            self._file = self.part.open("r+b" if self._bytes else "wb", buffering=0)
            self._file.truncate(self._bytes)
            self._file.seek(self._bytes)
        except OSError as error:
            raise self._unwritable(error) from None

    def add(self, name: object, line: bytes) -> bool:
        """Add a line, unless one of the same name exists. Returns whether it is new."""
        digest = _digest(name)
        if digest in self._seen:
            return False
        self._seen.add(digest)
        self._block.append(line)
        return True

    def save(self) -> None:
        """Write what was added, then the counts."""
        block = b"".join(self._block)
        try:
            left = memoryview(block)
            while left:
                left = left[self._file.write(left) :]
            self._bytes += len(block)
            self._block.clear()
            state = {**self.counts.to_json(), "bytes": self._bytes, "settings": self.settings}
            write_text(self.beside, json.dumps(state, indent=1, ensure_ascii=False) + "\n")
        except OSError as error:
            raise self._unwritable(error) from None

    def _unwritable(self, error: OSError) -> HindsightError:
        why = error.strerror or str(error)
        return HindsightError(
            f"{self.path}: cannot be written: {why}; choose another --out, or run the command again to resume"
        )

    def _resume(self) -> None:
        if not self.beside.exists():
            if self.path.exists() and self.path.stat().st_size:
                raise HindsightError(
                    f"{self.path} is there already, without its counts; choose another --out, or --overwrite"
                )
            return
        try:
            state = json.loads(self.beside.read_text("utf-8"))
            settings, size = state["settings"], int(state["bytes"])
            counts = Counts.from_json(state)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise HindsightError(f"{self.beside}: cannot be read ({error}); choose --overwrite") from None
        if not size:
            return  # nothing is lost, and the cause of the errors may have been fixed
        # Compare as JSON, where tuples and lists are equal.
        mine = json.loads(json.dumps(self.settings))
        other = sorted(name for name in {*settings, *mine} if settings.get(name) != mine.get(name))
        if other:
            raise HindsightError(
                f"{self.path} was made with other settings ({', '.join(other)}); choose another --out, or --overwrite"
            )
        there = self.part if self.part.exists() else self.path
        have = there.stat().st_size if there.exists() else 0
        if have < size:
            raise HindsightError(f"{there}: {have} bytes, but {size} were written; choose --overwrite")
        self.counts, self._bytes = counts, size
        self._remember(there, size)

    def _remember(self, there: Path, size: int) -> None:
        """The names of the existing rows."""
        if not size:
            return
        left = size
        with there.open("rb") as file:
            for line in file:
                left -= len(line)
                if left < 0:
                    return
                self._seen.add(_digest(named(json.loads(line))))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self.save()
            self._file.truncate(self._bytes)  # after an error the last row may be incomplete
        finally:
            self._file.close()
        if kind is None or self._bytes:
            os.replace(self.part, self.path)
        else:
            self.part.unlink()


_NAMING = ("messages", "prompt", "completion", "conversations", "chosen", "rejected", "label")


def named(row: Mapping[str, Any]) -> list[Any]:
    """A key that is equal for equal rows."""
    return [row.get(name) for name in _NAMING]


def _digest(name: object) -> bytes:
    return blake2b(repr(name).encode("utf-8", "replace"), digest_size=12).digest()
