"""Make the figures and tables of docs/experiments on the sandbox from the result files of lm_study.py.

python benchmarks/lm_pages.py
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from grounding import write_between
from lm_runs import reached
from studies import RESULTS, interval

from hindsight_rl.report.figures import Chart, Paint, Series, save

ROOT = RESULTS.parent
EXPERIMENTS = ROOT / "docs" / "experiments"
IMAGES = ROOT / "docs" / "images"


def result(name: str) -> dict[str, Any]:
    """A result file of lm_study.py."""
    return dict(json.loads((RESULTS / f"lm_{name}.json").read_text("utf-8")))


def source(name: str) -> str:
    """Where figures come from."""
    return f"`results/lm_{name}.json`: `{result(name)['command']}`"


def rollouts(found: dict[str, Any]) -> int:
    """Rollouts of each run of a condition."""
    return max(row["curve"]["rollouts"][-1] for row in found["table"]["names"].values())


def cell(value: dict[str, float]) -> str:
    """Mean and half of the 95 % interval."""
    return f"{value['mean']:.3f} ± {value['half']:.3f}"


def signed(value: dict[str, float] | None) -> str:
    """A paired difference with half of its 95 % interval."""
    return f"{value['mean']:+.3f} ± {value['half']:.3f}" if value else ""


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a table."""
    return [f"| {' | '.join(head)} |", "|---" * len(head) + "|", *(f"| {' | '.join(row)} |" for row in rows)]


def kind(found: dict[str, Any]) -> str:
    """What a table's figures are, and where they were made."""
    where = found["machine"]
    return (
        "Fresh instructions, sampled at temperature 1; ± is half of the 95 % interval over seeds (Student's t). "
        f"One core of {where['cores']} ({' '.join(where['processor'].split()[:2])}) per run."
    )


# -- methods ---------------------------------------------------------------------------------------------------------


def method_rows(names: dict[str, Any], reference: str) -> tuple[list[str], list[list[str]]]:
    """Head and rows of a table of methods."""
    head = ["method", "all constraints met", "greedy", f"times `{reference}`", f"over `{reference}`, paired",
            f"rollouts to `{reference}`'s end", "at equal CPU time", "rows trained"]  # fmt: skip
    rows = []
    for name, row in names.items():
        there = row.get("rollouts_to_reference")
        rows.append([
            f"`{name}`", cell(row["accuracy"]), cell(row["greedy"]), f"{row['times_reference']:.2f}",
            signed(row.get("over_reference")), "never" if there is None else f"{there:,}", cell(row["at_equal_time"]),
            f"{row['rows']:,}",
        ])  # fmt: skip
    return head, rows


def methods(condition: str, found: dict[str, Any], reference: str) -> str:
    """One condition."""
    names = found["table"]["names"]
    head, rows = method_rows(names, reference)
    seeds = len(next(iter(names.values()))["seeds"])
    title = f"**{condition} constraints, {rollouts(found):,} rollouts, {seeds} seeds**"
    return "\n".join([title, "", *markdown(head, rows)])


def multiples(condition: str, found: dict[str, Any], more: dict[str, str]) -> str:
    """The best method's accuracy divided by that of others, at each evaluation; at the end also by those of `more`."""
    names = found["table"]["names"]
    best = max(names, key=lambda name: float(names[name]["accuracy"]["mean"]))
    curves = {name: [point["mean"] for point in row["curve"]["accuracy"]][1:] for name, row in names.items()}
    rows = []
    for name in ("rlvr", "fraction", "hir", "retarget"):
        ratios = [f"{mine / theirs:.2f}" for mine, theirs in zip(curves[best], curves[name], strict=True)]
        rows.append([f"times `{name}`", *ratios])
    head = ["rollouts", *(f"{place:,}" for place in names[best]["curve"]["rollouts"][1:])]
    lines = [f"**`{best}` against the others, {condition} constraints, mean over mean**", "", *markdown(head, rows)]
    end = names[best]["accuracy"]["mean"]
    for study, about in more.items():
        given = result(study)["conditions"][condition]
        others = [
            f"{end / row['accuracy']['mean']:.2f} times `{name}` ({cell(row['accuracy'])}, {len(row['seeds'])} seeds, "
            f"{row['cpu_seconds']['mean']:.0f} s of CPU time)"
            for name, row in given["table"]["names"].items()
        ]
        lines += ["", f"With {rollouts(given):,} {about}: {', '.join(others)}. ({source(study)})"]
    return "\n".join([*lines, "", f"`{best}` itself takes {names[best]['cpu_seconds']['mean']:.0f} s of CPU time."])


def learning_curves(
    conditions: dict[str, dict[str, Any]], what: str = "constraints", x_label: str = "rollouts"
) -> list[Chart]:
    """A chart for each condition; bands are 95 % intervals over seeds. The first condition has every method."""
    colours = {name: i for i, name in enumerate(next(iter(conditions.values()))["table"]["names"])}
    charts = []
    for condition, found in conditions.items():
        lines = []
        for name, row in found["table"]["names"].items():
            mean, half = (np.array([point[key] for point in row["curve"]["accuracy"]]) for key in ("mean", "half"))
            x = np.array(row["curve"]["rollouts"], float)
            lines.append(Series(name, colours[name], x, mean, np.maximum(mean - half, 0), mean + half))
        label = f"instructions with all {what} met"
        charts.append(Chart(f"{condition} {what}", lines, x_label, label, size=(350, 290)))
    return charts


# -- fewer rollouts --------------------------------------------------------------------------------------------------


def ratio(runs: list[dict[str, Any]], one: str, other: str) -> str:
    """Ratio of two methods' mean final accuracies, with a 95 % bootstrap interval over seeds (10,000 resamples)."""
    final = {(row["name"], row["seed"]): row["accuracy"][-1] for row in runs}
    seeds = sorted({row["seed"] for row in runs})
    both = np.array([[final[one, seed], final[other, seed]] for seed in seeds])
    drawn = both[np.random.default_rng(0).integers(len(seeds), size=(10_000, len(seeds)))].mean(1)
    low, high = np.percentile(drawn[:, 0] / drawn[:, 1], (2.5, 97.5))
    mean, reference = both.mean(0)
    return f"{mean / reference:.2f} times ({low:.1f} to {high:.1f})"


def budgets(found: dict[str, Any]) -> str:
    """Each number of rollouts: every method at its best cell, and the best method's ratio to the others."""
    reference, lines = found["study"]["reference"], []
    for condition in found["conditions"].values():
        names = condition["table"]["names"]
        best = max(names, key=lambda name: float(names[name]["accuracy"]["mean"]))
        chosen = {each["method"]: each["options"] for each in condition["best"]}
        head = ["method", "learning rate", "all constraints met", f"`{best}` has", "greedy",
                f"rollouts to `{reference}`'s end", "at equal CPU time", "CPU time, s"]  # fmt: skip
        rows = []
        for name, row in names.items():
            there = row["rollouts_to_reference"]
            over = "" if name == best else ratio(condition["runs"], best, name)
            rows.append([
                f"`{name}`", _rate(chosen[name]), cell(row["accuracy"]), over, cell(row["greedy"]),
                "never" if there is None else f"{there:,}", cell(row["at_equal_time"]),
                f"{row['cpu_seconds']['mean']:.0f}",
            ])  # fmt: skip
        title = f"**7-8 constraints, {rollouts(condition):,} rollouts, {len(names[best]['seeds'])} seeds**"
        lines += [title, "", *markdown(head, rows), ""]
    return "\n".join([*lines, f"({source('budgets')})"])


def _rate(options: dict[str, float]) -> str:
    rate, decay = options["update.learning-rate"], options.get("update.decay", 1)
    return f"{rate:g}" + ("" if decay == 1 else f", falling to {rate * decay:g}")


# -- tuning, ablations, dependence -----------------------------------------------------------------------------------


def tuning(name: str) -> str:
    """The grid: every cell's mean, and its seeds."""
    found = result(name)
    ((condition, tuned),) = found["conditions"].items()

    def column(options: dict[str, float]) -> tuple[float, float, float]:
        """Rates that stay come before rates that fall."""
        return options.get("update.epochs", 1), -options.get("update.decay", 1), options["update.learning-rate"]

    options = {column(each["options"]): each["options"] for each in tuned["cells"]}
    columns = sorted(options)
    passes = len({column[0] for column in columns}) > 1
    heads = [
        _rate(options[each]) + (f", {'one pass' if each[0] == 1 else f'{each[0]:g} passes'}" if passes else "")
        for each in columns
    ]
    by = {(each["method"], column(each["options"])): each for each in tuned["cells"]}
    rows = []
    for method in found["study"]["methods"]:
        cells = []
        for each in columns:
            values = by[method, each]
            shown = f"{values['mean']:.3f} ({', '.join(f'{v:.3f}' for v in values['accuracy'])})"
            cells.append(f"**{shown}**" if values in tuned["best"] else shown)
        rows.append([f"`{method}`", *cells])
    what = "Learning rate and passes over the rollouts" if passes else "Learning rate"
    seeds = ", ".join(map(str, found["study"]["tuning_seeds"]))
    title = f"**{what}, seeds {seeds}: {condition} constraints, 30,720 rollouts**"
    return "\n".join(
        [title, "", *markdown(["method", *heads], rows), "", f"Bold: the best learning rate. ({source(name)})"]
    )


def ablations(found: dict[str, Any]) -> str:
    """Every variant against the unchanged method, paired by seed."""
    ((condition, only),) = found["conditions"].items()
    names, arm = only["table"]["names"], found["study"]["reference"]
    title = (
        f"**`{arm}`, one choice changed at a time: {condition} constraints, {rollouts(only):,} rollouts, "
        f"{len(names[arm]['seeds'])} seeds**"
    )
    head = ["variant", "all constraints met", f"against `{arm}`, paired", "greedy", "rows trained", "settings"]
    rows = [
        [f"`{name}`", cell(row["accuracy"]), signed(row.get("over_reference")), cell(row["greedy"]), f"{row['rows']:,}",
         f"`{found['study']['methods'][name]}`"]
        for name, row in names.items()
    ]  # fmt: skip
    return "\n".join([title, "", *markdown(head, rows), "", f"({source('ablations')}) {kind(found)}"])


@dataclass
class Differences:
    """Every variant's difference from the unchanged method, paired by seed, with its interval.

    Seeds differ in their base models, much more than variants do: intervals of the means would hide the differences.
    """

    rows: dict[str, dict[str, float]]
    x_label: str
    title: str = ""
    y_label: str = ""

    @property
    def size(self) -> tuple[int, int]:
        return 560, 70 + 19 * len(self.rows)

    def draw(self, axes: Any, paint: Paint) -> None:
        """The first row on top; an interval without 0 in another colour."""
        axes.axvline(0, color=paint("c0"), lw=1)
        for place, value in enumerate(reversed(self.rows.values())):
            color = paint("c1" if abs(value["mean"]) > value["half"] else "c6")
            axes.errorbar(value["mean"], place, xerr=value["half"], fmt="o", ms=5, color=color, lw=1.4, capsize=3)
        axes.set_yticks(range(len(self.rows)), list(reversed(self.rows)))
        axes.grid(axis="y", visible=False)
        axes.grid(axis="x")
        axes.locator_params(axis="x", nbins=8)


def dependent(name: str, found: dict[str, Any]) -> str:
    """Accuracy per way of rewriting and share of dependent constraints, and how far it is from the reference."""
    shares = {share: each["table"]["names"] for share, each in found["conditions"].items()}
    first = next(iter(found["conditions"].values()))
    study = found["study"]
    title = (
        f"**Growing shares of constraints that depend on another: 6-8 constraints, {rollouts(first):,} rollouts, "
        f"{len(study['seeds'])} seeds**"
    )
    head = [f"share {share}" for share in shares]
    rows = [[way, *(cell(names[way]["accuracy"]) for names in shares.values())] for way in study["methods"]]
    rows += [
        [f"{way}, less {study['reference']}", *(signed(names[way]["over_reference"]) for names in shares.values())]
        for way in study["methods"]
        if way != study["reference"]
    ]
    lines = [title, "", *markdown(["rewriting", *head], rows), "", "Differences are paired by seed."]
    return "\n".join([*lines, f"({source(name)}) {kind(found)}"])


@dataclass
class Shares:
    """Accuracy against the share of dependent constraints, with intervals side by side."""

    found: dict[str, Any]
    title: str = ""
    x_label: str = "share of constraints that depend on another"
    y_label: str = "instructions with all 6-8 met"
    size: tuple[int, int] = (440, 330)

    def draw(self, axes: Any, paint: Paint) -> None:
        """Both ways of rewriting of a method share a colour."""
        conditions = self.found["conditions"]
        methods = list(dict.fromkeys(way.split(",")[0] for way in self.found["study"]["methods"]))
        for number, way in enumerate(self.found["study"]["methods"]):
            values = [each["table"]["names"][way]["accuracy"] for each in conditions.values()]
            axes.errorbar(
                [float(share) + 0.006 * (number - 2) for share in conditions], [v["mean"] for v in values],
                yerr=[v["half"] for v in values], color=paint(f"c{methods.index(way.split(',')[0])}"),
                ls="--" if "plain" in way else "-", marker="o", ms=4, elinewidth=1, capsize=3, label=way,
            )  # fmt: skip
        axes.set_ylim(0, None)


# -- preferences -----------------------------------------------------------------------------------------------------


def _half_way(xs: Sequence[float], values: Sequence[float]) -> str:
    """Rollouts at which a mean curve has made half of its change; "-" where it changes by less than a tenth."""
    change = values[-1] - values[0]
    if abs(change) < 0.1:
        return "-"
    return f"{reached(xs, [(value - values[0]) / change for value in values], 0.5) or 0:,.0f}"


def _over(condition: dict[str, Any], name: str, reference: str) -> str:
    """The final instruction margin less that of the reference, seed by seed."""
    final = {(row["name"], row["seed"]): row["margins"]["instruction"][-1] for row in condition["runs"]}
    seeds = [seed for other, seed in final if other == name]
    return "" if name == reference else cell_signed(interval([final[name, s] - final[reference, s] for s in seeds]))


def _from_to(points: Sequence[dict[str, float] | None]) -> str:
    """A measure before training and at the end."""
    known = [point for point in points if point is not None]
    return f"{known[0]['mean']:+.2f} to {cell_signed(known[-1])}" if known else "-"


def cell_signed(value: dict[str, float]) -> str:
    """Mean with its sign, and half of the 95 % interval."""
    return f"{value['mean']:+.2f} ± {value['half']:.2f}"


def preferences(name: str, found: dict[str, Any]) -> str:
    """Both margins, attention and accuracy, before and after, for each normalisation of advantages."""
    lines = []
    for condition, each in found["conditions"].items():
        names = each["table"]["names"]
        rows = []
        for method, row in names.items():
            xs = row["curve"]["rollouts"]
            accuracy = [point["mean"] for point in row["curve"]["accuracy"]]
            margin = [point["mean"] for point in row["margins"]["instruction"]]
            attention = row["attention"]["constraints"]
            rows.append([
                f"`{method}`", _from_to(row["margins"]["instruction"]),
                _over(each, method, found["study"]["reference"]),
                _from_to(row["margins"]["response"]),
                _half_way(xs, margin), _half_way(xs, accuracy), cell(row["accuracy"]),
                f"{attention[0]['mean']:.2f} to {attention[-1]['mean']:.2f} ± {attention[-1]['half']:.2f}",
            ])  # fmt: skip
        head = ["method", "instruction margin", f"over `{found['study']['reference']}`, paired", "response margin",
                "half of the instruction margin's change at", "half of accuracy's change at",
                "all constraints met", "attention to constraints"]  # fmt: skip
        seeds = len(next(iter(names.values()))["seeds"])
        title = f"**`--advantage {condition}`: 5-7 constraints, {rollouts(each):,} rollouts, {seeds} seeds**"
        lines += [title, "", *markdown(head, rows), ""]
    return "\n".join([*lines, f"Margins in nats, before training and at the end. ({source(name)}) {kind(found)}"])


def less(one: dict[str, Any], other: dict[str, Any]) -> str:
    """Final accuracy of each method in one condition less that in another, paired by seed; equal runs are left out."""
    final = [{(row["name"], row["seed"]): row["accuracy"][-1] for row in each["runs"]} for each in (one, other)]
    said = []
    for name, row in one["table"]["names"].items():
        lost = [final[0][name, seed] - final[1][name, seed] for seed in row["seeds"]]
        if any(lost):
            said.append(f"`{name}` {signed(interval(lost))}")
    return ", ".join(said)


def margins(condition: dict[str, Any]) -> list[Chart]:
    """Both margins and accuracy over rollouts; bands are 95 % intervals."""
    names = condition["table"]["names"]
    measures = {
        "instruction margin, nats": lambda row: row["margins"]["instruction"],
        "response margin, nats": lambda row: row["margins"]["response"],
        "instructions with all constraints met": lambda row: row["curve"]["accuracy"],
    }
    charts = []
    for label, of in measures.items():
        lines = []
        for colour, (name, row) in enumerate(names.items()):
            kept = [(x, point) for x, point in zip(row["curve"]["rollouts"], of(row), strict=True) if point]
            x = np.array([each for each, _ in kept], float)
            mean, half = (np.array([point[key] for _, point in kept]) for key in ("mean", "half"))
            lines.append(Series(name, colour, x, mean, mean - half, mean + half))
        charts.append(Chart("", lines, "rollouts", label, size=(330, 290)))
    return charts


def main() -> None:
    """Write every figure and table."""
    arms = result("arms")
    conditions = arms["conditions"] | result("arms_easier")["conditions"]
    reference = arms["study"]["reference"]
    save(learning_curves(conditions), IMAGES / "lm_arms.png")
    (first, found), *_ = conditions.items()
    more = {"arms_two_passes": "rollouts and two passes over each batch", "arms_longer": "rollouts"}
    write_between(EXPERIMENTS / "sandbox_methods.md", "lm_multiples", multiples(first, found, more))
    tables = [methods(condition, each, reference) for condition, each in conditions.items()]
    note = (
        "Fresh instructions of the same generator, sampled at temperature 1; ± is half of the 95 % interval over seeds "
        f"(Student's t). One core of {arms['machine']['cores']} ({arms['machine']['processor']}) per run. "
        f"{source('arms')}; {source('arms_easier')}"
    )
    for page, shown in ((ROOT / "README.md", tables[:1]), (EXPERIMENTS / "sandbox_methods.md", tables)):
        write_between(page, "lm_arms", "\n\n".join([*shown, note]))
    write_between(EXPERIMENTS / "sandbox_budgets.md", "lm_budgets", budgets(result("budgets")))
    for name in ("tuning", "tuning_rates", "tuning_falling"):
        write_between(EXPERIMENTS / "sandbox_tuning.md", f"lm_{name}", tuning(name))
    varied = result("ablations")
    write_between(EXPERIMENTS / "sandbox_ablations.md", "lm_ablations", ablations(varied))
    names, arm = next(iter(varied["conditions"].values()))["table"]["names"], varied["study"]["reference"]
    label = f"difference from {arm} ({names[arm]['accuracy']['mean']:.3f}), same seeds, with its 95 % interval"
    differences = {name: row["over_reference"] for name, row in names.items() if name != arm}
    save([Differences(differences, label)], IMAGES / "lm_ablations.png")
    shares = result("dependent")
    write_between(EXPERIMENTS / "sandbox_dependent.md", "lm_dependent", dependent("dependent", shares))
    save([Shares(shares)], IMAGES / "lm_dependent.png")
    for name, condition in (("preferences", "split"), ("preferences_pooled", "pooled")):
        measured = result(name)
        text = preferences(name, measured)
        if condition == "pooled":
            lost = less(measured["conditions"][condition], result("preferences")["conditions"]["split"])
            text += f"\n\nAccuracy less that with `split`, paired by seed: {lost}."
        write_between(EXPERIMENTS / "sandbox_preferences.md", f"lm_{name}", text)
        save(margins(measured["conditions"][condition]), IMAGES / f"lm_{name}.png")


if __name__ == "__main__":
    main()
