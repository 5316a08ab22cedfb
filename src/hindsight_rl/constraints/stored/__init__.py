"""Stored checkers: constraints that carry their own Python source, as HIR-16K's ``type4`` rows do.

Running code that comes with data is off until someone says so::

    from hindsight_rl.constraints import stored

    stored.allow(timeout=1.0, memory_mb=256)
    constraint("stored:python", {"source": source}).check(response)

``source`` defines ``check_following(instruction, response)``. It runs in a separate process, one that is kept
for the next call, with ``re`` and the harmless builtins in scope and nothing else: no imports, no files, no
network, no new processes, a limit of time and of memory. A checker that fails, or is ended, gives the verdict
False and a reason (:meth:`StoredChecker.outcome`). While off, a check raises :class:`StoredCodeOff`.

This keeps a careless checker from doing harm; against a determined attacker use a container as well.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import selectors
import struct
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from hindsight_rl.constraints.core import Checker, ConstraintError, Param, register
from hindsight_rl.constraints.text.response import Text, as_text

WORKER = Path(__file__).with_name("worker.py")
_MB = 1 << 20
# A full interpreter's address space before it runs anything; the limit comes on top.
_BASE_MB = 64
_LONGEST_REPLY = 1 << 16
_START = 20.0


class StoredCodeOff(ConstraintError):
    """A stored checker is to be run, and running stored code is off."""


class StoredCodeWarning(UserWarning):
    """The data asks for code of its own to be run."""


class Outcome(NamedTuple):
    """A verdict, and why it is False where the checker did not come to one of its own ("" otherwise)."""

    verdict: bool
    reason: str = ""


class Sandbox:
    """The process that runs stored checkers; started at the first request, replaced when it has to be ended.

    timeout: seconds for one request, of wall time. memory_mb: what a checker may use.
    """

    def __init__(self, timeout: float = 1.0, memory_mb: int = 256) -> None:
        if os.name != "posix":
            raise ConstraintError("stored checkers need the resource limits of Linux or macOS")
        self.timeout, self.memory_mb = timeout, memory_mb
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0
        self._lock = threading.Lock()

    def run(self, source: str, instruction: str, response: str) -> Outcome:
        """The outcome of one checker on one response; never raises for what the checker does."""
        request = json.dumps([source, instruction, response]).encode()
        with self._lock:
            process = self._started()
            try:
                # Sending a long response is not the checker's doing.
                seconds = self.timeout + len(request) / (20 * _MB)
                reply = self._exchange(process, struct.pack("<I", len(request)) + request, seconds)
            except TimeoutError:
                self._end()
                return Outcome(False, f"took longer than {self.timeout:g} s")
            except (OSError, EOFError):
                code = process.wait(timeout=5)
                self._end()
                died = f"by signal {-code}" if code < 0 else f"with exit code {code}"
                return Outcome(False, f"ended its process ({died})")
        verdict, reason = json.loads(reply)
        return Outcome(verdict is True, str(reason))

    def close(self) -> None:
        """End the process; a later request starts another."""
        with self._lock:
            self._end()

    def _started(self) -> subprocess.Popen[bytes]:
        # A process inherited over a fork belongs to the parent: two writers would mix their requests.
        if self._process is not None and self._owner == os.getpid() and self._process.poll() is None:
            return self._process
        if self._owner == os.getpid():
            self._end()
        memory = (self.memory_mb + _BASE_MB) * _MB
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-B", str(WORKER), str(memory), str(self.timeout)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env={},
            start_new_session=True,
            bufsize=0,
        )
        assert self._process.stdin is not None
        # Written in pieces: a process that does not read must not hold us up.
        os.set_blocking(self._process.stdin.fileno(), False)
        self._owner = os.getpid()
        try:
            self._exchange(self._process, b"", _START)
        except (OSError, EOFError, TimeoutError) as error:
            self._end()
            raise ConstraintError(f"the process for stored checkers does not start: {error!r}") from error
        return self._process

    def _exchange(self, process: subprocess.Popen[bytes], request: bytes, seconds: float) -> bytes:
        """Send the request, if any, and return the next reply; the pipes are served as they come free."""
        assert process.stdin is not None and process.stdout is not None
        deadline = time.monotonic() + seconds
        left, reply = memoryview(request), b""
        with selectors.DefaultSelector() as pipes:
            pipes.register(process.stdout, selectors.EVENT_READ)
            if left:
                pipes.register(process.stdin, selectors.EVENT_WRITE)
            while True:
                ready = pipes.select(max(0.0, deadline - time.monotonic()))
                if not ready:
                    raise TimeoutError
                for key, _ in ready:
                    if key.fileobj is process.stdin:
                        left = left[os.write(key.fd, left[:65536]) :]
                        if not left:
                            pipes.unregister(process.stdin)
                        continue
                    part = os.read(key.fd, 65536)
                    if not part or len(reply) > _LONGEST_REPLY:
                        raise EOFError
                    reply += part
                    if len(reply) >= 4 and len(reply) == 4 + struct.unpack("<I", reply[:4])[0]:
                        return reply[4:]

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None or self._owner != os.getpid():
            return
        with contextlib.suppress(OSError):
            process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()


_sandbox: Sandbox | None = None
_warned = False


def allow(timeout: float = 1.0, memory_mb: int = 256) -> None:
    """Let stored checkers run in this process, each with so much time (seconds) and memory."""
    global _sandbox
    forbid()
    _sandbox = Sandbox(timeout, memory_mb)


def forbid() -> None:
    """Let no stored checker run (the state at the start)."""
    global _sandbox
    if _sandbox is not None:
        _sandbox.close()
    _sandbox = None


def running() -> bool:
    """Whether stored checkers may run at present."""
    return _sandbox is not None


@contextlib.contextmanager
def allowed(timeout: float = 1.0, memory_mb: int = 256) -> Iterator[None]:
    """:func:`allow` for the length of a ``with`` block."""
    allow(timeout, memory_mb)
    try:
        yield
    finally:
        forbid()


atexit.register(forbid)


@register("stored:python")
class StoredChecker(Checker):
    """A constraint whose verdict is that of the Python source it carries.

    ``instruction`` is handed to the source; without it, the prompt of the check is. ``text`` is the
    constraint's wording.
    """

    params = (
        Param("source", str),
        Param("instruction", str, required=False),
        Param("text", str, required=False),
    )

    def validated(self) -> None:
        global _warned
        if "def check_following" not in self.values["source"]:
            raise ValueError("'source' defines no check_following(instruction, response)")
        if _sandbox is None and not _warned:
            _warned = True
            warnings.warn(
                "the data asks to run Python code that it carries, "
                f"such as {_first_line(self.values['source'])!r}: this is off, and checking such a "
                "constraint raises; hindsight_rl.constraints.stored.allow() runs it in a limited process",
                StoredCodeWarning,
                stacklevel=5,
            )

    def describe(self) -> str:
        return self.values["text"] or f"The response passes: {_first_line(self.values['source'])}"

    def outcome(self, response: str | Text, prompt: str | None = None) -> Outcome:
        """The verdict with the reason; raises :class:`StoredCodeOff` unless stored code is allowed."""
        if _sandbox is None:
            raise StoredCodeOff(
                "a constraint of id stored:python carries Python code, and running such code is off: call "
                "hindsight_rl.constraints.stored.allow() first, or leave these rows out"
            )
        instruction = self.values["instruction"]
        if instruction is None:
            instruction = prompt or ""
        return _sandbox.run(self.values["source"], instruction, as_text(response).raw)

    def check(self, response: str | Text, prompt: str | None = None) -> bool:
        return self.outcome(response, prompt).verdict

    def follows(self, text: Text) -> bool:
        return self.outcome(text).verdict


def _first_line(source: str) -> str:
    lines = [line.strip() for line in source.splitlines()]
    lines = [line for line in lines if line and not line.startswith(("import", "from", "#"))]
    return (lines or [""])[0][:100]
