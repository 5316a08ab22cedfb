"""Words and their classes: English in general (`english.toml`), and the lexicon of an environment's language.

A text becomes a list of :class:`Word`, each with all classes that it may have ("plant" is an action and a thing).
Entries of several words ("put down") are one `Word`; the longest entry wins.
"""

import re
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

VERB, THING, FILLER = "verb", "thing", "filler"
"""Classes of a word beside those of `english.toml`, which are named by their list (`not`, `then`, ...)."""
COUNT, KNOWN, MARK, UNKNOWN = "count", "known", "mark", "unknown"
"""A number; a whole phrasing that the environment knows; punctuation; a word of no list."""

_TOKEN = re.compile(r"->|→|[0-9]+|[^\W\d_]+(?:'[^\W\d_]+)*|\S")
_PLAIN = str.maketrans(
    {
        ord(a): b
        for a, b in (("’", "'"), ("‘", "'"), ("“", " "), ("”", " "), ('"', " "), ("–", ","), ("—", ","), ("…", "."))
    }
)
_MARKS = frozenset((",", ".", ";", ":", "!", "?", "(", ")"))
_SIGNS = {"->": "then", "→": "then", "&": "and", "+": "and"}
_VOWELS = "aeiou"
DETERMINERS = frozenset(("a", "an", "the", "some", "your"))

Classes = frozenset[tuple[str, str]]
"""What a word may be: pairs of a class and a value (the family of an action, the name of a thing)."""


@dataclass(frozen=True)
class Word:
    """A word, or an entry of several words.

    Attributes:
        text: in lower case.
        start, end: its place in the tidied text.
        classes: what it may be.
    """

    text: str
    start: int
    end: int
    classes: Classes

    def value(self, kind: str) -> str | None:
        """The value of a class, None if the word is not of this class."""
        return next((value for name, value in sorted(self.classes) if name == kind), None)

    def values(self, kind: str) -> frozenset[str]:
        """All values of a class."""
        return frozenset(value for name, value in self.classes if name == kind)


def tidy(text: str) -> str:
    """One line, with plain quotes and dashes, without marks at its end."""
    plain = text.translate(_PLAIN)
    plain = re.sub(r"-(?!>)", " ", plain)
    plain = re.sub(r"(?<!\w)'|'(?!\w)", " ", plain)
    plain = re.sub(r"\bw/o\b", "without", re.sub(r"\bw/(?=\s)", "with", plain))
    return " ".join(plain.split()).rstrip(" .!?;,")


def entries(text: str) -> list[str]:
    """The entries of a list: "chop, cut down" -> ["chop", "cut down"]."""
    return [" ".join(entry.split()) for entry in text.split(",") if entry.strip()]


@cache
def english() -> dict[str, tuple[str, ...]]:
    """The lists of `english.toml`, by name."""
    values = tomllib.loads(files("hindsight_rl.agent.instructions").joinpath("english.toml").read_text("utf-8"))
    return {name: tuple(entries(text)) for name, text in values.items() if name != "irregular"}


@cache
def _irregular() -> dict[str, tuple[str, ...]]:
    values = tomllib.loads(files("hindsight_rl.agent.instructions").joinpath("english.toml").read_text("utf-8"))
    pairs = (entry.split(":") for entry in values["irregular"].split(";"))
    forms: dict[str, list[str]] = defaultdict(list)
    for base, others in pairs:
        forms[base.strip()] += others.split()
    return {base: tuple(others) for base, others in forms.items()}


@cache
def verb_forms(base: str) -> tuple[str, ...]:
    """The imperative first, then the other forms: "make" -> make, makes, made, making."""
    forms = [base, *_irregular().get(base, ())]
    if base.endswith("y") and base[-2:-1] not in _VOWELS:
        forms += [base[:-1] + "ies", base[:-1] + "ied", base + "ing"]
    elif base.endswith("ie"):
        forms += [base + "s", base + "d", base[:-2] + "ying"]
    elif base.endswith("e"):
        forms += [base + "s", base + "d", (base if base.endswith("ee") else base[:-1]) + "ing"]
    else:
        hiss = base.endswith(("s", "x", "ch", "sh", "z"))
        forms += [base + ("es" if hiss else "s"), base + "ed", base + "ing"]
    return tuple(dict.fromkeys(forms))


@cache
def imperative(form: str) -> str:
    """The imperative of a form of a verb: "opened" -> "open"; regular verbs need not be listed."""
    for verb in english()["verbs"]:
        if form in verb_forms(verb):
            return verb
    return form.removesuffix("ed")


@cache
def noun_forms(entry: str) -> tuple[str, ...]:
    """Singular and plural: "young tree" -> young tree, young trees."""
    if entry.endswith(("s", "x", "ch", "sh")):
        return entry, entry + "es"
    if entry.endswith("f"):
        return entry, entry + "s", entry[:-1] + "ves"
    if entry.endswith("y") and entry[-2:-1] not in _VOWELS:
        return entry, entry[:-1] + "ies"
    return entry, entry + "s"


class Vocabulary:
    """All entries with their classes: those of English, and an environment's actions and things.

    Args:
        actions: the verbs of each family of actions; a verb may be in several.
        things: the nouns of each thing.
        phrasings: known phrasings, each with the name of its event.
        verbs: further verbs, each a family of its own.
    """

    def __init__(
        self,
        actions: Mapping[str, Iterable[str]],
        things: Mapping[str, Iterable[str]],
        phrasings: Mapping[str, str],
        verbs: Iterable[str] = (),
    ):
        table: dict[tuple[str, ...], set[tuple[str, str]]] = defaultdict(set)
        self._base: dict[str, str] = {}
        listed = {entry for family in actions.values() for entry in family}
        plain = {verb: (verb,) for verb in (*english()["verbs"], *verbs) if verb not in listed}
        for family, verbs_of in (*actions.items(), *plain.items()):
            for entry in verbs_of:
                first, *rest = entry.split()
                for form in verb_forms(first):
                    table[form, *rest].add((VERB, family))
                    self._base.setdefault(form, first)
        for base in [entry.split()[0] for entry in listed] + list(plain):
            self._base[base] = base
        for thing, nouns in things.items():
            for entry in nouns:
                for form in noun_forms(entry):
                    table[tuple(_split(form))].add((THING, thing))
        for name, words in english().items():
            if name not in ("verbs", "numbers"):
                for entry in words:
                    kind = FILLER if name in ("fillers", "particles", "no_negation") else name
                    table[tuple(_split(entry))].add((kind, entry))
        for sign, name in _SIGNS.items():
            table[(sign,)].add((name, sign))
        for number, word in enumerate(english()["numbers"]):
            table[(word,)].add((COUNT, str(number)))
        for entry in english()["pairs"]:
            table[tuple(entry.split())].add((COUNT, "2"))
        self._table = {key: frozenset(classes) for key, classes in table.items()}
        self._longest = max(map(len, self._table))
        self._known = {self._normal(_split(text)): event for text, event in phrasings.items()}
        self._longest_known = max(map(len, self._known), default=0)

    def imperative(self, word: str) -> str:
        """The imperative of a form of a verb, the word itself where it is none."""
        return self._base.get(word, word)

    def known(self, words: Iterable[str]) -> str | None:
        """The event of a known phrasing; articles and the form of its verb do not matter."""
        return self._known.get(self._normal(list(words)))

    def words(self, text: str) -> list[Word]:
        """The words of a tidied text."""
        tokens = [(found.group(0).lower(), found.start(), found.end()) for found in _TOKEN.finditer(text)]
        made: list[Word] = []
        at = 0
        while at < len(tokens):
            word = self._phrase(tokens, at, made) or self._entry(tokens, at)
            if made and made[-1].text.split()[-1] in DETERMINERS and word.values(THING):  # "a plant", "the drink"
                kept = frozenset(each for each in word.classes if each[0] != VERB)
                word = Word(word.text, word.start, word.end, kept)
            made.append(word)
            at += sum(1 for _, start, end in tokens[at:] if end <= word.end and start >= word.start)
        return made

    def _phrase(self, tokens: list[tuple[str, int, int]], at: int, before: list[Word]) -> Word | None:
        """A known phrasing that is a whole clause: from the beginning of one to the end of one."""
        if before and not _opens(before):
            return None
        for to in range(min(len(tokens), at + 2 * self._longest_known), at + 1, -1):
            if (to == len(tokens) or self._closes(tokens, to)) and (
                event := self.known(t for t, _, _ in tokens[at:to])
            ):
                start, end = tokens[at][1], tokens[to - 1][2]
                return Word(" ".join(t for t, _, _ in tokens[at:to]), start, end, frozenset([(KNOWN, event)]))
        return None

    def _closes(self, tokens: list[tuple[str, int, int]], at: int) -> bool:
        word = self._entry(tokens, at)
        joins = ("and", "but", "then", "after", "before", "choice", "avoid", "not", "no", "any_order", "first", COUNT)
        return word.value(MARK) is not None or any(word.value(kind) is not None for kind in joins)

    def _entry(self, tokens: list[tuple[str, int, int]], at: int) -> Word:
        for length in range(min(self._longest, len(tokens) - at), 0, -1):
            part = tokens[at : at + length]
            if classes := self._table.get(tuple(token for token, _, _ in part)):
                return Word(" ".join(token for token, _, _ in part), part[0][1], part[-1][2], classes)
        token, start, end = tokens[at]
        if token in _MARKS:
            return Word(token, start, end, frozenset([(MARK, token)]))
        if token.isascii() and token.isdigit():
            return Word(token, start, end, frozenset([(COUNT, token)]))
        if token.endswith("'s") and (classes := self._table.get((token[:-2],))):
            return Word(token, start, end, classes)
        return Word(token, start, end, frozenset([(UNKNOWN, token)]))

    def _normal(self, tokens: list[str]) -> tuple[str, ...]:
        kept = [token for token in tokens if token not in DETERMINERS]
        return tuple([self._base.get(kept[0], kept[0]), *kept[1:]]) if kept else ()


def _split(entry: str) -> list[str]:
    return [found.group(0).lower() for found in _TOKEN.finditer(tidy(entry))]


def _opens(before: list[Word]) -> bool:
    """Does a clause begin behind these words? Yes, if there is nothing but words without meaning since the last one."""
    for word in reversed(before):
        kinds = {kind for kind, _ in word.classes}
        if kinds & {
            MARK,
            "and",
            "but",
            "then",
            "after",
            "before",
            "choice",
            "avoid",
            "not",
            "no",
            "first",
            "any_order",
        }:
            return True
        if KNOWN in kinds or not kinds & {FILLER, "pronouns"}:
            return False
    return True
