"""Files that appear whole or not at all: they are written beside their place and moved there at the end."""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from hindsight_rl.errors import HindsightError


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Gives a path to write to, in the same folder and with the same ending; it replaces ``path`` at the end.

    After an error ``path`` is as it was, and what was written is removed. Processes and threads do not disturb each
    other: the last one to finish wins. The folder must exist.
    """
    partial = path.with_name(f".{path.stem}.{os.getpid()}.{threading.get_ident()}.tmp{path.suffix}")
    try:
        yield partial
        os.replace(partial, path)
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Replace a file by this text, in UTF-8; raises :class:`OSError`."""
    with replacing(path) as partial:
        partial.write_text(text, "utf-8")


def check_output(out: Path, option: str = "--out") -> None:
    """Find out before long work whether the file that a user asked for with an option can be written. Makes nothing.

    Raises:
        HindsightError: it cannot.
    """
    if out.is_dir():
        raise HindsightError(f"cannot write {out}: it is a folder; choose another {option}")
    try:
        with tempfile.TemporaryFile(dir=next(folder for folder in out.absolute().parents if folder.exists())):
            pass
    except OSError as error:
        raise HindsightError(f"cannot write {out}: {error.strerror or error}; choose another {option}") from error


def write_output(out: Path, write: Callable[[Path], object]) -> None:
    """Write the file that a user asked for with ``--out``.

    Args:
        out: the file; its folder is made.
        write: writes to the path that it is given, which has the same ending.

    Raises:
        HindsightError: it cannot be written.
    """
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with replacing(out) as partial:
            write(partial)
    except OSError as error:
        raise HindsightError(f"cannot write {out}: {error.strerror or error}; choose another --out") from error
