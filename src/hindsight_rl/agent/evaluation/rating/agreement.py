"""What the answers of annotators say: how much they agree, and how often grounding is right."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from hindsight_rl.agent.evaluation.rating.answers import Answers
from hindsight_rl.agent.evaluation.rating.study import VERDICTS, Item, Study
from hindsight_rl.intervals import wilson

RESAMPLES = 2000
"""Bootstrap samples of an interval."""


def alpha(counts: np.ndarray) -> float | None:
    """Krippendorff's alpha for an ordinal scale.

    Source: K. Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011), section D and the ordinal difference.
    (The package `krippendorff` is licensed under the GPL, which a library under Apache-2.0 cannot require.)

    Args:
        counts: int [items, verdicts], how many annotators gave each verdict, from the worst to the best. Items with
            fewer than two answers do not count.

    Returns:
        1 for full agreement, 0 for agreement as by chance. None where it is not defined: fewer than two answers to each
        item, or one verdict only.
    """
    counts = counts[counts.sum(axis=1) >= 2]
    if not len(counts) or np.count_nonzero(counts.sum(axis=0)) < 2:
        return None
    answers = counts.sum(axis=1)
    # How often two answers to one item are the verdicts c and k; each item weighs as much as it has answers.
    pairs = counts[:, :, None] * counts[:, None, :] - np.apply_along_axis(np.diag, 1, counts)
    together = (pairs / (answers - 1)[:, None, None]).sum(axis=0)
    by_verdict = together.sum(axis=1)
    total = by_verdict.sum()
    # The difference of two verdicts: the answers between them, with half of those at both ends.
    middle = np.cumsum(by_verdict) - by_verdict / 2
    difference = (middle[:, None] - middle[None, :]) ** 2
    observed = (together * difference).sum() / total
    by_chance = (np.outer(by_verdict, by_verdict) * difference).sum() / (total * (total - 1))
    return float(1 - observed / by_chance)


def fleiss_kappa(counts: np.ndarray) -> float | None:
    """Fleiss' kappa, for which the order of the verdicts does not matter.

    Source: J. L. Fleiss, "Measuring nominal scale agreement among many raters", Psychological Bulletin 76 (1971),
    pages 378 to 382.

    Args:
        counts: int [items, verdicts], how many annotators gave each verdict; as many for each item, at least two.

    Returns:
        as :func:`alpha`; None where it is not defined: no item, or one verdict only.
    """
    if not len(counts) or np.count_nonzero(counts.sum(axis=0)) < 2:
        return None
    raters = int(counts[0].sum())
    observed = ((counts**2).sum(axis=1) - raters).mean() / (raters * (raters - 1))
    by_chance = float(((counts.sum(axis=0) / counts.sum()) ** 2).sum())
    return float((observed - by_chance) / (1 - by_chance))


def bootstrap(
    figure: Callable[[np.ndarray], float | None], counts: np.ndarray, seed: int = 0, resamples: int = RESAMPLES
) -> tuple[float, float] | None:
    """The 95 % percentile interval of a figure, by drawing the items anew. Draws without a figure do not count; None if
    half of them have none.

    Args:
        counts: int [items, verdicts].
    """
    rng = np.random.default_rng(seed)
    drawn = (figure(counts[rng.integers(0, len(counts), len(counts))]) for _ in range(resamples))
    found = [each for each in drawn if each is not None]
    if 2 * len(found) < resamples:
        return None
    low, high = np.quantile(found, [0.025, 0.975])
    return float(low), float(high)


def agreement(study: Study, answers: Answers) -> dict[str, Any]:
    """All figures, as plain JSON.

    Returns:
        `annotators`: of each, how many items it rated, with which verdicts, and how many of them as `true-events`
        (`as_true_events` of `with_true_events`). `alpha` and `kappa`: value, interval, items, and why there is none.
        `accepted` and `rejected`: the shares of valid relabels (`yes`, and `yes_or_partly`) with intervals; those of
        `rejected` by kind as well.
    """
    counts = _counts(study.items, answers)
    several = counts[counts.sum(axis=1) >= 2]
    by_all = counts[counts.sum(axis=1) == len(answers)] if len(answers) > 1 else counts[:0]
    accepted = [item for item in study.items if item.rejected is None]
    rejected = [item for item in study.items if item.rejected is not None]
    kinds = dict.fromkeys(sorted(item.kind or "" for item in rejected))
    return {
        "study": study.study,
        "items": len(study.items),
        "annotators": {name: _annotator(study, rated) for name, rated in answers.items()},
        "alpha": _figure(alpha, several, "no item was rated by two annotators"),
        "kappa": _figure(fleiss_kappa, by_all, "no item was rated by all of several annotators"),
        "accepted": _valid(accepted, answers),
        "rejected": {
            **_valid(rejected, answers),
            "by_kind": {kind: _valid([item for item in rejected if item.kind == kind], answers) for kind in kinds},
        },
    }


def _counts(items: Sequence[Item], answers: Answers) -> np.ndarray:
    """int [items, verdicts]."""
    counts = np.zeros((len(items), len(VERDICTS)), int)
    for row, item in enumerate(items):
        for rated in answers.values():
            if item.item in rated:
                counts[row, VERDICTS.index(rated[item.item])] += 1
    return counts


def _annotator(study: Study, rated: dict[str, str]) -> dict[str, Any]:
    verdicts = Counter(rated.values())
    known = [(item.true_events, rated[item.item]) for item in study.items if item.true_events and item.item in rated]
    return {
        "rated": len(rated),
        **{verdict: verdicts[verdict] for verdict in reversed(VERDICTS)},
        "as_true_events": sum(true == said for true, said in known),
        "with_true_events": len(known),
    }


def _figure(figure: Callable[[np.ndarray], float | None], counts: np.ndarray, without: str) -> dict[str, Any]:
    value = figure(counts)
    why = None if value is not None else "all verdicts are the same" if len(counts) else without
    interval = bootstrap(figure, counts) if value is not None else None
    return {"value": value, "interval": list(interval) if interval else None, "items": len(counts), "why": why}


def _valid(items: Sequence[Item], answers: Answers) -> dict[str, Any]:
    """The share of valid relabels among those that were rated.

    An item counts once, however many annotators rated it: by the share of them who find it valid. So an interval is
    that of as many independent trials as there are items.
    """
    counts = _counts(items, answers)
    counts = counts[counts.sum(axis=1) > 0]
    shares = counts / counts.sum(axis=1, keepdims=True)
    yes, partly = (shares[:, VERDICTS.index(verdict)].sum() for verdict in ("yes", "partly"))
    return {"items": len(counts), "yes": _share(yes, len(counts)), "yes_or_partly": _share(yes + partly, len(counts))}


def _share(successes: float, trials: int) -> dict[str, Any]:
    value = float(successes) / trials if trials else None
    return {"value": value, "interval": list(wilson(float(successes), trials)) if trials else None}


def lines(study: Study, found: dict[str, Any]) -> list[str]:
    """The figures in words, line by line."""
    names = found["annotators"]
    width = max(len("annotator"), *map(len, names))
    table = [f"{'annotator':{width}}  rated  yes  partly  no  as true events"]
    for name, each in names.items():
        same = f"{each['as_true_events']} of {each['with_true_events']}" if each["with_true_events"] else "-"
        table.append(f"{name:{width}}  {each['rated']:5}  {each['yes']:3}  {each['partly']:6}  {each['no']:2}  {same}")
    kinds = [(f"  by {kind}", each) for kind, each in found["rejected"]["by_kind"].items()]
    groups = [("accepted", found["accepted"]), ("rejected", found["rejected"]), *(kinds if len(kinds) > 1 else [])]
    left = max(len(name) for name, _ in groups)
    shares = [f"{'':{left}}  items  {'valid: yes':24}  yes or partly"]
    for name, each in groups:
        shares.append(f"{name:{left}}  {each['items']:5}  {_said(each['yes']):24}  {_said(each['yes_or_partly'])}")
    return [
        study.about(),
        "",
        *table,
        "",
        f"Krippendorff's alpha (ordinal): {_said(found['alpha'], True)}",
        f"Fleiss' kappa (nominal): {_said(found['kappa'], True)}",
        "",
        "share of valid relabels, with 95 % intervals (accepted: the precision of grounding)",
        *shares,
    ]


def _said(figure: dict[str, Any], items: bool = False) -> str:
    if figure["value"] is None:
        return f"none, because {figure['why']}" if items else "-"
    interval = figure["interval"]
    said = f"{figure['value']:.2f}" + (f" ({interval[0]:.2f} to {interval[1]:.2f})" if interval else "")
    return f"{said}, {figure['items']} items" if items else said
