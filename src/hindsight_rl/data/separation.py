"""Separates a prompt into its task and its constraints, which it must contain word for word before or after the task.

task, texts, layout = separated(prompt, [constraint.describe() for constraint in constraints])
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from hindsight_rl.constraints.text.plurals import as_published
from hindsight_rl.replay.layouts import FoundLayout, render

# The last sentence of a task, if it only introduces the constraints: it ends in a colon or mentions them.
_NAMED = r"(?:rules|constraints|requirements|instructions|guidelines|conditions|restrictions)"
_LEAD_IN = re.compile(
    rf"(?:(?<=\n)|(?<=[.!?]\s)|^)(?:[^\n.!?]*:|[^\n.!?]*\b{_NAMED}\b[^\n.!?]*[.:])\s*$", re.IGNORECASE
)
# The number or bullet of the first constraint in a list.
_MARKER = re.compile(r"(?:\(?\d{1,3}[.)]|[-*+\u2022\u2013\u2014])\s*$")
_ITEM = re.compile(r"(\d{1,3})[.)]\s*$")
# What may separate two constraints in a prompt: white space, list numbers, bullets, or "and".
_BETWEEN = re.compile(r"(?:[\s.,;*+\u2022\u2013\u2014-]|\(?\b\d{1,3}[.)]|\band\b)*", re.IGNORECASE)


def separated(prompt: str, texts: Sequence[str]) -> tuple[str, tuple[str, ...], str | FoundLayout]:
    """(task, texts, layout) of a prompt that ends or begins with its constraints, word for word; else inline.

    The texts are in the prompt's own words, and the layout restores the prompt byte for byte. Inline means
    that the task is the whole prompt (:attr:`Instruction.inline`).
    """
    inline = (prompt, tuple(texts), "plain")
    spans: list[tuple[int, int]] = []
    for text in texts:
        span = next((there for way in _ways(text) if (there := _span(prompt, way, spans))), None)
        if span is None:
            return inline
        spans.append(span)
    order = sorted(range(len(spans)), key=spans.__getitem__)
    ordered = [spans[index] for index in order]
    gaps = [prompt[end:start] for (_, end), (start, _) in pairwise(ordered)]
    if not spans or not all(_BETWEEN.fullmatch(gap) for gap in gaps):
        return inline
    head, tail = prompt[: ordered[0][0]], prompt[ordered[-1][1] :]
    if _BETWEEN.fullmatch(tail) and not _BETWEEN.fullmatch(head):
        task = _MARKER.sub("", head).rstrip()
        lead = _LEAD_IN.search(task)
        task = task[: lead.start()].rstrip() if lead and lead.start() else task
        task_first, opening, closing = True, head[len(task) :], tail
    elif _BETWEEN.fullmatch(head) or _LEAD_IN.fullmatch(_MARKER.sub("", head).strip()):
        task = tail.lstrip(" .\n")
        task_first, opening, closing = False, head, tail[: len(tail) - len(task)]
    else:
        return inline
    if not task:
        return inline
    found = [prompt[start:end] for start, end in spans]
    stopped = tuple(found[index].endswith(".") for index in order)
    listed = "\n" in "".join(gaps) or (not gaps and _MARKER.search(opening))
    layout = FoundLayout(
        before=(opening, *gaps),
        after=closing,
        order=tuple(order),
        stopped=stopped,
        ending=None if listed else stopped[-1],
        task_first=task_first,
        numbered=_counted((opening, *gaps)),
    )
    if render(layout, task, found) != prompt:
        return inline
    return task, tuple(found), layout


def _ways(text: str) -> list[str]:
    """How a constraint may be written: as described, and with the plurals of the public data ("1 sentences")."""
    return list(dict.fromkeys(way.strip().rstrip(".") for way in (as_published(text), text)))


def _span(prompt: str, text: str, taken: Sequence[tuple[int, int]]) -> tuple[int, int] | None:
    """The position of the text, with its full stop, outside the parts that are taken."""
    start = prompt.find(text) if text else -1
    while start >= 0:
        end = start + len(text)
        end += prompt[end : end + 1] == "." and prompt[end : end + 2] != ".."
        cut = _inside_word(prompt, start) or _inside_word(prompt, end)
        if not cut and not any(start < stop and begin < end for begin, stop in taken):
            return start, end
        start = prompt.find(text, start + 1)
    return None


def _inside_word(text: str, at: int) -> bool:
    around = text[max(at - 1, 0) : at + 1]
    return len(around) == 2 and around.isascii() and around.isalnum()


def _counted(before: Sequence[str]) -> bool:
    """Whether all constraints are numbered consecutively."""
    numbers = [_ITEM.search(each) for each in before]
    values = [int(found[1]) for found in numbers if found]
    return len(values) == len(numbers) and all(after == one + 1 for one, after in pairwise(values))
