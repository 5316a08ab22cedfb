"""How are sentences that other people wrote understood?

    pip install --no-deps craftext==0.2.2
    python benchmarks/agent_reader.py --set easy other_parameters --out results/agent_reader.json

Each sentence of CrafText's conditional achievements is read as `hindsight agent read` does, without training anything.
It is *right* if the achievements that it asks for and forbids are exactly the true ones, *refused* if the reader says
that it does not understand it, and else *misread*. What the reader forbids beyond achievements (a blow at a skeleton)
does not count. The set `paraphrased` is held out: no part of the reader was made with its sentences.
"""

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro
from grounding import write_between

from hindsight_rl.agent.envs.craftax.captions import CLASSIC_EVENTS
from hindsight_rl.agent.envs.craftax.phrases import LANGUAGE
from hindsight_rl.agent.evaluation.craftext import DEVELOPMENT, Scenario, load
from hindsight_rl.agent.instructions.clauses import InstructionError
from hindsight_rl.agent.instructions.parser import parse
from hindsight_rl.agent.reward.semantic import SemanticReward
from hindsight_rl.atomic_files import write_text
from hindsight_rl.encoder import load_encoder
from hindsight_rl.run import machine

ACHIEVEMENTS = {event.name: event.achievement for event in CLASSIC_EVENTS if event.achievement is not None}


GENERAL = {event.name: event.implies for event in CLASSIC_EVENTS}


def achievement(event: str) -> int:
    """The achievement that an event is or brings about; -1 for none.

    "Quench your thirst" means to drink when thirsty, which is drinking.
    """
    found = [ACHIEVEMENTS[name] for name in (event, *GENERAL[event]) if name in ACHIEVEMENTS]
    return found[0] if found else -1


@dataclass
class ReaderConfig:
    """Which sets to read."""

    set: tuple[str, ...] = DEVELOPMENT
    """`easy`, `other_parameters`, and the held-out `paraphrased`."""
    encoder: str = "default"
    """Sentence encoder."""
    out: str | None = None
    """Write the result here."""
    docs: str | None = None
    """Write the table into this page, between its `reader` marks."""
    show: bool = False
    """Print what was misread or refused. Not for the held-out set."""


def main(config: ReaderConfig) -> None:
    """Read the sets, print and write the shares."""
    encoder = load_encoder(config.encoder)
    reward = SemanticReward.fit(encoder, CLASSIC_EVENTS, LANGUAGE)
    command = "python benchmarks/agent_reader.py --set " + " ".join(config.set)
    result: dict[str, Any] = {"command": command, "machine": machine(), "encoder": encoder.id, "sets": {}}
    for name in config.set:
        scenarios = load(name)
        verdicts = [verdict(reward, each) for each in scenarios]
        result["sets"][name] = shares(scenarios, [kind for kind, _ in verdicts])
        print(name, json.dumps(result["sets"][name]))
        if config.show and name in DEVELOPMENT:
            for each, (kind, why) in zip(scenarios, verdicts, strict=True):
                if kind != "right":
                    print(f"  {kind}: {each.text}\n      {each.name}: {why}")
    if config.out:
        write_text(Path(config.out), json.dumps(result, indent=1) + "\n")
    if config.docs:
        write_between(Path(config.docs), "reader", table(result))


def table(result: dict[str, Any]) -> str:
    """The shares as a table for a page."""
    lines = ["| set | sentences | right | not understood | misread |", "|---|--:|--:|--:|--:|"]
    for name, rows in result["sets"].items():
        for group, row in rows.items():
            counts = [f"{row[kind]['share']:.1%}" for kind in ("right", "refused", "misread")]
            lines.append(f"| `{name}`, {group} | {row['sentences']} | " + " | ".join(counts) + " |")
    return "\n".join([*lines, "", f"`{result['command']}`"])


def verdict(reward: SemanticReward, each: Scenario) -> tuple[str, str]:
    """`right`, `refused` or `misread`, and what was read."""
    try:
        parsed = parse(each.text, reward)
    except InstructionError as error:
        return "refused", str(error)
    asked = {achievement(event) for event in parsed.events}
    avoid = {ACHIEVEMENTS[event] for event in parsed.avoid if event in ACHIEVEMENTS}
    right = asked == each.required and avoid == each.forbidden and set(parsed.times) == {1}
    return ("right" if right else "misread"), f"{parsed.events} x {parsed.times}, not {parsed.avoid}"


def shares(scenarios: list[Scenario], kinds: list[str]) -> dict[str, Any]:
    """Counts and shares: of all sentences, and by kind of sentence."""
    groups = {
        "all": scenarios,
        "first sentences": [s for s in scenarios if not s.paraphrase],
        "paraphrases": [s for s in scenarios if s.paraphrase],
        "without negation": [s for s in scenarios if not s.forbidden],
        "with negation": [s for s in scenarios if s.forbidden],
    }
    by_text = {id(each): kind for each, kind in zip(scenarios, kinds, strict=True)}
    rows = {}
    for name, group in groups.items():
        counts = Counter(by_text[id(each)] for each in group)
        rows[name] = {"sentences": len(group)} | {
            kind: {"count": counts[kind], "share": round(counts[kind] / max(len(group), 1), 4)}
            for kind in ("right", "refused", "misread")
        }
    return rows


if __name__ == "__main__":
    main(tyro.cli(ReaderConfig))
