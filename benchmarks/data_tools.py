"""Processor time and memory of `hindsight compose`, `relabel` and `show`; writes a result file and the pages' tables.

    python benchmarks/data_tools.py --out results/data_tools.json --docs
    python benchmarks/data_tools.py --docs    # the tables alone, from the result files

Each command runs in a process of its own, in one thread. Its processor's time is taken, start and imports included, so
that other work on the machine hardly counts; memory is the process's largest resident set (Linux). What is measured
already stays in the result file, so the command goes on where it was stopped. Responses are made of the composed rows'
witnesses: half of the row's own, another row's, and several in a row of about 300 words.
"""

from __future__ import annotations

import json
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import tyro
from grounding import write_between

from hindsight_rl.run import machine

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "results"
CHILD = """
import json, os, re, sys, time
sys.stdout = open(os.devnull, "w")
from hindsight_rl.cli import main
code = main(sys.argv[1:])
peak = re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())  # ru_maxrss would hold the parent's
print(json.dumps({"code": code, "seconds": time.process_time(), "mib": int(peak[1]) / 1024}), file=sys.__stdout__)
"""
NUMBERS = [str(number) for number in range(1, 9)]


@dataclass(frozen=True)
class Settings:
    """What is measured."""

    rows: int = 10_000
    """Composed rows, and responses, of which the time is taken."""
    many: int = 1_000_000
    """Rows of the large file of which the memory is taken; 0 for none."""
    rounds: int = 3
    """How often each time is taken; the median counts."""
    out: Path | None = None
    """The result file; without it nothing is measured."""
    docs: bool = False
    """Write the tables in docs/compose.md, docs/relabel.md and docs/show.md."""


def main() -> None:
    settings = tyro.cli(Settings, description=(__doc__ or "").splitlines()[0])
    if settings.out is not None:
        with tempfile.TemporaryDirectory() as folder:
            measure(settings, settings.out, Path(folder))
    if settings.docs:
        tables(_result("data_tools"))
        write_between(ROOT / "docs" / "relabel.md", "hindsight_sft", example(_result("hindsight_sft")))


def measure(settings: Settings, out: Path, folder: Path) -> None:
    """Everything that the result file does not hold yet; it is written after each measurement.

    folder: for the rows and responses, which are made anew.
    """
    result: dict[str, Any] = {
        "command": shlex.join(["python", "benchmarks/data_tools.py", *sys.argv[1:]]),
        "machine": machine(),
        "what": "seconds of the processor, one thread; largest resident set in MiB",
        "rows": settings.rows,
        "rounds": settings.rounds,
        "times": {},
        "memory": {"compose": {}, "relabel": {}, "show": {}},
    }
    if out.exists() and (there := json.loads(out.read_text("utf-8")))["command"] == result["command"]:
        result = there

    def keep(part: dict[str, Any], name: str, measured: Callable[[], Any]) -> None:
        if name not in part:
            part[name] = measured()
            out.write_text(json.dumps(result, indent=1) + "\n", "utf-8")
            print(f"{name}: {part[name]}", flush=True)

    rows, responses = folder / "rows", folder / "responses.jsonl"
    compose = ["compose", "--rows", str(settings.rows), "--test-rows", "0", "--overwrite", "--out"]
    run([*compose, str(rows)])
    responses.write_text("".join(map(_line, _responses(rows))), "utf-8")
    relabel = ["relabel", str(responses), "--overwrite", "--out", f"{folder}/out.jsonl", "--rewriter"]
    for name, command in {
        "compose": [*compose, f"{folder}/again"],
        "compose, 1 to 8 constraints": [*compose, f"{folder}/again", "--numbers", *NUMBERS],
        "compose, 8 constraints": [*compose, f"{folder}/again", "--numbers", "8"],
        "relabel, retarget": [*relabel, "retarget"],
        "relabel, drop": [*relabel, "drop"],
        "show": ["show", str(rows / "train.jsonl"), "--out", f"{folder}/page.html"],
    }.items():
        keep(result["times"], name, lambda command=command: timed(command, settings.rounds))  # type: ignore[misc]
    for count in (settings.rows, 4 * settings.rows):
        command = [*compose, f"{folder}/again", "--rows", str(count)]
        keep(result["memory"]["compose"], str(count), lambda command=command: run(command))  # type: ignore[misc]
    for tool, make, parts in (("show", _many_rows, (100, 10, 1)), ("relabel", _many_responses, (100, 10))):
        for count in {settings.many // part: None for part in parts} if settings.many else ():

            def large(tool: str = tool, make: Any = make, count: int = count) -> dict[str, Any]:
                file = folder / "many.jsonl"
                with file.open("w", encoding="utf-8") as lines:
                    lines.writelines(map(_line, islice(make(rows), count)))
                more = ["--out", f"{folder}/many_out.jsonl", "--overwrite"] if tool == "relabel" else []
                return {"bytes": file.stat().st_size, **run([tool, str(file), *more])}

            keep(result["memory"][tool], str(count), large)


def run(arguments: list[str]) -> dict[str, float]:
    """Seconds of the processor and MiB of one command."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}
    done = subprocess.run(
        [sys.executable, "-c", CHILD, *arguments], capture_output=True, text=True, check=True, env=environment
    )
    found = json.loads(done.stdout)
    if found["code"]:
        raise SystemExit(f"hindsight {shlex.join(arguments)}: exit code {found['code']}\n{done.stderr}")
    return {"seconds": round(found["seconds"], 2), "mib": round(found["mib"], 1)}


def timed(arguments: list[str], rounds: int) -> dict[str, Any]:
    """The median of several rounds, with all of them."""
    seconds = [run(arguments)["seconds"] for _ in range(rounds)]
    return {"seconds": round(statistics.median(seconds), 2), "all": seconds}


def _line(row: dict[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False) + "\n"


def _read(file: Path) -> Iterator[dict[str, Any]]:
    with file.open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def _responses(folder: Path) -> Iterator[dict[str, Any]]:
    """Each row with a response that meets none, some or all of it."""
    witnesses = [row["response"] for row in _read(folder / "train.witness.jsonl")]
    for at, row in enumerate(_read(folder / "train.jsonl")):
        words = witnesses[at].split()
        if at % 3 == 0:
            response = " ".join(words[: max(1, len(words) // 2)])
        elif at % 3 == 1:
            response = witnesses[at - 1]
        else:
            response, other = "", at
            while len(response.split()) < 300:
                other = (other + 1) % len(witnesses)
                response += " " + witnesses[other]
        yield {**row, "response": response.strip()}


def _many_rows(folder: Path) -> Iterator[dict[str, Any]]:
    """The rows again and again, each with a task of its own."""
    for number, row in enumerate(cycle(list(_read(folder / "train.jsonl")))):
        task = f"{row['question']} ({number})"
        chat = [{"role": "user", "content": row["messages"][0]["content"].replace(row["question"], task)}]
        yield {**row, "key": str(number), "question": task, "messages": chat}


def _many_responses(folder: Path) -> Iterator[dict[str, Any]]:
    for number, row in enumerate(cycle(list(_responses(folder)))):
        yield {**row, "key": str(number), "response": f"{row['response']} {number}"}


def _result(name: str) -> dict[str, Any]:
    return json.loads((RESULTS / f"{name}.json").read_text("utf-8"))


# -- pages -----------------------------------------------------------------------------------------


def tables(result: dict[str, Any]) -> None:
    """What was measured, between the comments of the three pages."""
    rows, times = result["rows"], result["times"]
    source = f"(`results/data_tools.json`: `{result['command']}`; {result['machine']['processor']}, one core)"
    for tool, names in {
        "compose": ("compose", "compose, 1 to 8 constraints", "compose, 8 constraints"),
        "relabel": ("relabel, retarget", "relabel, drop"),
        "show": ("show",),
    }.items():
        unit = "responses" if tool == "relabel" else "rows"
        lines = ["| | seconds of one core | memory, MiB |", "|---|---|---|"]
        memory = result["memory"][tool]
        for name in names:
            mib = f"{memory[str(rows)]['mib']:.0f}" if name == names[0] else ""
            what = ", ".join([f"{rows:,} {unit}", *name.split(", ")[1:]])
            lines.append(f"| {what} | {times[name]['seconds']:.1f} | {mib} |")
        for count, found in memory.items():
            size = f" ({found['bytes'] / 2**20:,.0f} MiB)" if "bytes" in found else ""
            if int(count) != rows:
                lines.append(f"| {int(count):,} {unit}{size} | {found['seconds']:.1f} | {found['mib']:.0f} |")
        write_between(ROOT / "docs" / f"{tool}.md", "data_tools", "\n".join([*lines, "", source]))


def example(result: dict[str, Any]) -> str:
    """What the example's run gave, as sentences and a table."""
    made, prompts, settings = result["relabeled"], result["prompts"], result["settings"]
    before, after, pairs = result["before"], result["after"], result["instructions"]
    rejected = ", ".join(f"{count:,} {reason}" for reason, count in made["rejected"].items())
    read = prompts["train"] + prompts["test"] + sum(prompts["skipped"].values())
    numbers = " or ".join(map(str, settings["numbers"]))
    lines = [
        f"Of {read:,} public task prompts, {prompts['train']:,} were used for training and {prompts['test']:,} for the "
        f"evaluation. `{settings['model']}` answered {made['responses']:,} composed instructions of {numbers} "
        f"constraints in at most {settings['tokens']} tokens. {made['met their instruction']:,} responses met their "
        f"instruction and {made['met a rewritten one']:,} a rewritten one; that gave {made['rows']:,} rows for SFT. "
        f"The others: {rejected}. On {before['instructions met']['total']:,} held-out instructions, greedy responses, "
        f"before and after {settings['updates']} updates of {settings['batch']} rows:",
        "",
        "| | before | after |",
        "|---|---|---|",
        *(
            f"| {name} | {_share(before[name])} | {_share(after[name])} |"
            for name in ("instructions met", "constraints met")
        ),
        *(
            f"| {said} | {before[name]:.{digits}f} | {after[name]:.{digits}f} |"
            for name, said, digits in (
                ("perplexity of the fixed text", "perplexity of a fixed English text", 2),
                ("ended", "responses that end by themselves, share", 2),
                ("words", "words of a response", 1),
                ("distinct_2", "different pairs of words, share", 2),
            )
        ),
        "",
        f"{pairs['met after alone']:,} instructions were met after training alone, {pairs['met before alone']:,} "
        f"before it alone, {pairs['met before and after']:,} both times. One run with one seed, so small differences "
        f"say nothing. {result['note']}".rstrip(),
        "",
        f"(`results/hindsight_sft.json`: `{result['command']}`; {result['machine']['processor']}, "
        f"{sum(result['seconds'].values()) / 60:,.0f} minutes)",
    ]
    return "\n".join(lines)


def _share(found: dict[str, Any]) -> str:
    low, high = found["ci95"]
    return f"{found['correct']} of {found['total']}, {found['accuracy']:.1%} ({low:.1%} to {high:.1%})"


if __name__ == "__main__":
    main()
