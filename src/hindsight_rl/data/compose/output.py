"""The files of a composition, written row by row. If the command is killed, the next call resumes.

Unfinished files end in ``.part`` and are renamed when all rows are written. ``compose.json`` in the same folder holds
the settings, the counts, and the number of bytes of each file that they cover. After a kill, the next call continues
after these bytes, and the finished files are the same as without the kill.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any

from hindsight_rl import __version__
from hindsight_rl.atomic_files import write_text
from hindsight_rl.data.compose import formats
from hindsight_rl.data.compose.composer import Maker, Plan, one_splitter, plan
from hindsight_rl.data.compose.config import ComposeConfig
from hindsight_rl.data.compose.counts import Counts, SplitCounts
from hindsight_rl.data.compose.ranges import range_in_words
from hindsight_rl.data.compose.row import Row
from hindsight_rl.errors import HindsightError

_EVERY = 500  # rows between two saves
_SECONDS = 5.0


def write(config: ComposeConfig, step: Callable[[str, int], None] | None = None) -> Counts:
    """Write a composition to files. Only the current row and a hash of each earlier row are in memory.

    step: called with the split and its number of rows so far. Raises :class:`HindsightError` if prompts cannot be read,
    if the settings allow no rows, or if ``config.out`` contains something else.
    """
    if config.format == "verl":
        formats.need_parquet(config.out)
    planned = plan(config)
    output = Output(config, planned)
    if not output.finished:
        with one_splitter():
            for maker, count in planned.splits:
                output.fill(maker, count, step)
        output.finish()
    return output.counts


class Output:
    """The folder of a composition, as an earlier call left it.

    finished: all files are complete and renamed.
    """

    def __init__(self, config: ComposeConfig, planned: Plan) -> None:
        self.config, self.folder = config, config.out
        self.state = self.folder / "compose.json"
        self.settings = _settings(config, planned)
        splits = {maker.split: SplitCounts() for maker, _ in planned.splits}
        self.counts = Counts(splits, planned.held_ids, planned.prompts, planned.skipped, planned.resampled)
        self.finished = False
        self._bytes: dict[str, int] = {}
        self._saved = time.monotonic()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if config.overwrite:
                self.state.unlink(missing_ok=True)
            elif self.state.exists():
                self._resume()
            else:
                self._free([name for split in splits for name in self._names(split)])
        except OSError as error:
            raise self._unwritable(error) from None

    def _names(self, split: str) -> list[str]:
        """The files of a split: rows and, if asked for, witnesses."""
        suffix = formats.SUFFIXES[self.config.format]
        return [f"{split}{suffix}", *([f"{split}.witness.jsonl"] if self.config.witnesses else [])]

    def _part(self, name: str) -> Path:
        return self.folder / f"{name}.part"

    # -- what is there -----------------------------------------------------------------------------

    def _free(self, names: list[str]) -> None:
        for name in names:
            if (self.folder / name).exists():
                raise HindsightError(
                    f"{self.folder / name} is there already, without its counts; choose another --out, or --overwrite"
                )

    def _resume(self) -> None:
        try:
            state = json.loads(self.state.read_text("utf-8"))
            settings, sizes, finished = state["settings"], dict(state["bytes"]), bool(state["finished"])
            splits = {split: SplitCounts.from_json(counts) for split, counts in state["splits"].items()}
            again = dict(state["drawn again"])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise HindsightError(f"{self.state}: cannot be read ({error!r:.60}); choose --overwrite") from None
        mine = json.loads(json.dumps(self.settings))
        other = [name for name in mine if name not in _FREE and mine[name] != settings.get(name)]
        if other:
            raise HindsightError(
                f"{self.folder} holds rows that were made with other settings ({', '.join(other)}); choose another "
                "--out, or --overwrite"
            )
        for name, size in sizes.items():
            there = self.folder / name if finished or not self._part(name).exists() else self._part(name)
            have = there.stat().st_size if there.exists() else 0
            if have != size if finished else have < size:
                raise HindsightError(f"{there}: {have} bytes, but {size} were written; choose --overwrite")
        self.counts.splits |= splits
        self.counts.resampled.clear()
        self.counts.resampled.update(again)
        self.counts.resumed = sum(each.rows for each in self.counts.splits.values())
        self.finished, self._bytes = finished, sizes

    # -- rows --------------------------------------------------------------------------------------

    def fill(self, maker: Maker, count: int, step: Callable[[str, int], None] | None = None) -> None:
        """Add the rows of a split that are missing."""
        counts = self.counts.splits[maker.split]
        if counts.rows >= count:
            return
        rows, *witnesses = [Part(self._part(name), self._bytes.get(name, 0)) for name in self._names(maker.split)]
        try:
            with rows.opened() as file:
                for line in file:
                    maker.remember(*formats.asked(json.loads(line), self.config.format))
            for index in range(counts.rows, count):
                row = maker.row(index)
                rows.add(formats.line(row, self.config.format))
                for each in witnesses:
                    each.add(_witness(row))
                counts.add(row)
                if step is not None:
                    step(maker.split, counts.rows)
                if counts.rows % _EVERY == 0 or counts.rows == count or time.monotonic() - self._saved > _SECONDS:
                    self._save([rows, *witnesses])
        except OSError as error:
            raise self._unwritable(error) from None
        finally:
            for each in (rows, *witnesses):
                each.close()

    def _save(self, parts: list[Part]) -> None:
        """Write what was added, then the counts."""
        for part in parts:
            self._bytes[part.path.name.removesuffix(".part")] = part.save()
        self._write_state()
        self._saved = time.monotonic()

    def _write_state(self) -> None:
        state = {
            "finished": self.finished,
            **self.counts.to_json(),
            "ranges": {id: range_in_words(id, self.config.length) for id in self.config.candidates()},
            "settings": self.settings,
            "bytes": self._bytes,
        }
        write_text(self.state, json.dumps(state, indent=1, ensure_ascii=False) + "\n")

    def finish(self) -> None:
        """Give the files their names."""
        try:
            stages = []
            for name in list(self._bytes):
                part, path = self._part(name), self.folder / name
                if part.exists():
                    os.truncate(part, self._bytes[name])
                if path.suffix == ".parquet":
                    formats.parquet(path, part)
                    self._bytes[name] = path.stat().st_size
                    stages.append(part)
                elif part.exists():
                    os.replace(part, path)
            self.finished = True
            self._write_state()
            for part in stages:
                part.unlink()
        except OSError as error:
            raise self._unwritable(error) from None

    def _unwritable(self, error: OSError) -> HindsightError:
        why = error.strerror or str(error)
        return HindsightError(
            f"{self.folder}: cannot be written: {why}; choose another --out, or run the command again to resume"
        )


# Settings that do not change the rows.
_FREE = ("out", "overwrite")


def _settings(config: ComposeConfig, planned: Plan) -> dict[str, Any]:
    """The settings as JSON, with everything else that determines the rows: the prompts and the version."""
    made: dict[str, Any] = {
        name: [str(each) for each in value] if isinstance(value, tuple) and name != "numbers" else value
        for name, value in vars(config).items()
    }
    digest = blake2b(digest_size=8)
    for maker, _ in planned.splits:
        for task in maker.tasks:
            digest.update(task.encode("utf-8", "replace") + b"\0")
    return made | {"out": str(config.out), "content of prompts": digest.hexdigest(), "version": __version__}


def _witness(row: Row) -> Mapping[str, Any]:
    return {"key": row.key, "prompt": row.prompt, "response": row.witness}


class Part:
    """A growing file of JSON lines. Only saved lines count."""

    def __init__(self, path: Path, size: int) -> None:
        self.path, self.size = path, size
        whole = path.with_name(path.name.removesuffix(".part"))
        if size and not path.exists():
            os.replace(whole, path)
        self._file = path.open("r+b" if size else "wb", buffering=0)
        self._file.truncate(size)
        self._file.seek(size)
        self._block: list[bytes] = []

    def opened(self) -> Any:
        """Open the existing file for reading."""
        return self.path.open("rb")

    def add(self, row: Mapping[str, Any]) -> None:
        """Keep a row until it is saved."""
        self._block.append(json.dumps(row, ensure_ascii=False).encode("utf-8", "replace") + b"\n")

    def save(self) -> int:
        """Write what was added; returns the size of the file."""
        block = memoryview(b"".join(self._block))
        self._block.clear()
        self.size += len(block)
        while block:
            block = block[self._file.write(block) :]
        return self.size

    def close(self) -> None:
        self._file.close()
