"""Details of agent runs: decisions of the buffer, relabels with evidence, the reward, time, and the runs themselves."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from hindsight_rl.report.agent_sections import STATUSES, statuses
from hindsight_rl.report.curves import held
from hindsight_rl.report.runs import Chapter, RunData, Seeds, number
from hindsight_rl.report.tables import Table, Value, duration, machine

MOST_ROWS = 40
EXAMPLES = 10
ACTIVITIES = ("train", "relabel", "evaluate")


def buffer(chapter: Chapter) -> list[dict[str, Any]]:
    """Which instruction held a slot when, for the first seed of each group that has a buffer."""
    found = []
    for group in chapter.groups:
        run = next((run for run in group.runs if run.decisions), None)
        if run is not None:
            label = f"{group.label}, seed {run.seed}"
            found.append({"label": label, "chart": statuses(run, label), "decided": _decided(run)} | _slots(run))
    return found


def _decided(run: RunData) -> list[tuple[str, int]]:
    what = Counter(row["what"] for row in run.decisions)
    reached = Counter(str(row.get("status")) for row in run.decisions if row["what"] == "status")
    left = Counter(str(row.get("status")) for row in run.decisions if row["what"] == "evict")
    rows = [("admitted", what["admit"]), ("evicted", what["evict"])]
    rows += [(f"evicted as {status}", left[status]) for status in STATUSES if left[status]]
    return rows + [(f"became {status}", reached[status]) for status in STATUSES if reached[status]]


def _slots(run: RunData) -> dict[str, Any]:
    """The instructions that held a slot longest, in order of admission."""
    last = float(max(run.step, *(row["step"] for row in run.decisions)))
    spans = held(run, last)
    weight = {text: sum(b - a for a, b, _ in parts) for text, parts in spans.items()}
    longest = set(sorted(spans, key=lambda text: -weight[text])[:MOST_ROWS])
    shown = [(text, _merged(parts)) for text, parts in spans.items() if text in longest]
    return {"slots": shown, "last": last, "hidden": len(spans) - len(shown)}


def _merged(parts: Sequence[tuple[float, float, str]]) -> list[tuple[float, float, str]]:
    merged: list[tuple[float, float, str]] = []
    for a, b, status in parts:
        if merged and merged[-1][1] == a and merged[-1][2] == status:
            merged[-1] = (merged[-1][0], b, status)
        else:
            merged.append((a, b, status))
    return merged


def relabels(chapter: Chapter) -> dict[str, Any] | None:
    """Counts, and examples of accepted and rejected relabels beside their evidence."""
    blocks, totals = [], []
    for group in chapter.groups:
        accepted = sum(int(number(row.get("accepted")) or 0) for run in group.runs for row in run.metrics)
        rejected = sum(int(number(row.get("rejected")) or 0) for run in group.runs for row in run.metrics)
        if accepted + rejected:
            share = rejected / (accepted + rejected)
            totals.append(f"{group.label} {accepted:,} accepted, {rejected:,} rejected ({share:.1%})")
        run = next((run for run in group.runs if run.relabels), None)
        if run is not None:
            good = _examples([row for row in run.relabels if not row.get("rejected")])
            bad = _examples([row for row in run.relabels if row.get("rejected")])
            blocks.append({"label": f"{group.label}, seed {run.seed}", "accepted": good, "rejected": bad})
    return {"blocks": blocks, "totals": totals} if blocks else None


def _examples(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Spread over training; of neighbours the one with the most evidence."""
    if not rows:
        return []
    first, last = rows[0]["step"], rows[-1]["step"]
    bins: list[list[dict[str, Any]]] = [[] for _ in range(EXAMPLES)]
    for row in rows:
        bins[min(EXAMPLES - 1, int(EXAMPLES * (row["step"] - first) / max(last - first, 1)))].append(row)
    picked: list[dict[str, Any]] = []
    for part in bins:
        fresh = [row for row in part if row["text"] not in {p["text"] for p in picked}]
        if fresh:
            picked.append(max(fresh[:3], key=lambda row: len(row.get("evidence") or [])))
    return [{**row, "rejected": row.get("rejected"), "evidence": _evidence(row)} for row in picked]


def _evidence(row: Mapping[str, Any]) -> list[str]:
    """A relabel's evidence as texts: the step within the trajectory, and the event."""
    pairs = row.get("evidence") or []
    return [
        f"{piece[0]} · {str(piece[1]).replace('_', ' ')}"
        if isinstance(piece, list | tuple) and len(piece) == 2
        else str(piece)
        for piece in pairs
    ]


def reward(chapter: Chapter) -> Table | None:
    """Precision and recall of the semantic reward against true events."""
    names = {"canonical": "plain sentences", "heldout": "held-out paraphrases"}
    table = Table(["instructions", "reward", "precision", "recall"])
    for group in chapter.groups:
        run = next((run for run in group.evaluated if (run.evaluation or {}).get("reward")), None)
        quality = (run.evaluation or {}).get("reward") if run else None
        if run is None or not isinstance(quality, dict):
            continue
        mode = f"{run.config.get('reward_mode', '?')}, encoder {run.config.get('encoder', '?')}"
        for split, found in quality.items():
            if isinstance(found, dict):
                values = [number(found.get(name)) for name in ("precision", "recall")]
                cells: list[Value] = [mode, *(None if v is None else f"{v:.3f}" for v in values)]
                row = (names.get(str(split), str(split)), cells)
                if row not in table.rows:
                    table.rows.append(row)
    return table if table.rows else None


def time(chapter: Chapter) -> list[dict[str, Any]]:
    """Time by activity, mean over seeds."""
    rows = []
    for group in chapter.groups:
        spent = [run.seconds for run in group.runs if run.seconds]
        if not spent:
            continue
        mean = {k: sum(s.get(k, 0.0) for s in spent) / len(spent) for k in ACTIVITIES}
        total = sum(mean.values()) or 1.0
        steps = sum(run.step for run in group.runs if run.seconds) / len(spent)
        learning = mean["train"] + mean["relabel"]
        parts = [(f"t-{k}", 100 * v / total, f"{k} {duration(v)} ({v / total:.0%})") for k, v in mean.items()]
        speed = f"{steps / learning:,.0f} steps/s while training and relabeling" if learning else ""
        share = f"; relabeling takes {mean['relabel'] / learning:.1%} of that time" if mean["relabel"] else ""
        rows.append({"group": group, "parts": parts, "more": speed + share})
    return rows


def runs(chapter: Chapter) -> Table:
    """Every run of a chapter."""
    table = Table(["run", "method", "seed", "steps", "state", "time", "machine"])
    for group in chapter.groups:
        for run in group.runs:
            time = duration(sum(run.seconds.values()))
            cells = [group.label, str(run.seed), f"{run.step:,}", run.state, time, machine(run.config)]
            table.rows.append((run.name, cells))
    return table


def unfinished(groups: Sequence[Seeds[Any]]) -> list[tuple[str, str]]:
    """The runs that are not complete: which one, and how far it is."""
    return [
        (f"{group.label}, seed {run.seed}", run.state)
        for group in groups
        for run in group.runs
        if run.state != "complete"
    ]
