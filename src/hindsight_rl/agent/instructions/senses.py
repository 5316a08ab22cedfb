"""What the words of a clause may mean by the lexicon alone: actions and things, and the events that they make."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from hindsight_rl.agent.instructions.clauses import Clause
from hindsight_rl.agent.instructions.language import Language
from hindsight_rl.agent.instructions.meanings import Meanings
from hindsight_rl.agent.instructions.words import FILLER, KNOWN, THING, UNKNOWN, VERB, Vocabulary, Word

MAX_READINGS = 200
"""Most ways to take the words of a clause that are compared ("plant" is an action or a thing)."""


@dataclass(frozen=True)
class Sense:
    """One way to take the words of a clause.

    Attributes:
        actions: the families of each verb.
        things: what it is about.
        tool: things behind "with" or "using", also part of `things`.
        rest: words that have no place in it.
    """

    actions: tuple[frozenset[str], ...]
    things: frozenset[str]
    tool: frozenset[str]
    rest: tuple[str, ...]


class Senses:
    """The senses of clauses.

    Args:
        language: the lexicon.
        meanings: its frames.
        plain: the vocabulary without known phrasings, which hide their words.
    """

    def __init__(self, language: Language, meanings: Meanings, plain: Vocabulary):
        self.language, self.meanings, self.plain = language, meanings, plain

    def of(self, clause: Clause) -> list[Sense]:
        """All ways to take the words, the most likely first."""
        if len(clause.words) == 1 and clause.words[0].values(KNOWN):
            return [self.of_known(clause)]
        certain = [w for w in clause.words if w.values(VERB) and not w.values(FILLER) and not w.values(THING)]
        options = [self._roles(word, place == 0, bool(certain)) for place, word in enumerate(clause.words)]
        wielded = False
        for place, word in enumerate(clause.words):
            if wielded and word.values(THING):  # "with the pickaxe": a tool, not to mine
                options[place] = [role for role in options[place] if role[0] != VERB]
            wielded = wielded or bool(word.values("with")) or self.wields(word)
        readings = itertools.islice(itertools.product(*options), MAX_READINGS)
        return list(dict.fromkeys(self._sense(clause.words, roles) for roles in readings))

    @staticmethod
    def _roles(word: Word, head: bool, has_verb: bool) -> list[tuple[str, str]]:
        """The ways to take a word: pairs of a class and a value."""
        verbs = [(VERB, "")] if word.values(VERB) else []
        things = [(THING, thing) for thing in sorted(word.values(THING))]
        filler = [(FILLER, "")] if word.values(FILLER) else []
        if word.values("with"):
            return [("with", "")]
        if word.values("pronouns"):
            return [("pronouns", ""), *verbs, *things]
        if word.values("something"):
            return [("something", "")]
        if not (verbs or things or filler):
            return [(UNKNOWN, word.text)]
        if filler and has_verb:
            return [*filler, *things, *verbs]
        return [*verbs, *things, *filler] if head else [*things, *verbs, *filler]

    def _sense(self, words: Sequence[Word], roles: Sequence[tuple[str, str]]) -> Sense:
        actions, things, tool, rest = [], set(), set(), []
        behind_with = False
        for word, (kind, value) in zip(words, roles, strict=True):
            if kind == VERB:
                actions.append(word.values(VERB))
                behind_with = self.wields(word)
            elif kind == THING:
                things.add(value)
                if behind_with:
                    tool.add(value)
            elif kind == "with":
                behind_with = True
            elif kind == "pronouns":
                rest.append("it")
            elif kind == UNKNOWN:
                rest.append(value)
        full = frozenset(things)
        meant = full - self.language.empty if full - self.language.empty else full
        return Sense(tuple(actions), meant, frozenset(tool), tuple(rest))

    def of_known(self, clause: Clause) -> Sense:
        """Actions and things of a known phrasing."""
        plain = self.single_words(clause)
        senses = self.of(plain) if plain.words else []
        best = [sense for sense in senses if not sense.rest and self.events(sense)]
        return best[0] if best else (senses[0] if senses else Sense((), frozenset(), frozenset(), ()))

    def single_words(self, clause: Clause) -> Clause:
        """A clause that is a known phrasing, as single words."""
        words = self.plain.words(clause.words[0].text)
        return Clause(words=[word for word in words if any(kind != FILLER for kind, _ in word.classes)])

    def events(self, sense: Sense, forbidden: bool = False) -> set[str]:
        """The events that a sense may mean: what all of its verbs, apart from steps, agree on."""
        if not sense.actions:
            return self.meanings.of(frozenset(), sense.things, forbidden)
        verbs = [verb for verb in sense.actions if not verb <= self.language.steps] or list(sense.actions)
        found = [self.meanings.of(verb, sense.things, forbidden) for verb in verbs]
        return set.intersection(*found)

    def only_steps(self, sense: Sense) -> bool:
        """Are all of its verbs only a step where another action follows?"""
        return bool(sense.actions) and all(verb & self.language.steps for verb in sense.actions)

    def wields(self, word: Word) -> bool:
        """Does the verb name a tool: "use the pickaxe to ..."?"""
        return bool(word.values(VERB)) and word.values(VERB) <= self.language.wielding
