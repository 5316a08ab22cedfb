"""Writes the tables of docs/experiments/agent_gpu.md from results/agent_gpu.json.

python benchmarks/agent_gpu_page.py
"""

import json
from pathlib import Path
from typing import Any

from grounding import write_between

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "experiments" / "agent_gpu.md"
MARK = "agent_gpu"


def block(result: dict[str, Any]) -> str:
    """The curve, the speed, and success by instruction."""
    training, versions = result["training"], result["versions"]
    curve, seconds = training["curve"], training["seconds"]
    last = curve[-1]
    settings = result["settings"]
    lines = [
        f"`{settings['method']}` on `{settings['env']}`, the game's own map, {settings['num_envs']:,} environments "
        f"on one {result['machine']['device']}, one seed:",
        "",
        "| environment steps | seconds, evaluation included | mean success of the 22 |",
        "|---|---|---|",
        *(f"| {row['step']:,} | {row['seconds']:.0f} | {row['mean']:.3f} |" for row in curve),
        "",
        f"{training['steps_per_second']:,} steps a second while training (acting, learning and relabeling); "
        f"{seconds['relabel'] / (seconds['train'] + seconds['relabel']):.0%} of the time is relabeling on the host. "
        f"Compiling took {result['compile']['compile']:.0f} s. "
        f"At most {result['peak_gib']:.2f} GiB of the GPU's memory were in use.",
        "",
        "| instruction | success at the end |",
        "|---|---|",
    ]
    by_success: dict[float, list[str]] = {}
    for name, value in sorted(last["success"].items(), key=lambda item: -item[1]):
        by_success.setdefault(round(value, 2), []).append(f"`{name}`")
    lines += [f"| {', '.join(names)} | {value:.2f} |" for value, names in by_success.items()]
    lines += [
        "",
        f"(`results/agent_gpu.json`: `{result['command']}`; JAX {versions['jax']}. 32 trials per instruction in "
        f"held-out worlds at every row. {ending(result)})",
    ]
    if "note" in result:
        lines += ["", result["note"]]
    return "\n".join(lines)


def ending(result: dict[str, Any]) -> str:
    """How much of the planned steps was trained, and whether the bound on the time ended the program."""
    training, bound = result["training"], result["ended_by_bound"]
    program = "the program"
    if bound:
        program += f" during its {bound['during']}" if "evaluation" in result else " before its longer evaluation"
    if training["cut_short"]:
        steps = f"{training['steps']:,} of {training['steps_planned']:,} planned steps"
        said = f"The bound on the time ended training at {steps}"
        return f"{said}, and {program}." if bound else f"{said}."
    said = f"Training took all {training['steps_planned']:,} planned steps"
    return f"{said}; the bound on the time ended {program}." if bound else f"{said}."


def main() -> None:
    """Write what stands between the marks."""
    made = block(json.loads((ROOT / "results" / "agent_gpu.json").read_text("utf-8")))
    write_between(PAGE, MARK, made)


if __name__ == "__main__":
    main()
