"""Rows of hindsight data in the formats of TRL and other trainers.

Each carries ``key``, ``source`` ("success", "hindsight" or "failure"), ``ground_truth`` with the constraints that its
prompt asks for, and ``extra_info`` with task and texts; both are JSON texts, because the kwargs of different
constraints have no common columns. With these columns, `hindsight show`, `relabel` and ``read_dataset`` can read the
rows.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from hindsight_rl.replay.instruction import Instruction
from hindsight_rl.replay.layouts import layout_to_json

Row = dict[str, Any]
_FROM = {"user": "human", "assistant": "gpt"}


def said(text: str) -> list[dict[str, str]]:
    """A response as the assistant's message."""
    return [{"role": "assistant", "content": text}]


def messages(asked: Instruction, text: str) -> Row:
    """The chat as one list."""
    return {"messages": [*asked.messages, *said(text)]}


def prompt_completion(asked: Instruction, text: str) -> Row:
    """The chat in two parts."""
    return {"prompt": asked.messages, "completion": said(text)}


def sharegpt(asked: Instruction, text: str) -> Row:
    """The chat in ShareGPT's format."""
    chat = [*asked.messages, *said(text)]
    return {"conversations": [{"from": _FROM.get(one["role"], one["role"]), "value": one["content"]} for one in chat]}


def labelled(asked: Instruction, text: str, label: bool) -> Row:
    """A row of KTO: a response that is good or bad."""
    return {**prompt_completion(asked, text), "label": label}


def pair(asked: Instruction, chosen: str, rejected: str) -> Row:
    """A row of DPO: two responses to one prompt, one that meets it and one that does not."""
    return {"prompt": asked.messages, "chosen": said(chosen), "rejected": said(rejected)}


def line(row: Mapping[str, Any], asked: Instruction, source: str) -> bytes:
    """The row with its constraints, as a line of JSON."""
    truth = {
        "instruction_id_list": [each.id for each in asked.constraints],
        "kwargs": [each.kwargs for each in asked.constraints],
    }
    made: Row = {**row, "key": "" if asked.key is None else str(asked.key), "source": source}
    made["ground_truth"] = json.dumps(truth, ensure_ascii=False)
    kept = {}
    if not asked.inline:
        kept = {"task": asked.task, "texts": asked.texts, "layout": layout_to_json(asked.layout)}
    if asked.soft:
        kept["soft"] = asked.soft
    made["extra_info"] = json.dumps(kept, ensure_ascii=False)
    return json.dumps(made, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
