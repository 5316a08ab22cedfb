"""Sentences: the Punkt decision procedure (Kiss & Strunk 2006), with NLTK's parameters or our own.

With the NLTK data set ``punkt_tab`` for English on the usual search path (``$NLTK_DATA``, ``~/nltk_data``,
``/usr/share/nltk_data``, ...) the result equals ``nltk.sent_tokenize`` (NLTK 3.10.2 to 3.10.4), which the published
scores rest on; neither NLTK nor a download is needed. Without the data the same procedure runs on the small
built-in lists below (the *native* splitter). :func:`splitter` returns which one is in use,
:func:`use_splitter` chooses.

Only places where a sentence can end are looked at, once each: the time is linear in the text.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

from hindsight_rl import __version__
from hindsight_rl.errors import HindsightError

# Characters that end a token of Punkt's own word splitter. Full stops do not: they may belong to a word.
_CLOSER = "[)\";}\\]*:@'({\\[\u2018\u2019\u201c\u201d\xab\xbb?!]"
_DASHES_OR_DOTS = r"(?:-{2,}|\.{2,}|(?:\.\s){2,}\.)"
_END = re.compile(rf"[.?!](?={_CLOSER}|\s+(?P<next>\S))")
_TOKEN = re.compile(
    rf"{_DASHES_OR_DOTS}"
    rf"|[^\s(\"`{{\[:;&#*@)}}\]\-,]\S*?(?=\s|$|{_CLOSER}|{_DASHES_OR_DOTS}|,(?:$|\s|{_CLOSER}|{_DASHES_OR_DOTS}))"
    r"|\S"
)
_NEXT = re.compile(r"\S+")
_CHUNK_START = re.compile(r"[^ \t\n\r\x0b\x0c]*\Z")
_NUMBER = re.compile(r"-?[.,]?\d[\d,.-]*\.?\Z")
_INITIAL = re.compile(r"[^\W\d]\.\Z")
_SYMBOLS = re.compile(r"[^\w\s\x00-\x7f]+\Z")
_QUOTES_AFTER_END = re.compile("[\"')\\]}\u2018\u2019\u201c\u201d\xab\xbb]+?(?:\\s+|(?=--)|$)", re.MULTILINE)

# How a word has been seen: the bits of the ortho_context file.
_BEGIN_UPPER, _MIDDLE_UPPER, _UNKNOWN_UPPER = 2, 4, 8
_BEGIN_LOWER, _MIDDLE_LOWER, _UNKNOWN_LOWER = 16, 32, 64
_UPPER = _BEGIN_UPPER | _MIDDLE_UPPER | _UNKNOWN_UPPER
_LOWER = _BEGIN_LOWER | _MIDDLE_LOWER | _UNKNOWN_LOWER

_SPACES = " \t\n\r\x0b\x0c"
_CACHED = 200  # contexts longer than this are rare and not worth remembering


@dataclass(eq=False)
class Punkt:
    """Parameters of the procedure: what is known about words, all in lower case without a final full stop.

    folder: where they were read, if they were.
    """

    name: str
    abbreviations: frozenset[str]
    starters: frozenset[str] = frozenset()
    collocations: frozenset[tuple[str, str]] = frozenset()
    seen: dict[str, int] = field(default_factory=dict)
    folder: Path | None = None

    def __post_init__(self) -> None:
        self._before = frozenset(first for first, _ in self.collocations)
        self._breaks = lru_cache(maxsize=50_000)(self._decide)

    def spans(self, raw: str) -> Iterator[tuple[int, int]]:
        """(start, end) of each sentence, in order, white space between them left out."""
        start = skip = 0
        for end, following in self._slices(raw):
            if following is None:
                if start + skip < end:
                    yield start + skip, end
                return
            quotes = _QUOTES_AFTER_END.match(raw[following : following + 4096])
            if quotes:  # closing quotes and brackets belong to the sentence before
                yield start + skip, following + len(quotes.group().rstrip())
                start, skip = following, quotes.end()
            else:
                if start + skip < end:
                    yield start + skip, end
                start, skip = following, 0

    def _slices(self, raw: str) -> Iterator[tuple[int, int | None]]:
        """(end of a sentence, start of the next one), the last with ``None``."""
        # Within one run of non-spaces only the last possible end counts, and one that the run begins with.
        last: re.Match[str] | None = None
        chunk = 0
        for match in _END.finditer(raw):
            begin = match.start()
            if last is not None:
                between = _last_space(raw, last.start() + 1, begin)
                if between < 0 and chunk < last.start():
                    last = match
                    continue
                if self._ends(raw, chunk, last):
                    yield last.end(), _resume(last)
                if between >= 0:
                    chunk = between + 1
            else:
                chunk = _last_space(raw, 0, begin) + 1
                chunk = 0 if chunk == 1 else chunk  # a single leading space counts as part of the run
            last = match
        if last is not None and self._ends(raw, chunk, last):
            yield last.end(), _resume(last)
        yield len(raw.rstrip()), None

    def _ends(self, raw: str, chunk: int, match: re.Match[str]) -> bool:
        """Whether the match, in the run of non-spaces that starts at `chunk`, ends a sentence."""
        dot = match.start()
        if raw[dot] != ".":
            return True
        word = raw[chunk:dot]
        if word.isalpha() and len(word) > 1:
            lower = word.lower()
            if lower not in self.abbreviations and lower not in self._before:
                return True
        elif _SYMBOLS.match(word):  # emoji and the like: one token, in none of the lists
            return True
        at = match.start("next")
        if at < 0:
            context = raw[chunk : dot + 2]
        else:
            after = _NEXT.match(raw, at)
            context = raw[chunk : dot + 1] + " " + (after.group() if after else "")
        return self._breaks(context) if len(context) <= _CACHED else self._decide(context)

    def _decide(self, context: str) -> bool:
        """Whether some token of the context, other than its last, ends a sentence."""
        tokens = _TOKEN.findall(context)
        return any(self._token_ends(token, after) for token, after in pairwise(tokens))

    def _token_ends(self, token: str, after: str) -> bool:
        if token in ("?", "!"):
            return True
        if not token.endswith("."):
            return False
        ellipsis = token.endswith("..") and not token.strip(".")
        bare = token[:-1].lower()
        abbreviation = (
            token != "."
            and not token.endswith("..")
            and (bare in self.abbreviations or bare.split("-")[-1] in self.abbreviations)
        )
        ends = token == "." or (not ellipsis and not token.endswith("..") and not abbreviation)
        kind = "##number##" if _NUMBER.match(token.lower()) else (bare if len(token) > 1 else token)
        following = self._kind(after)
        if (kind, following) in self.collocations:
            return False
        initial = _INITIAL.match(token) is not None
        if (abbreviation or ellipsis) and not initial:
            if self._starts(after, following) is True:
                return True
            if after[0].isupper() and following in self.starters:
                return True
        if initial or kind == "##number##":
            starts = self._starts(after, following)
            if starts is False:
                return False
            if starts is None and initial and after[0].isupper() and not self.seen.get(following, 0) & _LOWER:
                return False
        return ends

    def _kind(self, token: str) -> str:
        """A token as it is known in the lists: numbers alike, without the stop of a sentence."""
        lower = token.lower()
        if _NUMBER.match(lower):
            return "##number##"
        if len(lower) > 1 and lower.endswith(".") and not lower.endswith(".."):
            bare = lower[:-1]
            if bare not in self.abbreviations and bare.split("-")[-1] not in self.abbreviations:
                return bare
        return lower

    def _starts(self, token: str, kind: str) -> bool | None:
        """Whether the way a word is written says that it starts a sentence; ``None``: it does not say."""
        if token in (";", ":", ",", ".", "!", "?"):
            return False
        seen = self.seen.get(kind, 0)
        if token[0].isupper() and seen & _LOWER and not seen & _MIDDLE_UPPER:
            return True
        if token[0].islower() and (seen & _UPPER or not seen & _BEGIN_LOWER):
            return False
        return None


def _resume(match: re.Match[str]) -> int:
    following = match.start("next")
    return following if following >= 0 else match.end()


def _last_space(raw: str, start: int, end: int) -> int:
    """Index of the last ASCII white space in raw[start:end], or -1."""
    for at in range(end - 1, start - 1, -1):
        if raw[at] in _SPACES:
            return at
    return -1


# Chosen to agree with the Punkt data on running text: it has no "etc", "e.g", "i.e", "no" and the like.
_ABBREVIATIONS = """
mr mrs ms dr prof rev hon sr jr st ft gen col lt sgt capt gov sen rep messrs
inc ltd co corp bros v vs a.m p.m u.s u.k u.n u.s.a d.c ph.d m.d b.a m.a j.k
jan feb mar apr aug sept oct nov dec ave
"""
_STARTERS = """
the a an this that these those he she it we they you i in on at for from to by with as of if when while since
because although though after before during until once there here what who how why where which however
moreover furthermore finally first second third next then so but and or also another some many most all both
each every one two no not yet still now today let please my your his her its our their
"""


def native() -> Punkt:
    """The splitter that needs no data."""
    return Punkt(
        "native",
        frozenset(_ABBREVIATIONS.split()),
        frozenset(_STARTERS.split()),
        seen=dict.fromkeys(_STARTERS.split(), _BEGIN_UPPER | _MIDDLE_LOWER),
    )


PUNKT_FILES = ("abbrev_types.txt", "collocations.tab", "ortho_context.tab", "sent_starters.txt")


def punkt(folder: Path) -> Punkt:
    """The splitter on NLTK's ``punkt_tab/english`` folder."""

    def lines(name: str) -> list[str]:
        text = (folder / name).read_text(encoding="utf-8")
        return [line for line in text.split("\n") if line]

    pairs = [line.split("\t") for line in lines("collocations.tab")]
    # Twenty thousand lines of "word\tbits": one split of the whole takes a third of the time of one a line.
    seen = "\t".join(lines("ortho_context.tab")).split("\t")
    return Punkt(
        "punkt",
        frozenset(lines("abbrev_types.txt")),
        frozenset(lines("sent_starters.txt")),
        frozenset((first, second) for first, second in pairs),
        dict(zip(seen[::2], map(int, seen[1::2]), strict=True)),
        folder,
    )


def nltk_data(relative: str) -> Path | None:
    """A file or folder of the NLTK data, found where NLTK itself looks, or ``None``."""
    named = [folder for folder in os.environ.get("NLTK_DATA", "").split(os.pathsep) if folder]
    usual = [
        os.path.expanduser("~/nltk_data"),
        f"{sys.prefix}/nltk_data",
        f"{sys.prefix}/share/nltk_data",
        f"{sys.prefix}/lib/nltk_data",
        "/usr/share/nltk_data",
        "/usr/local/share/nltk_data",
        "/usr/lib/nltk_data",
        "/usr/local/lib/nltk_data",
    ]
    for folder in named + usual:
        if os.path.exists(f"{folder}/{relative}"):
            return Path(folder) / relative
    return None


_current: Punkt | None = None


def use_splitter(name: str = "auto") -> Punkt:
    """Choose the splitter for this process: "punkt", "native", or "auto" (punkt where its data is found).

    Raises :class:`HindsightError` for "punkt" without data.
    """
    global _current
    if name not in ("auto", "punkt", "native"):
        raise HindsightError(f"unknown splitter {name!r}; one of: auto, punkt, native")
    folder = None if name == "native" else nltk_data("tokenizers/punkt_tab/english")
    if folder is None and name == "punkt":
        raise HindsightError(
            "no NLTK data 'punkt_tab' found; set NLTK_DATA to the folder that holds tokenizers/punkt_tab"
        )
    _current = native() if folder is None else punkt(folder)
    return _current


def splitter() -> Punkt:
    """The splitter in use; its ``name`` is "punkt" or "native"."""
    return _current or use_splitter()


# Equal to these versions' `sent_tokenize` and `word_tokenize`; 3.9 to 3.10.0 split a few texts in other places.
NLTK_VERSIONS = "3.10.2 to 3.10.4"


def splitter_version() -> str:
    """What splits texts into sentences in this process, in words for a report: procedure, data and its digest."""
    current = splitter()
    if current.folder is None:
        return f"native lists of hindsight-rl {__version__}"
    return f"Punkt as in NLTK {NLTK_VERSIONS}, punkt_tab {_digest(current.folder)}"


@lru_cache(maxsize=8)
def _digest(folder: Path) -> str:
    """The first 8 hexadecimal digits of the SHA-256 of the data's files, in the order of their names."""
    found = hashlib.sha256()
    for name in PUNKT_FILES:
        found.update((folder / name).read_bytes())
    return found.hexdigest()[:8]


def sentences(raw: str) -> list[str]:
    """Sentences of a text in order, without the white space between them."""
    return [raw[start:end] for start, end in splitter().spans(raw)]
