"""Success against the error rate of the relabeler, with grounding and without.

    python benchmarks/relabel_noise.py --jobs 2 --out results/relabel_noise.json --docs docs/experiments/relabeler.md

A chosen share of the relabels is spoiled: it names an event that did not happen, and claims the evidence of another.
Without grounding the relabeler is believed: what it invents takes a place in the library and in the instruction buffer
and is practised; the semantic reward still decides what is rewarded. With grounding the gate of every run stands
before it. Success is judged on held-out worlds by true events. Runs land in --runs; finished ones are not run again.
"""

import json
import os
import statistics
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro
from grounding import shown, write_between
from studies import spread

from hindsight_rl.run import Run, machine

EXAMINED = ("canonical", "paraphrased", "others", "composed")


@dataclass(frozen=True)
class Arm:
    """One setting of the study."""

    rate: float
    grounding: bool

    @property
    def name(self) -> str:
        return f"{'grounded' if self.grounding else 'believed'}-{round(100 * self.rate):02d}"


@dataclass
class NoiseConfig:
    """What to compare."""

    believed: tuple[float, ...] = (0.0, 0.1, 0.2, 0.4)
    """Error rates without grounding."""
    grounded: tuple[float, ...] = (0.0, 0.3)
    """Error rates with grounding; rate 0 with grounding is the clean run that all are compared with."""
    kind: str = "hallucinated"
    """`hallucinated`, `confused` or `missed`."""
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    total_timesteps: int = 500_000
    env: str = "classic-32"
    scale: float = 1.0
    """Multiplies the episodes of the evaluation."""
    runs: str = "runs/noise"
    jobs: int = 2
    out: str | None = None
    docs: str | None = None
    """Write the table into this page, between its `relabel_noise` marks."""


def train(config: NoiseConfig, arm: Arm, seed: int) -> Path:
    """One run, unless it is there already."""
    path = Path(config.runs) / f"{config.kind}-{arm.name}-{seed}"
    if (path / "eval.json").exists():
        return path
    base = [sys.executable, "-m", "hindsight_rl.cli", "agent"]
    # One core per run: two side by side finish sooner than one after the other on two cores.
    threads = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    environment = {**os.environ, "XLA_FLAGS": threads, "OMP_NUM_THREADS": "1"}
    command = [*base, "train", "--seed", str(seed), "--env", config.env]
    command += ["--total-timesteps", str(config.total_timesteps)]
    command += ["--out", str(path), "--noise.rate", str(arm.rate), "--noise.kind", config.kind, "--no-final-eval"]
    command += ["--grounding" if arm.grounding else "--no-grounding"]
    if (path / "config.json").exists():
        command.append("--resume")
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
    command = [*base, "eval", str(path), "--json", "--scale", str(config.scale)]
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
    print(path, Run(path).read("eval.json")["mean"], flush=True)
    return path


def summary(arm: Arm, path: Path) -> dict[str, Any]:
    """What the result file keeps of one run."""
    run = Run.open(path, kind="agent")
    result, metrics = run.read("eval.json"), run.lines("metrics.jsonl")

    def total(name: str) -> int:
        return sum(row.get(name, 0) for row in metrics)

    proposed, accepted = total("accepted") + total("rejected"), total("accepted")
    return {
        "arm": arm.name, "rate": arm.rate, "grounding": arm.grounding, "seed": result["seed"],
        "steps": result["steps"], "mean": result["mean"], "achievements_per_trial": result["achievements_per_trial"],
        "proposed": proposed, "accepted": accepted,
        "wrong_of_proposed": round(total("wrong_proposed") / max(proposed, 1), 4),
        "wrong_of_accepted": round(total("wrong_accepted") / max(accepted, 1), 4),
        "curve": [
            [row["step"], round(statistics.mean(row["success"].values()), 4)] for row in metrics if row.get("success")
        ],
    }  # fmt: skip


def compare(arms: list[Arm], rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Mean and spread over seeds per arm, and success as a share of the clean arm's."""
    made = []
    for arm in arms:
        own = [row for row in rows if row["arm"] == arm.name]
        made.append(
            {
                "arm": arm.name, "rate": arm.rate, "grounding": arm.grounding, "seeds": len(own),
                **{name: spread([row["mean"][name] for row in own]) for name in EXAMINED},
                "wrong_of_proposed": round(statistics.mean(row["wrong_of_proposed"] for row in own), 4),
                "wrong_of_accepted": round(statistics.mean(row["wrong_of_accepted"] for row in own), 4),
            }
        )  # fmt: skip
    clean = next((row for row in made if row["arm"] == Arm(0.0, True).name), None)
    for row in made:
        row["of_clean"] = round(row["canonical"]["mean"] / clean["canonical"]["mean"], 4) if clean else None
    return made


def table(result: dict[str, Any]) -> str:
    """The result as Markdown."""
    lines = [
        f"**{result['runs'][0]['steps']:,} environment steps, {len(result['settings']['seeds'])} seeds**",
        "",
        "| relabeler | wrong of proposed | wrong of accepted | canonical | of clean | held-out paraphrases |"
        " events without an achievement | compositions |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in result["arms"]:
        cells = [f"{row[name]['mean']:.3f} ± {row[name]['standard_error']:.3f}" for name in EXAMINED]
        share = "–" if row["of_clean"] is None else f"{row['of_clean']:.3f}"
        how = "grounded" if row["grounding"] else "believed"
        lines.append(
            f"| {how}, {row['rate']:.0%} | {row['wrong_of_proposed']:.1%} | {row['wrong_of_accepted']:.1%} "
            f"| {cells[0]} | {share} | {' | '.join(cells[1:])} |"
        )
    return "\n".join([*lines, "", f"(`results/relabel_noise.json`: `{shown(result['command'])}`)"])


def main() -> None:
    """Train what is missing, then compare."""
    config = tyro.cli(NoiseConfig, description=__doc__)
    arms = [*(Arm(rate, True) for rate in config.grounded), *(Arm(rate, False) for rate in config.believed)]
    wanted = [(arm, seed) for seed in config.seeds for arm in arms]
    with ThreadPoolExecutor(config.jobs) as pool:
        paths = list(pool.map(lambda pair: train(config, *pair), wanted))
    rows = [summary(arm, path) for (arm, _), path in zip(wanted, paths, strict=True)]
    result = {
        "command": "python benchmarks/relabel_noise.py " + " ".join(sys.argv[1:]),
        "machine": machine(),
        "settings": {
            "kind": config.kind,
            "seeds": list(config.seeds),
            "total_timesteps": config.total_timesteps,
            "env": config.env,
        },
        "arms": compare(arms, rows),
        "runs": rows,
    }
    print(table(result))
    if config.out:
        Path(config.out).write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    if config.docs:
        write_between(Path(config.docs), "relabel_noise", table(result))


if __name__ == "__main__":
    main()
