"""Writes the tables of docs/experiments/real_model.md and the on-task table of docs/replay.md from their result files.

python benchmarks/lm_real_page.py
"""

import json
from pathlib import Path
from typing import Any

from grounding import write_between

from hindsight_rl.intervals import wilson

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "experiments" / "real_model.md"
RESULTS = ("lm_real_gpu", "lm_real_cpu")


def share(wins: int, count: int) -> str:
    """A share with its 95 % interval (Wilson) over instructions."""
    low, high = wilson(wins, count)
    return f"{wins / count:.3f} ({low:.2f} to {high:.2f})"


def rows_of(final: dict[str, Any]) -> list[str]:
    """Cells of one model: unseen prompts, unseen kinds, by number, ended, words, perplexity, KL."""
    cells = []
    for name in ("test", "unseen_kinds"):
        cells.append(share(final[name]["wins"].count("1"), final[name]["instructions"]))
    cells.append(" / ".join(f"{value:.2f}" for value in final["test"]["by_number"].values()))
    cells.append(f"{final['test']['each']:.3f}")
    cells.append(f"{final['shape']['ended']:.2f}")
    cells.append(f"{final['shape']['words']:.0f}")
    cells.append(f"{final['perplexity']:.1f}")
    cells.append(f"{final['kl']:.2f}")
    return cells


def table(name: str, result: dict[str, Any]) -> str:
    """The comparison of one result file."""
    base = result["base"]["final"]
    lines = [
        f"**{result['common_rollouts']:,} rollouts per method, seeds {result['runs'][0]['seed']}**",
        "",
        "| method | learning rate | all met, unseen prompts | all met, unseen kinds | with 1 / 2 / 3 constraints "
        "| each met | ended | words | perplexity | KL to base | s |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
        "| base |  | " + " | ".join(rows_of(base)) + " |  |",
    ]
    order = {method: at for at, method in enumerate(result["table"])}
    for run in sorted((run for run in result["runs"] if "final" in run), key=lambda run: order[run["method"]]):
        cells = rows_of(run["final"])
        lines.append(
            f"| `{run['method']}` | {run['learning_rate']:g} | " + " | ".join(cells) + f" | {run['seconds']:.0f} |"
        )
    machine = result["machine"]
    lines += [
        "",
        f"(`results/{name}.json`: `{result['command']}`; {machine.get('device') or machine['processor']}, "
        f"{result['settings']['workers']} runs at a time. Greedy responses of at most {result['settings']['tokens']} "
        "tokens; in brackets the 95 % interval over instructions, not over seeds.)",
    ]
    if "note" in result:
        lines += ["", f"{result['note']}"]
    return "\n".join(lines)


def benchmarks_of(result: dict[str, Any]) -> str:
    """The base model on IFEval and IFBench."""
    final = result["base"]["final"]
    lines = [
        "| | prompt, strict | instruction, strict | prompt, loose | instruction, loose | ended |",
        "|---|---|---|---|---|---|",
    ]
    for name, title in (("ifeval", "IFEval, 541 prompts"), ("ifbench", "IFBench, 294 prompts")):
        keys = [f"{name}_{level}_{kind}" for kind in ("strict", "loose") for level in ("prompt", "instruction")]
        values = [f"{100 * final[key]:.1f}" for key in keys]
        lines.append(f"| {title} | " + " | ".join(values) + f" | {final[f'{name}_ended']:.2f} |")
    return "\n".join(lines)


def on_task(result: dict[str, Any]) -> str:
    """What the on-task filter rejects."""
    lines = [
        "| `on_task` | rejected | rejected, compared with another task | mean words of the rejected | of the others |",
        "|---|---|---|---|---|",
    ]
    for row in result["thresholds"]:
        shares = f"{100 * row['own_refused']:.0f} % | {100 * row['other_refused']:.0f} %"
        words = " | ".join("" if row[key] is None else f"{row[key]:.0f}" for key in ("words_refused", "words_kept"))
        lines.append(f"| {row['on_task']} | {shares} | {words} |")
    machine = result["machine"]
    lines += [
        "",
        f"{result['replayable']} failures that `retarget` can replay, of {result['responses']} responses of "
        f"SmolLM2-135M-Instruct to composed instructions, at temperature 1. Of one cosine between an answer "
        f"and its own task, and one between an answer and another task, the first is larger in "
        f"{100 * result['own_above_other']:.1f} % of pairs. "
        f"(`results/on_task.json`: `{result['command']}`; {' '.join(machine['processor'].split()[:2])})",
    ]
    return "\n".join(lines)


def main() -> None:
    """Replace the text between the marks of the pages."""
    file = ROOT / "results" / "on_task.json"
    write_between(ROOT / "docs" / "replay.md", "on_task", on_task(json.loads(file.read_text("utf-8"))))
    for name in RESULTS:
        file = ROOT / "results" / f"{name}.json"
        if file.exists():
            result = json.loads(file.read_text("utf-8"))
            write_between(PAGE, name, table(name, result))
            write_between(PAGE, f"{name}_base", benchmarks_of(result))


if __name__ == "__main__":
    main()
