"""What a clause means by its embedding, as far as its words allow."""

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from hindsight_rl.agent.instructions.clauses import Clause
from hindsight_rl.agent.instructions.senses import Sense, Senses
from hindsight_rl.agent.instructions.words import FILLER, THING, UNKNOWN, VERB, Word, tidy

if TYPE_CHECKING:
    from hindsight_rl.agent.reward.semantic import SemanticReward

SURE = 0.85
"""Least probability of an event by the embedding where the clause holds a word that the lexicon does not know: "make a
wooden shield". Chosen by hand on the fitted phrasings, in cross-validation, and on texts that ask for nothing."""
AGREEING = 0.5
"""Least probability of an event by the embedding where the lexicon, which does not know all words, finds the same."""
_AWAY = frozenset(("away from", "far from", "outside"))


class Evidence:
    """What embeddings say about clauses.

    Args:
        reward: knows the events, the language and the embeddings.
        senses: what the lexicon says.
    """

    def __init__(self, reward: "SemanticReward", senses: Senses):
        self.reward, self.senses = reward, senses
        self.language, self.meanings = reward.language, senses.meanings
        self.events = {event.name: event for event in reward.events}
        self._things_of: dict[str, frozenset[str]] = {}
        self._actions_of: dict[str, frozenset[str]] = {}

    def find(self, clause: Clause, text: str, senses: Sequence[Sense], forbidden: bool, alone: bool) -> str | None:
        """The event of a clause that the lexicon alone does not understand, None if there is none.

        Args:
            clause: the clause.
            text: the clause as a command, whose embedding is asked.
            senses: all ways to take its words.
            forbidden: whether it is forbidden.
            alone: the sentence has no other clause. Then a verb of a wide meaning need not be one that the lexicon has
                for the event, as the embedding has seen the whole of it.
        """
        event = self.reward.meaning(text)
        if not self.meanings.frames:
            return event if self._worded(event, clause) else None
        if not alone and not clause.holds(VERB) and all(sense.rest for sense in senses):
            return None  # "drink while it rains"
        hints = set().union(*(self.senses.events(sense, forbidden) for sense in senses if sense.rest))
        if event is None and len(hints) == 1 and clause.holds(VERB):
            probability = self.reward.probabilities([text])[0][:-1]
            likeliest = self.reward.events[int(np.argmax(probability))].name
            event = likeliest if likeliest in hints and probability.max() >= AGREEING else None
        if event is None or not any(self.fits(event, sense, alone) for sense in senses):
            return None
        return None if self._doubtful(event, text, clause, senses) else event

    def conditional(self, clause: Clause, text: str) -> str | None:
        """The event of a sentence with a condition that belongs to the event: "wait until you are thirsty to drink"."""
        if clause.negation or clause.count is not None:
            return None
        event = self.reward.meaning(text)
        if event is None or not any(self.fits(event, sense) for sense in self.senses.of(clause)):
            return None
        texts = [*self.events[event].captions, *(text for text, name in self.language.known.items() if name == event)]
        words = [word for text in texts for word in self.senses.plain.words(tidy(text))]
        return event if any(word.values("condition") for word in words) else None

    def is_step(self, event: str) -> bool:
        """Is the event one that only actions of `Language.steps` make, such as to see coal?"""
        frames = [frame for frame in self.meanings.frames if frame.event == event]
        return bool(frames) and all(frame.actions and frame.actions <= self.language.steps for frame in frames)

    def _doubtful(self, event: str, text: str, clause: Clause, senses: Sequence[Sense]) -> bool:
        """Is a word unknown here, or no verb one of this event's, and the embedding not as sure as that asks for?"""
        foreign = any(
            word.values(VERB)
            and not word.values(FILLER)
            and not word.values(THING)
            and not word.values(VERB) & (set(self.language.actions) | self.about(event)[1])
            for word in clause.words
        )
        places = {word.text for word in clause.words if word.values("relation")} - _AWAY
        if not foreign and any(set(sense.rest) <= places and self.fits(event, sense) for sense in senses):
            return False
        index = [each.name for each in self.reward.events].index(event)
        return float(self.reward.probabilities([text])[0][index]) < SURE

    @staticmethod
    def before_the_verb(clause: Clause) -> str | None:
        """An unknown word before the first verb. It may turn the meaning round: "decline to drink"."""
        for place, word in enumerate(clause.words):
            if word.values(VERB) and not word.values(FILLER):
                return None
            behind = clause.words[place + 1 :]
            verbs = [each for each in behind if each.values(VERB)]
            if word.values(UNKNOWN) and any(not each.values(THING) or each.text.endswith("ing") for each in verbs):
                return word.text
        return None

    def _worded(self, event: str | None, clause: Clause) -> bool:
        """Without a lexicon: is every verb one that an event's texts have, and every other word of the environment's
        texts, such as a colour, one of this event's? And does the clause hold a word that tells it from other events of
        which this is true?"""
        if event is None:
            return False
        verbs = [word for word in clause.words if word.values(VERB)]
        verbs = [word for word in verbs if not word.values(FILLER)] or verbs
        spoken = {noun for word in clause.words if word not in verbs for noun in _nouns(word.text)}
        spoken &= frozenset().union(*self._words_of.values())

        def could_be(name: str) -> bool:
            known = self.about(name)[1]
            return spoken <= self._words_of[name] and all(word.values(VERB) & known for word in verbs)

        own, others = self._words_of[event], [name for name in self.events if name != event and could_be(name)]
        return could_be(event) and all(spoken & (own ^ self._words_of[other]) for other in others)

    @cached_property
    def _words_of(self) -> dict[str, frozenset[str]]:
        """The words of each event's captions and known phrasings."""
        texts = {name: list(event.captions) for name, event in self.events.items()}
        for text, name in self.language.known.items():
            if name in texts:
                texts[name].append(text)
        return {name: frozenset(noun for text in own for noun in _nouns(text)) for name, own in texts.items()}

    def fits(self, event: str, sense: Sense, alone: bool = False) -> bool:
        """Could the words that the lexicon knows be about this event?"""
        things, actions = self.about(event)
        listed = [verb for verb in sense.actions if verb & set(self.language.actions)]
        if alone:
            listed = [verb for verb in listed if not verb & self.language.wide]
        return sense.things <= things and (not listed or any(verb & actions for verb in listed))

    def about(self, event: str) -> tuple[frozenset[str], frozenset[str]]:
        """All things and actions in the frames, captions and known phrasings of an event."""
        if event not in self._things_of:
            texts = [*self.events[event].captions, *(t for t, e in self.language.known.items() if e == event)]
            words = [word for text in texts for word in self.senses.plain.words(tidy(text))]
            things = frozenset().union(*(word.values(THING) for word in words), self.meanings.things_of(event))
            own = frozenset().union(*(frame.actions for frame in self.meanings.frames if frame.event == event))
            first = [self.senses.plain.words(tidy(text))[0] for text in texts] if own else []
            verbs = [word.values(VERB) for word in first if not word.values(FILLER)]
            actions = own.union(*(verb for verb in verbs if not verb & own))  # "build" is no reason to allow "put"
            if not own:
                actions = frozenset().union(*(_main_verb(self.senses.plain.words(tidy(text))) for text in texts))
            self._things_of[event] = things | self.language.empty
            self._actions_of[event] = actions
        return self._things_of[event], self._actions_of[event]


def _main_verb(words: Sequence[Word]) -> frozenset[str]:
    """The families of the first verb; behind "go and" those of the second: "go and get a ball"."""
    verbs = [word for word in words if word.values(VERB)]
    if len(verbs) > 1 and verbs[0].text == "go":
        del verbs[0]
    return verbs[0].values(VERB) if verbs else frozenset()


def _nouns(text: str) -> list[str]:
    """The words of a text, without the ending of a plural."""
    return [word.removesuffix("s") for word in tidy(text).lower().split()]
