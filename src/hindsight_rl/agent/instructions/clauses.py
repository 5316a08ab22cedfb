"""The grammar of instructions: which clauses there are, how they are joined, ordered, negated and counted.

A recursive-descent parser over the words of a text:

    instruction = steps
    steps       = steps THEN steps | AFTER steps "," steps | steps AFTER steps | BEFORE ... | joint
    joint       = clause { ("," | AND | BUT | negation) clause }
    clause      = { filler } [ negation ] { verb | thing | count | pronoun | word } [ negation behind ]

The parser gives each clause as the text has it; `meaning` decides what it asks for. Nothing is dropped but words that
the English lists call fillers.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from hindsight_rl.agent.instructions.words import (
    COUNT,
    DETERMINERS,
    FILLER,
    KNOWN,
    MARK,
    THING,
    UNKNOWN,
    VERB,
    Word,
)
from hindsight_rl.errors import HindsightError

_STOPS = frozenset((".", "!", "?"))
_NOT_A_COUNT = -1
_PROBLEMS = {
    "condition": "is a condition, which cannot be followed",
    "limit": "is a limit, which cannot be followed: say what to do, and how often",
    "optional": "leaves it open: say what to do, or leave it out",
    "choice": "is a choice: say which one",
    "vague": "is no number: say how many",
    "large": "is no number that is read: write it in digits",
    "time": "is a time, which cannot be followed: say how often",
    "unread": "is not read: say what is meant",
}
_ITEMS = frozenset(("step", "task", "goal", "objective", "part", "stage", "phase", "number"))
"""Words before the number of an item of a list."""


class InstructionError(HindsightError):
    """An instruction that cannot be followed; the message names the clause."""


class HarmfulError(InstructionError):
    """An instruction that asks for what harms the agent."""


@dataclass
class Clause:
    """A clause as the text has it.

    Attributes:
        link: how it is joined to what comes before: `and`, `or`, `but`, `then`, `after`, `before`, or `start`.
        comma: a comma or a semicolon stands before it.
        negation: `not` (of a verb), `avoid` (of a gerund or a noun), `no` (of a noun), or None.
        words: those with a meaning.
        spoken: these, and the fillers among and behind them; also an article before them.
        count: how often; None where the text does not say.
        start, end: its place in the tidied text.
        problem: why it cannot be followed, apart from its meaning.
        condition: the word that makes a condition of it: "if", "when"; None where the problem is another one.
        words_before: how many of `words` stand before this word.
        on_order: it says that the order does not matter.
        first, last: it says that it comes first or last.
        scaffold: it begins with fillers such as "you must", as a clause of its own does.
    """

    link: str = "start"
    comma: bool = False
    negation: str | None = None
    words: list[Word] = field(default_factory=list)
    spoken: list[Word] = field(default_factory=list)
    count: int | None = None
    start: int = -1
    end: int = -1
    problem: str | None = None
    condition: str | None = None
    words_before: int = 0
    on_order: bool = False
    first: bool = False
    last: bool = False
    scaffold: bool = False

    def holds(self, kind: str) -> bool:
        """Is there a word of this class?"""
        return any(word.values(kind) for word in self.words)


@dataclass
class Clauses:
    """All clauses of a text, in its order.

    Attributes:
        items: the clauses.
        any_order: the text says that the order does not matter.
        first: the text says what comes first.
    """

    items: list[Clause]
    any_order: bool = False
    first: bool = False


class ClauseParser:
    """Splits words into clauses."""

    def __init__(self, words: Sequence[Word]):
        self.words = words
        self.at = 0
        self.made = Clauses([])

    def parse(self) -> Clauses:
        """The clauses of the text. Those that ask for nothing are dropped ("You have two tasks.").

        Raises:
            InstructionError: two negations in one clause, or one that negates nothing; a number of nothing; or a clause
                that is said to be the last and is not.
        """
        link, comma, negation, count, trailing = "start", False, None, None, "start"
        while self.at < len(self.words):
            clause = self._clause(link, comma, negation)
            after, comma = self._links()
            negation = None
            if clause.on_order and all(word.values("pronouns") or word.values(VERB) for word in clause.words):
                clause.words = []  # "you may do them in any order"
            if clause.words:
                trailing = after if self.at >= len(self.words) else "start"
                if count is not None:  # "three times: collect wood"
                    self._give_number(clause, count, clause)
                    count = None
                self.made.items.append(clause)
                link = after
                continue
            if clause.count is not None and not clause.negation and not clause.problem:
                count = self._counts_before(clause, after)
            if clause.problem or (clause.negation and not (after == "and" or (after == "but" and comma))):
                raise InstructionError(clause.problem or f"'{self._text(clause)}' does not say what")
            negation = clause.negation  # "do not, at any price, ..."
            link = _stronger(clause.link, after)
            if not self.made.items and link not in ("after", "before"):
                link = "start"
        if negation:
            raise InstructionError("it ends with a negation, which does not say of what")
        if count is not None:
            raise InstructionError(f"'{count}' does not say of what")
        self._place(trailing)
        return self.made

    def _counts_before(self, clause: Clause, after: str) -> int | None:
        """A number without words behind it counts what stands before it: "collect wood, 3 times". Returns the number if
        nothing stands there, so that it counts what follows."""
        of_all = not {"all", "both", "each"}.isdisjoint(self._text(clause).split())
        if clause.link == "or" or after == "or" or of_all:
            raise InstructionError(f"'{self._text(clause)}' does not say of what")
        if not self.made.items:
            return clause.count
        self._give_number(self.made.items[-1], clause.count, clause)
        return None

    def _give_number(self, clause: Clause, number: int | None, said_by: Clause) -> None:
        if clause.count not in (None, number):
            raise InstructionError(f"'{self._text(said_by)}' is a second number: say it in one")
        clause.count = number

    def _place(self, trailing: str) -> None:
        """Take "first" and "last" at their word, and an order at the end of the text: "drink, and sleep afterwards"."""
        items = self.made.items
        if trailing in ("then", "after", "before") and len(items) > 1 and items[-1].link in ("and", "but"):
            if trailing == "before" or (trailing == "after" and len(items) > 2):
                raise InstructionError(f"'{self._text(items[-1])}' has an order behind it: say things in their order")
            items[-1].link = trailing  # "drink, but collect wood before that"
        for at, clause in enumerate(items):
            if clause.last and at < len(items) - 1:
                raise InstructionError(f"'{self._text(clause)}' is said to come last: say things in their order")
            if clause.first and at and clause.link in ("and", "but"):
                if at < len(items) - 1:
                    raise InstructionError(f"'{self._text(clause)}' is said to come first: say things in their order")
                clause.link = "after"  # "place a table, but collect wood first"

    def _links(self) -> tuple[str, bool]:
        """The words and marks between two clauses."""
        link, comma = "and", False
        while self.at < len(self.words):
            word = self.words[self.at]
            mark = word.value(MARK)
            if self._numbers_item(self.at):
                link = _stronger(link, "then")
            elif mark is not None:
                comma = True
                link = _stronger(link, "then" if mark in _STOPS else "but" if mark == ";" else "and")
            elif (kind := self._joins(word)) is not None:
                link = _stronger(link, kind)
            else:
                break
            self.at += 1
        return link, comma

    def _numbers_item(self, at: int) -> bool:
        """Is this the number of an item of a list, or the word before it: "1. drink 2. sleep", "step 1 drink"?"""
        word, following = self.words[at], self.words[at + 1 : at + 3]
        if word.text in _ITEMS:
            return len(following) == 2 and following[0].value(COUNT) is not None
        if word.value(COUNT) is None:
            return False
        if at and self.words[at - 1].text in _ITEMS:
            return bool(following)
        digits = word.text.isdigit() and len(following) == 2 and not following[1].text.isdigit()
        return digits and following[0].value(MARK) in (".", ")", ":") and following[1].value(MARK) is None

    def _joins(self, word: Word) -> str | None:
        for kind in ("then", "after", "before", "but", "and"):
            if word.values(kind):
                if word.text == "once" and self._ends_here(self.at + 1):
                    return None  # "drink once"
                return kind
        if word.text == "when" and self._begins_here(self.at):
            return "after"
        if word.values("choice") and word.text not in ("either", "optionally"):
            return "or"
        if word.values("either_order"):
            self.made.any_order = True
            return "and"
        return None

    def _begins_here(self, at: int) -> bool:
        return at == 0 or self.words[at - 1].value(MARK) in _STOPS

    def _ends_here(self, at: int) -> bool:
        return at >= len(self.words) or self.words[at].value(MARK) is not None

    def _clause(self, link: str, comma: bool, negation: str | None) -> Clause:
        clause = Clause(link, comma, negation)
        while self.at < len(self.words):
            word = self.words[self.at]
            if word.value(MARK) is not None or self._joins(word) is not None or self._opens_negation(word, clause):
                break
            if self._numbers_item(self.at):
                break
            self._take(word, clause)
            self.at += 1
        return clause

    def _opens_negation(self, word: Word, clause: Clause) -> bool:
        """Does a negation begin a new clause here: "eat a plant without eating a cow"?"""
        if word.values("no") and not clause.negation and not clause.holds(THING) and not clause.holds(KNOWN):
            return False  # "harm no zombie"
        if word.values("not") and clause.words and not clause.holds(VERB) and not clause.holds(KNOWN):
            behind = next(
                (each for each in self.words[self.at + 1 :] if each.values(VERB) or not each.values(FILLER)), None
            )
            if behind is not None and behind.values(VERB):
                return False  # "a cow must not be eaten"
        negative = any(word.values(kind) for kind in ("not", "avoid", "no")) or self._leaves(self.at)
        return negative and bool(clause.words) and not self._is_behind(word)

    def _is_behind(self, word: Word) -> bool:
        return bool(word.values("not_behind"))

    def _leaves(self, at: int) -> bool:
        """ "leave the zombies alone" """
        if not self.words[at].values("leave"):
            return False
        for word in self.words[at + 1 : at + 6]:
            if word.value(MARK) is not None or word.values("and"):
                return False
            if word.values("alone"):
                return True
        return False

    def _take(self, word: Word, clause: Clause) -> None:
        clause.start = word.start if clause.start < 0 else clause.start
        clause.end = word.end
        if word.values("any_order"):
            self.made.any_order = clause.on_order = True
            return
        if word.values("first"):
            self.made.first = clause.first = True
            return
        if word.text == "last":
            clause.last = True
            return
        for kind in ("not", "avoid", "no"):
            if word.values(kind):
                if clause.negation:
                    raise InstructionError(f"'{self._text(clause)}' holds two negations: say it with one or none")
                clause.negation = kind
                return
        if self._is_behind(word):
            clause.negation = "avoid"
            return
        if word.values("alone") and clause.negation == "leave":
            return
        if self._leaves(self.at):
            clause.negation = "leave"
            return
        if word.text == "either" and (clause.negation or clause.words):
            return  # "do not drink either"
        for kind, reason in _PROBLEMS.items():
            if word.values(kind) and not (word.values(KNOWN)):
                if kind == "condition" and not clause.problem:
                    clause.condition, clause.words_before = word.text, len(clause.words)
                clause.problem = clause.problem or f"'{word.text}' {reason}"
                return
        following = self.words[self.at + 1] if self.at + 1 < len(self.words) else None
        if word.text == "all" and following is not None and (following.values(THING) or following.values(UNKNOWN)):
            clause.problem = clause.problem or f"'all' {_PROBLEMS['vague']}"
            return
        number = self._number(word, clause.words[-1] if clause.words else None)
        if number == _NOT_A_COUNT:
            return
        if number is not None:
            if clause.count is not None and clause.count != 1:
                clause.problem = clause.problem or f"'{word.text}' is a second number: say it in one"
            clause.count = number
            return
        if word.classes and all(kind in (FILLER, "tasks", "leave", "alone", "vague") for kind, _ in word.classes):
            clause.scaffold = clause.scaffold or not (clause.words or word.text in DETERMINERS)
            if clause.words or word.text in DETERMINERS:
                clause.spoken.append(word)
            else:
                clause.spoken.clear()
            return
        if word.values(KNOWN):  # "you have placed a table"
            clause.words = [each for each in clause.words if not each.values(FILLER)]
            clause.spoken = list(clause.words)
        clause.words.append(word)
        clause.spoken.append(word)

    def _number(self, word: Word, behind: Word | None) -> int | None:
        """ "3", "three", "twice", "once"; `_NOT_A_COUNT` for "two tasks", None for another word."""
        if (repeats := word.value("repeats")) is not None:
            return {"once": 1, "twice": 2, "thrice": 3}[repeats.split()[0]]
        if word.text == "once" and self._ends_here(self.at + 1):
            return 1
        value = word.value(COUNT)
        if value is None or (word.text == "one" and behind is not None and behind.values(THING)):
            return None  # "a wooden one"
        following = self.words[self.at + 1] if self.at + 1 < len(self.words) else None
        if following is not None and following.values("tasks") and not following.values(THING):
            return _NOT_A_COUNT
        return int(value)

    def _text(self, clause: Clause) -> str:
        words = [word.text for word in self.words if clause.start <= word.start and word.end <= max(clause.end, 0)]
        return " ".join(words) or "the text"


_STRENGTH = ("start", "and", "or", "but", "then", "before", "after")


def _stronger(first: str, second: str) -> str:
    return max(first, second, key=_STRENGTH.index)
