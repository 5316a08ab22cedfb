"""Processor time and memory of `hindsight compose`, `relabel` and `show`; writes a result file and the pages' tables.

    python benchmarks/data_tools.py --out results/data_tools.json --docs
    python benchmarks/data_tools.py --docs    # the tables alone, from the result files

Each command runs in a process of its own, in one thread. Its processor's time is taken, start and imports included, so
that other work on the machine does not count; memory is the process's largest resident set. Responses are made of the
composed rows' witnesses: half of the row's own, another row's, and several in a row of about 300 words.
"""

from __future__ import annotations

import json
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
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
import json, os, resource, sys, time
sys.stdout = open(os.devnull, "w")
from hindsight_rl.cli import main
code = main(sys.argv[1:])
used = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps({"code": code, "seconds": used.ru_utime + used.ru_stime, "mib": used.ru_maxrss / 1024}),
      file=sys.__stdout__)
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
            result = measured(settings, Path(folder))
        settings.out.write_text(json.dumps(result, indent=1) + "\n", "utf-8")
        print(json.dumps(result, indent=1))
    if settings.docs:
        tables(_result("data_tools"))
        write_between(ROOT / "docs" / "relabel.md", "hindsight_sft", example(_result("hindsight_sft")))


def measured(settings: Settings, folder: Path) -> dict[str, Any]:
    """Everything; files are made in a folder that is there for this."""
    rows = folder / "rows"
    compose = ["compose", "--rows", str(settings.rows), "--test-rows", "0", "--overwrite"]
    times = {
        "compose": timed([*compose, "--out", str(rows)], settings.rounds),
        "compose, 1 to 8 constraints": timed([*compose, "--numbers", *NUMBERS, "--out", f"{folder}/to_eight"], 1),
        "compose, 8 constraints": timed([*compose, "--numbers", "8", "--out", f"{folder}/eight"], 1),
    }
    responses = folder / "responses.jsonl"
    responses.write_text("".join(map(_line, _responses(rows))), "utf-8")
    for rewriter in ("retarget", "drop"):
        command = ["relabel", str(responses), "--rewriter", rewriter, "--overwrite", "--out", f"{folder}/out.jsonl"]
        times[f"relabel, {rewriter}"] = timed(command, settings.rounds)
    times["show"] = timed(["show", str(rows / "train.jsonl"), "--out", f"{folder}/page.html"], settings.rounds)
    memory: dict[str, Any] = {}
    if settings.many:
        for name, make, command in (
            ("show", _many_rows, ["show"]),
            ("relabel", _many_responses, ["relabel", "--out", f"{folder}/many_out.jsonl", "--overwrite"]),
        ):
            file, found = folder / f"many_{name}.jsonl", {}
            for count in (settings.many // 100, settings.many // 10, settings.many):
                if name == "relabel" and count == settings.many:
                    continue  # a tenth of the rows says how it grows
                with file.open("w", encoding="utf-8") as out:
                    out.writelines(map(_line, islice(make(rows), count)))
                found[str(count)] = {"bytes": file.stat().st_size, **run([command[0], str(file), *command[1:]])}
            memory[name] = found
    return {
        "command": shlex.join(["python", "benchmarks/data_tools.py", *sys.argv[1:]]),
        "machine": machine(),
        "what": "seconds of the processor, one thread; largest resident set in MiB",
        "rows": settings.rows,
        "rounds": settings.rounds,
        "times": times,
        "memory": memory,
    }


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
    found = [run(arguments) for _ in range(rounds)]
    seconds = [each["seconds"] for each in found]
    return {"seconds": statistics.median(seconds), "all": seconds, "mib": max(each["mib"] for each in found)}


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
    pages = {
        "compose.md": ("compose", "compose, 1 to 8 constraints", "compose, 8 constraints"),
        "relabel.md": ("relabel, retarget", "relabel, drop"),
        "show.md": ("show",),
    }
    for page, names in pages.items():
        lines = ["| | seconds of one core | memory, MiB |", "|---|---|---|"]
        for name in names:
            what = f"{rows:,} responses" if page == "relabel.md" else f"{rows:,} rows"
            more = name.partition(", ")[2]
            lines.append(
                f"| {what}{', ' * bool(more)}{more} | {times[name]['seconds']:.1f} | {times[name]['mib']:.0f} |"
            )
        for count, found in result["memory"].get(page.removesuffix(".md"), {}).items():
            if int(count) > rows:
                what = "responses" if page == "relabel.md" else "rows"
                size = f"{found['bytes'] / 2**20:,.0f} MiB"
                lines.append(f"| {int(count):,} {what} ({size}) | {found['seconds']:.0f} | {found['mib']:.0f} |")
        write_between(ROOT / "docs" / page, "data_tools", "\n".join([*lines, "", source]))


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
        f"before and after {settings['epochs']:g} epochs:",
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
