"""Accuracies with 95 % intervals from verdicts: by prompt, by instruction, by family of constraints."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
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


def _by(names: Sequence[Sequence[str]], verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """Shares by name; names: of each prompt's constraints, aligned with its verdict."""
    groups: dict[str, Counter[tuple[int, int]]] = defaultdict(Counter)
    alone: list[str] = []  # names that stand once in their prompt: nearly all, and counted together
    held_alone: list[bool] = []
    for own, verdict in zip(names, verdicts, strict=True):
        if len(set(own)) == len(own):
            alone += own
            held_alone += verdict
            continue
        for name in set(own):
            held = [holds for other, holds in zip(own, verdict, strict=True) if other == name]
            groups[name][sum(held), len(held)] += 1
    for (name, holds), count in Counter(zip(alone, held_alone, strict=True)).items():
        groups[name][int(holds), 1] += count
    return {name: _grouped(found) for name, found in sorted(groups.items())}


def accuracy(instructions: Sequence[Instruction], verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """Prompt and instruction level, by family (the id up to its last ":") and by id."""
    ids = [[constraint.id for constraint in each.constraints] for each in instructions]
    family = {id: id.rpartition(":")[0] for own in ids for id in own}
    families = [[family[id] for id in own] for own in ids]
    return {**_both_levels(verdicts), "families": _by(families, verdicts), "ids": _by(ids, verdicts)}


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
