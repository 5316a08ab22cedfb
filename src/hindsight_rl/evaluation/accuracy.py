"""Accuracies with 95 % intervals from verdicts: by prompt, by instruction, by family of constraints."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from hindsight_rl.intervals import wilson
from hindsight_rl.replay.instruction import Instruction, Verdict

# Constraint types of IFBench's test set that HIR-16K also trains on.
SEEN_BY_HIR = frozenset(
    [f"count:{name}" for name in ("pronouns", "numbers", "unique_word_count", "word_count_range")]
    + ["count:conjunctions", "count:keywords_multiple", "sentence:keyword"]
    + [f"format:{name}" for name in ("emoji", "line_indent", "output_template", "title_case")]
    + ["format:sub-bullets", "format:quotes"]
    + [f"ratio:{name}" for name in ("stop_words", "sentence_balance", "sentence_type")]
    + [f"words:{name}" for name in ("last_first", "no_consecutive", "prime_lengths", "consonants", "start_verb")]
)

Groups = Mapping[tuple[int, int], int]
"""Number of groups of trials by (correct, total)."""


def clustered(groups: Groups) -> tuple[float, float]:
    """95 % interval of a share whose trials are in groups (the constraints of a prompt), so they are not independent.

    Wilson's interval on the number of independent trials that would have the same standard error.
    """
    count = sum(number for (_, size), number in groups.items() if size)
    correct, total = _sums(groups)
    if count < 2 or correct in (0, total):
        return wilson(correct, total)
    share = correct / total
    square = sum(number * (held - share * size) ** 2 for (held, size), number in groups.items())
    error = math.sqrt(square * count / (count - 1)) / total
    effective = min(total, share * (1 - share) / error**2) if error else total
    return wilson(share * effective, effective)


def _sums(groups: Groups) -> tuple[int, int]:
    """The number of correct trials and of all trials."""
    correct = sum(held * number for (held, _), number in groups.items())
    return correct, sum(size * number for (_, size), number in groups.items())


def _share(correct: int, total: int, interval: tuple[float, float]) -> dict[str, Any]:
    return {
        "accuracy": correct / total if total else None,
        "correct": correct,
        "total": total,
        "ci95": list(interval),
    }


def _both_levels(verdicts: Iterable[Verdict]) -> dict[str, Any]:
    groups = Counter((sum(verdict), len(verdict)) for verdict in verdicts)
    prompts = groups.total() - groups[0, 0]  # a prompt without constraints does not count
    whole = sum(number for (held, size), number in groups.items() if size and held == size)
    return {"prompt": _share(whole, prompts, wilson(whole, prompts)), "instruction": _grouped(groups)}


def _grouped(groups: Groups) -> dict[str, Any]:
    return _share(*_sums(groups), clustered(groups))


def _by(instructions: Sequence[Instruction], verdicts: Sequence[Verdict], name: Callable[[str], str]) -> dict[str, Any]:
    groups: dict[str, Counter[tuple[int, int]]] = defaultdict(Counter)
    names: dict[str, str] = {}
    for instruction, verdict in zip(instructions, verdicts, strict=True):
        parts: dict[str, list[int]] = {}
        for constraint, holds in zip(instruction.constraints, verdict, strict=True):
            id = constraint.id
            part = names.get(id)
            if part is None:
                part = names[id] = name(id)
            sums = parts.setdefault(part, [0, 0])
            sums[0] += holds
            sums[1] += 1
        for part, (held, size) in parts.items():
            groups[part][held, size] += 1
    return {part: _grouped(found) for part, found in sorted(groups.items())}


def accuracy(instructions: Sequence[Instruction], verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """Prompt and instruction level, by family (the id up to its last ":") and by id."""
    return {
        **_both_levels(verdicts),
        "families": _by(instructions, verdicts, lambda id: id.rpartition(":")[0]),
        "ids": _by(instructions, verdicts, str),
    }


def by_seen(instructions: Sequence[Instruction], verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """IFBench split by whether HIR-16K trains on the constraint's type.

    Prompt level: a prompt with any such constraint is "seen". Instruction level: each constraint by its own id.
    """

    def part(want: bool) -> dict[str, Any]:
        prompts: list[Verdict] = []
        singles: list[Verdict] = []
        for instruction, verdict in zip(instructions, verdicts, strict=True):
            seen = [each.id in SEEN_BY_HIR for each in instruction.constraints]
            if any(seen) is want:
                prompts.append(verdict)
            singles.append([holds for holds, known in zip(verdict, seen, strict=True) if known is want])
        return {"prompt": _both_levels(prompts)["prompt"], "instruction": _both_levels(singles)["instruction"]}

    return {"seen": part(True), "unseen": part(False)}
