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
    {"’": "'", "‘": "'", "`": "'", "´": "'", "“": " ", "”": " ", '"': " ", "–": ",", "—": ",", "…": "."}
)
_MARKS = frozenset((",", ".", ";", ":", "!", "?", "(", ")"))
_SIGNS = {"->": "then", "→": "then", "&": "and", "+": "and"}
_VOWELS = "aeiou"
DETERMINERS = frozenset(("a", "an", "the", "some", "your"))
MAX_OBJECT = 5
"""Most words between the two parts of a verb: "take [the big green zombie] down"."""

Classes = frozenset[tuple[str, str]]
"""What a word may be: pairs of a class and a value (the family of an action, the name of a thing)."""
Token = tuple[str, int, int]
"""A single word in lower case, and its place in the tidied text."""


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
    plain = re.sub(r"(?<=\d)\+", " ", plain)  # "3+" is at least 3
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


_WAYS = frozenset(english()["ways"])
_JOINING = ("and", "but", "then", "after", "before", "choice", "avoid", "not", "no", "any_order", "first")
_CLOSING = (MARK, COUNT, "repeats", *_JOINING)


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
            if name not in ("verbs", "numbers", "ways"):
                for entry in words:
                    kind = FILLER if name in ("fillers", "particles", "degrees", "adjectives", "no_negation") else name
                    table[tuple(_split(entry))].add((kind, entry))
        for sign, name in _SIGNS.items():
            table[(sign,)].add((name, sign))
        for number, word in enumerate(english()["numbers"]):
            table[(word,)].add((COUNT, str(number)))
        for entry in english()["pairs"]:
            table[tuple(entry.split())].add((COUNT, "2"))
        self._table = {key: frozenset(classes) for key, classes in table.items()}
        self._longest = max(map(len, self._table))
        self._heads = frozenset(head for head, *tail in self._table if tail)
        self._parted: dict[str, list[tuple[str, ...]]] = defaultdict(list)
        for head, *tail in sorted(self._table, key=len, reverse=True):
            if tail and any(kind == VERB for kind, _ in self._table[head, *tail]):
                self._parted[head].append(tuple(tail))
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
        tails: dict[int, int] = {}  # where the second part of a verb stands: "take a zombie [down]"
        at = 0
        while at < len(tokens):
            if at in tails:
                word = _word(tokens[at : tails[at]], frozenset([(FILLER, "")]))
            else:
                word = self._phrase(tokens, at, made) or self._entry(tokens, at)
                if word.text.startswith("you ") and word.values(FILLER) and _opens(made):
                    word = self._entry(tokens[: at + 1], at)  # "after you see iron", not "the iron you see"
                if len(word.text.split()) == 1 and (parted := self._parts(tokens, at)):
                    classes, start, end = parted
                    word, tails[start] = Word(word.text, word.start, word.end, classes), end
            if word.values(VERB) and _behind_determiner(made):
                if word.values(THING):  # "a plant", "the drink"
                    kept = frozenset(each for each in word.classes if each[0] != VERB)
                    word = Word(word.text, word.start, word.end, kept)
                elif self._before_thing(tokens, word):  # "the best sword", "a carved pickaxe"
                    word = Word(word.text, word.start, word.end, frozenset([(FILLER, "")]))
            made.append(word)
            at += sum(1 for _, start, end in tokens[at:] if end <= word.end and start >= word.start)
        return made

    def _parts(self, tokens: list[Token], at: int) -> tuple[Classes, int, int] | None:
        """A verb in two parts around its object, "pick a sapling up", "put the zombie to death": its classes, and where
        its second part begins and ends, which is the end of the clause."""
        spoken = [token for token, _, _ in tokens]
        reflexive = spoken[at + 1 : at + 2] == ["yourself"]
        for tail in self._parted.get(spoken[at], ()):
            if self._base.get(tail[0], tail[0]) != tail[0] and not reflexive:
                continue  # "get yourself hurt", not "get the zombie hurt"
            for start in range(at + 2, min(len(tokens) - len(tail), at + 1 + MAX_OBJECT) + 1):
                end = start + len(tail)
                if spoken[start] != tail[0] or tuple(spoken[start:end]) != tail:
                    continue
                apart = any(self._closes(tokens, place) for place in range(at + 1, start))
                if not apart and (end == len(tokens) or self._closes(tokens, end)):
                    return self._table[spoken[at], *tail], start, end
        return None

    def _before_thing(self, tokens: list[Token], word: Word) -> bool:
        """Does a thing stand right behind a word?"""
        behind = next((place for place, (_, start, _) in enumerate(tokens) if start >= word.end), None)
        return behind is not None and bool(self._entry(tokens, behind).values(THING))

    def _phrase(self, tokens: list[Token], at: int, before: list[Word]) -> Word | None:
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

    def _closes(self, tokens: list[Token], at: int) -> bool:
        word = self._entry(tokens, at)
        return any(word.value(kind) is not None for kind in _CLOSING)

    def _entry(self, tokens: list[Token], at: int) -> Word:
        spoken = tuple(token for token, _, _ in tokens[at : at + self._longest + 1])
        for length in range(len(spoken) if spoken[0] in self._heads else 1, 0, -1):
            classes = self._table.get(spoken[:length])
            if classes is None and length > 2 and not _WAYS.isdisjoint(spoken[1 : length - 1]):
                classes = self._table.get(_plain_way(spoken[:length]), frozenset())
                classes = classes if any(kind == VERB for kind, _ in classes) else None
            if classes and not (length > 1 and self._goes_on(tokens, at + length - 1, classes)):
                return _word(tokens[at : at + length], classes)
        token, start, end = tokens[at]
        if token in _MARKS:
            return Word(token, start, end, frozenset([(MARK, token)]))
        if token.isascii() and token.isdigit():
            return Word(token, start, end, frozenset([(COUNT, token)]))
        if token.endswith("'s") and (classes := self._table.get((token[:-2],))):
            return Word(token, start, end, classes)
        return Word(token, start, end, frozenset([(UNKNOWN, token)]))

    def _goes_on(self, tokens: list[Token], at: int, classes: Classes) -> bool:
        """Is the last word of an entry without meaning the first one of an action: "once you finish", "finish off"?"""
        if any(kind in (VERB, THING) for kind, _ in classes):
            return False
        spoken = tuple(token for token, _, _ in tokens[at : at + self._longest])
        longer = (self._table.get(spoken[:length]) for length in range(2, len(spoken) + 1))
        return spoken[0] in self._heads and any(kind == VERB for found in longer if found for kind, _ in found)

    def _normal(self, tokens: list[str]) -> tuple[str, ...]:
        kept = [token for token in tokens if token not in DETERMINERS]
        return tuple([self._base.get(kept[0], kept[0]), *kept[1:]]) if kept else ()


def _word(tokens: list[Token], classes: Classes) -> Word:
    return Word(" ".join(token for token, _, _ in tokens), tokens[0][1], tokens[-1][2], classes)


def _plain_way(tokens: tuple[str, ...]) -> tuple[str, ...]:
    """A verb without the adverbs within it: "walk straight over to" -> walk to."""
    first, *within, last = tokens
    return first, *(token for token in within if token not in _WAYS), last


def _behind_determiner(words: list[Word]) -> bool:
    """Does a determiner stand before, with nothing but adjectives and their adverbs in between: "a fully grown"?"""
    for word in reversed(words):
        if word.text.split()[-1] in DETERMINERS:
            return True
        if word.text not in english()["degrees"] and word.text not in english()["adjectives"]:
            return False
    return False


def _split(entry: str) -> list[str]:
    return [found.group(0).lower() for found in _TOKEN.finditer(tidy(entry))]


def _opens(before: list[Word]) -> bool:
    """Does a clause begin behind these words? Yes, if there is nothing but words without meaning since the last one."""
    for word in reversed(before):
        kinds = {kind for kind, _ in word.classes}
        if kinds & {MARK, *_JOINING}:
            return True
        if KNOWN in kinds or not kinds & {FILLER, "pronouns"}:
            return False
    return True
