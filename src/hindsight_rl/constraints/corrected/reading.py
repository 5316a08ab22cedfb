"""Words, sentences, keywords and paragraphs of a response for the corrected checkers, counted as a reader counts them.

Words. Runs of letters and digits with their combining marks, joined by an apostrophe or a hyphen ("don't",
"well-known"), digits also by a point, comma or colon ("3.5", "10:30"); initials ("U.S.") are one word. Each Han or
kana character is a word. Thai, Lao, Khmer and Burmese write no spaces between words, and this reader has no
dictionary: a run of theirs counts as one word.

Sentences. As Punkt splits them, and also behind the ends of other scripts (\u3002 \uff1f \u061f \u0964 ...); a piece
without any letter, such as the number of a list item, is no sentence.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import cache, lru_cache

from hindsight_rl.constraints.text.readings import once
from hindsight_rl.constraints.text.response import Text
from hindsight_rl.constraints.text.words import marks

# Written without spaces, a character a word.
HAN = "\u3005\u3007\u3041-\u30fa\u30fc-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
# Other scripts that do not mark where a word ends: Thai, Lao, Burmese, Khmer; in Hangul, particles follow the word.
_UNBOUNDED = HAN + "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\uac00-\ud7a3"
_APOSTROPHES = "'\u2019\u02bc"
_HYPHENS = "\\-\u2010\u2011"
_ASCII_WORD = re.compile(r"(?:[A-Za-z]\.){2,}|[A-Za-z0-9]+(?:['\-][A-Za-z0-9]+|(?<=\d)[.,:]\d[A-Za-z0-9]*)*")

# Ends of sentences, also those that Punkt does not know: CJK, Arabic, Urdu, Devanagari, Armenian, Ethiopic, Burmese,
# Khmer, Tibetan.
FULL_STOPS = ".\u3002\uff0e\uff61\u06d4\u0964\u0965\u0589\u1362\u104b\u17d4\u0f0d"
QUESTIONS = "?\uff1f\u061f\u037e\u1367"
EXCLAMATIONS = "!\uff01\ufe57\u203c"
_OTHER_ENDS = "".join(mark for mark in FULL_STOPS + QUESTIONS + EXCLAMATIONS if not mark.isascii())
_CUT = re.compile(rf"(?:[{_OTHER_ENDS}]+|[.!?]+(?=[{HAN}]))[\"'”’»」』）)\]*_]*")


@cache
def _word() -> re.Pattern[str]:
    inside = rf"(?:(?![_{HAN}])[\w{marks()}\u200c\u200d])"
    letter = rf"(?![_{HAN}])\w"
    more = rf"{letter}{inside}*"
    return re.compile(
        rf"(?:[^\W\d_]\.){{2,}}|[{HAN}]|{more}(?:[{_APOSTROPHES}{_HYPHENS}]{more}|(?<=\d)[.,:]\d{inside}*)*"
    )


def words_of(raw: str) -> list[str]:
    """The words of a text, as they are written."""
    return (_ASCII_WORD if raw.isascii() else _word()).findall(raw)


@once
def words(text: Text) -> list[str]:
    """The words of a response, as they are written."""
    return words_of(text.raw)


def same_case(word: str) -> str:
    """A word as it is compared: without case, with straight apostrophes and plain hyphens, composed."""
    if not word.isascii():
        word = composed(word).replace("\u2019", "'").replace("\u02bc", "'").replace("\u2010", "-")
        word = word.replace("\u2011", "-")
    return word.casefold()


@once
def plain_words(text: Text) -> list[str]:
    """The words of a response as they are compared."""
    return list(map(same_case, words(text)))


def plain_words_of(raw: str) -> list[str]:
    """The words of a text as they are compared."""
    return list(map(same_case, words_of(raw)))


# Short runs only: composing sorts a run of marks, in time quadratic in its length.
_DECOMPOSED = re.compile("[^\u0300-\u036f][\u0300-\u036f]{1,4}")


def composed(raw: str) -> str:
    """The text with its accents joined to their letters: "e" and an acute become one character."""
    if raw.isascii():
        return raw
    return _DECOMPOSED.sub(lambda match: unicodedata.normalize("NFC", match[0]), raw)


@once
def composed_text(text: Text) -> str:
    """:func:`composed` of a response."""
    return composed(text.raw)


def sentences_of(split: list[str]) -> list[str]:
    """Punkt's sentences, split again at the full stops of other scripts; parts without letters are dropped."""
    found: list[str] = []
    for sentence in split:
        if sentence.isascii():
            found.append(sentence)
            continue
        start = 0
        for match in _CUT.finditer(sentence):
            found.append(sentence[start : match.end()])
            start = match.end()
        found.append(sentence[start:])
    return [part for piece in found if any(map(str.isalpha, part := piece.strip()))]


@once
def sentences(text: Text) -> list[str]:
    """The sentences of a response."""
    return sentences_of(text.sentences)


def sentence_kind(sentence: str) -> str:
    """ "?", "!" or ".", by the marks behind its last letter or digit; "" where there is none of them."""
    last = max((at for at, character in enumerate(sentence) if character.isalnum()), default=-1)
    tail = sentence[last + 1 :]
    for kind, known in (("?", QUESTIONS), ("!", EXCLAMATIONS), (".", FULL_STOPS + "\u2026")):
        if any(mark in tail for mark in known):
            return kind
    return ""


@lru_cache(maxsize=4096)
def _keyword(keyword: str) -> re.Pattern[str]:
    keyword = composed(keyword.strip())
    parts = (re.escape(part).replace("\\-", f"[{_HYPHENS}]") for part in keyword.split())
    body = r"\s+".join(re.sub(f"[{_APOSTROPHES}]", f"[{_APOSTROPHES}]", part) for part in parts)
    inside, free = rf"[\w{marks()}]", f"[_{_UNBOUNDED}]"
    before = rf"(?:(?<!{inside})|(?<={free}))" if _bounded(keyword[:1]) else ""
    after = rf"(?:(?!{inside})|(?={free}))" if _bounded(keyword[-1:]) else ""
    return re.compile(before + body + after, re.IGNORECASE)


def _bounded(character: str) -> bool:
    """Whether a word that begins or ends with it has a border there."""
    if re.fullmatch(f"[{_UNBOUNDED}]", character):
        return False
    return character.isalnum() or unicodedata.category(character or " ").startswith("M")


@lru_cache(maxsize=4096)
def _seed(keyword: str) -> str:
    """The longest run of ASCII letters and digits in a keyword, in lower case. A text without it lacks the keyword."""
    return max(re.findall("[a-z0-9]+", keyword.lower()), key=len, default="") if keyword.isascii() else ""


def _found(raw: str, lower: str, keyword: str) -> Iterator[re.Match[str]]:
    keyword = keyword.strip()
    # A plain search first: most keywords are absent, and the pattern takes a hundred times as long.
    if not keyword or (raw.isascii() and _seed(keyword) not in lower):
        return iter(())
    return _keyword(keyword).finditer(raw)


def times(raw: str, keyword: str) -> int:
    """How often a keyword or phrase occurs in a text as whole words, in any case, also across a line break."""
    raw = composed(raw)
    return sum(1 for _ in _found(raw, raw.lower(), keyword))


def has(text: Text, keyword: str) -> bool:
    """Whether a keyword or phrase occurs in a response as whole words."""
    return next(_found(composed_text(text), text.lower, keyword), None) is not None


def occurrences(text: Text, keyword: str) -> int:
    """How often a keyword or phrase occurs in a response as whole words."""
    return sum(1 for _ in _found(composed_text(text), text.lower, keyword))


def starts_with(raw: str, word: str) -> bool:
    """Whether a text begins with these words. A sign that is no word ("#") is compared with the first characters."""
    wanted = plain_words_of(word)
    return plain_words_of(raw)[: len(wanted)] == wanted if wanted else raw.strip().startswith(word)


def ends_with(raw: str, word: str) -> bool:
    """Whether a text ends with these words. A sign that is no word is compared with the last characters."""
    wanted = plain_words_of(word)
    return plain_words_of(raw)[-len(wanted) :] == wanted if wanted else raw.strip().endswith(word)


def finishes_with(text: Text, phrase: str) -> bool:
    """Whether the response finishes with a phrase, its marks included, and no letter or digit follows."""
    raw = composed_text(text)
    ends = [match.end() for match in _found(raw, text.lower, phrase)]
    return bool(ends) and not any(map(str.isalnum, raw[ends[-1] :]))


def blocks(raw: str) -> list[str]:
    """The blocks between blank lines, without blank ones."""
    return [block for block in raw.split("\n\n") if block.strip()]


def lines(raw: str) -> list[str]:
    """The lines that hold a letter or digit."""
    return [line for line in raw.split("\n") if any(map(str.isalnum, line))]
