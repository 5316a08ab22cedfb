"""Sections with details of agent runs: decisions of the buffer, relabels with evidence, time, settings, runs."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from hindsight_rl.report.curves import held
from hindsight_rl.report.runs import Chapter, RunData, Seeds, flat, number
from hindsight_rl.report.sections import STATUSES, duration, section, statuses_chart
from hindsight_rl.report.svg import escaped, short

MOST_ROWS = 40
EXAMPLES = 10


def buffer(chapter: Chapter) -> str:
    """Which instruction held a slot when, for the first seed of each group that has a buffer."""
    blocks = []
    for group in chapter.groups:
        run = next((run for run in group.runs if run.decisions), None)
        if run is not None:
            blocks.append((group, run))
    if not blocks:
        return ""
    out = []
    for i, (group, run) in enumerate(blocks):
        title = f"{group.label}, seed {run.seed}"
        body = f'<div class="charts two">{statuses_chart(group)}{_decided(run)}</div>{_slots(run)}'
        out.append(
            f"<details{' open' if i == 0 else ''}><summary>{escaped(title)}</summary>{body}</details>"
            if len(blocks) > 1
            else body
        )
    keys = "".join(f'<span><i class="chip s-{s.split()[0]}"></i>{s}</span>' for s in STATUSES)
    lead = "The instruction in each slot over time. Colours: status, from the mean return of its latest attempts."
    return section("buffer", "The instruction buffer over time", lead, f'<p class="legend">{keys}</p>{"".join(out)}')


def _decided(run: RunData) -> str:
    what = Counter(row["what"] for row in run.decisions)
    reached = Counter(str(row.get("status")) for row in run.decisions if row["what"] == "status")
    left = Counter(str(row.get("status")) for row in run.decisions if row["what"] == "evict")
    rows = [("admitted", what["admit"]), ("evicted", what["evict"])]
    rows += [(f"evicted as {status}", left[status]) for status in STATUSES if left[status]]
    rows += [(f"became {status}", reached[status]) for status in STATUSES if reached[status]]
    cells = "".join(f"<tr><th>{escaped(name)}</th><td>{count:,}</td></tr>" for name, count in rows)
    return f'<figure class="chart"><figcaption>decisions</figcaption><table class="plain">{cells}</table></figure>'


def _slots(run: RunData) -> str:
    last = float(max(run.step, *(row["step"] for row in run.decisions)))
    spans = held(run, last)
    weight = {text: sum(b - a for a, b, _ in parts) for text, parts in spans.items()}
    longest = sorted(spans, key=lambda text: -weight[text])[:MOST_ROWS]
    out = []
    for text in [text for text in spans if text in set(longest)]:
        bars = "".join(
            f'<i class="s-{escaped(status.split()[0])}" style="left:{100 * a / last:.2f}%;'
            f'width:{max(100 * (b - a) / last, 0.3):.2f}%" title="{escaped(status)}, {short(a)}–{short(b)}"></i>'
            for a, b, status in _merged(spans[text])
        )
        out.append(f'<div class="lab" title="{escaped(text)}">{escaped(text)}</div><div class="span">{bars}</div>')
    axis = (
        '<div class="gap"></div><div class="axis"><span>0</span>'
        f"<span>{short(last / 2)}</span><span>{short(last)} steps</span></div>"
    )
    hidden = len(spans) - len(longest)
    more = f'<p class="aside">{hidden:,} more instructions held a slot for a shorter time.</p>' if hidden else ""
    return f'<div class="slots">{"".join(out)}{axis}</div>{more}'


def _merged(parts: Sequence[tuple[float, float, str]]) -> list[tuple[float, float, str]]:
    merged: list[tuple[float, float, str]] = []
    for a, b, status in parts:
        if merged and merged[-1][1] == a and merged[-1][2] == status:
            merged[-1] = (merged[-1][0], b, status)
        else:
            merged.append((a, b, status))
    return merged


def relabels(chapter: Chapter) -> str:
    """Counts, and examples of accepted and rejected relabels beside their evidence."""
    blocks, totals = [], []
    for group in chapter.groups:
        accepted = sum(int(number(row.get("accepted")) or 0) for run in group.runs for row in run.metrics)
        rejected = sum(int(number(row.get("rejected")) or 0) for run in group.runs for row in run.metrics)
        if accepted + rejected:
            share = rejected / (accepted + rejected)
            totals.append(f"{escaped(group.label)} {accepted:,} accepted, {rejected:,} rejected ({share:.1%})")
        run = next((run for run in group.runs if run.relabels), None)
        if run is not None:
            blocks.append((group, run))
    if not blocks:
        return ""
    out = []
    for i, (group, run) in enumerate(blocks):
        good = [row for row in run.relabels if not row.get("rejected")]
        bad = [row for row in run.relabels if row.get("rejected")]
        body = (
            f'<div class="beside even"><div><h4>Accepted</h4>{_examples(good)}</div>'
            f"<div><h4>Rejected by verification</h4>{_examples(bad)}</div></div>"
        )
        title = f"{group.label}, seed {run.seed}"
        out.append(
            f"<details{' open' if i == 0 else ''}><summary>{escaped(title)}</summary>{body}</details>"
            if len(blocks) > 1
            else body
        )
    lead = (
        "What failed trajectories were found to have done instead. A relabel is accepted only when the semantic "
        "reward fires on its evidence: the step of the trajectory and the event there. "
    )
    return section("relabels", "Relabels", lead + "; ".join(totals) + ("." if totals else ""), "".join(out))


def _examples(rows: Sequence[dict[str, Any]]) -> str:
    if not rows:
        return '<p class="none">none</p>'
    # Spread over training; of neighbours the one with the most evidence.
    first, last = rows[0]["step"], rows[-1]["step"]
    bins: list[list[dict[str, Any]]] = [[] for _ in range(EXAMPLES)]
    for row in rows:
        bins[min(EXAMPLES - 1, int(EXAMPLES * (row["step"] - first) / max(last - first, 1)))].append(row)
    picked: list[dict[str, Any]] = []
    for part in bins:
        fresh = [row for row in part if row["text"] not in {p["text"] for p in picked}]
        if fresh:
            picked.append(max(fresh[:3], key=lambda row: len(row.get("evidence") or [])))
    out = []
    for row in picked:
        chips = "".join(f"<code>{escaped(chip)}</code>" for chip in map(_chip, row.get("evidence") or []))
        why = f'<p class="why">{escaped(row["rejected"])}</p>' if row.get("rejected") else ""
        out.append(
            f"<li><q>{escaped(row['text'])}</q><small>at {short(row['step'])} steps</small>"
            f'<div class="chips">{chips}</div>{why}</li>'
        )
    return f'<ul class="examples">{"".join(out)}</ul>'


def _chip(piece: Any) -> str:
    if isinstance(piece, list | tuple) and len(piece) == 2:
        return f"{piece[0]} · {str(piece[1]).replace('_', ' ')}"
    return str(piece)


def reward(chapter: Chapter) -> str:
    """Precision and recall of the semantic reward against true events."""
    seen: dict[str, tuple[str, dict[str, Any]]] = {}
    for group in chapter.groups:
        for run in group.evaluated:
            quality = (run.evaluation or {}).get("reward")
            if isinstance(quality, dict) and quality:
                mode = f"{run.config.get('reward_mode', '?')}, encoder {run.config.get('encoder', '?')}"
                seen.setdefault(f"{mode}{sorted(map(str, quality.items()))}", (mode, quality))
                break
    if not seen:
        return ""
    rows = []
    for mode, quality in seen.values():
        for split, found in quality.items():
            if isinstance(found, dict):
                p, r = number(found.get("precision")), number(found.get("recall"))
                name = {"canonical": "canonical instructions", "heldout": "held-out paraphrases"}.get(split, split)
                rows.append(
                    f"<tr><th>{escaped(name)}<small>{escaped(mode)}</small></th>"
                    f"<td>{'–' if p is None else f'{p:.3f}'}</td><td>{'–' if r is None else f'{r:.3f}'}</td></tr>"
                )
    table = (
        '<div class="scroll"><table class="headline"><thead><tr><th></th><th>precision</th><th>recall</th></tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )
    lead = (
        "The reward is a table of events × instructions. Precision: of the pairs on which it fires, how many are true. "
        "Recall: of the instructions, for how many it fires on the event they mean."
    )
    return section("reward", "The semantic reward", lead, table)


def time(chapter: Chapter) -> str:
    """Time by activity, mean over seeds."""
    rows = []
    for group in chapter.groups:
        spent = [run.seconds for run in group.runs if run.seconds]
        if not spent:
            continue
        mean = {k: sum(s.get(k, 0.0) for s in spent) / len(spent) for k in ("train", "relabel", "evaluate")}
        total = sum(mean.values()) or 1.0
        parts = "".join(
            f'<i class="t-{k}" style="width:{100 * v / total:.2f}%" title="{k} {duration(v)}"></i>'
            for k, v in mean.items()
        )
        steps = sum(run.step for run in group.runs if run.seconds) / len(spent)
        learning = mean["train"] + mean["relabel"]
        details = ", ".join(f"{k} {duration(v)} ({v / total:.0%})" for k, v in mean.items())
        speed = f"{steps / learning:,.0f} steps/s while training and relabeling" if learning else ""
        share = f"; relabeling takes {mean['relabel'] / learning:.1%} of that time" if mean["relabel"] else ""
        rows.append(
            f'<div class="row"><div class="lab">{escaped(group.label)}</div>'
            f'<div class="tracks"><div class="share">{parts}</div>'
            f'<div class="told">{details}<br>{speed}{share}</div></div></div>'
        )
    if not rows:
        return ""
    keys = "".join(f'<span><i class="chip t-{k}"></i>{k}</span>' for k in ("train", "relabel", "evaluate"))
    lead = "Mean over seeds, with compilation and without the final evaluation."
    return section("time", "Time", lead, f'<p class="legend">{keys}</p><div class="bars wide">{"".join(rows)}</div>')


def settings(chapter: Chapter) -> str:
    """All settings; those that differ between groups first."""
    columns = [(g, flat(g.runs[0].config)) for g in chapter.groups]
    skip = {"seed", "out", "resume", "kind"}
    keys = [k for k in dict.fromkeys(k for _, c in columns for k in c) if k not in skip]
    same = [k for k in keys if len({str(c.get(k, "–")) for _, c in columns}) == 1 and not k.startswith("machine.")]
    differ = [k for k in keys if k not in same and not k.startswith("machine.")]
    body = ""
    if differ:
        head = "".join(f"<th>{escaped(g.label)}</th>" for g, _ in columns)
        rows = ""
        for k in differ:
            values = "".join(f"<td>{escaped(c.get(k, '–'))}</td>" for _, c in columns)
            rows += f"<tr><th>{escaped(k)}</th>{values}</tr>"
        body += f'<div class="scroll"><table class="plain"><tr><th></th>{head}</tr>{rows}</table></div>'
    rows = "".join(f"<div><dt>{escaped(k)}</dt><dd>{escaped(columns[0][1][k])}</dd></div>" for k in same)
    body += (
        f"<details{'' if differ else ' open'}><summary>{len(same)} settings {'in common' if differ else ''}</summary>"
    )
    body += f'<dl class="settings">{rows}</dl></details>'
    return section("settings", "Settings", "", body + _runs(chapter))


def _runs(chapter: Chapter) -> str:
    rows = "".join(
        f"<tr><th>{escaped(run.name)}</th><td>{escaped(group.label)}</td><td>{escaped(run.seed)}</td>"
        f"<td>{run.step:,}</td><td>{escaped(run.state)}</td><td>{duration(sum(run.seconds.values()))}</td>"
        f"<td>{escaped(machine(run.config))}</td></tr>"
        for group in chapter.groups
        for run in group.runs
    )
    head = "".join(f"<th>{h}</th>" for h in ("run", "method", "seed", "steps", "state", "time", "machine"))
    return f'<h4>Runs</h4><div class="scroll"><table class="plain"><tr>{head}</tr>{rows}</table></div>'


def machine(config: Mapping[str, Any]) -> str:
    """The kind of machine a run of these settings was made on."""
    details = config.get("machine")
    if not isinstance(details, dict):
        return "not recorded"
    parts = [
        str(details.get("processor", "")),
        f"{details.get('cores', '?')} cores",
        f"{details.get('memory_gib', '?')} GiB",
    ]
    return ", ".join(part for part in parts if part)


def unfinished(groups: Sequence[Seeds[Any]]) -> str:
    """A notice of runs that are not complete."""
    rows = [
        f"<li><b>{escaped(group.label)}, seed {escaped(run.seed)}</b>: {escaped(run.state)}</li>"
        for group in groups
        for run in group.runs
        if run.state != "complete"
    ]
    if not rows:
        return ""
    return f'<div class="notice">Not complete; what there is so far is shown.<ul>{"".join(rows)}</ul></div>'
