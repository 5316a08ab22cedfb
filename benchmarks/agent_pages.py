"""Make the figure and tables on the agent in README.md and docs/experiments.

    python benchmarks/agent_pages.py

Reads the result files of agent_study.py (methods, methods_defaults, her, paper, tuning, minigrid_doors,
minigrid_objects, minigrid_tried, not_given), of agent_speed.py and of agent_minigrid_speed.py.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from grounding import write_between
from studies import RESULTS, interval, spread

from hindsight_rl.agent.training.progress import SOURCES
from hindsight_rl.report.figures import Chart, Paint, Series, save

ROOT = RESULTS.parent
EXPERIMENTS = ROOT / "docs" / "experiments"
SOURCE = "agent_methods.json"
SPEED = "agent_speed.json"
TUNING = "agent_tuning.json"
DEFAULTS = "agent_methods_defaults.json"
HER = "agent_her.json"
PAPER = "agent_paper.json"
MINIGRID = ("agent_minigrid_doors.json", "agent_minigrid_objects.json")
TRIED = "agent_minigrid_tried.json"
NOT_GIVEN = "agent_not_given.json"
MINIGRID_SPEED = "agent_minigrid_speed.json"
GROUPS = ("canonical", "paraphrased", "others", "composed")
EVALUATED = ("canonical (given)", "held-out paraphrases", "events without an achievement", "compositions")
LABELS = {
    "canonical": "canonical", "half given": "given", "other half": "not given", "paraphrased": "held-out paraphrases",
    "others": "events without an instruction", "composed": "compositions", "like held out": "pairs in training",
    "held_out": "pairs held out",
}  # fmt: skip


def table(name: str, result: dict[str, Any]) -> str:
    """Mean success per method, plus or minus the standard error over seeds, as Markdown."""
    lines = [
        f"**{result['runs'][0]['steps']:,} environment steps**",
        "",
        "| method | seeds | canonical | times `none` | held-out paraphrases | events without an achievement "
        "| compositions | achievements per trial |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for method, row in result["methods"].items():
        seeds = sum(run["method"] == method for run in result["runs"])
        error = (lambda cell: f" ± {cell['standard_error']:.3f}") if seeds > 1 else (lambda cell: "")
        cells = [f"{row[group]['mean']:.3f}{error(row[group])}" for group in GROUPS]
        none = result["methods"].get("none")
        cells.insert(1, f"{row['canonical']['mean'] / none['canonical']['mean']:.2f}" if none else "")
        achieved = row["achievements_per_trial"]
        spread = f" ± {achieved['standard_error']:.2f}" if seeds > 1 else ""
        cells.append(f"{achieved['mean']:.2f}{spread}")
        lines.append(f"| `{method}` | {seeds} | " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", source(name, result)])


def plus_minus(cell: dict[str, float]) -> str:
    """Mean and standard error."""
    return f"{cell['mean']:.3f} ± {cell['standard_error']:.3f}"


def source(name: str, result: dict[str, Any]) -> str:
    """Where figures come from, and what was renamed since the command was run."""
    renamed = f"; {result['renamed']}" if "renamed" in result else ""
    return f"(`results/{name}`: `{result['command'].strip()}`{renamed})"


def learning_curves(
    result: dict[str, Any], colours: Sequence[str], title: str = "Learning", asked: str = "22 canonical instructions"
) -> Chart:
    """Mean success over training; bands are the range over seeds."""
    lines = []
    for name, row in result["methods"].items():
        steps = np.array([step for step, _ in row["curve"]], float)
        low, mean, high = (np.array([point[key] for _, point in row["curve"]]) for key in ("min", "mean", "max"))
        lines.append(Series(name, colours.index(name), steps, mean, low, high))
    return Chart(title, lines, "environment steps", f"mean success, {asked}", size=(400, 380))


@dataclass
class Bars:
    """Success of several methods on each instruction, side by side."""

    result: dict[str, Any]
    colours: Sequence[str]
    """All methods, in the order of their colours."""
    title: str = "Each instruction"
    x_label: str = ""
    size: tuple[int, int] = (480, 380)

    @property
    def y_label(self) -> str:
        return f"success after {self.result['runs'][0]['steps'] / 1e6:.2g}M steps"

    def draw(self, axes: Any, paint: Paint) -> None:
        """Instructions that some method fulfils, in the order of the result file."""
        rows = {name: row["canonical_by_event"] for name, row in self.result["methods"].items()}
        events = [event for event in rows["oir"] if any(row[event] > 0.005 for row in rows.values())]
        shown = [name for name in ("oir", "oir-no-buffer", "her", "none") if name in rows]
        width = 0.81 / len(shown)
        for i, name in enumerate(shown):
            at = np.arange(len(events)) + (i - (len(shown) - 1) / 2) * width
            color = paint(f"c{self.colours.index(name)}")
            axes.bar(at, [rows[name][event] for event in events], width=0.92 * width, color=color)
        names = [event.replace("_", " ") for event in events]
        axes.set_xticks(range(len(events)), names, rotation=50, ha="right", fontsize=9)
        axes.margins(x=0.01)
        axes.set_ylim(0, 1)


SPEED_ROWS = {
    "ours": "ours: learning, hindsight, rare-event replay, relabeling, buffer",
    "unrelabeled": "ours without relabeling",
    "stock": "stock Craftax, plain PQN",
    "stock_our_learner": "stock Craftax, PQN that learns as ours does",
}


def speed(name: str, result: dict[str, Any]) -> str:
    """Steps per second of each arm and our ratio to it, as Markdown."""
    lines = ["| | steps per second | ours over it, per turn: median (lowest to highest) |", "|---|---|---|"]
    for arm, label in SPEED_ROWS.items():
        over = result.get(f"ours_over_{arm}")
        ratio = f"{over['median']:.2f} ({over['min']:.2f} to {over['max']:.2f})" if over else ""
        lines.append(f"| {label} | {result['steps_per_second'][arm]:,} | {ratio} |")
    machine, cost, config = result["machine"], result["cost_of_relabeling"], result["config"]
    note = (
        f"Environment `{config['env']}`, {config['rounds']} turns of {result['steps_per_turn']:,} steps each. "
        f"Relabeling takes {100 * cost['median']:.1f} % of the time "
        f"({100 * cost['min']:.1f} to {100 * cost['max']:.1f}). "
        f"{machine['cores']} cores ({machine['processor']}). `results/{name}`: `{result['command']}`"
    )
    return "\n".join([*lines, "", note])


def tuning(name: str, result: dict[str, Any]) -> str:
    """Every cell of the grid, per method, as Markdown; what a method gets in bold."""
    methods = result["methods"]
    cells = [cell["settings"] for cell in next(iter(methods.values()))["cells"]]
    lines = ["| method | " + " | ".join(cell or "defaults" for cell in cells) + " |", "|---" * (1 + len(cells)) + "|"]
    for method, row in methods.items():
        shown = []
        for cell in row["cells"]:
            values = ", ".join(f"{value:.3f}" for value in cell["values"])
            given = dict(setting.split("=") for setting in cell["settings"].split())
            # The defaults are the cell that names nothing; any other is chosen where what it names is.
            chosen = given.items() <= row["chosen"].items() and bool(given) == (row["chosen"] != row["defaults"])
            text = f"{cell['mean']:.3f} ({values})" if len(cell["values"]) > 1 else values
            shown.append(f"**{text}**" if chosen else text)
        lines.append(f"| `{method}` | " + " | ".join(shown) + " |")
    seeds, margin = result["settings"]["seeds"], result["settings"]["margin"]
    defaults = ", ".join(f"{k} {v}" for k, v in next(iter(methods.values()))["defaults"].items())
    note = (
        f"Canonical success, `game`: share of the 22 per trial; seed {seeds[0]}; a cell with two values "
        f"in brackets was run on seed {seeds[1]}, too. Defaults here: {defaults}. Bold: what "
        f"the method gets, the defaults unless another cell is ahead by more than {margin} over both "
        f"seeds. {source(name, result)}"
    )
    return "\n".join([*lines, "", note])


def untuned(name: str, result: dict[str, Any]) -> str:
    """Canonical success of every method at the defaults, as Markdown."""
    methods = result["methods"]
    lines = ["| | " + " | ".join(f"`{method}`" for method in methods) + " |", "|---" * (1 + len(methods)) + "|"]
    for label, shown in (
        ("canonical", plus_minus),
        ("times `none`", lambda row: f"{row['mean'] / methods['none']['canonical']['mean']:.2f}"),
    ):
        lines.append(f"| {label} | " + " | ".join(shown(row["canonical"]) for row in methods.values()) + " |")
    return "\n".join([*lines, "", source(name, result)])


def relabeling(before: dict[str, Any], her: dict[str, Any], paper: dict[str, Any]) -> str:
    """Hindsight with and without relabeling, on the same seeds, all at the defaults, as Markdown."""
    seeds = sorted(run["seed"] for run in her["runs"])
    lines = ["| method | relabels | " + " | ".join(EVALUATED) + " |", "|---" * 6 + "|"]
    every = [*before["runs"], *her["runs"], *paper["runs"]]
    shown_methods = {"none": "no", "her": "no", "oir-paper": "yes", "oir-no-buffer": "yes", "oir": "yes"}
    for method, relabels in shown_methods.items():
        runs = [run for run in every if run["method"] == method and run["seed"] in seeds]
        shown = [spread([run["mean"][group] for run in runs]) for group in GROUPS]
        cells = [plus_minus(each) for each in shown]
        lines.append(f"| `{method}` | {relabels} | " + " | ".join(cells) + " |")
    note = (
        f"Mean ± standard error over seeds {', '.join(map(str, seeds))}; all methods at the defaults, none tuned, "
        f"`her` and `oir-paper` at later commits. `her`: {source(HER, her)} `oir-paper`: "
        f"{source(PAPER, paper)} The others: {source(DEFAULTS, before)}"
    )
    return "\n".join([*lines, "", note])


def paired(before: dict[str, Any], her: dict[str, Any], paper: dict[str, Any]) -> str:
    """Differences of the same methods, paired by seed, as Markdown."""
    found = {(run["method"], run["seed"]): run["mean"] for run in (*before["runs"], *her["runs"], *paper["runs"])}
    seeds = sorted(run["seed"] for run in her["runs"])
    lines = ["| paired by seed | " + " | ".join(EVALUATED) + " |", "|---" * 5 + "|"]
    for one, other in (("oir-paper", "none"), ("oir-paper", "oir"), ("her", "oir-no-buffer"), ("oir", "oir-no-buffer")):
        cells = []
        for group in GROUPS:
            at = interval([found[one, seed][group] - found[other, seed][group] for seed in seeds])
            cells.append(f"{at['mean']:+.3f} ± {at['half']:.3f}")
        lines.append(f"| `{one}` over `{other}` | " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", "± is half of the 95 % interval over seeds (Student's t), from the files above."])


def sets(name: str, result: dict[str, Any], groups: Sequence[str]) -> str:
    """Mean success per method on some sets of instructions, as Markdown."""
    methods = result["methods"]
    lines = ["| method | " + " | ".join(LABELS[group] for group in groups) + " |", "|---" * (1 + len(groups)) + "|"]
    for method, row in methods.items():
        cells = [plus_minus(row[group]) if group in row else "" for group in groups]
        lines.append(f"| `{method}` | " + " | ".join(cells) + " |")
    first, machine = result["runs"][0], result["machine"]
    seeds = len({run["seed"] for run in result["runs"]})
    note = (
        f"Environment `{result['env']}`, {first['steps']:,} steps, {seeds} seeds, "
        f"± standard error over seeds. One core of {machine['cores']} ({machine['processor']}) per run. "
        f"{source(name, result)}"
    )
    return "\n".join([*lines, "", note])


def grid_speed(name: str, result: dict[str, Any]) -> str:
    """Steps per second in XLand-MiniGrid, as Markdown."""
    rates, over, less = (result[name] for name in ("steps_per_second", "ours_over_stock", "unreplayed_over_stock"))
    machine, config = result["machine"], result["config"]
    return "\n".join([
        "| | steps per second |",
        "|---|---|",
        f"| the package with plain PQN | {rates['stock']:,} |",
        f"| ours: events, mirror images, hindsight, rare-event replay, relabeling, buffer | {rates['ours']:,} |",
        f"| ours without rare-event replay | {rates['unreplayed']:,} |",
        "",
        f"Ours over the package, per turn: {over['median']:.2f} ({over['min']:.2f} to {over['max']:.2f}); without "
        f"rare-event replay {less['median']:.2f} ({less['min']:.2f} to {less['max']:.2f}). Environment "
        f"`{config['env']}`, {config['rounds']} turns of {result['steps_per_turn']:,} steps each, in "
        f"turn. {machine['cores']} cores ({machine['processor']}). {source(name, result)}",
    ])  # fmt: skip


def sources(*results: tuple[str, dict[str, Any]]) -> str:
    """The share of instructions that each source chose, per method, of named result files, as Markdown."""
    lines = ["| method | " + " | ".join(SOURCES.values()) + " |", "|---" * (1 + len(SOURCES)) + "|"]
    for _, result in results:
        for method, row in result["methods"].items():
            lines.append(f"| `{method}` | " + " | ".join(f"{100 * row['given'][k]:.1f} %" for k in SOURCES) + " |")
    return "\n".join([*lines, "", " ".join(source(*each) for each in results)])


def main() -> None:
    """Draw and copy."""
    result = json.loads((RESULTS / SOURCE).read_text("utf-8"))
    colours = list(result["methods"])
    save([learning_curves(result, colours), Bars(result, colours)], ROOT / "docs" / "images" / "agent_methods.png")
    machine, env = result["machine"], result["env"]
    note = (
        f"Share of instructions fulfilled within 200 steps per goal in held-out worlds, judged by true events, ± "
        f"standard error over seeds; achievements: of the 22, seen in a trial, asked for or not. "
        f"Environment `{env}`, the game on a smaller map: another task than the game's 64 x 64. "
        f"One core of {machine['cores']} ({machine['processor']}) per run."
    )
    for page in (ROOT / "README.md", EXPERIMENTS / "agent_methods.md"):
        write_between(page, "agent_methods", f"{table(SOURCE, result)}\n\n{note}")
    timed = json.loads((RESULTS / SPEED).read_text("utf-8"))
    write_between(EXPERIMENTS / "agent_speed.md", "agent_speed", speed(SPEED, timed))
    before = json.loads((RESULTS / DEFAULTS).read_text("utf-8"))
    write_between(EXPERIMENTS / "agent_tuning.md", "agent_defaults", untuned(DEFAULTS, before))
    her, paper = (json.loads((RESULTS / name).read_text("utf-8")) for name in (HER, PAPER))
    for page in (ROOT / "README.md", EXPERIMENTS / "agent_methods.md"):
        write_between(page, "agent_her", relabeling(before, her, paper))
    write_between(EXPERIMENTS / "agent_methods.md", "agent_paired", paired(before, her, paper))
    write_between(EXPERIMENTS / "agent_methods.md", "agent_sources", sources((HER, her), (PAPER, paper)))
    for name in MINIGRID:
        found = json.loads((RESULTS / name).read_text("utf-8"))
        groups = [group for group in LABELS if group in found["methods"]["oir"]]
        write_between(EXPERIMENTS / "agent_minigrid.md", Path(name).stem, sets(name, found, groups))
    grids = [json.loads((RESULTS / name).read_text("utf-8")) for name in MINIGRID]
    names = [name for name in grids[0]["methods"] if name != "oracle"]  # its curve hides that of `oir`
    shown = [
        grid | {"methods": {name: grid["methods"][name] for name in names if name in grid["methods"]}} for grid in grids
    ]
    charts = [learning_curves(grid, names, grid["env"], "instructions of training") for grid in shown]
    save(charts, ROOT / "docs" / "images" / "agent_minigrid.png")
    half = json.loads((RESULTS / NOT_GIVEN).read_text("utf-8"))
    groups = ["half given", "other half", "others", "paraphrased", "composed"]
    write_between(EXPERIMENTS / "agent_not_given.md", "agent_not_given", sets(NOT_GIVEN, half, groups))
    write_between(EXPERIMENTS / "agent_not_given.md", "agent_not_given_sources", sources((NOT_GIVEN, half)))
    tried = json.loads((RESULTS / TRIED).read_text("utf-8"))
    groups = [group for group in LABELS if group in tried["methods"]["oir"]]
    write_between(EXPERIMENTS / "agent_minigrid.md", "agent_minigrid_tried", sets(TRIED, tried, groups))
    timed = json.loads((RESULTS / MINIGRID_SPEED).read_text("utf-8"))
    write_between(EXPERIMENTS / "agent_minigrid.md", "agent_minigrid_speed", grid_speed(MINIGRID_SPEED, timed))
    tuned = json.loads((RESULTS / TUNING).read_text("utf-8"))
    write_between(EXPERIMENTS / "agent_tuning.md", "agent_tuning", tuning(TUNING, tuned))


if __name__ == "__main__":
    main()
