"""Verdicts on a response, one per constraint and in their order: strict or loose, in one process or many."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any, Literal

from hindsight_rl.constraints.core import CURRENT, Checker, constraint
from hindsight_rl.constraints.text.response import Text, as_text
from hindsight_rl.errors import HindsightError
from hindsight_rl.replay.instruction import Verdict
from hindsight_rl.replay.verification import answer_of

Mode = Literal["strict", "loose"]
MODES: tuple[Mode, ...] = ("strict", "loose")


def verdicts(
    constraints: Sequence[Checker],
    response: str | Text,
    prompt: str | None = None,
    mode: Mode = "strict",
) -> Verdict:
    """One boolean per constraint, in their order.

    The answer is judged (:func:`hindsight_rl.replay.verification.answer_of`). strict: as it is. loose: as it is, or
    without its first line, its last line, both, or any of these without asterisks (IFEval's definition). A blank
    answer satisfies nothing. prompt: for the few constraints that read it.
    """
    text = _answer(response)
    if mode not in MODES:
        raise HindsightError(f"unknown mode {mode!r}; one of: {', '.join(MODES)}")
    if mode == "strict" or text.blank:
        return [not text.blank and each.check(text, prompt) for each in constraints]
    return [any(each.check(variant, prompt) for variant in text.loose) for each in constraints]


def both(constraints: Sequence[Checker], response: str | Text, prompt: str | None = None) -> tuple[Verdict, Verdict]:
    """Strict and loose verdicts; what holds strictly is not checked again."""
    text = _answer(response)
    if text.blank:
        return [False] * len(constraints), [False] * len(constraints)
    strict = [each.check(text, prompt) for each in constraints]
    if all(strict):
        return strict, list(strict)
    loose = [
        held or any(each.check(variant, prompt) for variant in text.variants)
        for each, held in zip(constraints, strict, strict=True)
    ]
    return strict, loose


def _answer(response: str | Text) -> Text:
    text = as_text(response)
    answer = answer_of(text.raw)
    return text if answer == text.raw else Text(answer)


Job = tuple[Sequence[tuple[str, dict[str, Any]]], str, str | None]


def batch(
    jobs: Iterable[Job],
    mode: Mode = "strict",
    processes: int | None = None,
    version: str = CURRENT,
) -> list[Verdict]:
    """Verdicts for many responses.

    jobs: ([(id, kwargs), ...], response, prompt) each. processes: 0 or 1 checks in this process; ``None``
    takes one per core, for batches large enough to pay for them. The order is that of the jobs.
    """
    work = list(jobs)
    cores = os.cpu_count() or 1
    if processes is None:
        processes = cores if len(work) >= 2000 else 1
    if processes <= 1:
        return [_verdicts_of(job, mode, version) for job in work]
    # "spawn": a trainer's process holds threads and devices that a fork would copy in a broken state.
    context = multiprocessing.get_context("spawn")
    size = max(1, min(256, len(work) // (4 * processes) or 1))
    chunks = [work[at : at + size] for at in range(0, len(work), size)]
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        done = pool.map(_verdicts_of_chunk, chunks, [mode] * len(chunks), [version] * len(chunks))
        return [verdict for chunk in done for verdict in chunk]


def _verdicts_of(job: Job, mode: Mode, version: str) -> Verdict:
    constraints, response, prompt = job
    return verdicts([constraint(id, kwargs, version=version) for id, kwargs in constraints], response, prompt, mode)


def _verdicts_of_chunk(jobs: list[Job], mode: Mode, version: str) -> list[Verdict]:
    return [_verdicts_of(job, mode, version) for job in jobs]
