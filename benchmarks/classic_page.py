"""Make the figure and tables of docs/experiments/agent_classic.md, on the game's own map.

    python benchmarks/classic_page.py

Reads the result file of agent_study.py craftext.
"""

import json
from typing import Any

from agent_pages import EVALUATED, EXPERIMENTS, GROUPS, ROOT, Bars, learning_curves, plus_minus, source, table
from grounding import write_between
from studies import RESULTS, interval

from hindsight_rl.report.figures import save

NAME = "agent_craftext.json"
PAGE = EXPERIMENTS / "agent_classic.md"
CRAFTEXT = {"easy": "`easy`", "other_parameters": "`other_parameters`"}
STRICT = {
    "forbidding": "something is forbidden", "forbidding_plain": "the same without", "violated": "did what is forbidden",
    "counting": "several times", "counting_plain": "the same once",
}  # fmt: skip


def evaluation(result: dict[str, Any], name: str, parts: dict[str, str]) -> list[str]:
    """Lines of a Markdown table: the parts of a further evaluation, with their titles, per method."""
    lines = ["| method | " + " | ".join(parts.values()) + " |", "|---" * (1 + len(parts)) + "|"]
    for method, row in result["methods"].items():
        lines.append(f"| `{method}` | " + " | ".join(plus_minus(row[name][part]) for part in parts) + " |")
    return lines


def craftext(result: dict[str, Any]) -> str:
    """Success on CrafText's sentences, judged by its own checker, as Markdown."""
    refused = next(iter(result["methods"].values()))["craftext"]
    shares = " and ".join(f"{100 * refused[f'{part}_refused']['mean']:.1f} %" for part in CRAFTEXT)
    note = f"Not understood, and counted as failed: {shares} of the sentences. {source(NAME, result)}"
    return "\n".join([*evaluation(result, "craftext", CRAFTEXT), "", note])


def strict(result: dict[str, Any]) -> str:
    """Success with prohibitions and counts, against the same instructions without, as Markdown."""
    return "\n".join([*evaluation(result, "strict", STRICT), "", source(NAME, result)])


def paired(result: dict[str, Any]) -> str:
    """Differences between methods, paired by seed, as Markdown."""
    runs = {(run["method"], run["seed"]): run for run in result["runs"]}
    seeds = sorted({seed for _, seed in runs})
    heads = [*EVALUATED, *(f"CrafText {name}" for name in CRAFTEXT.values())]
    lines = ["| paired by seed | " + " | ".join(heads) + " |", "|---" * (1 + len(heads)) + "|"]
    for one, other in (("oir", "none"), ("oir", "her"), ("her", "none")):
        pairs = [(runs[one, seed], runs[other, seed]) for seed in seeds]
        values = [[a["mean"][group] - b["mean"][group] for a, b in pairs] for group in GROUPS]
        values += [
            [a["evaluations"]["craftext"][part] - b["evaluations"]["craftext"][part] for a, b in pairs]
            for part in CRAFTEXT
        ]
        found = [interval(each) for each in values]
        cells = [f"{each['mean']:+.3f} ± {each['half']:.3f}" for each in found]
        lines.append(f"| `{one}` over `{other}` | " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", "± is half of the 95 % interval over seeds (Student's t), from the file above."])


def main() -> None:
    """Draw and copy."""
    result = json.loads((RESULTS / NAME).read_text("utf-8"))
    colours = list(result["methods"])
    save([learning_curves(result, colours), Bars(result, colours)], ROOT / "docs" / "images" / "agent_classic.png")
    for mark, text in (
        ("agent_classic", table(NAME, result)),
        ("agent_classic_paired", paired(result)),
        ("agent_craftext", craftext(result)),
        ("agent_strict", strict(result)),
    ):
        write_between(PAGE, mark, text)
    write_between(ROOT / "docs" / "instructions.md", "agent_craftext", craftext(result))


if __name__ == "__main__":
    main()
