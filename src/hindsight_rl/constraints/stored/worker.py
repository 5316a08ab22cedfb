"""The process in which stored checkers run: started by :mod:`.stored`, never imported by it.

It reads requests (length, JSON ``[source, instruction, response]``) from standard input and answers with JSON
``[verdict, reason]``. The limits come as arguments: memory in bytes, seconds of CPU time a request.

Three walls, each of which should hold alone: the source may use no name and no attribute that leads out of
its namespace (checked on the syntax tree), the interpreter refuses every audited event that touches files,
processes or the network, and the operating system refuses new files, processes and memory.
"""

import ast
import builtins
import json
import math
import os
import re
import resource
import struct
import sys
import types

_WORDS = re.compile(r"\w+").findall
SAFE_BUILTINS = _WORDS(
    "abs all any ascii bin bool bytes chr dict divmod enumerate filter float format frozenset hash hex int "
    "isinstance issubclass iter len list map max min next oct ord pow range repr reversed round set slice "
    "sorted str sum tuple type zip True False None Exception ArithmeticError AssertionError AttributeError "
    "IndexError KeyError LookupError RuntimeError StopIteration TypeError UnicodeError ValueError "
    "ZeroDivisionError RecursionError MemoryError NotImplementedError OverflowError"
)
# Attributes without underscores that lead from a value to frames, code or classes.
FORBIDDEN = _WORDS(
    "mro gi_frame gi_code gi_yieldfrom cr_frame cr_code ag_frame ag_code f_back f_globals f_locals "
    "f_builtins f_code tb_frame tb_next format_map with_traceback"
)
# Once a checker runs, nothing of these kinds may happen; what the interpreter does for itself may.
# (setrlimit is :func:`allow_cpu`; a hard limit can only go down.)
HARMLESS_EVENTS = {"compile", "exec", "resource.setrlimit", "object.__getattr__"}
SOURCES_KEPT = 512


class Refused(Exception):
    """The source asks for something that a stored checker may not have."""


def restrict(memory: int) -> None:
    """Take from this process what a checker has no need of; the limits cannot be raised again."""
    for what, limit in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_NOFILE, 3),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NPROC, 0),
    ):
        _, hard = resource.getrlimit(what)
        limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(what, (limit, limit))


def allow_cpu(seconds: float) -> None:
    """Give the next request its CPU time; the kernel ends the process that overdraws it."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    soft = math.ceil(used.ru_utime + used.ru_stime + seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))


def refuse_events(event: str, _: object) -> None:
    """Audit hook: files, processes, sockets, imports and the like raise."""
    if event not in HARMLESS_EVENTS:
        raise Refused(f"{event} is not allowed")


def only_re(name: str, *_: object, **__: object) -> object:
    """``import re`` finds what is in scope anyway; every other import is refused."""
    if name != "re":
        raise Refused(f"import of {name!r} is not allowed")
    return RE


# A copy of re's public names: the module itself would lead to sys.
RE = types.SimpleNamespace(**{name: getattr(re, name) for name in re.__all__ if name != "template"})
BUILTINS = {name: getattr(builtins, name) for name in SAFE_BUILTINS} | {
    "__import__": only_re,
    "print": lambda *_, **__: None,
}


def compiled(source: str) -> types.CodeType:
    """The source's code, if no name or attribute in it leads out."""
    tree = ast.parse(source, "stored checker")
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            word = node.attr if not node.attr.startswith("_") else "__" + node.attr
        elif isinstance(node, ast.Name):
            word = node.id
        elif isinstance(node, ast.ImportFrom) and node.module != "re":
            raise Refused(f"import of {node.module!r} is not allowed")
        elif isinstance(node, ast.ClassDef | ast.AsyncFunctionDef | ast.Global):
            raise Refused(f"{type(node).__name__} is not allowed")
        elif isinstance(node, ast.MatchClass):
            raise Refused("class patterns are not allowed")
        else:
            continue
        if word.startswith("__") or word in FORBIDDEN:
            raise Refused(f"the name {ast.unparse(node)[-60:]!r} is not allowed")
    return compile(tree, "stored checker", "exec")


def verdict(code: types.CodeType, instruction: str, response: str) -> bool:
    """Run the code and call its ``check_following``, in a namespace of its own."""
    scope = {"__builtins__": dict(BUILTINS), "__name__": "stored", "re": RE}
    exec(code, scope)
    check = scope.get("check_following")
    if not callable(check):
        raise Refused("it defines no check_following(instruction, response)")
    return bool(check(instruction, response))


def answer(request: bytes, codes: dict) -> list:
    """[verdict, reason] for one request; whatever the checker raises is a reason."""
    try:
        source, instruction, response = json.loads(request)
        code = codes.get(source)
        if code is None:
            if len(codes) >= SOURCES_KEPT:
                codes.clear()
            code = codes[source] = compiled(source)
        return [verdict(code, instruction, response), ""]
    except MemoryError:
        return [False, "out of memory"]
    except BaseException as error:
        return [False, f"{type(error).__name__}: {error}"[:200]]


def read_exactly(size: int) -> bytes:
    """So many bytes of standard input; ends the process when the other side is gone."""
    parts = []
    while size:
        part = os.read(0, min(size, 1 << 20))
        if not part:
            os._exit(0)
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def main(memory: int, seconds: float) -> None:
    """Answer requests until standard input ends."""
    # What is imported late by the standard library (re's parser, codecs) has to be in before the walls are.
    re.compile(r"(?i)(\w)+[^\W\d_](?<=a)\1?\N{BULLET}").search("\u00c4".casefold())
    restrict(memory)
    sys.addaudithook(refuse_events)
    codes: dict = {}
    reply = b"ready"
    while True:
        os.write(1, struct.pack("<I", len(reply)) + reply)
        size = struct.unpack("<I", read_exactly(4))[0]
        request = read_exactly(size)
        allow_cpu(seconds)
        reply = json.dumps(answer(request, codes)).encode()


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
