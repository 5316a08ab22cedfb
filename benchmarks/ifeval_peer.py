"""IFEval's verdicts: ours against the copy of the evaluator that lm-eval ships, on the same rows and on hostile texts.

    python -m venv /tmp/peer && /tmp/peer/bin/pip install lm-eval langdetect nltk immutabledict
    NLTK_DATA=... python benchmarks/ifeval_peer.py --peer /tmp/peer/bin/python --prompts prompts.jsonl \\
        --responses responses.jsonl --out results/ifeval_peer.json

Each side runs in a process of its own, in turn: strict and loose verdicts of every row. The time is the process's CPU
time without imports and reading; the memory its peak. Then each hostile text, alone in a process, under the constraint
beside it, for at most --limit seconds.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import tyro
from grounding import write_between

from hindsight_rl.run import machine

OURS = """
import json, sys, time
from hindsight_rl.constraints import constraint
from hindsight_rl.constraints.verdicts import both
rows = [json.loads(line) for line in open(sys.argv[1], encoding="utf-8")]
def verdicts(row):
    made = [constraint(i, k) for i, k in zip(row["instruction_id_list"], row["kwargs"])]
    return both(made, row["response"], row["prompt"])
"""
PEER = """
import json, sys, time
from lm_eval.tasks.ifeval.utils import process_results
rows = [json.loads(line) for line in open(sys.argv[1], encoding="utf-8")]
def verdicts(row):
    found = process_results(row, [row["response"]])
    return found["inst_level_strict_acc"], found["inst_level_loose_acc"]
"""
RUN = """
verdicts(rows[0])
began = time.process_time()
found = [verdicts(row) for row in rows]
spent = time.process_time() - began
peak = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(json.dumps({"seconds": round(spent, 4), "peak_mib": round(peak / 1024), "verdicts": found}))
"""
PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
MEGABYTE = 1_000_000
HOSTILE: dict[str, tuple[str, dict[str, Any], str, int]] = {
    "unclosed << (title)": ("detectable_format:title", {}, "<<", MEGABYTE // 2),
    "open brackets (placeholders)": ("detectable_content:number_placeholders", {"num_placeholders": 1}, "[", MEGABYTE),
    "asterisks (highlighted sections)": (
        "detectable_format:number_highlighted_sections",
        {"num_highlights": 1},
        "*a",
        MEGABYTE // 2,
    ),
    "full stops (sentences)": (
        "length_constraints:number_sentences",
        {"relation": "at least", "num_sentences": 1},
        "a. ",
        MEGABYTE // 3,
    ),
    "one word a million letters long (words)": (
        "length_constraints:number_words",
        {"relation": "at least", "num_words": 1},
        "a",
        MEGABYTE,
    ),
    "spaces (postscript)": ("detectable_content:postscript", {"postscript_marker": "P.P.S"}, " p", MEGABYTE // 2),
}
"""name -> (id, kwargs, text, times it is repeated)."""


@dataclass
class Options:
    """What is compared."""

    peer: str
    """Python that has lm-eval."""
    prompts: str
    responses: str
    """Files of IFEval's prompts and of a model's responses."""
    rounds: int = 5
    limit: float = 60.0
    """Seconds for a hostile text."""
    out: str | None = None
    docs: bool = False
    """Write the table into docs/benchmarks.md."""


def run(python: str, code: str, file: Path, limit: float | None = None) -> dict[str, Any] | None:
    """One process; None where it takes longer than the limit."""
    try:
        done = subprocess.run(
            [python, "-c", code + RUN, str(file)], capture_output=True, text=True, check=True, timeout=limit
        )
    except subprocess.TimeoutExpired:
        return None
    except subprocess.CalledProcessError as error:
        return {"failed": error.stderr.strip().splitlines()[-1][:200]}
    return dict(json.loads(done.stdout.splitlines()[-1]))


def joined(options: Options) -> list[dict[str, Any]]:
    """Prompts with their responses."""
    lines = Path(options.responses).read_text("utf-8").splitlines()
    answers = {row["prompt"]: row["response"] for row in map(json.loads, lines)}
    rows = [json.loads(line) for line in Path(options.prompts).read_text("utf-8").splitlines()]
    return [row | {"response": answers[row["prompt"]]} for row in rows]


def page(result: dict[str, Any]) -> str:
    """The table of the docs."""
    median, differ = result["median"], result["verdicts_that_differ"]
    about, versions = result["machine"], result["versions"]
    lines = [
        "| | ours | lm-eval |",
        "|---|---|---|",
        *(
            f"| {title} | {median['ours'][key]:g} | {median['lm-eval'][key]:g} |"
            for title, key in ((f"CPU seconds for {result['rows']} rows", "seconds"), ("peak memory, MiB", "peak_mib"))
        ),
        *(
            f"| {title}, CPU seconds | {' | '.join(_shown(found[side]) for side in ('ours', 'lm-eval'))} |"
            for title, found in result["hostile_cpu_seconds"].items()
        ),
        "",
        f"{result['times_faster']} times faster. Of {result['verdicts']} verdicts {differ['strict']} (strict) and "
        f"{differ['loose']} (loose) differ from lm-eval's. Imports and reading are not counted. lm-eval "
        f"{versions['lm-eval']}, NLTK {versions['nltk']}; {about['processor']}, Python {about['python']}. "
        f"(`results/ifeval_peer.json`: `{result['command']}`)",
    ]
    return "\n".join(lines)


def _shown(value: Any) -> str:
    return f"{value:.2f}" if isinstance(value, float) else str(value).split(":")[0]


def main() -> None:
    """Whole file in turns, then hostile texts."""
    options = tyro.cli(Options, description=__doc__)
    sides = {"ours": (sys.executable, OURS), "lm-eval": (options.peer, PEER)}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "rows.jsonl"
        rows = joined(options)
        file.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
        turns: dict[str, list[dict[str, Any]]] = {name: [] for name in sides}
        for _ in range(options.rounds):
            for name, (python, code) in sides.items():
                found = run(python, code, file)
                if found is None or "failed" in found:
                    sys.exit(f"{name}: {found}")
                turns[name].append(found)
        pairs = list(zip(turns["ours"][0]["verdicts"], turns["lm-eval"][0]["verdicts"], strict=True))
        hostile = {}
        for title, (id, kwargs, text, times) in HOSTILE.items():
            row = {
                "key": 0,
                "prompt": "Say it.",
                "instruction_id_list": [id],
                "kwargs": [kwargs],
                "response": text * times,
            }
            file.write_text(json.dumps(row) + "\n", "utf-8")
            hostile[title] = {}
            for name, (python, code) in sides.items():
                found = run(python, code, file, options.limit)
                hostile[title][name] = (
                    f"over {options.limit:g}" if found is None else found.get("failed", found.get("seconds"))
                )
            print(title, hostile[title], flush=True)
    median = {
        name: {key: statistics.median(each[key] for each in found) for key in ("seconds", "peak_mib")}
        for name, found in turns.items()
    }
    names = ("lm-eval", "nltk", "langdetect")
    asked = f"from importlib.metadata import version; print(*map(version, {names}))"
    known = subprocess.run([options.peer, "-c", asked], capture_output=True, text=True, check=True).stdout.split()
    versions = {"hindsight-rl": version("hindsight-rl")} | dict(zip(names, known, strict=True))
    strict, loose = (sum(a != b for x, y in pairs for a, b in zip(x[k], y[k], strict=True)) for k in (0, 1))
    result = {
        "command": "python benchmarks/ifeval_peer.py --peer PEER --prompts PROMPTS --responses RESPONSES "
        f"--rounds {options.rounds} --limit {options.limit:g}",
        "machine": machine(),
        "versions": versions,
        "rows": len(rows),
        "verdicts": sum(len(ours[0]) for ours, _ in pairs),
        "verdicts_that_differ": {"strict": strict, "loose": loose},
        "median": median,
        "seconds": {name: [each["seconds"] for each in found] for name, found in turns.items()},
        "times_faster": round(median["lm-eval"]["seconds"] / median["ours"]["seconds"], 2),
        "hostile_cpu_seconds": hostile,
    }  # fmt: skip
    print(json.dumps({k: v for k, v in result.items() if k not in ("command", "machine", "seconds")}, indent=1))
    if options.out:
        Path(options.out).write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    if options.docs:
        write_between(PAGE, "ifeval-peer", page(result))


if __name__ == "__main__":
    main()
