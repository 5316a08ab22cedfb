"""The prompts that constraints are added to: where they come from, and which of them are skipped.

A prompt is skipped where it is empty, too long, there already, asks for a constraint itself, or shares eight words in a
row with a benchmark's prompt. Skipped prompts are counted by reason; a file that cannot be read is an error.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from hindsight_rl.data.chats import chat_of, user_turn
from hindsight_rl.data.stream import rows
from hindsight_rl.errors import HindsightError

FIELDS = ("task", "prompt", "instruction", "question", "messages", "conversations")
LONGEST = 2000  # characters
GRAM = 8  # words in a row that count as an overlap
_TOKEN = re.compile(r"\w+")
_LETTER = re.compile(r"[^\W\d_]")

_NUMBER = r"(?:\d+|an?|one|two|three|four|five|six|seven|eight|nine|ten|twenty|fifty|a hundred|one hundred)"
_UNIT = (
    r"(?:words?|sentences?|paragraphs?|lines?|letters?|characters?|bullets?|bullet points?|points|sections?|stanzas?)"
)
# A prompt that says one of these asks for something that a checker may contradict.
_ASKS = re.compile(
    rf"\b(?:at least|at most|(?:no )?(?:more|less|fewer) than|exactly|under|within|up to|(?:maxi|mini)mum of)"
    rf" {_NUMBER} (?:\w+ )?{_UNIT}\b"
    rf"|\b(?:in|about|around) (?!an? )(?!one line\b){_NUMBER} (?:\w+ )?{_UNIT}\b"
    rf"|\b{_NUMBER}-(?:word|sentence|paragraph|line|letter|section|stanza)\b"
    r"|\b(?:bullet (?:points?|list)|bulleted|all caps|upper ?case|lower ?case|capital letters|json|markdown|haiku"
    r"|placeholders?|postscript|word (?:limit|count)|without (?:using|the (?:word|letter))"
    r"|(?:do not|don't|never|avoid) (?:use|using|include|including|mention|mentioning)"
    r"|(?:start|begin|end)s? (?:your \w+ )?with the (?:word|phrase)|(?:use|include) the (?:words?|phrase|keywords?))\b"
    r"|\bno commas?\b",
    re.IGNORECASE,
)


def read_prompts(source: str, against: Sequence[Path] = ()) -> tuple[list[str], Counter[str]]:
    """The prompts of a source that can be used, in its order, and how many were skipped by reason.

    source, against: see :class:`~hindsight_rl.data.compose.ComposeConfig`. Raises :class:`HindsightError`.
    """
    skipped: Counter[str] = Counter()
    benchmark = {gram for path in against for _, text in _texts(str(path)) for gram in _grams(text)}
    kept: list[str] = []
    seen: set[str] = set()
    for _, text in _texts(source):
        if why := _unfit(text):
            skipped[why] += 1
            continue
        same = " ".join(_TOKEN.findall(text.lower()))
        if same in seen:
            skipped["there already"] += 1
        elif benchmark and not benchmark.isdisjoint(_grams(text)):
            skipped[f"shares {GRAM} words in a row with a benchmark"] += 1
        else:
            kept.append(text.strip())
        seen.add(same)
    if not kept:
        why = "; ".join(f"{count} {reason}" for reason, count in skipped.items()) or "it is empty"
        raise HindsightError(f"{source}: no prompt can be used ({why})")
    return kept, skipped


def _unfit(text: str) -> str:
    if not text.strip():
        return "empty"
    if len(text) > LONGEST:
        return f"longer than {LONGEST} characters"
    letters = _LETTER.findall(text)
    if not letters:
        return "no letters in it"
    if 2 * sum(letter.isascii() for letter in letters) < len(letters):
        return "in another script than Latin"
    if _ASKS.search(text):
        return "asks for a constraint itself"
    return ""


def _grams(text: str) -> Iterator[tuple[str, ...]]:
    words = _TOKEN.findall(text.lower())
    return zip(*(words[at:] for at in range(GRAM)), strict=False)


def _texts(source: str) -> Iterator[tuple[str, str]]:
    """("file:line", prompt) of a source."""
    if source == "tasks":
        found: Iterable[tuple[str, Mapping[str, Any]]] = rows(Path(str(files("hindsight_rl.data") / "tasks.jsonl")))
    elif Path(source).suffix == ".txt":
        yield from _lines(Path(source))
        return
    else:
        found = rows(source)
    for where, row in found:
        yield where, _text(row, where)


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise HindsightError(f"{path}: cannot be read: {error}") from None
    yield from ((f"{path}:{number}", line) for number, line in enumerate(text.splitlines(), 1) if line.strip())


def _text(row: Mapping[str, Any], where: str) -> str:
    for name in FIELDS:
        value = row.get(name)
        if (chat := chat_of(value, where)) is not None:
            return user_turn(chat, name, where)[1]
        if isinstance(value, str):
            return value
        if value is not None:
            raise HindsightError(f"{where}: {name!r} is {value!r:.60}; it must be a string")
    raise HindsightError(f"{where}: no prompt in the row: give it one of {', '.join(FIELDS)}")
