"""Draw the comparison of the sandbox's methods and copy its tables into README.md and docs/experiments.

    python benchmarks/lm_figure.py

Reads results/lm_arms.json and, where they exist, lm_arms_easier.json (fewer constraints), lm_arms_two_passes.json and
lm_arms_longer.json (baselines with more passes or rollouts), all written by lm_arms.py; and lm_budgets.json (fewer
rollouts), written by lm_budgets.py.
"""

import json
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from grounding import write_between

ROOT = Path(__file__).parents[1]
EXPERIMENTS = ROOT / "docs" / "experiments"
COLOURS = {
    "rlvr": "#57534e",
    "fraction": "#a16207",
    "hir": "#1d4ed8",
    "retarget": "#c2410c",
    "relabels": "#15803d",
    "relabels-buffer": "#7e22ce",
    "rlvr-buffer": "#0e7490",
    "fraction-memory": "#be185d",
}


def cell(value: dict[str, float]) -> str:
    """Mean and half of the 95 % interval."""
    return f"{value['mean']:.3f} ± {value['half']:.3f}"


def table(regime: str, found: dict[str, Any], reference: str) -> str:
    """One regime as Markdown."""
    names = found["names"]
    first = next(iter(names.values()))
    rollouts = first["curve"]["rollouts"][-1]
    lines = [
        f"**{regime} constraints, {rollouts:,} rollouts, {len(first['seeds'])} seeds**",
        "",
        f"| method | all constraints met | greedy | times `{reference}` | over `{reference}`, paired "
        f"| rollouts to `{reference}`'s end | at equal CPU time | rows trained |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, row in names.items():
        there = row.get("rollouts_to_reference")
        over = row.get("over_reference")
        paired = f"{over['mean']:+.3f} ± {over['half']:.3f}" if over else ""
        cells = [
            cell(row["accuracy"]),
            cell(row["greedy"]),
            f"{row['times_reference']:.2f}",
            paired,
            "never" if there is None else f"{there:,}",
            cell(row["at_equal_time"]),
            f"{row['rows']:,}",
        ]
        lines.append(f"| `{name}` | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def multiples(regime: str, found: dict[str, Any], more: dict[str, dict[str, Any]]) -> str:
    """The best method's accuracy divided by that of others, at each evaluation; at the end also for `more`."""
    names = found["names"]
    best = max(names, key=lambda name: float(names[name]["accuracy"]["mean"]))
    curves = {name: [point["mean"] for point in row["curve"]["accuracy"]][1:] for name, row in names.items()}
    places = names[best]["curve"]["rollouts"][1:]
    lines = [
        f"**`{best}` against the others, {regime} constraints, mean over mean**",
        "",
        "| rollouts | " + " | ".join(f"{place:,}" for place in places) + " |",
        "|---" * (len(places) + 1) + "|",
    ]
    for name in ("rlvr", "fraction", "hir", "retarget"):
        times = [f"{mine / theirs:.2f}" for mine, theirs in zip(curves[best], curves[name], strict=True)]
        lines.append(f"| times `{name}` | " + " | ".join(times) + " |")
    for about, result in more.items():
        end = names[best]["accuracy"]["mean"]
        others = [
            f"{end / row['accuracy']['mean']:.2f} times `{name}` ({cell(row['accuracy'])}, {len(row['seeds'])} seeds, "
            f"{row['cpu_seconds']['mean']:.0f} s of CPU time)"
            for name, row in result["regimes"][regime]["names"].items()
        ]
        rows = result["regimes"][regime]["names"].values()
        rollouts = max(row["curve"]["rollouts"][-1] for row in rows)
        lines += ["", f"With {rollouts:,} {about}: {', '.join(others)}. (`{result['command'].strip()}`)"]
    spent = names[best]["cpu_seconds"]["mean"]
    return "\n".join([*lines, "", f"`{best}` itself takes {spent:.0f} s of CPU time."])


def ratio(runs: list[dict[str, Any]], one: str, other: str) -> str:
    """Ratio of two methods' mean final accuracies, with a 95 % bootstrap interval over seeds (10,000 resamples)."""
    final = {(row["name"], row["seed"]): row["accuracy"][-1] for row in runs}
    seeds = sorted({row["seed"] for row in runs})
    both = np.array([[final[one, seed], final[other, seed]] for seed in seeds])
    drawn = both[np.random.default_rng(0).integers(len(seeds), size=(10_000, len(seeds)))].mean(1)
    low, high = np.percentile(drawn[:, 0] / drawn[:, 1], (2.5, 97.5))
    mean, reference = both.mean(0)
    return f"{mean / reference:.2f} times ({low:.1f} to {high:.1f})"


def budgets(result: dict[str, Any]) -> str:
    """Each budget of lm_budgets.py as Markdown: each method at its best cell, and the best one's ratio to others."""
    reference = result["reference"]
    lines = []
    for rollouts, found in result["budgets"].items():
        names = found["table"]["names"]
        best = max(names, key=lambda name: float(names[name]["accuracy"]["mean"]))
        chosen = {row["arm"]: row for row in found["best"]}
        lines += [
            f"**{result['regime']} constraints, {int(rollouts):,} rollouts, {len(names[best]['seeds'])} seeds**",
            "",
            f"| method | learning rate | all constraints met | `{best}` has | greedy "
            f"| rollouts to `{reference}`'s end | at equal CPU time | CPU time, s |",
            "|---|---|---|---|---|---|---|---|",
        ]
        for name, row in names.items():
            rate, decay = chosen[name]["learning_rate"], chosen[name]["decay"]
            there = row["rollouts_to_reference"]
            cells = [
                f"{rate:g}" + ("" if decay == 1 else f", falling to {rate * decay:g}"),
                cell(row["accuracy"]),
                "" if name == best else ratio(found["runs"], best, name),
                cell(row["greedy"]),
                "never" if there is None else f"{there:,}",
                cell(row["at_equal_time"]),
                f"{row['cpu_seconds']['mean']:.0f}",
            ]
            lines.append(f"| `{name}` | " + " | ".join(cells) + " |")
        lines.append("")
    return "\n".join([*lines, f"(`results/lm_budgets.json`: `{result['command'].strip()}`)"])


def draw(result: dict[str, Any], out: Path) -> None:
    """Learning curves of every regime; bands are 95 % intervals over seeds."""
    plt.rcParams.update({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False})
    regimes = result["regimes"]
    figure, axes = plt.subplots(1, len(regimes), figsize=(1.2 + 4.4 * len(regimes), 3.6), squeeze=False)
    for axis, (regime, found) in zip(axes[0], regimes.items(), strict=True):
        for name, row in found["names"].items():
            xs = [x / 1000 for x in row["curve"]["rollouts"]]
            mean = [point["mean"] for point in row["curve"]["accuracy"]]
            half = [point["half"] for point in row["curve"]["accuracy"]]
            colour = COLOURS.get(name)
            axis.plot(xs, mean, lw=1.8, color=colour, label=name)
            low, high = ([m + sign * h for m, h in zip(mean, half, strict=True)] for sign in (-1, 1))
            axis.fill_between(xs, low, high, color=colour, alpha=0.14, lw=0)
        axis.set(xlabel="thousand rollouts", ylim=(0, None), title=f"{regime} constraints")
    axes[0][0].set_ylabel("instructions with all constraints met")
    lines, names = axes[0][0].get_legend_handles_labels()  # the first regime has every method
    figure.tight_layout(rect=(0, 0.08, 1, 1))
    figure.legend(lines, names, loc="lower center", ncols=len(names), frameon=False, fontsize=9)
    figure.savefig(out, dpi=130)


def main() -> None:
    """Figure and tables."""
    result = json.loads((ROOT / "results" / "lm_arms.json").read_text("utf-8"))
    commands = {"lm_arms.json": result["command"]}
    if (easier := ROOT / "results" / "lm_arms_easier.json").exists():
        more = json.loads(easier.read_text("utf-8"))
        result["regimes"] |= more["regimes"]
        commands[easier.name] = more["command"]
    draw(result, ROOT / "docs" / "images" / "lm_arms.png")
    (first, found), *_ = result["regimes"].items()
    more = {
        about: json.loads((ROOT / "results" / name).read_text("utf-8"))
        for about, name in (
            ("rollouts and two passes over each batch", "lm_arms_two_passes.json"),
            ("rollouts", "lm_arms_longer.json"),
        )
        if (ROOT / "results" / name).exists()
    }
    write_between(EXPERIMENTS / "sandbox_methods.md", "lm_multiples", multiples(first, found, more))
    if (few := ROOT / "results" / "lm_budgets.json").exists():
        write_between(EXPERIMENTS / "sandbox_budgets.md", "lm_budgets", budgets(json.loads(few.read_text("utf-8"))))
    tables = [table(regime, found, result["reference"]) for regime, found in result["regimes"].items()]
    note = (
        "Fresh instructions of the same generator, sampled at temperature 1; ± is half of the 95 % interval over seeds "
        f"(Student's t). One core of {result['machine']['cores']} ({result['machine']['processor']}) per run. "
        + "; ".join(f"`results/{name}`: `{command.strip()}`" for name, command in commands.items())
    )
    for file, shown in ((ROOT / "README.md", tables[:1]), (EXPERIMENTS / "sandbox_methods.md", tables)):
        write_between(file, "lm_arms", "\n\n".join([*shown, note]))


if __name__ == "__main__":
    main()
