"""Reads an instruction: which events it asks for, in which order, how often, and which it forbids.

Each clause is understood in one of three ways, the surest first: it is a phrasing that the environment knows; the
lexicon knows all of its words, and they make an event; or its embedding is close to the phrasings of one event, which
must be an event of the things and actions that the clause holds. A clause that is understood in none of them makes the
whole instruction an error that names it: an instruction is never understood in part.
"""

import contextlib
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from hindsight_rl.agent.instructions.clauses import Clause, ClauseParser, Clauses, InstructionError
from hindsight_rl.agent.instructions.meanings import Meanings
from hindsight_rl.agent.instructions.words import (
    DETERMINERS,
    FILLER,
    KNOWN,
    THING,
    UNKNOWN,
    VERB,
    Vocabulary,
    Word,
    imperative,
    tidy,
)

if TYPE_CHECKING:
    from hindsight_rl.agent.reward.semantic import SemanticReward

MAX_READINGS = 200
"""Most ways to take the words of a clause that are compared ("plant" is an action or a thing)."""
AGREEING = 0.5
"""Least probability of an event by the embedding where the lexicon, which does not know all words, finds the same."""


@dataclass(frozen=True)
class Unit:
    """One thing that the text asks for or forbids.

    Attributes:
        event: name of the event.
        text: how the text says it, as a command.
        forbidden: it must not happen.
        count: how often.
        clause: index of its clause.
    """

    event: str
    text: str
    forbidden: bool
    count: int
    clause: int


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


@dataclass
class Context:
    """What the clauses before have said, for pronouns and for what a clause does not say again.

    Attributes:
        actions: the families of the last verbs.
        verb: the last verb, in the imperative.
        things: what was last spoken of.
        negation: that of the last clause, as in `Clause.negation`.
        event: the last event.
        participle: the last verb was not in the imperative.
    """

    actions: tuple[frozenset[str], ...] = ()
    verb: str = ""
    things: frozenset[str] = frozenset()
    negation: str | None = None
    event: str | None = None
    participle: bool = False


class Reader:
    """Reads instructions in one environment's vocabulary.

    Args:
        reward: knows the events, the language and the embeddings.
    """

    def __init__(self, reward: "SemanticReward"):
        self.reward, self.language = reward, reward.language
        self.events = {event.name: event for event in reward.events}
        self.meanings = Meanings(self.language.meanings, self.events)
        known = {text: event for text, event in self.language.known.items() if event in self.events}
        self.vocabulary = Vocabulary(self.language.actions, self.language.things, known, self._verbs())
        self._things_of: dict[str, frozenset[str]] = {}
        self._actions_of: dict[str, frozenset[str]] = {}

    def units(self, text: str) -> tuple[list[Unit], Clauses]:
        """What a text asks for and forbids, in the order of the text, and its clauses.

        Raises:
            InstructionError: a clause is not understood. The message names it.
        """
        self._text = tidy(text)
        clauses = ClauseParser(self.vocabulary.words(self._text)).parse()
        units: list[Unit] = []
        context = Context()
        waiting: list[int] = []  # clauses that are only a step towards one that follows
        for index, clause in enumerate(clauses.items):
            if clause.problem and len(clauses.items) == 1 and (event := self._conditional(clause)):
                return [Unit(event, self._text, False, 1, 0)], clauses
            if clause.problem:
                raise InstructionError(f"'{self.said(clause)}': {clause.problem}")
            forbidden = self._forbidden(clause, context)
            found = self._understand(clauses.items, index, context, forbidden)
            if found is None:
                waiting.append(index)
                continue
            waiting.clear()
            for event, said in found:
                unit = Unit(event, said, forbidden, 1 if clause.count is None else clause.count, index)
                units = self._joined(units, unit, clause, context)
            context.negation = (clause.negation or context.negation) if forbidden else None
        if len(clauses.items) == 1 and len(units) == 1 and not clauses.items[0].holds(KNOWN):
            self._agreed(units[0])
        if waiting:
            raise InstructionError(f"'{self.said(clauses.items[waiting[0]])}' is not understood")
        return units, clauses

    def _agreed(self, unit: Unit) -> None:
        """A sentence of one clause has a second judge, its embedding.

        Raises:
            InstructionError: it is sure of another event.
        """
        other = self.reward.meaning(unit.text)
        if other is None or other == unit.event or unit.forbidden:
            return
        if unit.event not in self.events[other].implies and other not in self.events[unit.event].implies:
            raise InstructionError(f"'{unit.text}' may mean {unit.event} or {other}: say which one")

    def _conditional(self, clause: Clause) -> str | None:
        """The event of a sentence with a condition that belongs to the event: "wait until you are thirsty to drink"."""
        if clause.negation or clause.count is not None or "is a condition" not in (clause.problem or ""):
            return None
        event = self.reward.meaning(self._text)
        if event is None or not any(self._fits(event, sense) for sense in self._senses(clause)):
            return None
        texts = [*self.events[event].captions, *(text for text, name in self.language.known.items() if name == event)]
        words = [word for text in texts for word in self._plain_vocabulary.words(tidy(text))]
        return event if any(word.values("condition") for word in words) else None

    def certain(self, text: str) -> set[tuple[str, bool]]:
        """The clauses that are understood even if others are not: pairs of an event, and whether it is forbidden."""
        found: set[tuple[str, bool]] = set()
        with contextlib.suppress(InstructionError):
            self._text = tidy(text)
            clauses, context = ClauseParser(self.vocabulary.words(self._text)).parse().items, Context()
            for index, clause in enumerate(clauses):
                with contextlib.suppress(InstructionError):
                    forbidden = self._forbidden(clause, context)
                    understood = self._understand(clauses, index, context, forbidden)
                    if not clause.problem:
                        found |= {(event, forbidden) for event, _ in understood or ()}
                    context.negation = (clause.negation or context.negation) if forbidden else None
        return found

    def commands(self, text: str) -> list[str]:
        """Each clause of a text as a command, whatever it means; for encoding many texts at once.

        Raises:
            InstructionError: the text has no clauses.
        """
        self._text = tidy(text)
        clauses = ClauseParser(self.vocabulary.words(self._text)).parse()
        return [self.command(clause) for clause in clauses.items]

    def said(self, clause: Clause) -> str:
        """The clause as the text has it, without words at its beginning that mean nothing."""
        spoken = list(clause.spoken)
        certain = [word for word in spoken if word.values(VERB) and not word.values(FILLER)]
        while certain and spoken[0] is not certain[0] and spoken[0].values(FILLER):
            del spoken[0]  # "have gathered"
        while len(spoken) > 1 and spoken[-1].text in DETERMINERS:
            del spoken[-1]
        return " ".join(self._text[word.start : word.end] for word in spoken)

    def command(self, clause: Clause, verb: str = "") -> str:
        """The clause as a command: "placing a table" -> "place a table"."""
        said = self.said(clause)
        head, _, others = said.partition(" ")
        if any(word.values(VERB) or word.values(KNOWN) for word in clause.words):
            base = self.vocabulary.imperative(head.lower())
            return said if base == head.lower() else f"{base} {others}".strip()
        return f"{verb} {said}".strip()

    # How a clause is understood.

    def _understand(
        self, clauses: Sequence[Clause], index: int, context: Context, forbidden: bool
    ) -> list[tuple[str, str]] | None:
        """The events of a clause, each with its text; None: it is a step towards the next clause."""
        clause = clauses[index]
        following = clauses[index + 1] if index + 1 < len(clauses) else None
        if len(clause.words) == 1 and (event := clause.words[0].value(KNOWN)):
            self._remember(context, clause, self._sense_of_known(clause), event)
            return [(event, self.command(clause))]
        senses = [each for sense in self._senses(clause) for each in self._completed(sense, context)]
        whole = [sense for sense in senses if not sense.rest]
        listed = clause.link == "and" and index > 0 and clauses[index - 1].holds("with")
        for sense in whole:
            if listed and not sense.actions:
                continue  # "make a pickaxe with iron and wood": it belongs to the list behind "with"
            if events := self._events(sense, forbidden):
                return self._settled(events, sense, clause, context)
        for sense in whole:
            found: list[tuple[str, str]] | None = None
            if sense.actions and not sense.things:
                found = self._verb_alone(sense, clause, following, context, forbidden)
                if found == []:
                    return None
            elif sense.things and not sense.actions:
                found = self._things_alone(sense, clause, context, forbidden)
            if found:
                return found
            if sense.tool and (found := self._with_tool(sense, clause, context, forbidden)):
                return found
            if following is not None and (found := self._shared_head(sense, following, clause, context, forbidden)):
                return found
        if whole and self._only_steps(whole[0]) and following is not None and following.link == "and":
            self._remember(context, clause, whole[0], None)
            return None
        if whole and self.meanings.frames and (len(clauses) > 1 or forbidden):
            # All words are known, and they make no event. In a whole sentence, the embedding may know better.
            raise InstructionError(f"'{self.said(clause)}' is not understood: {self._why_nothing(clause, context)}")
        return self._by_embedding(clause, senses, context, forbidden, len(clauses) == 1 and not forbidden)

    def _why_nothing(self, clause: Clause, context: Context) -> str:
        return self.reward.why_nothing(self.command(clause, context.verb))

    def _settled(self, events: set[str], sense: Sense, clause: Clause, context: Context) -> list[tuple[str, str]]:
        if len(events) > 1:
            either = " or ".join(sorted(events))
            raise InstructionError(f"'{self.said(clause)}' may mean {either}: say which one")
        (event,) = events
        self._remember(context, clause, sense, event)
        return [(event, self.command(clause, context.verb))]

    def _senses(self, clause: Clause) -> list[Sense]:
        """All ways to take the words, the most likely first."""
        if len(clause.words) == 1 and clause.words[0].values(KNOWN):
            return [self._sense_of_known(clause)]
        certain = [w for w in clause.words if w.values(VERB) and not w.values(FILLER) and not w.values(THING)]
        options = [self._roles(word, place == 0, bool(certain)) for place, word in enumerate(clause.words)]
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
                behind_with = False
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

    def _completed(self, sense: Sense, context: Context) -> list[Sense]:
        """The sense, its pronoun replaced by what it stands for: "put it on the ground". It is also taken without: "use
        it to mine coal"."""
        if "it" not in sense.rest:
            return [sense]
        rest = tuple(word for word in sense.rest if word != "it")
        made = [Sense(sense.actions, sense.things | context.things, sense.tool, rest)]
        if sense.things and any(verb & self.language.steps for verb in sense.actions):
            made.append(Sense(sense.actions, sense.things, sense.tool, rest))
        return made

    def _events(self, sense: Sense, forbidden: bool = False) -> set[str]:
        """The events that a sense may mean: what all of its verbs, apart from steps, agree on."""
        if not sense.actions:
            return self.meanings.of(frozenset(), sense.things, forbidden)
        verbs = [verb for verb in sense.actions if not verb <= self.language.steps] or list(sense.actions)
        found = [self.meanings.of(verb, sense.things, forbidden) for verb in verbs]
        return set.intersection(*found)

    def _only_steps(self, sense: Sense) -> bool:
        return bool(sense.actions) and all(verb & self.language.steps for verb in sense.actions)

    def _verb_alone(
        self, sense: Sense, clause: Clause, following: Clause | None, context: Context, forbidden: bool
    ) -> list[tuple[str, str]] | None:
        """ "fight and defeat a zombie", "collect and place a stone", "kill a cow and eat it". An empty list: it is only
        a step towards the next clause; None: not understood."""
        if following is not None and following.link in ("and", "or") and not following.negation:
            for other in self._senses(following):
                if other.rest or not other.things:
                    continue
                events = self._events(Sense(sense.actions, other.things, frozenset(), ()), forbidden)
                theirs = self._events(other, forbidden)
                if events and events == theirs:
                    return []
                if self._only_steps(sense) and theirs:
                    return []
                if len(events) == 1:
                    (event,) = events
                    self._remember(context, clause, Sense(sense.actions, other.things, frozenset(), ()), event)
                    return [(event, self.reward.plain(event))]
        if context.things:
            events = self._events(Sense(sense.actions, context.things, frozenset(), ()), forbidden)
            if len(events) == 1:
                (event,) = events
                self._remember(context, clause, Sense(sense.actions, context.things, frozenset(), ()), event)
                return [(event, self.reward.plain(event))]
        return None

    def _things_alone(
        self, sense: Sense, clause: Clause, context: Context, forbidden: bool
    ) -> list[tuple[str, str]] | None:
        """ "collect wood and stone", "make a stone pickaxe and sword" """
        shared = context.things & self.language.materials
        for things in (sense.things, sense.things | shared):
            whole = Sense(context.actions, things, frozenset(), ())
            if context.actions and (events := self._events(whole, forbidden)):
                return self._settled(events, whole, clause, context)
        return None

    def _with_tool(
        self, sense: Sense, clause: Clause, context: Context, forbidden: bool
    ) -> list[tuple[str, str]] | None:
        """ "slay a skeleton with a wooden sword": the sword must be made first."""
        if forbidden:
            return None
        tools = self.meanings.of(frozenset(), sense.tool)
        main = Sense(sense.actions, sense.things - sense.tool, frozenset(), ())
        events = self._events(main)
        if len(tools) != 1 or len(events) != 1:
            return None
        (tool,), (event,) = tools, events
        self._remember(context, clause, main, event)
        return [(tool, self.reward.plain(tool)), (event, self.reward.plain(event))]

    def _shared_head(
        self, sense: Sense, following: Clause, clause: Clause, context: Context, forbidden: bool
    ) -> list[tuple[str, str]] | None:
        """ "make wood and stone pickaxes" """
        if not sense.actions or not sense.things or not sense.things <= self.language.materials:
            return None
        for other in self._senses(following):
            if other.actions or other.rest:
                continue
            whole = Sense(sense.actions, sense.things | (other.things - self.language.materials), frozenset(), ())
            events = self._events(whole, forbidden)
            if len(events) == 1:
                (event,) = events
                self._remember(context, clause, whole, event)
                return [(event, self.reward.plain(event))]
        return None

    def _by_embedding(
        self, clause: Clause, senses: Sequence[Sense], context: Context, forbidden: bool, alone: bool
    ) -> list[tuple[str, str]]:
        """What the embedding says, if it fits the words that the lexicon knows.

        In a sentence that stands alone, a verb of a wide meaning need not be one that the lexicon has for the event, as
        the embedding has seen the whole of it.
        """
        text = self.command(clause, context.verb if not senses[0].actions else "")
        if any(word.values("something") for word in clause.words) and self.meanings.frames:
            raise InstructionError(f"'{self.said(clause)}' does not say of what: say it")
        if self.meanings.frames and (odd := self._before_the_verb(clause)):
            raise InstructionError(f"'{self.said(clause)}' is not understood: '{odd}' is unknown here")
        hints = set().union(*(self._events(sense, forbidden) for sense in senses if sense.rest))
        event = self.reward.meaning(text)
        named = any(word.values(VERB) for word in clause.words)
        if event is None and len(hints) == 1 and named:
            (hint,) = hints
            probability = self.reward.probabilities([text])[0][:-1]
            if self.reward.events[int(np.argmax(probability))].name == hint and probability.max() >= AGREEING:
                event = hint
        fits = (
            any(self._fits(event, sense, alone) for sense in senses)
            if self.meanings.frames
            else self._worded(event, clause)
        )
        if event is None or not fits:
            raise InstructionError(f"'{self.said(clause)}' is not understood: {self.reward.why_nothing(text)}")
        self._remember(context, clause, senses[0], event)
        return [(event, text)]

    @staticmethod
    def _before_the_verb(clause: Clause) -> str | None:
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
            known = self._about(name)[1]
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

    def _fits(self, event: str | None, sense: Sense, alone: bool = False) -> bool:
        """Could the words that the lexicon knows be about this event?"""
        if event is None:
            return False
        things, actions = self._about(event)
        listed = [verb for verb in sense.actions if verb & set(self.language.actions)]
        if alone:
            listed = [verb for verb in listed if not verb & self.language.wide]
        return sense.things <= things and (not listed or any(verb & actions for verb in listed))

    def _about(self, event: str) -> tuple[frozenset[str], frozenset[str]]:
        """All things and actions in the frames, captions and known phrasings of an event."""
        if event not in self._things_of:
            texts = [*self.events[event].captions, *(t for t, e in self.language.known.items() if e == event)]
            words = [word for text in texts for word in self._plain_vocabulary.words(tidy(text))]
            things = frozenset().union(*(word.values(THING) for word in words), self.meanings.things_of(event))
            own = frozenset().union(*(frame.actions for frame in self.meanings.frames if frame.event == event))
            first = [self._plain_vocabulary.words(tidy(text))[0] for text in texts] if own else []
            verbs = [word.values(VERB) for word in first if not word.values(FILLER)]
            actions = own.union(*(verb for verb in verbs if not verb & own))  # "build" is no reason to allow "put"
            if not own:
                actions = frozenset().union(*(word.values(VERB) for word in words))
            self._things_of[event] = things | self.language.empty
            self._actions_of[event] = actions
        return self._things_of[event], self._actions_of[event]

    # What clauses say about each other.

    def _forbidden(self, clause: Clause, context: Context) -> bool:
        if clause.negation:
            return True
        if clause.link == "or":
            if context.negation is None:
                raise InstructionError(f"'or {self.said(clause)}' is a choice: say which one")
            return True
        if context.negation is None or clause.link != "and" or clause.scaffold:
            return False
        first = clause.words[0]
        starts_with_verb = bool(first.values(VERB) or first.values(KNOWN))
        if not starts_with_verb:
            return True  # "do not collect wood and stone"
        gerund = first.text.split()[0].endswith("ing")
        if context.negation in ("avoid", "no", "leave"):
            return gerund and (context.negation == "avoid" or not clause.comma)
        if context.participle and not gerund:
            return False  # "make sure that you have not drunk, and eat"
        if gerund or not clause.comma:
            raise InstructionError(
                f"'{self.said(clause)}': is this forbidden too? Say 'do not ... or {self.said(clause)}', or "
                f"'..., but {self.said(clause)}'"
            )
        return False

    def _joined(self, units: list[Unit], unit: Unit, clause: Clause, context: Context) -> list[Unit]:
        """The units with one more. Joined by "and", a step and its end are one ("hit the cow and eat it"), and so are
        two ways to say the same."""
        last = units[-1] if units else None
        if last is not None and clause.link == "and" and last.forbidden == unit.forbidden:
            same = last.event == unit.event and last.count == unit.count
            pointing = any(word.values("pronouns") for word in clause.words)
            step = pointing and self._is_step(last.event) and last.clause == unit.clause - 1
            if same or step:
                return [*units[:-1], unit] if step else units
        return [*units, unit]

    def _is_step(self, event: str) -> bool:
        frames = [frame for frame in self.meanings.frames if frame.event == event]
        return bool(frames) and all(frame.actions and frame.actions <= self.language.steps for frame in frames)

    def _remember(self, context: Context, clause: Clause, sense: Sense, event: str | None) -> None:
        if sense.actions:
            context.actions = sense.actions
            verbs = [word for word in clause.words if word.values(VERB) or word.values(KNOWN)]
            if verbs:
                spoken = next((word for word in verbs if not word.values(FILLER)), verbs[0]).text.split()[0]
                context.participle = self.vocabulary.imperative(spoken) != spoken
                context.verb = self.vocabulary.imperative(verbs[0].text.split()[0])
        if sense.things:
            context.things = sense.things
        context.event = event

    def _sense_of_known(self, clause: Clause) -> Sense:
        """Actions and things of a known phrasing, for the clauses that follow."""
        words = self._plain_vocabulary.words(self.said(clause))
        plain = Clause(words=[word for word in words if any(kind != FILLER for kind, _ in word.classes)])
        senses = self._senses(plain) if plain.words else []
        best = [sense for sense in senses if not sense.rest and self._events(sense)]
        return best[0] if best else (senses[0] if senses else Sense((), frozenset(), frozenset(), ()))

    @cached_property
    def _plain_vocabulary(self) -> Vocabulary:
        """Without known phrasings, which hide their words."""
        return Vocabulary(self.language.actions, self.language.things, {}, self._verbs())

    def _verbs(self) -> Iterator[str]:
        """Verbs with which the environment's phrasings and captions begin."""
        for text in self.language.known:
            yield text.split()[0]
        for event in self.events.values():
            for caption in event.captions:
                yield imperative(caption.split()[0])


def _nouns(text: str) -> list[str]:
    """The words of a text, without the ending of a plural."""
    return [word.removesuffix("s") for word in tidy(text).lower().split()]
