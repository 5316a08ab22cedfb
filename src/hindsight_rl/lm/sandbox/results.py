"""Results of a run of several methods: accuracy at each evaluation, and cost, per method."""

from collections.abc import Sequence
from typing import Any

from hindsight_rl.lm.sandbox.run_arms import SUMMARY, arm_folder, is_done
from hindsight_rl.run import Run


def results(run: Run, names: Sequence[str]) -> dict[str, Any]:
    """The contents of `eval.json`: curve, last evaluation and cost of each method with at least one evaluation."""
    arms: dict[str, Any] = {}
    for name in names:
        files = Run(arm_folder(run, name))
        evals = files.lines("evals.jsonl")
        if not evals:
            continue
        last = evals[-1]
        arms[name] = {
            "done": is_done(run, name),
            "rollouts": [line["rollouts"] for line in evals],
            "accuracy": [line["sampled"]["accuracy"] for line in evals],
            "greedy": [line["greedy"]["accuracy"] for line in evals],
            "constraint_accuracy": [line["sampled"]["constraint_accuracy"] for line in evals],
            "seconds": [line["seconds"] for line in evals],
            "cpu_seconds": [line["cpu_seconds"] for line in evals],
            "rows": [line["rows"] for line in evals],
            "entropy": [line["sampled"]["entropy"] for line in evals],
            "length": [line["sampled"]["length"] for line in evals],
            "by_kind_before": evals[0]["sampled"]["by_kind"],
            "by_count": last["sampled"]["by_count"],
            "by_kind": last["sampled"]["by_kind"],
        }
        if "attention" in last:
            arms[name]["attention"] = {key: [line["attention"][key] for line in evals] for key in last["attention"]}
        if "margins" in last:
            arms[name]["margins"] = {
                which: [line["margins"][which]["mean"] for line in evals] for which in ("instruction", "response")
            }
        if is_done(run, name):
            summary = files.read(SUMMARY)
            arms[name] |= {k: summary[k] for k in ("area", "replays", "updates", "skipped", "too_long", "about")}
    return {"arms": arms}
