"""Reads an instruction: which events it asks for, in which order, how often, and which it forbids.

Each clause is understood in one of three ways, the surest first: it is a phrasing that the environment knows; the
lexicon knows all of its words, and they make an event; or its embedding is close to the phrasings of one event, which
must be an event of the things and actions that the clause holds. A clause that is understood in none of them makes the
whole instruction an error that names it: an instruction is never understood in part.
"""

import contextlib
import re
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hindsight_rl.agent.instructions.clauses import Clause, ClauseParser, Clauses, InstructionError
from hindsight_rl.agent.instructions.evidence import Evidence
from hindsight_rl.agent.instructions.joins import UNTIL, WHEN, Joins
from hindsight_rl.agent.instructions.meanings import Meanings
from hindsight_rl.agent.instructions.senses import Sense, Senses
from hindsight_rl.agent.instructions.words import (
    DETERMINERS,
    FILLER,
    KNOWN,
    VERB,
    Vocabulary,
    imperative,
    tidy,
)

if TYPE_CHECKING:
    from hindsight_rl.agent.reward.semantic import SemanticReward


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
        self._read = threading.local()  # the text that is read: relabeling and evaluation read in threads of their own
        self.events = {event.name: event for event in reward.events}
        self.meanings = Meanings(self.language.meanings, self.events)
        known = {text: event for text, event in self.language.known.items() if event in self.events}
        self.vocabulary = Vocabulary(self.language.actions, self.language.things, known, self._verbs())
        plain = Vocabulary(self.language.actions, self.language.things, {}, self._verbs())
        self.senses = Senses(self.language, self.meanings, plain)
        self.evidence = Evidence(reward, self.senses)
        self.joins = Joins(self.senses, self.evidence, self.vocabulary)

    def units(self, text: str) -> tuple[list[Unit], Clauses]:
        """What a text asks for and forbids, in the order of the text, and its clauses.

        Raises:
            InstructionError: a clause is not understood. The message names it.
        """
        self._read.text = tidy(text)
        if negative := re.search(r"(?<!\w)-\d+", text):
            raise InstructionError(f"'{negative.group()}' is no number of times: give 1 or more")
        clauses = self._clauses()
        units: list[Unit] = []
        context = Context()
        waiting: list[int] = []  # clauses that are only a step towards one that follows
        for index, clause in enumerate(clauses.items):
            if (
                clause.condition
                and len(clauses.items) == 1
                and (event := self.evidence.conditional(clause, self._read.text))
            ):
                return [Unit(event, self._read.text, False, 1, 0)], clauses
            if clause.condition in UNTIL and (until := self.joins.until(clause)) is not None:
                clause = clauses.items[index] = until
            if clause.problem and not (clause.condition in WHEN and self.joins.in_state(clause)):
                raise InstructionError(f"'{self.said(clause)}': {clause.problem}")
            forbidden = self._forbidden(clause, context)
            found = self._understand(clauses.items, index, context, forbidden)
            if found is None:
                if clause.count is not None:
                    raise InstructionError(f"'{self.said(clause)}': it does not say {clause.count} of what")
                if forbidden and clause.holds("something"):  # "do not harm anyone"
                    raise InstructionError(f"'{self.said(clause)}' is not understood: name what is forbidden")
                context.negation = (clause.negation or context.negation) if forbidden else None
                waiting.append(index)
                continue
            waiting.clear()
            for event, said in found:
                unit = Unit(event, said, forbidden, 1 if clause.count is None else clause.count, index)
                units = self._joined(units, unit, clause, context)
            context.negation = (clause.negation or context.negation) if forbidden else None
        if len(clauses.items) == 1 and len(units) == 1 and not clauses.items[0].holds(KNOWN):
            units = [self._agreed(units[0], clauses.items[0])]
        if waiting:
            raise InstructionError(f"'{self.said(clauses.items[waiting[0]])}' is not understood")
        return units, clauses

    def _clauses(self) -> Clauses:
        clauses = ClauseParser(self.vocabulary.words(self._read.text)).parse()
        self.joins.states(clauses.items)
        self.joins.materials(clauses.items)
        return clauses

    def _agreed(self, unit: Unit, clause: Clause) -> Unit:
        """A sentence of one clause has a second judge, its embedding. Where it is sure of another event, that one is
        meant if it is a special case of the first ("quench your thirst": drink when thirsty), or if the clause names
        only a step that is an event itself ("discover coal": see it, not collect it).

        Raises:
            InstructionError: it is sure of an event that is neither, and the words of the clause fit that one too.
        """
        other = self.reward.meaning(unit.text)
        if other is None or other == unit.event or unit.forbidden or other in self.events[unit.event].implies:
            return unit
        verbs = [word.values(VERB) for word in clause.words if word.values(VERB)]
        step = bool(verbs) and all(verb & self.language.steps for verb in verbs)
        if unit.event in self.events[other].implies or (step and self.evidence.is_step(other)):
            return replace(unit, event=other)
        if any(self.evidence.fits(other, sense) for sense in self.senses.of(clause)) or not self.meanings.frames:
            raise InstructionError(f"'{unit.text}' may mean {unit.event} or {other}: say which one")
        return unit

    def certain(self, text: str) -> set[tuple[str, bool]]:
        """The clauses that are understood even if others are not: pairs of an event, and whether it is forbidden."""
        found: set[tuple[str, bool]] = set()
        with contextlib.suppress(InstructionError):
            self._read.text = tidy(text)
            clauses, context = self._clauses().items, Context()
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
        self._read.text = tidy(text)
        clauses = ClauseParser(self.vocabulary.words(self._read.text)).parse()
        return [self.command(clause) for clause in clauses.items]

    def said(self, clause: Clause) -> str:
        """The clause as the text has it, without words at its beginning that mean nothing."""
        spoken = list(clause.spoken)
        certain = [word for word in spoken if word.values(VERB) and not word.values(FILLER)]
        while certain and spoken[0] is not certain[0] and spoken[0].values(FILLER):
            del spoken[0]  # "have gathered"
        while len(spoken) > 1 and spoken[-1].text in DETERMINERS:
            del spoken[-1]
        return " ".join(self._read.text[word.start : word.end] for word in spoken)

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
            self._remember(context, clause, self.senses.of_known(clause), event)
            return [(event, self.command(clause))]
        senses = [each for sense in self.senses.of(clause) for each in self._completed(sense, context)]
        whole = [sense for sense in senses if not sense.rest]
        listed = clause.link == "and" and index > 0 and clauses[index - 1].holds("with")
        for sense in whole:
            if found := self._with_needed_tool(sense, clause, context, forbidden):
                return found
        for sense in whole:
            if listed and not sense.actions:
                continue  # "make a pickaxe with iron and wood": it belongs to the list behind "with"
            if not sense.actions and sense.things and context.actions and clause.link in ("and", "or"):
                if found := self._things_alone(sense, clause, context, forbidden):
                    return found  # "place a table and a stone"
                # "Do not approach a cow or a zombie", where no event is to approach a zombie.
                shares = not clause.negation and index > 0 and clauses[index - 1].holds(VERB)
                if forbidden and shares and self.senses.events(sense, forbidden) != {context.event}:
                    raise InstructionError(f"'{self.said(clause)}' is not understood: say what not to do")
            if events := self.senses.events(sense, forbidden):
                return self._settled(events, sense, clause, context)
        for sense in whole:
            found = None
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
        if following is not None and following.link == "and" and all(word.values(FILLER) for word in clause.words):
            return None  # "go and lie down"
        if whole and self.senses.only_steps(whole[0]) and following is not None and following.link == "and":
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

    def _verb_alone(
        self, sense: Sense, clause: Clause, following: Clause | None, context: Context, forbidden: bool
    ) -> list[tuple[str, str]] | None:
        """ "fight and defeat a zombie", "collect and place a stone", "kill a cow and eat it". An empty list: it is only
        a step towards the next clause; None: not understood."""
        if following is not None and following.link in ("and", "or") and not following.negation:
            for other in self.senses.of(following):
                if other.rest or not other.things:
                    continue
                events = self.senses.events(Sense(sense.actions, other.things, frozenset(), ()), forbidden)
                theirs = self.senses.events(other, forbidden)
                if events and events == theirs:
                    return []
                if self.senses.only_steps(sense) and theirs:
                    return []
                if len(events) == 1:
                    (event,) = events
                    self._remember(context, clause, Sense(sense.actions, other.things, frozenset(), ()), event)
                    return [(event, self.reward.plain(event))]
        if context.things:
            events = self.senses.events(Sense(sense.actions, context.things, frozenset(), ()), forbidden)
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
            if context.actions and (events := self.senses.events(whole, forbidden)):
                return self._settled(events, whole, clause, context)
        return None

    def _with_needed_tool(
        self, sense: Sense, clause: Clause, context: Context, forbidden: bool
    ) -> list[tuple[str, str]] | None:
        """ "mine coal with the pickaxe", "use your iron pickaxe to get a diamond": a tool that is spoken of as there
        ("the", "your") and that the event cannot do without asks for nothing more."""
        if not sense.tool or not sense.actions or not self._is_there(clause):
            return None
        main = Sense(sense.actions, sense.things - sense.tool, frozenset(), ())
        events = {
            event
            for event in self.senses.events(main, forbidden)
            if sense.tool - self.language.materials <= self.language.tools.get(event, frozenset())
        }
        if len(events) != 1:
            return None
        (event,) = events
        self._remember(context, clause, main, event)
        return [(event, self.reward.plain(event))]

    def _is_there(self, clause: Clause) -> bool:
        """Does "the" or "your" stand behind "with" or "use"?"""
        places = [place for place, word in enumerate(clause.spoken) if word.values("with") or self.senses.wields(word)]
        behind = [clause.spoken[place + 1].text for place in places if place + 1 < len(clause.spoken)]
        return bool(behind) and behind[0] in ("the", "your")

    def _with_tool(
        self, sense: Sense, clause: Clause, context: Context, forbidden: bool
    ) -> list[tuple[str, str]] | None:
        """ "slay a skeleton with a wooden sword": the sword must be made first."""
        if forbidden:
            return None
        tools = self.meanings.of(frozenset(), sense.tool)
        main = Sense(sense.actions, sense.things - sense.tool, frozenset(), ())
        events = self.senses.events(main)
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
        for other in self.senses.of(following):
            if other.actions or other.rest:
                continue
            whole = Sense(sense.actions, sense.things | (other.things - self.language.materials), frozenset(), ())
            events = self.senses.events(whole, forbidden)
            if len(events) == 1:
                (event,) = events
                self._remember(context, clause, whole, event)
                return [(event, self.reward.plain(event))]
        return None

    def _by_embedding(
        self, clause: Clause, senses: Sequence[Sense], context: Context, forbidden: bool, alone: bool
    ) -> list[tuple[str, str]]:
        """What the embedding says, if it fits the words that the lexicon knows."""
        text = self.command(clause, context.verb if not senses[0].actions else "")
        if any(word.values("something") for word in clause.words) and self.meanings.frames:
            raise InstructionError(f"'{self.said(clause)}' does not say of what: say it")
        if self.meanings.frames and (odd := self.evidence.before_the_verb(clause)):
            raise InstructionError(f"'{self.said(clause)}' is not understood: '{odd}' is unknown here")
        event = self.evidence.find(clause, text, senses, forbidden, alone)
        if event is None:
            raise InstructionError(f"'{self.said(clause)}' is not understood: {self.reward.why_nothing(text)}")
        self._remember(context, clause, senses[0], event)
        return [(event, text)]

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
        pointing = any(word.values("pronouns") for word in clause.words)
        again = pointing and last is not None and last.event == unit.event and clause.link in ("then", "after")
        if last is not None and (clause.link == "and" or again) and last.forbidden == unit.forbidden:
            same = last.event == unit.event and last.count == unit.count
            step = pointing and self.evidence.is_step(last.event) and last.clause == unit.clause - 1
            if same or step:
                return [*units[:-1], unit] if step else units
        return [*units, unit]

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

    def _verbs(self) -> Iterator[str]:
        """Verbs with which the environment's phrasings and captions begin."""
        for text in self.language.known:
            yield text.split()[0]
        for event in self.events.values():
            for caption in event.captions:
                yield imperative(caption.split()[0])
