"""Instructions as users write them: "collect 3 wood, then place a table, but do not drink".

`parse` gives the goals, their order, how often each is asked for, and what is forbidden. One event can fulfil a goal.
Ordered goals must be fulfilled one after another, unordered goals in any order; all goals of an instruction are
ordered, or none are, so "collect wood and stone, then place a table" asks for its three goals in this order.
"""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hindsight_rl.agent.instructions.clauses import Clauses, HarmfulError, InstructionError

if TYPE_CHECKING:
    from hindsight_rl.agent.instructions.language import Language
    from hindsight_rl.agent.instructions.reader import Unit
    from hindsight_rl.agent.reward.semantic import SemanticReward

MAX_TRAINED_GOALS = 3
"""Most goals of an instruction in training, in relabels and in evaluations."""
MAX_PARSED_GOALS = 4
"""Most goals that a user may ask for."""
MAX_FORBIDDEN = 3
"""Most events that an instruction may forbid."""
MAX_TIMES = 9
"""Most times that an instruction may ask for one event."""
MAX_CHARACTERS = 400
"""Longest instruction."""


@dataclass(frozen=True)
class ParsedInstruction:
    """An instruction and what it asks for.

    Attributes:
        text: the instruction as written, without outer white space.
        goals: one text per goal, at most `MAX_PARSED_GOALS`, in the order of the text or, for "after", of execution.
            The semantic reward knows each text: it is the clause itself, or the plainest phrasing of its event.
        ordered: the goals must be fulfilled in this order.
        events: the name of each goal's event.
        times: how often each goal is asked for.
        avoid: names of forbidden events, at most `MAX_FORBIDDEN`.
    """

    text: str
    goals: tuple[str, ...]
    ordered: bool
    events: tuple[str, ...] = ()
    times: tuple[int, ...] = ()
    avoid: tuple[str, ...] = ()


def parse(text: str, reward: "SemanticReward") -> ParsedInstruction:
    """Understand an instruction.

    Args:
        text: what the user wrote.
        reward: knows the environment's events and language.

    Raises:
        InstructionError: it cannot be understood or followed as a whole; the message names the clause.
    """
    text = " ".join(text.split())
    if not text:
        raise InstructionError("instruction: it is empty: say what the agent should do")
    if len(text) > MAX_CHARACTERS:
        raise InstructionError(
            f"instruction '{text[:40]}…': {len(text)} characters, at most {MAX_CHARACTERS}: shorten it"
        )
    try:
        return _parsed(text, reward)
    except InstructionError as error:
        raise type(error)(f"instruction '{_short(text)}': {error}") from None


def join(goals: tuple[str, ...], ordered: bool) -> str:
    """The simplest instruction that `parse` splits back into these goals."""
    if len(goals) == 1:
        return goals[0]
    if ordered:
        return ", then ".join(goals)
    return ", ".join(goals[:-1]) + " and " + goals[-1]


def _parsed(text: str, reward: "SemanticReward") -> ParsedInstruction:
    units, clauses = reward.reader.units(text)
    wanted, forbidden = [unit for unit in units if not unit.forbidden], [unit for unit in units if unit.forbidden]
    events = {event.name: event for event in reward.events}
    if not wanted:
        raise InstructionError("it asks for nothing" + (", it only forbids: say what to do too" if forbidden else ""))
    groups = _in_order(clauses)
    place = {clause: place for place, group in enumerate(groups) for clause in group}
    wanted.sort(key=lambda unit: place[unit.clause])
    ordered = len({place[unit.clause] for unit in wanted}) > 1 or (clauses.first and len(wanted) > 1)
    ordered = ordered and not clauses.any_order
    if not ordered:  # "gather gems and ore, namely diamonds and iron"
        wanted = list({(unit.event, unit.count): unit for unit in reversed(wanted)}.values())[::-1]
    if len(wanted) > MAX_PARSED_GOALS:
        raise InstructionError(f"{len(wanted)} goals, at most {MAX_PARSED_GOALS}: give fewer")
    for unit in wanted:
        if events[unit.event].harmful:
            raise HarmfulError(f"'{unit.text}' means {unit.event}: what harms the agent is no goal")
        if not 1 <= unit.count <= MAX_TIMES:
            raise InstructionError(f"'{unit.text}': {unit.count} times, from 1 to {MAX_TIMES}")
    avoid = all_forbidden((unit.event for unit in forbidden), reward.language)
    for unit in forbidden:
        if unit.count != 1:
            raise InstructionError(f"'{unit.text}' is forbidden a number of times, which cannot be followed")
    if both := [unit.event for unit in wanted if unit.event in avoid]:
        raise InstructionError(f"{both[0]} is asked for and forbidden")
    if len(avoid) > MAX_FORBIDDEN:
        raise InstructionError(f"{len(avoid)} forbidden events, at most {MAX_FORBIDDEN}: forbid fewer")
    return ParsedInstruction(
        text,
        tuple(_said(unit, reward) for unit in wanted),
        ordered,
        tuple(unit.event for unit in wanted),
        tuple(unit.count for unit in wanted),
        avoid,
    )


def all_forbidden(events: Iterable[str], language: "Language") -> tuple[str, ...]:
    """What an instruction forbids, each event once: what it names, and what that brings about (a hit: the kill)."""
    named = dict.fromkeys(events)
    return tuple(dict.fromkeys((*named, *(more for event in named if (more := language.forbids.get(event))))))


def _said(unit: "Unit", reward: "SemanticReward") -> str:
    """The text of a goal: its clause if the semantic reward reads it as the same event, else the plainest phrasing."""
    return unit.text if reward.meaning(unit.text) == unit.event else reward.plain(unit.event)


def _in_order(clauses: Clauses) -> list[list[int]]:
    """The clauses in groups that must be done one after another."""
    links = [clause.link for clause in clauses.items]
    commas = [clause.comma for clause in clauses.items]

    def steps(part: list[int]) -> list[list[int]]:
        cuts = [at for at in range(1, len(part)) if links[part[at]] == "then"]
        if cuts:
            bounds = [0, *cuts, len(part)]
            return [group for a, b in itertools.pairwise(bounds) for group in steps(part[a:b])]
        lead = links[part[0]]
        if lead in ("after", "before"):
            links[part[0]] = "and"
            cut = next((at for at in range(1, len(part)) if commas[part[at]]), None)
            if cut is not None:
                first, second = steps(part[:cut]), steps(part[cut:])
                return [*first, *second] if lead == "after" else [*second, *first]
        for at in range(1, len(part)):
            if links[part[at]] in ("after", "before"):
                later = links[part[at]] == "before"
                links[part[at]] = "and"
                first, second = steps(part[:at]), steps(part[at:])
                return [*first, *second] if later else [*second, *first]
        return [part]

    return steps(list(range(len(links)))) if links else []


def _short(text: str) -> str:
    return text if len(text) <= 80 else text[:79] + "…"
