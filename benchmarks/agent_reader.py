"""How are sentences understood that the reader has never seen?

    pip install --no-deps craftext==0.2.2
    python benchmarks/agent_reader.py --set easy other_parameters own paraphrased --out results/agent_reader.json

Each sentence of CrafText's conditional achievements is read as `hindsight agent read` does, without training anything.
It is *right* if the achievements that it asks for and forbids are exactly the true ones, *refused* if the reader says
that it does not understand it, and else *misread*. What the reader forbids beyond achievements (a blow at a skeleton)
does not count. The set `paraphrased` is held out: no part of the reader was made with its sentences, and the result
file has its first run.

The set `own` is this project's held-out phrasings of the 44 events, one event each, and texts that ask for none. It
also has precision and recall over all pairs of a text and an event, counted as `hindsight agent reward` counts them:
of the reader, and of the semantic reward alone. A harmful event is no goal, but the reader says which one it is: that
counts as understood.

With --serve, a language model reads what is refused, as with `hindsight agent read --llm`; it is not asked about the
held-out sentences of CrafText.

    python benchmarks/agent_reader.py --serve smollm2-135m --set easy other_parameters own \\
        --out results/agent_reader_llm.json
"""

import json
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from grounding import write_between
from served import served

from hindsight_rl.agent.envs.craftax.captions import CLASSIC_EVENTS
from hindsight_rl.agent.envs.craftax.phrases import LANGUAGE
from hindsight_rl.agent.envs.events import fulfilling
from hindsight_rl.agent.evaluation.craftext import DEVELOPMENT, Scenario, load
from hindsight_rl.agent.instructions.clauses import HarmfulError, InstructionError
from hindsight_rl.agent.instructions.language import NOTHING
from hindsight_rl.agent.instructions.llm_reader import LlmReader
from hindsight_rl.agent.instructions.read import read
from hindsight_rl.agent.reward.semantic import SemanticReward
from hindsight_rl.atomic_files import write_text
from hindsight_rl.encoder import load_encoder
from hindsight_rl.endpoint import Endpoint
from hindsight_rl.endpoint.settings import EndpointSettings
from hindsight_rl.errors import HindsightError
from hindsight_rl.run import machine

ACHIEVEMENTS = {event.name: event.achievement for event in CLASSIC_EVENTS if event.achievement is not None}


GENERAL = {event.name: event.implies for event in CLASSIC_EVENTS}
FULFILS = np.asarray(fulfilling(CLASSIC_EVENTS))
INDEX = {event.name: place for place, event in enumerate(CLASSIC_EVENTS)}
OWN = "own"
KINDS = ("right", "refused", "misread")


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
    """`easy`, `other_parameters`, the held-out `paraphrased`, and this project's held-out phrasings, `own`."""
    encoder: str = "default"
    """Sentence encoder."""
    serve: str | None = None
    """A model that reads what is refused, as for `hindsight lm train --model`; it is served while this runs."""
    out: str | None = None
    """Write the result here."""
    docs: str | None = None
    """Write the table into this page, between its `reader` marks."""
    show: bool = False
    """Print what was misread or refused. Not for the held-out sets."""


def main(config: ReaderConfig) -> None:
    """Read the sets, print and write the shares."""
    if config.serve and not {*config.set} <= {*DEVELOPMENT, OWN}:
        raise HindsightError(f"--serve: no model reads a held-out set; --set may have {', '.join((*DEVELOPMENT, OWN))}")
    encoder = load_encoder(config.encoder)
    reward = SemanticReward.fit(encoder, CLASSIC_EVENTS, LANGUAGE)
    served_by = f"--serve {config.serve} " if config.serve else ""
    command = f"python benchmarks/agent_reader.py {served_by}--set {' '.join(config.set)}"
    result: dict[str, Any] = {"command": command, "machine": machine(), "encoder": encoder.id, "sets": {}}
    with ExitStack() as stack:
        llm = None
        if config.serve:
            result["model"] = config.serve
            stack.enter_context(served(config.serve))
            llm = LlmReader(Endpoint(EndpointSettings(temperature=0.0).resolved()), reward)
            stack.callback(llm.close)
        for name in config.set:
            if name == OWN:
                result["sets"][name], result[OWN] = own_phrasings(reward, llm)
                print(name, json.dumps(result["sets"][name]), json.dumps(result[OWN]))
                continue
            scenarios = load(name)
            verdicts = [verdict(reward, each, llm) for each in scenarios]
            result["sets"][name] = shares(scenarios, [kind for kind, _ in verdicts])
            print(name, json.dumps(result["sets"][name]))
            if config.show and name in DEVELOPMENT:
                for each, (kind, why) in zip(scenarios, verdicts, strict=True):
                    if kind != "right":
                        print(f"  {kind}: {each.text}\n      {each.name}: {why}")
    if config.out:
        write_text(Path(config.out), json.dumps(result, indent=1) + "\n")
    if config.docs:
        write_between(Path(config.docs), "reader_llm" if config.serve else "reader", table(result))


def table(result: dict[str, Any]) -> str:
    """The shares as a table for a page."""
    lines = ["| set | sentences | right | not understood | misread |", "|---|--:|--:|--:|--:|"]
    for name, rows in result["sets"].items():
        for group, row in rows.items():
            counts = [f"{row[kind]['share']:.1%}" for kind in KINDS]
            lines.append(f"| `{name}`, {group} | {row['sentences']} | " + " | ".join(counts) + " |")
    if OWN in result:
        lines += ["", "| `own`, all pairs of a text and an event | precision | recall |", "|---|--:|--:|"]
        for judge, row in result[OWN].items():
            lines.append(f"| {judge.replace('_', ' ')} | {row['precision']:.3f} | {row['recall']:.3f} |")
    return "\n".join([*lines, "", f"`{result['command']}`"])


def own_phrasings(
    reward: SemanticReward, llm: LlmReader | None = None
) -> tuple[dict[str, Any], dict[str, dict[str, float]]]:
    """This project's held-out phrasings: shares by group of events, and precision and recall by who reads them."""
    texts, meant = LANGUAGE.labelled("heldout", CLASSIC_EVENTS)
    found = [understood(reward, text, llm) for text in texts]
    kinds = [
        "refused" if events is None else "right" if events == [CLASSIC_EVENTS[event].name] else "misread"
        for events, event in zip(found, meant, strict=True)
    ]
    groups = {
        "all": kinds,
        "achievements": [k for k, event in zip(kinds, meant, strict=True) if event in ACHIEVEMENTS.values()],
        "other events": [k for k, event in zip(kinds, meant, strict=True) if event not in ACHIEVEMENTS.values()],
        "no event": [
            "right" if understood(reward, text, llm) is None else "misread"
            for text in LANGUAGE.phrases(NOTHING, "heldout")
        ],
    }
    truth = FULFILS[:, meant]
    fired = np.stack([FULFILS[:, [INDEX[event] for event in events or ()]].any(1) for events in found], 1)
    alone = reward.table(texts)
    return {name: counted(group) for name, group in groups.items()}, {
        "reader": precision_and_recall(fired, truth),
        "semantic_reward_alone": precision_and_recall(alone, truth),
    }


def understood(reward: SemanticReward, text: str, llm: LlmReader | None = None) -> list[str] | None:
    """The events of a text that asks for one thing; what it forbids or counts is marked, None: it is refused."""
    try:
        parsed = read(text, reward, llm)
    except HarmfulError:
        return [unit.event for unit in reward.reader.units(text)[0]]
    except InstructionError:
        return None
    plain = not parsed.avoid and set(parsed.times) == {1}
    return list(parsed.events) if plain else [*parsed.events, *parsed.avoid, *parsed.events]


def precision_and_recall(fired: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Over all cells; both bool [n_events, n_texts]."""
    hits = int((fired & truth).sum())
    return {
        "precision": round(hits / max(int(fired.sum()), 1), 4),
        "recall": round(hits / max(int(truth.sum()), 1), 4),
    }


def verdict(reward: SemanticReward, each: Scenario, llm: LlmReader | None = None) -> tuple[str, str]:
    """`right`, `refused` or `misread`, and what was read."""
    try:
        parsed = read(each.text, reward, llm)
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
    return {name: counted([by_text[id(each)] for each in group]) for name, group in groups.items()}


def counted(kinds: list[str]) -> dict[str, Any]:
    """How many of each kind, and their shares."""
    counts = Counter(kinds)
    return {"sentences": len(kinds)} | {
        kind: {"count": counts[kind], "share": round(counts[kind] / max(len(kinds), 1), 4)} for kind in KINDS
    }


if __name__ == "__main__":
    main(tyro.cli(ReaderConfig))
