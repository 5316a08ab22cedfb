"""The answers of annotators: JSONL files that the page exports."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hindsight_rl.agent.evaluation.rating.study import PAGE, VERDICTS, Study
from hindsight_rl.errors import HindsightError

Answers = dict[str, dict[str, str]]
"""Of each annotator: item -> verdict."""


def read_answers(files: Sequence[Path], study: Study, folder: Path) -> Answers:
    """The answers in some files, in the order of the page.

    Args:
        files: exports of the page. One annotator may have several files, and one file several annotators.
        study: the page's key.
        folder: where it lies, for messages.

    Raises:
        HindsightError: a file cannot be read or holds no answer; a line is no answer to this page; an annotator has two
            verdicts on one item. The message names the file, the line, the key and what to do.
    """
    found: dict[str, dict[str, tuple[str, str]]] = {}
    for file in files:
        for number, row in _rows(file):
            where = f"{file}, line {number}"
            annotator, item, verdict = _checked(row, where, study, folder)
            before = found.setdefault(annotator, {}).setdefault(item, (verdict, where))
            if before[0] != verdict:
                raise HindsightError(
                    f"{where}, key 'verdict': {annotator} says '{verdict}' about item {item}, but '{before[0]}' in "
                    f"{before[1]}: leave out the older file, or, if these are two people, give one of them another "
                    "name in key 'annotator'"
                )
    order = [item.item for item in study.items]
    return {name: {item: rows[item][0] for item in order if item in rows} for name, rows in found.items()}


def _rows(file: Path) -> list[tuple[int, Any]]:
    try:
        lines = file.read_text("utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text in UTF-8"
        raise HindsightError(f"cannot read {file}: {reason}; give files that the page exported") from error
    rows = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            rows.append((number, json.loads(line)))
        except ValueError as error:
            raise HindsightError(f"{file}, line {number}: not JSON ({error}); export the answers again") from error
    if not rows:
        raise HindsightError(f"{file} holds no answers: give a file that the page exported")
    return rows


def _checked(row: Any, where: str, study: Study, folder: Path) -> tuple[str, str, str]:
    """Annotator, item and verdict of a line."""
    if not isinstance(row, dict):
        raise HindsightError(f"{where}: not a JSON object; give a file that the page exported")
    for key in ("study", "annotator", "item", "verdict"):
        if not isinstance(row.get(key), str) or not row[key].strip():
            said = "is missing" if key not in row else f"is {json.dumps(row[key])}, but must be a text"
            raise HindsightError(f"{where}, key '{key}': it {said}; give a file that the page exported")
    if row["study"] != study.study:
        raise HindsightError(
            f"{where}, key 'study': '{row['study']}' is another page; {folder / PAGE} is '{study.study}': give answers "
            "to this page, or name the folder of the other one with --out"
        )
    if row["item"] not in study.by_id:
        raise HindsightError(
            f"{where}, key 'item': '{row['item']}' is no item of {folder / PAGE}; export the answers again"
        )
    if row["verdict"] not in VERDICTS:
        raise HindsightError(
            f"{where}, key 'verdict': '{row['verdict']}' is unknown: one of {', '.join(reversed(VERDICTS))}"
        )
    return " ".join(row["annotator"].split()), row["item"], row["verdict"]
