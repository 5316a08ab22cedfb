"""The sections of a chapter: the results of each group of runs in one world."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from hindsight_rl.report import curves, rates
from hindsight_rl.report.runs import Chapter, Group, RunData, Seeds, number
from hindsight_rl.report.svg import Dot, escaped, line_chart, scatter, short, spark, stacked

KIND_TITLES = {
    "canonical": "canonical instructions",
    "paraphrased": "held-out paraphrases",
    "composed": "compositions",
    "others": "beyond the achievements",
}
STATUSES = ("new", "failing", "learning boundary", "mastered")


def section(anchor: str, title: str, lead: str, body: str) -> str:
    """A section with a heading and a sentence that explains it."""
    said = f'<p class="lead">{lead}</p>' if lead else ""
    return f'<section id="{escaped(anchor)}"><h3>{escaped(title)}</h3>{said}{body}</section>'


def legend(groups: Sequence[Seeds[Any]]) -> str:
    """The groups with their colours and seeds."""
    items = "".join(
        f'<span><i class="chip" style="background:var(--c{g.colour})"></i>{escaped(g.label)} '
        f"<small>{_seeds(g)}</small></span>"
        for g in groups
    )
    return f'<p class="legend">{items}</p>'


def _seeds(group: Seeds[Any]) -> str:
    seeds = [str(run.seed) for run in group.runs]
    return f"seed {escaped(seeds[0])}" if len(seeds) == 1 else f"{len(seeds)} seeds: {escaped(', '.join(seeds))}"


def spread(values: Sequence[float]) -> str:
    """`0.31–0.35` over seeds, or nothing for one."""
    return f"{min(values):.3f}–{max(values):.3f}" if len(values) > 1 else ""


def duration(seconds: float) -> str:
    """`1 h 04 min`, `12 min 30 s` or `48 s`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


def headline(chapter: Chapter) -> str:
    """Mean success by kind: tiles for one group, a table for several."""
    if len(chapter.groups) == 1:
        return _tiles(chapter.groups[0])
    head = "".join(f"<th>{escaped(title)}</th>" for title in KIND_TITLES.values())
    body = []
    for group in chapter.groups:
        cells = []
        for kind in KIND_TITLES:
            values = group.means(kind)
            cells.append(
                f"<td><b>{np.mean(values):.3f}</b><small>{spread(values)}</small></td>" if values else "<td>–</td>"
            )
        steps = sorted({run.step for run in group.runs})
        details = short(steps[0]) if len(steps) == 1 else f"{short(steps[0])}–{short(steps[-1])}"
        times = [sum(run.seconds.values()) for run in group.runs]
        achieved = [float(run.evaluation.get("achievements_per_trial") or 0) for run in group.runs if run.evaluation]
        body.append(
            f'<tr><th><i class="chip" style="background:var(--c{group.colour})"></i>{escaped(group.label)}</th>'
            f"{''.join(cells)}<td>{f'{np.mean(achieved):.2f}' if achieved else '–'}</td>"
            f"<td>{len(group.evaluated)} of {len(group.runs)}</td><td>{details}</td>"
            f"<td>{duration(float(np.mean(times)))}</td></tr>"
        )
    return (
        '<div class="scroll"><table class="headline"><thead><tr><th>method</th>'
        + head
        + "<th>achievements per trial</th>"
        "<th>evaluated</th><th>steps</th><th>time per seed</th></tr></thead>"
        f"<tbody>{''.join(body)}</tbody></table></div>"
    )


def _tiles(group: Group) -> str:
    tiles = []
    for kind, title in KIND_TITLES.items():
        values = group.means(kind)
        if not values:
            tiles.append(
                f'<div class="tile"><b>–</b><span>{escaped(title)}</span><small>not evaluated yet</small></div>'
            )
            continue
        rows = group.evaluated[0].rows(kind)
        trials = sorted({int(row.get("trials") or 0) for row in rows})
        counts = f"{len(rows)} instructions × {trials[-1]} trials"
        more = f" × {len(values)} seeds, {spread(values)}" if len(values) > 1 else ""
        tiles.append(
            f'<div class="tile"><b>{np.mean(values):.3f}</b><span>{escaped(title)}</span>'
            f"<small>{counts}{more}</small></div>"
        )
    return f'<div class="tiles">{"".join(tiles)}</div>'


def canonical(chapter: Chapter) -> str:
    """Success for each canonical instruction."""
    groups = chapter.groups
    rows = rates.lines(groups, "canonical", lambda row: row["text"])
    first = next((run for g in groups for run in g.evaluated), None)
    if rows and first is not None:
        horizon = first.evaluation.get("horizon") if first.evaluation else None
        within = f" within {horizon} steps" if horizon else ""
        lead = f"Share of trials in held-out worlds in which the event truly happened{within}; {_spread_lead(groups)}"
        return section("canonical", "Success per instruction", lead, rates.chart(rows, groups))
    names = _names(chapter)
    interim = [
        rates.Line(
            names.get(event, event),
            [
                rates.Cell(values) if (values := [r.looks[-1][1][event] for r in g.runs if _looked(r, event)]) else None
                for g in groups
            ],
        )
        for event in dict.fromkeys(e for run in chapter.runs for e in (run.looks[-1][1] if run.looks else ()))
    ]
    lead = "No final evaluation yet: success at the latest evaluation during training, in held-out worlds."
    return section("canonical", "Success per instruction", lead, rates.chart(interim, groups))


def _looked(run: RunData, event: str) -> bool:
    return bool(run.looks) and event in run.looks[-1][1]


def _spread_lead(groups: Sequence[Group]) -> str:
    if any(len(g.runs) > 1 for g in groups):
        return "the range is that between seeds."
    return "the thin line is the 95 % Wilson interval of the counts."


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


def learning(chapter: Chapter) -> str:
    """Curves over training, and one small chart per instruction."""
    groups = chapter.groups
    end = float(max((run.step for run in chapter.runs), default=0)) or None
    mean = [curves.averaged(g, curves.success_of(None)) for g in groups]
    given = [curves.averaged(g, curves.metric("success_of_given"), smooth=5) for g in groups]
    seen = [curves.averaged(g, curves.events_seen) for g in groups]
    charts = [
        line_chart(mean, "mean success, canonical", end, note="held-out worlds, evaluations during training"),
        line_chart(given, "given instructions fulfilled", end, 1.0, note="in training, by the agent's own reward"),
        line_chart(seen, "different events seen", end, note="of the world's vocabulary"),
    ]
    names = _names(chapter)
    order = list(dict.fromkeys(e for run in chapter.runs for _, success in run.looks for e in success))
    sparks = []
    for event in order:
        lines = [curves.averaged(g, curves.success_of(event)) for g in groups]
        last = f"{lines[0].y[-1]:.2f}" if len(lines) == 1 and len(lines[0].y) else ""
        sparks.append(spark(lines, names.get(event, event), end or 1.0, last))
    body = f'<div class="charts">{"".join(charts)}</div>'
    if sparks:
        body += f'<h4>Each canonical instruction</h4><div class="sparks">{"".join(sparks)}</div>'
    lead = "Over environment steps. " + (
        "Lines are means over seeds, bands their range." if any(len(g.runs) > 1 for g in groups) else ""
    )
    return section("learning", "Learning curves", lead, body)


def paraphrases(chapter: Chapter) -> str:
    """Paraphrases against canonical wording, by event."""
    groups = chapter.groups
    rows = rates.lines(groups, "paraphrased", lambda row: str(row.get("event")))
    if not rows:
        return section("paraphrases", "Paraphrases", "", rates.chart([], groups))
    names = _names(chapter)
    plain = {line.label: line for line in rates.lines(groups, "canonical", lambda row: str(row.get("event")))}
    dots, ratios = [], []
    for i, group in enumerate(groups):
        for row in rows:
            c, p = plain[row.label].cells[i] if row.label in plain else None, row.cells[i]
            if c is not None and p is not None:
                dots.append(Dot(f"{names.get(row.label, row.label)}, {group.label}", group.colour, c.mean, p.mean))
        canonical_mean, paraphrased_mean = group.means("canonical"), group.means("paraphrased")
        if canonical_mean and np.mean(canonical_mean) > 0 and paraphrased_mean:
            ratio = np.mean(paraphrased_mean) / np.mean(canonical_mean)
            ratios.append(f"{escaped(group.label)} {ratio:.2f}")
    for row in rows:
        row.title = "; ".join(_texts(chapter, "paraphrased", row.label))
        row.label = names.get(row.label, row.label)
    figure = scatter(
        dots, "Each instruction", "canonical wording", "paraphrases", "on the diagonal, wording makes no difference"
    )
    lead = "The same goals in words that are not used in training. Paraphrased ÷ canonical: " + ", ".join(ratios)
    body = f'<div class="beside">{figure}<div>{rates.chart(rows, groups)}</div></div>'
    every = rates.lines(groups, "paraphrased", lambda row: row["text"])
    return section(
        "paraphrases", "Paraphrases", lead + ".", body + _folded("Every paraphrase", rates.chart(every, groups))
    )


def _texts(chapter: Chapter, kind: str, event: str) -> list[str]:
    found = [r["text"] for run in chapter.runs for r in run.rows(kind) if str(r.get("event")) == event]
    return list(dict.fromkeys(found))


def _folded(title: str, body: str) -> str:
    return f"<details><summary>{escaped(title)}</summary>{body}</details>"


def compositions(chapter: Chapter) -> str:
    """Instructions with two or three goals."""
    rows = rates.lines(chapter.groups, "composed", lambda row: row["text"])
    lead = "Two or three goals in one instruction; fulfilled if all events happened, in the given order if any."
    return section("compositions", "Compositions", lead, rates.chart(rows, chapter.groups))


def others(chapter: Chapter) -> str:
    """Instructions for events that are no achievement."""
    rows = rates.lines(chapter.groups, "others", lambda row: str(row.get("event")))
    for row in rows:
        texts = _texts(chapter, "others", row.label)
        row.title = f"{row.label}: " + "; ".join(texts)
        row.label = texts[0] if texts else row.label
    lead = "Events that are not among the game's 22 achievements, each in several wordings; the first wording is shown."
    return section("others", "Beyond the achievements", lead, rates.chart(rows, chapter.groups))


def forgetting(chapter: Chapter) -> str:
    """Best success at any evaluation minus final success."""
    groups = chapter.groups
    names = _names(chapter)
    lost: dict[str, list[list[float]]] = {}
    for i, group in enumerate(groups):
        for run in group.evaluated:
            for row in (run.evaluation or {}).get("forgetting") or []:
                values = lost.setdefault(str(row.get("event")), [[] for _ in groups])
                values[i].append(max(0.0, float(row["best"]) - float(row["final"])))
    if not lost:
        return section("forgetting", "Forgetting", "", '<p class="none">not evaluated yet</p>')
    rows = [
        rates.Line(names.get(event, event), [rates.Cell(v) if v else None for v in values])
        for event, values in lost.items()
    ]
    means = []
    for i, group in enumerate(groups):
        all_lost = [v for cells in lost.values() for v in cells[i]]
        if all_lost:
            means.append(f"{escaped(group.label)} {np.mean(all_lost):.3f}")
    rows.sort(key=lambda line: -max((c.mean for c in line.cells if c), default=0.0))
    felt = [line for line in rows if max((c.mean for c in line.cells if c), default=0.0) >= 0.02]
    quiet = len(rows) - len(felt)
    body = rates.chart(felt, groups, loss=True) if felt else '<p class="none">nothing was forgotten</p>'
    if felt and quiet:
        body += f'<p class="aside">{quiet} more instructions lost less than 0.02.</p>'
    lead = (
        "Best success at any evaluation minus final success. Each evaluation during training has few trials, so small "
        "losses are noise. Mean: "
    )
    return section("forgetting", "Forgetting", lead + ", ".join(means) + ".", body)


def prerequisites(chapter: Chapter) -> str:
    """What the first evaluated run that knows waypoints has found always to come before what."""
    known = [run for group in chapter.groups for run in group.evaluated if (run.evaluation or {}).get("prerequisites")]
    if not known:
        return ""
    found: dict[str, list[str]] = (known[0].evaluation or {})["prerequisites"]
    rows = "".join(
        f"<tr><td>{escaped(event)}</td><td>{escaped('; '.join(str(name) for name in before))}</td></tr>"
        for event, before in sorted(found.items(), key=lambda item: len(item[1]))
    )
    lead = (
        "Read off the order of events in the lives of one run: what (nearly) always came before an event is done "
        "before it, as often; what is consumed is collected again. A coincidence counts until a counter-example "
        "refutes it."
    )
    head = "<thead><tr><th>before this</th><th>it does</th></tr></thead>"
    body = f'<div class="scroll"><table class="plain">{head}<tbody>{rows}</tbody></table></div>'
    return section("prerequisites", "What comes before what", lead, body)


SOURCES = {
    "initial": "the initial instructions",
    "slots": "the buffer's slots",
    "rehearsal": "mastered, left the buffer, rehearsed",
    "new_event": "found by relabeling, new in this life",
    "repeated_event": "found by relabeling, not done lately",
}


def sources(chapter: Chapter) -> str:
    """Where the instructions that environments were given came from, as shares, by group."""
    rows = []
    for group in chapter.groups:
        given = [row["given"] for run in group.runs for row in run.metrics if isinstance(row.get("given"), dict)]
        counts = {name: sum(number(row.get(name)) or 0.0 for row in given) for name in SOURCES}
        total = sum(counts.values())
        if total:
            cells = "".join(f"<td>{100 * counts[name] / total:.1f} %</td>" for name in SOURCES)
            rows.append(f"<tr><td>{escaped(group.label)}</td>{cells}<td>{total:,.0f}</td></tr>")
    if not rows:
        return ""
    head = "".join(f"<th>{escaped(title)}</th>" for title in SOURCES.values())
    head = f"<thead><tr><th></th>{head}<th>instructions given</th></tr></thead>"
    body = f'<div class="scroll"><table class="headline">{head}<tbody>{"".join(rows)}</tbody></table></div>'
    lead = "Of all instructions given to environments during training, the share that each source chose; all seeds."
    return section("sources", "Where instructions came from", lead, body)


def coverage(chapter: Chapter) -> str:
    """How many different instructions relabeling found."""
    groups = chapter.groups
    end = float(max((run.step for run in chapter.runs), default=0)) or None
    charts = []
    for name, title, note in (
        ("unique_instructions", "unique instructions", "accepted by verification, by text"),
        ("clusters", "clusters of meaning", "of those instructions' embeddings"),
        ("known_goals", "known goals", "rows of the reward table"),
    ):
        lines = [curves.averaged(g, curves.metric(name)) for g in groups]
        lines = [line for line in lines if len(line.y) and float(line.y.max()) > 0]
        if lines:
            charts.append(line_chart(lines, title, end, note=note))
    if not charts:
        return ""
    lead = "What the agent has come to know: each accepted relabel counts once."
    return section("coverage", "Coverage", lead, f'<div class="charts">{"".join(charts)}</div>')


def statuses_chart(group: Group) -> str:
    """Slots by status over the training of a group's first run."""
    run = next((run for run in group.runs if any(row.get("slots") for row in run.metrics)), None)
    if run is None:
        return ""
    rows = [row for row in run.metrics if isinstance(row.get("slots"), list)]
    x = np.array([row["step"] for row in rows], float)
    layers = []
    for status in STATUSES:
        count = [sum(isinstance(s, dict) and s.get("status") == status for s in row["slots"]) for row in rows]
        layers.append((status, f"s-{status.split()[0]}", np.array(count, float)))
    return stacked(x, layers, "slots by status", f"{group.label}, seed {run.seed}")
