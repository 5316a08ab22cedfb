"""The language model that relabels: questions, answers, cost, and how long it was not available."""

from collections.abc import Mapping
from typing import Any

from hindsight_rl.report.runs import Chapter, RunData, number
from hindsight_rl.report.tables import duration, short


def language_model(chapter: Chapter) -> list[dict[str, Any]]:
    """One list of counts per run with a language model."""
    return [_counts(run, said) for run in chapter.runs if (said := _latest(run)) is not None]


def _latest(run: RunData) -> Mapping[str, Any] | None:
    return next((row["llm"] for row in reversed(run.metrics) if isinstance(row.get("llm"), Mapping)), None)


def _counts(run: RunData, said: Mapping[str, Any]) -> dict[str, Any]:
    used = said.get("endpoint") if isinstance(said.get("endpoint"), Mapping) else {}
    assert isinstance(used, Mapping)
    settings = run.config.get("endpoint")
    model = settings.get("model") if isinstance(settings, Mapping) else None
    away = number(said.get("down_seconds")) or 0.0
    unanswered = not number(said.get("answered")) and number(said.get("failed"))
    if unanswered:
        faults = ", ".join(f"{kind} ({_number(count)})" for kind, count in _items(used.get("faults")))
        note = f"No question was answered{f': {faults}' if faults else ''}; all relabels are those of templates"
    elif away:
        note = f"The endpoint failed for {duration(away)}; templates were used in that time"
    elif number(said.get("failed")):
        note = f"Failed questions: {_count(said, 'failed')}"
    else:
        note = "The endpoint did not fail"
    if said.get("budget_spent"):
        note += "; its budget was spent, so no more questions were sent"
    if said.get("standing_in"):
        note += "; templates were in use at the end"
    if said.get("trouble"):
        note += f" (latest error: {said['trouble']})"
    open_ = sum(int(number(said.get(name)) or 0) for name in ("under_way", "waiting"))
    rows = [
        ("trajectories asked about", _count(said, "asked")),
        ("of new sets of events met", _count(said, "new_sets")),
        ("answered", _count(said, "answered")),
        ("answered with nothing", _count(said, "empty")),
        ("malformed twice", _count(said, "malformed")),
        ("failed", _count(said, "failed")),
        ("under way or waiting at the end", _number(open_)),
        ("relabels accepted", _count(said, "accepted")),
        *((f"rejected: {kind}", _number(count)) for kind, count in _items(said.get("rejected"))),
        ("trajectories relabeled by templates", _count(said, "template_trajectories")),
        ("mean age of an answer", f"{short(age)} steps" if (age := number(said.get("age_mean"))) is not None else "–"),
        ("requests sent", _count(used, "requests")),
        ("answers from the cache", _count(used, "cached")),
        ("retries", _count(used, "retries")),
        *((f"faults: {kind}", _number(count)) for kind, count in _items(used.get("faults"))),
        ("tokens in, out", f"{_count(used, 'tokens_in')}, {_count(used, 'tokens_out')}"),
        ("median latency", f"{t:.2f} s" if (t := number(used.get("latency_median"))) is not None else "–"),
        ("cost", f"{number(used.get('cost')) or 0.0:.4f}"),
    ]
    title = f"{run.method}, seed {run.seed}" + (f", {model}" if model else "")
    return {"title": title, "rows": rows, "note": note}


def _items(counts: Any) -> list[tuple[str, Any]]:
    return sorted(counts.items()) if isinstance(counts, Mapping) else []


def _number(value: Any) -> str:
    found = number(value)
    return "–" if found is None else f"{int(found):,}"


def _count(counts: Mapping[str, Any], name: str) -> str:
    return _number(counts.get(name))
