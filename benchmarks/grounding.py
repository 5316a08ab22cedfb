"""How many invented relabels does grounding reject, and how many true ones does it keep?

    python benchmarks/grounding.py --out results/grounding.json --docs docs/experiments/relabeler.md

500 scripted candidates of known truth, 30 % of them hallucinated, each an instruction with evidence steps as a
language model gives them, go through the gate that an answer goes through. True ones are phrasings of what happened,
a third each from the train, calibration and held-out sets; the reward was fitted on the first two. A hallucinated one
names what did not happen, in one of six ways, and points at steps at which something else did.
"""

import json
import re
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tyro

from hindsight_rl.agent.envs.craftax.captions import CLASSIC_EVENTS
from hindsight_rl.agent.envs.craftax.phrases import LANGUAGE
from hindsight_rl.agent.envs.events import fulfilling
from hindsight_rl.agent.instructions.language import NOTHING, SPLITS
from hindsight_rl.agent.instructions.parser import join
from hindsight_rl.agent.relabeling.forms import form
from hindsight_rl.agent.relabeling.grounding import Rejected, ground
from hindsight_rl.agent.reward.semantic import SemanticReward
from hindsight_rl.encoder import load_encoder
from hindsight_rl.run import machine

STEPS = 256
KINDS = ("never happened", "nearest neighbour", "half true", "not of this world", "wrong order", "count")
OPEN = [i for i, event in enumerate(CLASSIC_EVENTS) if event.trained]
FULFILS = np.asarray(fulfilling(CLASSIC_EVENTS))


@dataclass
class GroundingConfig:
    """How many candidates."""

    candidates: int = 500
    hallucinated: float = 0.3
    seed: int = 0
    out: str | None = None
    """Write the result here."""
    docs: str | None = None
    """Write the table into this page, between its `grounding` marks."""


@dataclass
class Candidate:
    """A scripted candidate: what is said, with which evidence, about which events; kind None is true."""

    text: str
    steps: list[int]
    events: np.ndarray
    kind: str | None
    split: str


class Author:
    """Writes candidates whose truth is known."""

    def __init__(self, reward: SemanticReward, seed: int):
        self.rng = np.random.default_rng(seed)
        captions = reward.embed([event.captions[0] for event in CLASSIC_EVENTS])
        self.alike = captions @ captions.T

    def trajectory(self) -> np.ndarray:
        """bool [STEPS, n_events]: some 4 to 12 events, some of them several times; implied ones with them."""
        events = np.zeros((STEPS, len(CLASSIC_EVENTS)), bool)
        for event in self.rng.choice(OPEN, self.rng.integers(4, 13), replace=False):
            for step in self.rng.choice(STEPS, self.rng.integers(1, 4), replace=False):
                events[step] |= FULFILS[event]
        return events

    def say(self, event: int, split: str) -> str:
        """One of the phrasings of an event."""
        return str(self.rng.choice(np.array(LANGUAGE.phrases(CLASSIC_EVENTS[event].name, split))))  # type: ignore[arg-type]

    def candidate(self, kind: str | None) -> Candidate:
        """A candidate of a kind; None is a true one."""
        while True:
            events, split = self.trajectory(), str(self.rng.choice(np.array(SPLITS)))
            first = {int(i): int(events[:, i].argmax()) for i in np.flatnonzero(events.any(0)) if i in OPEN}
            absent = [i for i in OPEN if i not in first]
            count = int(self.rng.choice([1, 2, 3], p=[0.6, 0.3, 0.1])) if kind is None else 2
            chosen = sorted(self.rng.choice(list(first), count, replace=False).tolist(), key=lambda e: first[e])
            steps = [first[e] for e in chosen]
            if len(set(steps)) < len(steps):
                continue  # two at once have no order
            ordered = count > 1 and (kind == "wrong order" or bool(self.rng.random() < 0.5))
            one, many = chosen[0], [first[e] for e in chosen]
            if kind is None:
                texts = [self.say(e, split) for e in chosen]
                return Candidate(join(tuple(texts), ordered), many, events, kind, split)
            if kind == "never happened":
                return Candidate(self.say(int(self.rng.choice(absent)), split), [first[one]], events, kind, split)
            if kind == "nearest neighbour":
                near = max(absent, key=lambda e: self.alike[one, e])
                return Candidate(self.say(near, split), [first[one]], events, kind, split)
            if kind == "half true":
                texts = [self.say(one, split), self.say(int(self.rng.choice(absent)), split)]
                return Candidate(join(tuple(texts), ordered), many, events, kind, split)
            if kind == "not of this world":
                text = str(self.rng.choice(np.array(LANGUAGE.phrases(NOTHING, split))))  # type: ignore[arg-type]
                return Candidate(text, [first[one]], events, kind, split)
            if kind == "count":
                return Candidate(f"{self.say(one, split)} ten times", [first[one]], events, kind, split)
            # Wrong order: the later one is claimed to have come first, and never did.
            last = [int(np.flatnonzero(events[:, e])[-1]) for e in chosen]
            if last[0] >= first[chosen[1]]:
                continue
            texts = [self.say(e, split) for e in reversed(chosen)]
            return Candidate(join(tuple(texts), True), many[::-1], events, kind, split)


def share(rows: list[dict[str, Any]], kept: bool) -> dict[str, Any]:
    """How many of the rows were kept, or rejected."""
    count = sum(row["kept"] == kept for row in rows)
    return {"of": len(rows), "count": count, "share": round(count / len(rows), 4) if rows else None}


def measure(config: GroundingConfig) -> dict[str, Any]:
    """Write the candidates, judge them, count."""
    reward = SemanticReward.fit(load_encoder(), CLASSIC_EVENTS, LANGUAGE)
    author = Author(reward, config.seed)
    wrong = round(config.candidates * config.hallucinated)
    kinds = [*(KINDS[i % len(KINDS)] for i in range(wrong)), *[None] * (config.candidates - wrong)]
    rows: list[dict[str, Any]] = []
    for kind in kinds:
        made = author.candidate(kind)
        result = ground(made.text, made.steps, made.events, reward, form("json").text)
        refused = result if isinstance(result, Rejected) else None
        rows.append(
            {
                "text": made.text, "kind": made.kind, "split": made.split, "kept": refused is None,
                "refused": refused and refused.kind, "reason": refused and refused.reason,
            }
        )  # fmt: skip
    true, false = [r for r in rows if r["kind"] is None], [r for r in rows if r["kind"]]
    return {
        "command": "python benchmarks/grounding.py " + " ".join(sys.argv[1:]),
        "machine": machine(),
        "seed": config.seed,
        "hallucinated_rejected": share(false, False),
        "true_kept": share(true, True),
        "rejected_by_kind": {kind: share([r for r in false if r["kind"] == kind], False) for kind in KINDS},
        "kept_by_split": {split: share([r for r in true if r["split"] == split], True) for split in SPLITS},
        "gates": dict(Counter(r["refused"] for r in false if not r["kept"]).most_common()),
        "kept_though_hallucinated": [r for r in false if r["kept"]],
        "rejected_though_true": [{k: r[k] for k in ("text", "split", "reason")} for r in true if not r["kept"]],
    }


def table(result: dict[str, Any]) -> str:
    """The result as Markdown."""

    def cell(part: dict[str, Any]) -> str:
        return f"{part['count']} of {part['of']} ({part['share']:.1%})"

    lines = [
        f"**Hallucinated: {cell(result['hallucinated_rejected'])} rejected. True: {cell(result['true_kept'])} kept.**",
        "",
        "| hallucinated because | rejected | | true, in phrasings from | kept |",
        "|---|---|---|---|---|",
    ]
    splits = [*result["kept_by_split"].items()]
    for i, (kind, part) in enumerate(result["rejected_by_kind"].items()):
        right = f"{splits[i][0]} | {cell(splits[i][1])}" if i < len(splits) else " | "
        lines.append(f"| {kind} | {cell(part)} | | {right} |")
    return "\n".join([*lines, "", f"(`results/grounding.json`: `{shown(result['command'])}`)"])


def shown(command: str) -> str:
    """A recorded command without the page that its table went to, which may have moved since."""
    return re.sub(r" --docs \S+", "", command.strip())


def write_between(page: Path, mark: str, text: str) -> None:
    """Replace what stands between `<!-- mark: ... -->` and `<!-- /mark -->`."""
    whole = page.read_text("utf-8")
    begin = whole.index("-->", whole.index(f"<!-- {mark}:")) + 3
    page.write_text(whole[:begin] + "\n" + text + "\n" + whole[whole.index(f"<!-- /{mark} -->") :], "utf-8")


def main() -> None:
    """Measure and print."""
    config = tyro.cli(GroundingConfig, description=__doc__)
    result = measure(config)
    print(table(result))
    if config.out:
        Path(config.out).write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", "utf-8")
    if config.docs:
        write_between(Path(config.docs), "grounding", table(result))


if __name__ == "__main__":
    main()
