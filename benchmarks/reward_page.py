"""Writes the tables of docs/experiments/reward.md from results/reward_calibration.json.

python benchmarks/reward_page.py
"""

import json
from pathlib import Path
from typing import Any

from grounding import write_between

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "experiments" / "reward.md"
SOURCE = "reward_calibration.json"
SETS = {
    "canonical": "canonical (fitted)",
    "train": "train (fitted)",
    "calibration": "calibration (fitted)",
    "heldout": "**held-out**",
    "heldout_achievements": "held-out, achievements only",
}


def quality(result: dict[str, Any]) -> str:
    """Precision, recall and AUC of both modes on every set of phrasings."""
    modes = result["modes"]
    heads = [f"{name}, δ {mode['delta']:.2f}" for name, mode in modes.items()]
    lines = [
        "| phrasings | texts | " + " | ".join(f"{head}: precision | recall | AUC" for head in heads) + " |",
        "|---" * (2 + 3 * len(modes)) + "|",
    ]
    for name, title in SETS.items():
        cells = [f"{mode['sets'][name][key]:.3f}" for mode in modes.values() for key in ("precision", "recall", "auc")]
        lines.append(f"| {title} | {modes['calibrated']['sets'][name]['texts']} | " + " | ".join(cells) + " |")
    nearest = modes["calibrated"]["affinity_top1"]
    unrelated = modes["calibrated"]["unrelated_rejected"]["heldout"]
    return "\n".join(
        [
            *lines,
            "",
            f"The nearest event is the intended one for {nearest['heldout']:.3f} of the held-out texts and "
            f"{nearest['canonical']:.3f} of the canonical ones. Of the held-out texts that mean nothing in the "
            f"environment, {unrelated:.0%} fire on no event.",
            "",
            f"(`results/{SOURCE}`: `{result['command']}`)",
        ]
    )


def thresholds(result: dict[str, Any]) -> str:
    """Precision and recall on held-out phrasings for several thresholds, and the best F1 of the global mode."""
    modes = result["modes"]
    values = list(modes["calibrated"]["sweep_heldout"])
    lines = ["| δ | " + " | ".join(values) + " |", "|---" * (len(values) + 1) + "|"]
    for name, mode in modes.items():
        cells = [f"{precision:.2f} / {recall:.2f}" for precision, recall in mode["sweep_heldout"].values()]
        lines.append(f"| {name}: precision / recall | " + " | ".join(cells) + " |")
    best = ", ".join(f"{value:.2f} on {name.replace('_', ', ')}" for name, value in result["best_global_delta"].items())
    return "\n".join([*lines, "", f"Threshold with the best F1 in the global mode: {best}."])


def mistakes(result: dict[str, Any]) -> str:
    """What the calibrated mode gets wrong on held-out phrasings."""
    found = result["modes"]["calibrated"]["sets"]["heldout"]
    wrong = [f"| {text} | `{fired}` | `{meant}` |" for text, meant, fired in found["false_pairs"]]
    missed = ", ".join(f"{text} (`{event}`)" for text, event in found["misses"])
    return "\n".join(
        [
            "| text | fires on | was meant for |",
            "|---|---|---|",
            *wrong,
            "",
            f"{len(found['misses'])} texts do not fire on their event: {missed}.",
        ]
    )


def main() -> None:
    """Write what stands between the page's marks."""
    result = json.loads((ROOT / "results" / SOURCE).read_text("utf-8"))
    for mark, made in (("quality", quality), ("thresholds", thresholds), ("mistakes", mistakes)):
        write_between(PAGE, f"reward_{mark}", made(result))


if __name__ == "__main__":
    main()
