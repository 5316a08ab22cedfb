"""Clauses that are only a part of another clause: a state ("if you are thirsty, drink"), a material ("make a pickaxe, a
wooden one"), and what stands before "until"."""

from dataclasses import replace

from hindsight_rl.agent.instructions.clauses import Clause
from hindsight_rl.agent.instructions.evidence import Evidence
from hindsight_rl.agent.instructions.senses import Sense, Senses
from hindsight_rl.agent.instructions.words import KNOWN, THING, VERB, Vocabulary, Word

WHEN = frozenset(("if", "when", "whenever", "in case", "only when", "only if", "only once"))
UNTIL = frozenset(("until", "till"))
_BECOMING = frozenset(("get", "gets", "feel", "feels", "become", "becomes", "becoming", "feeling", "getting", "grow"))


class Joins:
    """Joins clauses.

    Args:
        senses: what the lexicon says.
        evidence: what an event is about.
        vocabulary: of the environment.
    """

    def __init__(self, senses: Senses, evidence: Evidence, vocabulary: Vocabulary):
        self.senses, self.evidence, self.vocabulary = senses, evidence, vocabulary
        self.language = senses.language

    def states(self, clauses: list[Clause]) -> None:
        """A clause that only names a state of the agent belongs to the clause that it is the condition of: "if you are
        thirsty, drink", "eat as soon as you feel hungry"."""
        for index in range(len(clauses) - 1, -1, -1):
            state, following = clauses[index], clauses[index + 1] if index + 1 < len(clauses) else None
            leads = following is not None and (
                index == 0 or state.condition in WHEN or (state.comma and following.comma)
            )
            waits = any(word.values(VERB) & self.language.steps for word in state.words)
            subordinate = state.condition in WHEN or ((state.link == "after" or waits) and not state.problem)
            if not subordinate or state.negation or state.count is not None or not self._names_state(state):
                continue
            other = following if leads else clauses[index - 1] if index else None
            if other is None or other.negation or other.problem or not (other.holds(VERB) or other.holds(KNOWN)):
                continue
            named = [word for word in state.words if word.values(THING)]
            other.words = [*(self.senses.single_words(other).words if other.holds(KNOWN) else other.words), *named]
            other.spoken = [*state.spoken, *other.spoken] if leads else [*other.spoken, *state.spoken]
            if leads:
                other.link, other.comma = ("start" if index == 0 else "and"), state.comma
            del clauses[index]

    def materials(self, clauses: list[Clause]) -> None:
        """A clause that only says of what a thing is made belongs to the clause before: "make a pickaxe, a wooden
        one", "get a sword, made of iron"."""
        for index in range(len(clauses) - 1, 0, -1):
            clause, before = clauses[index], clauses[index - 1]
            made = [word for word in clause.words if not word.values(THING)]
            named = [word for word in clause.words if word.values(THING)]
            plain = clause.link == "and" and clause.comma and not clause.negation and not clause.problem
            if not plain or not made or len(named) != 1 or not before.holds(THING):
                continue
            describes = all(word.text in ("one", "ones") or self._is_participle(word) for word in made)
            materials = self.language.materials
            if (
                describes
                and named[0].values(THING) & materials
                and not any(w.values(THING) & materials for w in before.words)
            ):
                before.words = [*before.words, *named]
                before.spoken = [*before.spoken, *clause.spoken]
                del clauses[index]

    def _is_participle(self, word: Word) -> bool:
        return (
            bool(word.values(VERB))
            and self.vocabulary.imperative(word.text) != word.text
            and not word.text.endswith("ing")
        )

    def until(self, clause: Clause) -> Clause | None:
        """ "Punch a tree until you get wood" asks for wood: the clause behind "until", if it is an event, and what
        stands before fits it and is no other event."""
        head, tail = (
            replace(clause, words=words)
            for words in (clause.words[: clause.words_before], clause.words[clause.words_before :])
        )
        if not head.words or not tail.words or clause.negation:
            return None
        found = [self.senses.events(sense) for sense in self.senses.of(tail) if not sense.rest]
        event = next((events for events in found if len(events) == 1), set())
        whole = [sense for sense in self.senses.of(head) if not sense.rest]
        other = set().union(*(self.senses.events(sense) for sense in whole)) - event
        if len(event) != 1 or other or not any(self._leads_to(sense, *event) for sense in whole):
            return None
        return replace(tail, problem=None, condition=None, spoken=list(tail.words))

    def _leads_to(self, sense: Sense, event: str) -> bool:
        things, actions = self.evidence.about(event)
        return sense.things <= things and all(verb & (actions | self.language.steps) for verb in sense.actions)

    def _names_state(self, clause: Clause) -> bool:
        """Are all of its words a state of the agent, or verbs such as "get" and "feel"?"""
        things = [word.values(THING) for word in clause.words if word.values(THING)]
        others = [word for word in clause.words if not word.values(THING)]
        return (
            any(thing <= self.language.states for thing in things)
            and all(thing & self.language.states for thing in things)
            and all(word.text in _BECOMING or word.values(VERB) & self.language.steps for word in others)
        )

    def in_state(self, clause: Clause) -> bool:
        """Does an event follow from the clause together with the state that its condition names?"""
        if clause.negation or not any(word.values(THING) & self.language.states for word in clause.words):
            return False
        return any(not sense.rest and self.senses.events(sense) for sense in self.senses.of(clause))
