"""How many verdicts on published responses change where checkers follow their wording (``version="corrected"``).

    NLTK_DATA=DATA/nltk_data python benchmarks/corrected.py --data DATA --out results/corrected.json \
        --docs docs/corrected.md

DATA holds a folder for each benchmark, ``ifeval/`` and ``ifbench/``, with ``prompts.jsonl`` and one or more
``responses_*.jsonl`` (``prompt`` and ``response`` a line), as sastpg/HIR publishes them. Every verdict is made by the
current and by the corrected checkers, strict. ``--docs`` also writes the tables of the page, from the result and from
the corrections' own table in the code; ``--result FILE`` in place of ``--data`` writes them from an earlier result.
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro
from grounding import write_between

from hindsight_rl.constraints.core import constraint
from hindsight_rl.constraints.corrected import CORRECTIONS
from hindsight_rl.constraints.text.sentences import splitter_version
from hindsight_rl.constraints.verdicts import verdicts
from hindsight_rl.data.files import file_rows
from hindsight_rl.errors import HindsightError

BENCHMARKS = ("ifeval", "ifbench")


@dataclass(frozen=True)
class CorrectedConfig:
    """What is compared, and where the results go."""

    data: str | None = None
    """The folder with ifeval/ and ifbench/."""
    result: str | None = None
    """An earlier result file, in place of a comparison."""
    out: str | None = None
    """The result file to write."""
    docs: str | None = None
    """The page whose tables are written."""


def compare(folder: Path) -> dict[str, Any]:
    """The verdicts of both versions on one benchmark's responses, counted."""
    prompts = [found.read() for found in file_rows(folder / "prompts.jsonl")]
    counts: dict[str, dict[str, int]] = defaultdict(lambda: {"verdicts": 0, "lost": 0, "won": 0})
    met = {"current": 0, "corrected": 0}
    instructions = {"current": 0, "corrected": 0}
    responses = 0
    for file in sorted(folder.glob("responses_*.jsonl")):
        answers = {row["prompt"]: row["response"] for row in (found.read() for found in file_rows(file))}
        for row in prompts:
            if row["prompt"] not in answers:
                raise HindsightError(f"{file}: no response to the prompt with key {row['key']}")
            responses += 1
            pairs = list(zip(row["instruction_id_list"], row["kwargs"], strict=True))
            both = {}
            for version in met:
                asked = [constraint(id, kwargs, version=version) for id, kwargs in pairs]
                both[version] = verdicts(asked, answers[row["prompt"]], row["prompt"])
                met[version] += all(both[version])
                instructions[version] += sum(both[version])
            for (id, _), before, after in zip(pairs, both["current"], both["corrected"], strict=True):
                counts[id]["verdicts"] += 1
                counts[id]["lost"] += before and not after
                counts[id]["won"] += after and not before
    if not responses:
        raise HindsightError(f"{folder} holds no responses_*.jsonl")
    return {
        "responses": responses,
        "verdicts": sum(each["verdicts"] for each in counts.values()),
        "changed": sum(each["lost"] + each["won"] for each in counts.values()),
        "all_met": met,
        "met": instructions,
        "ids": dict(sorted(counts.items())),
    }


def measure(data: Path) -> dict[str, Any]:
    """The comparison on each benchmark."""
    return {
        "what": "strict verdicts of the current and of the corrected checkers on published responses; lost: holds by "
        "the current one only, won: by the corrected one only",
        "command": "python benchmarks/corrected.py --data DATA --out results/corrected.json --docs docs/corrected.md",
        "sentences": splitter_version(),
        "responses": {
            name: [file.stem.removeprefix("responses_") for file in sorted((data / name).glob("responses_*.jsonl"))]
            for name in BENCHMARKS
        },
        "benchmarks": {name: compare(data / name) for name in BENCHMARKS},
    }


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %"


def scores(result: dict[str, Any]) -> str:
    """The table of scores under both versions."""
    lines = [
        "| | responses | verdicts changed | all constraints met, current | corrected | constraints met, current "
        "| corrected |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, found in result["benchmarks"].items():
        cells = [
            str(found["responses"]),
            f"{found['changed']} of {found['verdicts']} ({_share(found['changed'], found['verdicts'])})",
            *(_share(found["all_met"][version], found["responses"]) for version in ("current", "corrected")),
            *(_share(found["met"][version], found["verdicts"]) for version in ("current", "corrected")),
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(text: str) -> str:
    """Text as code in a table's cell."""
    shown = text if len(text) <= 60 else text[:57] + "..."
    shown = shown.replace("\n", "\u21b5").replace("|", "&#124;")
    fence = "``" if "`" in shown else "`"
    return f"{fence}{shown}{fence}"


def corrections(result: dict[str, Any]) -> str:
    """The table of all corrections, each with the verdicts that it changes on the published responses."""
    counts: dict[str, dict[str, int]] = {}
    for found in result["benchmarks"].values():
        for id, each in found["ids"].items():
            before = counts.get(id, dict.fromkeys(each, 0))
            counts[id] = {name: before[name] + count for name, count in each.items()}
    lines = ["| id | the wording says | corrected | a response | now | changed |", "|---|---|---|---|---|---|"]
    for id, row in sorted(CORRECTIONS.items()):
        each = counts.get(id)
        changed = "\u2013"
        if each:
            changed = f"{each['lost'] + each['won']} of {each['verdicts']}"
        kwargs = f" with {_cell(json.dumps(dict(row.kwargs), ensure_ascii=False))}" if row.kwargs else ""
        now = "holds" if row.holds else "fails"
        lines.append(
            f"| `{id}` | {_cell(row.says)} | {row.change.replace('|', '&#124;').replace('*', chr(92) + '*')} "
            f"| {_cell(row.response)}{kwargs} | {now} | {changed} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Compare, or read an earlier comparison; print the scores; write what is asked for."""
    config = tyro.cli(CorrectedConfig, description=__doc__)
    if (config.data is None) == (config.result is None):
        raise HindsightError("give one of --data and --result")
    if config.data is not None:
        if not os.environ.get("NLTK_DATA"):
            os.environ["NLTK_DATA"] = str(Path(config.data) / "nltk_data")
        result = measure(Path(config.data))
    else:
        result = json.loads(Path(str(config.result)).read_text("utf-8"))
    print(scores(result))
    if config.out:
        Path(config.out).write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", "utf-8")
    if config.docs:
        write_between(Path(config.docs), "corrected_scores", f"\n{scores(result)}\n")
        write_between(Path(config.docs), "corrections", f"\n{corrections(result)}\n")


if __name__ == "__main__":
    main()
