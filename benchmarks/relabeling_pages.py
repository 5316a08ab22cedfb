"""Make the figures and tables of docs/experiments on what relabeling finds, from the result files of agent_study.py.

    python benchmarks/relabeling_pages.py

Reads coverage, llm, threshold, buffer_size and candidates; those that are not there are left out.
"""

import json
import statistics
from typing import Any

import numpy as np
from agent_pages import EXPERIMENTS, ROOT, plus_minus, source
from grounding import write_between
from studies import RESULTS, interval, spread

from hindsight_rl.report.figures import Chart, Series, save

COVERAGE = (
    ("unique_instructions", "unique instructions", "number"), ("clusters", "clusters of meaning", "number"),
    ("events_named", "events named", "share"), ("event_entropy", "entropy of events", "bits"),
)  # fmt: skip
ABLATIONS = {
    "threshold": "reward",
    "buffer_size": "instructions in the buffer",
    "candidates": "candidates per trajectory",
}


def coverage_curves(result: dict[str, Any]) -> list[Chart]:
    """What relabeling finds over training; bands are the range over seeds."""
    charts = []
    for key, title, unit in COVERAGE:
        lines = []
        for colour, (name, row) in enumerate(result["methods"].items()):
            steps = np.array([point["step"] for point in row["coverage"]], float)
            low, mean, high = (np.array([point[key][k] for point in row["coverage"]]) for k in ("min", "mean", "max"))
            lines.append(Series(name, colour, steps, mean, low, high))
        charts.append(Chart(title, lines, "environment steps", unit, size=(300, 300)))
    return charts


def coverage(name: str, result: dict[str, Any]) -> str:
    """The coverage early, half-way and at the end, as Markdown."""
    head = ["method", "steps", *(title if unit == "number" else f"{title}, {unit}" for _, title, unit in COVERAGE)]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for method, row in result["methods"].items():
        points = row["coverage"]
        for point in (points[len(points) // 10], points[len(points) // 2], points[-1]):
            cells = [f"{point[k]['mean']:.3g} ({point[k]['min']:.3g} to {point[k]['max']:.3g})" for k, *_ in COVERAGE]
            lines.append(f"| {method} | {point['step']:,} | " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", f"Mean (range) over {_seeds(result)} seeds. {source(name, result)}"])


MEASURES = (
    ("early reward", lambda run: run["early_success"]), ("canonical", lambda run: run["mean"]["canonical"]),
    ("held-out paraphrases", lambda run: run["mean"]["paraphrased"]),
    ("events without an instruction", lambda run: run["mean"]["others"]),
    ("compositions", lambda run: run["mean"]["composed"]),
    ("forgotten", lambda run: statistics.mean(run["lost"].values())),
)  # fmt: skip
"""What an ablation is judged by, of one run."""


def ablation(name: str, result: dict[str, Any], label: str) -> str:
    """What a setting does to early reward, final success and forgetting, as Markdown; then paired differences."""
    runs: dict[str, dict[int, Any]] = {}
    for run in result["runs"]:
        runs.setdefault(run["method"], {})[run["seed"]] = run
    head = [label, *(title for title, _ in MEASURES)]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for method, own in runs.items():
        cells = [plus_minus(spread([of(run) for run in own.values()])) for _, of in MEASURES]
        lines.append(f"| {method} | {' | '.join(cells)} |")
    first, *others = runs
    lines += ["", f"Difference from {label} {first}, paired by seed, mean ± half of the 95 % interval:", ""]
    lines += [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for method in others:
        cells = []
        for _, of in MEASURES:
            found = interval([of(run) - of(runs[first][seed]) for seed, run in runs[method].items()])
            cells.append(f"{found['mean']:+.3f} ± {found['half']:.3f}")
        lines.append(f"| {method} | {' | '.join(cells)} |")
    note = f"{result['runs'][0]['steps']:,} steps, {_seeds(result)} seeds, ± standard error. {source(name, result)}"
    return "\n".join([*lines, "", note])


def language_model(*results: tuple[str, dict[str, Any]]) -> str:
    """Success with and without the model; what became of its candidates; instructions that it found."""
    head = ["relabeler", "canonical", "held-out paraphrases", "events without an instruction", "compositions",
            "unique instructions", "entropy of events, bits"]  # fmt: skip
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for method, row in ((method, row) for _, each in results for method, row in each["methods"].items()):
        cells = [plus_minus(row[key]) for key in ("canonical", "paraphrased", "others", "composed")]
        end = row["coverage"][-1]
        cells += [f"{end['unique_instructions']['mean']:.0f}", f"{end['event_entropy']['mean']:.2f}"]
        lines.append(f"| {method} | {' | '.join(cells)} |")
    head = ["relabeler, seed", "trajectories asked", "answered", "candidates accepted", "rejected", "seconds an answer"]
    lines += ["", f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    asked = [run for _, each in results for run in each["runs"] if "llm" in run]
    for run in asked:
        llm = run["llm"]
        reasons = ", ".join(f"{kind} {count}" for kind, count in sorted(llm["rejected"].items(), key=lambda x: -x[1]))
        cells = [f"{run['method']}, {run['seed']}", llm["asked"], llm["answered"], llm["accepted"], reasons]
        lines.append(f"| {' | '.join(map(str, cells))} | {llm['latency_median']:.1f} |")
    texts = list(dict.fromkeys(text for run in asked for text in run["llm"]["accepted_texts"]))[:12]
    lines += ["", "Its first accepted instructions: " + "; ".join(f"*{text}*" for text in texts) + "."]
    first = results[0][1]
    made = " ".join(source(*each) for each in results)
    note = f"{first['runs'][0]['steps']:,} steps, {_seeds(first)} seeds, ± standard error. {made}"
    return "\n".join([*lines, "", note])


def _seeds(result: dict[str, Any]) -> int:
    return len({run["seed"] for run in result["runs"]})


def _found(study: str) -> tuple[str, dict[str, Any]] | None:
    """The name and content of a result file, if it is there."""
    file = RESULTS / f"agent_{study}.json"
    return (file.name, json.loads(file.read_text("utf-8"))) if file.exists() else None


def main() -> None:
    """Draw and copy."""
    if found := _found("coverage"):
        write_between(EXPERIMENTS / "agent_coverage.md", "agent_coverage", coverage(*found))
        save(coverage_curves(found[1]), ROOT / "docs" / "images" / "agent_coverage.png")
    if models := [found for study in ("llm", "llm_half") if (found := _found(study))]:
        write_between(EXPERIMENTS / "relabeler.md", "agent_llm", language_model(*models))
    for study, label in ABLATIONS.items():
        if found := _found(study):
            write_between(EXPERIMENTS / "agent_ablations.md", f"agent_{study}", ablation(*found, label))


if __name__ == "__main__":
    main()
