"""Stored checkers: what they may do, and that nothing else comes of running them."""

import multiprocessing
import os
import subprocess
import sys
import textwrap
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from hindsight_rl.constraints import stored
from hindsight_rl.constraints.core import ConstraintError, constraint
from patience import HUNG

# Wall time, so what ends by itself has plenty of it: a busy machine is slow to start a process.
PLENTY, SHORT = 60.0, 0.5


@pytest.fixture(autouse=True)
def limits() -> Iterator[None]:
    with stored.allowed(timeout=PLENTY, memory_mb=96):
        yield


def outcome(body: str, response: str = "some tea", prompt: str | None = None) -> stored.Outcome:
    source = "def check_following(instruction, response):\n" + textwrap.indent(textwrap.dedent(body), "    ")
    made = constraint("stored:python", {"source": source})
    assert isinstance(made, stored.StoredChecker)
    return made.outcome(response, prompt)


def test_a_verdict_is_what_the_source_returns() -> None:
    assert outcome("return 'tea' in response") == (True, "")
    assert outcome("return None") == (False, "")
    assert outcome("import re\nreturn re.search(r'T(?i:EA)', response, re.I)") == (True, "")
    assert outcome("return instruction == 'Make tea'", prompt="Make tea") == (True, "")
    assert outcome("return response.count('\\ud800') == 2", "\ud800 \ud800") == (True, "")
    assert outcome("return len(response) == 3_000_000", "é" * 3_000_000) == (True, "")


def test_the_wording_is_the_description() -> None:
    source = "import re\ndef check_following(instruction, response):\n    return True"
    assert constraint("stored:python", {"source": source, "text": "Be kind."}).describe() == "Be kind."
    assert "check_following" in constraint("stored:python", {"source": source}).describe()


HOSTILE = {
    "endless loop": ("while True: pass", "took longer than 0.5 s"),
    "hanging pattern": ("return re.match(r'(a+)+$', 'a' * 60 + 'b')", "took longer than 0.5 s"),
    "huge number": ("return 9 ** 9 ** 9 > 1", "took longer than 0.5 s"),
    "memory in one piece": ("return len('a' * 10 ** 10)", "out of memory"),
    "memory bit by bit": ("x = []\nwhile True: x.append('a' * 10 ** 6)", "out of memory"),
    "recursion": ("f = lambda n: f(n + 1)\nreturn f(0)", "RecursionError"),
    "import os": ("import os\nreturn os.system('true') == 0", "import of 'os'"),
    "import from": ("from os import fork\nreturn fork()", "import of 'os'"),
    "import by hand": ("return __import__('os').fork()", "'__import__' is not allowed"),
    "read a file": ("return open('/etc/passwd').read()", "'open' is not defined"),
    "write a file": ("open('/tmp/x', 'w').write('x')\nreturn True", "'open' is not defined"),
    "fork": ("import posix\nwhile True: posix.fork()", "import of 'posix'"),
    "evaluate": ("return eval('1')", "'eval' is not defined"),
    "classes": ("return ().__class__.__base__.__subclasses__()", "is not allowed"),
    "frames": ("g = (i for i in [1])\nreturn g.gi_frame.f_globals", "is not allowed"),
    "traceback": ("try:\n    1 / 0\nexcept Exception as e:\n    return e.__traceback__", "is not allowed"),
    "enumeration": ("return re.RegexFlag._member_map_", "is not allowed"),
    "modules": ("return re.enum.sys.modules", "no attribute 'enum'"),
    "stop": ("raise SystemExit(0)", "'SystemExit' is not defined"),
    "no function": ("pass\ncheck_following = 3", ""),
    "its own exception": ("raise ValueError('so there')", "ValueError: so there"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_code_is_a_false_verdict_with_a_reason(name: str) -> None:
    body, reason = HOSTILE[name]
    sandbox = stored._sandbox
    assert sandbox is not None
    sandbox.timeout = SHORT if "took longer" in reason else PLENTY
    start = time.monotonic()
    verdict, found = outcome(body)
    assert not verdict
    assert reason in found
    assert time.monotonic() - start < PLENTY
    # and the next checker is none the worse for it
    sandbox.timeout = PLENTY
    assert outcome("return True") == (True, "")


def test_source_that_does_not_parse_or_define_the_function() -> None:
    def run(source: str) -> stored.Outcome:
        made = constraint("stored:python", {"source": source})
        assert isinstance(made, stored.StoredChecker)
        return made.outcome("tea")

    assert "SyntaxError" in run("def check_following(:").reason
    assert "no check_following" in run("'def check_following'").reason
    with pytest.raises(ConstraintError, match="defines no check_following"):
        constraint("stored:python", {"source": "def other(): pass"})


WALLS = """
import os, socket, subprocess, sys
sys.path.insert(0, {folder!r})
import worker
held = 0
attempts = [
    lambda: open("/etc/passwd"),
    lambda: os.open("/etc/passwd", os.O_RDONLY),
    lambda: socket.socket(),
    lambda: os.system("true"),
    lambda: os.fork(),
    lambda: subprocess.run(["true"]),
    lambda: __import__("sqlite3"),
]
worker.{wall}
for attempt in attempts:
    try:
        attempt()
    except (worker.Refused, OSError):
        held += 1
os.write(1, b"%d of %d" % (held, len(attempts)))
os._exit(0)
"""


def test_the_interpreter_refuses_what_gets_past_the_source() -> None:
    script = WALLS.format(folder=str(stored.WORKER.parent), wall="sys.addaudithook(worker.refuse_events)")
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=HUNG)
    assert done.stdout == "7 of 7", done.stderr


def test_the_system_refuses_new_files_even_without_the_interpreter() -> None:
    script = (
        "import sys\n"
        f"sys.path.insert(0, {str(stored.WORKER.parent)!r})\n"
        "import worker, socket\n"
        "worker.restrict(1 << 30)\n"
        "held = 0\n"
        "for attempt in (lambda: open('/etc/passwd'), socket.socket, lambda: open('/tmp/x', 'w')):\n"
        "    try: attempt()\n"
        "    except OSError: held += 1\n"
        "print(held)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=HUNG)
    assert done.stdout == "3\n", done.stderr


def test_off_until_allowed_and_the_warning_says_what_the_data_asks_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stored.forbid()
    monkeypatch.setattr(stored, "_warned", False)
    source = "import re\ndef check_following(instruction, response):\n    return True"
    with pytest.warns(stored.StoredCodeWarning, match=r"asks to run Python code .*def check_following"):
        made = constraint("stored:python", {"source": source})
    with pytest.raises(stored.StoredCodeOff, match=r"stored\.allow\(\)"):
        made.check("tea")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        constraint("stored:python", {"source": source})  # told once


def _in_child(source: str) -> bool:
    return constraint("stored:python", {"source": source}).check("tea")


def test_a_forked_process_starts_one_of_its_own() -> None:
    source = "def check_following(instruction, response):\n    return True"
    assert _in_child(source)
    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert pool.map(_in_child, [source] * 3) == [True] * 3
    assert _in_child(source)


def test_the_process_is_reused_and_ended() -> None:
    outcome("return True")
    sandbox = stored._sandbox
    assert sandbox is not None and sandbox._process is not None
    first = sandbox._process.pid
    for _ in range(200):
        outcome("return True")
    assert sandbox._process.pid == first  # about 0.1 ms a check; a new process takes 30
    stored.forbid()
    assert not Path(f"/proc/{first}").exists()
    assert os.getpid() != first
