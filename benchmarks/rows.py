"""Processor time and memory of reading rows and of scoring responses; writes a result file and the pages' table.

    python benchmarks/rows.py --out results/rows.json --docs
    python benchmarks/rows.py --docs    # the table alone, from the result file

The rows are composed, the responses are their witnesses: of every second row its own, of the others another row's, so
that the loose verdicts are needed too. Each measurement is a process of its own, in one thread; its processor's time is
taken without the start, so that other work on the machine hardly counts. Memory is the largest resident set beyond what
it was after the imports (Linux). `json` reads the same lines and keeps nothing: times divided by its time compare with
those of another machine. `--before FOLDER` measures another version too, whose source lies there (`git archive COMMIT
src | tar -x -C FOLDER`), in turn with this one.
"""

from __future__ import annotations

import json
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro
from grounding import write_between

from hindsight_rl import __version__
from hindsight_rl.run import machine

ROOT = Path(__file__).parents[1]
CHILD = """
import contextlib, io, json, sys, time
def peak():
    # Not getrusage's, which begins with what the parent held.
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024
what, rows, prompts, responses = sys.argv[1:]
if what == "read":
    from hindsight_rl.data.rows import read_dataset
elif what == "score":
    from hindsight_rl.evaluation.score import main
began, start = peak(), time.process_time()
if what == "json":
    with open(rows, "rb") as lines:
        for line in lines:
            json.loads(line)
elif what == "read":
    kept = read_dataset(rows).instructions
else:
    with contextlib.redirect_stdout(io.StringIO()):
        main(["ifeval", responses, "--prompts", prompts, "--json", "--splitter", "native"])
print(json.dumps({"seconds": time.process_time() - start, "mib": peak() - began, "all_mib": peak()}))
"""


@dataclass(frozen=True)
class Settings:
    """What is measured."""

    rows: int = 100_000
    """Composed rows, and responses."""
    rounds: int = 3
    """How often each is measured; the median counts."""
    before: Path | None = None
    """A folder with the source of another version, to measure in turn with this one."""
    data: Path | None = None
    """A folder for the rows, which are made once; by default they are made anew."""
    out: Path | None = None
    """The result file; without it nothing is measured."""
    docs: bool = False
    """Write the table in docs/benchmarks.md."""


def main() -> None:
    settings = tyro.cli(Settings, description=(__doc__ or "").splitlines()[0])
    if settings.out is not None:
        with tempfile.TemporaryDirectory() as folder:
            result = measure(settings, settings.data or Path(folder))
        settings.out.write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    if settings.docs:
        write_between(
            ROOT / "docs" / "benchmarks.md", "rows", table(json.loads((ROOT / "results/rows.json").read_text()))
        )


def measure(settings: Settings, folder: Path) -> dict[str, Any]:
    """All measurements, the versions taking turns."""
    files = made(folder, settings.rows)
    sources = {"now": ROOT / "src", **({"before": settings.before / "src"} if settings.before else {})}
    found: dict[str, dict[str, list[dict[str, float]]]] = {name: {} for name in sources}
    for _ in range(settings.rounds):
        for what in ("json", "read", "score"):
            for name, source in sources.items():
                if (what, name) != ("json", "before"):
                    found[name].setdefault(what, []).append(run(what, files, source))
                    print(name, what, found[name][what][-1], flush=True)
    words = ["--rows", str(settings.rows), "--rounds", str(settings.rounds), "--out", str(settings.out), "--docs"]
    return {
        "command": shlex.join(["python", "benchmarks/rows.py", *words]),
        "machine": machine(),
        "versions": {"hindsight-rl": __version__},
        "what": "seconds of the processor, one thread; largest resident set in MiB beyond that after the imports",
        "rows": settings.rows,
        "rounds": settings.rounds,
        "mib_of_the_files": {"rows": mib(files[0]), "prompts": mib(files[1]), "responses": mib(files[2])},
        **{name: {what: summary(each) for what, each in parts.items()} for name, parts in found.items()},
    }


def made(folder: Path, count: int) -> tuple[Path, Path, Path]:
    """Composed rows; the same as a benchmark's prompts; and responses to these."""
    compose = [sys.executable, "-m", "hindsight_rl.cli", "compose", "--test-rows", "0", "--rows", str(count)]
    if not (folder / "made" / "compose.json").exists():
        subprocess.run([*compose, "--out", str(folder / "made")], check=True, stdout=subprocess.DEVNULL)
    rows, prompts, responses = folder / "made/train.jsonl", folder / "prompts.jsonl", folder / "responses.jsonl"
    witnesses = [json.loads(line)["response"] for line in (folder / "made/train.witness.jsonl").open(encoding="utf-8")]
    from hindsight_rl.constraints.rows import row_constraints
    from hindsight_rl.data.stream import rows as read

    with prompts.open("w", encoding="utf-8") as asked, responses.open("w", encoding="utf-8") as answered:
        for at, (where, row) in enumerate(read(rows)):
            checks = row_constraints(row, where).constraints
            prompt = {"key": row["key"], "prompt": row["messages"][-1]["content"]}
            prompt["instruction_id_list"] = [each.id for each in checks]
            prompt["kwargs"] = [each.kwargs for each in checks]
            asked.write(json.dumps(prompt, ensure_ascii=False) + "\n")
            response = witnesses[at if at % 2 == 0 else (at + 7) % len(witnesses)]
            answered.write(json.dumps({"key": row["key"], "response": response}, ensure_ascii=False) + "\n")
    return rows, prompts, responses


def run(what: str, files: tuple[Path, Path, Path], source: Path) -> dict[str, float]:
    """One measurement."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0", "PYTHONPATH": str(source)}
    command = [sys.executable, "-c", CHILD, what, *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise SystemExit(f"{what} with {source}: exit code {done.returncode}\n{done.stderr}")
    measured: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return measured


def summary(found: list[dict[str, float]]) -> dict[str, Any]:
    """The median of the times, with all of them, and the most memory."""
    return {
        "seconds": round(statistics.median(each["seconds"] for each in found), 2),
        "all_seconds": [round(each["seconds"], 2) for each in found],
        "mib": round(max(each["mib"] for each in found), 1),
        "all_mib": round(max(each["all_mib"] for each in found), 1),
    }


def mib(file: Path) -> float:
    """The size of a file."""
    return round(file.stat().st_size / 2**20, 1)


def table(result: dict[str, Any]) -> str:
    """What was measured, as the page has it."""
    now, sizes = result["now"], result["mib_of_the_files"]
    names = {"json": "`json.loads` of the rows' lines", "read": "`read_dataset`", "score": "`hindsight score ifeval`"}
    files = {"json": sizes["rows"], "read": sizes["rows"], "score": sizes["prompts"] + sizes["responses"]}
    lines = ["| | seconds of one core | times `json.loads` | memory, MiB | its files, MiB |", "|---|---|---|---|---|"]
    for what, name in names.items():
        ratio = now[what]["seconds"] / now["json"]["seconds"]
        lines.append(
            f"| {name} | {now[what]['seconds']:.1f} | {ratio:.1f} | {now[what]['mib']:.0f} | {files[what]:.0f} |"
        )
    if "before" in result:
        was = result["before"]
        told = ", ".join(
            f"{name} {was[what]['seconds'] / now[what]['seconds']:.1f} times the time and {was[what]['mib']:.0f} MiB"
            for what, name in (("read", "reading took"), ("score", "scoring"))
        )
        which = result.get("before_is", "an earlier version")
        lines += ["", f"An earlier version ({which}), measured in turn on the same machine: {told}."]
    return "\n".join(
        [
            f"{result['rows']:,} composed rows with as many responses:",
            "",
            *lines,
            "",
            f"(`results/rows.json`: `{result['command']}`; {result['machine']['processor']}, one core)",
        ]
    )


if __name__ == "__main__":
    main()
