"""Turns an instruction that a language model proposed into a verified relabel, or says why it is rejected.

There are three checks. Form: one short imperative sentence, not copied from the prompt. Vocabulary: the semantic reward
can judge every goal. Evidence: the reward fires on what happened at the given steps.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hindsight_rl.agent.instructions.clauses import HarmfulError
from hindsight_rl.agent.instructions.parser import MAX_TRAINED_GOALS
from hindsight_rl.agent.relabeling.relabeler import Relabel, verify
from hindsight_rl.agent.reward.semantic import InstructionError, SemanticReward

MAX_CHARACTERS = 120
MAX_WORDS = 20
COPIED_WORDS = 6
"""A candidate that shares this many consecutive words with the prompt counts as a copy of it."""

_ALLOWED = re.compile(r"[^\W\d_](?:[^\W\d_]|[ ,'’\-])*[.!]?")
# Words that cannot begin a command. A list of all verbs is impossible, so this lists words that are not verbs.
_NO_VERB_LIST = """
a an the this that these those my your its his her their our i you he she it we they who what when where why how
which there here agent player character is are was were am been has had having does did can could may might must
shall should will would to of in on at by for from with and or but so as because since while yes no not sure okay
ok well thanks sorry instruction instructions steps task goal answer output response json none nothing
ate drank made built found got gotten slept slew slain woke went gone dug fought laid took taken saw seen came
caught fallen
"""
_NO_VERBS = frozenset(_NO_VERB_LIST.split())
_ED = re.compile(r"[^e]ed$")  # "collected", not "feed"
_ING = re.compile(r"[^\W\d_]{3,}ing$")  # "collecting", not "bring"
_LEAD = re.compile(r"^(?:please|first|both|now|then|when \w+)\s*,?\s+", re.IGNORECASE)
_INNER_STOP = re.compile(r"[.!?;:].*\w")


@dataclass(frozen=True)
class Rejected:
    """A rejected candidate. kind: `form`, `vocabulary`, `harm`, `held out` or `evidence`."""

    kind: str
    reason: str


def filtered(text: str, prompt: str = "") -> str | None:
    """Why the form of the text is not acceptable; None if it is.

    Args:
        text: the candidate.
        prompt: what the model reads before the events; an instruction must not repeat its words.
    """
    tidy = " ".join(text.split())
    if not tidy:
        return "it is empty"
    if len(tidy) > MAX_CHARACTERS or len(tidy.split()) > MAX_WORDS:
        return f"it has {len(tidy.split())} words and {len(tidy)} characters, at most {MAX_WORDS} and {MAX_CHARACTERS}"
    if any(unicodedata.category(c) in ("Cc", "Cf", "Co", "Cs", "Cn") for c in text.strip()):
        return "it has line breaks or invisible characters"
    if _INNER_STOP.search(tidy):
        return "it has more than one sentence"
    if not _ALLOWED.fullmatch(tidy):
        return "it has characters other than letters, spaces, commas, hyphens and apostrophes"
    if not _imperative(tidy):
        return "it does not begin with a verb in the imperative"
    words, prompted = _words(tidy), " ".join(_words(prompt))
    for start in range(len(words) - COPIED_WORDS + 1):
        if " ".join(words[start : start + COPIED_WORDS]) in prompted:
            return "it repeats the prompt"
    return None


def ground(
    text: str, steps: Sequence[int] | None, events: np.ndarray, reward: SemanticReward, prompt: str = ""
) -> Relabel | Rejected:
    """A relabel with verified evidence, or the reason for rejecting it.

    Args:
        text: the candidate instruction.
        steps: the steps that the model gives as evidence, ideally in the order of the goals. None: it gives none, and
            any step can be evidence.
        events: bool [T, n_events], what truly happened.
        reward: judges each goal; what the model claims is not trusted.
        prompt: see :func:`filtered`.
    """
    if why := filtered(text, prompt):
        return Rejected("form", why)
    text = " ".join(text.split()).rstrip(" .!")
    try:
        parsed = reward.check(text)
    except HarmfulError as error:
        return Rejected("harm", str(error))
    except InstructionError as error:
        return Rejected("vocabulary", str(error))
    if parsed.avoid or set(parsed.times) != {1}:
        return Rejected("vocabulary", f"'{text}' counts or forbids, which a relabel cannot")
    goals = parsed.goals
    if len(goals) > MAX_TRAINED_GOALS:
        return Rejected("form", f"it has {len(goals)} goals, at most {MAX_TRAINED_GOALS}")
    names = [event.name for event in reward.events]
    meanings = [reward.meaning(goal) for goal in goals]
    asked = [event for event in reward.events if event.name in meanings]
    if harmful := [event.name for event in asked if event.harmful]:
        return Rejected("harm", f"an agent must not be asked for {harmful[0]}")
    if held_out := [event.name for event in asked if event.held_out]:
        return Rejected("held out", f"training must not ask for {held_out[0]}")
    if len(set(goals)) < len(goals):
        return Rejected("form", "it names the same goal twice")
    table = reward.table(goals)
    anywhere = steps is None
    steps = np.flatnonzero(events.any(axis=1)).tolist() if steps is None else steps
    outside = [step for step in steps if not 0 <= step < len(events)]
    if outside or not steps:
        reason = f"step {outside[0]} lies outside the trajectory of {len(events)} steps" if outside else "it has none"
        return Rejected("evidence", reason)
    evidence: list[tuple[int, str]] = []
    for column, goal in enumerate(goals):
        # The prompt asks for one step per goal, in order. Otherwise any of the steps may be the evidence for a goal.
        own = [steps[column]] if len(steps) == len(goals) and not anywhere else []
        proofs = ((step, event) for step in [*own, *steps] for event in np.flatnonzero(events[step] & table[:, column]))
        after = evidence[-1][0] if parsed.ordered and evidence else -1
        found = sorted(
            ((step, int(event)) for step, event in proofs if step > after),
            key=lambda proof: (names[proof[1]] != meanings[column], proof[0] not in own, proof[0]),
        )
        if not found:
            at = "" if anywhere else f" at step {', '.join(map(str, own or steps))}"
            return Rejected("evidence", f"nothing that happened{at} fulfils '{goal}'")
        evidence.append((found[0][0], names[found[0][1]]))
    relabel = Relabel(text, goals, parsed.ordered, tuple(evidence))
    why = verify(relabel, events, reward)
    return Rejected("evidence", why) if why else relabel


def _imperative(text: str) -> bool:
    first = _words(_LEAD.sub("", text))[:1]
    return bool(first) and first[0] not in _NO_VERBS and not (_ED.search(first[0]) or _ING.search(first[0]))


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W\d_]+", text.lower())
