"""Instructions as users write them, split into goals: "collect wood, then place a table".

One event can fulfil a goal. Ordered goals must be fulfilled one after another, unordered goals in any
order; all goals of an instruction are ordered, or none are, so "collect wood and stone, then place a table"
asks for its three goals in this order. The split follows grammar. Where grammar does not decide (a plain "and"),
it splits only clauses that can stand alone.
"""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hindsight_rl.agent.reward.semantic import SemanticReward

MAX_TRAINED_GOALS = 3
"""Most goals of an instruction in training, in relabels and in evaluations."""
MAX_PARSED_GOALS = 4
"""Most goals that a user may ask for."""

# "then" separates anywhere; its synonyms only at the head of a clause ("a young tree to plant later").
_THEN = re.compile(
    r"(?:\s*[;,.]\s*|\s+)(?:and\s+|but\s+)?then\b\s*,?\s+"
    r"|(?:\s*[;,.]\s*(?:and\s+)?|\s+and\s+)"
    r"(?:next|after(?:wards?|\s+that|\s+this)|later|finally|subsequently|lastly)\b(?!\s+to\b)\s*,?\s*"
    r"|\s*(?:->|→)\s*|\s*,?\s+followed\s+by\s+|\s*\.\s+",
    re.IGNORECASE,
)
_AFTER_FIRST = re.compile(r"^(?:after|once|when)\s+(.+?),\s*(?:then\s+)?(.+)$", re.IGNORECASE)
_AFTER_LAST = re.compile(r"^(.+?)\s*,?\s+(?:right\s+)?after\s+(.+)$", re.IGNORECASE)
_BEFORE_FIRST = re.compile(r"^before\s+(.+?),\s*(.+)$", re.IGNORECASE)
_BEFORE_LAST = re.compile(r"^(.+?)\s*,?\s+before\s+(.+)$", re.IGNORECASE)
_JOINT = re.compile(
    r"\s*,?\s+(?:as\s+well\s+as|along\s+with|and\s+also|and|plus|&)\s+|\s*[;,]\s*(?:and\s+)?(?:also\s+)?",
    re.IGNORECASE,
)
_LEAD = re.compile(
    r"^(?:(?:please|first(?:ly)?|both|now|also|to|begin by|start by|go and|you should|you must|you have to)"
    r"\s*,?\s+)+",
    re.IGNORECASE,
)
_SUBJECT = re.compile(r"^(?:you've|having|you)\s+", re.IGNORECASE)
_PERFECT = re.compile(r"^have\s+(\w+)", re.IGNORECASE)
# A pronoun near the verb points back to the clause before; "wait until it gets dark" does not.
_REFERENCE = re.compile(
    r"^\w+\s+(?:\w+\s+)?(?:it|its|them|their|that|this|one)\b(?!\s+(?:gets?|is|turns?|becomes?)\b)",
    re.IGNORECASE,
)
_BARE_PRONOUN = re.compile(r"^(\w+)\s+(?:it|them)$", re.IGNORECASE)
_FIRST = re.compile(r"^[A-Za-z]+")

# Imperatives people use in such worlds: a clause that begins with one can be a goal of its own.
_VERB_LIST = """
acquire add approach arm assemble attack awaken be beat block break bridge bring build butcher carve catch
chip chisel chop collect come construct consume cook cover craft create cut damage defeat destroy devour
die dig dine discover doze drink drop eat eliminate end enter erect explore extract face fall fashion feed
fell fetch fight fill find finish forge gather get give go grab grow gulp harm harvest have head heal hit
hold hunt hurt hydrate injure install kill land lay let lie live locate log look lose make meet mend mine
move munch obtain perish pick place plant pocket position produce pull punch put quarry quench reach
receive recover refresh regain regenerate relieve rest restore return revisit rise satisfy search see seek
set sip slake slaughter slay sleep smack smash smelt snack spot stack stand start stay step stick still
stock stop strike suffer swallow take track tread turn upgrade use vanquish visit wait wake walk wall
watch whittle win wipe wound
"""
_VERBS = frozenset(_VERB_LIST.split())
_IRREGULAR = {
    "made": "make", "built": "build", "eaten": "eat", "drunk": "drink", "found": "find", "got": "get",
    "gotten": "get", "slept": "sleep", "slain": "slay", "woken": "wake", "taken": "take", "gone": "go",
    "dug": "dig", "fought": "fight", "laid": "lay",
}  # fmt: skip
_MOVES = frozenset(("approach", "come", "go", "head", "move", "reach", "return", "run", "step", "walk"))


@dataclass(frozen=True)
class ParsedInstruction:
    """An instruction and the goals in it.

    Attributes:
        text: the instruction as written, without outer white space.
        goals: one text per goal, at most `MAX_PARSED_GOALS`, in the order of the text or, for "after", of execution.
        ordered: the goals must be fulfilled in this order.
    """

    text: str
    goals: tuple[str, ...]
    ordered: bool


def parse(text: str, reward: "SemanticReward | None" = None) -> ParsedInstruction:
    """Split an instruction into its goals.

    Args:
        text: what the user wrote.
        reward: decides a plain "and" by meaning: clauses are split only when they ask for different events,
            and a shared verb is handed on ("collect wood and stone"). Without it, clauses are split when each
            begins with a verb and none refers back ("and eat it").

    Raises:
        InstructionError: more than `MAX_PARSED_GOALS` goals.
    """
    from hindsight_rl.agent.reward.semantic import InstructionError

    text = " ".join(text.split())
    body = text.rstrip(" .!?;,")
    if reward is not None and body.lower() in reward.language.known:
        return ParsedInstruction(text, (body,), False)
    parts = _in_order(body)
    goals = _resolved([goal for part in parts for goal in _jointly(part, reward)])
    if len(goals) > MAX_PARSED_GOALS:
        raise InstructionError(f"instruction '{text[:60]}': {len(goals)} goals, at most {MAX_PARSED_GOALS}: give fewer")
    if len(goals) < 2:
        return ParsedInstruction(text, (_imperative(body) or body,), False)
    return ParsedInstruction(text, tuple(goals), len(parts) > 1)


def join(goals: tuple[str, ...], ordered: bool) -> str:
    """The simplest instruction that `parse` splits back into these goals."""
    if len(goals) == 1:
        return goals[0]
    if ordered:
        return ", then ".join(goals)
    return ", ".join(goals[:-1]) + " and " + goals[-1]


def _in_order(body: str) -> list[str]:
    """The parts that must be done one after another; a single part if no order is asked for."""
    parts = [part for part in _THEN.split(body) if part.strip(" ,.;")]
    if len(parts) > 1:
        return [inner for part in parts for inner in _in_order(part)]
    for pattern, swapped in (
        (_AFTER_FIRST, False),
        (_AFTER_LAST, True),
        (_BEFORE_FIRST, True),
        (_BEFORE_LAST, False),
    ):
        if (found := pattern.match(body)) and all(_stands_alone(clause) for clause in found.groups()):
            first, second = reversed(found.groups()) if swapped else found.groups()
            return [*_in_order(first), *_in_order(second)]
    return [body]


def _stands_alone(clause: str) -> bool:
    """A verb and an object: "get up after sleeping" is one goal, "get up after collecting wood" two."""
    words = _imperative(clause).split()
    return len(words) > 1 and words[0].lower() in _VERBS


def _jointly(part: str, reward: "SemanticReward | None") -> list[str]:
    clauses: list[str] = []
    for clause in _JOINT.split(part):
        if clauses and _REFERENCE.match(clause):
            clauses[-1] += f" and {clause}"  # "kill a cow and eat it" is one goal
        elif clause.strip(" ,.;"):
            clauses.append(_imperative(clause))
    whole = [_imperative(part)]
    if len(clauses) < 2:
        return whole
    verbs = [_first_word(clause) in _VERBS for clause in clauses]
    if not verbs[0] or (_first_word(clauses[0]) in _MOVES and any(" " not in clause for clause in clauses[1:])):
        return whole  # "go to the lake and drink": the second clause only finishes the first
    if reward is None:
        return clauses if all(verbs) else whole
    lead = _first_word(clauses[0])
    clauses = [clause if verb else f"{lead} {clause}" for clause, verb in zip(clauses, verbs, strict=True)]
    meanings = [reward.meaning(clause) for clause in clauses]
    if all(verbs) and None in meanings and reward.meaning(part) is None:
        return clauses  # the whole does not fit either: `check` then names the clause that does not
    return clauses if None not in meanings and len(set(meanings)) == len(meanings) else whole


def _resolved(goals: list[str]) -> list[str]:
    """A goal is judged alone, so a pronoun is replaced by its object: "hit the cow, then eat it"."""
    for i, goal in enumerate(goals[1:], 1):
        found = _BARE_PRONOUN.match(goal)
        _, _, thing = goals[i - 1].partition(" ")
        if found and thing:
            goals[i] = f"{found.group(1)} {thing}"
    return goals


def _first_word(clause: str) -> str:
    found = _FIRST.match(clause)
    return found.group(0).lower() if found else ""


def _imperative(clause: str) -> str:
    """Drop words that only join clauses; "placing a table", "you have placed a table" become "place a table"."""
    clause = _SUBJECT.sub("", _LEAD.sub("", clause.strip(" ,.;")))
    if (found := _PERFECT.match(clause)) and _base(found.group(1).lower()) != found.group(1).lower():
        clause = clause[found.start(1) :]
    word = _first_word(clause)
    base = _base(word)
    return base + clause[len(word) :] if base != word else clause


def _base(word: str) -> str:
    """The imperative of a gerund or participle, the word itself where it is none."""
    if word in _VERBS:
        return word
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    for ending in ("ing", "ed"):
        if word.endswith(ending):
            stem = word[: -len(ending)]
            for candidate in (stem, stem + "e", stem[:-1]):  # collecting, making, digging
                if candidate in _VERBS:
                    return candidate
    return "die" if word == "dying" else word
