"""Make the figures and tables of docs/experiments on HiR's open questions from the result files of lm_study.py.

    python benchmarks/lm_questions_pages.py

Reads rooms, mdp_grpo, budgets, with whose methods it is compared, judge_errors, preferences, dependent_more, curriculum
and curriculum_large.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from grounding import write_between
from lm_pages import (
    EXPERIMENTS,
    IMAGES,
    Differences,
    Shares,
    cell,
    dependent,
    kind,
    learning_curves,
    markdown,
    method_rows,
    result,
    rollouts,
    signed,
    source,
)
from studies import interval

from hindsight_rl.report.figures import Paint, save

Final = dict[tuple[str, int], float]
"""Accuracy at the end, by method and seed."""


def finals(runs: list[dict[str, Any]]) -> Final:
    """What runs reached."""
    return {(row["name"], row["seed"]): row["accuracy"][-1] for row in runs}


def over(final: Final, name: str, reference: str, seeds: list[int]) -> str:
    """The difference of two methods, paired by seed; nothing for a method and itself."""
    return "" if name == reference else signed(interval([final[name, s] - final[reference, s] for s in seeds]))


def rooms(found: dict[str, Any]) -> str:
    """Every method at its best learning rate."""
    ((condition, only),) = found["conditions"].items()
    reference = found["study"]["reference"]
    head, rows = method_rows(only["table"]["names"], reference)
    rates = {each["method"]: each["options"]["update.learning-rate"] for each in only["best"]}
    seeds, final = found["study"]["seeds"], finals(only["runs"])
    rows = [
        [row[0], f"{rates[name]:g}", *row[1:], over(final, name, "rlvr", seeds)]
        for name, row in zip(rates, rows, strict=True)
    ]
    title = f"**{condition} goals, {rollouts(only):,} episodes, {len(seeds)} seeds**"
    head = [head[0], "learning rate", *(name.replace("constraints", "goals") for name in head[1:])]
    head.append("over `rlvr`, paired")
    head = [name.replace("rollouts", "episodes") for name in head]
    lines = [title, "", *markdown(head, rows), "", f"({source('rooms')}) {kind(found)}", "", "By kind of goal:", ""]
    return "\n".join([*lines, *by_kind(only["runs"], list(rates))])


def by_kind(runs: list[dict[str, Any]], methods: list[str]) -> list[str]:
    """A table of the share of goals met by kind, before and after training; intervals over seeds."""
    rows = []
    for name in runs[0]["by_kind"]:
        before = {row["seed"]: row["by_kind_before"][name] for row in runs}
        after = [[row["by_kind"][name] for row in runs if row["name"] == method] for method in methods]
        rows.append([f"`{name}`", cell(interval([*before.values()])), *(cell(interval(each)) for each in after)])
    return markdown(["goal", "before training", *(f"`{method}`" for method in methods)], rows)


def mdp_grpo(found: dict[str, Any], others: dict[str, Any]) -> str:
    """MDP-GRPO beside the methods of `budgets.toml`: the same grid, budgets, seeds and base models."""
    lines = []
    for condition, own in found["conditions"].items():
        there = others["conditions"][condition]
        names = {**there["table"]["names"], **own["table"]["names"]}
        chosen = {each["method"]: each["options"] for each in (*there["best"], *own["best"])}
        final = finals([*there["runs"], *own["runs"]])
        rows = []
        for name, row in names.items():
            paired = [over(final, name, reference, row["seeds"]) for reference in ("rlvr", "fraction")]
            rate, decay = (chosen[name][f"update.{key}"] for key in ("learning-rate", "decay"))
            falling = "" if decay == 1 else f", falling to {rate * decay:g}"
            rows.append([f"`{name}`", f"{rate:g}{falling}", cell(row["accuracy"]), *paired, cell(row["greedy"])])
        head = ["method", "learning rate", "all constraints met", "over `rlvr`, paired", "over `fraction`, paired",
                "greedy"]  # fmt: skip
        lines += [f"**7-8 constraints, {rollouts(own):,} rollouts, {len(found['study']['seeds'])} seeds**", ""]
        lines += [*markdown(head, rows), ""]
    return "\n".join([*lines, f"({source('mdp_grpo')}; the others: {source('budgets')}) {kind(found)}"])


def over_reward(found: dict[str, Any], others: dict[str, Any]) -> list[Differences]:
    """Every method's difference from `rlvr`, a figure per budget."""
    figures = []
    for condition, own in found["conditions"].items():
        there = others["conditions"][condition]
        final, seeds = finals([*there["runs"], *own["runs"]]), found["study"]["seeds"]
        names = [name for name in (*there["table"]["names"], *own["table"]["names"]) if name != "rlvr"]
        rows = {name: interval([final[name, seed] - final["rlvr", seed] for seed in seeds]) for name in names}
        figures.append(Differences(rows, "accuracy less that of rlvr", f"{rollouts(own):,} rollouts"))
    return figures


ERRORS = {
    "false positives": "a violated constraint counts as met",
    "false negatives": "a met constraint counts as violated",
}


def _rate(condition: str) -> tuple[str, float]:
    """Kind of error and its share, from a condition such as `false positives 5 %`."""
    words = condition.split()
    return " ".join(words[:2]), float(words[2]) / 100


def judge_errors(found: dict[str, Any]) -> str:
    """Accuracy per method and error rate; and what is left of the accuracy without errors."""
    methods = list(found["study"]["methods"])
    reached = {condition: finals(each["runs"]) for condition, each in found["conditions"].items()}
    seeds = found["study"]["seeds"]
    rows = []
    for condition, each in found["conditions"].items():
        cells = []
        for name in methods:
            shown = cell(each["table"]["names"][name]["accuracy"])
            if condition != "none":
                lost = [reached[condition][name, seed] - reached["none"][name, seed] for seed in seeds]
                shown += f" ({signed(interval(lost))})"
            cells.append(shown)
        rows.append([condition, *cells])
    reference = found["study"]["reference"]
    lead = [
        [condition, *(signed(interval([row[m, s] - row[reference, s] for s in seeds])) for m in methods[1:])]
        for condition, row in reached.items()
    ]
    first = found["conditions"]["none"]
    title = f"**5-7 constraints, {rollouts(first):,} rollouts, {len(seeds)} seeds**"
    table = markdown(["errors", *(f"`{name}`" for name in methods)], rows)
    note = "In brackets: less the same method without errors, paired by seed."
    ahead = markdown([f"ahead of `{reference}`, paired", *(f"`{name}`" for name in methods[1:])], lead)
    return "\n".join([title, "", *table, "", *ahead, "", f"{note} ({source('judge_errors')}) {kind(found)}"])


@dataclass
class Errors:
    """Accuracy against the rate of one kind of error."""

    found: dict[str, Any]
    of: str
    size: tuple[int, int] = (360, 300)
    y_label: str = "instructions with all constraints met"

    @property
    def title(self) -> str:
        return self.of

    @property
    def x_label(self) -> str:
        return f"share: {ERRORS[self.of]}"

    def draw(self, axes: Any, paint: Paint) -> None:
        """Intervals side by side."""
        shown = {0.0: self.found["conditions"]["none"]}
        for condition, each in self.found["conditions"].items():
            if condition.startswith(self.of):
                shown[_rate(condition)[1]] = each
        for number, name in enumerate(self.found["study"]["methods"]):
            values = [each["table"]["names"][name]["accuracy"] for each in shown.values()]
            axes.errorbar(
                [rate + 0.004 * (number - 1.5) for rate in shown], [v["mean"] for v in values],
                yerr=[v["half"] for v in values], color=paint(f"c{number}"), marker="o", ms=4, elinewidth=1, capsize=3,
                label=name,
            )  # fmt: skip
        axes.set_ylim(0, None)


LOOKS = {
    "constraints": "share on all constraints",
    "lift_met": "lift of met constraints",
    "lift_missed": "lift of missed constraints",
}


def _changes(runs: list[dict[str, Any]], method: str, look: str) -> list[float]:
    """What training changed, seed by seed."""
    found = [row["attention"][look] for row in runs if row["name"] == method]
    return [values[-1] - values[0] for values in found if None not in (values[0], values[-1])]


def attention(found: dict[str, Any]) -> str:
    """Attention to the constraints before training, and what each method changes."""
    ((condition, only),) = found["conditions"].items()
    runs, methods = only["runs"], list(found["study"]["methods"])
    first = [row for row in runs if row["name"] == methods[0]]
    before = [cell(interval([row["attention"][look][0] for row in first])) for look in LOOKS]
    rows = [["before training", *before]]
    rows += [[f"`{name}`", *(signed(interval(_changes(runs, name, look))) for look in LOOKS)] for name in methods]
    title = f"**Attention, `--advantage {condition}`: before training, and the change of each method, paired by seed**"
    table = markdown(["method", *LOOKS.values()], rows)
    return "\n".join([title, "", *table, "", f"({source('preferences')}) {kind(found)}"])


def attention_changes(found: dict[str, Any]) -> list[Differences]:
    """The changes of both lifts, as figures."""
    ((_, only),) = found["conditions"].items()
    return [
        Differences(
            {name: interval(_changes(only["runs"], name, look)) for name in found["study"]["methods"]},
            "change by training", LOOKS[look],
        )
        for look in ("lift_met", "lift_missed")
    ]  # fmt: skip


CHOICES_COMPARED = (
    ("integrity", "lambda 2, growing"), ("integrity", "lambda 10"), ("lambda 10", "lambda 2, growing"),
    ("lambda 10", "lambda 0.8, growing"), ("integrity", "lambda 0.8, growing"),
    ("lambda 2, growing", "lambda 0.8, growing"), ("lambda 2", "lambda 0.8"), ("lambda 2, growing", "lambda 2"),
    ("lambda 0.8, growing", "lambda 0.8"), ("lambda 2", "lambda 10"), ("lambda 0.8", "diversity"),
    ("lambda 2", "diversity"), ("lambda 2, growing", "rlvr"),
)  # fmt: skip


def dependent_more(found: dict[str, Any]) -> str:
    """The table of dependent constraints, and plain rewriting less closed rewriting on the same seeds."""
    seeds = found["study"]["seeds"]
    reached = {share: finals(each["runs"]) for share, each in found["conditions"].items()}
    rows = []
    for way in ("hir", "retarget"):
        ways = f"{way}, plain", f"{way}, closed"
        rows.append([f"{way}, plain, less closed", *(over(row, *ways, seeds) for row in reached.values())])
    table = markdown(["paired by seed", *(f"share {share}" for share in reached)], rows)
    return "\n".join([dependent("dependent_more", found), "", *table])


STRONG, DEFAULT = ("30k, strong", "100k, strong"), "lambda 2, growing"


Reached = list[tuple[list[int], Final]]
"""Seeds of some conditions, with what their runs reached."""


def pooled(reached: Reached, one: str, other: str) -> str:
    """The difference of two choices over all seeds of some conditions."""
    return signed(interval([final[one, seed] - final[other, seed] for seeds, final in reached for seed in seeds]))


def curriculum(sizes: list[dict[str, Any]]) -> str:
    """Every choice of failures against random choice, for each size of the model and each base model."""
    conditions = [(each["study"], name, at) for each in sizes for name, at in each["conditions"].items()]
    tables = [at["table"]["names"] for _, _, at in conditions]
    reached = {name: (study["seeds"], finals(at["runs"])) for study, name, at in conditions}
    everything, strong = [*reached.values()], [reached[name] for name in STRONG]
    reference = sizes[0]["study"]["reference"]
    rows = [["before training", *(cell(names[reference]["curve"]["accuracy"][0]) for names in tables), ""]]
    for method in sizes[0]["study"]["methods"]:
        if method == reference:
            rows.append([method, *(cell(names[method]["accuracy"]) for names in tables), ""])
            continue
        own = [signed(names[method]["over_reference"]) for names in tables]
        rows.append([method, *own, pooled(everything, method, reference)])
    pairs = sum(len(seeds) for seeds, _ in everything)
    head = ["choice", *(f"{name}, {len(study['seeds'])} seeds" for study, name, _ in conditions), f"all {pairs}"]
    title = f"**`hir` by choice of failures, {rollouts(conditions[0][2]):,} rollouts**"
    compared = "; ".join(f"{one} less {other} {pooled(everything, one, other)}" for one, other in CHOICES_COMPARED)
    together = "; ".join(f"{one} {pooled(strong, one, reference)}" for one in ("integrity", "lambda 10", DEFAULT))
    note = "The first two rows are accuracies, the others differences from random choice, paired by seed."
    sources = "; ".join(source(name) for name in ("curriculum", "curriculum_large"))
    lines = [title, "", *markdown(head, rows), "", f"Over all {pairs} pairs: {compared}."]
    lines += ["", f"{' and '.join(STRONG)} together, less random choice: {together}."]
    return "\n".join([*lines, "", f"{note} ({sources}) {kind(sizes[0])}"])


@dataclass
class Heat:
    """Differences from the reference, method by condition; bold where the interval does not hold 0."""

    sizes: list[dict[str, Any]]
    title: str = "difference from random choice, percentage points"
    x_label: str = "parameters and base model"
    y_label: str = ""
    size: tuple[int, int] = (640, 330)

    def draw(self, axes: Any, paint: Paint) -> None:
        """Blue where it is better, red where it is worse."""
        study = self.sizes[0]["study"]
        conditions = {name: at["table"]["names"] for each in self.sizes for name, at in each["conditions"].items()}
        methods = [name for name in study["methods"] if name != study["reference"]]
        table = [[names[method]["over_reference"] for names in conditions.values()] for method in methods]
        means = 100 * np.array([[value["mean"] for value in row] for row in table])
        bound = np.abs(means).max()
        axes.imshow(means, cmap="RdBu", vmin=-bound, vmax=bound, aspect="auto")
        for y, row in enumerate(table):
            for x, value in enumerate(row):
                apart = abs(value["mean"]) > value["half"]
                axes.text(
                    x, y, f"{means[y, x]:+.1f}", ha="center", va="center", fontsize=9,
                    color="black" if abs(means[y, x]) < 0.6 * bound else "white", weight="bold" if apart else "normal",
                )  # fmt: skip
        axes.set_xticks(range(len(conditions)), list(conditions), fontsize=9)
        axes.set_yticks(range(len(methods)), methods, fontsize=9)
        axes.grid(visible=False)


def main() -> None:
    """Write every figure and table."""
    turns = result("rooms")
    write_between(EXPERIMENTS / "sandbox_rooms.md", "lm_rooms", rooms(turns))
    save(learning_curves(turns["conditions"], "goals", "episodes"), IMAGES / "lm_rooms.png")
    group, budgets = result("mdp_grpo"), result("budgets")
    write_between(EXPERIMENTS / "sandbox_mdp_grpo.md", "lm_mdp_grpo", mdp_grpo(group, budgets))
    save(over_reward(group, budgets), IMAGES / "lm_mdp_grpo.png")
    wrong = result("judge_errors")
    write_between(EXPERIMENTS / "sandbox_judge_errors.md", "lm_judge_errors", judge_errors(wrong))
    save([Errors(wrong, each) for each in ERRORS], IMAGES / "lm_judge_errors.png")
    looks = result("preferences")
    write_between(EXPERIMENTS / "sandbox_preferences.md", "lm_attention", attention(looks))
    save(attention_changes(looks), IMAGES / "lm_attention.png")
    shares = result("dependent_more")
    write_between(EXPERIMENTS / "sandbox_dependent.md", "lm_dependent_more", dependent_more(shares))
    save([Shares(shares)], IMAGES / "lm_dependent_more.png")
    sizes = [result("curriculum"), result("curriculum_large")]
    write_between(EXPERIMENTS / "sandbox_curriculum.md", "lm_curriculum", curriculum(sizes))
    save([Heat(sizes)], IMAGES / "lm_curriculum.png")


if __name__ == "__main__":
    main()
