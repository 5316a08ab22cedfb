"""`hindsight agent read`: how the agent understands instructions, before anything is trained.

hindsight agent read "collect 3 wood, then place a table, but do not drink"
hindsight agent read sentences.txt --json > understood.jsonl
"""

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from hindsight_rl.agent.instructions.clauses import InstructionError
from hindsight_rl.agent.instructions.parser import ParsedInstruction, parse
from hindsight_rl.endpoint.settings import EndpointSettings
from hindsight_rl.errors import HindsightError

if TYPE_CHECKING:
    from hindsight_rl.agent.instructions.llm_reader import LlmReader
    from hindsight_rl.agent.reward.semantic import SemanticReward


@dataclass
class ReadConfig:
    """Print how the agent understands instructions: the goals with their events, their order and number, and what is
    forbidden; or which clause it does not understand."""

    texts: Annotated[tuple[str, ...], tyro.conf.Positional]
    """Instructions, or one text file with one instruction per line. Blank lines are skipped."""
    json: bool = False
    """Print one JSON object per instruction, in the order of the input: {"events": [...], "avoid": [...], "ordered":
    ...} with the names of events, and "times" and "counts" where an event is asked for more than once; or {"refused":
    "why"}."""
    env: str = "classic-32"
    """The environment, whose events and language are used."""
    encoder: str = "default"
    """The sentence encoder, for words that the language of the environment does not list."""
    llm: bool = False
    """Let the language model at --endpoint read what is not understood otherwise. Its answers are checked."""
    endpoint: EndpointSettings = field(default_factory=lambda: EndpointSettings(temperature=0.0))


def understood(parsed: ParsedInstruction) -> dict[str, Any]:
    """An instruction as plain JSON: `events`, `avoid`, `ordered`; where there are counts, also `times`, of each of the
    events, and `counts`, by name and in all."""
    row: dict[str, Any] = {
        "events": list(parsed.events),
        "avoid": list(parsed.avoid),
        "ordered": parsed.ordered,
    }
    if set(parsed.times) == {1}:
        return row
    counts: Counter[str] = Counter()
    for event, times in zip(parsed.events, parsed.times, strict=True):
        counts[event] += times
    return row | {"times": list(parsed.times), "counts": {event: n for event, n in counts.items() if n > 1}}


def described(parsed: ParsedInstruction) -> list[str]:
    """How an instruction was understood, in lines for people."""
    lines = []
    for place, (goal, event, times) in enumerate(zip(parsed.goals, parsed.events, parsed.times, strict=True), 1):
        mark = f"{place}." if parsed.ordered else "-"
        lines.append(f"  {mark} {goal}: {event}" + (f", {times} times" if times > 1 else ""))
    return lines + [f"  never: {event}" for event in parsed.avoid]


def read(text: str, reward: "SemanticReward", llm: "LlmReader | None" = None) -> ParsedInstruction:
    """Understand an instruction.

    Args:
        llm: reads what is not understood otherwise.

    Raises:
        InstructionError: it is not understood as a whole.
    """
    try:
        return parse(text, reward)
    except InstructionError as error:
        if llm is None:
            raise
        return llm.read(text, error)


def instructions_of(texts: tuple[str, ...]) -> list[str]:
    """The instructions that were given, or the lines of the file that was given.

    Raises:
        HindsightError: none, or a file that cannot be read.
    """
    if len(texts) == 1 and _is_file(texts[0]):
        try:
            texts = tuple(Path(texts[0]).read_text("utf-8-sig").splitlines())
        except (OSError, UnicodeDecodeError) as error:
            raise HindsightError(f"{texts[0]}: cannot be read as text: {error}") from error
    kept = [text.strip() for text in texts if text.strip()]
    if not kept:
        raise HindsightError("no instruction: give some, or a file with one instruction per line")
    return kept


def _is_file(text: str) -> bool:
    try:
        return Path(text).is_file()
    except OSError:  # too long for the name of a file
        return False


def main(argv: list[str]) -> int:
    """`hindsight agent read`."""
    from hindsight_rl.agent.envs import make_env
    from hindsight_rl.agent.reward.semantic import SemanticReward
    from hindsight_rl.encoder import load_encoder

    config = tyro.cli(ReadConfig, args=argv, prog="hindsight agent read")
    texts = instructions_of(config.texts)
    env = make_env(config.env)
    reward = SemanticReward.fit(load_encoder(config.encoder), env.events, env.language)
    llm = None
    if config.llm:
        from hindsight_rl.agent.instructions.llm_reader import LlmReader
        from hindsight_rl.endpoint import Endpoint

        llm = LlmReader(Endpoint(config.endpoint.resolved()), reward)
    try:
        for text in texts:
            try:
                parsed = read(text, reward, llm)
            except InstructionError as error:
                print(json.dumps({"refused": str(error)}) if config.json else f"{text}\n  not understood: {error}")
            else:
                print(json.dumps(understood(parsed)) if config.json else "\n".join([text, *described(parsed)]))
    finally:
        if llm is not None:
            llm.close()
    return 0
