"""Both learners in ten minutes: each trains on its own failures, one page reports on both, a film shows one of them.

    make demo            or            python examples/demo.py --total-timesteps 1500000

Everything lands in `demo/`: the runs `lm` and `agent`, `report.html`, and a film of the agent following an instruction.
"""

import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

from hindsight_rl.report.page import write_report
from hindsight_rl.run import Run

# The learners are imported where they are used: the arms of the language model run in processes of their own, which
# import this file again.


@dataclass
class DemoConfig:
    """How long to train, and what to ask for in the film."""

    total_timesteps: int = 1_000_000
    """Environment steps of the agent."""
    rollouts: int = 30_720
    """Responses that each arm of the language model draws."""
    arms: str = "rlvr,fraction,hir,retarget"
    seed: int = 0
    text: str = "collect wood, then place a table"
    """What the agent is asked for in the film."""
    learners: Literal["both", "lm", "agent"] = "both"
    out: Path = Path("demo")


def main() -> None:
    """Train both, report, film."""
    config = tyro.cli(DemoConfig, description=__doc__)
    began = time.monotonic()
    page = config.out / "report.html"
    runs, said = [], []
    learners = {"lm": language_model, "agent": agent}
    parts = [learn for name, learn in learners.items() if config.learners in ("both", name)]
    for number, part in enumerate(parts, start=1):
        print(f"\n[{number}/{len(parts)}] ", end="", flush=True)
        run, text = part(config)
        runs.append(run)
        said += text
        write_report(runs, page)
        print(f"So far: {page}   ({time.monotonic() - began:.0f} s)" if number < len(parts) else "")
    print("\n".join(said))
    print(f"\nReport: {page}   ({time.monotonic() - began:.0f} s in all)")


def language_model(config: DemoConfig) -> tuple[Path, list[str]]:
    """The sandbox: a base model from scratch, then every arm on the same instructions with as many rollouts."""
    from hindsight_rl.lm.sandbox.config import SandboxConfig
    from hindsight_rl.lm.sandbox.train import train

    print(
        "A tiny language model is pretrained on instructions with one or two constraints, then learns to follow\n"
        f"seven or eight, in the arms {config.arms}: the same {config.rollouts:,} rollouts each.\n"
        "With a binary reward most groups of rollouts fail alike at first and teach nothing; `hir` and `retarget`\n"
        "replay failures as successes of what they did fulfil. (about two minutes on two cores)",
        flush=True,
    )
    run = train(
        SandboxConfig(arms=config.arms, rollouts=config.rollouts, seed=config.seed, out=fresh(config.out / "lm"))
    )
    arms = Run.open(run, kind="lm").read("eval.json")["arms"]
    width = max(map(len, arms))
    said = ["Instructions with 7 or 8 constraints, share with every constraint met (one seed; seeds differ much):"]
    for name, row in arms.items():
        said.append(
            f"  {name:<{width}}  {row['accuracy'][0]:.3f} before, {row['accuracy'][-1]:.3f} after "
            f"{row['rollouts'][-1]:,} rollouts and {row['cpu_seconds'][-1]:.0f} s of CPU: {row.get('about', '')}"
        )
    return run, said


def agent(config: DemoConfig) -> tuple[Path, list[str]]:
    """The agent in Craftax, and the film."""
    from hindsight_rl.agent.training.train import TrainConfig, train
    from hindsight_rl.agent.video.film import film

    print(
        f"An agent trains for {config.total_timesteps:,} steps on the 32 x 32 preset of Craftax-Classic, asked in\n"
        "words what to do and never given an environment reward. (about five minutes for a million steps on two cores)",
        flush=True,
    )
    run = train(TrainConfig(total_timesteps=config.total_timesteps, seed=config.seed, out=fresh(config.out / "agent")))
    mean = Run.open(run).read("eval.json")["mean"]
    shot = film(run, config.text, config.out / "agent.gif", seed=config.seed, tries=5)
    outcome = "fulfilled" if shot["fulfilled"] else "not fulfilled"
    return run, [
        f"The agent in held-out worlds, by true events: {mean['canonical']:.2f} of the 22 canonical instructions, "
        f"{mean['paraphrased']:.2f} of paraphrases never seen, {mean['composed']:.2f} of compositions.",
        f"Film of '{config.text}' ({outcome}, attempt {shot['tries']} of at most 5): {config.out / 'agent.gif'}",
    ]


def fresh(path: Path) -> str:
    """The path, without what an earlier demo left there."""
    if path.exists():
        shutil.rmtree(path)
    return str(path)


if __name__ == "__main__":
    main()
