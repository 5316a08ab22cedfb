"""Accuracies with 95 % intervals from verdicts: by prompt, by instruction, by family of constraints."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

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
_Z = 1.959963984540054


def wilson(correct: int, total: int) -> tuple[float, float]:
    """95 % interval of a share of independent trials."""
    if not total:
        return 0.0, 1.0
    return _wilson(correct / total, total)


def clustered(groups: Sequence[Sequence[bool]]) -> tuple[float, float]:
    """95 % interval of a share whose trials come in groups (a prompt's constraints), which are not independent.

    Wilson's interval on the number of independent trials that would have the same standard error.
    """
    kept = [group for group in groups if group]
    total = sum(map(len, kept))
    correct = sum(map(sum, kept))
    if len(kept) < 2 or correct in (0, total):
        return wilson(correct, total)
    share = correct / total
    square = sum((sum(group) - share * len(group)) ** 2 for group in kept)
    error = math.sqrt(square * len(kept) / (len(kept) - 1)) / total
    effective = min(total, share * (1 - share) / error**2) if error else total
    return _wilson(share, effective)


def _wilson(share: float, total: float) -> tuple[float, float]:
    shrink = 1 + _Z * _Z / total
    middle = (share + _Z * _Z / (2 * total)) / shrink
    half = _Z * math.sqrt(share * (1 - share) / total + _Z * _Z / (4 * total * total)) / shrink
    return max(0.0, middle - half), min(1.0, middle + half)


def _share(correct: int, total: int, interval: tuple[float, float]) -> dict[str, Any]:
    return {
        "accuracy": correct / total if total else None,
        "correct": correct,
        "total": total,
        "ci95": list(interval),
    }


def _both_levels(groups: Sequence[Verdict]) -> dict[str, Any]:
    whole = [all(group) for group in groups if group]  # a prompt without anything to check says nothing
    return {
        "prompt": _share(sum(whole), len(whole), wilson(sum(whole), len(whole))),
        "instruction": _share(sum(map(sum, groups)), sum(map(len, groups)), clustered(groups)),
    }


def _by(instructions: Sequence[Instruction], verdicts: Sequence[Verdict], name: Callable[[str], str]) -> dict[str, Any]:
    groups: dict[str, list[list[bool]]] = defaultdict(list)
    for instruction, verdict in zip(instructions, verdicts, strict=True):
        parts: dict[str, list[bool]] = defaultdict(list)
        for constraint, holds in zip(instruction.constraints, verdict, strict=True):
            parts[name(constraint.id)].append(holds)
        for part, holds_list in parts.items():
            groups[part].append(holds_list)
    return {
        part: _share(sum(map(sum, found)), sum(map(len, found)), clustered(found))
        for part, found in sorted(groups.items())
    }


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
