"""Writes the tables of docs/experiments/real_model.md and the on-task table of docs/replay.md from their result files.

python benchmarks/lm_real_page.py
"""

import json
from pathlib import Path
from typing import Any

from grounding import write_between
from lm_pages import Differences, cell, markdown, signed
from studies import interval

from hindsight_rl.intervals import wilson
from hindsight_rl.report.figures import save

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


def finished(result: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """The runs that were evaluated at their end, by method and seed, with their names in the tables."""
    methods, several = list(result["table"]), len({run["seed"] for run in result["runs"]}) > 1
    runs = [run for run in result["runs"] if "final" in run]
    runs.sort(key=lambda run: (methods.index(run["method"]), run["seed"]))
    return [(f"`{run['method']}`" + (f", seed {run['seed']}" if several else ""), run) for run in runs]


def table(name: str, result: dict[str, Any]) -> str:
    """The comparison of one result file."""
    base, seeds = result["base"]["final"], ", ".join(map(str, sorted({run["seed"] for run in result["runs"]})))
    lines = [
        f"**{result['common_rollouts']:,} rollouts per method, seeds {seeds}**",
        "",
        "| method | learning rate | all met, unseen prompts | all met, unseen kinds | with 1 / 2 / 3 constraints "
        "| each met | ended | words | perplexity | KL to base | s |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
        "| base |  | " + " | ".join(rows_of(base)) + " |  |",
    ]
    for name_of_run, run in finished(result):
        cells = rows_of(run["final"])
        lines.append(
            f"| {name_of_run} | {run['learning_rate']:g} | " + " | ".join(cells) + f" | {run['seconds']:.0f} |"
        )
    machine = result["machine"]
    lines += [
        "",
        f"(`results/{name}.json`: `{result['command']}`; {machine.get('device') or machine['processor']}, "
        f"{_at_a_time(result['settings']['workers'])}. Greedy responses of at most {result['settings']['tokens']} "
        "tokens; in brackets the 95 % interval over instructions, not over seeds.)",
    ]
    if "note" in result:
        lines += ["", f"{result['note']}"]
    return "\n".join(lines)


def _at_a_time(runs: int) -> str:
    return "one run at a time" if runs == 1 else f"{runs} runs at a time"


def attention(result: dict[str, Any]) -> str:
    """Attention to the words of constraints: of each model, and how far a trained one is from the base."""
    base = result["base"]["final"]["attention"]
    rows = [["base", *(_mean(base["own"], key) for key in ATTENTION), "", "", "", ""]]
    for name, run in finished(result):
        found = run["final"]["attention"]
        own = [_mean(found["own"], key) for key in ATTENTION]
        same = [signed(_paired(found["base"], base["base"], key)) for key in ATTENTION]
        rows.append([name, *own, *same])
    names = ("share", "lift", "lift, met", "lift, missed")
    head = ["method", *(f"{name}, own responses" for name in names), *(f"{name}, over base" for name in names)]
    lines = markdown(head, rows)
    lifts = [(name, _paired(run["final"]["attention"]["own"], base["own"], "lift")) for name, run in finished(result)]
    own_lifts = ", ".join(f"{name} {signed(value)}" for name, value in lifts)
    number = base["own"]["responses"]
    note = f"{number} instructions; ± is half of the 95 % interval over instructions (Student's t), not over seeds."
    return "\n".join(
        [
            *lines,
            "",
            f"Own responses: as each model answers. Over base: on the base's responses, paired. {note}",
            "",
            f"Lift in own responses less that of the base in its own, paired by instruction: {own_lifts}.",
        ]
    )


ATTENTION = ("constraints", "lift", "lift_met", "lift_missed")


def attention_over_base(result: dict[str, Any]) -> list[Differences]:
    """The changes of both lifts on the base's responses, as figures."""
    base = result["base"]["final"]["attention"]["base"]
    return [
        Differences(
            {run["method"]: _paired(run["final"]["attention"]["base"], base, key) for _, run in finished(result)},
            "lift less that of the base model", title,
        )
        for key, title in (("lift_met", "met constraints"), ("lift_missed", "missed constraints"))
    ]  # fmt: skip


def _mean(found: dict[str, Any], key: str) -> str:
    return cell(interval([row[key] for row in found["by_response"] if row[key] is not None]))


def _paired(found: dict[str, Any], base: dict[str, Any], key: str) -> dict[str, float]:
    before = {row["index"]: row[key] for row in base["by_response"] if row[key] is not None}
    pairs = [row[key] - before[row["index"]] for row in found["by_response"] if row["index"] in before]
    return interval(pairs)


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
        "| `on_task` | rejected | rejected, compared with a wrong task | mean words of the rejected | of the others |",
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
        f"SmolLM2-135M-Instruct to composed instructions, at temperature 1. In "
        f"{100 * result['own_above_other']:.1f} % of pairs the cosine of an answer with its own task is larger "
        "than the cosine of an answer with another task. "
        f"(`results/on_task.json`: `{result['command']}`; {' '.join(machine['processor'].split()[:2])})",
    ]
    return "\n".join(lines)


def speed(result: dict[str, Any]) -> str:
    """Ours against TRL's trainer on a CPU."""
    head = ("trainer", "rollouts per second", "times as fast as `trl`", "time per row over `trl, tuned`", "peak GiB")
    keys = ("rollouts_per_second", "times as fast as trl", "time per row over trl, tuned", "peak_gib")
    rows = [
        [f"`{name}`", *(f"{row[key]['median']:.2f} ({row[key]['min']:.2f} to {row[key]['max']:.2f})" for key in keys)]
        for name, row in result["table"].items()
    ]
    sizes = result["sizes"]
    note = (
        f"Median (range) of {sizes['rounds']} rounds; {sizes['prompts']} prompts x {sizes['samples']} rollouts of at "
        f"most {sizes['tokens']} tokens, {sizes['threads']} threads. (`results/lm_real_speed.json`: "
        f"`{result['command']}`; {result['machine']['processor']})"
    )
    return "\n".join([*markdown(head, rows), "", note])


def main() -> None:
    """Replace the text between the marks of the pages."""
    file = ROOT / "results" / "on_task.json"
    write_between(ROOT / "docs" / "replay.md", "on_task", on_task(json.loads(file.read_text("utf-8"))))
    file = ROOT / "results" / "lm_real_speed.json"
    write_between(ROOT / "docs" / "scaling.md", "lm_real_speed", speed(json.loads(file.read_text("utf-8"))))
    for name in RESULTS:
        file = ROOT / "results" / f"{name}.json"
        if file.exists():
            result = json.loads(file.read_text("utf-8"))
            write_between(PAGE, name, table(name, result))
            if "attention" in result["base"]["final"]:
                write_between(PAGE, f"{name}_attention", attention(result))
                save(attention_over_base(result), ROOT / "docs" / "images" / "lm_real_attention.png")
            if "ifeval_prompt_strict" in result["base"]["final"]:
                write_between(PAGE, f"{name}_base", benchmarks_of(result))


if __name__ == "__main__":
    main()
