"""What an agent's chapter shows: the results of each group of runs in one environment, as figures and tables."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from hindsight_rl.report import curves, rates
from hindsight_rl.report.figures import Chart, Scatter, Spark, Stack
from hindsight_rl.report.runs import Chapter, Group, RunData, number
from hindsight_rl.report.tables import Table, averaged_value, between, duration, spread

KIND_TITLES = {
    "canonical": "plain sentences",
    "paraphrased": "held-out paraphrases",
    "composed": "compositions",
    "others": "other events",
    "held_out": "held-out events",
}
KIND_NOTES = {
    "canonical": "one for each event that is asked for from the start (in a game, its achievements)",
    "paraphrased": "the same in words that training does not use",
    "composed": "two or three of these events in one sentence",
    "others": "sentences for events that are not asked for from the start (in a game, what is no achievement)",
    "held_out": "sentences for events that no instruction in training asks for",
}
STATUSES = ("new", "failing", "learning boundary", "mastered")
STEPS = "environment steps"
SUCCESS = "success rate"


def headline(chapter: Chapter) -> Table:
    """Mean success by kind of instruction."""
    titles = _kinds(chapter.groups)
    table = Table(["method", *titles.values(), "initial events per trial", "evaluated", "steps", "time per seed"])
    for group in chapter.groups:
        achieved = [float(run.evaluation.get("achievements_per_trial") or 0) for run in group.runs if run.evaluation]
        times = [sum(run.seconds.values()) for run in group.runs]
        cells = [
            *(averaged_value(group.means(kind)) for kind in titles),
            f"{np.mean(achieved):.2f}" if achieved else None,
            f"{len(group.evaluated)} of {len(group.runs)}",
            between([float(run.step) for run in group.runs]),
            duration(float(np.mean(times))),
        ]
        table.rows.append((group, cells))
    return table


def kinds(groups: Sequence[Group]) -> list[tuple[str, str]]:
    """The name of each kind of instructions that is shown, and what it is."""
    return [(title, KIND_NOTES[kind]) for kind, title in _kinds(groups).items()]


def _kinds(groups: Sequence[Group]) -> dict[str, str]:
    """The kinds of instructions to show, with their titles: only some environments have held-out events."""
    return {k: title for k, title in KIND_TITLES.items() if k != "held_out" or any(g.means(k) for g in groups)}


def tiles(group: Group) -> list[tuple[str, str, str]]:
    """Mean success by kind of instruction for a single group: number, kind, and what it is a mean of."""
    found = []
    for kind, title in _kinds([group]).items():
        values = group.means(kind)
        if not values:
            found.append(("–", title, "not evaluated yet"))
            continue
        rows = group.evaluated[0].rows(kind)
        counts = f"{len(rows)} instructions × {max(int(row.get('trials') or 0) for row in rows)} trials"
        more = f" × {len(values)} seeds, {spread(values)}" if len(values) > 1 else ""
        found.append((f"{np.mean(values):.3f}", title, counts + more))
    return found


def canonical(chapter: Chapter) -> dict[str, Any]:
    """Success for each canonical instruction; of the latest evaluation during training if there is no final one."""
    groups = chapter.groups
    first = next((run.evaluation for g in groups for run in g.evaluated if run.evaluation), None)
    rows = rates.lines(groups, "canonical", lambda row: row["text"])
    if rows and first is not None:
        seeds = any(len(g.runs) > 1 for g in groups)
        return {"rows": rows, "interim": False, "horizon": first.get("horizon"), "seeds": seeds}
    names = _names(chapter)
    events = dict.fromkeys(e for run in chapter.runs for e in (run.looks[-1][1] if run.looks else ()))
    interim = [rates.Line(names.get(event, event), [_latest(group, event) for group in groups]) for event in events]
    return {"rows": interim, "interim": True}


def _latest(group: Group, event: str) -> rates.Cell | None:
    values = [run.looks[-1][1][event] for run in group.runs if run.looks and event in run.looks[-1][1]]
    return rates.Cell(values) if values else None


def _names(chapter: Chapter) -> dict[str, str]:
    """Canonical text by event name, if evaluations contain it."""
    names = {
        str(row["event"]): row["text"]
        for run in chapter.runs
        for row in run.rows("canonical")
        if row.get("event") is not None
    }
    looked = {event for run in chapter.runs for _, success in run.looks for event in success}
    return {event: event.replace("_", " ") for event in looked} | names


def learning(chapter: Chapter) -> dict[str, Any]:
    """Curves over training, and one small chart per instruction."""
    groups, end = chapter.groups, _end(chapter)
    seen = [curves.averaged(g, curves.events_seen) for g in groups]
    mean = [curves.averaged(g, curves.success_of(None)) for g in groups]
    given = [curves.averaged(g, curves.metric("success_of_given"), smooth=5) for g in groups]
    charts = [
        Chart(
            "mean success, plain sentences", mean, STEPS, SUCCESS, "held-out worlds, evaluations during training", end
        ),
        Chart(
            "given instructions fulfilled", given, STEPS, "share", "in training, by the agent's own reward", end, 1.0
        ),
        Chart("different events seen", seen, STEPS, "events", "of the world's vocabulary", end),
    ]
    names, sparks = _names(chapter), []
    for event in dict.fromkeys(e for run in chapter.runs for _, success in run.looks for e in success):
        lines = [curves.averaged(g, curves.success_of(event)) for g in groups]
        last = f"{lines[0].y[-1]:.2f}" if len(lines) == 1 and len(lines[0].y) else ""
        sparks.append(Spark(names.get(event, event), lines, x_max=end, value=last))
    return {"charts": charts, "sparks": sparks, "seeds": any(len(g.runs) > 1 for g in groups)}


def _end(chapter: Chapter) -> float | None:
    return float(max((run.step for run in chapter.runs), default=0)) or None


def paraphrases(chapter: Chapter) -> dict[str, Any]:
    """Paraphrases against the plain sentences, by event."""
    groups = chapter.groups
    rows = rates.lines(groups, "paraphrased", lambda row: str(row.get("event")))
    if not rows:
        return {"rows": []}
    names = _names(chapter)
    plain = {line.label: line for line in rates.lines(groups, "canonical", lambda row: str(row.get("event")))}
    dots, ratios = [], []
    for i, group in enumerate(groups):
        for row in rows:
            c, p = plain[row.label].cells[i] if row.label in plain else None, row.cells[i]
            if c is not None and p is not None:
                dots.append((f"{names.get(row.label, row.label)}, {group.label}", group.colour, c.mean, p.mean))
        canonical_mean, paraphrased_mean = group.means("canonical"), group.means("paraphrased")
        if canonical_mean and np.mean(canonical_mean) > 0 and paraphrased_mean:
            ratios.append(f"{group.label} {np.mean(paraphrased_mean) / np.mean(canonical_mean):.2f}")
    for row in rows:
        row.title = "; ".join(_texts(chapter, "paraphrased", row.label))
        row.label = names.get(row.label, row.label)
    note = "on the diagonal, wording makes no difference"
    return {
        "rows": rows,
        "ratios": ratios,
        "chart": Scatter("Each instruction", dots, "success, plain sentence", "success, paraphrases", note),
        "every": rates.lines(groups, "paraphrased", lambda row: row["text"]),
    }


def _texts(chapter: Chapter, kind: str, event: str) -> list[str]:
    found = [r["text"] for run in chapter.runs for r in run.rows(kind) if str(r.get("event")) == event]
    return list(dict.fromkeys(found))


def compositions(chapter: Chapter) -> list[rates.Line]:
    """Instructions with two or three goals."""
    return rates.lines(chapter.groups, "composed", lambda row: row["text"])


def by_event(chapter: Chapter, kind: str) -> list[rates.Line]:
    """Instructions of a kind, `others` or `held_out`, by their event."""
    rows = rates.lines(chapter.groups, kind, lambda row: str(row.get("event")))
    for row in rows:
        texts = _texts(chapter, kind, row.label)
        row.title = f"{row.label}: " + "; ".join(texts)
        row.label = texts[0] if texts else row.label
    return rows


def forgetting(chapter: Chapter) -> dict[str, Any]:
    """Best success at any evaluation minus final success."""
    groups, names = chapter.groups, _names(chapter)
    lost: dict[str, list[list[float]]] = {}
    for i, group in enumerate(groups):
        for run in group.evaluated:
            for row in (run.evaluation or {}).get("forgetting") or []:
                values = lost.setdefault(str(row.get("event")), [[] for _ in groups])
                values[i].append(max(0.0, float(row["best"]) - float(row["final"])))
    means = []
    for i, group in enumerate(groups):
        if of_group := [v for cells in lost.values() for v in cells[i]]:
            means.append(f"{group.label} {np.mean(of_group):.3f}")
    rows = [
        rates.Line(names.get(event, event), [rates.Cell(v) if v else None for v in values])
        for event, values in lost.items()
    ]
    rows.sort(key=lambda line: -_most(line))
    much = [line for line in rows if _most(line) >= 0.02]
    return {"evaluated": bool(lost), "rows": much, "little": len(rows) - len(much), "means": means}


def _most(line: rates.Line) -> float:
    return max((cell.mean for cell in line.cells if cell), default=0.0)


def prerequisites(chapter: Chapter) -> Table | None:
    """What the first evaluated run that knows waypoints has found always to come before what."""
    known = [run for group in chapter.groups for run in group.evaluated if (run.evaluation or {}).get("prerequisites")]
    if not known:
        return None
    found: dict[str, list[str]] = (known[0].evaluation or {})["prerequisites"]
    ordered = sorted(found.items(), key=lambda item: len(item[1]))
    rows = [(event, ["; ".join(map(str, before))]) for event, before in ordered]
    return Table(["before this", "it does"], list(rows))


SOURCES = {
    "initial": "the initial instructions",
    "slots": "the buffer's slots",
    "rehearsal": "mastered, left the buffer, rehearsed",
    "new_event": "found by relabeling, new in this life",
    "repeated_event": "found by relabeling, not done lately",
}


def sources(chapter: Chapter) -> Table | None:
    """Where the instructions that environments were given came from, as shares, by group."""
    table = Table(["", *SOURCES.values(), "instructions given"])
    for group in chapter.groups:
        given = [row["given"] for run in group.runs for row in run.metrics if isinstance(row.get("given"), dict)]
        counts = {name: sum(number(row.get(name)) or 0.0 for row in given) for name in SOURCES}
        if total := sum(counts.values()):
            table.rows.append((group, [*(f"{100 * n / total:.1f} %" for n in counts.values()), f"{total:,.0f}"]))
    return table if table.rows else None


def coverage(chapter: Chapter) -> list[Chart]:
    """How many different instructions relabeling found, and how evenly they name events."""
    charts = []
    for name, title, note, unit in (
        ("unique_instructions", "unique instructions", "accepted by verification, by text", "number"),
        ("clusters", "clusters of meaning", "of those instructions' embeddings", "number"),
        ("events_named", "events named", "share of the environment's events that a relabel has named so far", "share"),
        ("event_entropy", "entropy of events", "bits, over the events that the latest relabels name", "bits"),
        ("known_goals", "known goals", "rows of the reward table", "number"),
    ):
        lines = [curves.averaged(g, curves.metric(name)) for g in chapter.groups]
        lines = [line for line in lines if len(line.y) and float(line.y.max()) > 0]
        if lines:
            charts.append(Chart(title, lines, STEPS, unit, note, _end(chapter)))
    return charts


def statuses(run: RunData, label: str) -> Stack | None:
    """Slots by status over the training of a run."""
    rows = [row for row in run.metrics if isinstance(row.get("slots"), list)]
    if not any(row["slots"] for row in rows):
        return None
    layers = []
    for status in STATUSES:
        count = [sum(isinstance(s, dict) and s.get("status") == status for s in row["slots"]) for row in rows]
        layers.append((status, status.split()[0], np.array(count, float)))
    x = np.array([row["step"] for row in rows], float)
    return Stack("slots by status", x, layers, STEPS, "slots", label)
