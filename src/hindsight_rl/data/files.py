"""Rows of local files, one at a time: JSON lines, one JSON array, parquet, compressed by gzip or not, or a folder.

for found in file_rows(Path("rows.jsonl.gz")):
    found.where, found.row or found.problem

What a file is, its first bytes say. Only a piece of it is in memory at a time, so a file may be larger than memory.
"""

from __future__ import annotations

import codecs
import gzip
import json
import re
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

from hindsight_rl.errors import HindsightError

SUFFIXES = (".jsonl", ".ndjson", ".json", ".jsonl.gz", ".ndjson.gz", ".json.gz", ".parquet")
_BOM = codecs.BOM_UTF8
_CHUNK = 1 << 18  # bytes of an array that are read at once
_LONGEST = 1 << 28  # characters of one item of an array
_BLANKS = " \t\r\n"
_SPACE = re.compile(rf"[{_BLANKS}]*")


class Found(NamedTuple):
    """A row and its place ("file:line"), or, where it cannot be read, what is wrong with it.

    problem: in few words, to count by. said: the whole message, if it says more.
    """

    where: str
    row: Mapping[str, Any] | None
    problem: str = ""
    said: str = ""

    def read(self) -> Mapping[str, Any]:
        """The row; raises :class:`HindsightError` where there is none."""
        if self.row is None:
            raise HindsightError(f"{self.where}: {self.said or self.problem}")
        return self.row


def is_file(source: str | Path) -> bool:
    """Whether a source names a file or folder, rather than a dataset on the hub."""
    return Path(source).exists() or str(source).endswith(SUFFIXES)


def file_rows(path: Path, split: str = "train") -> Iterator[Found]:
    """The rows of a file or folder.

    split: of a folder that holds several, the files whose names begin with it. Raises :class:`HindsightError` where
    the file cannot be read, or an array is broken; a bad row is a :class:`Found` with a problem.
    """
    if path.is_dir():
        for each in folder_files(path, split):
            yield from file_rows(each)
        return
    with _opened(path) as file:
        head = _head(file)
        if head.startswith(b"PAR1"):
            yield from _parquet(path)
        elif head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            raise HindsightError(f"{path}: its text is UTF-16; save it as UTF-8")
        elif head.removeprefix(_BOM).lstrip().startswith(b"["):
            yield from _array(file, path)
        else:
            yield from _lines(file, path)


def folder_files(folder: Path, split: str = "train") -> list[Path]:
    """The files of rows below a folder, by name, without what our commands write beside rows; of lm-eval's output the
    samples alone.

    Raises :class:`HindsightError` where there are none.
    """
    hidden = (".", "_")
    found = sorted(
        each
        for each in folder.rglob("*")
        if each.name.endswith(SUFFIXES)
        and not any(part.startswith(hidden) for part in each.relative_to(folder).parts)
        and not each.name.endswith((".witness.jsonl", ".counts.json"))
        and each.is_file()
    )
    samples = [each for each in found if each.name.startswith("samples_") and ".jsonl" in each.name]
    named = [each for each in found if re.match(rf"{re.escape(split)}[-_.]", each.name)]
    if not found:
        raise HindsightError(f"{folder}: no file of rows in this folder; it may hold {', '.join(SUFFIXES)}")
    return samples or named or found


def first_line(path: Path) -> bytes:
    """The first line that is not blank, of a file or of a folder's first file; b"" where there is none."""
    if path.is_dir():
        path = folder_files(path)[0]
    with _opened(path) as file:
        head = _head(file)
        file.readline(len(_BOM)) if head.startswith(_BOM) else None
        return next((line.strip() for line in file if line.strip()), b"")


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    """A file's bytes, decompressed; all errors of reading are :class:`HindsightError`."""
    try:
        with path.open("rb") as raw:
            if raw.peek(2)[:2] == b"\x1f\x8b":
                with gzip.open(raw, "rb") as file:
                    yield file  # type: ignore[misc]
            else:
                yield raw
    except (OSError, EOFError, zlib.error) as error:
        raise HindsightError(f"{path}: cannot be read: {error}") from None


def _head(file: IO[bytes]) -> bytes:
    """The first bytes, white space before the text skipped; the file stands at its beginning again."""
    head = file.read(64)
    while head and not head.removeprefix(_BOM).strip() and (more := file.read(4096)):
        head = more
    file.seek(0)
    return head


def _lines(file: IO[bytes], path: Path) -> Iterator[Found]:
    decode, name = json.JSONDecoder().raw_decode, str(path)
    for number, line in enumerate(file, 1):
        if line.startswith(_BOM):  # also where files were put together
            line = line[3:]
        if line.isspace() or not line:
            continue
        where = f"{name}:{number}"
        try:
            text = line.decode("utf-8").strip(_BLANKS)
            row, end = decode(text)
            if end < len(text):
                raise json.JSONDecodeError("Extra data", text, end)
        except (ValueError, RecursionError) as error:  # a UnicodeDecodeError is a ValueError
            yield Found(where, None, "not JSON", f"not JSON: {error}")
            continue
        yield Found(where, row) if type(row) is dict else _no_object(where, row)


def _no_object(where: str, row: Any) -> Found:
    return Found(where, None, f"{type(row).__name__} instead of an object")


def _array(file: IO[bytes], path: Path) -> Iterator[Found]:
    """The items of one JSON array."""
    text = _ArrayText(file, path)
    text.skip("[")
    while text.sign() != "]":
        if text.number:
            text.skip(",")
        item = text.item()
        where = f"{path}:item {text.number}"
        yield Found(where, item) if isinstance(item, dict) else _no_object(where, item)
    text.skip("]")
    text.end()


class _ArrayText:
    """The text of an array, of which a piece is in memory."""

    def __init__(self, file: IO[bytes], path: Path) -> None:
        self.file, self.path, self.number = file, path, 0
        self._text, self._at, self._ended = "", 0, False
        self._decoder, self._characters = json.JSONDecoder(), codecs.getincrementaldecoder("utf-8-sig")()

    def _broken(self, why: object) -> HindsightError:
        return HindsightError(f"{self.path}: not JSON behind item {self.number}: {why}")

    def _more(self, size: int = _CHUNK) -> bool:
        if self._ended:
            return False
        piece = self.file.read(size)
        self._ended = not piece
        try:
            self._text = self._text[self._at :] + self._characters.decode(piece, self._ended)
        except UnicodeDecodeError as error:
            raise self._broken(error) from None
        self._at = 0
        return True

    def sign(self) -> str:
        """The next character that is no white space; "" at the end of the file."""
        while True:
            self._at = _SPACE.match(self._text, self._at).end()  # type: ignore[union-attr]
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def skip(self, wanted: str) -> None:
        """Go behind a character that must come next."""
        if (sign := self.sign()) != wanted:
            raise self._broken(f"{sign!r} instead of {wanted!r}" if sign else "the array does not end")
        self._at += 1

    def item(self) -> Any:
        """The next value."""
        self.sign()
        size = _CHUNK
        while True:
            try:
                item, end = self._decoder.raw_decode(self._text, self._at)
                # At the end of a piece a number may not be whole.
                if end < len(self._text) or isinstance(item, dict) or not self._more(size):
                    self._at, self.number = end, self.number + 1
                    return item
            except RecursionError as error:
                raise self._broken(error) from None
            except ValueError as error:
                if len(self._text) - self._at > _LONGEST or not self._more(size):
                    why = getattr(error, "msg", error)  # its line is one of the piece
                    raise self._broken(why if self.sign() else "the array does not end") from None
            size *= 2

    def end(self) -> None:
        """Nothing may follow the array."""
        if sign := self.sign():
            raise self._broken(f"{sign!r} behind the array")


def _parquet(path: Path) -> Iterator[Found]:
    try:
        from pyarrow import parquet
    except ModuleNotFoundError:
        raise HindsightError(
            f"{path}: reading parquet needs the package pyarrow: pip install 'hindsight-rl[parquet]'"
        ) from None
    try:
        with parquet.ParquetFile(path) as file:
            at = 0
            for batch in file.iter_batches(1024):
                for row in batch.to_pylist():
                    at += 1
                    yield Found(f"{path}:row {at}", row)
    except (OSError, ValueError) as error:
        raise HindsightError(f"{path}: cannot be read as parquet: {error}") from None
