"""Draw the sandbox's studies (tuning, ablations, dependence) and copy their tables into docs/experiments.

    python benchmarks/lm_study_figure.py

Reads results/lm_tuning.json, lm_tuning_rates.json and lm_tuning_falling.json, which lm_tuning.py writes,
lm_ablations.json and lm_dependent.json, which the benchmarks of those names write.
"""

import json
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from grounding import write_between
from lm_ablations import OTHERS, VARIANTS
from lm_figure import cell

ROOT = Path(__file__).parents[1]
STYLE = {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
LINES = {
    "fraction": ("#a16207", "-"),
    "hir, closed": ("#1d4ed8", "-"),
    "hir, plain": ("#1d4ed8", "--"),
    "retarget, closed": ("#c2410c", "-"),
    "retarget, plain": ("#c2410c", "--"),
}


def signed(value: dict[str, float] | None) -> str:
    """A paired difference with half of its 95 % interval."""
    return f"{value['mean']:+.3f} ± {value['half']:.3f}" if value else ""


def tuning(result: dict[str, Any]) -> str:
    """The grid: every cell's mean, and its seeds."""
    # Rates that stay come before rates that fall.
    by = {(c["arm"], (c["epochs"], -c.get("decay", 1.0), c["learning_rate"])): c for c in result["cells"]}
    columns = sorted({column for _, column in by})
    passes = {column[0] for column in columns}
    heads = []
    for epochs, fall, rate in columns:
        head = f"{rate:g}" + (f", falling to {-fall * rate:g}" if fall != -1 else "")
        heads.append(head + (f", {'one pass' if epochs == 1 else f'{epochs} passes'}" if len(passes) > 1 else ""))
    what = "Learning rate and passes over the rollouts" if len(passes) > 1 else "Learning rate"
    lines = [
        f"**{what}, seeds {', '.join(map(str, result['seeds']))}: "
        f"{result['regime']} constraints, {result['rollouts']:,} rollouts**",
        "",
        "| method | " + " | ".join(heads) + " |",
        "|---" * (len(heads) + 1) + "|",
    ]
    for arm in dict.fromkeys(arm for arm, _ in by):
        cells = []
        for column in columns:
            found = by[arm, column]
            shown = f"{found['mean']:.3f} ({', '.join(f'{v:.3f}' for v in found['accuracy'])})"
            cells.append(f"**{shown}**" if found in result["best"] else shown)
        lines.append(f"| `{arm}` | " + " | ".join(cells) + " |")
    lines += ["", f"Bold: the best learning rate. (`{result['command'].strip()}`)"]
    return "\n".join(lines)


def ablations(result: dict[str, Any]) -> str:
    """The table: every variant against the unchanged method, paired by seed."""
    names = result["table"]["names"]
    arm, first = result["arm"], next(iter(names.values()))
    lines = [
        f"**`{arm}`, one choice changed at a time: {result['regime']} constraints, {result['rollouts']:,} rollouts, "
        f"{len(first['seeds'])} seeds**",
        "",
        f"| variant | all constraints met | against `{arm}`, paired | greedy | rows trained | settings |",
        "|---|---|---|---|---|---|",
    ]
    for name, row in names.items():
        cells = [cell(row["accuracy"]), signed(row.get("over_reference")), cell(row["greedy"]), f"{row['rows']:,}"]
        # The file may contain old names of options; lm_ablations.py has the current names.
        settings = result["variants"][name]
        if name in VARIANTS or name in OTHERS:
            settings = " ".join(OTHERS.get(name, (arm, VARIANTS.get(name, ""))))
        lines.append(f"| `{name}` | " + " | ".join(cells) + f" | `{settings}` |")
    lines += ["", f"(`results/lm_ablations.json`: `{result['command']}`) {kind(result)}"]
    return "\n".join(lines)


def dependent(result: dict[str, Any]) -> str:
    """The table: accuracy per way of rewriting and share of dependent constraints."""
    shares = result["shares"]
    ways = list(next(iter(shares.values()))["names"])
    seeds = len(next(iter(shares.values()))["names"][ways[0]]["seeds"])
    lines = [
        f"**Growing shares of constraints that depend on another: {result['regime']} constraints, "
        f"{result['rollouts']:,} rollouts, {seeds} seeds**",
        "",
        "| rewriting | " + " | ".join(f"share {share}" for share in shares) + " |",
        "|---" * (len(shares) + 1) + "|",
    ]
    for way in ways:
        lines.append(f"| {way} | " + " | ".join(cell(shares[s]["names"][way]["accuracy"]) for s in shares) + " |")
    lines += ["", f"(`results/lm_dependent.json`: `{result['command']}`) {kind(result)}"]
    return "\n".join(lines)


def kind(result: dict[str, Any]) -> str:
    """What a table's figures are, and where they were made."""
    where = result["machine"]
    return (
        "Fresh instructions, sampled at temperature 1; ± is half of the 95 % interval over seeds (Student's t). "
        f"One core of {where['cores']} ({' '.join(where['processor'].split()[:2])}) per run."
    )


def draw_ablations(result: dict[str, Any], out: Path) -> None:
    """Every variant's difference from the unchanged method, paired by seed, with its interval.

    Seeds differ in their base models, much more than variants do: intervals of the means would hide the differences.
    """
    own = result["table"]["names"][result["arm"]]["accuracy"]["mean"]
    rows = {name: row["over_reference"] for name, row in result["table"]["names"].items() if name != result["arm"]}
    plt.rcParams.update(STYLE)
    figure, axis = plt.subplots(figsize=(6.4, 0.9 + 0.24 * len(rows)))
    axis.axvline(0, color="#1d4ed8", lw=1)
    for place, value in enumerate(reversed(rows.values())):
        clear = abs(value["mean"]) > value["half"]
        colour = "#c2410c" if clear else "#44403c"
        axis.errorbar(value["mean"], place, xerr=value["half"], fmt="o", ms=4, color=colour, lw=1.2, capsize=2)
    axis.set(yticks=range(len(rows)), yticklabels=list(reversed(rows)))
    axis.set_xlabel(f"difference from {result['arm']} ({own:.3f}), same seeds, with its 95 % interval")
    figure.tight_layout()
    figure.savefig(out, dpi=130)


def draw_dependent(result: dict[str, Any], out: Path) -> None:
    """Accuracy against the share of dependent constraints."""
    plt.rcParams.update(STYLE)
    figure, axis = plt.subplots(figsize=(5.6, 3.6))
    shares = result["shares"]
    xs = [float(share) for share in shares]
    for number, way in enumerate(next(iter(shares.values()))["names"]):
        values = [shares[share]["names"][way]["accuracy"] for share in shares]
        colour, line = LINES.get(way, ("#57534e", "-"))
        shifted = [x + 0.004 * (number - 2) for x in xs]  # so that intervals do not overlap in the figure
        axis.errorbar(
            shifted, [v["mean"] for v in values], yerr=[v["half"] for v in values], color=colour, ls=line, lw=1.6,
            marker="o", ms=3.5, elinewidth=0.8, capsize=2, label=way,
        )  # fmt: skip
    axis.set(xlabel="share of constraints that depend on another", ylim=(0, None))
    axis.set_ylabel(f"instructions with all {result['regime']} met")
    axis.legend(frameon=False, fontsize=8)
    figure.tight_layout()
    figure.savefig(out, dpi=130)


def main() -> None:
    """Write figures and tables for all existing results."""
    pages, images = ROOT / "docs" / "experiments", ROOT / "docs" / "images"
    for name, page, table, draw in (
        ("lm_tuning", "sandbox_tuning.md", tuning, None),
        ("lm_tuning_rates", "sandbox_tuning.md", tuning, None),
        ("lm_tuning_falling", "sandbox_tuning.md", tuning, None),
        ("lm_ablations", "sandbox_ablations.md", ablations, draw_ablations),
        ("lm_dependent", "sandbox_dependent.md", dependent, draw_dependent),
    ):
        file = ROOT / "results" / f"{name}.json"
        if not file.exists():
            print(f"{file} is missing: docs/experiments/{page} has the command")
            continue
        result = json.loads(file.read_text("utf-8"))
        if draw:
            draw(result, images / f"{name}.png")
        write_between(pages / page, name, table(result))


if __name__ == "__main__":
    main()
