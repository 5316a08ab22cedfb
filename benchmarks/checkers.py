"""CPU time for the verdicts of whole benchmark files: ours against the reference evaluator.

    git clone https://github.com/sastpg/HIR /tmp/HIR
    python -m venv /tmp/ref && /tmp/ref/bin/pip install absl-py langdetect nltk immutabledict emoji syllapy \
        spacy setuptools
    NLTK_DATA=... python benchmarks/checkers.py --reference /tmp/HIR --reference-python /tmp/ref/bin/python \
        --out results/checkers.json

The reference is not part of this project: fetch it yourself. Its own prompts and published responses are the
input. Each side runs in a process of its own, in turn, strict and loose verdicts of every row once; the time is
that process's CPU time, from its start (imports included) and from the first row (excluded). A process of each
side runs first and is not counted, so that nobody pays for writing byte code. The reference's random choices
are seeded with 0; its IFBench loads a spaCy model that it never uses: where that is absent, it gets ``None``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import statistics
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

SETS = {
    "ifeval": ("IFEval", "input_data.jsonl", "input_response_data_qwen25_7b.jsonl"),
    "ifbench": ("IFBench", "IFBench_test.jsonl", "input_response_data_qwen25_7b.jsonl"),
}
# What our checkers import when it is first needed.
LATE = {"ifeval": ["langdetect.detector"], "ifbench": ["emoji", "syllapy"]}
TARGETS = {"ifeval": {"excluded": 10.0, "included": 3.0}, "ifbench": {"excluded": 5.0, "included": 3.0}}

OURS = """
import json, sys, time
prompts, responses, release, *late = sys.argv[1:]
import importlib
from hindsight_rl.constraints.core import constraint, ids
from hindsight_rl.constraints.verdicts import both
ids()
# What is imported when it is first asked for: the reference imports the same at its top.
for name in late:
    importlib.import_module(name)
lines = open(prompts, encoding="utf-8").read().splitlines()
answers = {row["prompt"]: row["response"] for row in map(json.loads, open(responses, encoding="utf-8"))}
rows = [json.loads(line) for line in lines]
start = time.process_time()
found = []
for row in rows:
    made = [
        constraint(id, kwargs, version=release)
        for id, kwargs in zip(row["instruction_id_list"], row["kwargs"], strict=True)
    ]
    strict, loose = both(made, answers[row["prompt"]], row["prompt"])
    found.append([row["key"], strict, loose])
end = time.process_time()
print(json.dumps({"excluded": end - start, "included": end, "verdicts": found}))
"""

REFERENCE = """
import json, random, sys, time
folder, prompts, responses = sys.argv[1:]
sys.path.insert(0, folder)
try:
    import spacy
    load = spacy.load
    def lenient(name, *args, **kwargs):
        try:
            return load(name, *args, **kwargs)
        except OSError:
            return None
    spacy.load = lenient
except ImportError:
    pass
import evaluation_lib, langdetect
random.seed(0)
langdetect.DetectorFactory.seed = 0
rows = evaluation_lib.read_prompt_list(prompts)
answers = evaluation_lib.read_prompt_to_response_dict(responses)
start = time.process_time()
strict = [evaluation_lib.test_instruction_following_strict(row, answers) for row in rows]
loose = [evaluation_lib.test_instruction_following_loose(row, answers) for row in rows]
end = time.process_time()
found = [
    [row.key, s.follow_instruction_list, l.follow_instruction_list]
    for row, s, l in zip(rows, strict, loose, strict=True)
]
print(json.dumps({"excluded": end - start, "included": end, "verdicts": found}))
"""


def run(command: list[str], environment: dict[str, str]) -> dict[str, Any]:
    """The JSON that a child prints last; exits with its error where it fails."""
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        sys.exit(f"{shlex.join(command[:2])} fails:\n{done.stderr[-2000:]}")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def measure(name: str, args: argparse.Namespace) -> dict[str, Any]:
    """Alternate the two sides on one benchmark; medians, ratios, and where their verdicts differ."""
    folder, prompts, responses = SETS[name]
    base = args.reference / "evaluation" / folder
    files = [str(base / "data" / prompts), str(base / "data" / responses)]
    environment = {**os.environ, "PYTHONBREAKPOINT": "0"}
    commands = {
        "ours": [sys.executable, "-c", OURS, *files, "hir", *LATE[name]],
        "reference": [str(args.reference_python), "-c", REFERENCE, str(base), *files],
    }
    last = {side: run(command, environment) for side, command in commands.items()}
    seconds: dict[str, dict[str, list[float]]] = {side: {"excluded": [], "included": []} for side in commands}
    for _ in range(args.rounds):
        for side, command in commands.items():
            last[side] = run(command, environment)
            for what, values in seconds[side].items():
                values.append(round(last[side][what], 4))
    medians = {
        side: {what: round(statistics.median(values), 4) for what, values in times.items()}
        for side, times in seconds.items()
    }
    ratios = {what: round(medians["reference"][what] / medians["ours"][what], 2) for what in ("excluded", "included")}
    rows = last["ours"]["verdicts"]
    checked = sum(len(strict) + len(loose) for _, strict, loose in rows)
    return {
        "rows": len(rows),
        "verdicts": checked,
        "seconds": seconds,
        "median_seconds": medians,
        "times_faster": ratios,
        "targets": TARGETS[name],
        "targets_met": all(ratios[what] >= wanted for what, wanted in TARGETS[name].items()),
        "verdicts_per_second_ours": round(checked / medians["ours"]["excluded"]),
        "differences": differences(rows, last["reference"]["verdicts"]),
    }


def differences(ours: list[Any], theirs: list[Any]) -> list[dict[str, Any]]:
    """Where the two sides' verdicts differ: key, mode, place, ours."""
    found = []
    for (key, *mine), (_, *other) in zip(ours, theirs, strict=True):
        for mode, left, right in zip(("strict", "loose"), mine, other, strict=True):
            for place, (a, b) in enumerate(zip(left, right, strict=True)):
                if a != b:
                    found.append({"key": key, "mode": mode, "place": place, "ours": a})
    return found


def machine() -> dict[str, Any]:
    """The kind of machine, as far as it tells."""
    model = platform.processor()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    return {"cpu": model, "cores": os.cpu_count(), "system": platform.system(), "python": platform.python_version()}


def packages(python: Path) -> dict[str, str]:
    """Versions of what the reference uses, as its interpreter has them."""
    names = ["langdetect", "nltk", "emoji", "syllapy", "spacy"]
    code = (
        "import importlib.metadata as m, json, platform, sys\n"
        "found = {'python': platform.python_version()}\n"
        "for name in sys.argv[1:]:\n"
        "    try: found[name] = m.version(name)\n"
        "    except m.PackageNotFoundError: found[name] = 'absent'\n"
        "print(json.dumps(found))"
    )
    return {str(k): str(v) for k, v in run([str(python), "-c", code, *names], dict(os.environ)).items()}


def commit(folder: Path) -> str:
    """The commit checked out in a folder, "unknown" where git cannot tell."""
    done = subprocess.run(["git", "-C", str(folder), "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def main() -> None:
    """Measure, print a line for each benchmark, write the result file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--reference", type=Path, required=True, help="checkout of sastpg/HIR")
    parser.add_argument("--reference-python", type=Path, default=Path(sys.executable))
    parser.add_argument("--reference-commit", help="where the checkout has no .git")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    if not (args.reference / "evaluation").is_dir():
        parser.error(f"{args.reference} holds no evaluation/: give a checkout of github.com/sastpg/HIR")
    shown = ["python", "benchmarks/checkers.py", "--reference", "HIR", "--reference-python", "REF/bin/python"]
    result = {
        "what": "CPU seconds for strict and loose verdicts of a whole file, imports excluded and included",
        "command": shlex.join([*shown, "--rounds", str(args.rounds)]),
        "date": time.strftime("%Y-%m-%d"),
        "machine": machine(),
        "ours": {"hindsight-rl": version("hindsight-rl"), "commit": commit(Path(__file__).parent)},
        "reference": {
            "repository": "sastpg/HIR",
            "commit": args.reference_commit or commit(args.reference),
            **packages(args.reference_python),
        },
        "responses": "Qwen2.5-7B-Instruct's, as published there",
        "benchmarks": {name: measure(name, args) for name in SETS},
    }
    for name, found in result["benchmarks"].items():
        times = found["times_faster"]
        print(
            f"{name}: {times['excluded']} times faster, {times['included']} with imports, "
            f"{len(found['differences'])} of {found['verdicts']} verdicts differ"
        )
    if args.out:
        args.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
