"""Hostile responses over every constraint id: longest single call, memory, exceptions.

    NLTK_DATA=... python benchmarks/fuzz_checkers.py --out results/fuzz_checkers.json

Needs the `dev` extra and the repository's tests (the kwargs come from `tests/witness`). The responses are
drawn from a fixed seed: most up to 4 kB, some of 50 kB, and each kind once at 1 MB. A call that takes longer
than a minute ends the run with a traceback that shows where it hangs.
"""

from __future__ import annotations

import argparse
import faulthandler
import importlib
import json
import os
import pkgutil
import platform
import random
import resource
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import given, seed, settings
from hypothesis.strategies import SearchStrategy

from hindsight_rl.constraints import stored
from hindsight_rl.constraints.core import Checker, constraint, ids
from hindsight_rl.constraints.text.response import Text

ROOT = Path(__file__).resolve().parents[1]
KWARGS_EACH = 3
MEGABYTE = 1_000_000
Maker = Callable[[random.Random, int], str]


def repeated(*pieces: str) -> Maker:
    """A piece, or several in turn, over and over."""
    return lambda rng, size: ("".join(pieces) * (size // len("".join(pieces)) + 1))[:size]


def mixed(*pieces: str) -> Maker:
    """Pieces in random order."""
    mean = sum(map(len, pieces)) / len(pieces)
    return lambda rng, size: "".join(rng.choices(pieces, k=int(size / mean) + 1))[:size]


def characters(low: int, high: int) -> Maker:
    """Random code points of a range."""
    return lambda rng, size: "".join(map(chr, (rng.randint(low, high) for _ in range(size))))


def nested(opening: str, closing: str) -> Maker:
    """Opened many times, then closed as often."""

    def make(rng: random.Random, size: int) -> str:
        times = size // (len(opening) + len(closing))
        return opening * times + closing * times

    return make


def runs(alphabet: str) -> Maker:
    """Long runs of single characters."""

    def make(rng: random.Random, size: int) -> str:
        parts, left = [], size
        while left > 0:
            length = min(left, rng.randint(1, max(1, size // 3)))
            parts.append(rng.choice(alphabet) * length)
            left -= length
        return "".join(parts)

    return make


KINDS: dict[str, Maker] = {
    "any unicode": characters(0, 0x10FFFF),
    "control characters": characters(0, 31),
    "lone surrogates": characters(0xD800, 0xDFFF),
    "combining marks": characters(0x300, 0x36F),
    "right to left": characters(0x590, 0x6FF),
    "han": characters(0x4E00, 0x9FFF),
    "one letter": repeated("a"),
    "letters and spaces": runs("a A\n\t"),
    "one space": repeated(" "),
    "newlines": repeated("\n"),
    "spaces between newlines": repeated("\n   "),
    "full stops": repeated("."),
    "ellipses and capitals": repeated("A. B. ... "),
    "initials": repeated("U.S.A."),
    "asterisks": repeated("*"),
    "unclosed emphasis": repeated("**a *b "),
    "hashes": repeated("# "),
    "open tags": repeated("<a "),
    "open angles": repeated("<<"),
    "nested JSON arrays": nested("[", "]"),
    "nested JSON objects": nested('{"a":', "}"),
    "unclosed JSON": repeated('{"a": ["'),
    "backslashes and quotes": runs('\\"'),
    "nested brackets": nested("([{", "}])"),
    "open parentheses": repeated("("),
    "table rows": repeated("| a | b |\n|---|---|\n"),
    "pipes": repeated("|"),
    "dashes": repeated("-"),
    "nested bullets": mixed("- a\n", "  - b\n", "    * c\n", "1. d\n"),
    "code fences": mixed("```\n", "~~~\n", "x\n"),
    "digits": runs("0123456789.,"),
    "quotation marks": mixed('"', "'", "“", "”", "a ", "."),
    "emoji": mixed("\U0001f600", "\u200d", "\ufe0f", "\U0001f1e6", ". "),
    "urls and addresses": repeated("http://a.b/c?d=e@f.g "),
    "hyphens": repeated("a-"),
    "placeholders": mixed("[", "]", "[a]", "<<", ">>", "P.S.", "***", "\n\n"),
    "exponents": runs("a1e9^!"),
    "palindromes": lambda rng, size: "ab" * (size // 4) + "ba" * (size // 4),
    "many short words": mixed("a ", "an ", "and ", "the ", "is "),
    "prose": mixed("The rain fell. ", "Who knows? ", "Yes! ", "It was, in fact, 3.14 km away; ", "\n\n"),
}


def responses(count: int) -> list[tuple[str, str]]:
    """(kind, response) for the whole run, the same every time."""
    rng = random.Random(0)
    found = [(kind, make(rng, MEGABYTE)) for kind, make in KINDS.items()]
    names = list(KINDS)
    while len(found) < count:
        kind = names[len(found) % len(names)]
        size = 50_000 if len(found) % 100 < 1 else int(4096 ** rng.random())
        text = KINDS[kind](rng, size)
        if rng.random() < 0.2:  # hostile things inside something harmless, and in each other
            text = rng.choice(["Sure!\n", "# T\n\n", "* "]) + text + KINDS[rng.choice(names)](rng, size // 2 + 1)
        found.append((kind, text))
    return found


def checkers() -> dict[str, list[Checker]]:
    """A few checkers for each id, with kwargs from the tests' strategies."""
    sys.path.insert(0, str(ROOT / "tests"))
    witness = importlib.import_module("witness")
    evidence: dict[str, Any] = {}
    for module in pkgutil.iter_modules(witness.__path__):
        evidence |= importlib.import_module(f"witness.{module.name}").WITNESSES
    missing = [id for id in ids() if id not in evidence]
    if missing:
        sys.exit(f"no witness for {', '.join(missing)}")
    return {id: [constraint(id, kwargs) for kwargs in drawn(evidence[id].kwargs)] for id in ids()}


def drawn(strategy: SearchStrategy[dict[str, Any]]) -> list[dict[str, Any]]:
    """The first few values of a strategy under a fixed seed."""
    found: list[dict[str, Any]] = []

    @seed(0)
    @settings(max_examples=KWARGS_EACH, deadline=None, database=None)
    @given(strategy)
    def draw(kwargs: dict[str, Any]) -> None:
        found.append(kwargs)

    draw()
    return found


def peak_megabytes() -> float:
    """The largest resident memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform != "darwin" else 1 << 20)


def main() -> None:
    """Run, print the worst, write the result file; exit 1 on an exception or a call over a second."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    made = checkers()
    stored.allow(timeout=1.0)
    before = peak_megabytes()
    texts = responses(args.count)
    drawn_memory = peak_megabytes()
    calls, exceptions = 0, Counter[str]()
    slow: dict[str, tuple[float, str, int]] = {}
    started = time.process_time()
    for number, (kind, raw) in enumerate(texts):
        text = Text(raw)
        for id, found in made.items():
            each = found[number % len(found)]
            faulthandler.dump_traceback_later(60, exit=True)
            begin = time.thread_time()
            try:
                each.check(text, "Write a short text about tea.")
            except Exception as error:
                exceptions[f"{id} on {kind}: {type(error).__name__}: {error}"[:200]] += 1
            spent = time.thread_time() - begin
            calls += 1
            if spent > slow.get(id, (0.0,))[0]:
                slow[id] = (spent, kind, len(raw))
    faulthandler.cancel_dump_traceback_later()
    worst = sorted(slow.items(), key=lambda item: -item[1][0])[:15]
    commit = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    result = {
        "what": "hostile responses over every constraint id; seconds are CPU time of single calls",
        "command": f"python benchmarks/fuzz_checkers.py --count {args.count}",
        "date": time.strftime("%Y-%m-%d"),
        "machine": {"cores": os.cpu_count(), "system": platform.system(), "python": platform.python_version()},
        "commit": commit.stdout.strip(),
        "responses": len(texts),
        "kinds": len(KINDS),
        "of_a_megabyte": sum(len(raw) >= MEGABYTE - 8 for _, raw in texts),
        "ids": len(made),
        "calls": calls,
        "seconds": round(time.process_time() - started, 1),
        "exceptions": dict(exceptions),
        "crashes": 0,
        "longest_call_seconds": round(worst[0][1][0], 3),
        "calls_over_a_second": sum(spent > 1 for spent, *_ in slow.values()),
        "longest_by_id": [
            {"id": id, "seconds": round(spent, 3), "kind": kind, "characters": size}
            for id, (spent, kind, size) in worst
        ],
        "peak_megabytes": {
            "before": round(before),
            "with_the_responses": round(drawn_memory),
            "after": round(peak_megabytes()),
        },
    }
    print(json.dumps(result, indent=1))
    if args.out:
        args.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    sys.exit(1 if exceptions or result["calls_over_a_second"] else 0)


if __name__ == "__main__":
    main()
