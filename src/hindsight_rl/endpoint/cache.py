"""A cache of answers on disk. An answer is committed before it is returned, so no answer is paid for twice.

Several processes can share one SQLite file. It contains no API keys and no questions: the key of a question is the
SHA-256 of its model, messages and parameters.
"""

import contextlib
import hashlib
import json
import os
import sqlite3
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Paid:
    """An answer of the endpoint. tokens_in, tokens_out: counted by the server, or else estimated."""

    text: str
    tokens_in: int
    tokens_out: int


def question_key(model: str, messages: Sequence[Mapping[str, str]], parameters: Mapping[str, Any]) -> str:
    """SHA-256 of a question, the same in every process."""
    whole = json.dumps([model, list(messages), parameters], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(whole.encode("utf-8", "surrogatepass")).hexdigest()


class AnswerCache:
    """The cache. A file that cannot be used is moved or ignored, because a cache must never stop a run.

    Args:
        file: the SQLite file; None keeps nothing.

    Attributes:
        errors: how often reading or writing failed.
    """

    def __init__(self, file: Path | None):
        self.file = file
        self.errors = 0
        self._lock = threading.Lock()
        self._database: sqlite3.Connection | None = None
        if file is not None:
            self._open(file)

    def _open(self, file: Path) -> None:
        for _ in range(2):
            database = None
            try:
                file.parent.mkdir(parents=True, exist_ok=True)
                database = sqlite3.connect(file, timeout=30, check_same_thread=False, isolation_level=None)
                # The rollback journal, not WAL, because it also works in folders shared over a network.
                database.execute("PRAGMA synchronous = FULL")
                database.execute(
                    "CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, model TEXT, text TEXT,"
                    " tokens_in INTEGER, tokens_out INTEGER, at REAL) WITHOUT ROWID"
                )
                with contextlib.suppress(OSError):
                    os.chmod(file, 0o600)
                self._database = database
                return
            except sqlite3.DatabaseError as error:
                self.errors += 1
                if database is not None:
                    database.close()
                if isinstance(error, sqlite3.OperationalError):
                    return  # locked, or not writable
                with contextlib.suppress(OSError):
                    file.replace(file.with_name(f"{file.name}.unreadable-{time.time_ns()}"))
            except OSError:
                self.errors += 1
                return

    def get(self, key: str) -> Paid | None:
        """The stored answer to a question, or None."""
        with self._lock:
            if self._database is None:
                return None
            try:
                row = self._database.execute(
                    "SELECT text, tokens_in, tokens_out FROM answers WHERE key = ?", (key,)
                ).fetchone()
            except sqlite3.Error:
                self.errors += 1
                return None
        return Paid(*row) if row else None

    def put(self, key: str, model: str, paid: Paid) -> None:
        """Store an answer; it is on disk when this returns. If there is already one, that one stays."""
        text = paid.text.encode("utf-8", "replace").decode("utf-8")  # lone surrogates cannot be stored
        with self._lock:
            if self._database is None:
                return
            try:
                self._database.execute(
                    "INSERT OR IGNORE INTO answers VALUES (?, ?, ?, ?, ?, ?)",
                    (key, model, text, paid.tokens_in, paid.tokens_out, time.time()),
                )
            except sqlite3.Error:
                self.errors += 1

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._database is not None:
                self._database.close()
            self._database = None
