"""Punctuation: commas and dots of every script, quotation marks, emoji."""

from __future__ import annotations

import re

from hindsight_rl.constraints.corrected.correction import corrected
from hindsight_rl.constraints.corrected.reading import sentence_kind, sentences
from hindsight_rl.constraints.ifbench.format import nested_quotes
from hindsight_rl.constraints.text.lexicon import is_emoji
from hindsight_rl.constraints.text.response import Text

# Full-width, ideographic, small, half-width, Arabic, Armenian, Ethiopic.
COMMAS = ",\uff0c\u3001\ufe50\ufe51\uff64\u060c\u055d\u1363"
DOTS = ".\u3002\uff0e\uff61\u2026\u2025"
EXCLAMATIONS = "!\uff01\ufe57\u00a1\u203c\u2049\u2757\u2755"


def _none_of(text: Text, marks: str) -> bool:
    return not any(mark in text.raw for mark in marks)


@corrected(
    "punctuation:no_comma",
    says="refrain from the use of any commas",
    change="Commas of other scripts are commas, too (\uff0c \u3001 \u060c).",
    response="\u6625\uff0c\u590f",
)
def no_comma(text: Text) -> bool:
    return _none_of(text, COMMAS)


@corrected(
    "punctuation:punctuation_dot",
    says="refrain from the use of . (i.e. dots) as punctuation and in general",
    change="An ellipsis sign and full stops of other scripts are dots, too.",
    response="Wait\u2026",
)
def punctuation_dot(text: Text) -> bool:
    return _none_of(text, DOTS)


@corrected(
    "punctuation:punctuation_exclamation",
    says="refrain from the use of ! (i.e. exclamation marks) as punctuation and in general",
    change="Exclamation marks of other scripts and as emoji are exclamation marks, too.",
    response="\u52a0\u6cb9\uff01",
)
def punctuation_exclamation(text: Text) -> bool:
    return _none_of(text, EXCLAMATIONS)


_PAIRS = {"\u201c": "\u201d", "\u201e": "\u201d\u201c", "\u201d": "\u201d", "\u00ab": "\u00bb", "\uff02": "\uff02"}


@corrected(
    "startend:quotation",
    says="Wrap your entire response with double quotation marks",
    change="Curly and angled marks are double quotation marks; the pair has to hold the whole, and something.",
    response="\u201cIt rains.\u201d",
    holds=True,
)
def quotation(text: Text) -> bool:
    body = text.raw.strip()
    inside = body[1:-1]
    if len(body) < 3 or not any(map(str.isalnum, inside)):
        return False
    if body[0] == '"':
        return body[-1] == '"' and not _closed_early(inside, '"', '"')
    ends = _PAIRS.get(body[0], "")
    return body[-1] in ends and not _closed_early(inside, body[0], ends)


def _closed_early(inside: str, opening: str, closing: str) -> bool:
    """Whether the mark before this text is closed in it: `"Yes" he said "no"` is not wrapped."""
    depth = 1
    for at, character in enumerate(inside):
        before = inside[at - 1] if at else ""
        if before == "\\" or (character != opening and character not in closing):
            continue
        opens = character == opening and (opening not in closing or not before or before.isspace() or before in "([{")
        depth += 1 if opens else -1
        if not depth:
            return True
    return False


_QUOTED = re.compile('"[^"]*"|\u201c[^\u201d]*\u201d')


@corrected(
    "format:quote_unquote",
    says="Every quoted phrase must be followed by an unquoted explanation",
    change="There has to be a quoted phrase, in straight or curly marks, and words follow each one.",
    response="Nothing is quoted.",
)
def quote_unquote(text: Text) -> bool:
    parts = _QUOTED.split(text.raw)
    return len(parts) > 1 and all(any(map(str.isalpha, part)) for part in parts[1:])


_APOSTROPHE = re.compile("(?<=\\w)['\u2019](?=\\w)")
_STRAIGHT = str.maketrans("\u201c\u201d\u2018\u2019", "\"\"''")


@corrected(
    "format:quotes",
    says="alternating between double quotes and single quotes",
    change="An apostrophe is no quote; curly quotes are quotes.",
    response="\u201cShe said \u2018he said \u201cgo\u201d to me\u2019 today.\u201d",
    holds=True,
)
def quotes(text: Text) -> bool:
    return nested_quotes(_APOSTROPHE.sub("", text.raw).translate(_STRAIGHT))


# The longest emoji that is displayed as one sign: a family of four, or the flag of a subdivision.
_LONGEST_EMOJI = 14
_CLOSERS = " \t\n\r.!?\u2026\"'\u201d\u2019)]*_\u3002\uff1f\uff01"


def _ends_in_emoji(sentence: str) -> bool:
    body = sentence.rstrip(_CLOSERS)
    return any(is_emoji(body[-size:]) for size in range(1, min(_LONGEST_EMOJI, len(body)) + 1))


@corrected(
    "format:emoji",
    says="use an emoji at the end of every sentence",
    change="Flags, keycaps and joined signs are emoji, too.",
    response="Vive la France! \U0001f1eb\U0001f1f7",
    holds=True,
)
def emoji(text: Text) -> bool:
    found = sentences(text)
    # A splitter puts an emoji behind the full stop into the next sentence: read the text up to that one's first word.
    at, ends = 0, []
    for sentence in found:
        at = text.raw.find(sentence, at)
        ends.append((at, at + len(sentence)))
        at += len(sentence)
    if not found:
        return False
    for place, (start, end) in enumerate(ends):
        following = ends[place + 1][0] if place + 1 < len(ends) else len(text.raw)
        own = text.raw[start:end]
        between = text.raw[end:following]
        head = _leading(found[place + 1]) if place + 1 < len(found) else ""
        if not (_ends_in_emoji(own) or _ends_in_emoji(between) or _ends_in_emoji(head)):
            return False
    return True


def _leading(sentence: str) -> str:
    """The characters before the first letter or digit of a sentence."""
    first = next((at for at, character in enumerate(sentence) if character.isalpha()), len(sentence))
    return sentence[:first]


def _kinds(text: Text) -> list[str]:
    return [sentence_kind(sentence) for sentence in sentences(text)]


@corrected(
    "ratio:sentence_type",
    says="Maintain a 2:1 ratio of declarative to interrogative sentences",
    change="There has to be a question; a sentence's mark is read inside closing quotes and in other scripts.",
    response="No mark and no question",
)
def sentence_type(text: Text) -> bool:
    kinds = _kinds(text)
    return kinds.count("?") > 0 and kinds.count(".") == 2 * kinds.count("?")


@corrected(
    "ratio:sentence_balance",
    says="the ratio of sentence types (declarative, interrogative, exclamatory) is balanced",
    change="Each type occurs; a sentence's mark is read inside closing quotes and in other scripts.",
    response="No mark at all",
)
def sentence_balance(text: Text) -> bool:
    kinds = _kinds(text)
    return kinds.count(".") == kinds.count("?") == kinds.count("!") > 0
